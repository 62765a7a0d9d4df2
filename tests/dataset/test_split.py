from edullama.dataset.split import drop_doubles, drop_known, split_cards
from edullama.records import Card, stable_id


def card(question: str, source: str = "cards/week1.tsv") -> Card:
    return Card(stable_id(question), "week1", question, "Because.", source)


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
