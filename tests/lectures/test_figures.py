from itertools import product
from pathlib import Path
from typing import Any

import pymupdf
import pytest

from edullama.lectures.figures import Shape, clip, cluster, find_drawings, merge_tiles, share
from edullama.lectures.images import list_images
from edullama.lectures.pages import Picture
from edullama.lectures.pdf import read_pages
from edullama.records import Box

mupdf: Any = pymupdf  # its functions have no types
PAGE: Box = (0, 0, 400, 200)


def tile(name: str, box: Box, width: int = 50, height: int = 40) -> Picture:
    return Picture(name, "bitmap", width, height, box, share(box, PAGE), xref=7)


def line(*box: float) -> Shape:
    left, top, right, bottom = box
    return Shape((left, top, right, bottom), plain=False, white=False)


def area(*box: float, white: bool = False) -> Shape:
    left, top, right, bottom = box
    return Shape((left, top, right, bottom), plain=True, white=white)


def tree(left: float = 100, top: float = 60) -> list[Shape]:
    """Three circles, 20 points wide, and the two lines between them, on 80 by 60 points."""
    places = ((30, 0, 50, 20), (0, 40, 20, 60), (60, 40, 80, 60), (12, 17, 33, 43), (47, 17, 68, 43))
    return [line(left + a, top + b, left + c, top + d) for a, b, c, d in places]


def boxes(shapes: list[Shape], *texts: Box) -> list[Box]:
    return [drawing.box for drawing in find_drawings(shapes, texts, PAGE)]


def test_touching_tiles_are_one_figure() -> None:
    top, bottom = tile("a", (10, 10, 60, 50)), tile("b", (10, 51.5, 60, 90))
    (figure,) = merge_tiles([top, bottom], PAGE)
    assert (figure.what, figure.box, figure.area, figure.xref) == ("tiles", (10, 10, 60, 90), 0.05, 0)


def test_images_with_a_gap_between_them_are_two() -> None:
    left, right = tile("a", (10, 10, 60, 50)), tile("b", (62, 10, 112, 50))
    assert merge_tiles([left, right], PAGE) == (left, right)


def test_tiles_that_touch_only_through_others_are_one_figure_too() -> None:
    corners = [tile(f"{x} {y}", (x, y, x + 20, y + 20)) for x, y in ((0, 0), (40, 40), (20, 20), (60, 0), (60, 20))]
    assert [figure.box for figure in merge_tiles(corners, PAGE)] == [(0, 0, 80, 60)]


def test_a_figure_of_tiles_is_known_again_in_whatever_order_and_place_they_stand() -> None:
    left, right = tile("a", (10, 10, 60, 50)), tile("b", (60, 10, 110, 50))
    (figure,) = merge_tiles([left, right], PAGE)
    (again,) = merge_tiles([tile("b", (160, 80, 210, 120)), tile("a", (110, 80, 160, 120))], PAGE)
    (other,) = merge_tiles([left, tile("c", right.box)], PAGE)
    assert figure.image == again.image
    assert len({figure.image, other.image, left.image, right.image}) == 4


def test_what_lies_behind_the_whole_page_is_no_tile_of_what_lies_on_it() -> None:
    paper, photo = tile("paper", (0, 0, 400, 160)), tile("photo", (10, 10, 60, 50))
    assert merge_tiles([photo, paper], PAGE) == (paper, photo)


def test_lines_and_circles_that_stand_together_are_a_drawing() -> None:
    (drawing,) = find_drawings(tree(), [], PAGE)
    assert (drawing.what, drawing.box, drawing.width, drawing.height) == ("vector", (100, 60, 180, 120), 80, 60)
    assert drawing.area == 0.06


def test_four_shapes_are_no_drawing() -> None:
    assert boxes(tree()[:4]) == []


def test_two_drawings_stand_more_than_twelve_points_apart() -> None:
    assert boxes([*tree(100), *tree(193)]) == [(100, 60, 180, 120), (193, 60, 273, 120)]
    assert boxes([*tree(100), *tree(192)]) == [(100, 60, 272, 120)]


def test_a_drawing_is_known_again_at_another_place_and_told_from_one_that_grew() -> None:
    (drawing,) = find_drawings(tree(), [], PAGE)
    (moved,) = find_drawings(tree(200, 20), [], PAGE)
    (grown,) = find_drawings([*tree(), line(130, 85, 150, 105)], [], PAGE)
    assert drawing.image == moved.image
    assert drawing.image != grown.image
    assert drawing.box == grown.box


def test_bullets_are_no_drawing() -> None:
    assert boxes([line(20, 20 + 5 * row, 23, 23 + 5 * row) for row in range(4)]) == []
    assert boxes([line(20 + 4 * column, 20, 23 + 4 * column, 23) for column in range(5)]) == []  # 19 points


def test_a_frame_around_text_is_no_drawing() -> None:
    edges = [(50, 50, 140, 51), (50, 99, 140, 100), (50, 50, 51, 100), (139, 50, 140, 100), (50, 70, 90, 71)]
    frame = [line(*edge) for edge in edges]
    assert boxes(frame, (55, 55, 135, 85)) == []
    assert boxes(frame, (55, 55, 135, 75)) == [(50, 50, 140, 100)]  # a label in a diagram


