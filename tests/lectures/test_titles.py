from dataclasses import replace
from pathlib import Path

import pytest

from edullama.lectures.pages import Fragment, Page
from edullama.lectures.pdf import read_pages
from edullama.lectures.titles import find_titles
from edullama.records import BlockKind

HEAP = "Ein Heap ist ein Baum, in dem jeder Knoten kleiner ist als seine Kinder"
QUEUE = "Eine Vorrangwarteschlange braucht nicht mehr als das, was ein Heap kann"


def text(said: str, top: float, size: float = 5, left: float = 10, kind: BlockKind = "text") -> Fragment:
    return Fragment(said, (left, top, left + 100, top + size), size, kind)


def heading(said: str, top: float = 5, size: float = 10) -> Fragment:
    return text(said, top, size)


def deck(*pages: tuple[Fragment, ...], height: float = 100) -> list[Page]:
    return [
        Page("a", number, "", 200, height, fragments, (), (), (), 0, 0, 0, 0, "pymupdf")
        for number, fragments in enumerate(pages, 1)
    ]


def titles(pages: list[Page], *repeated: str) -> list[str]:
    """Return the titles page by page, "" for none."""
    found = find_titles(pages, frozenset(repeated))
    return [fragment.text if (fragment := found[page.number]) else "" for page in pages]


def slide(said: str, *rest: Fragment) -> tuple[Fragment, ...]:
    return heading(said), text(HEAP, 30), *rest


USUAL = slide("Heaps"), slide("Felder"), slide("Listen"), slide("Bäume")


def test_what_is_set_as_most_titles_are_is_the_title() -> None:
    assert titles(deck(*USUAL)) == ["Heaps", "Felder", "Listen", "Bäume"]


def test_a_larger_word_in_the_figure_is_not_taken_for_the_title() -> None:
    assert titles(deck(slide("Sortieren", text("Mischen", 18, 16)), *USUAL))[0] == "Sortieren"


def test_a_label_above_the_title_is_not_taken_for_it() -> None:
    assert titles(deck((text("Kapitel drei", 1, 8), *slide("Sortieren")), *USUAL))[0] == "Sortieren"


def test_a_page_without_a_title_has_none_though_its_text_begins_at_the_top() -> None:
    page = text(HEAP, 5), text(QUEUE, 20), text("Und so weiter", 40)
    assert titles(deck(page, *USUAL))[0] == ""


def test_the_few_pages_of_a_short_lecture_show_no_style() -> None:
    page = text(HEAP, 5), text(QUEUE, 20), text("Und so weiter", 40)
    assert titles(deck(page, *USUAL[:2])) == [HEAP, "Heaps", "Felder"]


def test_titles_of_many_sizes_and_heights_show_no_style() -> None:
    pages = [(heading(said, top, size),) for said, top, size in (
        ("Heaps", 45, 23), ("Felder", 40, 18), ("Listen", 30, 14), ("Bäume", 20, 11), ("Graphen", 5, 8),
    )]  # fmt: skip
    assert titles(deck(*pages)) == ["Heaps", "Felder", "Listen", "Bäume", "Graphen"]


def test_the_large_title_of_a_section_counts_wherever_it_stands() -> None:
    section = heading("Kürzeste Wege", top=45, size=16), text("Im Sommersemester", 70)
    assert titles(deck(section, *USUAL))[0] == "Kürzeste Wege"


def test_the_first_of_the_largest_texts_is_the_title_of_the_lecture() -> None:
    lines = heading("Fachbereich", 5, 16), heading("Algorithmen", 30, 19), heading("und Datenstrukturen", 52, 20)
    assert titles(deck(lines, *USUAL))[0] == "Algorithmen"


def test_a_few_words_alone_on_a_page_are_its_title_though_set_as_no_other() -> None:
    assert titles(deck((heading("Kürzeste Wege", top=45, size=9),), *USUAL))[0] == "Kürzeste Wege"
    assert titles(deck((text("Kürzeste Wege", top=45, size=5),), *USUAL))[0] == ""  # too small to be one
    long = heading("Wie man die kürzesten Wege in einem Graphen findet", top=45, size=9)
    assert titles(deck((long,), *USUAL))[0] == ""


def test_a_title_set_smaller_to_fit_is_one_at_its_usual_height() -> None:
    small = heading("Vorrangwarteschlangen und wie man sie mit Heaps baut", size=8)
    assert titles(deck((small, text(HEAP, 30), text(QUEUE, 50)), *USUAL))[0] == small.text
    low = replace(small, box=(10, 40, 110, 48))
    assert titles(deck((low, text(HEAP, 60), text(QUEUE, 80)), *USUAL))[0] == ""


def test_of_two_texts_set_as_titles_the_upper_counts_and_the_left_one_of_a_row() -> None:
    assert titles(deck(slide("Heaps", heading("in Feldern", 10)), *USUAL))[0] == "Heaps"
    right = text("Felder", 5, 10, left=120)
    assert titles(deck((right, *slide("Heaps")), *USUAL))[0] == "Heaps"


@pytest.mark.parametrize(("said", "kind"), [("new Heap()", "code"), ("Größe | Zeit", "table"), ("n + 1", "text")])
def test_what_is_no_text_or_has_no_words_is_no_title(said: str, kind: BlockKind) -> None:
    page = text(said, 5, 10, kind=kind), text(HEAP, 30), text(QUEUE, 50), text("Und so weiter", 70)
    assert titles(deck(page, *USUAL))[0] == ""


def test_the_name_of_the_course_is_the_title_of_no_page_with_anything_else_on_it() -> None:
    page = heading("Algorithmen I"), text("Zweites Tutorium", 30, 12), text("Im Sommersemester", 60)
    assert titles(deck(page, *USUAL))[0] == "Algorithmen I"
    assert titles(deck(page, *USUAL), "Algorithmen I")[0] == "Zweites Tutorium"
    assert titles(deck(page), "Algorithmen I") == ["Zweites Tutorium"]
    assert titles(deck((heading("Algorithmen I"), text("2", 90)), *USUAL), "Algorithmen I")[0] == "Algorithmen I"


def test_heights_are_compared_as_shares_of_their_pages() -> None:
    (tall,) = deck((heading("Auf hohem Papier", 24), text("Mischen", 45, 16), text(HEAP, 80)), height=300)
    assert titles([tall, *(replace(page, number=page.number + 1) for page in deck(*USUAL))])[0] == "Auf hohem Papier"


def test_a_page_without_text_and_a_lecture_without_pages_have_no_titles() -> None:
    assert titles(deck((), *USUAL)) == ["", "Heaps", "Felder", "Listen", "Bäume"]
    assert find_titles([]) == {}


def test_a_real_deck_has_titles_on_its_frames_and_none_on_its_pages_about_the_licence(data: Path) -> None:
    path = data / "prog2_hsbi_de/slides/java-modern__optional.pdf"
    assert titles([page for page, _ in read_pages(path, "a", "", range(10, 16))]) == [
        "Umbau unseres Beispiels auf Result<E,R>",
        "Handling auf Aufrufer-Seite",
        "Diskussion: Exceptions vs. Result/Optional",
        "Wrap-Up",
        "",
        "",
    ]
