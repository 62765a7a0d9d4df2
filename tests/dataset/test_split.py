from itertools import pairwise

from edullama.dataset.split import drop_doubles, drop_known, drop_near, drop_near_exam_files, split_cards
from edullama.records import Card, NearPair, stable_id


def card(question: str, source: str = "cards/week1.tsv") -> Card:
    return Card(stable_id(question), "week1", question, "Because.", source)


def near(one: Card, other: Card) -> NearPair:
    return NearPair("question", one.id, other.id, one.question, other.question, 1.0)


CARDS = [card(f"What is number {n}?") for n in range(1000)]


def test_about_the_share_asked_for_goes_to_the_exam() -> None:
    exam, catalogue = split_cards(CARDS, 0.3)
    assert len(exam) + len(catalogue) == 1000
    assert 250 < len(exam) < 350


def test_new_cards_move_no_old_ones() -> None:
    before, _ = split_cards(CARDS[:100], 0.3)
    after, _ = split_cards([card("Why?"), *reversed(CARDS)], 0.3)
    assert {one.id for one in before} <= {one.id for one in after}


def test_spelling_of_case_and_punctuation_does_not_change_the_side() -> None:
    for number in range(50):
        one, other = card(f"What is QLoRA {number}?"), card(f"what is  qlora {number}")
        assert [len(side) for side in split_cards([one], 0.5)] == [len(side) for side in split_cards([other], 0.5)]


def test_an_exam_file_goes_wholly_to_the_exam() -> None:
    exam, catalogue = split_cards([card(f"Question {n}", "cards/Exam.tsv") for n in range(20)], 0.3)
    assert (len(exam), len(catalogue)) == (20, 0)


def test_the_same_question_is_kept_once_and_rather_in_the_exam_file() -> None:
    kept, dropped = drop_doubles([card("What is LoRA?"), card("what is LoRA", "cards/exam.tsv")])
    assert [one.source for one in kept] == ["cards/exam.tsv"]
    assert dropped[0].reason == "same question as in cards/exam.tsv (cards/week1.tsv)"


def test_which_double_is_kept_does_not_depend_on_the_order() -> None:
    cards = [card("What is LoRA?", f"cards/{name}.tsv") for name in "cab"]
    assert drop_doubles(cards)[0] == drop_doubles(cards[::-1])[0]


def test_controls_that_the_course_asks_too_are_dropped() -> None:
    kept, dropped = drop_known([card("What is LoRA?"), card("Where is Ulm?")], [card("what is lora")])
    assert [one.question for one in kept] == ["Where is Ulm?"]
    assert len(dropped) == 1


def test_near_cards_go_to_one_side_however_long_the_chain() -> None:
    for start in range(0, 1000, 10):
        group = CARDS[start : start + 10]
        exam, catalogue = split_cards(group, 0.1, [near(one, other) for one, other in pairwise(group)])
        assert not exam or not catalogue


def test_pairs_move_no_card_outside_them() -> None:
    pairs = [near(CARDS[n], CARDS[n + 1]) for n in range(0, 100, 2)]
    before, after = (split_cards(CARDS, 0.3, tied)[0] for tied in ([], pairs))
    assert [one for one in before if one in CARDS[100:]] == [one for one in after if one in CARDS[100:]]


def test_a_new_card_in_a_group_takes_nothing_out_of_the_exam() -> None:
    for old, new in zip(CARDS[:200], CARDS[200:400], strict=True):
        alone, _ = split_cards([old], 0.3)
        together, _ = split_cards([old, new], 0.3, [near(old, new)])
        assert old not in alone or together == [old, new]


def test_sides_do_not_depend_on_the_order_of_cards_and_pairs() -> None:
    pairs = [near(CARDS[n], CARDS[n + 3]) for n in range(0, 500)]
    exam, _ = split_cards(CARDS, 0.1, pairs)
    again, _ = split_cards(CARDS[::-1], 0.1, [near(CARDS[n + 3], CARDS[n]) for n in range(499, -1, -1)])
    assert again == exam[::-1]


def test_a_card_near_to_one_of_an_exam_file_leaves_and_says_which_one_it_repeats() -> None:
    fixed, copy, other = card("What is LoRA?", "cards/exam.tsv"), card("What's LoRA?"), card("Why?")
    for pair in (near(fixed, copy), near(copy, fixed)):
        kept, dropped = drop_near_exam_files([copy, other, fixed], [pair])
        assert kept == [other, fixed]
        assert [(one.id, one.text) for one in dropped] == [(copy.id, "What's LoRA?")]
        assert dropped[0].reason == "nearly the same as in cards/exam.tsv: 'What is LoRA?' (cards/week1.tsv)"


def test_near_cards_of_exam_files_all_stay_and_so_does_what_is_near_to_a_dropped_card_alone() -> None:
    one, two = card("What is LoRA?", "cards/exam.tsv"), card("What's LoRA?", "cards/exam2.tsv")
    copy, further = card("What is a LoRA?"), card("What is a LoRA adapter?")
    pairs = [near(one, two), near(one, copy), near(copy, further)]
    kept, dropped = drop_near_exam_files([one, two, copy, further], pairs)
    assert (kept, len(dropped)) == ([one, two, further], 1)
    assert split_cards(kept, 0.5, pairs)[0][:2] == [one, two]


def test_of_fresh_cards_those_near_to_the_exam_leave_and_those_near_to_each_other_stay() -> None:
    exam, copy, one, two = CARDS[:4]
    kept, dropped = drop_near([copy, one, two], [exam], [near(exam, copy), near(one, two)])
    assert kept == [one, two]
    assert [rejection.id for rejection in dropped] == [copy.id]
