from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from edullama.dataset.support import find_support
from edullama.dataset.words import content_words, stem
from edullama.llm.embedding import embed
from edullama.records import Block, Card, Slide, Support


def slide(page: int, text: str, lecture: str = "optimisers") -> Slide:
    block = Block(text, "text", page, (0.0, 0.0, 100.0, 100.0))
    return Slide(lecture, (page,), "", (block,), "en", "content", "")


def card(question: str, reference: str) -> Card:
    return Card("card", "optimisers", question, reference, "cards/exam.tsv")


def alike(texts: Sequence[str]) -> NDArray[np.float32]:
    """Embed every text as the same vector."""
    return np.tile(np.array([0.6, 0.8], np.float32), (len(texts), 1))


def apart(texts: Sequence[str]) -> NDArray[np.float32]:
    """Embed no text at all."""
    return np.zeros((len(texts), 2), np.float32)


SLIDES = [
    slide(1, "Optimisers in deep learning: an overview of the lecture"),
    slide(4, "AdaGrad adapts the learning rate to the sum of squared gradients"),
    slide(9, "RMSProp replaces the sum of AdaGrad by an exponentially weighted moving average of squared gradients"),
    slide(12, "Dropout switches neurons off at random during training"),
    slide(20, "The batch size is limited by the memory of the graphics card"),
]
RMSPROP = card(
    "How does RMSProp change AdaGrad?", "It takes a moving average of the squared gradient, weighted exponentially."
)
TRAM = card(
    "Which colour do the trams of Lindenhafen have?", "The trams are sea green, as pupils of the Pier School wished."
)


def support(asked: Card, slides: Sequence[Slide] = SLIDES) -> Support:
    (found,) = find_support([asked], slides, embed)
    return found


def test_a_question_that_a_slide_answers_in_other_words_is_answerable_and_names_the_slide() -> None:
    found = support(RMSPROP)
    assert (found.question_id, found.slides[0], found.answerable) == ("card", "optimisers:9", True)
    # BM25's idf over 5 slides: 2.4849 for "take" on none, 1.3863 for each of 4 words on one, 0.8755 for 2 words on two
    assert found.words == pytest.approx((4 * 1.3863 + 2 * 0.8755) / (2.4849 + 4 * 1.3863 + 2 * 0.8755), abs=1e-4)


def test_a_question_on_another_subject_is_not_answerable() -> None:
    found = support(TRAM)
    assert found.words == 0
    assert not found.answerable


def test_an_answer_spread_over_slides_is_held_by_them_together() -> None:
    both = card(
        "What do dropout and batch size do?", "Dropout switches neurons off; the batch size is limited by memory."
    )
    found = support(both)
    assert set(found.slides[:2]) == {"optimisers:12", "optimisers:20"}
    assert found.words == 1


def test_rare_words_count_for_more_than_common_ones() -> None:
    slides = [*SLIDES, *(slide(page, "gradients") for page in range(30, 40))]
    common, rare = support(card("Why?", "gradient tram"), slides), support(card("Why?", "dropout tram"), slides)
    assert common.words < rare.words < 1


def test_words_are_needed_even_where_everything_looks_alike_to_the_embedding() -> None:
    assert [one.answerable for one in find_support([RMSPROP, TRAM], SLIDES, alike)] == [True, False]


def test_words_alone_do_not_make_a_question_answerable_where_the_vectors_have_nothing_in_common() -> None:
    (found,) = find_support([RMSPROP], SLIDES, apart)
    assert (found.cosine, found.answerable) == (0.0, False)


def test_cosine_is_that_of_question_and_reference_to_the_nearest_slide() -> None:
    texts = [SLIDES[2].text, f"{RMSPROP.question}\n{RMSPROP.reference}"]
    one, other = embed(texts)
    assert support(RMSPROP).cosine == pytest.approx(float(one @ other), abs=1e-6)


def test_an_answer_too_short_to_tell_is_held_where_its_question_is() -> None:
    assert support(card("Does dropout switch neurons off at random?", "It does.")).answerable
    assert not support(card("Do trams run at night?", "They do.")).answerable
    assert not support(
        card("How many trams run at night?", "20, in the dark."), [slide(3, "20 in the dark")]
    ).answerable


def test_german_endings_and_umlauts_do_not_hide_a_word() -> None:
    slides = [slide(1, "Binäre Suchbäume: Die Knoten sind geordnet"), slide(2, "Ausnahmen behandeln")]
    found = support(card("Was gilt in einem Suchbaum?", "Jeder Knoten eines binären Suchbaums ist geordnet."), slides)
    assert (found.slides[0], found.words) == ("optimisers:1", 1.0)


def test_the_order_of_slides_changes_nothing_but_ties() -> None:
    assert support(RMSPROP, SLIDES[::-1]) == support(RMSPROP)


def test_without_slides_nothing_is_answerable() -> None:
    assert find_support([RMSPROP], [], embed) == [Support("card", (), 0.0, 0.0, False)]
    assert find_support([RMSPROP], [slide(1, "")], embed) == [Support("card", (), 0.0, 0.0, False)]
    assert find_support([], SLIDES, embed) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [("layers", "layer"), ("trained", "training"), ("Bäume", "Baum"), ("gradients", "gradient")],
)
def test_forms_of_a_word_have_one_stem(one: str, other: str) -> None:
    assert stem(one.casefold()) == stem(other.casefold())


def test_function_words_are_no_content() -> None:
    assert content_words("Why is the sum of squares not used? Warum wird sie nicht benutzt?") == [
        "sum",
        "squar",
        "benutzt",
    ]


def test_a_very_long_slide_is_embedded_by_itself_and_short_ones_together() -> None:
    sizes: list[int] = []

    def note_sizes(texts: Sequence[str]) -> NDArray[np.float32]:
        sizes.append(max(map(len, texts)) * len(texts))
        return embed(texts)

    long = slide(30, "squared gradients of RMSProp " * 4000)
    asked = [card(f"What is said of {word}?", f"{word} {RMSPROP.reference}") for word in ("this", "that", "those")]
    together = find_support(asked, [*SLIDES, long], note_sizes)
    assert len(sizes) == 3 and max(sizes) == len(long.blocks[0].text)
    alone = [found for one in asked for found in find_support([one], [*SLIDES, long], embed)]
    assert together == alone
