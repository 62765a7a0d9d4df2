"""What tests of card readers share."""

from pathlib import Path

from edullama.dataset.cards import read_cards
from edullama.recipe import Columns
from edullama.records import Card, Rejection


def read(path: Path, columns: Columns | None = None) -> tuple[list[Card], list[Rejection]]:
    return read_cards(path, f"cards/{path.name}", columns)


def read_text(folder: Path, name: str, text: str, columns: Columns | None = None) -> tuple[list[Card], list[Rejection]]:
    (folder / name).write_text(text, encoding="utf-8")
    return read(folder / name, columns)


def sides(cards: list[Card]) -> list[tuple[str, str]]:
    return [(card.question, card.reference) for card in cards]


def reasons(dropped: list[Rejection]) -> list[str]:
    return [drop.reason for drop in dropped]
