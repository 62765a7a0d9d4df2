"""The adapters of courses on this machine: which there are, and what each belongs to. Reads no weights."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edullama.errors import InputError
from edullama.recipe_file import read_recipe

FACTS = "3-finetune/adapter/edullama.json"  # written beside every adapter


@dataclass(frozen=True, slots=True)
class Adapter:
    """One course's adapter."""

    course: Path
    title: str
    base: str
    quantize: str
    rank: int | None  # None: no adapter, but a whole model
    size: int  # bytes

    @property
    def name(self) -> str:
        """What it is called in a conversation: the name of the course's folder."""
        return self.course.resolve().name

    @property
    def folder(self) -> Path:
        return (self.course / FACTS).parent


def find_adapters(folders: Iterable[Path]) -> list[Adapter]:
    """Return the adapters of all courses that are these folders or lie below them."""
    found = {facts.parents[2] for folder in folders for facts in folder.rglob(FACTS)}
    return [read_adapter(course) for course in sorted(found)]


def read_adapter(course: Path) -> Adapter:
    """Return a course's adapter. Raises InputError where it has none."""
    facts = course / FACTS
    if not facts.exists():
        raise InputError(f"{course}: has no adapter. Run `edullama finetune {course}` first.")
    held, config = json.loads(facts.read_text()), facts.parent / "adapter_config.json"
    rank = json.loads(config.read_text())["r"] if config.exists() else None
    size = sum(path.stat().st_size for path in facts.parent.glob("*.safetensors"))
    return Adapter(course, read_recipe(course / "course.toml").course.title, held["base"], held["quantize"], rank, size)


def list_adapters(folders: Sequence[Path]) -> None:
    """Print the adapters below the folders, one a line; those with one base and one form can be loaded together."""
    adapters = find_adapters(folders)
    if not adapters:
        print(f"No course below {', '.join(map(str, folders))} has an adapter yet.")
        return
    lines = [("COURSE", "TITLE", "BASE", "HELD", "RANK", "MB")]
    lines += [
        (str(one.course), one.title, one.base, one.quantize, str(one.rank or "all"), f"{one.size / 1e6:.1f}")
        for one in adapters
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
