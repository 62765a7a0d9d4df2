"""Lines that stand on one row of a page."""

from collections.abc import Iterable, Sequence

from edullama.lectures.pages import Line, union

COLUMN_GAP = 2.0  # in letter heights: a wider gap within a row parts columns
NO_SPACE_AFTER, NO_SPACE_BEFORE = frozenset(" ([{“„‚"), frozenset(" .,;:!?)]}”")
WORD_GAP = 0.7  # a wider one parts what does not follow each other in the PDF


def same_row(one: Line, other: Line) -> bool:
    """Tell whether two lines overlap in height by more than half of the lower one."""
    _, top, _, bottom = one.box
    _, other_top, _, other_bottom = other.box
    overlap = (bottom if bottom < other_bottom else other_bottom) - (top if top > other_top else other_top)
    return overlap > 0.5 * min(bottom - top, other_bottom - other_top)


def in_rows(lines: Iterable[Line]) -> list[list[Line]]:
    """Group lines by row, from top to bottom and from left to right."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=_from_top):
        if rows and same_row(rows[-1][-1], line):
            rows[-1].append(line)
        else:
            rows.append([line])
    return [sorted(row, key=_from_left) if len(row) > 1 else row for row in rows]


def join_blocks(blocks: Iterable[Sequence[Line]]) -> list[list[Line]]:
    """Join lines on a row with no wide gap between them, and blocks of which the later goes on in the earlier's row.

    PDFs part blocks even within a sentence, where a formula or the name of a function is set in another font.
    """
    joined: list[list[Line]] = []
    for block in blocks:
        follows = bool(joined and block) and _goes_on(joined[-1][-1], block[0], WORD_GAP)
        if not follows and block:
            joined.append([])
        for line in block:
            if joined[-1] and _goes_on(joined[-1][-1], line, COLUMN_GAP):
                joined[-1][-1] = _merge(joined[-1][-1], line)
            else:
                joined[-1].append(line)
    return joined


def _goes_on(last: Line, line: Line, widest: float) -> bool:
    if line.box[0] <= last.box[0] or not same_row(last, line):
        return False
    small, large = (last.size, line.size) if last.size < line.size else (line.size, last.size)
    return abs(line.box[0] - last.box[2]) < (widest * large if large < 1.5 * small else 0.2 * small)


def _merge(last: Line, line: Line) -> Line:
    parted = abs(line.box[0] - last.box[2]) > 0.1 * line.size  # or one above the other, as in a fraction
    space = " " if parted and last.text[-1] not in NO_SPACE_AFTER and line.text[0] not in NO_SPACE_BEFORE else ""
    own, added = len(last.text), len(line.text)
    maths = (last.maths * own + line.maths * added) / (own + added)
    size, mono, bold = max(last.size, line.size), last.mono and line.mono, last.bold and line.bold
    return Line(
        last.text + space + line.text, union((last.box, line.box)), size, mono, bold, maths, last.faded and line.faded
    )


def _from_top(line: Line) -> tuple[float, float]:
    return line.box[1], line.box[0]


def _from_left(line: Line) -> float:
    return line.box[0]
