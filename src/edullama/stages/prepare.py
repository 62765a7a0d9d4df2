"""Slides and flashcards in, training texts, questions and an exam out."""

from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path

from edullama.dataset.cards import read_cards
from edullama.dataset.entries import make_entries
from edullama.dataset.split import drop_doubles, drop_known, split_cards
from edullama.dataset.windows import make_windows
from edullama.recipe import Recipe
from edullama.records import Card, Manifest, Rejection, Slide
from edullama.store import Task, Workspace


def run(work: Workspace, recipe: Recipe) -> Manifest:
    """Turn slides into training windows, and flashcards into an exam and a catalogue of questions."""
    task = work.begin("prepare", recipe)
    slides = work.read("ingest", "slides.jsonl", Slide)
    entries, poor_slides = make_entries(slides)
    windows = make_windows(entries, recipe.prepare.window, recipe.prepare.stride)
    cards, poor_cards = _read_folder(work, "cards")
    cards, doubles = drop_doubles(cards)
    exam, catalogue = split_cards(cards, recipe.prepare.exam_share)
    controls, poor_controls = _read_controls(work, cards)
    dropped = poor_slides + poor_cards + doubles + poor_controls
    task.write_records("entries.jsonl", entries)
    task.write_records("windows.jsonl", windows)
    task.write_records("catalogue.jsonl", [card.ask() for card in catalogue])
    task.write_records("exam.jsonl", exam)
    task.write_records("controls.jsonl", controls)
    task.write_records("dropped.jsonl", dropped)
    _note_gaps(task, slides, exam, catalogue)
    return task.finish(
        entries=len(entries), windows=len(windows), catalogue=len(catalogue), exam=len(exam), controls=len(controls),
        dropped=len(dropped),
    )  # fmt: skip


def _read_folder(work: Workspace, folder: str) -> tuple[list[Card], list[Rejection]]:
    cards, rejected = [], []
    for path in work.inputs(f"{folder}/**/*"):
        read, left_out = read_cards(path, path.relative_to(work.root).as_posix())
        cards += read
        rejected += left_out
    return cards, rejected


def _read_controls(work: Workspace, cards: Sequence[Card]) -> tuple[list[Card], list[Rejection]]:
    """Read cards of another subject: the course's own controls, else those that come with the package."""
    if (work.root / "controls").is_dir():
        controls, rejected = _read_folder(work, "controls")
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


def _note_gaps(task: Task, slides: Sequence[Slide], exam: Sequence[Card], catalogue: Sequence[Card]) -> None:
    """Say in the manifest what later stages will lack."""
    if not any(slide.kind == "content" for slide in slides):
        task.notes.append("no slide has any text: nothing to train on")
    if not exam and not catalogue:
        task.notes.append("no flashcards in cards/: nothing to distil from, and no exam")
    elif not exam or not catalogue:
        empty = "exam" if not exam else "catalogue"
        task.notes.append(f"the {empty} is empty: too few cards, or all of them in exam files")
