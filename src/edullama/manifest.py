"""What a finished stage says of itself, and how the files it was made from are known again."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class FileStamp:
    """Identity of a file; size and time spare reading it again when neither has changed."""

    sha256: str
    size: int  # bytes
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a finished stage was made of. Written last, so its presence means the stage is whole."""

    stage: str
    settings: dict[str, Any]
    inputs: dict[str, FileStamp]
    outputs: dict[str, FileStamp]
    counts: dict[str, int]
    seconds: float
    versions: dict[str, str]
    notes: list[str] = field(default_factory=list)
