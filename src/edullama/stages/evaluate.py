"""Examine all four contenders on questions none of them was trained on, and report it."""

import datetime
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter

from edullama.errors import InputError
from edullama.recipe import Recipe
from edullama.records import (
    CONTENDERS,
    Answer,
    Card,
    Contender,
    Estimate,
    Manifest,
    ReferenceLoss,
    Similarity,
    Step,
    Verdict,
)
from edullama.stages.contenders import open_contender
from edullama.store import Task, Workspace, to_json


def run(work: Workspace, recipe: Recipe) -> Manifest:
    """Answer, measure, compare, judge where a judge is configured, and write the report."""
    from edullama.evaluation.estimates import estimate_all
    from edullama.evaluation.findings import Contestant
    from edullama.evaluation.plots import plot_all
    from edullama.evaluation.report import ReportData, render_report
    from edullama.evaluation.similarity import similarities
    from edullama.llm.embedding import NAME, embed

    exam, controls = _cards(work, recipe, "exam.jsonl"), _cards(work, recipe, "controls.jsonl")
    if not exam:
        raise InputError(f"{work.folder('prepare')}/exam.jsonl is empty: put flashcards into cards/ to be examined on.")
    task = work.begin("evaluate", recipe)
    contestants: list[Contestant] = []
    answers: list[Answer] = []
    losses: list[ReferenceLoss] = []
    control_losses: list[ReferenceLoss] = []
    for contender in CONTENDERS:
        fact, given, own, other = _examine(work, recipe, task, contender, exam, controls)
        contestants.append(fact)
        answers += given
        losses += own
        control_losses += other
        task.write_records(f"answers/{contender}.jsonl", given)
    likenesses: list[Similarity] = similarities(answers, exam, embed)
    verdicts = _judge(recipe, task, exam, answers)
    estimates = estimate_all(exam, controls, answers, losses, control_losses, likenesses, verdicts)
    plots = plot_all(estimates, losses, _curves(work))
    report = ReportData(
        title=recipe.course.title,
        contestants=contestants,
        cards=exam,
        controls=controls,
        answers=answers,
        losses=losses,
        similarities=likenesses,
        verdicts=verdicts,
        estimates=estimates,
        plots={name: plot.svg for name, plot in plots.items()},
        judge=recipe.endpoint[recipe.evaluate.judge].model if recipe.evaluate.judge else None,
        embedding=NAME,
        counts=_counts(work),
        settings=json.dumps(asdict(recipe), indent=1, ensure_ascii=False),
        versions=_versions(work),
    )
    task.write_records("losses.jsonl", losses)
    task.write_records("control_losses.jsonl", control_losses)
    task.write_records("similarities.jsonl", likenesses)
    task.write_records("verdicts.jsonl", verdicts)
    task.write("estimates.json", TypeAdapter(list[Estimate]).dump_json(estimates, indent=1))
    for name, plot in plots.items():
        task.write(f"plots/{name}.svg", plot.svg)
        task.write(f"plots/{name}.csv", plot.csv)
    task.write("report.html", render_report(report))
    return task.finish(questions=len(exam), controls=len(controls), verdicts=len(verdicts))


def _cards(work: Workspace, recipe: Recipe, name: str) -> list[Card]:
    """Return the exam or the controls, or as many as a trial run wants: those with the lowest ids, which are hashes."""
    cards = sorted(work.read("prepare", name, Card), key=lambda card: card.id)
    return cards[: recipe.evaluate.max_questions]


def _examine(
    work: Workspace, recipe: Recipe, task: Task, name: Contender, exam: Sequence[Card], controls: Sequence[Card]
) -> tuple[Any, list[Answer], list[ReferenceLoss], list[ReferenceLoss]]:
    """Return a contender's facts, its answers, and its losses on exam and controls; resumable."""
    from edullama.evaluation.findings import Contestant
    from edullama.llm.generate import answer_all
    from edullama.llm.likelihood import reference_losses
    from edullama.llm.models import count_parameters, load_tokenizer

    tokenizer = load_tokenizer(recipe.course.model)
    model = open_contender(work, recipe, name)
    log = task.log(f"answers-{name}", Answer)
    questions = [card.ask() for card in exam]
    answers = answer_all(model, tokenizer, questions, _caps(tokenizer, exam), name, log.read(), log.append)
    seen = task.log(f"losses-{name}", ReferenceLoss)
    losses = {loss.question_id: loss for loss in seen.read()}
    if not losses:
        fresh = reference_losses(model, tokenizer, [*exam, *controls], name)
        seen.append(fresh)
        losses = {loss.question_id: loss for loss in fresh}
    fact = Contestant(name, count_parameters(model), model.config.num_hidden_layers, _note(work, recipe, name))
    return fact, answers, [losses[card.id] for card in exam], [losses[card.id] for card in controls]


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
    from edullama.endpoint.client import connect
    from edullama.evaluation.judge import judge_pairs
    from edullama.progress import bar

    if not recipe.evaluate.judge:
        return []
    endpoint = recipe.endpoint[recipe.evaluate.judge]
    complete = connect(recipe.evaluate.judge, endpoint)
    log = task.log("verdicts", Verdict)
    verdicts = log.read()
    judged = {(verdict.question_id, verdict.pair) for verdict in verdicts}
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    with bar("judge", len(exam) * len(recipe.evaluate.pairs), len(judged)) as advance:
        for pair in recipe.evaluate.pairs:
            first, second = ([answer for answer in answers if answer.model == name] for name in pair)
            for card in exam:
                if (card.id, pair) not in judged:
                    fresh = judge_pairs([card], first, second, pair, complete, endpoint.model, today)
                    log.append(fresh)
                    verdicts += fresh
                    advance(1)
    return verdicts


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
