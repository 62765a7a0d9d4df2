"""The list of figures: names, order, signs, and what counts as missing."""

import pytest

from edullama.evaluation.estimates import estimate_all, gain
from edullama.health import repetition
from edullama.records import Answer, Card, CrossLoss, Estimate, ReferenceLoss, Similarity, Support, Verdict, Winner


def make_cards(prefix: str, count: int) -> list[Card]:
    return [Card(f"{prefix}{i}", "lecture", f"Question {i}?", "Reference", "cards.tsv") for i in range(count)]


def make_losses(cards: list[Card], **levels: float) -> list[ReferenceLoss]:
    """Losses that differ between questions by 0.1 and between contenders as given."""
    return [ReferenceLoss(c.id, name, nats + 0.1 * i, 9) for i, c in enumerate(cards) for name, nats in levels.items()]


CARDS, CONTROLS = make_cards("q", 4), make_cards("c", 3)
LOSSES = make_losses(CARDS, base=3.0, teacher=2.0, shrunk=5.0, student=2.5)
CONTROL_LOSSES = make_losses(CONTROLS, base=3.0, teacher=2.7, shrunk=5.0, student=2.9)


def figures(*found: Estimate) -> dict[str, Estimate]:
    assert len({estimate.name for estimate in found}) == len(found), "every name stands once"
    return {estimate.name: estimate for estimate in found}


def test_the_first_figures_are_the_paired_loss_differences_in_a_fixed_order() -> None:
    found = estimate_all(CARDS, CONTROLS, [], LOSSES, CONTROL_LOSSES, [], [])
    assert [estimate.name for estimate in found[:3]] == [
        "reference_loss.teacher-base", "reference_loss.shrunk-base", "reference_loss.student-base",
    ]  # fmt: skip
    assert [estimate.mean for estimate in found[:3]] == pytest.approx([-1.0, 2.0, -0.5])
    assert found[0].low == pytest.approx(-1.0) and found[0].high == pytest.approx(-1.0), "the same on every question"


def test_knowledge_is_positive_where_the_own_exam_gained_more_than_the_controls() -> None:
    found = figures(*estimate_all(CARDS, CONTROLS, [], LOSSES, CONTROL_LOSSES, [], []))
    assert found["control_loss.teacher-base"].mean == pytest.approx(-0.3)
    assert found["knowledge.teacher"].mean == pytest.approx(1.0 - 0.3)
    assert found["knowledge.shrunk"].mean == pytest.approx(0.0)
    assert found["reference_loss.student-teacher"].mean == pytest.approx(0.5)
    assert found["reference_loss.base"].mean == pytest.approx(3.15)
    assert found["reference_loss_wins.teacher-base"].mean == 1.0


def test_knowledge_compares_with_controls_whose_references_are_as_long() -> None:
    own, short, long = (Card(name, "a", f"What is {name}?", "A thing.", "a.tsv") for name in ("own", "short", "long"))
    losses = [ReferenceLoss("own", "base", 3.0, 20), ReferenceLoss("own", "teacher", 2.0, 20)]
    controls = [
        ReferenceLoss("short", "base", 3.0, 4), ReferenceLoss("short", "teacher", 2.0, 4),
        ReferenceLoss("long", "base", 3.0, 22), ReferenceLoss("long", "teacher", 2.8, 22),
    ]  # fmt: skip
    found = figures(*estimate_all([own], [short, long], [], losses, controls, [], []))
    assert found["knowledge.teacher"].mean == pytest.approx(1.0 - 0.2), "the short one gained as much, by style"
    assert found["control_loss.teacher-base"].n == 2


def test_an_absent_contender_gives_figures_without_a_value_and_all_questions_missing() -> None:
    losses = [loss for loss in LOSSES if loss.model in ("base", "teacher")]
    found = figures(*estimate_all(CARDS, CONTROLS, [], losses, [], [], []))
    assert found["reference_loss.student-base"] == Estimate("reference_loss.student-base", None, None, None, 0, 4)
    assert found["reference_loss.student"] == Estimate("reference_loss.student", None, None, None, 0, 4)
    assert found["reference_loss.student-shrunk"].missing == 4
    assert found["knowledge.teacher"] == Estimate("knowledge.teacher", None, None, None, 0, 7)
    assert found["reference_loss.teacher-base"].n == 4


