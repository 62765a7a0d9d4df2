"""Every figure of an evaluation, in one list and one order: the headline figures come first.

Losses are nats per token of the reference answer. `reference_loss.X-base` is X minus base: negative is better.
`knowledge.X` is the gain, base minus X, on the course's own exam minus the gain on those control cards whose references
are as long: positive is better.
`identified.X` is the share of questions that pick their own reference out of the most similar ones, and
`question_information` how much likelier a reference is after its question than after others: see knowledge.py.
`answerable` is the share of exam questions that the slides can answer. All others rest on those, as long as there are
enough of them; `unanswerable.` stands before the same figures of the questions that the slides cannot answer.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from types import MappingProxyType
from typing import Protocol, TypeVar

from edullama.evaluation.answerable import group
from edullama.evaluation.judge import settle
from edullama.evaluation.knowledge import Rivals, by_pair, identified, match_by_length, question_information
from edullama.evaluation.statistics import (
    Scores,
    Statistic,
    difference_of_gains,
    level,
    paired_difference,
    share,
    win_share,
)
from edullama.health import dictionary_share, repetition
from edullama.records import (
    CONTENDERS,
    Answer,
    Card,
    CrossLoss,
    Estimate,
    ReferenceLoss,
    Similarity,
    Support,
    Verdict,
    Winner,
)

COSINE_TIE = 0.005  # cosines closer than this say nothing about which answer is better
APART = "unanswerable."
COURSES_OWN = ("knowledge.", "control_loss.")  # say nothing of questions that the slides cannot answer
CHANGED = tuple(contender for contender in CONTENDERS if contender != "base")


class Scored(Protocol):
    """A record that belongs to one question and one contender."""

    @property
    def question_id(self) -> str: ...
    @property
    def model(self) -> str: ...


R = TypeVar("R", bound=Scored)


class Table:
    """One value a question for every contender, over the questions that were put to them."""

    def __init__(self, ids: Iterable[str], columns: Mapping[str, Scores]) -> None:
        self.ids = frozenset(ids)
        self.columns = {
            name: {question: value for question, value in column.items() if question in self.ids}
            for name, column in columns.items()
        }

    def column(self, contender: str) -> Scores:
        """Return a contender's values; none where it is absent."""
        return self.columns.get(contender, {})

    def missing(self, *contenders: str) -> int:
        """Count the questions for which none of these contenders has a value."""
        return len(self.ids - set(chain(*(self.column(contender) for contender in contenders))))


def estimate_all(
    cards: Sequence[Card],
    controls: Sequence[Card],
    answers: Sequence[Answer],
    losses: Sequence[ReferenceLoss],
    control_losses: Sequence[ReferenceLoss],
    similarities: Sequence[Similarity],
    verdicts: Sequence[Verdict],
    support: Sequence[Support] = (),
    cross_losses: Sequence[CrossLoss] = (),
    rivals: Rivals = MappingProxyType({}),
) -> list[Estimate]:
    """Return every figure over the exam cards and control cards that were put to the contenders.

    A contender without records gives figures with n = 0 and every question missing. Without support all cards count.
    """
    groups = group(cards, support)
    other = Table((card.id for card in controls), tabulate(control_losses, lambda loss: loss.nats))

    def measure(asked: Sequence[Card]) -> list[Estimate]:
        ids = [card.id for card in asked]
        own = Table(ids, tabulate(losses, lambda loss: loss.nats))
        cosines = Table(ids, tabulate(similarities, lambda similarity: similarity.cosine))
        return [
            *_loss_figures(own, other, _matched(own, other, [*losses, *control_losses])),
            *_recognition_figures(ids, cross_losses, rivals),
            *_cosine_figures(cosines),
            *_health_figures(ids, answers),
            *_verdict_figures(ids, verdicts),
        ]

    apart = measure(groups.unanswerable) if groups.unanswerable else []
    return [
        *measure(groups.main),
        groups.share,
        *(replace(figure, name=APART + figure.name) for figure in apart if not figure.name.startswith(COURSES_OWN)),
    ]


def tabulate(records: Sequence[R], value: Callable[[R], float]) -> dict[str, dict[str, float]]:
    """Return contender -> question id -> value."""
    columns: dict[str, dict[str, float]] = {}
    for record in records:
        columns.setdefault(record.model, {})[record.question_id] = value(record)
    return columns


def gain(difference: Estimate) -> Estimate:
    """Turn a difference of losses, where less is better, into a gain, where more is."""
    mean, low, high = (None if end is None else -end for end in (difference.mean, difference.high, difference.low))
    return Estimate(difference.name, mean, low, high, difference.n, difference.missing)


def _matched(own: Table, control: Table, losses: Sequence[ReferenceLoss]) -> Table:
    """Return the control's losses for as many cards as are asked of the course, their references as long as its."""
    tokens = {loss.question_id: loss.tokens for loss in losses}
    lengths = ({card: tokens.get(card, 0) for card in table.ids} for table in (own, control))
    return Table(match_by_length(*lengths), control.columns)


