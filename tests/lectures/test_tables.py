from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from edullama.lectures.figures import Shape
from edullama.lectures.layout import Arranged, arrange
from edullama.lectures.pages import Line, count_characters
from edullama.lectures.pdf import read_pages

LOSSES = [["loss", "train", "test"], ["squared", "1.2", "3.4"], ["hinge", "0.5", "0.7"]]


def cells(rows: list[list[str]], *, left: float = 10, top: float = 10, mono: bool = False) -> list[Line]:
    """Lines in columns 100 points apart and rows 20 points apart; an empty text is no line."""
    return [
        Line(text, (left + 100 * x, top + 20 * y, left + 100 * x + 5 * len(text), top + 20 * y + 10), 10, mono, False)
        for y, row in enumerate(rows)
        for x, text in enumerate(row)
        if text
    ]


def rules(*heights: float, left: float = 5, right: float = 300) -> list[Shape]:
    return [Shape((left, y - 0.4, right, y + 0.4), False, False) for y in heights]


def boxes(columns: int, rows: int) -> list[Shape]:
    """Filled boxes side by side, each around a cell."""
    return [
        Shape((5 + 100 * x, 5 + 20 * y, 105 + 100 * x, 25 + 20 * y), True, False)
        for y in range(rows)
        for x in range(columns)
    ]


def tables(lines: Iterable[Line], shapes: list[Shape]) -> list[str]:
    return [fragment.text for fragment in put(lines, shapes).fragments if fragment.kind == "table"]


def put(lines: Iterable[Line], shapes: list[Shape]) -> Arranged:
    return arrange([[line] for line in lines], shapes)


def test_rules_above_below_and_under_the_header_make_a_table() -> None:
    assert tables(cells(LOSSES), rules(7, 25, 67)) == [
        "| loss | train | test |\n| --- | --- | --- |\n| squared | 1.2 | 3.4 |\n| hinge | 0.5 | 0.7 |"
    ]


def test_boxes_side_by_side_make_a_table() -> None:
    assert tables(cells(LOSSES), boxes(3, 3)) == tables(cells(LOSSES), rules(7, 25, 67))


def test_text_above_and_below_a_table_stays_in_its_place() -> None:
    above, below = cells([["What it costs"]], top=-60), cells([["And that is all"]], top=120)
    kinds = [fragment.kind for fragment in put([*below, *cells(LOSSES), *above], rules(7, 25, 67)).fragments]
    assert kinds == ["text", "table", "text"]


def test_empty_cells_are_kept_and_bars_escaped() -> None:
    assert tables(
        cells([["sign", "means"], ["X|Y", "X or Y"], ["", "none"], ["(C)", ""]]), rules(7, 25, 45, 65, 87)
    ) == ["| sign | means |\n| --- | --- |\n| X\\|Y | X or Y |\n|  | none |\n| (C) |  |"]


def test_wrapped_lines_of_a_cell_are_joined() -> None:
    rows = [
        ["pro", "contra"],
        ["works with any", "a copy of all the"],
        ["model", "weights"],
        ["is fast", "is not"],
    ]
    assert tables(cells(rows), rules(7, 25, 65, 87)) == [
        "| pro | contra |\n| --- | --- |\n| works with any model | a copy of all the weights |\n| is fast | is not |"
    ]


def test_numbers_in_boxes_are_a_table_with_labels_but_no_table_without() -> None:
    numbers, labels = cells([["2.0", "0.88"], ["1.0", "0.73"]], left=110), cells([["cow"], ["grass"]])
    frame = [
        Shape((shape.box[0] + 100, *shape.box[1:2], shape.box[2] + 100, shape.box[3]), True, False)
        for shape in boxes(2, 2)
    ]
    assert tables(numbers, frame) == []
    assert tables([*numbers, *labels], frame) == ["| cow | 2.0 | 0.88 |\n| --- | --- | --- |\n| grass | 1.0 | 0.73 |"]


def test_what_is_added_is_counted() -> None:
    lines = cells([["sign", "means"], ["X|Y", "or"]])
    arranged = put(lines, rules(7, 25, 47))
    (table,) = arranged.fragments
    assert arranged.added == count_characters(table.text) - sum(count_characters(line.text) for line in lines) == 16


@pytest.mark.parametrize(
    ("lines", "shapes"),
    [
        (cells(LOSSES), []),  # nothing rules it
        (cells([["0", "1", "0"], ["1", "0", "0"], ["0", "0", "1"]]), boxes(3, 3)),  # a matrix
        (cells([["x11", "x12"], ["x21", "x22"]]), boxes(2, 2)),
        (cells([["1", "int f(int a) {"], ["2", "return a;"], ["3", "}"]]), rules(5, 70)),  # is code below
        (cells([["•", "a list"], ["•", "in a frame"], ["•", "of three"]]), rules(5, 30, 70)),
        (cells([["one paragraph within a frame"], ["that has two lines"]]), rules(5, 50)),
        (cells([["Supervised Learning", "Sheet 5"], ["slds-lmu.github.io", "Linear SVM"]]), rules(5, 50)),  # a head
        (cells([["a", "b"], ["c", "d"]], left=400), rules(5, 25, 50)),  # beside the rules
    ],
)
def test_what_is_no_table(lines: list[Line], shapes: list[Shape]) -> None:
    code = any("int f" in line.text for line in lines)
    lines = [replace(line, mono=code and not line.text.isdigit()) for line in lines]
    assert tables(lines, shapes) == []


def test_a_german_table_with_rules_reads_row_by_row(data: Path) -> None:
    (page,) = read_pages(data / "prog2_hsbi_de/slides/junit__junit2-testcases.pdf", "a", "", [6])
    assert [fragment.text for fragment in page[0].fragments if fragment.kind == "table"][1] == (
        "| Testnummer | 1 | 2 | 3 |\n| --- | --- | --- | --- |\n| geprüfte ÄK | gÄK1 | uÄK2 | uÄK3 |\n"
        "| x | 42 | 7 | 120 |\n| Erwartetes Ergebnis | OK | Exception | Exception |"
    )


def test_a_table_of_cells_in_boxes_has_the_labels_beside_it(data: Path) -> None:
    (page,) = read_pages(data / "dl_schutera_en/slides/DHBW22_03_SchuteraHafner.pdf", "a", "", [63])
    assert [fragment.text for fragment in page[0].fragments if fragment.kind == "table"] == [
        "| class | model out (xi) | prob out (ŷi) |\n| --- | --- | --- |\n| cow | 2.0 | 0.88 |\n"
        "| grass | 1.0 | 0.73 |\n| background | -3.0 | 0.47 |"
    ]
