"""Examine all four contenders on questions none of them was trained on, and report it."""

import datetime
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from edullama.cache import Cache
from edullama.errors import InputError
from edullama.files import to_json
from edullama.recipe import Recipe
from edullama.records import CONTENDERS, Answer, Card, Contender, Estimate, Manifest, ReferenceLoss, Step, Verdict
from edullama.stages.contenders import open_contender
from edullama.stages.remote import end_dry_runs, open_remote
from edullama.store import Task, Workspace

if TYPE_CHECKING:
    from edullama.evaluation.findings import Contestant
    from edullama.evaluation.report import ReportData


@dataclass(frozen=True, slots=True)
class Sheet:
    """What one contender handed in: its facts, its answers, its losses on the exam's and the controls' references."""

    contestant: "Contestant"
    answers: list[Answer]
    losses: list[ReferenceLoss]
    control_losses: list[ReferenceLoss]


def run(work: Workspace, recipe: Recipe) -> Manifest:
    """Answer, measure, compare, judge where a judge is configured, and write the report."""
    from edullama.evaluation.report import render_report

    exam, controls = _cards(work, recipe, "exam.jsonl"), _cards(work, recipe, "controls.jsonl")
    if not exam:
        raise InputError(f"{work.folder('prepare')}/exam.jsonl is empty: put flashcards into cards/ to be examined on.")
    task = work.begin("evaluate", recipe)
    sheets = [_examine(work, recipe, task, name, exam, controls) for name in CONTENDERS]
    verdicts = _judge(recipe, task, exam, [answer for sheet in sheets for answer in sheet.answers])
    data = _measure(work, recipe, exam, controls, sheets, verdicts)
    _save(task, data, [loss for sheet in sheets for loss in sheet.control_losses])
    task.write("report.html", render_report(data))
    return task.finish(questions=len(exam), controls=len(controls), verdicts=len(verdicts))


def _cards(work: Workspace, recipe: Recipe, name: str) -> list[Card]:
    """Return the exam or the controls, or as many as a trial run wants: those with the lowest ids, which are hashes."""
    cards = sorted(work.read("prepare", name, Card), key=lambda card: card.id)
    return cards[: recipe.evaluate.max_questions]


def _examine(
    work: Workspace, recipe: Recipe, task: Task, name: Contender, exam: Sequence[Card], controls: Sequence[Card]
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
    return Sheet(contestant, answers, [losses[card.id] for card in exam], [losses[card.id] for card in controls])


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


def _caps(tokenizer: Any, exam: Sequence[Card]) -> list[int]:
    """Return the most tokens of each answer: those of its lecture's longest reference, and one to end with."""
    from edullama.llm.rendering import render_answer

    longest: dict[str, int] = {}
    for card in exam:
        tokens = len(render_answer(tokenizer, card.reference)) + 1
        longest[card.lecture] = max(tokens, longest.get(card.lecture, 0))
    return [longest[card.lecture] for card in exam]


def _judge(recipe: Recipe, task: Task, exam: Sequence[Card], answers: Sequence[Answer]) -> list[Verdict]:
    """Compare the configured pairs; no verdicts where no judge is configured."""
    from edullama.evaluation.judge import judge_pairs
    from edullama.progress import bar

    if not recipe.evaluate.judge:
        return []
    name, endpoint = recipe.evaluate.judge, recipe.endpoint[recipe.evaluate.judge]
    complete = open_remote(recipe, name, Cache(task.folder / "cache.sqlite"))
    at_once = len(exam) if endpoint.dry_run else endpoint.concurrency
    log = task.log("verdicts", Verdict)
    verdicts = log.read()
    judged = {(verdict.question_id, verdict.pair) for verdict in verdicts}
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    with bar("judge", len(exam) * len(recipe.evaluate.pairs), len(judged)) as advance:
        for pair in recipe.evaluate.pairs:
            first, second = ([answer for answer in answers if answer.model == side] for side in pair)
            waiting = [card for card in exam if (card.id, pair) not in judged]
            for start in range(0, len(waiting), at_once):
                cards = waiting[start : start + at_once]
                fresh = judge_pairs(cards, first, second, pair, complete, endpoint.model, today)
                log.append([] if endpoint.dry_run else fresh)
                verdicts += fresh
                advance(len(cards))
    end_dry_runs(recipe, name)
    return verdicts


def _measure(
    work: Workspace,
    recipe: Recipe,
    exam: list[Card],
    controls: list[Card],
    sheets: Sequence[Sheet],
    verdicts: list[Verdict],
) -> "ReportData":
    """Turn the sheets into figures with intervals, and gather what the report shows."""
    from edullama.evaluation.estimates import estimate_all
    from edullama.evaluation.plots import plot_all
    from edullama.evaluation.report import ReportData
    from edullama.evaluation.similarity import similarities
    from edullama.llm.embedding import NAME, embed

    answers = [answer for sheet in sheets for answer in sheet.answers]
    losses = [loss for sheet in sheets for loss in sheet.losses]
    control_losses = [loss for sheet in sheets for loss in sheet.control_losses]
    likenesses = similarities(answers, exam, embed)
    estimates = estimate_all(exam, controls, answers, losses, control_losses, likenesses, verdicts)
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
        plots=plot_all(estimates, losses, _curves(work)),
        judge=recipe.endpoint[recipe.evaluate.judge].model if recipe.evaluate.judge else None,
        embedding=NAME,
        counts=_counts(work),
        settings=json.dumps(asdict(recipe), indent=1, ensure_ascii=False),
        versions=_versions(work),
    )


def _save(task: Task, data: "ReportData", control_losses: list[ReferenceLoss]) -> None:
    """Write everything that figures, plots and report were made from."""
    for name in CONTENDERS:
        task.write_records(f"answers/{name}.jsonl", [answer for answer in data.answers if answer.model == name])
    task.write_records("losses.jsonl", data.losses)
    task.write_records("control_losses.jsonl", control_losses)
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
    """Return the loss curves of both trainings; a hand-made stage folder may have none."""
    curves = {}
    for stage in ("finetune", "distill"):
        if (work.folder(stage) / "steps.jsonl").exists():
            curves[stage] = [json.loads(to_json(step)) for step in work.read(stage, "steps.jsonl", Step)]
    return curves


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
