"""Which exam questions the slides can answer: the main figures rest on those, the others are shown apart."""

from collections.abc import Sequence
from dataclasses import dataclass

from edullama.evaluation.statistics import share
from edullama.records import Card, Estimate, Support

FEWEST = 10  # answerable questions; with fewer there is nothing to rest on, and the main figures rest on all


@dataclass(frozen=True, slots=True)
class Groups:
    """An exam's questions by whether the slides hold their answers."""

    answerable: list[Card]  # and those of which it is not known
    unanswerable: list[Card]
    share: Estimate  # "answerable"; missing are those of which it is not known

    @property
    def main(self) -> list[Card]:
        """Return what the main figures rest on."""
        return [*self.answerable, *self.unanswerable] if too_few(self.share) else self.answerable


def group(cards: Sequence[Card], support: Sequence[Support]) -> Groups:
    """Tell the questions apart; without support nothing is known of them, and all count."""
    told = {one.question_id: one.answerable for one in support}
    unanswerable = [card for card in cards if not told.get(card.id, True)]
    known = sum(card.id in told for card in cards)
    figure = share("answerable", known - len(unanswerable), known, len(cards) - known)
    return Groups([card for card in cards if told.get(card.id, True)], unanswerable, figure)


def count(answerable: Estimate) -> tuple[int, int, int]:
    """Return how many questions the slides can answer, how many they cannot, and of how many it is not known."""
    held = round((answerable.mean or 0) * answerable.n)
    return held, answerable.n - held, answerable.missing


def too_few(answerable: Estimate) -> bool:
    """Tell whether main figures have to rest on all questions, for want of answerable ones."""
    held, lacking, unknown = count(answerable)
    return lacking > 0 and held + unknown < FEWEST
