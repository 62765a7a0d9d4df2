import pytest

from edullama.dataset.leaks import find_leaks, run_needed
from edullama.records import Card, Entry, Leak, Question

ANSWER = "The exponential moving average reduces the influence of very old gradient values on the update."


def card(question: str = "How does RMSProp change AdaGrad?", reference: str = ANSWER, id: str = "card") -> Card:
    return Card(id, "week1", question, reference, "cards/exam.tsv")


def entry(text: str, page: int = 1) -> Entry:
    return Entry(f"week1:{page}", "week1", text, (page,))


def question(text: str) -> Question:
    return Question("asked", "week1", text)


def test_an_answer_that_stands_word_for_word_on_a_slide_is_a_leak_and_told_with_its_place() -> None:
    slide = entry("RMSProp\n- the exponential MOVING average reduces\n  the influence of very old gradient values!", 7)
    passage = "the exponential moving average reduces the influence of very old gradient values"
    assert find_leaks([card()], [], [entry("Adam"), slide]) == [
        Leak("answer in entry", "card", "week1:7", ANSWER, passage)
    ]


def test_an_answer_in_other_words_is_no_leak() -> None:
    slide = entry("RMSProp: exponential moving average of gradients, so that very old values have less influence")
    assert find_leaks([card()], [], [slide]) == []


@pytest.mark.parametrize(
    "short", ["O(n log n)", "Stochastic gradient descent.", "f(x) = a x + b x y + c z, x > 0, y > 0"]
)
def test_a_short_answer_or_a_formula_stands_on_slides_without_being_a_leak(short: str) -> None:
    assert find_leaks([card(reference=short)], [], [entry(f"Merge sort: {short}")]) == []


def test_less_than_half_of_an_answer_is_no_leak_unless_it_is_13_words() -> None:
    rest = "Nothing else of what this long answer goes on to say was ever seen on slides of this course"
    quotes = "the exponential moving average reduces the influence of very old gradient values"
    assert find_leaks([card(reference=f"{quotes}. {rest}")], [], [entry(quotes)]) == []
    longer = f"{quotes} indeed"
    assert len(find_leaks([card(reference=f"{longer}. {rest}")], [], [entry(longer)])) == 1


@pytest.mark.parametrize(("words", "needed"), [(1, 8), (8, 8), (16, 8), (17, 9), (24, 12), (26, 13), (200, 13)])
def test_half_of_the_words_but_8_to_13_make_a_leak(words: int, needed: int) -> None:
    assert run_needed(words) == needed


def test_a_run_does_not_go_on_from_one_text_into_the_next() -> None:
    first, second = "The exponential moving average reduces the", "influence of very old gradient values."
    assert len(find_leaks([card(reference=f"{first} {second}")], [], [entry(f"{first} {second}")])) == 1
    assert find_leaks([card(reference=f"{first} {second}")], [], [entry(first), entry(second, 2)]) == []
    halves = [card(reference=first), card(reference=second, id="other")]
    assert find_leaks(halves, [], [entry(f"{first} {second}")]) == []


def test_an_exam_question_in_the_catalogue_is_a_leak_however_short() -> None:
    leaks = find_leaks([card("What is LoRA?")], [question("what is lora")], [])
    assert leaks == [Leak("question in catalogue", "card", "asked", "What is LoRA?", "what is lora")]


def test_an_exam_question_within_one_of_the_catalogue_is_a_leak_too() -> None:
    asked = "Which rules of thumb does the lecture give for choosing the batch size?"
    leaks = find_leaks([card(asked)], [question(f"Think first. {asked} Name three.")], [])
    assert [(leak.kind, leak.where) for leak in leaks] == [("question in catalogue", "asked")]


def test_an_answer_in_a_question_of_the_catalogue_is_a_leak() -> None:
    leaks = find_leaks([card()], [question(f"True or false? {ANSWER}")], [])
    assert [leak.kind for leak in leaks] == ["answer in catalogue"]


def test_a_question_on_a_slide_gives_nothing_away() -> None:
    asked = "Which rules of thumb does the lecture give for choosing the batch size?"
    assert find_leaks([card(asked)], [], [entry(f"Exercise\n{asked}")]) == []


def test_each_leak_is_told_once_with_the_first_place_in_the_order_of_the_exam() -> None:
    exam = [card(id="b"), card("Why?", "Yes.", "none"), card(id="a")]
    leaks = find_leaks(exam, [], [entry("Adam"), entry(ANSWER, 2), entry(ANSWER, 3)])
    assert [(leak.question_id, leak.where) for leak in leaks] == [("b", "week1:2"), ("a", "week1:2")]


def test_nothing_leaks_where_there_is_nothing() -> None:
    assert find_leaks([], [], []) == []
    assert find_leaks([card("", "")], [question("")], [entry("")]) == []
