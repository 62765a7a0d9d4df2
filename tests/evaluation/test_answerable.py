"""Questions that the slides can answer are told from the others, and the main figures rest on them."""

from edullama.evaluation.answerable import Groups, count, group
from edullama.records import Card, Support

CARDS = [Card(f"q{number}", "lecture", f"Question {number}?", "Reference", "cards.tsv") for number in range(24)]


def divide(answerable: int, unanswerable: int, unknown: int = 0) -> Groups:
    """An exam of so many questions of each kind."""
    told = [True] * answerable + [False] * unanswerable
    support = [Support(card.id, ("a:1",), 0.5, 0.5, known) for card, known in zip(CARDS, told, strict=False)]
    return group(CARDS[: answerable + unanswerable + unknown], support)


def test_the_main_figures_rest_on_the_questions_that_the_slides_can_answer() -> None:
    groups = divide(answerable=12, unanswerable=5)
    assert groups.main == CARDS[:12] and groups.unanswerable == CARDS[12:17]
    assert (groups.share.mean, groups.share.n, groups.share.missing) == (12 / 17, 17, 0)
    assert count(groups.share) == (12, 5, 0)


def test_fewer_than_ten_answerable_questions_are_too_few_so_that_all_count() -> None:
    assert divide(answerable=10, unanswerable=1).main == CARDS[:10]
    groups = divide(answerable=9, unanswerable=2)
    assert groups.main == CARDS[:11] and groups.unanswerable == CARDS[9:11]
    assert divide(answerable=0, unanswerable=3).main == CARDS[:3]


def test_without_support_all_questions_count_and_nothing_is_said_of_them() -> None:
    groups = divide(answerable=0, unanswerable=0, unknown=4)
    assert groups.main == CARDS[:4] and not groups.unanswerable
    assert (groups.share.mean, groups.share.n, groups.share.missing) == (None, 0, 4)


def test_a_question_of_which_it_is_not_known_counts_with_the_answerable_ones() -> None:
    groups = divide(answerable=8, unanswerable=3, unknown=2)
    assert groups.main == [*CARDS[:8], *CARDS[11:13]]
    assert count(groups.share) == (8, 3, 2)


def test_a_small_exam_that_the_slides_answer_whole_rests_on_itself() -> None:
    assert divide(answerable=3, unanswerable=0).main == CARDS[:3]
