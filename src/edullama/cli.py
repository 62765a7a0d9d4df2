"""The command line: one short function a command. What is slow to import is imported by the stages themselves."""

import contextlib
import errno
import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edullama.errors import EduLlamaError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edullama.manifest import Manifest
    from edullama.recipe import Recipe
    from edullama.store import Stage, Workspace

PARTIAL = 3  # exit code: the work is done, but some inputs could not be used
INTERRUPTED = 130
MADE_OF_TEXT = {"ingest", "prepare"}  # stages that need no model

app = typer.Typer(
    name="edullama",
    help="Turn lectures into small language models that know them, and report honestly how well they do.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
Folder = Annotated[Path, typer.Argument(metavar="COURSE", help="The course's folder, which holds course.toml.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="SECTION.KEY=VALUE", help="Override a setting of course.toml, for example finetune.epochs=2."
    ),
]
HERE = Path()


def main() -> None:
    """Run the command line; errors a user can mend end in one line and exit code 1."""
    try:
        app()
    except EduLlamaError as error:
        print(f"edullama: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = error.filename or "the disk"
        print(
            f"edullama: {where}: no space left. Free some and run the same command to go on from here.", file=sys.stderr
        )
        sys.exit(1)


@app.command()
def new(
    course: Annotated[Path, typer.Argument(metavar="COURSE", help="The folder to make.")],
    lectures: Annotated[Path, typer.Option(help="A folder of lecture PDFs and PPTX files, or one of them.")],
    cards: Annotated[Path | None, typer.Option(help="A folder of flashcard files, or one file.")] = None,
    controls: Annotated[
        Path | None, typer.Option(help="Cards of another subject; the built-in ones by default.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="The course's name; the folder's by default.")] = None,
) -> None:
    """Start a course from a folder of lectures."""
    from edullama.newcourse import create

    create(course, lectures, cards, controls, title or course.name)
    print(f"{course} is ready. Its settings are in {course / 'course.toml'}. Next: edullama run {course}")


@app.command()
def run(
    course: Folder = HERE,
    overrides: Overrides = None,
    limit_steps: Annotated[int | None, typer.Option(help="Trial run: at most so many training steps, each.")] = None,
    limit_questions: Annotated[int | None, typer.Option(help="Trial run: at most so many questions, each.")] = None,
) -> None:
    """Run all stages that are out of date."""
    from edullama.store import STAGES, Workspace
    from edullama.summary import summarize

    work, recipe = Workspace(course), _recipe(course, [*(overrides or []), *_limits(limit_steps, limit_questions)])
    with work.lock():
        manifests = [_bring_up_to_date(stage, work, recipe) for stage in STAGES]
    summarize(work)
    _exit_if_partial(work, manifests)


@app.command()
def status(course: Folder = HERE, overrides: Overrides = None) -> None:
    """Show which stages are out of date, and why."""
    from edullama.store import Workspace
    from edullama.summary import show_status

    show_status(Workspace(course), _recipe(course, overrides or []))


@app.command()
def ask(
    course: Folder = HERE,
    question: Annotated[str | None, typer.Argument(help="One question; without it, ask as many as you like.")] = None,
    model: Annotated[str, typer.Option(help="base, teacher, shrunk or student.")] = "teacher",
    others: Annotated[
        list[Path] | None,
        typer.Option("--with", metavar="COURSE", help="Another course on the same base; /list and /use NAME switch."),
    ] = None,
) -> None:
    """Ask a finished course in the terminal, or the teachers of several."""
    from edullama.asking import converse, converse_with_several
    from edullama.store import Workspace

    if not others:
        converse(Workspace(course), _recipe(course, []), model, question)
    elif model != "teacher":
        raise InputError(f"Several courses share a base, and '{model}' has a model of its own: ask it by itself.")
    else:
        converse_with_several([course, *others], _recipe(course, []), question)


@app.command()
def adapters(
    folders: Annotated[list[Path] | None, typer.Argument(metavar="FOLDER", help="Where courses lie.")] = None,
) -> None:
    """List the courses below a folder that have an adapter, and what each adapter belongs to."""
    from edullama.adapters import list_adapters

    list_adapters(folders or [HERE])


@app.command()
def serve_model(
    model: Annotated[str, typer.Argument(help="A .gguf file, or builtin:smollm2-135m-instruct.")],
    port: Annotated[int, typer.Option(help="Where on this machine; any free port by default.")] = 0,
) -> None:
    """Serve a model on this machine to whatever speaks OpenAI's interface, until Ctrl-C."""
    import threading

    from edullama.endpoint import server
    from edullama.recipe import BUILTIN

    if model == BUILTIN:
        from edullama.llm.builtin import fetch_gguf

        model = str(fetch_gguf())
    with server.serve_model(Path(model).expanduser(), port) as url, contextlib.suppress(KeyboardInterrupt):
        print(f'[endpoint.local]\nbase_url = "{url}"\nmodel = "{Path(model).stem}"', flush=True)
        print("That is for course.toml. The model is served until Ctrl-C.", file=sys.stderr, flush=True)
        threading.Event().wait()


@app.command()
def ingest(course: Folder = HERE, overrides: Overrides = None) -> None:
    """Read the lectures into slides."""
    _run_one("ingest", course, overrides)


@app.command()
def prepare(course: Folder = HERE, overrides: Overrides = None) -> None:
    """Turn slides and cards into training windows, catalogue and exam."""
    _run_one("prepare", course, overrides)


@app.command()
def finetune(
    course: Folder = HERE,
    overrides: Overrides = None,
    compare_windows: Annotated[
        bool,
        typer.Option(
            "--compare-windows", help="Train on half slides and on four slides at equal tokens, and draw the losses."
        ),
    ] = False,
) -> None:
    """Train the teacher's QLoRA adapter."""
    if not compare_windows:
        _run_one("finetune", course, overrides)
        return
    from edullama.stages import compare_windows as comparison
    from edullama.store import Workspace

    work = Workspace(course)
    with work.lock(), _interruptible("Nothing of the comparison is kept; run the same command to begin again."):
        print(comparison.run(work, _recipe(course, overrides or [])))


@app.command()
def shrink(
    course: Folder = HERE,
    overrides: Overrides = None,
    sweep: Annotated[
        bool,
        typer.Option(
            "--sweep", help="Make none, but draw for every way to choose layers what students of each size lose."
        ),
    ] = False,
) -> None:
    """Make the student out of some of the teacher's layers."""
    if not sweep:
        _run_one("shrink", course, overrides)
        return
    from edullama.stages import sweep as sweeping
    from edullama.store import Workspace

    work = Workspace(course)
    with work.lock(), _interruptible("Run the same command again to go on from here."):
        print(sweeping.run(work, _recipe(course, overrides or [])))


@app.command()
def distill(course: Folder = HERE, overrides: Overrides = None) -> None:
    """Teach the student from questions alone."""
    _run_one("distill", course, overrides)


@app.command()
def evaluate(course: Folder = HERE, overrides: Overrides = None) -> None:
    """Examine base, teacher, shrunk and student, and write the report."""
    _run_one("evaluate", course, overrides)


@app.command()
def export(course: Folder = HERE, overrides: Overrides = None) -> None:
    """Write merged weights, GGUF files and a model card."""
    _run_one("export", course, overrides)


def _run_one(name: str, course: Path, overrides: list[str] | None) -> None:
    """Run one stage, whether it is out of date or not."""
    from edullama.store import Workspace

    work = Workspace(course)
    with work.lock():
        manifest = _run_stage(name, work, _recipe(course, overrides or []))
    _exit_if_partial(work, [manifest])


def _bring_up_to_date(stage: "Stage", work: "Workspace", recipe: "Recipe") -> "Manifest | None":
    """Run a stage if it is out of date; returns None for a folder made by hand, which has no manifest."""
    status = work.stage_status(stage, recipe)
    if status.state in ("done", "by hand"):
        print(f"{stage.name:<9} up to date{f' ({status.why})' if status.why else ''}")
        return work.manifest(stage.name)
    print(f"{stage.name:<9} runs ({status.why})", flush=True)
    return _run_stage(stage.name, work, recipe)


def _run_stage(name: str, work: "Workspace", recipe: "Recipe") -> "Manifest":
    from edullama.progress import announce
    from edullama.summary import describe
    from edullama.workers import remember_interrupts

    remember_interrupts()
    if name not in MADE_OF_TEXT and "torch" not in sys.modules:
        announce("loading torch")
    with _interruptible("Run the same command again to go on from here."):
        manifest: Manifest = importlib.import_module(f"edullama.stages.{name}").run(work, recipe)
    print(f"{name:<9} done in {manifest.seconds:.0f} s: {describe(manifest)}", flush=True)
    for line in "\n".join(manifest.notes).splitlines():
        print(f"{'':<9} {line}", flush=True)
    return manifest


@contextlib.contextmanager
def _interruptible(advice: str) -> "Iterator[None]":
    """Let Ctrl-C end the work with a word on how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"\nedullama: interrupted. {advice}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None


def _recipe(course: Path, overrides: list[str]) -> "Recipe":
    from edullama.recipe_file import read_recipe

    return read_recipe(course / "course.toml", tuple(overrides))


def _limits(steps: int | None, questions: int | None) -> list[str]:
    """Return the trial run's limits as overrides of the recipe."""
    limits = []
    if steps is not None:
        limits += [f"finetune.max_steps={steps}", f"distill.max_steps={steps}"]
    if questions is not None:
        limits += [f"{name}={questions}" for name in ("distill.max_questions", "evaluate.max_questions")]
        limits.append(f"shrink.questions={max(2, questions)}")  # one to choose layers by, one to measure
    return limits


def _exit_if_partial(work: "Workspace", manifests: "Sequence[Manifest | None]") -> None:
    if any(manifest and manifest.counts.get("failures") for manifest in manifests):
        failures = work.folder("ingest") / "failures.jsonl"
        print(f"edullama: partial: some inputs could not be read. {failures} says what to do.", file=sys.stderr)
        raise typer.Exit(PARTIAL)