def test_every_run_has_the_same_figures_whatever_is_there() -> None:
    empty = estimate_all(CARDS, CONTROLS, [], [], [], [], [])
    full = estimate_all(CARDS, CONTROLS, [], LOSSES, CONTROL_LOSSES, [], [])
    assert [estimate.name for estimate in empty] == [estimate.name for estimate in full]


def test_records_of_cards_that_were_not_asked_do_not_count() -> None:
    found = estimate_all(CARDS[:2], [], [], LOSSES, [], [], [])
    assert (found[0].n, found[0].missing) == (2, 0)


def support(cards: list[Card], answerable: int) -> list[Support]:
    """What says that the slides can answer so many of the cards, the first ones."""
    return [Support(card.id, ("a:1",), 0.5, 0.5, place < answerable) for place, card in enumerate(cards)]


def test_figures_rest_on_what_the_slides_can_answer_and_the_rest_has_its_own() -> None:
    cards = make_cards("q", 15)
    losses = make_losses(cards[:10], base=3.0, teacher=2.0) + make_losses(cards[10:], base=3.0, teacher=2.9)
    found = figures(*estimate_all(cards, CONTROLS, [], losses, CONTROL_LOSSES, [], [], support(cards, 10)))
    own, apart = found["reference_loss.teacher-base"], found["unanswerable.reference_loss.teacher-base"]
    assert own.mean == pytest.approx(-1.0) and own.n == 10
    assert apart.mean == pytest.approx(-0.1) and apart.n == 5
    assert found["knowledge.teacher"].mean == pytest.approx(1.0 - 0.3)
    assert found["answerable"].mean == pytest.approx(2 / 3) and found["answerable"].n == 15
    assert "unanswerable.cosine.teacher-base" in found and "unanswerable.answer_words.base" in found
    assert not {"unanswerable.knowledge.teacher", "unanswerable.control_loss.base"} & found.keys()


def test_where_too_few_can_be_answered_the_figures_rest_on_all_and_the_others_are_told_as_well() -> None:
    found = figures(*estimate_all(CARDS, CONTROLS, [], LOSSES, CONTROL_LOSSES, [], [], support(CARDS, 1)))
    assert found["reference_loss.teacher-base"].n == 4
    assert found["unanswerable.reference_loss.teacher-base"].n == 3
    assert found["answerable"].mean == 0.25


def test_where_the_slides_answer_all_there_is_nothing_apart() -> None:
    found = figures(*estimate_all(CARDS, CONTROLS, [], LOSSES, CONTROL_LOSSES, [], [], support(CARDS, 4)))
    assert found["answerable"].mean == 1.0 and not [name for name in found if name.startswith("unanswerable")]


def test_the_judges_wins_are_counted_apart_as_well() -> None:
    cards = make_cards("q", 11)
    verdicts = [*both_orders("q0", Winner.A, Winner.A), *both_orders("q10", Winner.B, Winner.B)]
    found = figures(*estimate_all(cards, [], [], [], [], [], verdicts, support(cards, 10)))
    wins, apart = (found[f"{group}judge_win_share.teacher-base"] for group in ("", "unanswerable."))
    assert (wins.mean, wins.n, wins.missing) == (1.0, 1, 9)
    assert (apart.mean, apart.n, apart.missing) == (0.0, 1, 0)


def test_cosine_wins_count_near_ties_as_halves() -> None:
    similarities = [
        Similarity("q0", "base", 0.5), Similarity("q0", "teacher", 0.9),
        Similarity("q1", "base", 0.5), Similarity("q1", "teacher", 0.501),
        Similarity("q2", "base", 0.5),
    ]  # fmt: skip
    found = figures(*estimate_all(CARDS, [], [], [], [], similarities, []))
    wins = found["cosine_wins.teacher-base"]
    assert (wins.mean, wins.n, wins.missing) == (0.75, 2, 2)
    assert found["cosine.teacher-base"].mean == pytest.approx(0.2005)
    assert found["cosine.base"].n == 3


