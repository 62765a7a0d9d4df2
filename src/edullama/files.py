"""Files as the project writes them: whole or not at all, one JSON record a line, known by their hash."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from edullama.errors import InputError
from edullama.manifest import FileStamp

T = TypeVar("T")


class PartialLog(Generic[T]):
    """Records appended one line each; a last line cut by a kill is dropped when read back."""

    def __init__(self, path: Path, record: type[T]) -> None:
        self.path, self.record = path, record
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def read(self) -> list[T]:
        """Return the whole records and cut a torn last line off the file."""
        if not self.path.exists():
            return []
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:
            self.path.write_bytes(whole)
        return [_adapter(self.record).validate_json(line) for line in whole.splitlines()]

    def append(self, records: Iterable[T]) -> None:
        """Append records in one write."""
        with self.path.open("ab") as file:
            file.write(b"".join(to_json(record) + b"\n" for record in records))
            file.flush()
            os.fsync(file.fileno())


def read_jsonl(path: Path, record: type[T]) -> list[T]:
    """Read one record a line. Raises InputError naming file and line."""
    found = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            found.append(_adapter(record).validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the line"
            raise InputError(f"{path}:{number}: {where}: {first['msg']}") from None
    return found


def to_json(record: object, indent: int | None = None) -> bytes:
    """Return a record as UTF-8 JSON, keys in field order."""
    return _adapter(type(record)).dump_json(record, indent=indent)


def write_file(path: Path, content: str | bytes) -> None:
    """Write a file by rename, so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".writing")
    beside.write_bytes(content.encode() if isinstance(content, str) else content)
    beside.replace(path)


def stamp_file(path: Path, known: FileStamp | None = None) -> FileStamp:
    """Return a file's identity; unchanged size and time vouch for a known hash."""
    stat = path.stat()
    if known and (known.size, known.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
        return known
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileStamp(digest, stat.st_size, stat.st_mtime_ns)


def from_json(text: bytes, record: type[T]) -> T:
    """Return a record from its JSON. Raises pydantic's ValidationError."""
    return _adapter(record).validate_json(text)


_ADAPTERS: dict[type, TypeAdapter[Any]] = {}


def _adapter(record: type[T]) -> TypeAdapter[T]:
    """Return pydantic's reader and writer of a record; built once a type, as building is slow."""
    if record not in _ADAPTERS:
        _ADAPTERS[record] = TypeAdapter(record)
    return _ADAPTERS[record]