def test_panels_and_rules_are_no_part_of_a_drawing() -> None:
    paper, panel, white = area(0, 0, 400, 200), area(0, 18, 400, 50), area(90, 50, 190, 130, white=True)
    rules = [area(20, 40, 380, 40.5), line(20, 190, 380, 190)]
    assert boxes([paper, panel, white, *rules, *tree()]) == [(100, 60, 180, 120)]
    assert boxes([paper, panel, white, *rules]) == []


def test_a_filled_box_of_a_diagram_belongs_to_it() -> None:
    assert boxes([area(60, 60, 95, 80), *tree()[:4]]) == [(60, 60, 180, 120)]


def test_a_drawing_as_large_as_the_page_is_its_background() -> None:
    corners = [line(x, y, x + 20, y + 20) for x, y in product(range(0, 400, 20), (0, 60, 120, 180))]
    strokes = [line(x, y + 20, x + 20, y + 60) for x, y in product((0, 200, 380), (0, 60, 120))]
    assert boxes([*corners, *strokes]) == []


def test_ten_rules_across_a_page_are_ruled_paper_on_which_a_drawing_may_stand() -> None:
    rules = [line(0, 15 * row, 400, 15 * row) for row in range(1, 11)]
    assert boxes(rules[:9]) == []
    assert boxes(rules) == [(0, 15, 400, 150)]
    assert boxes([*rules, *tree()]) == [(0, 15, 400, 150), (100, 60, 180, 120)]


@pytest.mark.parametrize(
    ("texts", "silent"),
    [
        ([(20, 10, 200, 30)], True),  # a title
        ([(20, 10, 200, 30), (135, 65, 145, 75)], False),  # and a label
        ([(20, 10, 200, 30), (179, 119, 220, 130)], False),  # and one that reaches into the drawing
        ([(20, 10, 200, 30), (180, 120, 220, 130)], True),  # and one beside it
        ([], False),  # no text layer at all: the page is read whole
    ],
)
def test_a_drawing_is_silent_only_where_text_stands_and_none_overlaps_it(texts: list[Box], silent: bool) -> None:
    assert [drawing.silent for drawing in find_drawings(tree(), texts, PAGE)] == [silent]


def test_of_a_plot_with_thousands_of_points_the_outline_is_kept() -> None:
    points = [line(100 + x / 40, 60 + y, 101 + x / 40, 61 + y) for x, y in product(range(4000), (0, 10))]
    ((left, top, right, bottom),) = boxes(points)
    assert (left, top, bottom) == (100, 60, 71)
    assert right == pytest.approx(201, abs=0.5)


def test_boxes_join_the_groups_that_they_touch() -> None:
    first, second, bridge, far = (0, 0, 10, 10), (30, 0, 40, 10), (12, 0, 28, 10), (100, 100, 110, 110)
    assert sorted(cluster([first, second, far, first], 2)) == [first, second, far]
    assert sorted(cluster([first, second, far, bridge], 2)) == [(0, 0, 40, 10), far]


def test_what_lies_beyond_the_page_covers_nothing_of_it() -> None:
    assert clip((-50, 100, 200, 900), PAGE) == (0, 100, 200, 200)
    assert share((-50, 100, 200, 900), PAGE) == 0.25
    assert share((500, 10, 600, 20), PAGE) == 0.0


def draw_table(page: Any) -> None:
    """Draw a title and a table of two rows between three rules."""
    page.insert_text((20, 30), "Trees and tables", fontsize=20)
    for row in range(3):
        page.draw_line((20, 60 + 20 * row), (160, 60 + 20 * row))
    for row, words in enumerate(("Operation and cost", "Insert in log n steps")):
        page.insert_text((25, 75 + 20 * row), words, fontsize=14)


def draw_graph(page: Any) -> None:
    """Draw three circles and the lines that join them, on 100 by 80 points."""
    shape = page.new_shape()
    for x, y in ((270, 80), (230, 140), (310, 140)):
        shape.draw_circle((x, y), 10)
        shape.finish(lineJoin=1)
        shape.draw_line((270, 90), (x, 130))
        shape.finish(lineJoin=1)
    shape.commit()


def test_on_a_page_with_a_table_and_a_graph_the_graph_alone_is_a_drawing(tmp_path: Path) -> None:
    with mupdf.open() as document:
        for parts in ((draw_table, draw_graph), (draw_table,)):
            page = document.new_page(width=400, height=200)
            for draw in parts:
                draw(page)
        document.save(tmp_path / "a.pdf")
    (with_graph, _), (without, _) = read_pages(tmp_path / "a.pdf", "a", "", [1, 2])
    (graph,) = with_graph.pictures
    assert (graph.what, graph.silent) == ("vector", True)
    assert graph.box == pytest.approx((220, 70, 320, 150), abs=2)
    assert without.pictures == ()


def test_the_ruled_paper_of_real_handwriting_is_a_background(data: Path) -> None:
    path = data / "handwritten_fys4411_en/slides/2026_FYS4411week2.pdf"
    pages = [page for page, _ in read_pages(path, "a", "", range(1, 5))]
    listed = list_images(pages, {})
    assert [(image.pages, image.use) for image in listed if image.kind == "background"] == [("2-4", "no")]
    assert {image.kind for image in listed} == {"background", "drawing"}  # and what is written on it
