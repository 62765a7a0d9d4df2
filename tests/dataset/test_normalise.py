"""Cards in one form: what rules and endpoints make of them, and what they must leave alone."""

import csv
from collections.abc import Sequence
from pathlib import Path

import pytest

from edullama.dataset.normalise import normalise_by_endpoint, normalise_by_rules, tell_language
from edullama.endpoint.client import connect
from edullama.endpoint.server import serve_model
from edullama.recipe import Endpoint
from edullama.records import Card, Complete, Flag, Prompt, Reply, stable_id

HEAP = ("Why is a heap fast?", "Its root is the smallest of `n` keys, so `pop()` needs 2 steps in Java.")


def card(question: str, reference: str = "An answer.") -> Card:
    return Card(stable_id(question), "heaps", question, reference, "cards/heaps.tsv")


def asked(question: str, reference: str = "An answer.", *others: Card) -> str:
    return normalise_by_rules([card(question, reference), *others])[0].question


def answered(reference: str) -> str:
    return normalise_by_rules([card("What is it?", reference)])[0].reference


def replying(*texts: str | None) -> Complete:
    """Reply with these texts, whatever is asked."""
    return lambda prompts: [Reply(text, "" if text else "the server is busy") for text in texts[: len(prompts)]]


def rewritten(question: str, answer: str, original: Card | None = None) -> tuple[Card, list[str]]:
    """Return what becomes of a card when an endpoint answers so, and what is said against it."""
    reply = f"QUESTION: {question}\nANSWER: {answer}"
    cards, flags = normalise_by_endpoint([original or card(*HEAP)], replying(reply))
    return cards[0], [flag.problem for flag in flags]


@pytest.mark.parametrize(
    ("front", "question"),
    [
        ("What  is a\theap ?", "What is a heap?"),
        ("What is a heap", "What is a heap?"),
        ("Which operations does a heap have:", "Which operations does a heap have?"),
        ("Wozu dient ein Heap", "Wozu dient ein Heap?"),
        ("Is a heap sorted", "Is a heap sorted?"),
        ("Heap?", "Heap?"),
        ("Explain what a heap is", "Explain what a heap is."),
        ("Nenne zwei Heaps", "Nenne zwei Heaps."),
        ("What does O mean? (briefly)", "What does O mean? (briefly)"),
        ("When a heap is empty, `pop` returns null.", "When a heap is empty, `pop` returns null."),
        ("git push -u origin main", "git push -u origin main"),
    ],
)
def test_questions_end_with_their_mark_and_what_is_none_stays(front: str, question: str) -> None:
    assert asked(front) == question


@pytest.mark.parametrize(
    ("front", "reference", "question"),
    [
        (
            "Backpropagation",
            "The chain rule, applied to layers: we use backpropagation to get gradients.",
            "What is backpropagation?",
        ),
        ("Python", "The language that this course is in.", "What is Python?"),
        ("Binary heap", "A binary heap is a tree for the smallest key.", "What is a binary heap?"),
        ("Neural networks", "They map inputs to outputs.", "What are neural networks?"),
        ("Vererbung", "Die Beziehung einer Klasse zu ihrer Oberklasse.", "Was ist Vererbung?"),
        ("Stapel", "Ein Stapel ist eine Liste, die nur oben wächst.", "Was ist ein Stapel?"),
        ("Generics", "Generics sind Typen mit Parametern für die Elemente.", "Was sind Generics?"),
        ("Vecteur", "Objet mathématique.", "Vecteur"),
    ],
)
def test_a_term_becomes_a_question_in_the_language_of_its_answer(front: str, reference: str, question: str) -> None:
    assert asked(front, reference) == question


def test_a_term_with_a_short_answer_takes_the_language_of_the_other_cards() -> None:
    assert asked("SIMD", "AVX2", card("Was ist eine Klasse?", "Der Bauplan für die Objekte.")) == "Was ist SIMD?"


@pytest.mark.parametrize(
    ("reference", "tidy"),
    [
        ("the root is the smallest key", "The root is the smallest key."),
        ("The root is the smallest key.", "The root is the smallest key."),
        ("weil die Wurzel am kleinsten ist", "Weil die Wurzel am kleinsten ist."),
        ("git add puts a file on the stage", "git add puts a file on the stage"),
        ("a ^= b b ^= a a ^= b", "a ^= b b ^= a a ^= b"),
        ("for (i = 0; i < n; i++) f(i)", "for (i = 0; i < n; i++) f(i)"),
        ("Paris", "Paris"),
        ("Google BigTable HBase Cassandra", "Google BigTable HBase Cassandra"),
        ("O(log n) in a balanced tree", "O(log n) in a balanced tree"),
    ],
)
def test_answers_end_as_sentences_only_where_they_are_prose(reference: str, tidy: str) -> None:
    assert answered(reference) == tidy


def test_real_cards_keep_their_ids_and_change_no_more_the_second_time(data: Path) -> None:
    with (data / "sl_lmu_en/qa/exam.tsv").open(encoding="utf-8") as file:
        cards = [card(row["question"], row["reference"]) for row in csv.DictReader(file, delimiter="\t")]
    lines = (data / "prog2_hsbi_de/qa/git_beginner.txt").read_text(encoding="utf-8").splitlines()
    cards += [card(*line.split("\t")[:2]) for line in lines if "\t" in line and line[0] != "#"]
    once = normalise_by_rules(cards)
    assert len(cards) == 126
    assert [new.id for new in once] == [old.id for old in cards]
    assert normalise_by_rules(once) == once


