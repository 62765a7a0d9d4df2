"""Training pairs: slides with the request to explain them, and drafted questions with their answers."""

import pytest

from edullama.dataset.pairs import clean_title, explanation_pairs, question_pairs, statement_pairs
from edullama.records import Block, BlockKind, Card, Draft, Pair, Slide, SlideKind, stable_id

STACK = "A stack is a list that grows at one end only."
PUSH = "The operation push puts an element on the top, and pop takes it off again."


def block(text: str, kind: BlockKind = "text", language: str = "en") -> Block:
    return Block(text, "text", 1, (0, 0, 100, 20), kind, language)


def slide(
    *blocks: str | Block,
    title: str = "Stacks",
    kind: SlideKind = "content",
    language: str = "en",
    page: int = 7,
    lecture: str = "lists",
) -> Slide:
    made = [part if isinstance(part, Block) else block(part, language=language) for part in (title, *blocks)]
    return Slide(lecture, (page,), title, tuple(made), language, kind, "text: 99 letters")


def prompts(*slides: Slide) -> list[str]:
    return [pair.prompt for pair in explanation_pairs(slides)]


def test_a_title_is_to_be_explained_by_what_stands_below_it() -> None:
    (pair,) = explanation_pairs([slide(STACK, block("stack.push(1);", "code"))])
    prompt, text = "Explain: Stacks", f"{STACK}\nstack.push(1);"
    assert pair == Pair(stable_id("lists", prompt), "explanation", "lists", prompt, text, ("lists:7",))


def test_german_slides_are_explained_in_german() -> None:
    text = "Ein Stapel ist eine Liste, die nur an einem Ende wächst und schrumpft."
    assert prompts(slide(text, title="Der Stapel", language="de")) == ["Erkläre: Der Stapel"]


@pytest.mark.parametrize("kind", ["title", "outline", "section", "exercise", "questions", "references", "blank"])
def test_slides_that_explain_nothing_have_no_pair(kind: SlideKind) -> None:
    assert prompts(slide(STACK, kind=kind)) == []


@pytest.mark.parametrize(
    "title", ["", "Summary", "Wrap-Up", "Übersicht", "Klausur", "Definition", "42", "int x = f(y);"]
)
def test_titles_that_say_nothing_have_no_pair(title: str) -> None:
    assert prompts(slide(STACK, title=title)) == []


def test_a_title_that_asks_is_the_prompt_itself() -> None:
    assert prompts(slide(STACK, title="What is a stack?")) == ["What is a stack?"]


def test_too_few_words_and_signs_that_stand_alone_are_left_out() -> None:
    assert prompts(slide("Top and bottom")) == []
    (pair,) = explanation_pairs([slide(STACK, block("x0", "formula"), "12")])
    assert pair.text == STACK


def test_slides_of_one_title_are_explained_as_one() -> None:
    first, second = slide(STACK, title="Stacks (1/2)"), slide(PUSH, title="Stacks (2/2)", page=8)
    (pair,) = explanation_pairs([first, second, slide(STACK, title="Stacks", page=9)])
    assert (pair.text, pair.slides) == (f"{STACK}\n{PUSH}", ("lists:7", "lists:8"))


def test_what_does_not_fit_is_left_to_the_entries() -> None:
    long = " ".join(["Words about stacks"] * 80)
    (pair,) = explanation_pairs([slide(long), slide(PUSH + long, page=8)])
    assert (pair.text, pair.slides) == (long, ("lists:7",))


def test_the_same_title_in_two_lectures_makes_two_pairs() -> None:
    one, other = explanation_pairs([slide(STACK), slide(PUSH, lecture="trees")])
    assert (one.prompt, one.lecture, other.lecture) == (other.prompt, "lists", "trees")
    assert one.id != other.id


def test_titles_in_capitals_are_written_as_in_sentences() -> None:
    text = "We push an element on a call stack and pop it, says the JVM manual of 1996."
    assert prompts(slide(text, title="THE CALL STACK OF A JVM / 2")) == ["Explain: The call stack of a JVM"]


@pytest.mark.parametrize(
    ("title", "clean"),
    [
        ("2.1 Stacks", "Stacks"),
        ("3) Stacks (cont.)", "Stacks"),
        ("Stacks II", "Stacks"),
        ("Stacks / 3", "Stacks"),
        ("Stacks:", "Stacks"),
        ("Java 8", "Java"),
        ("List<T>", ""),
        ("∑ 42", ""),
    ],
)
def test_titles_lose_numbers_and_code_has_none(title: str, clean: str) -> None:
    assert clean_title(title) == clean


def test_drafted_questions_are_paired_with_their_references() -> None:
    card = Card("0a1b", "lists", "What is a stack?", STACK, "drafted by rules")
    draft = Draft(card, ("lists:7",), "definition", STACK)
    assert question_pairs([draft]) == [Pair("0a1b", "question", "lists", "What is a stack?", STACK, ("lists:7",))]


def asked(*slides: Slide) -> list[tuple[str, str]]:
    return [(pair.prompt, pair.text) for pair in statement_pairs(slides)]


def test_each_sentence_is_asked_for_by_its_longest_word_under_the_title() -> None:
    assert asked(slide(f"{STACK} {PUSH}")) == [
        ("What does the lecture say about stack (Stacks)?", STACK),
        ("What does the lecture say about operation (Stacks)?", PUSH),
    ]


def test_a_line_of_a_list_is_a_statement_without_its_bullet() -> None:
    text = "• A queue gives back what came first\n• Two stacks together can make up a queue"
    assert [statement for _, statement in asked(slide(text))] == [
        "A queue gives back what came first",
        "Two stacks together can make up a queue",
    ]


def test_what_is_said_twice_on_a_slide_is_asked_for_once() -> None:
    assert len(asked(slide(STACK, STACK))) == 1


def test_german_statements_are_asked_for_in_german() -> None:
    text = "Ein Stapel ist eine Liste, die nur an einem Ende wächst."
    prompt = "Was sagt die Vorlesung über Stapel (Der Stapel)?"
    assert asked(slide(text, title="Der Stapel", language="de")) == [(prompt, text)]


def test_statements_in_other_languages_are_asked_for_in_english() -> None:
    text = "Une pile est une liste qui ne grandit que par un bout."
    prompt = "What does the lecture say about grandit (La pile)?"
    assert asked(slide(text, title="La pile", language="fr")) == [(prompt, text)]


def test_short_lines_code_and_titles_state_nothing() -> None:
    code = block("stack.push(1) and then stack.pop() and then nothing more", "code")
    title = "Why a stack is better than a queue here"
    assert asked(slide("Top and bottom", code, title=title)) == []


def test_a_slide_without_a_title_is_asked_for_by_the_word_alone() -> None:
    assert asked(Slide("lists", (7,), "", (block(STACK),), "en", "content", "text")) == [
        ("What does the lecture say about stack?", STACK)
    ]
