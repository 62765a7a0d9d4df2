from edullama.lectures.pages import Fragment, Page, Picture, Scan
from edullama.lectures.slides import decide, make_slides

FIGURE = Picture("img-figure", 600, 400, 0.3)
USED = frozenset({"img-figure"})


def page(*texts: str, pictures: tuple[Picture, ...] = (), unreadable: int = 0, paths: int = 0) -> Page:
    pieces = tuple(Fragment(text, (10, 20 * i, 90, 20 * i + 10), 10) for i, text in enumerate(texts))
    return Page("a", 1, 200, 100, pieces, pictures, unreadable, paths, "pymupdf")


def scan(*texts: str) -> dict[int, Scan]:
    return {1: Scan("a", 1, tuple(Fragment(text, (0, 0, 50, 10), 10) for text in texts))}


def test_a_page_with_text_is_read_as_text() -> None:
    decision = decide(page("Gradient descent", pictures=(FIGURE,)), USED)
    assert (decision.method, decision.reason) == ("text", "15 letters in the text layer")


def test_a_page_with_hardly_any_text_and_an_image_is_read_by_ocr() -> None:
    decision = decide(page("Hashing", pictures=(FIGURE,)), USED)
    assert (decision.method, decision.reason) == ("ocr", "7 letters in the text layer, 1 image(s) on 30% of the page")


def test_an_image_that_is_struck_from_the_list_does_not_call_for_ocr() -> None:
    assert decide(page(pictures=(FIGURE,)), frozenset()).method == "blank"


def test_unreadable_text_and_drawings_call_for_ocr() -> None:
    assert decide(page(unreadable=30), USED).method == "ocr"
    assert decide(page(paths=500), USED).method == "ocr"
    assert decide(page(paths=16), USED).method == "blank"


def test_text_stays_where_ocr_reads_less() -> None:
    slides, _ = make_slides([page("Hashing", pictures=(FIGURE,))], USED, scan("~ l"))
    assert [(slide.text, slide.kind, slide.blocks[0].method) for slide in slides] == [("Hashing", "content", "text")]


def test_ocr_text_takes_the_place_of_less_text() -> None:
    slides, _ = make_slides([page("Hashing", pictures=(FIGURE,))], USED, scan("Hashing with chaining"))
    assert [(slide.text, slide.blocks[0].method) for slide in slides] == [("Hashing with chaining", "ocr")]


def test_a_page_with_nothing_on_it_is_a_blank_slide() -> None:
    (slide,), _ = make_slides([page()], USED, {})
    assert (slide.kind, slide.title, slide.blocks, slide.language) == ("blank", "", (), "")