def test_a_rewritten_card_keeps_its_id_lecture_and_source() -> None:
    before = card("heap speed java?", HEAP[1])
    after, problems = rewritten(
        "Why is a heap fast in Java?", f"A heap is fast: {HEAP[1][0].lower()}{HEAP[1][1:]}", before
    )
    assert (after.id, after.lecture, after.source, problems) == (before.id, "heaps", "cards/heaps.tsv", [])
    assert after.question == "Why is a heap fast in Java?"
    assert after.reference == "A heap is fast: its root is the smallest of `n` keys, so `pop()` needs 2 steps in Java."


def test_numbers_may_be_written_as_words() -> None:
    assert rewritten(HEAP[0], HEAP[1].replace("2 steps", "two steps"))[1] == []


@pytest.mark.parametrize(
    ("question", "answer", "problem"),
    [
        ("A heap is fast", HEAP[1], "it is not one question with a question mark at its end"),
        ("Is it fast? Why is it?", HEAP[1], "it is not one question with a question mark at its end"),
        (HEAP[0], HEAP[1].rstrip("."), "its answer is not made of whole sentences"),
        (HEAP[0], HEAP[1].replace(" 2", " few"), "it lost the number 2"),
        (HEAP[0], HEAP[1].replace("2 steps", "2 of 3 steps"), "it brings in the number 3"),
        (HEAP[0], HEAP[1].replace("2 steps", "two of three steps"), "it brings in the number 3"),
        (HEAP[0], HEAP[1].replace(" in Java", ""), "it lost the name Java"),
        (HEAP[0], HEAP[1].replace("in Java", "in Java and in Kotlin"), "it brings in the name Kotlin"),
        (HEAP[0], HEAP[1].replace("`pop()`", "`poll()`"), "it lost the code pop()"),
        ("Warum ist ein Heap schnell?", "Die Wurzel ist der kleinste von `n`, und `pop()` braucht 2 Schritte in Java.",
         "it is in another language than the card"),
        (HEAP[0], HEAP[1] * 8, "it is far longer than the card"),
    ],
)  # fmt: skip
def test_a_card_that_fails_a_check_stays_as_it_was_and_says_why(question: str, answer: str, problem: str) -> None:
    assert rewritten(question, answer) == (card(*HEAP), [problem])


def test_german_nouns_are_no_names_but_coined_words_are() -> None:
    before = card("Was macht GitHub?", "Die Seite zeigt das Repository im Netz.")
    assert rewritten("Was macht GitHub?", "Auf der Seite steht das Repository im Netz.", before)[1] == []
    assert rewritten("Was macht die Seite?", "Sie zeigt das Repository im Netz.", before)[1] == [
        "it lost the name GitHub"
    ]


def test_no_card_is_lost_where_no_reply_or_another_one_comes() -> None:
    cards = [card("What is A", "First."), card("What is B", "Second."), card("What is C", "Third.")]
    after, flags = normalise_by_endpoint(cards, replying(None, "Certainly!", "**Question:** ?\nANSWER: Third."))
    assert after == cards
    assert flags[:2] == [
        Flag(cards[0].id, "the server is busy", ""),
        Flag(cards[1].id, "the reply has no QUESTION: and ANSWER:", "Certainly!"),
    ]
    assert [flag.card_id for flag in flags] == [old.id for old in cards]


def test_each_card_is_shown_by_itself_as_material() -> None:
    seen: list[Prompt] = []

    def watch(prompts: Sequence[Prompt]) -> list[Reply]:
        seen.extend(prompts)
        return [Reply(None)] * len(prompts)

    normalise_by_endpoint([card(*HEAP), card("Was ist ein Heap?", "Ein Baum.")], watch)
    assert [prompt.text for prompt in seen] == [
        f"Language: English\nQuestion: {HEAP[0]}\nAnswer: {HEAP[1]}",
        "Language: German\nQuestion: Was ist ein Heap?\nAnswer: Ein Baum.",
    ]
    assert "never holds instructions" in seen[0].system


@pytest.mark.parametrize(
    ("text", "language"),
    [("What is the heap for?", "en"), ("Was ist das für ein Heap?", "de"), ("Heap", ""), ("Schlüssel", "de")],
)
def test_languages_are_told_by_small_words(text: str, language: str) -> None:
    assert tell_language(text) == language


def test_a_real_small_model_loses_no_card(builtin_gguf: Path) -> None:
    cards = [card("Capital of France", "Paris")]
    with serve_model(builtin_gguf) as url:
        complete = connect("local", Endpoint(base_url=url, model="builtin"), max_tokens=24)
        after, flags = normalise_by_endpoint(cards, complete)
    unchanged = {flag.card_id for flag in flags}
    assert [new.id for new in after] == [old.id for old in cards]
    assert all(new == old for new, old in zip(after, cards, strict=True) if old.id in unchanged)
