"""Examine all four contenders on questions none of them was trained on, and report it."""

import datetime
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter

from edullama.cache import Cache
from edullama.errors import InputError
from edullama.files import to_json
from edullama.manifest import Manifest
from edullama.recipe import Recipe
from edullama.records import (
    CONTENDERS,
    Answer,
    Author,
    Card,
    Contender,
    CrossLoss,
    Estimate,
    ReferenceLoss,
    Step,
    StudentWatch,
    Support,
    Verdict,
    Watch,
)
from edullama.stages.authors import warn_of_relatives
from edullama.stages.contenders import open_contender
from edullama.stages.remote import end_dry_runs, open_remote
from edullama.store import WAITING, Task, Workspace

if TYPE_CHECKING:
    from edullama.evaluation.answerable import Groups
    from edullama.evaluation.findings import Contestant
    from edullama.evaluation.knowledge import Rivals
    from edullama.evaluation.report import ReportData

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sheet:
    """What one contender handed in: its facts, its answers, its losses on the exam's and the controls' references."""

    contestant: "Contestant"
    answers: list[Answer]
    losses: list[ReferenceLoss]
    control_losses: list[ReferenceLoss]
    cross_losses: list[CrossLoss]


def run(work: Workspace, recipe: Recipe) -> Manifest:
    """Answer, measure, compare, judge where a judge is configured, and write the report."""
    from edullama.evaluation.answerable import group
    from edullama.evaluation.report import render_report
    from edullama.evaluation.watching import warn_of_training

    exam, controls = _cards(work, recipe, "exam.jsonl"), _cards(work, recipe, "controls.jsonl")
    if not exam:
        raise InputError(f"{work.folder('prepare')}/exam.jsonl is empty: put flashcards into cards/ to be examined on.")
    task, support = work.begin("evaluate", recipe), _read_extra(work, "support.jsonl", Support) or []
    rivals = _choose_rivals(exam)
    sheets = [_examine(work, recipe, task, name, exam, controls, rivals) for name in CONTENDERS]
    answers, groups = [answer for sheet in sheets for answer in sheet.answers], group(exam, support)
    verdicts, problems = _judge(recipe, task, groups, answers)
    authors = _read_extra(work, "authors.jsonl", Author)
    task.notes += _warn_of_relatives(recipe, authors or []) + _warn_of_silence(len(verdicts), problems)
    task.notes += warn_of_training(_looks(work), best_is_kept=recipe.finetune.patience is not None)
    data = _measure(work, recipe, exam, controls, sheets, verdicts, support, rivals)
    data = replace(data, authors=authors, warnings=task.notes)
    _save(task, data, sheets)
    task.write("report.html", render_report(data))
    waiting = {WAITING: len(problems)} if problems else {}
    return task.finish(
        questions=len(exam), **_count_answerable(groups), controls=len(controls), verdicts=len(verdicts), **waiting
    )


def _read_extra(work: Workspace, name: str, record: type[T]) -> list[T] | None:
    """Read what `prepare` writes and a folder made by hand may lack."""
    return work.read("prepare", name, record) if (work.folder("prepare") / name).exists() else None


def _count_answerable(groups: "Groups") -> dict[str, int]:
    """Return how many questions the slides can answer, where that is known."""
    from edullama.evaluation.answerable import count

    return {"answerable": count(groups.share)[0]} if groups.share.n else {}


def _warn_of_relatives(recipe: Recipe, authors: Sequence[Author]) -> list[str]:
    """Warn of a judge that is a relative of those who wrote; the base wrote too, as what the student learns from."""
    teacher = Author("the teacher's answers that the student learns from", recipe.course.model)
    return warn_of_relatives(recipe, [*authors, teacher])


def _warn_of_silence(verdicts: int, problems: Sequence[str]) -> list[str]:
    """Say how many comparisons the judge was not asked for, or sent nothing to."""
    if not problems:
        return []
    return [
        f"{len(problems)} of {verdicts + len(problems)} comparisons have no verdict and count as missing; the next "
        f"run asks the judge for them again. The first: {problems[0]}"
    ]


def _cards(work: Workspace, recipe: Recipe, name: str) -> list[Card]:
    """Return the exam or the controls, or as many as a trial run wants: those with the lowest ids, which are hashes."""
    cards = sorted(work.read("prepare", name, Card), key=lambda card: card.id)
    return cards[: recipe.evaluate.max_questions]


def _choose_rivals(exam: Sequence[Card]) -> "Rivals":
    """Return the most similar references of each question."""
    from edullama.evaluation.knowledge import choose_rivals
    from edullama.llm.embedding import embed

    return choose_rivals(exam, embed)


