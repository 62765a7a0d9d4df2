from edullama.lectures.furniture import find_furniture
from edullama.lectures.pages import Fragment, Page


def page(number: int, *fragments: tuple[str, float, float]) -> Page:
    """A page of 200 by 100 points with texts, each at (left, top) and 4 points high."""
    pieces = [Fragment(text, (left, top, left + 2 * len(text), top + 4), 4) for text, left, top in fragments]
    return Page("a", number, "", 200, 100, tuple(pieces), (), (), (), 0, 0, 0, 0, "pymupdf")


def removed(pages: list[Page]) -> list[str]:
    places = sorted(find_furniture(pages))
    return [pages[number - 1].fragments[index].text for number, index in places]


def test_a_foot_with_changing_numbers_is_removed() -> None:
    pages = [page(n, ("Title", 10, 5), (f"Body {n}", 10, 50), (f"Winter term, {n} / 5", 10, 95)) for n in range(1, 6)]
    assert removed(pages) == [f"Winter term, {n} / 5" for n in range(1, 6)]


def test_lone_page_numbers_at_one_place_are_removed() -> None:
    pages = [page(n, (f"Topic {chr(64 + n)}", 10, 5), (str(n), 190, 95)) for n in range(1, 6)]
    assert removed(pages) == ["1", "2", "3", "4", "5"]


def test_a_repeated_title_stays() -> None:
    pages = [page(n, (f"Sorting {n}", 10, 5), (f"Body {n}", 10, 50)) for n in range(1, 6)]
    assert removed(pages) == []


def test_the_body_of_a_slide_built_up_over_many_pages_stays() -> None:
    pages = [page(n, ("Title", 10, 5), ("First point of the list", 10, 50)) for n in range(1, 6)]
    assert removed(pages) == []


def test_three_pages_are_too_few_to_tell() -> None:
    assert removed([page(n, ("Title", 10, 5), ("Winter term", 10, 95)) for n in range(1, 4)]) == []
