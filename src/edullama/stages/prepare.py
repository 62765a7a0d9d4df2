"""Slides and flashcards in, training texts, questions and an exam out."""

from collections.abc import Sequence
from importlib.resources import as_file, files
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from edullama.cache import Cache
from edullama.dataset.cards import read_cards
from edullama.dataset.debris import clean_slides
from edullama.dataset.entries import make_entries
from edullama.dataset.leaks import find_leaks
from edullama.dataset.near_duplicates import find_near_pairs
from edullama.dataset.pairs import explanation_pairs, question_pairs, statement_pairs
from edullama.dataset.repeats import drop_repeats
from edullama.dataset.split import drop_doubles, drop_known, drop_near_exam_files, split_cards
from edullama.dataset.support import find_support
from edullama.dataset.windows import make_windows
from edullama.errors import ModelError
from edullama.files import to_json
from edullama.manifest import Manifest
from edullama.recipe import Recipe
from edullama.records import Card, Draft, Entry, Flag, Leak, Pair, Rejection, Slide, Support, TokenCounts, Window
from edullama.stages.authors import list_authors, warn_of_relatives
from edullama.stages.card_models import draft, end_dry_run, normalise
from edullama.store import WAITING, Task, Workspace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def run(work: Workspace, recipe: Recipe) -> Manifest:
    """Turn slides into training windows, and flashcards into an exam and a catalogue of questions."""
    task, cache = work.begin("prepare", recipe), Cache(work.folder("prepare") / "cache.sqlite")
    slides, repeated = drop_repeats(work.read("ingest", "slides.jsonl", Slide))
    cleaned, removed = clean_slides(slides)
    entries, poor_slides = make_entries(cleaned)
    cards, poor_cards = _read_cards(task, recipe)
    near = find_near_pairs(cards)
    cards, copies = drop_near_exam_files(cards, near)
    exam, catalogue = split_cards(cards, recipe.prepare.exam_share, near)
    controls, poor_controls = _read_controls(task, recipe, cards)
    waiting: list[str] = []
    drafts, undrafted = draft(slides, exam, catalogue, recipe, cache, waiting)
    (exam, catalogue, controls), flags = normalise((exam, catalogue, controls), recipe, cache, waiting)
    end_dry_run(recipe)
    cache.close()
    questions = [card.ask() for card in (*catalogue, *(one.question for one in drafts))]
    authors = list_authors(recipe, slides, (*exam, *catalogue), drafts)
    support, leaks = find_support(exam, slides, _embed), find_leaks(exam, questions, entries)
    dropped = repeated + poor_slides + poor_cards + copies + poor_controls + undrafted
    windows = make_windows(entries, recipe.prepare.window, recipe.prepare.stride)
    pairs = explanation_pairs(cleaned) + statement_pairs(cleaned) + question_pairs(drafts)
    task.write_records("entries.jsonl", entries)
    task.write_records("windows.jsonl", windows)
    task.write_records("pairs.jsonl", pairs)
    task.write_records("removed.jsonl", removed)
    task.write_records("catalogue.jsonl", questions)
    task.write_records("drafts.jsonl", drafts)
    task.write_records("exam.jsonl", exam)
    task.write_records("support.jsonl", support)
    task.write_records("authors.jsonl", authors)
    task.write_records("controls.jsonl", controls)
    task.write_records("near.jsonl", near)
    task.write_records("leaks.jsonl", leaks)
    task.write_records("flags.jsonl", flags)
    task.write_records("dropped.jsonl", dropped)
    _note(task, slides, exam, questions, drafts, support, leaks, flags)
    task.notes += _warn_of_waiting(waiting)
    task.notes += warn_of_relatives(recipe, authors)
    _count_tokens(task, recipe.course.model, entries, windows, pairs)
    return task.finish(
        entries=len(entries), windows=len(windows), catalogue=len(questions), drafted=len(drafts), exam=len(exam),
        answerable=sum(one.answerable for one in support), controls=len(controls), dropped=len(dropped),
        **({WAITING: len(waiting)} if waiting else {}),
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


def _count_tokens(
    task: Task, model: str, entries: Sequence[Entry], windows: Sequence[Window], pairs: Sequence[Pair]
) -> None:
    """Write how many tokens the training texts have, where the model's tokenizer can be had."""
    from edullama.llm.tokens import count_tokens

    asked = [f"{pair.prompt}\n{pair.text}" for pair in pairs]
    kinds = [[entry.text for entry in entries], [window.text for window in windows], asked]
    try:
        counts = iter(count_tokens(model, [text for texts in kinds for text in texts]))
    except ModelError as error:
        task.notes.append(f"tokens were not counted: {error}")
        return
    told = (tuple(1 + count for count in islice(counts, len(texts))) for texts in kinds)
    task.write("tokens.json", to_json(TokenCounts(model, *told)))


def _warn_of_waiting(waiting: Sequence[str]) -> list[str]:
    if not waiting:
        return []
    return [f"{len(waiting)} replies did not come; the next run asks for them again. The first: {waiting[0]}"]


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
