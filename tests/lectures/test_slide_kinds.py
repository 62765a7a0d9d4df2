import pytest

from edullama.lectures.slide_kinds import Shown, is_repeat, tell_kinds
from edullama.records import SlideKind

BODY = "Ein Heap ist ein Baum, in dem jeder Knoten kleiner ist als seine Kinder."


def shown(title: str, *texts: str, size: float = 20, middle: float = 0.08, pictures: int = 0) -> Shown:
    return Shown(title, texts, size, middle, pictures)


def kinds(*slides: Shown) -> list[SlideKind]:
    """Return the kinds of slides that stand between others."""
    around = [shown(f"Heaps {number}", BODY) for number in range(4)]
    return tell_kinds([*around, *slides, *around])[4 : 4 + len(slides)]


def test_a_lecture_has_a_title_an_outline_dividers_content_and_an_end() -> None:
    deck = [
        shown("Algorithmen I", "Prof. A. Muster", "Sommer 2026", size=36, middle=0.4),
        shown("Gliederung", "• Bäume\n• Sortieren"),
        shown("Bäume", size=24, middle=0.5),
        shown("Heaps", BODY),
        shown("Übung", BODY),
        shown("Literatur", "[1] Cormen et al.: Introduction to Algorithms. MIT Press, 2022"),
        shown("", "42"),
        shown("Vielen Dank für Ihre Aufmerksamkeit!", "a.muster@uni.de"),
    ]
    assert tell_kinds(deck) == [
        "title", "outline", "section", "content", "exercise", "references", "blank", "questions",
    ]  # fmt: skip


def test_a_first_slide_that_looks_like_the_others_is_no_title() -> None:
    assert tell_kinds([shown("Heaps", BODY), shown("Bäume", BODY)])[0] == "content"
    assert tell_kinds([shown(name, middle=0.5) for name in ("Heaps", "Bäume")])[0] == "section"


@pytest.mark.parametrize(
    "title",
    ["Questions?", "Noch Fragen?", "Vielen Dank! Fragen?", "Thanks for your time\nQuestions?", "The End", "Q & A"],
)
def test_thanks_and_calls_for_questions(title: str) -> None:
    assert kinds(shown(title, "Contact: anna@uni.de, https://uni.de/anna", pictures=int("?" in title))) == ["questions"]


@pytest.mark.parametrize(
    "slide",
    [
        shown("Fragen", "Was ist ein Heap?"),
        shown("Fragen", pictures=1),
        shown("Fragen", "Welche Laufzeit hat das Einfügen in einen Heap"),
        shown("Questions answered by the model", BODY),
        shown("Ende", BODY, BODY),
        shown("Legende"),
    ],
)
def test_questions_that_are_asked_are_content(slide: Shown) -> None:
    assert kinds(slide) == ["content"]


@pytest.mark.parametrize(
    "title", ["Outline", "Agenda (2/3)", "Inhalt", "This lecture in one slide", "Table of Contents"]
)
def test_outlines_by_their_title(title: str) -> None:
    assert kinds(shown(title, "1. Trees\n2. Sorting", "3. Shortest paths")) == ["outline"]


@pytest.mark.parametrize(
    "slide",
    [
        shown("Outline of the proof", "• Trees\n• Sorting"),
        shown("Outline", "An outline is drawn around each object that was found.", "It is one pixel wide."),
        shown("Inhalt", "μ(∅) = 0", "μ(A ∪ B) = μ(A) + μ(B)"),
        shown("Übersicht", "• Schulmethode\n• Karatsuba-Ofman"),
        shown("Übersicht", "Suchen: O(log n)", "Einfügen: O(log n)"),
        shown("Agenda"),
    ],
)
def test_what_only_sounds_like_an_outline_is_content(slide: Shown) -> None:
    assert kinds(slide) == ["content"]


def test_an_overview_is_an_outline_where_it_lists_the_slides_to_come() -> None:
    overview = shown("Übersicht", "Heute:\n• Bäume\n• Sortieren")
    deck = [shown("Heaps", BODY), overview, shown("Bäume", BODY), shown("Sortieren: Quicksort", BODY)]
    assert tell_kinds(deck)[1] == "outline"


@pytest.mark.parametrize(
    "slide",
    [
        shown("References", "[1]", "[2]", pictures=2),
        shown("Literaturverzeichnis", "Sedgewick: Algorithmen in Java"),
        shown("Quellen", "https://de.wikipedia.org/wiki/Heap"),
        shown("More", "\n".join(f"[{n}] A. Author: On Heaps {n}, 200{n}" for n in range(5))),
    ],
)
def test_references(slide: Shown) -> None:
    assert kinds(slide) == ["references"]


@pytest.mark.parametrize(
    "slide",
    [
        shown("References", "A reference is another name for a variable.", "int& r = x;"),
        shown("Quellen und Senken", "Quellen haben keine Vorgänger, siehe https://de.wikipedia.org, 2020"),
        shown("Success over time", "Adversarial Nets (Goodfellow et al.) 2014", "Cycle GAN (Hoffman et al.) 2017"),
    ],
)
def test_what_only_sounds_like_references_is_content(slide: Shown) -> None:
    assert kinds(slide) == ["content"]


@pytest.mark.parametrize(
    "title", ["Aufgabe 3: Bäume", "Übung", "Quiz: Was kommt hier raus?", "Exercise 2", "Kreativaufgabe"]
)
def test_exercises(title: str) -> None:
    assert kinds(shown(title, BODY)) == ["exercise"]


@pytest.mark.parametrize("title", ["Aufgaben des Betriebssystems", "Quizlet und Anki", "Übungsbetrieb"])
def test_what_only_sounds_like_an_exercise_is_content(title: str) -> None:
    assert kinds(shown(title, BODY)) == ["content"]


def test_a_divider_is_a_short_title_alone_in_the_middle() -> None:
    slides = [
        shown("Bäume", middle=0.5),
        shown("Aufgaben", middle=0.5),
        shown("Bäume"),
        shown("Bäume", middle=0.5, pictures=1),
        shown("Last modified: 7a3d015", size=7, middle=0.6),
        shown(BODY, middle=0.5),
    ]
    assert kinds(*slides) == ["section", "section", "content", "content", "content", "content"]


def test_a_slide_with_a_picture_alone_is_not_blank() -> None:
    assert kinds(shown("", pictures=1), shown(""), shown("", "17")) == ["content", "blank", "blank"]


def test_an_outline_repeats_if_all_its_lines_were_listed_before() -> None:
    outline = shown("Outline", "• Trees\n• Sorting\n• Graphs")
    later = [shown("Heaps", BODY), shown("Outline", "Trees\nGraphs"), shown("Outline", "Trees", "AVL trees")]
    deck = [outline, *later, shown("Graphs", "Trees")]
    assert is_repeat(deck, ["outline", "content", "outline", "outline", "content"]) == [
        False,
        False,
        True,
        False,
        False,
    ]


def test_a_lecture_without_text_is_told_as_well() -> None:
    assert tell_kinds([shown("", size=0, middle=0, pictures=1)]) == ["content"]
    assert tell_kinds([]) == []
