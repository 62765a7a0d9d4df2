import random

import pytest

from edullama.dataset.near_duplicates import find_candidates, find_near_pairs, is_typo, similarity
from edullama.records import Card, NearPair, stable_id


def card(question: str, reference: str = "Because.") -> Card:
    return Card(stable_id(question), "week1", question, reference, "cards/week1.tsv")


def pairs(*questions: str) -> list[NearPair]:
    return find_near_pairs([card(question) for question in questions])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is a convolutional layer?", "What's the convolutional layer"),
        ("What are convolutional layers used for?", "What is a convolutional layer used for?"),
        ("How does dropout regularise networks?", "Dropout: how does it regularise networks?"),
        ("What is a convolutional layer?", "What is a convoltional layer?"),
        ("Was ist ein neuronales Netz?", "Was sind neuronale Netze?"),
        ("When would you choose Gradle over Maven?", "When would you choose Maven over Gradle?"),
    ],
)
def test_questions_in_nearly_the_same_words_are_near(one: str, other: str) -> None:
    assert [pair.kind for pair in pairs(one, other)] == ["question"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is LoRA?", "What is QLoRA?"),
        ("Why is dropout used?", "When is dropout used?"),
        ("What's the maximum unsigned number with 8 bits?", "What's the maximum unsigned number with 9 bits?"),
        ("What is a pure function?", "What is a function?"),
        ("What is the L in SOLID?", "What is the S in SOLID?"),
        ("What is a symmetric cipher?", "What is an asymmetric cipher?"),
        ("What are the advantages of bagging?", "What are the disadvantages of bagging?"),
    ],
)
def test_questions_that_differ_in_what_they_ask_are_not_near(one: str, other: str) -> None:
    assert pairs(one, other) == []


def test_a_pair_tells_both_texts_and_the_share_of_common_words() -> None:
    one, other = "How can you find a cycle in a graph?", "How can you find the longest cycle in a graph?"
    (pair,) = pairs(one, other)
    assert {(pair.one, pair.one_text), (pair.other, pair.other_text)} == {(stable_id(t), t) for t in (one, other)}
    assert pair.similarity == 0.8  # how, find, cycle, graph of how, find, long, cycle, graph


def test_the_same_long_answer_makes_a_pair_and_the_same_short_one_none() -> None:
    long = (
        "Gradients shrink layer after layer, until the first layers hardly learn anything by back propagation at all."
    )
    vanishing = card("What is the vanishing gradient problem?", long)
    deep = card("Why were deep networks hard to train?", long.replace("hardly", "scarcely"))
    assert [pair.kind for pair in find_near_pairs([vanishing, deep])] == ["answer"]
    assert find_near_pairs([card("Is SVM linear?", "Yes."), card("Is k-means unsupervised?", "Yes.")]) == []


def test_pairs_do_not_depend_on_the_order_of_cards_nor_on_other_cards() -> None:
    near = [card("What is a convolutional layer?"), card("What are convolutional layers?")]
    others = [card(f"What does the term {chr(97 + n)}{chr(97 + n)}x{chr(97 + n)} mean?") for n in range(20)]
    assert find_near_pairs(near) == find_near_pairs([near[1], *others, near[0]])


def test_near_pairs_among_many_are_nearly_all_found() -> None:
    draw = random.Random(1)
    words = ["".join(draw.choices("abcdefghijklmnoprstuvw", k=draw.randint(4, 10))) for _ in range(900)]
    questions = [draw.sample(words, 6) for _ in range(1500)]
    copies = [[*question[1:], question[0]] if n % 2 else question[:5] for n, question in enumerate(questions[:300])]
    found = pairs(*(" ".join(question) for question in questions + copies))
    assert len(found) >= 297


def test_texts_are_paired_inside_their_groups_alone() -> None:
    alike = ["how many numbers of 8 bits have 3 ones"] * 4
    assert find_candidates(alike, ["8", "9", "8", "9"]) == [(0, 2), (1, 3)]
    assert len(find_candidates(alike)) == 6


def test_cards_without_words_are_near_to_nothing() -> None:
    assert find_near_pairs([]) == []
    assert pairs("?", "What is it?", "...") == []


def test_similarity_is_zero_where_texts_are_not_near() -> None:
    assert similarity(frozenset({"a", "b"}), frozenset({"a", "c"})) == 0
    assert similarity(frozenset(), frozenset()) == 0


@pytest.mark.parametrize(
    ("one", "other", "typo"),
    [
        ("gradient", "gradeint", True),
        ("gradient", "gradent", True),
        ("gradient", "gradients", True),
        ("gradient", "gradiant", True),
        ("gradient", "gardeint", False),
        ("symmetric", "asymmetric", False),
        ("encoder", "decoder", False),
        ("class", "clash", False),
    ],
)
def test_one_wrong_letter_in_a_long_word_is_a_typo(one: str, other: str, typo: bool) -> None:
    assert (is_typo(one, other), is_typo(other, one)) == (typo, typo)
