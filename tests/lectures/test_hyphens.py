from collections import Counter

import pytest

from edullama.lectures.hyphens import after_line, collect_words, resolve
from edullama.lectures.pages import HYPHEN

GERMAN = collect_words(
    ["und der die ist das Verfahren der Daten und Vorteil, Gradienten, Java, objektorientiert, pixel"]
)
ENGLISH = collect_words(["the of and is pixel high level false positive rate gradient conditioned, hyperparameters"])


def read(last: str, first: str, words: Counter[str]) -> str:
    """What becomes of a line that ends with `last` and one that begins with `first`."""
    return resolve(last + after_line(last, first.split()[0]) + first, words)[0]


@pytest.mark.parametrize(
    "text",
    [
        "Ein-|und Ausgabe", "Vor-|und Nachteile", "Vor-|oder Nachteile", "Lese-|sowie Schreibzugriff",
        "Haupt-|bzw. Nebensatz", "Haupt-|beziehungsweise Nebensatz", "zwei-|bis dreimal", "ein-|oder mehrdimensional",
        "Klassen-|vs. Instanzmethoden", "sowohl Vor-|als auch Nachteile", "weder Vor-|noch Nachteile",
        "Groß-|und Kleinschreibung", "über-|und unteranpassen", "Äquivalenz-|u. Grenzwerte",
        "first-|and second-order methods", "over-|or underfitting", "pre-|and post-processing", "on-|and off-policy",
        "two-|to three-fold", "intra-|versus inter-class", "short-|but not long-term", "neither over-|nor underfitting",
        "supervised-|& self-supervised", "Sende-|und Empfangspuffer", "drei-|oder vierstellig",
    ],
)  # fmt: skip
def test_a_suspended_hyphen_keeps_its_space(text: str) -> None:
    last, first = text.split("|")
    for words in (GERMAN, ENGLISH):
        assert read(last, first, words) == f"{last} {first}"
        assert resolve(last[:-1] + HYPHEN + first, words) == (f"{last} {first}", 0)


@pytest.mark.parametrize("text", ["Ein-/|und Ausgabe", "Ein-|/Ausgabe", "Groß-|/Kleinschreibung", "input-|/output-"])
def test_a_slash_after_a_hyphen_takes_no_space(text: str) -> None:
    last, first = text.split("|")
    assert read(last, first, GERMAN) == last + first


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Gradien-|ten", GERMAN),  # the lecture has the word
        ("Vor-|teil", GERMAN),
        ("Daten-|bank", GERMAN),  # a compound of a known word, as German writes it
        ("Verfah-|rens", GERMAN),
        ("Äquivalenz-|klassen", GERMAN),
        ("Schlüs-|selwort", GERMAN),
        ("gra-|dient", ENGLISH),
        ("condi-|tioned", ENGLISH),
        ("hyper-|parameters", ENGLISH),
        ("con-|straints", ENGLISH),
        ("regu-|larization", ENGLISH),
        ("ex-|pected,", ENGLISH),
    ],
)
def test_a_hyphen_that_ends_a_line_within_a_word_is_taken_out(text: str, words: Counter[str]) -> None:
    last, first = text.split("|")
    assert read(last, first, words) == last[:-1] + first
    assert resolve(last[:-1] + HYPHEN + first, words)[1] == 1


@pytest.mark.parametrize(
    "text",
    [
        "Java-|Methoden", "Rot-|Schwarz-Baum", "Input-|Daten", "CNN-|basiert", "E-|mail", "pixel-|wise", "3D-|fähig",
        "end-to-|end", "non-|linear", "high-|level", "true-|positive-rate", "Day-|Night", "max-|pooled",
        "Fibonacci-|Heap",
    ],
)  # fmt: skip
def test_a_hyphen_of_the_word_stays(text: str) -> None:
    last, first = text.split("|")
    for words in (GERMAN, ENGLISH):
        assert read(last, first, words) == last + first


def test_a_word_that_the_lecture_writes_with_a_hyphen_keeps_it() -> None:
    words = ENGLISH + collect_words(["multi-agent learning, multi-agent again, and multiagent once"])
    assert resolve(f"multi{HYPHEN}agent", words) == ("multi-agent", 0)


def test_english_keeps_the_hyphen_between_words_it_knows() -> None:
    assert resolve(f"population{HYPHEN}rate", ENGLISH) == ("population-rate", 0)


def test_several_hyphens_are_decided_each_by_itself() -> None:
    text = f"Gradien{HYPHEN}ten auf Java{HYPHEN}Methoden, Vor{HYPHEN}teil"
    assert resolve(text, GERMAN) == ("Gradienten auf Java-Methoden, Vorteil", 2)


def test_words_broken_by_a_line_end_are_no_evidence() -> None:
    assert collect_words([f"Gradien{HYPHEN}ten sind Gradienten, Feed-Forward"]) == {
        "sind": 1, "gradienten": 1, "feed-forward": 1, "feed": 1, "forward": 1,
    }  # fmt: skip


def test_a_link_goes_on_without_a_space() -> None:
    assert after_line("https://github.com/schutera/", "DeepLearning") == ""
