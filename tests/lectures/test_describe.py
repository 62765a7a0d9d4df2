"""Descriptions of figures: what is asked, what is kept of the reply, and why nothing is."""

from collections.abc import Sequence

import pytest

from edullama.lectures.describe import Description, FigureRequest, describe_figures, read_description
from edullama.records import Prompt, Reply

TREE = FigureRequest("img-1", b"png 1", "Bäume", "• Ein Baum hat Knoten", "Abb. 3: Suchbaum", "de")
PLOT = FigureRequest("img-2", b"png 2", "", "", "", "en")


def test_a_figure_is_shown_with_its_slide_and_in_its_language() -> None:
    seen: list[Prompt] = []

    def watch(prompts: Sequence[Prompt]) -> list[Reply]:
        seen.extend(prompts)
        return [Reply("Ein Baum mit drei Knoten.")] * len(prompts)

    assert describe_figures([TREE, PLOT], watch) == [
        Description("img-1", "Ein Baum mit drei Knoten.", ""),
        Description("img-2", "Ein Baum mit drei Knoten.", ""),
    ]
    assert [prompt.images for prompt in seen] == [(b"png 1",), (b"png 2",)]
    assert seen[0].text == (
        "Title of the slide: Bäume\n\n"
        "Text on the slide:\n• Ein Baum hat Knoten\n\n"
        "Caption of the figure: Abb. 3: Suchbaum\n\n"
        "Describe the figure in German, or answer NOTHING."
    )
    assert seen[1].text == "Describe the figure in English, or answer NOTHING."
    assert "cannot see" in seen[0].system


def test_a_figure_shown_twice_is_described_once() -> None:
    again = FigureRequest("img-1", b"png 1", "Wälder", "", "", "de")

    def say_title(prompts: Sequence[Prompt]) -> list[Reply]:
        return [Reply(prompt.text.splitlines()[0]) for prompt in prompts]

    descriptions = describe_figures([TREE, PLOT, again], say_title)
    assert [(figure.image, figure.text) for figure in descriptions] == [
        ("img-1", "Title of the slide: Bäume"),
        ("img-2", "Describe the figure in English, or answer NOTHING."),
    ]


def test_a_failed_call_is_a_reason() -> None:
    assert describe_figures([PLOT], lambda _: [Reply(None, "the server refused the key")]) == [
        Description("img-2", None, "the server refused the key")
    ]


@pytest.mark.parametrize("reply", ["NOTHING", "Nothing.", " **NOTHING**\n"])
def test_decoration_has_no_description(reply: str) -> None:
    assert read_description(reply) == (None, "decoration")


def test_a_description_may_speak_of_nothing() -> None:
    assert read_description("Nothing points to the last node.") == ("Nothing points to the last node.", "")


@pytest.mark.parametrize(
    "reply",
    [
        "I'm sorry, but I can't help with that.",
        "I cannot see the image.",
        "I don’t see any figure.",
        "As an AI, I have no eyes.",
        "No image was provided.",
        "Es tut mir leid, das Bild fehlt.",
        "Ich kann auf dem Bild leider nichts erkennen.",
        "Ich sehe kein Bild.",
    ],
)
def test_a_refusal_is_no_description(reply: str) -> None:
    assert read_description(reply) == (None, f"the model did not describe it: {reply}")


@pytest.mark.parametrize("reply", ["", " \n"])
def test_an_empty_reply_is_no_description(reply: str) -> None:
    assert read_description(reply) == (None, "the model sent no text")


def test_lines_become_one_paragraph() -> None:
    assert read_description("Ein Baum.\n\nEr hat 3 Knoten.\n") == ("Ein Baum. Er hat 3 Knoten.", "")


def test_a_long_description_ends_after_its_last_whole_sentence() -> None:
    first = "Der Baum hat Knoten, z. B. Blätter, vgl. Abb. 3 oben. Er ist balanciert (AVL)."
    text = f"{first} Außerdem {'sehr ' * 100}groß."
    assert read_description(text) == (first, "cut after a sentence; the model sent 117 words")


def test_a_long_reply_without_a_sentence_is_no_description() -> None:
    assert read_description("Knoten " * 120) == (None, "120 words without a sentence to cut them after")
