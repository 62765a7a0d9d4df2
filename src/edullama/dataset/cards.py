"""Flashcards from the files people keep them in."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from edullama.dataset.card_text import holds_image, holds_media, plain_text, strip_symbols
from edullama.dataset.cloze import split_cloze
from edullama.dataset.notes import Deck, Note
from edullama.dataset.questions import asks
from edullama.dataset.read_apkg import read_apkg
from edullama.dataset.read_database import read_database
from edullama.dataset.read_json import read_json
from edullama.dataset.read_latex import read_latex
from edullama.dataset.read_markdown import read_labelled, read_markdown
from edullama.dataset.read_table import read_table
from edullama.dataset.read_text import read_text, show_first_lines
from edullama.errors import InputError
from edullama.recipe import Columns
from edullama.records import Card, Rejection, stable_id

READERS: dict[str, Callable[[Path], list[Note]]] = {
    ".apkg": read_apkg, ".colpkg": read_apkg, ".anki2": read_apkg, ".anki21": read_apkg,
    ".md": read_markdown, ".markdown": read_markdown, ".tex": read_latex,
}  # fmt: skip
TABLE_READERS: dict[str, Callable[[Path, Columns], Deck]] = {
    ".tsv": read_table, ".csv": read_table, ".txt": read_table, ".db": read_database, ".sqlite": read_database,
    ".sqlite3": read_database, ".json": read_json, ".jsonl": read_json, ".ndjson": read_json,
}  # fmt: skip
BINARY = {".apkg", ".colpkg", ".anki2", ".anki21", ".db", ".sqlite", ".sqlite3"}
NO_CARDS = re.compile(r"(?:readme|licen[cs]e|copying|contributing|thumbs\.db)\b|\.", re.IGNORECASE)
SPREADSHEETS = {".xlsx", ".xls", ".ods"}
WELCOME = re.compile(r"(?:welcome to|willkommen)\b", re.IGNORECASE)
PLACEHOLDERS = {"answer here", "todo", "tbd", "tba", "...", "…", "?", "-", "ask:", "n/a"}
GRADE = re.compile(r"\[(?:beginner|basic|intermediate|advanced|pro|expert|easy|medium|hard|junior|senior|leicht|mittel|"
                   r"schwer)\]\s*", re.IGNORECASE)  # fmt: skip
OPEN_END = re.compile(r"(?:=|\b(?:and|with|is|are|by|und|mit|ist|sind|durch))$")  # an image went on from here
WORD = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]|\S+")  # Chinese and Japanese write no spaces
FEWEST_WORDS = 2
MOST_WORDS_ASKED_BACK = 6  # "How would you do it?"


def read_cards(
    path: Path, source: str, columns: Columns | None = None, tell: Callable[[str], object] | None = None
) -> tuple[list[Card], list[Rejection]]:
    """Read a card file; `source` is its name in the course. Returns its cards, and what is no card and why.

    `columns` says where a table keeps its cards, and `tell` is told what was guessed instead.
    Raises InputError for a card file that is damaged or holds no card at all.
    """
    suffix = path.suffix.casefold()
    if NO_CARDS.match(path.name) or suffix not in READERS | TABLE_READERS:
        return [], [Rejection(source, _why_pass_over(path), "")]
    deck = _read(path, columns or Columns())
    cards, dropped = _judge(deck, source)
    if not cards:
        how = f" (read as {deck.guess})" if deck.guess else ""
        expected = f"no flashcard found{how}. Expected: question, then answer."
        raise InputError(f"{path}: {expected} {_first_lines(path, dropped)}")
    if deck.guess and tell:
        tell(f"{source}: {deck.guess}")
    return cards, dropped


def _why_pass_over(path: Path) -> str:
    if NO_CARDS.match(path.name):
        return "by its name no card file"
    return "a spreadsheet: save it as CSV" if path.suffix.casefold() in SPREADSHEETS else "not a card file we read"


def _read(path: Path, columns: Columns) -> Deck:
    suffix = path.suffix.casefold()
    if suffix in READERS:
        return Deck(READERS[suffix](path))
    labelled = read_labelled(path) if suffix == ".txt" else []
    return Deck(labelled) if labelled else TABLE_READERS[suffix](path, columns)


def _judge(deck: Deck, source: str) -> tuple[list[Card], list[Rejection]]:
    cards, dropped = [], []
    for note in (part for whole in deck.notes for part in split_cloze(whole)):
        card, reason = _make_card(note, source)
        if reason:
            dropped.append(Rejection(f"{source}:{card.id}", reason, card.question or note.front[:200]))
        else:
            cards.append(card)
    return cards, dropped


def _make_card(note: Note, source: str) -> tuple[Card, str | None]:
    question, reference = GRADE.sub("", strip_symbols(plain_text(note.front)), count=1), plain_text(note.back)
    lecture = plain_text(note.lecture) or PurePosixPath(source).stem
    card = Card(stable_id(question), lecture, question, reference, source)
    return card, note.problem or why_drop(note, question, reference)


def why_drop(note: Note, question: str, reference: str) -> str | None:
    """Say why a note is no question with an answer, or None where it is one."""
    return why_no_question(note, question) or why_no_answer(note, reference)


def why_no_question(note: Note, question: str) -> str | None:
    """Say why the front of a note cannot be asked, or None where it can."""
    if not question:
        return "the question is only an image or a sound" if holds_media(note.front) else "no question"
    if WELCOME.match(question):
        return "a welcome, not a question"
    if note.turned and not asks(question):
        return "the reversed side is no question"
    if holds_image(note.front):
        return "the question shows an image"
    if len(WORD.findall(question)) < FEWEST_WORDS:
        return f"the question has fewer than {FEWEST_WORDS} words"
    return None


def why_no_answer(note: Note, reference: str) -> str | None:
    """Say why the back of a note is no reference, or None where it is one."""
    words = reference.split()
    if not words or reference.casefold() in PLACEHOLDERS:
        return "the answer is only an image or a sound" if holds_media(note.back) else "no answer"
    if holds_image(note.back) and (len(words) < FEWEST_WORDS or OPEN_END.search(reference)):
        return "the answer is mostly an image"
    if reference.endswith("?") and len(words) <= MOST_WORDS_ASKED_BACK:
        return "the answer is a question"
    return None


def _first_lines(path: Path, dropped: Sequence[Rejection]) -> str:
    """Show what a file without cards begins with, and why its notes were dropped."""
    told = []
    if dropped:
        told.append(f"Its {len(dropped)} notes were dropped; the first: {dropped[0].reason}: {dropped[0].text[:80]!r}.")
    if path.suffix.casefold() not in BINARY:
        told.append(show_first_lines(read_text(path)[0]))
    return " ".join(told or ["There is no note in it."])
