"""What is taken out of slides before they are learnt, and what looks like it and stays."""

import pytest

from edullama.dataset.debris import clean_slides
from edullama.records import Block, BlockKind, Method, Removed, Slide

BOX = (0.0, 0.0, 100.0, 20.0)


def block(text: str, kind: BlockKind = "text", method: Method = "text") -> Block:
    return Block(text, method, 7, BOX, kind)


def figure(*lines: str, method: Method = "ocr") -> Block:
    return block("\n".join(lines), "figure", method)


def slide(*blocks: str | Block, title: str = "Stacks") -> Slide:
    made = [one if isinstance(one, Block) else block(one) for one in (title, *blocks)]
    return Slide("lists", (7,), title, tuple(made), "en", "content", "text")


def cleaned(*blocks: str | Block) -> list[str]:
    (clean,), _ = clean_slides([slide(*blocks)])
    return [one.text for one in clean.blocks[1:]]


@pytest.mark.parametrize(
    "text",
    [
        "https://example.org/stack",
        "Source: https://example.org/stack",
        "www.example.org",
        "jane.doe@example.org",
        "{jane, john}@example.org",
        "https://example.org/\nLectures_2024",
        "∑", "x12", "0.5", "[1]", "8 8 24 8", "0 0 -1\n-1 0 0", "f(. )", "_________", "======", "= 14.0",
    ],
)  # fmt: skip
def test_addresses_and_signs_by_themselves_teach_nothing(text: str) -> None:
    assert cleaned(text, "A stack grows at one end.") == ["A stack grows at one end."]


@pytest.mark.parametrize(
    "text",
    [
        "See https://example.org/stack for a stack that can be tried out.",
        "git clone https://example.org/stack",
        "An address such as jane@example.org has two parts.",
        "push", "y = 14.0", "y ∈ {0, 1}", "f(x) ← f(x) + r(x)", "a\n=\nb",
    ],
)  # fmt: skip
def test_sentences_commands_and_equations_stay(text: str) -> None:
    assert cleaned(text) == [text]


def test_code_and_tables_stay_as_they_are() -> None:
    code, table = block("{\n}\n// https://example.org", "code"), block("| 1 | 2 |\n| 3 | 4 |", "table")
    assert cleaned(code, table) == [code.text, table.text]


def test_of_what_is_read_in_figures_only_sentences_stay() -> None:
    labels = ["Input layer", "Jane Doe*, John Doe", "feature map", "Edit", "jane@example.org and more words in it"]
    read = figure(labels[0], "the stack grows with each push, and the heap is", "left alone", *labels[1:])
    assert cleaned(read) == ["the stack grows with each push, and the heap is\nleft alone"]


def test_a_description_of_a_figure_and_labels_that_are_no_picture_stay() -> None:
    assert cleaned(figure("A stack.", method="vision"), "Input layer") == ["A stack.", "Input layer"]


def test_what_stands_twice_on_a_slide_is_learnt_once() -> None:
    text = "A stack grows at one end."
    assert cleaned(text, "push", f"{text[:8]}\n{text[8:]}", "push") == [text, "push", "push"]


def test_what_goes_is_told_with_its_place_and_a_title_stays_whatever_it_is() -> None:
    (clean,), removed = clean_slides([slide("x0", figure("Top", "Bottom"), title="L2")])
    assert clean == slide(title="L2")
    assert removed == [
        Removed("lists", 7, "a number or a sign by itself", "x0", BOX),
        Removed("lists", 7, "a label in a figure", "Top", BOX),
        Removed("lists", 7, "a label in a figure", "Bottom", BOX),
    ]
