"""One self-contained HTML page that a lecturer can read, print and send on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edullama.evaluation.answerable import count, group, too_few
from edullama.evaluation.estimates import APART, gain, tabulate
from edullama.evaluation.findings import (
    MISSING,
    Contestant,
    basis,
    cautions,
    headline,
    index,
    number,
    percent,
    standfirst,
    telling,
    with_interval,
)
from edullama.evaluation.judge import settle
from edullama.evaluation.plots import COLOURS, Plot
from edullama.evaluation.statistics import sign_test
from edullama.records import (
    CONTENDERS,
    Answer,
    Author,
    Card,
    Estimate,
    ReferenceLoss,
    Similarity,
    Support,
    Verdict,
    Winner,
)

TEMPLATE = "report.html.j2"
SHAPES = {"base": "●", "teacher": "■", "shrunk": "▲", "student": "◆"}  # the markers of the plots
CAPTIONS = {
    "gains": (
        "What each model gained over the base, with 95 % intervals. Filled: the course's own exam. Hollow: control "
        "cards of another subject. Half filled, where there are any: questions of the exam that the slides cannot "
        "answer. What shows in all is style; what shows only in the filled ones is knowledge."
    ),
    "levels": (
        "Every dot is one exam question that the figures rest on. The box holds the middle half, the bar is the median."
    ),
    "questions": "Each exam question under base and teacher. Below the line, the teacher finds the reference likelier.",
    "training": (
        "Loss while training. Pale: as measured at each step; strong: running mean. Black, where they were measured: "
        "slides (finetune) and questions (distill) of the course that were held out, and prose on other things; none "
        "of it is learnt. The first rises when slides are learnt by heart, prose when the model forgets."
    ),
    "unanswerable": "Every dot is one question that the slides cannot answer.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportData:
    """All that stands in a report. Records carry the contenders' names in `model`."""

    title: str
    contestants: Sequence[Contestant]
    cards: Sequence[Card]  # the exam questions that were put to the contenders
    controls: Sequence[Card]
    answers: Sequence[Answer]
    losses: Sequence[ReferenceLoss]
    similarities: Sequence[Similarity]
    verdicts: Sequence[Verdict]
    estimates: Sequence[Estimate]
    plots: Mapping[str, Plot]  # by file name without suffix
    judge: str | None = None  # its model's name
    embedding: str = ""  # the vectors that the cosines come from
    counts: Mapping[str, int] = field(default_factory=dict)  # "lectures", "slides", ...: shown under the title
    settings: str = ""  # as text
    versions: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()  # beyond those that the figures themselves give
    support: Sequence[Support] = ()  # of the cards; a card without is one of which it is not known
    authors: Sequence[Author] | None = None  # models that wrote questions or training text; None: not recorded


def render_report(data: ReportData) -> str:
    """Return the page. It asks for nothing from outside itself, and the same data gives the same text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("edullama.evaluation", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    return environment.get_template(TEMPLATE).render(
        data=data,
        headline=headline(data.estimates),
        standfirst=standfirst(data.estimates),
        basis=basis(data.estimates),
        cautions=[*data.warnings, *_cautions(data)],
        counts={**data.counts, **_exam_counts(data)},
        plots={name: Markup(plot.svg) for name, plot in data.plots.items()},
        captions=CAPTIONS,
        sources=_sources(data),
        estimates=[(estimate, with_interval(estimate, 3)) for estimate in data.estimates],
        number=number,
        colours=COLOURS,
        shapes=SHAPES,
        **_groups(data),
    )


def _groups(data: ReportData) -> dict[str, Any]:
    """Return what is shown of the questions that the main figures rest on, and of those that stand apart."""
    groups, figures = group(data.cards, data.support), index(telling(data.estimates))
    apart = {name.removeprefix(APART): figure for name, figure in figures.items() if name.startswith(APART)}
    views = {view["card"].id: view for view in _question_views(data)}
    return {
        "rows": [_contender_row(contestant, figures) for contestant in data.contestants],
        "pairs": _judged_pairs(data.verdicts, groups.main, figures),
        "questions": [views[card.id] for card in groups.answerable],
        "rows_apart": [_contender_row(contestant, apart) for contestant in data.contestants],
        "pairs_apart": _judged_pairs(data.verdicts, groups.unanswerable, apart),
        "basis_is_all": too_few(groups.share),
        "questions_apart": [views[card.id] for card in groups.unanswerable],
    }


def _cautions(data: ReportData) -> list[str]:
    questions = len(group(data.cards, data.support).main)
    return cautions(data.estimates, data.contestants, questions, len(data.controls))


def _exam_counts(data: ReportData) -> dict[str, int]:
    """Return how many questions there are, and where that is known how many of them the slides can answer."""
    held, lacking, _ = count(group(data.cards, data.support).share)
    known = {"answerable from the slides": held} if held + lacking else {}
    return {"exam questions": len(data.cards), **known, "control cards": len(data.controls)}


def _sources(data: ReportData) -> list[dict[str, Any]]:
    """Return one line a card file: how many exam questions came from it, and how many of them the slides can answer."""
    lines = []
    for source in sorted({card.source for card in data.cards}):
        own = [card for card in data.cards if card.source == source]
        held, lacking, unknown = count(group(own, data.support).share)
        lines.append(
            {"source": source, "questions": len(own), "held": held if held + lacking else None, "unknown": unknown}
        )
    return lines


def _contender_row(contestant: Contestant, figures: Mapping[str, Estimate]) -> dict[str, Any]:
    """Return one line of the contenders' table; the base has no gain over itself."""
    name = contestant.name

    def figure(label: str) -> Estimate:
        return figures.get(label, MISSING)

    return {
        "name": name,
        "note": contestant.note,
        "parameters": short_count(contestant.parameters),
        "exact": f"{contestant.parameters:,}",
        "layers": contestant.layers,
        "loss": figure(f"reference_loss.{name}"),
        "gain": gain(figure(f"reference_loss.{name}-base")) if name != "base" else None,
        "knowledge": figures.get(f"knowledge.{name}"),
        "identified": percent(figure(f"identified.{name}")),
        "cosine": figure(f"cosine.{name}"),
        "words": figure(f"answer_words.{name}"),
        "cut_off": percent(figure(f"cut_off.{name}")),
    }


