"""What every part of the reading benchmark takes and gives back, and the table that benchmarks print."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Options:
    """The command line's."""

    lectures: Path  # a folder of PDFs, or of courses with their PDFs in slides/
    rounds: int
    copies: int  # of every deck, for speed and memory
    pages: int  # of the smallest course that growth is measured on
    fuzz: int  # mangled files
    keep: Path | None  # where the fuzzer's course stays
    mistakes: bool  # list what differs from the labels


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    name: str
    value: float | None  # None: nothing to measure
    unit: str
    low: float | None = None
    high: float | None = None
    over: str = ""  # what the value was measured over


@dataclass(frozen=True, slots=True)
class Finding:
    """What a part found out."""

    rows: list[Row]
    figures: dict[str, Any]  # for the JSON line
    problems: list[str] = field(default_factory=list)  # what must never happen, and did


def rounded(value: float | None, digits: int) -> float | None:
    """Round what was measured."""
    return None if value is None else round(value, digits)


def print_table(rows: Iterable[Row]) -> None:
    """Print one line a measure."""
    print(f"{'measure':<42}{'median':>10}{'lowest':>10}{'highest':>10} {'unit':<8} over")
    for row in rows:
        numbers = "".join(f"{_show(value):>10}" for value in (row.value, row.low, row.high))
        print(f"{row.name:<42}{numbers} {row.unit:<8} {row.over}".rstrip())


def _show(value: float | None) -> str:
    """Show three digits or more."""
    if value is None:
        return ""
    if value == int(value) or value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3f}"
