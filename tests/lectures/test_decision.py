from dataclasses import replace

from edullama.lectures.decision import decide, used_images, used_pictures
from edullama.lectures.images import list_images
from edullama.lectures.pages import Fragment, Page, Picture
from edullama.recipe import Cleaning

TEN, NINE = "Binärheaps 2", "Binärheap 22"  # letters
PHOTO = Picture("img-photo", "bitmap", 600, 400, (100, 20, 200, 80), 0.3)
PLOT = Picture("img-plot", "bitmap", 300, 200, (0, 20, 50, 60), 0.1)
SCAN = Picture("img-scan", "bitmap", 2000, 1500, (0, 0, 200, 100), 1.0)
DRAWING = Picture("img-drawing", "vector", 100, 60, (100, 20, 200, 80), 0.3)
SILENT = replace(DRAWING, silent=True)
USED = frozenset({"img-photo", "img-plot", "img-scan", "img-drawing"})
AUTO, NEVER, NO_FIGURES = Cleaning(), Cleaning(ocr="never"), Cleaning(describe="none")


def page(said: str = "", *pictures: Picture, unseen: str = "", unreadable: int = 0, paths: int = 0) -> Page:
    """A page with what its text layer says and, where a program has recognised something, what is not drawn."""
    drawn, invisible = ((Fragment(text, (10, 10, 90, 20), 10),) if text else () for text in (said, unseen))
    return Page("a", 1, "", 200, 100, drawn, pictures, invisible, (), 0, 0, unreadable, paths, "pymupdf")


def method(one: Page, used: frozenset[str] = USED, cleaning: Cleaning = AUTO) -> str:
    decision = decide(one, used, cleaning)
    return f"{decision.method}, whole page" if decision.whole else decision.method


def reason(one: Page, cleaning: Cleaning = AUTO) -> str:
    return decide(one, USED, cleaning).reason


def test_ten_letters_tell_what_a_page_says_and_nine_do_not() -> None:
    assert method(page(TEN, paths=500)) == "text"
    assert reason(page(TEN, paths=500)) == "10 letters in the text layer"
    assert method(page(NINE, paths=500)) == "ocr, whole page"
    assert reason(page(NINE, paths=500)) == "9 letters in the text layer, 0 in an invisible one, 500 drawn shapes"


def test_figures_beside_text_are_read_by_ocr_and_the_text_is_not() -> None:
    assert method(page(TEN, PHOTO, PLOT)) == "mixed"
    assert reason(page(TEN, PHOTO, PLOT)) == "10 letters in the text layer, 2 figure(s) on 40% of the page"


def test_figures_that_are_not_to_be_described_do_not_count_beside_text() -> None:
    assert method(page(TEN, PHOTO), cleaning=NO_FIGURES) == "text"
    assert reason(page(TEN, PHOTO), NO_FIGURES) == "10 letters in the text layer"


def test_a_scan_is_read_by_ocr_even_where_figures_are_not_described() -> None:
    seen = "0 letters in the text layer, 0 in an invisible one, images on 100% of the page"
    for cleaning in (AUTO, NO_FIGURES):
        assert method(page("", SCAN), cleaning=cleaning) == "ocr, whole page"
        assert reason(page("", SCAN), cleaning) == seen


def test_images_that_lie_upon_each_other_cover_no_more_than_the_page() -> None:
    assert reason(page(NINE, SCAN, PHOTO)).endswith(", images on 100% of the page")
    assert reason(page(TEN, SCAN, PHOTO)).endswith(", 2 figure(s) on 100% of the page")


def test_a_page_with_neither_words_nor_anything_to_see_is_blank() -> None:
    assert method(page()) == method(page(paths=39)) == "blank"
    assert reason(page()) == "0 letters in the text layer, 0 in an invisible one, nothing else to read"
    assert method(page(paths=40)) == "ocr, whole page"


def test_a_page_with_little_text_and_nothing_else_keeps_its_text() -> None:
    assert method(page(NINE)) == "text"
    assert reason(page(NINE)) == "9 letters in the text layer, 0 in an invisible one, nothing else to read"


def test_a_text_layer_of_which_a_third_is_garbage_is_not_trusted() -> None:
    assert method(page(TEN, PHOTO, unreadable=4)) == "mixed"
    assert method(page(TEN, PHOTO, unreadable=5)) == "ocr, whole page"


def test_garbage_calls_for_ocr_where_it_would_tell_something() -> None:
    assert method(page(TEN, unreadable=9)) == "text"
    assert method(page(TEN, unreadable=10)) == "ocr, whole page"
    assert reason(page(TEN, unreadable=10)).endswith("text layer, 0 in an invisible one, 10 unreadable characters")


def test_what_is_recognised_and_not_drawn_is_read_anew_from_its_picture() -> None:
    scan = page("", SCAN, unseen="Binärheaps und Listen")
    assert method(scan) == "ocr, whole page"
    assert reason(scan) == "0 letters in the text layer, 19 in an invisible one, images on 100% of the page"


def test_typed_text_stays_beside_what_ocr_reads_of_the_handwriting() -> None:
    assert method(page(TEN, unseen=TEN, paths=700)) == "mixed, whole page"
    assert reason(page(TEN, unseen=TEN, paths=700)).endswith("layer, 10 in an invisible one, 700 drawn shapes")
    assert method(page(TEN, unseen=NINE, paths=700)) == "text"


def test_invisible_text_over_nothing_is_the_text_of_the_page() -> None:
    assert method(page(unseen=TEN)) == "text"
    assert reason(page(unseen=TEN)).endswith(", 10 in an invisible one, nothing else to read")


def test_a_lecture_that_is_never_read_by_ocr_keeps_what_text_it_has() -> None:
    assert method(page("", SCAN), cleaning=NEVER) == "blank"
    assert reason(page("", SCAN), NEVER).endswith("0 in an invisible one, images on 100% of the page")
    for some in (page(NINE, SCAN), page(TEN, SCAN, unseen=TEN), page("", SCAN, unseen=NINE)):
        assert method(some, cleaning=NEVER) == "text"


def test_a_drawing_without_text_in_it_calls_for_ocr_and_one_with_labels_does_not() -> None:
    assert method(page(TEN, DRAWING)) == method(page(NINE, DRAWING)) == "text"
    assert method(page(TEN, SILENT)) == "mixed"
    assert method(page(NINE, SILENT)) == "ocr, whole page"


def test_an_image_that_a_person_struck_out_or_that_is_tiny_calls_for_nothing() -> None:
    assert method(page(TEN, PHOTO), used=frozenset()) == "text"
    assert method(page("", PHOTO), used=frozenset()) == "blank"
    assert method(page(TEN, replace(PHOTO, area=0.009))) == "text"


def test_figures_stand_from_the_top_each_once() -> None:
    low = replace(PLOT, image="img-scan", box=(0, 60, 50, 100))
    right = replace(PLOT, box=(60, 20, 90, 60))
    assert used_pictures(page("", low, PHOTO, right, PLOT), USED) == [PLOT, PHOTO, low]


def test_a_page_that_another_program_read_is_told_apart_and_not_looked_at() -> None:
    damaged = replace(page(NINE, paths=500), engine="pypdf")
    assert method(damaged) == "text"
    assert reason(damaged).startswith("9 letters in the text layer, read by pypdf, 0 in an invisible one")


def test_the_images_that_count_are_those_that_the_list_says_yes_to() -> None:
    listed = list_images([page(TEN, PHOTO, PLOT)], {("a", "img-plot"): "no"})
    assert used_images(listed) == {"img-photo"}
