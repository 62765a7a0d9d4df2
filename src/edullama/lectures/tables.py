"""Tables, found by their rules or the boxes of their cells, and written as GitHub Markdown."""

import re
from collections.abc import Iterable, Sequence
from itertools import groupby

from edullama.lectures.figures import Shape
from edullama.lectures.hyphens import after_line
from edullama.lectures.pages import Line
from edullama.lectures.reading_order import Part, make_part
from edullama.lectures.rows import in_rows
from edullama.lectures.ruling import Ruling, find_rulings
from edullama.lectures.wrapping import is_mono

FEWEST_LINES = 4
MARGIN = 4.0  # points that a cell's text may stand over the ends of the rules
COLUMN_GAP = 0.55  # in letter heights; white from top to bottom that is wider parts two columns
BESIDE, ABOVE = 12.0, 2.6  # letter heights: how far from boxes with numbers their labels stand
FILLED = 0.5  # of the cells
MOST_WORDS = 12  # in a cell, on average: with more, columns of text
WRAPPED = 2  # words in a cell, on average: with so many, rows between two rules are one row of wrapped lines
WORD, LETTER = re.compile(r"[^\W\d_]{3}"), re.compile(r"[^\W\d_]")
BULLET = re.compile(r"[•▶►▸‣◦▪■□○●➢➔✓✔–—*·-]?")
Row = list[list[Line]]  # the lines of each cell


def take_tables(blocks: Iterable[Sequence[Line]], shapes: Sequence[Shape]) -> tuple[list[Part], list[Sequence[Line]]]:
    """Take tables out of a page's lines; return them, and the blocks of the lines that are left."""
    rest = list(blocks)
    tables: list[Part] = []
    for ruling in find_rulings(shapes):
        for strips in _find_strips([line for block in rest for line in block], ruling):
            table = _read(strips, [line for block in rest for line in block], ruling)
            if table:
                taken = {id(line) for line in table.lines}
                rest = [[line for line in block if id(line) not in taken] for block in rest]
                tables.append(table)
    return tables, rest


def _find_strips(lines: Iterable[Line], ruling: Ruling) -> list[list[list[Line]]]:
    """Return runs of strips between rules, each with its lines. What stands over the rules' ends parts two tables."""
    strips: list[list[Line]] = [[] for _ in ruling.across[1:]]
    for line in lines:
        x, y = _middle(line)
        if ruling.left < x < ruling.right and ruling.across[0] < y < ruling.across[-1]:
            strips[sum(y > rule for rule in ruling.across) - 1].append(line)
    runs = groupby(strips, lambda strip: bool(strip) and not any(_leaves(line, ruling) for line in strip))
    return [list(run) for good, run in runs if good]


def _middle(line: Line) -> tuple[float, float]:
    return (line.box[0] + line.box[2]) / 2, (line.box[1] + line.box[3]) / 2


def _leaves(line: Line, ruling: Ruling) -> bool:
    return line.box[0] < ruling.left - MARGIN or line.box[2] > ruling.right + MARGIN


def _read(strips: Sequence[list[Line]], lines: Sequence[Line], ruling: Ruling) -> Part | None:
    """Return the table in some strips, with what labels it among all the lines of the page; None: it is no table."""
    inside = [line for strip in strips for line in strip]
    edges = _find_edges(inside, ruling)
    if not edges or len(inside) < FEWEST_LINES or _is_listing(inside):
        return None
    rows = [row for strip in strips for row in _find_rows(strip, edges, several=len(strips) > 2)]
    numbers = all(_is_number(line.text) for line in inside)
    if numbers:
        rows, edges = _add_labels(rows, edges, lines, ruling)
    if numbers or ruling.open:
        rows = _add_header(rows, edges, lines, ruling)
    table = [[_join_cell(cell) for cell in row] for row in rows]
    if not _is_table(table, ruled=len(strips) > 1 or bool(ruling.down)):
        return None
    part = make_part([line for row in rows for cell in row for line in cell])
    part.table = _write(table)
    return part


def _is_listing(lines: Iterable[Line]) -> bool:
    """Tell code, which may have numbers before its lines, from a table."""
    lettered = [line for line in lines if LETTER.search(line.text)]
    return bool(lettered) and is_mono(lettered)


def _find_edges(lines: Sequence[Line], ruling: Ruling) -> list[float]:
    """Return where columns part: at white from top to bottom, and at vertical rules."""
    white: list[tuple[float, float]] = []
    ordered = sorted(lines, key=lambda line: line.box[0])
    right = ordered[0].box[2]
    for line in ordered:
        if line.box[0] - right > COLUMN_GAP * line.size:
            white.append((right, line.box[0]))
        right = max(right, line.box[2])
    inner = [x for x in ruling.down if ordered[0].box[0] < x < right]
    seen = [[x for x in inner if start < x < end] for start, end in white]
    edges = [own[0] if own else (start + end) / 2 for own, (start, end) in zip(seen, white, strict=True)]
    # Where a cell stands across two columns there is no white, but the rule shows.
    return sorted([*edges, *(x for x in inner if not any(start < x < end for start, end in white))])


