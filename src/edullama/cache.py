"""What was worked out before, by what it was made from: nothing is read, recognised or paid for twice."""

import hashlib
import sqlite3
import time
from pathlib import Path

COMMIT_EVERY = 0.5  # seconds: what a kill can lose


class Cache:
    """Bytes by key in one SQLite file; whoever deletes the file loses time and nothing else."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.database = sqlite3.connect(path)
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute("PRAGMA synchronous = NORMAL")
        self.database.execute("CREATE TABLE IF NOT EXISTS results (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID")
        self.committed = time.monotonic()

    def get(self, key: bytes) -> bytes | None:
        """Return what was put under a key, or None."""
        row = self.database.execute("SELECT value FROM results WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def put(self, key: bytes, value: bytes) -> None:
        """Keep a value; it survives a kill after half a second at the latest."""
        self.database.execute("INSERT OR REPLACE INTO results VALUES (?, ?)", (key, value))
        if time.monotonic() - self.committed > COMMIT_EVERY:
            self.commit()

    def keep(self, key: bytes, value: bytes) -> None:
        """Keep a value that was paid for; it survives a kill from now on."""
        self.put(key, value)
        self.commit()

    def commit(self) -> None:
        """Make sure that all that was put stays."""
        self.database.commit()
        self.committed = time.monotonic()

    def close(self) -> None:
        self.commit()
        self.database.close()


def make_key(*parts: object) -> bytes:
    """Return a key that depends on all parts and their order."""
    return hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).digest()[:20]
