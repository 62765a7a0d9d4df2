"""Notes of JSON and JSON lines: question and answer, instruction and output, SQuAD."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from edullama.dataset.card_text import escape_code
from edullama.dataset.columns import FRONT, find_column, find_places
from edullama.dataset.notes import Deck, Note
from edullama.dataset.read_text import read_text, show_first_lines
from edullama.errors import InputError
from edullama.recipe import Columns

BY_LINE = re.compile(r"\}[ \t\r]*\n\s*\{")  # no comma between two objects, whatever the file calls itself
ADDITION = "input"  # alpaca's: what the instruction is about
TITLE = "title"  # SQuAD's: the article that the questions are on


def read_json(path: Path, columns: Columns) -> Deck:
    """Read every object that has a question, however deep it lies."""
    value = _load(path)
    asking = [columns.question.casefold()] if isinstance(columns.question, str) else FRONT
    records = list(_find_records(value, asking, ""))
    if not records:
        raise InputError(f"{path}: no questions and answers. {show_first_lines(read_text(path)[0])}")
    names = list(dict.fromkeys(name for record in records for name in record))
    places = find_places(names, columns, path)
    if places.question is None or places.reference is None:
        raise InputError(f"{path}: no answers beside the questions. Its keys: {', '.join(names[:20])}")
    question, reference = names[places.question], names[places.reference]
    lecture = TITLE if places.lecture is None else names[places.lecture]
    guess = f"question from {question}, reference from {reference}"
    return Deck([_read_note(record, question, reference, lecture) for record in records], guess)


def _load(path: Path) -> Any:
    """Read one JSON value, or one a line."""
    text, _ = read_text(path)
    by_line = path.suffix.casefold() != ".json" or BY_LINE.search(text)
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    try:
        return [_load_line(*line) for line in lines] if by_line else json.loads(text)
    except json.JSONDecodeError as error:
        problem = f"{path}: damaged JSON ({error}). Mend it there, or export it again."
        raise InputError(f"{problem} {show_first_lines(text)}") from None
    except RecursionError:
        raise InputError(f"{path}: lists within lists without an end. Export it again.") from None


def _load_line(number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise json.JSONDecodeError(f"line {number} of the file, {error.msg}", line, error.pos) from None


def _find_records(value: Any, asking: Sequence[str], title: str) -> Iterator[Mapping[str, Any]]:
    """Go down to the objects with a question; SQuAD keeps them four levels deep, below a title."""
    if isinstance(value, list):
        for item in value:
            yield from _find_records(item, asking, title)
    elif isinstance(value, dict):
        title = str(value.get(TITLE) or title)
        if find_column(list(value), asking) is not None:
            yield {TITLE: title, **value}
        else:
            yield from _find_records(list(value.values()), asking, title)


def _read_note(record: Mapping[str, Any], question: str, reference: str, lecture: str) -> Note:
    addition = _text(record.get(ADDITION)) if question != ADDITION else ""
    front = f"{_text(record.get(question))} {addition}".strip()
    return Note(escape_code(front), escape_code(_text(record.get(reference))), _text(record.get(lecture)))


def _text(value: Any) -> str:
    """Return the text of an answer: of several the first, and of SQuAD's the words without their place."""
    if isinstance(value, list):
        return _text(value[0]) if value else ""
    if isinstance(value, dict):
        return _text(value.get("text"))
    return "" if value is None else str(value)