def test_the_health_of_answers_is_measured() -> None:
    answers = [
        Answer("q0", "teacher", "one two three four five", (), "stop"),
        Answer("q1", "teacher", "a b c d a b c d", (), "length"),
        Answer("q2", "teacher", "", (), "stop"),
    ]
    found = figures(*estimate_all(CARDS, [], answers, [], [], [], []))
    assert found["answer_words.teacher"].mean == pytest.approx(13 / 3)
    assert found["cut_off.teacher"].mean == pytest.approx(1 / 3)
    assert found["cut_off.teacher"].missing == 1
    assert found["repetition.teacher"].mean == pytest.approx((0 + 0.2 + 0) / 3)


@pytest.mark.parametrize(
    ("text", "repeated"),
    [("", 0), ("too short", 0), ("a b c d", 0), ("no no no no no no", 2 / 3), ("A b c d a B c d", 0.2)],
)
def test_repetition_is_the_share_of_four_word_sequences_said_before(text: str, repeated: float) -> None:
    assert repetition(text) == pytest.approx(repeated)


def both_orders(question: str, first: Winner, second: Winner) -> list[Verdict]:
    pair = ("teacher", "base")
    orders = ((pair, first), (pair[::-1], second))
    return [
        Verdict(question, pair, (order[0], order[1]), winner, "why", "judge", "2026-05-01") for order, winner in orders
    ]


def test_only_decisive_questions_share_out_the_wins_and_the_others_are_counted_apart() -> None:
    verdicts = [
        *both_orders("q0", Winner.A, Winner.A),
        *both_orders("q1", Winner.TIE, Winner.TIE),
        *both_orders("q2", Winner.A, Winner.B),
    ]
    found = figures(*estimate_all(CARDS, [], [], [], [], [], verdicts))
    wins = found["judge_win_share.teacher-base"]
    assert (wins.mean, wins.n, wins.missing) == (1.0, 1, 2), "a tie is an answer; a contradiction and silence are none"
    shares = {name: found[f"judge_outcome.teacher-base.{name}"] for name in ("win", "loss", "tie", "inconsistent")}
    assert [estimate.mean for estimate in shares.values()] == pytest.approx([1 / 3, 0, 1 / 3, 1 / 3])
    assert found["judge_outcome.teacher-base.unparsed"].missing == 1, "the judge was not asked about the fourth"


def test_a_verdict_in_one_order_alone_is_missing_and_not_unparsed() -> None:
    found = figures(*estimate_all(CARDS, [], [], [], [], [], both_orders("q0", Winner.A, Winner.A)[:1]))
    unparsed = found["judge_outcome.teacher-base.unparsed"]
    assert (unparsed.mean, unparsed.n, unparsed.missing) == (None, 0, 4)


def test_a_gain_is_a_difference_turned_round_with_its_interval() -> None:
    assert gain(Estimate("d", -1.0, -2.0, 0.5, 9, 1)) == Estimate("d", 1.0, -0.5, 2.0, 9, 1)
    assert gain(Estimate("d", None, None, None, 0, 1)) == Estimate("d", None, None, None, 0, 1)


def test_a_model_that_ties_answers_to_questions_picks_the_right_ones() -> None:
    """Three questions, each the rivals of the other two; the teacher alone gains by being asked."""
    ids = [card.id for card in CARDS[:3]]
    rivals = {own: tuple(other for other in ids if other != own) for own in ids}
    losses = [
        CrossLoss(question, own, name, 2.0 if name == "teacher" and question == own else 3.0, 9)
        for name in ("base", "teacher")
        for own in ids
        for question in ("", *ids)
    ]
    found = figures(*estimate_all(CARDS[:3], [], [], [], [], [], [], (), losses, rivals))
    assert (found["identified.base"].mean, found["identified.teacher"].mean) == (0.0, 1.0)
    assert found["identified.teacher-base"].mean == 1.0
    assert found["question_information.teacher"].mean == pytest.approx(1.0)
    assert found["question_information.teacher-base"].mean == pytest.approx(1.0)
    assert found["identified.student"] == Estimate("identified.student", None, None, None, 0, 3)