def _examine(
    work: Workspace,
    recipe: Recipe,
    task: Task,
    name: Contender,
    exam: Sequence[Card],
    controls: Sequence[Card],
    rivals: "Rivals",
) -> Sheet:
    """Let one contender answer the exam and read all references; what an interrupted run has is not done again."""
    from edullama.evaluation.findings import Contestant
    from edullama.llm.generate import answer_all
    from edullama.llm.models import count_parameters, load_tokenizer

    tokenizer = load_tokenizer(recipe.course.model)
    model = open_contender(work, recipe, name)
    log = task.log(f"answers-{name}", Answer)
    questions = [card.ask() for card in exam]
    answers = answer_all(model, tokenizer, questions, _caps(tokenizer, exam), name, log.read(), log.append)
    losses = _reference_losses(task, model, tokenizer, name, [*exam, *controls])
    layers = model.config.num_hidden_layers
    contestant = Contestant(name, count_parameters(model), layers, _note(work, recipe, name))
    own, other = ([losses[card.id] for card in cards] for cards in (exam, controls))
    return Sheet(contestant, answers, own, other, _cross_losses(task, model, tokenizer, name, exam, rivals))


def _reference_losses(
    task: Task, model: Any, tokenizer: Any, name: Contender, cards: Sequence[Card]
) -> dict[str, ReferenceLoss]:
    """Return a contender's loss of every reference, by question id."""
    from edullama.llm.likelihood import reference_losses

    log = task.log(f"losses-{name}", ReferenceLoss)
    losses = log.read()
    if not losses:
        losses = reference_losses(model, tokenizer, cards, name)
        log.append(losses)
    return {loss.question_id: loss for loss in losses}


def _cross_losses(
    task: Task, model: Any, tokenizer: Any, name: Contender, exam: Sequence[Card], rivals: "Rivals"
) -> list[CrossLoss]:
    """Return a contender's losses of references after questions that are not theirs."""
    from edullama.evaluation.knowledge import pairs_to_read
    from edullama.llm.likelihood import cross_losses

    log = task.log(f"cross-losses-{name}", CrossLoss)
    losses = log.read()
    if not losses:
        losses = cross_losses(model, tokenizer, exam, pairs_to_read(rivals), name)
        log.append(losses)
    return losses


def _caps(tokenizer: Any, exam: Sequence[Card]) -> list[int]:
    """Return the most tokens of each answer: those of its lecture's longest reference, and one to end with."""
    from edullama.llm.rendering import render_answer

    longest: dict[str, int] = {}
    for card in exam:
        tokens = len(render_answer(tokenizer, card.reference)) + 1
        longest[card.lecture] = max(tokens, longest.get(card.lecture, 0))
    return [longest[card.lecture] for card in exam]


def _judge(recipe: Recipe, task: Task, groups: "Groups", answers: Sequence[Answer]) -> tuple[list[Verdict], list[str]]:
    """Compare the configured pairs: the verdicts, and for each that did not come the reason.

    Questions that the slides can answer come first, in case a budget ends. Without a judge there are no verdicts.
    """
    from edullama.evaluation.judge import judge_pairs
    from edullama.progress import bar

    name, pairs = recipe.evaluate.judge, recipe.evaluate.pairs
    if not name:
        return [], []
    complete, judge = open_remote(recipe, name, Cache(task.folder / "cache.sqlite")), recipe.endpoint[name].model
    log, batches = task.log("verdicts", Verdict), list(_batches(recipe, groups))
    verdicts, problems = log.read(), list[str]()
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    with bar("judge", sum(len(cards) for cards, _ in batches)) as advance:
        for cards, pair in batches:
            first, second = ([answer for answer in answers if answer.model == side] for side in pair)
            fresh, failed = judge_pairs(cards, first, second, pair, complete, judge, today, verdicts)
            log.append(fresh)
            verdicts, problems = verdicts + fresh, problems + failed
            advance(len(cards))
    end_dry_runs(recipe, name)
    return sorted(verdicts, key=lambda one: (pairs.index(one.pair), one.question_id, one.order != one.pair)), problems


def _batches(recipe: Recipe, groups: "Groups") -> Iterator[tuple[list[Card], tuple[str, str]]]:
    """Yield the cards and pairs that the judge is asked about at a time; a dry run is told of all at once."""
    endpoint = recipe.endpoint[recipe.evaluate.judge or ""]
    for cards, pair in product((groups.answerable, groups.unanswerable), recipe.evaluate.pairs):
        at_once = len(cards) if endpoint.dry_run else endpoint.concurrency
        for start in range(0, len(cards), at_once or 1):
            yield cards[start : start + at_once], pair


