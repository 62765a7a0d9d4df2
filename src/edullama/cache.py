"""What was worked out before, by what it was made from: nothing is read, recognised or paid for twice."""

import hashlib
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from edullama.records import Complete, Prompt, Reply

COMMIT_EVERY = 0.5  # seconds: what a kill can lose
ASKED_AT_ONCE = 32  # prompts


class Cache:
    """Bytes by key in one SQLite file; whoever deletes the file loses time and nothing else."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
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


def remember(complete: Complete, cache: Cache, model: str) -> Complete:
    """Return the same model with a memory: a prompt that it has answered is not asked again.

    Prompts go out a few at a time, so that a kill or a dead line loses no more than those.
    """

    def answer(prompts: Sequence[Prompt]) -> list[Reply]:
        keys = [_prompt_key(prompt, model) for prompt in prompts]
        missing = {key: prompt for key, prompt in zip(keys, prompts, strict=True) if cache.get(key) is None}
        failed: dict[bytes, Reply] = {}
        for start in range(0, len(missing), ASKED_AT_ONCE):
            some = list(missing)[start : start + ASKED_AT_ONCE]
            for key, reply in zip(some, complete([missing[key] for key in some]), strict=True):
                if reply.text is None:
                    failed[key] = reply
                else:
                    cache.put(key, reply.text.encode())
            cache.commit()
        return [failed.get(key) or Reply((cache.get(key) or b"").decode()) for key in keys]

    return answer


def _prompt_key(prompt: Prompt, model: str) -> bytes:
    pictures = (hashlib.sha256(image).hexdigest() for image in prompt.images)
    return make_key("reply", model, prompt.system, prompt.text, *pictures)
