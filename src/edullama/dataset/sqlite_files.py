"""SQLite databases from bytes, so that a person's file is never written to."""

import sqlite3
from pathlib import Path

MAGIC = b"SQLite format 3\0"
ROLLBACK = b"\1\1"  # bytes 18 and 19: no write-ahead log, which a database in memory cannot have


def open_bytes(data: bytes) -> sqlite3.Connection:
    """Open a database in memory. What is damaged raises sqlite3.Error here or when it is read."""
    if not data.startswith(MAGIC):
        raise sqlite3.DatabaseError("not a database")
    database = sqlite3.connect(":memory:")
    database.deserialize(data[:18] + ROLLBACK + data[20:])
    database.text_factory = lambda text: text.decode("utf-8", errors="replace")
    database.create_collation("unicase", _compare)  # Anki's
    return database


def open_file(path: Path) -> sqlite3.Connection:
    """Open a copy of a file in memory."""
    return open_bytes(path.read_bytes())


def list_tables(database: sqlite3.Connection) -> dict[str, list[str]]:
    """Return the names of the columns of each table."""
    names = [name for (name,) in database.execute("select name from sqlite_master where type in ('table', 'view')")]
    return {name: [row[1] for row in database.execute(f"pragma table_info({quote(name)})")] for name in names}


def quote(name: str) -> str:
    """Quote a name for SQL."""
    return '"' + name.replace('"', '""') + '"'


def _compare(one: str, other: str) -> int:
    one, other = one.casefold(), other.casefold()
    return (one > other) - (one < other)
