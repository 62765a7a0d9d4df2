"""Slides and flashcards in, training texts, questions and an exam out."""

from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

from edullama.cache import Cache
from edullama.dataset.cards import read_cards
from edullama.dataset.entries import make_entries
from edullama.dataset.leaks import find_leaks
from edullama.dataset.near_duplicates import find_near_pairs
from edullama.dataset.pairs import explanation_pairs, question_pairs
from edullama.dataset.repeats import drop_repeats
from edullama.dataset.split import drop_doubles, drop_known, drop_near_exam_files, split_cards
from edullama.dataset.support import find_support
from edullama.dataset.windows import make_windows
from edullama.recipe import Recipe
from edullama.records import Card, Draft, Flag, Leak, Manifest, Rejection, Slide, Support
from edullama.stages.card_models import draft, end_dry_run, normalise, warn_of_relatives
from edullama.store import Task, Workspace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def run(work: Workspace, recipe: Recipe) -> Manifest:
    """Turn slides into training windows, and flashcards into an exam and a catalogue of questions."""
    task, cache = work.begin("prepare", recipe), Cache(work.folder("prepare") / "cache.sqlite")
    slides, repeated = drop_repeats(work.read("ingest", "slides.jsonl", Slide))
    entries, poor_slides = make_entries(slides)
    cards, poor_cards = _read_cards(task, recipe)
    near = find_near_pairs(cards)
    cards, copies = drop_near_exam_files(cards, near)
    exam, catalogue = split_cards(cards, recipe.prepare.exam_share, near)
    controls, poor_controls = _read_controls(task, recipe, cards)
    drafts, undrafted = draft(slides, exam, catalogue, recipe, cache)
    (exam, catalogue, controls), flags = normalise((exam, catalogue, controls), recipe, cache)
    end_dry_run(recipe)
    cache.close()
    questions = [card.ask() for card in (*catalogue, *(one.question for one in drafts))]
    support, leaks = find_support(exam, slides, _embed), find_leaks(exam, questions, entries)
    dropped = repeated + poor_slides + poor_cards + copies + poor_controls + undrafted
    windows = make_windows(entries, recipe.prepare.window, recipe.prepare.stride)
    task.write_records("entries.jsonl", entries)
    task.write_records("windows.jsonl", windows)
    task.write_records("pairs.jsonl", explanation_pairs(slides) + question_pairs(drafts))
    task.write_records("catalogue.jsonl", questions)
    task.write_records("drafts.jsonl", drafts)
    task.write_records("exam.jsonl", exam)
    task.write_records("support.jsonl", support)
    task.write_records("controls.jsonl", controls)
    task.write_records("near.jsonl", near)
    task.write_records("leaks.jsonl", leaks)
    task.write_records("flags.jsonl", flags)
    task.write_records("dropped.jsonl", dropped)
    _note(task, slides, exam, questions, drafts, support, leaks, flags)
    task.notes += warn_of_relatives(recipe)
    return task.finish(
        entries=len(entries), windows=len(windows), catalogue=len(questions), drafted=len(drafts), exam=len(exam),
        answerable=sum(one.answerable for one in support), controls=len(controls), dropped=len(dropped),
    )  # fmt: skip


def _read_cards(task: Task, recipe: Recipe) -> tuple[list[Card], list[Rejection]]:
    """Read the course's cards, each question once."""
    cards, rejected = _read_folder(task, recipe, "cards")
    cards, doubles = drop_doubles(cards)
    return cards, rejected + doubles


def _read_folder(task: Task, recipe: Recipe, folder: str) -> tuple[list[Card], list[Rejection]]:
    cards, rejected = [], []
    for path in task.work.inputs(f"{folder}/**/*"):
        source = path.relative_to(task.work.root).as_posix()
        read, left_out = read_cards(path, source, recipe.prepare.columns.get(source), task.notes.append)
        cards += read
        rejected += left_out
    return cards, rejected


def _read_controls(task: Task, recipe: Recipe, cards: Sequence[Card]) -> tuple[list[Card], list[Rejection]]:
    """Read cards of another subject: the course's own controls, else those that come with the package."""
    if (task.work.root / "controls").is_dir():
        controls, rejected = _read_folder(task, recipe, "controls")
    else:
        controls, rejected = _read_packaged_controls()
    controls, doubles = drop_doubles(controls)
    controls, known = drop_known(controls, cards)
    return controls, rejected + doubles + known


def _read_packaged_controls() -> tuple[list[Card], list[Rejection]]:
    packaged = files("edullama.dataset") / "controls.tsv"
    if not packaged.is_file():
        return [], []
    with as_file(packaged) as path:
        return read_cards(Path(path), "controls.tsv")


def _embed(texts: Sequence[str]) -> "NDArray[np.float32]":
    """Load sentence vectors where they are needed first: a course without an exam needs none."""
    from edullama.llm.embedding import embed

    return embed(texts)


def _note(
    task: Task,
    slides: Sequence[Slide],
    exam: Sequence[Card],
    questions: Sequence[object],
    drafts: Sequence[Draft],
    support: Sequence[Support],
    leaks: Sequence[Leak],
    flags: Sequence[Flag],
) -> None:
    """Say in the manifest what to know of the questions, and what later stages will lack."""
    if not any(slide.kind == "content" for slide in slides):
        task.notes.append("no slide has any text: nothing to train on")
    if drafts:
        task.notes.append(f"{len(drafts)} questions of the catalogue were drafted from the slides, see drafts.jsonl")
    if exam:
        held = sum(one.answerable for one in support)
        task.notes.append(f"the slides answer {held} of {len(exam)} exam questions, see support.jsonl")
    if flags:
        task.notes.append(f"{len(flags)} cards could not be rewritten and stay as they are, see flags.jsonl")
    if leaks:
        first = leaks[0]
        task.notes.append(f"leak: {first.kind} {first.question_id} stands in {first.where}; all of them in leaks.jsonl")
    if not exam and not questions:
        task.notes.append("no flashcards in cards/: nothing to distil from, and no exam")
    elif not exam or not questions:
        empty = "exam" if not exam else "catalogue"
        task.notes.append(f"the {empty} is empty: too few cards, or all of them in exam files")
