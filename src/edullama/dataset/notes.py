"""What a card file holds, before it is judged."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Note:
    """Two sides of a card as they stand in the file."""

    front: str
    back: str
    lecture: str = ""  # "": the file does not tell
    problem: str = ""  # why it cannot be a question and an answer
    turned: bool = False  # the answer side of a card, shown as its question


@dataclass(frozen=True, slots=True)
class Deck:
    """The notes of a file, and in words how its form was guessed."""

    notes: Sequence[Note]
    guess: str = ""  # "": nothing had to be guessed
