"""Names that people give to the sides of a card."""

from collections.abc import Collection, Sequence

FRONT = ("question", "front", "frage", "vorderseite", "prompt", "q")
BACK = ("reference", "answer", "back", "antwort", "rückseite", "response", "a")
LECTURE = ("lecture", "deck", "vorlesung")


def find_column(names: Sequence[str], wanted: Collection[str]) -> int | None:
    """Return which of the names is one of those wanted, the first of these first; None where there is none."""
    simple = [name.strip().casefold() for name in names]
    return next((simple.index(name) for name in wanted if name in simple), None)