def short_count(parameters: int) -> str:
    """Write a number of parameters as people do: "134.5 M", "2.49 B"."""
    if parameters >= 10**9:
        return f"{parameters / 10**9:.2f} B"
    return f"{parameters / 10**6:.1f} M"


def _judged_pairs(
    verdicts: Sequence[Verdict], cards: Sequence[Card], figures: Mapping[str, Estimate]
) -> list[dict[str, Any]]:
    """Return one line a pair: every outcome's count, A's share of the decisive questions and its exact test."""
    ids, lines = {card.id for card in cards}, []
    for pair, whole in _settled(verdicts).items():
        settled = {question: winner for question, winner in whole.items() if question in ids}
        counts = {winner: list(settled.values()).count(winner) for winner in Winner}
        wins, losses = counts[Winner.A], counts[Winner.B]
        lines.append(
            {
                "pair": pair,
                "counts": counts,
                "missing": len(ids) - len(settled),
                "share": figures.get(f"judge_win_share.{'-'.join(pair)}", MISSING),
                "p": _p_value(wins, losses),
            }
        )
    return lines


def _p_value(wins: int, losses: int) -> str:
    p = sign_test(wins, losses)
    return "" if not wins + losses else "< 0.001" if p < 0.001 else number(p, 3)


def _settled(verdicts: Sequence[Verdict]) -> dict[tuple[str, str], dict[str, Winner]]:
    pairs = dict.fromkeys(verdict.pair for verdict in verdicts)
    return {pair: settle([verdict for verdict in verdicts if verdict.pair == pair]) for pair in pairs}


def _question_views(data: ReportData) -> list[dict[str, Any]]:
    """Return what the viewer shows of every exam question."""
    losses = tabulate(data.losses, lambda loss: loss.nats)
    cosines = tabulate(data.similarities, lambda similarity: similarity.cosine)
    answers = {(answer.question_id, answer.model): answer for answer in data.answers}
    settled = _settled(data.verdicts)
    support = {one.question_id: one for one in data.support}
    views = []
    for card in data.cards:
        shown = [_answer_view(card, name, answers, losses, cosines) for name in CONTENDERS]
        views.append(
            {
                "card": card,
                "support": support.get(card.id),
                "gain": _question_gain(card, losses),
                "answers": [view for view in shown if view],
                "verdicts": [(pair, won[card.id]) for pair, won in settled.items() if card.id in won],
                "reasons": [verdict for verdict in data.verdicts if verdict.question_id == card.id],
            }
        )
    return views


def _answer_view(
    card: Card,
    name: str,
    answers: Mapping[tuple[str, str], Answer],
    losses: Mapping[str, Mapping[str, float]],
    cosines: Mapping[str, Mapping[str, float]],
) -> dict[str, Any] | None:
    answer, loss, cosine = (
        answers.get((card.id, name)),
        losses.get(name, {}).get(card.id),
        cosines.get(name, {}).get(card.id),
    )
    if answer is None and loss is None:
        return None
    facts = [
        f"loss {number(loss)}" if loss is not None else "",
        f"cosine {number(cosine)}" if cosine is not None else "",
    ]
    return {
        "name": name,
        "text": answer.text.strip() if answer else None,
        "cut": answer is not None and answer.finish == "length",
        "facts": " · ".join(_filled(facts)),
    }


def _question_gain(card: Card, losses: Mapping[str, Mapping[str, float]]) -> str:
    """Write how much better the teacher does on one question, with its sign."""
    base, teacher = losses.get("base", {}).get(card.id), losses.get("teacher", {}).get(card.id)
    if base is None or teacher is None:
        return ""
    gained = number(base - teacher)
    return gained if gained.startswith("−") else f"+{gained}"


def _filled(texts: Iterable[str]) -> list[str]:
    return [text for text in texts if text]
