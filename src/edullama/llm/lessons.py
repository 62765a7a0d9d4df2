"""Which answers a step of distillation reads: the teacher's, the student's own, or some of both."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from edullama.records import Answer

Mode = Literal["teacher", "parallel", "onpolicy", "mixed"]


@dataclass(frozen=True, slots=True)
class Reading:
    """An answer's tokens as the student reads them, and the answer's tokens that the teacher's targets belong to."""

    question: str  # its id
    read: tuple[int, ...]
    scored: tuple[int, ...]  # another answer in mode "parallel", and there it may be longer


class Lessons:
    """The teacher's answers to each question, and the student's own ones, the newest round last.

    `teacher`: the student reads the teacher's answers. `parallel`: it reads its own, and what it says at each position
    is compared with what the teacher says at that position of another text, up to the end of the shorter one: the
    original's way. `onpolicy`: it reads its own, and is compared with what the teacher says to that text (Agarwal et
    al. 2024, arXiv 2306.13649). `mixed`: it reads its own for a share of the questions.
    """

    def __init__(self, mode: Mode, answers: Mapping[str, Sequence[Answer]], rounds: int, seed: int) -> None:
        self.mode, self.answers, self.rounds, self.seed = mode, answers, rounds, seed
        self.own: list[Mapping[str, Answer]] = []  # by round that is kept, by question

    def add_round(self, own: Mapping[str, Answer]) -> None:
        """Take in what the student answers now; the oldest round goes where there are more than are kept."""
        self.own = [*self.own, own][-self.rounds :]

    def choose(self, questions: Sequence[str], step: int, epoch: int, share: float) -> list[Reading]:
        """Return what a batch reads; `share` is that of the student's own answers in mode "mixed".

        Chance depends on seed, step and question alone, so that a resumed run repeats it.
        """
        return [
            self._choose(question, random.Random(f"{self.seed} {step} {question}"), epoch, share)
            for question in questions
        ]

    def _choose(self, question: str, chance: random.Random, epoch: int, share: float) -> Reading:
        written = self.answers[question][epoch % len(self.answers[question])].tokens
        own = [one[question].tokens for one in self.own if question in one and one[question].tokens]
        if self.mode == "teacher" or not own or (self.mode == "mixed" and chance.random() >= share):
            return Reading(question, written, written)
        if self.mode == "parallel":
            return Reading(question, own[-1][: len(written)], written)
        chosen = chance.choice(own)
        return Reading(question, chosen, chosen)
