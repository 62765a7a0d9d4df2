"""What the terminal shows of a course: the state of its stages and its main figures."""

from pydantic import TypeAdapter

from edullama.recipe import Recipe
from edullama.records import Estimate, Manifest
from edullama.store import Workspace

MAIN = {
    "reference_loss.teacher-base": "teacher − base, nats per token (negative is better)",
    "reference_loss.shrunk-base": "shrunk − base, nats per token (negative is better)",
    "reference_loss.student-base": "student − base, nats per token (negative is better)",
    "knowledge.teacher": "teacher's gain beyond that on control cards, nats (positive is better)",
    "knowledge.student": "student's gain beyond that on control cards, nats (positive is better)",
    "cosine.teacher-base": "teacher − base, cosine to the reference (positive is better)",
    "cosine.student-base": "student − base, cosine to the reference (positive is better)",
}


def show_status(work: Workspace, recipe: Recipe) -> None:
    """Print for each stage its state, how long it took, what it holds, and why it is out of date."""
    for status in work.status(recipe):
        manifest = work.manifest(status.stage)
        print(f"{status.stage:<9} {status.state}{f' in {manifest.seconds:.0f} s' if manifest else ''}")
        if status.why:
            print(f"{'':<9} {status.why}")
        if manifest:
            print(f"{'':<9} {describe(manifest)}")


def describe(manifest: Manifest) -> str:
    """Return what a stage counted, in words."""
    return ", ".join(f"{count:,} {what.replace('_', ' ')}" for what, count in manifest.counts.items())


def summarize(work: Workspace) -> None:
    """Print what was found, the main figures with their intervals, and where the report and the models are."""
    from edullama.evaluation.findings import headline, index, standfirst, telling

    path = work.folder("evaluate") / "estimates.json"
    estimates = TypeAdapter(list[Estimate]).validate_json(path.read_bytes())
    figures = index(telling(estimates))
    print(f"\n{headline(estimates)}\n{standfirst(estimates)}\n")
    for name, meaning in MAIN.items():
        if name in figures:
            print(f"  {_format(figures[name]):<28} {meaning}")
    print(f"\nReport: {(work.folder('evaluate') / 'report.html').resolve()}")
    for gguf in sorted(work.folder("export").glob("*.gguf")):
        print(f"Model:  {gguf.resolve()}")
    print(f"Ask it: edullama ask {work.root}")


def _format(figure: Estimate) -> str:
    if figure.mean is None:
        return "not measured"
    interval = "" if figure.low is None else f" [{figure.low:+.3f}, {figure.high:+.3f}]"
    return f"{figure.mean:+.3f}{interval}"
