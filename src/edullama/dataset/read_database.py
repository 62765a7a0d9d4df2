"""Notes of an SQLite database: an Anki collection, or the table that has a question's and an answer's column."""

import sqlite3
from contextlib import closing
from pathlib import Path

from edullama.dataset.card_text import escape_code
from edullama.dataset.columns import Places, find_places
from edullama.dataset.notes import Deck, Note
from edullama.dataset.read_apkg import read_apkg
from edullama.dataset.sqlite_files import list_tables, open_file, quote
from edullama.errors import InputError
from edullama.recipe import Columns

ANKI = {"col", "notes", "cards"}


def read_database(path: Path, columns: Columns) -> Deck:
    """Read the table with the most cards."""
    try:
        with closing(open_file(path)) as database:
            tables = list_tables(database)
            if tables.keys() >= ANKI:
                return Deck(read_apkg(path))
            found = {name: places for name, names in tables.items()
                     if None not in ((places := _find(names, columns, path)).question, places.reference)}  # fmt: skip
            if not found:
                raise InputError(f"{path}: no table with questions and answers. Its tables: {_list(tables)}")
            decks = [_read(database, name, tables[name], places) for name, places in found.items()]
    except sqlite3.Error as error:
        raise InputError(f"{path}: not an SQLite database, or damaged ({error}). Save or export it again.") from None
    return max(decks, key=lambda deck: len(deck.notes))


def _find(names: list[str], columns: Columns, path: Path) -> Places:
    try:
        return find_places(names, columns, path)
    except InputError:  # what a person chose is not in this table
        return Places(None, None, None)


def _read(database: sqlite3.Connection, table: str, names: list[str], places: Places) -> Deck:
    wanted = [names[place] for place in (places.question, places.reference, places.lecture) if place is not None]
    rows = database.execute(f"select {', '.join(map(quote, wanted))} from {quote(table)}")
    texts = [[*(escape_code(_text(value)) for value in row), ""] for row in rows]
    notes = [Note(front, back, lecture) for front, back, lecture, *_ in texts]
    return Deck(notes, f"table {table}, {places.tell(names)}")


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return "" if value is None else str(value)


def _list(tables: dict[str, list[str]]) -> str:
    return "; ".join(f"{name} ({', '.join(names)})" for name, names in tables.items()) or "none"