def _measure(
    work: Workspace,
    recipe: Recipe,
    exam: list[Card],
    controls: list[Card],
    sheets: Sequence[Sheet],
    verdicts: list[Verdict],
    support: list[Support],
    rivals: "Rivals",
) -> "ReportData":
    """Turn the sheets into figures with intervals, and gather what the report shows."""
    from edullama.evaluation.answerable import group
    from edullama.evaluation.estimates import estimate_all
    from edullama.evaluation.plots import plot_all
    from edullama.evaluation.report import ReportData
    from edullama.evaluation.similarity import similarities
    from edullama.llm.embedding import NAME, embed

    answers = [answer for sheet in sheets for answer in sheet.answers]
    losses = [loss for sheet in sheets for loss in sheet.losses]
    control_losses = [loss for sheet in sheets for loss in sheet.control_losses]
    likenesses = similarities(answers, exam, embed)
    cross = [loss for sheet in sheets for loss in sheet.cross_losses]
    estimates = estimate_all(
        exam, controls, answers, losses, control_losses, likenesses, verdicts, support, cross, rivals
    )
    groups = group(exam, support)
    return ReportData(
        title=recipe.course.title,
        contestants=[sheet.contestant for sheet in sheets],
        cards=exam,
        controls=controls,
        answers=answers,
        losses=losses,
        similarities=likenesses,
        verdicts=verdicts,
        estimates=estimates,
        support=support,
        plots=plot_all(estimates, _of(groups.main, losses), _curves(work), _of(groups.unanswerable, losses)),
        judge=recipe.endpoint[recipe.evaluate.judge].model if recipe.evaluate.judge else None,
        embedding=NAME,
        counts=_counts(work),
        settings=json.dumps(asdict(recipe), indent=1, ensure_ascii=False),
        versions=_versions(work),
    )


def _of(cards: Sequence[Card], losses: Sequence[ReferenceLoss]) -> list[ReferenceLoss]:
    """Return the losses of these cards."""
    ids = {card.id for card in cards}
    return [loss for loss in losses if loss.question_id in ids]


def _save(task: Task, data: "ReportData", sheets: Sequence[Sheet]) -> None:
    """Write everything that figures, plots and report were made from."""
    for name in CONTENDERS:
        task.write_records(f"answers/{name}.jsonl", [answer for answer in data.answers if answer.model == name])
    task.write_records("losses.jsonl", data.losses)
    task.write_records("control_losses.jsonl", [loss for sheet in sheets for loss in sheet.control_losses])
    task.write_records("cross_losses.jsonl", [loss for sheet in sheets for loss in sheet.cross_losses])
    task.write_records("similarities.jsonl", data.similarities)
    task.write_records("verdicts.jsonl", data.verdicts)
    task.write("estimates.json", TypeAdapter(list[Estimate]).dump_json(list(data.estimates), indent=1))
    for file_name, plot in data.plots.items():
        task.write(f"plots/{file_name}.svg", plot.svg)
        task.write(f"plots/{file_name}.csv", plot.csv)


def _note(work: Workspace, recipe: Recipe, name: Contender) -> str:
    """Say in a few words what a contender is made of."""
    if name == "base":
        return recipe.course.model
    if name == "teacher":
        held = "NF4 base" if recipe.finetune.quantize == "nf4" else "full base"
        return f"{held} + LoRA r={recipe.finetune.rank}, merged"
    layers = json.loads(work.path("shrink", "layers.json").read_text())["layers"]
    return f"layers {', '.join(map(str, layers))} of the teacher" + (", distilled" if name == "student" else "")


def _curves(work: Workspace) -> dict[str, list[dict[str, Any]]]:
    """Return the loss curves of both trainings and the looks at them; a hand-made stage folder may have none."""
    curves: dict[str, list[dict[str, Any]]] = {"finetune watch": [asdict(look) for look in _looks(work)]}
    if (work.folder("distill") / "watch.jsonl").exists():
        looks = work.read("distill", "watch.jsonl", StudentWatch)
        curves["distill watch"] = [{"step": look.step, "held_out": look.loss} for look in looks]
    for stage in ("finetune", "distill"):
        if (work.folder(stage) / "steps.jsonl").exists():
            curves[stage] = [json.loads(to_json(step)) for step in work.read(stage, "steps.jsonl", Step)]
    return curves


def _looks(work: Workspace) -> list[Watch]:
    known = (work.folder("finetune") / "watch.jsonl").exists()
    return work.read("finetune", "watch.jsonl", Watch) if known else []


def _counts(work: Workspace) -> dict[str, int]:
    """Return how much the course holds, as its stages counted."""
    wanted = {"ingest": ("lectures", "slides"), "prepare": ("windows", "catalogue"), "distill": ("answer_tokens",)}
    found: dict[str, int] = {}
    for stage, names in wanted.items():
        manifest = work.manifest(stage)
        if manifest:
            found |= {name.replace("_", " "): manifest.counts[name] for name in names if name in manifest.counts}
    return found


def _versions(work: Workspace) -> dict[str, str]:
    manifest = work.manifest("finetune")
    return manifest.versions if manifest else {}
