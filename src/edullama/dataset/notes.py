"""What a card file holds, before it is judged."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Note:
    """Two sides of a card as they stand in the file."""

    front: str
    back: str
    lecture: str = ""  # "": the file does not tell
    problem: str = ""  # why it cannot be a question and an answer
