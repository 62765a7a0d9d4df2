"""Flashcards from the files people keep them in."""

import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from edullama.dataset.card_text import holds_media, plain_text, strip_symbols
from edullama.dataset.notes import Note
from edullama.dataset.read_apkg import read_apkg
from edullama.dataset.read_markdown import read_markdown
from edullama.dataset.read_table import read_table
from edullama.errors import InputError
from edullama.records import Card, Rejection, stable_id

READERS: dict[str, Callable[[Path], list[Note]]] = {
    ".apkg": read_apkg, ".tsv": read_table, ".csv": read_table, ".txt": read_table, ".md": read_markdown,
}  # fmt: skip
NO_CARDS = re.compile(r"(readme|licen[cs]e|copying|contributing)\b", re.IGNORECASE)
WELCOME = re.compile(r"(welcome to|willkommen)\b", re.IGNORECASE)
PLACEHOLDERS = {"answer here", "todo", "tbd", "...", "…", "?", "-"}
FEWEST_WORDS = 2


def read_cards(path: Path, source: str) -> tuple[list[Card], list[Rejection]]:
    """Read a card file; `source` is its name in the course. Returns its cards, and what is no card and why.

    Raises InputError for a card file that holds no card at all.
    """
    reader = READERS.get(path.suffix.casefold())
    notes = reader(path) if reader else []
    if not notes and (reader in (None, read_markdown) or NO_CARDS.match(path.name)):
        return [], [Rejection(source, "not a card file we read", "")]
    cards, dropped = [], []
    for note in notes:
        card, reason = _make_card(note, source)
        if reason:
            dropped.append(Rejection(f"{source}:{card.id}", reason, card.question or note.front[:200]))
        else:
            cards.append(card)
    if not cards:
        raise InputError(f"{path}: no flashcard found. Expected: question, then answer. {_first_lines(path, dropped)}")
    return cards, dropped


def _make_card(note: Note, source: str) -> tuple[Card, str | None]:
    question, reference = strip_symbols(plain_text(note.front)), plain_text(note.back)
    lecture = note.lecture or PurePosixPath(source).stem
    card = Card(stable_id(question), lecture, question, reference, source)
    return card, note.problem or why_drop(note, question, reference)


def why_drop(note: Note, question: str, reference: str) -> str | None:
    """Say why a note is no question with an answer, or None where it is one."""
    if not question:
        return "the question is only an image or a sound" if holds_media(note.front) else "no question"
    if not reference or reference.casefold() in PLACEHOLDERS:
        return "the answer is only an image or a sound" if holds_media(note.back) else "no answer"
    if WELCOME.match(question):
        return "a welcome, not a question"
    if len(question.split()) < FEWEST_WORDS:
        return f"the question has fewer than {FEWEST_WORDS} words"
    return None


def _first_lines(path: Path, dropped: list[Rejection]) -> str:
    """Show what a file without cards begins with, or why its notes were dropped."""
    if dropped:
        return f"Its {len(dropped)} notes were dropped; the first: {dropped[0].reason}: {dropped[0].text[:80]!r}"
    lines = path.read_bytes()[:2000].decode("utf-8", errors="replace").splitlines()[:3]
    return "It begins: " + " / ".join(repr(line[:80]) for line in lines)
