"""Which columns of a table hold the sides of a card: by their usual names, or as a person says."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from edullama.errors import InputError
from edullama.recipe import Columns

FRONT = ("question", "front", "frage", "vorderseite", "prompt", "instruction", "term", "begriff", "q", "f", "input")
BACK = ("reference", "answer", "back", "antwort", "rückseite", "response", "output", "completion", "answers",
        "definition", "erklärung", "lösung", "solution", "a")  # fmt: skip
LECTURE = ("lecture", "deck", "vorlesung", "kapitel", "chapter")


@dataclass(frozen=True, slots=True)
class Places:
    """Columns of one table, counted from 0; None: the table has none."""

    question: int | None
    reference: int | None
    lecture: int | None

    def tell(self, names: Sequence[str]) -> str:
        """Say in words which columns are read."""
        sides = (("question", self.question), ("reference", self.reference), ("lecture", self.lecture))
        return ", ".join(f"{side} from column {_name(place, names)}" for side, place in sides if place is not None)


def find_column(names: Sequence[str], wanted: Collection[str]) -> int | None:
    """Return which of the names is one of those wanted, the first of these first; None where there is none."""
    simple = [name.strip().casefold() for name in names]
    return next((simple.index(name) for name in wanted if name in simple), None)


def find_places(names: Sequence[str], columns: Columns, path: Path) -> Places:
    """Find the columns by what a person chose, else by their usual names."""
    return Places(
        _find(names, columns.question, FRONT, path),
        _find(names, columns.reference, BACK, path),
        _find(names, columns.lecture, LECTURE, path),
    )


def _find(names: Sequence[str], chosen: str | int | None, usual: Collection[str], path: Path) -> int | None:
    if chosen is None:
        return find_column(names, usual)
    if isinstance(chosen, int):
        place = chosen - 1 if 1 <= chosen <= len(names) else None
    else:
        place = find_column(names, [chosen.strip().casefold()])
    if place is None:
        raise InputError(f"{path}: no column {chosen!r}. Its columns: {', '.join(name.strip()[:30] for name in names)}")
    return place


def _name(place: int, names: Sequence[str]) -> str:
    return f"{place + 1} ({names[place].strip()[:30]})" if place < len(names) else str(place + 1)