def _loss_figures(own: Table, control: Table, matched: Table) -> list[Estimate]:
    return [
        *(_difference("reference_loss", own, contender) for contender in CHANGED),
        *(_difference("control_loss", control, contender) for contender in CHANGED),
        *(_knowledge(own, matched, contender) for contender in CHANGED),
        *(_difference("reference_loss_median", own, contender, statistic="median") for contender in CHANGED),
        *(_difference("reference_loss", own, "student", other) for other in ("teacher", "shrunk")),
        *(_wins("reference_loss_wins", own, "base", contender, contender) for contender in CHANGED),
        *_levels("reference_loss", own),
        *_levels("control_loss", control),
    ]


def _recognition_figures(ids: Iterable[str], losses: Sequence[CrossLoss], rivals: Rivals) -> list[Estimate]:
    asked = {own: others for own, others in rivals.items() if own in set(ids)}
    read = {name: by_pair(loss for loss in losses if loss.model == name) for name in CONTENDERS}
    known = {name: own for name, own in read.items() if own}
    picked = Table(asked, {name: identified(own, asked) for name, own in known.items()})
    informed = Table(asked, {name: question_information(own, asked) for name, own in known.items()})
    shares = (
        share(f"identified.{name}", sum(picked.column(name).values()), len(picked.column(name)), picked.missing(name))
        for name in CONTENDERS
    )
    return [
        *(_difference("identified", picked, contender) for contender in CHANGED),
        *(_difference("question_information", informed, contender) for contender in CHANGED),
        *shares,
        *_levels("question_information", informed),
    ]


def _cosine_figures(cosines: Table) -> list[Estimate]:
    return [
        *(_difference("cosine", cosines, contender) for contender in CHANGED),
        *(_difference("cosine_median", cosines, contender, statistic="median") for contender in CHANGED),
        *(_wins("cosine_wins", cosines, contender, "base", contender, COSINE_TIE) for contender in CHANGED),
        *_levels("cosine", cosines),
    ]


def _health_figures(ids: Iterable[str], answers: Sequence[Answer]) -> list[Estimate]:
    ids = list(ids)
    words = Table(ids, tabulate(answers, lambda answer: float(len(answer.text.split()))))
    repeated = Table(ids, tabulate(answers, lambda answer: repetition(answer.text)))
    real = Table(ids, tabulate(answers, lambda answer: dictionary_share(answer.text)))
    cut = Table(ids, tabulate(answers, lambda answer: float(answer.finish == "length")))
    shares = (
        share(f"cut_off.{name}", sum(cut.column(name).values()), len(cut.column(name)), cut.missing(name))
        for name in CONTENDERS
    )
    return [*_levels("answer_words", words), *shares, *_levels("repetition", repeated), *_levels("dictionary", real)]


def _verdict_figures(ids: Sequence[str], verdicts: Sequence[Verdict]) -> list[Estimate]:
    figures: list[Estimate] = []
    for pair in dict.fromkeys(verdict.pair for verdict in verdicts):
        settled = settle([verdict for verdict in verdicts if verdict.pair == pair and verdict.question_id in set(ids)])
        figures += _pair_figures("-".join(pair), list(settled.values()), len(ids))
    return figures


def _pair_figures(label: str, outcomes: Sequence[Winner], asked: int) -> list[Estimate]:
    """Return A's share of the decisive questions, and every outcome's share of the judged ones.

    A tie is an outcome but decides nothing; what the judge contradicted or left unsaid is missing, never a tie.
    """
    counts = {winner: outcomes.count(winner) for winner in Winner}
    decisive = counts[Winner.A] + counts[Winner.B]
    wins = share(f"judge_win_share.{label}", counts[Winner.A], decisive, asked - decisive - counts[Winner.TIE])
    names = {Winner.A: "win", Winner.B: "loss"}
    return [
        wins,
        *(
            share(
                f"judge_outcome.{label}.{names.get(winner, winner.value)}",
                counts[winner],
                len(outcomes),
                asked - len(outcomes),
            )
            for winner in Winner
        ),
    ]


def _difference(
    name: str, table: Table, contender: str, other: str = "base", statistic: Statistic = "mean"
) -> Estimate:
    missing = table.missing(contender, other)
    label = f"{name}.{contender}-{other}"
    return paired_difference(label, table.column(contender), table.column(other), missing, statistic)


def _knowledge(own: Table, control: Table, contender: str) -> Estimate:
    return difference_of_gains(
        f"knowledge.{contender}",
        own.column("base"), own.column(contender),
        control.column("base"), control.column(contender),
        missing=own.missing("base", contender) + control.missing("base", contender),
    )  # fmt: skip


def _wins(name: str, table: Table, higher: str, lower: str, contender: str, tie_band: float = 0.0) -> Estimate:
    """Estimate how often `higher` has the higher value; the figure is named after the contender it speaks for."""
    missing = table.missing(higher, lower)
    return win_share(f"{name}.{contender}-base", table.column(higher), table.column(lower), tie_band, missing)


def _levels(name: str, table: Table) -> list[Estimate]:
    return [level(f"{name}.{contender}", table.column(contender), table.missing(contender)) for contender in CONTENDERS]
