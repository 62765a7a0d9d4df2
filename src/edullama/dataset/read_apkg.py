"""Notes of Anki's packages: a zip archive around an SQLite database, which is compressed in the newest form."""

import json
import sqlite3
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import zstandard

from edullama.dataset.note_types import PLAIN, NoteType, is_turned, show_back, show_front
from edullama.dataset.notes import Note
from edullama.dataset.protobuf import read_fields
from edullama.dataset.sqlite_files import MAGIC, list_tables, open_bytes
from edullama.errors import InputError

NEWEST = "collection.anki21b"  # compressed with zstd; beside it collection.anki2 is a dummy that asks to update Anki
COLLECTIONS = (NEWEST, "collection.anki21", "collection.anki2")
CARDS = """select notes.id, mid, flds, coalesce(nullif(odid, 0), did), coalesce(ord, 0) from notes
           left join cards on cards.nid = notes.id order by notes.id, ord"""
KIND_FIELD, FRONT_FIELD, BACK_FIELD = 1, 1, 2  # in the settings of a note type, and of a template
CLOZE = 1
FIELD_END = "\x1f"
ADVICE = "Export the deck from Anki again."


def read_apkg(path: Path) -> list[Note]:
    """Read the cards of a package or a whole collection, of any version of Anki."""
    try:
        with closing(open_bytes(_unpack(path))) as database:
            kinds, decks = _read_kinds(database), _read_decks(database)
            rows = database.execute(CARDS).fetchall()
    except (sqlite3.Error, ValueError, TypeError, LookupError, AttributeError) as error:
        raise InputError(f"{path}: not an Anki database we can read ({error}). {ADVICE}") from None
    several = len({deck for _, _, _, deck, _ in rows}) > 1
    return list(_read_notes(rows, kinds, decks if several else {}))


def _unpack(path: Path) -> bytes:
    """Return the database in a package, or that which the file itself is."""
    data = path.read_bytes()
    if data.startswith(MAGIC):
        return data
    try:
        with zipfile.ZipFile(path) as archive:
            name = next((name for name in COLLECTIONS if name in archive.namelist()), None)
            if name is None:
                raise InputError(f"{path}: no Anki collection in it. {ADVICE}")
            data = archive.read(name)
        return zstandard.ZstdDecompressor().decompressobj().decompress(data) if name == NEWEST else data
    except (zipfile.BadZipFile, zlib.error, zstandard.ZstdError, EOFError, OSError, RuntimeError) as error:
        raise InputError(f"{path}: not an Anki package, or damaged ({error}). {ADVICE}") from None


def _read_kinds(database: sqlite3.Connection) -> dict[int, NoteType]:
    """Read the note types, which are tables in newer collections and JSON in older ones."""
    if "notetypes" in list_tables(database):
        return {key: _read_kind(database, key, settings)
                for key, settings in database.execute("select id, config from notetypes").fetchall()}  # fmt: skip
    models = json.loads(database.execute("select models from col").fetchone()[0])
    return {
        int(key): NoteType(
            [field["name"] for field in model["flds"]],
            [(template["qfmt"], template["afmt"]) for template in model["tmpls"]],
            model.get("type") == CLOZE,
        )
        for key, model in models.items()
    }


def _read_kind(database: sqlite3.Connection, key: int, settings: bytes) -> NoteType:
    fields = database.execute("select name from fields where ntid = ? order by ord", (key,))
    templates = [read_fields(blob) for (blob,) in
                 database.execute("select config from templates where ntid = ? order by ord", (key,))]  # fmt: skip
    return NoteType(
        [name for (name,) in fields],
        [(_text(template.get(FRONT_FIELD)), _text(template.get(BACK_FIELD))) for template in templates],
        read_fields(settings).get(KIND_FIELD) == CLOZE,
    )


def _text(value: bytes | int | None) -> str:
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else ""


def _read_decks(database: sqlite3.Connection) -> dict[int, str]:
    """Read the decks' names, the parts of which newer collections part by a control sign."""
    if "decks" in list_tables(database):
        names = dict(database.execute("select id, name from decks").fetchall())
    else:
        decks = json.loads(database.execute("select decks from col").fetchone()[0])
        names = {int(key): deck["name"] for key, deck in decks.items()}
    return {key: name.replace(FIELD_END, "::") for key, name in names.items()}


def _read_notes(
    rows: Sequence[tuple[int, int, str, int, int]], kinds: dict[int, NoteType], decks: dict[int, str]
) -> Iterator[Note]:
    seen: set[int] = set()
    for key, kind_key, fields, deck, number in rows:
        kind = kinds.get(kind_key, PLAIN)
        values = dict(zip(kind.fields, str(fields).split(FIELD_END), strict=False))
        lecture = decks.get(deck, "")
        if kind.cloze and key not in seen:  # has a card for each gap, but all its gaps stand in the text
            yield Note(show_front(kind, 0, values), "", lecture)
        elif not kind.cloze:
            front, back = show_front(kind, number, values), show_back(kind, number, values)
            yield Note(front, back, lecture, turned=is_turned(kind, number))
        seen.add(key)
