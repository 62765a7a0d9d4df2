"""Notes of an Anki package: a zip archive around an SQLite database."""

import json
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

from edullama.dataset.columns import BACK, FRONT, find_column
from edullama.dataset.notes import Note
from edullama.errors import InputError

NEWEST = "collection.anki21b"  # compressed with zstd; beside it collection.anki2 is a dummy that asks to update Anki
OLDER = ("collection.anki21", "collection.anki2")
CLOZE = 1
FIELD_END = "\x1f"


def read_apkg(path: Path) -> list[Note]:
    """Read the notes of a package. Raises InputError for a form that we cannot read."""
    with closing(sqlite3.connect(":memory:")) as database:
        try:
            database.deserialize(_read_collection(path))
            models, decks = (json.loads(text) for text in database.execute("select models, decks from col").fetchone())
            rows = database.execute(
                "select notes.mid, notes.flds, min(cards.did) from notes left join cards on cards.nid = notes.id "
                "group by notes.id order by notes.id"
            ).fetchall()
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise InputError(f"{path}: not an Anki database we can read ({error}). {_advice()}") from None
    several = len({deck for _, _, deck in rows}) > 1
    return [_read_note(models.get(str(model)), fields, decks.get(str(deck)) if several else None)
            for model, fields, deck in rows]  # fmt: skip


def _read_collection(path: Path) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if NEWEST in names:
                raise InputError(f"{path}: packed for new versions of Anki only. {_advice()}")
            name = next((name for name in OLDER if name in names), None)
            if name is None:
                raise InputError(f"{path}: no Anki collection in it. {_advice()}")
            return archive.read(name)
    except zipfile.BadZipFile:
        raise InputError(f"{path}: not an Anki package, or damaged. {_advice()}") from None


def _advice() -> str:
    return 'In Anki, export the deck again with "Support older Anki versions" ticked.'


def _read_note(model: dict[str, Any] | None, fields: str, deck: dict[str, Any] | None) -> Note:
    sides = fields.split(FIELD_END)
    names = [field["name"] for field in model["flds"]] if model else []
    front, back = find_column(names, FRONT) or 0, find_column(names, BACK) or 1
    lecture = deck["name"].replace("\x1f", "::") if deck else ""
    problem = "a cloze card, not a question" if model and model.get("type") == CLOZE else ""
    return Note(sides[front], sides[back] if len(sides) > back else "", lecture, problem)