def _find_rows(strip: Sequence[Line], edges: Sequence[float], *, several: bool) -> list[Row]:
    """Return the rows between two rules: a single one where `several` strips have wrapped text in their cells."""
    rows = [_part_cells(row, edges) for row in in_rows(strip)]
    cells = [cell for row in rows for cell in row if cell]
    words = sum(line.text.count(" ") + 1 for line in strip) / len(cells)
    if several and (words >= WRAPPED or not all(cell for row in rows for cell in row)):
        return [_part_cells(strip, edges)]
    joined = rows[:1]
    for row in rows[1:]:
        if row[0] or sum(bool(cell) for cell in row) >= FILLED * len(row):
            joined.append(row)
        else:  # goes on with what stands above
            joined[-1] = [above + cell for above, cell in zip(joined[-1], row, strict=True)]
    return joined


def _part_cells(lines: Iterable[Line], edges: Sequence[float]) -> Row:
    cells: Row = [[] for _ in range(len(edges) + 1)]
    for line in lines:
        cells[sum(_middle(line)[0] > edge for edge in edges)].append(line)
    return cells


def _add_labels(
    rows: list[Row], edges: list[float], lines: Iterable[Line], ruling: Ruling
) -> tuple[list[Row], list[float]]:
    """Put before rows of numbers what stands to the left of their boxes, if there is one label for each."""
    lines, labelled = list(lines), []
    for row in rows:
        own = [line for cell in row for line in cell]
        top, bottom = min(line.box[1] for line in own), max(line.box[3] for line in own)
        start = ruling.left - BESIDE * own[0].size
        beside = [line for line in lines if start < line.box[0] and line.box[2] < ruling.left]
        labelled.append([line for line in beside if top < _middle(line)[1] < bottom])
    if all(len(labels) == 1 for labels in labelled):
        return [[labels, *row] for labels, row in zip(labelled, rows, strict=True)], [ruling.left, *edges]
    return rows, edges


def _add_header(rows: list[Row], edges: Sequence[float], lines: Iterable[Line], ruling: Ruling) -> list[Row]:
    """Put what stands above the first rule before the rows, if it fits into their columns."""
    own = [line for cell in rows[0] for line in cell]
    size, left, top = own[0].size, min(ruling.left, *(line.box[0] for line in own)), ruling.across[0]
    above = [line for line in lines if 0 < top - _middle(line)[1] < ABOVE * size]
    above = [line for line in above if left - size < line.box[0] and _middle(line)[0] < ruling.right]
    header = _part_cells(above, edges)
    fits = not any(line.box[0] < edge - MARGIN and edge + MARGIN < line.box[2] for line in above for edge in edges)
    return [header, *rows] if fits and sum(bool(cell) for cell in header) >= max(2, len(header) / 2) else rows


def _join_cell(cell: Sequence[Line]) -> str:
    text = ""
    for row in in_rows(cell):
        own = " ".join(" ".join([line.text for line in row]).split())
        text += (after_line(text, own.split()[0]) if text else "") + own
    return text.replace("|", "\\|")


def _is_table(table: Sequence[Sequence[str]], *, ruled: bool) -> bool:
    """Tell a table from a diagram of boxes, a matrix, a list, and text in columns or in a frame."""
    cells = [cell for row in table for cell in row if cell]
    columns = [[cell for cell in column if cell] for column in zip(*table, strict=True)]
    if any(all(map(BULLET.fullmatch, column)) for column in columns):
        return False
    if sum(sum(map(bool, row)) > 1 for row in table) < 2 or len(cells) < FILLED * len(table) * len(columns):
        return False
    if sum(len(cell.split()) for cell in cells) > MOST_WORDS * len(cells):
        return False
    if not ruled and (len(table) < 3 or (len(columns) < 3 and sum(map(_is_number, cells)) < len(cells) / 2)):
        return False
    return sum(bool(WORD.search(cell)) for cell in cells) > 1 or _has_header(table)


def _is_number(cell: str) -> bool:
    return not LETTER.search(cell)


def _has_header(table: Sequence[Sequence[str]]) -> bool:
    """Tell whether letters head rows or columns of numbers, unlike in a matrix."""
    heads = [*table[0], *(row[0] for row in table[1:])]
    body = [cell for row in table[1:] for cell in row[1:] if cell]
    lettered = sum(bool(LETTER.search(cell)) for cell in heads)
    return lettered > 1 and not any(LETTER.search(cell) for cell in body)


def _write(table: Sequence[Sequence[str]]) -> str:
    rows = [table[0], ["---"] * len(table[0]), *table[1:]]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
