from edullama.lectures.decision import decide
from edullama.lectures.pages import Fragment, Page, Picture, Scan
from edullama.lectures.slides import Lecture, Source, make_slides
from edullama.recipe import Cleaning

FIGURE = Picture("img-figure", "bitmap", 600, 400, (100, 20, 190, 80), 0.3)
USED = frozenset({"img-figure"})


def page(*texts: str, pictures: tuple[Picture, ...] = (), unreadable: int = 0, paths: int = 0) -> Page:
    pieces = tuple(Fragment(text, (10, 20 * i, 90, 20 * i + 10), 10) for i, text in enumerate(texts))
    characters = sum(len("".join(text.split())) for text in texts)
    return Page(
        "a", 1, "", 200, 100, pieces, pictures, (), (), characters + unreadable, 0, unreadable, paths, "pymupdf"
    )


def make(one: Page, scan: tuple[str, ...] | None = None, cleaning: Cleaning | None = None) -> Lecture:
    cleaning = cleaning or Cleaning()
    decisions = {1: decide(one, USED, cleaning)}
    read = tuple(Fragment(text, (0, 0, 50, 10), 10, "text", "ocr") for text in scan or ())
    return make_slides(Source("a", (one,), decisions, USED, {1: Scan(read)} if scan else {}, {}, {}, cleaning))


def test_a_page_with_text_and_nothing_else_is_read_as_text() -> None:
    decision = decide(page("Gradient descent"), USED, Cleaning())
    assert (decision.method, decision.reason) == ("text", "15 letters in the text layer")


def test_a_page_with_text_and_a_figure_is_read_by_both() -> None:
    decision = decide(page("Gradient descent", pictures=(FIGURE,)), USED, Cleaning())
    assert (decision.method, decision.whole) == ("mixed", False)


def test_a_page_with_hardly_any_text_and_an_image_is_read_by_ocr() -> None:
    decision = decide(page("Hashing", pictures=(FIGURE,)), USED, Cleaning())
    assert (decision.method, decision.whole) == ("ocr", True)


def test_an_image_that_is_struck_from_the_list_does_not_call_for_ocr() -> None:
    assert decide(page(pictures=(FIGURE,)), frozenset(), Cleaning()).method == "blank"


def test_unreadable_text_and_drawings_call_for_ocr() -> None:
    assert decide(page(unreadable=30), USED, Cleaning()).method == "ocr"
    assert decide(page(paths=500), USED, Cleaning()).method == "ocr"
    assert decide(page(paths=16), USED, Cleaning()).method == "blank"


def test_a_lecture_whose_recipe_says_so_is_never_read_by_ocr() -> None:
    assert decide(page(paths=500), USED, Cleaning(ocr="never")).method == "blank"


def test_text_stays_where_ocr_reads_less_and_what_ocr_read_is_accounted_for() -> None:
    lecture = make(page("Hashing", pictures=(FIGURE,)), ("~ l",))
    assert [(slide.text, slide.blocks[0].method) for slide in lecture.slides] == [("Hashing", "text")]
    assert [(item.text, item.reason) for item in lecture.removed] == [
        ("~ l", "OCR that read less than the text layer says")
    ]
    assert lecture.balance.difference == 0


def test_ocr_text_takes_the_place_of_less_text() -> None:
    lecture = make(page("Hashing", pictures=(FIGURE,)), ("Hashing with chaining",))
    assert [(slide.text, slide.blocks[0].method) for slide in lecture.slides] == [("Hashing with chaining", "ocr")]
    assert (lecture.balance.extracted, lecture.balance.kept, lecture.balance.difference) == (26, 19, 0)


def test_a_page_with_nothing_on_it_is_a_blank_slide() -> None:
    (slide,) = make(page()).slides
    assert (slide.kind, slide.title, slide.blocks, slide.language) == ("blank", "", (), "")
