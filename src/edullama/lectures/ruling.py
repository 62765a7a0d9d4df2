"""Lines on a page that may rule a table: horizontal ones of one length, and the edges of boxes side by side."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edullama.lectures.figures import Shape
from edullama.records import Box

THIN = 6.5  # points: what is thinner and long is a rule; its box is wider than the line
LONG = 24.0
CELL = 8.0, 150.0  # height of a table's cell
SAME = 2.5  # points: rules of one table begin and end that exactly
DOUBLE = 3.5  # rules nearer than this are one
CHAIN = 8.0  # the gap between frames side by side, or between short rules above a header's parts
MANY_SHAPES = 1500  # a plot
Rule = tuple[float, float, float]  # where it stands, where it begins and ends


@dataclass(frozen=True, slots=True)
class Ruling:
    """Horizontal rules of one length, and the vertical ones between their ends."""

    left: float
    right: float
    across: tuple[float, ...]  # from top to bottom, at least two
    down: tuple[float, ...]  # from left to right
    open: bool  # vertical rules begin above the first horizontal one


def find_rulings(shapes: Sequence[Shape]) -> list[Ruling]:
    """Find what may rule a table, from the lines and filled boxes of a page."""
    if not 1 < len(shapes) <= MANY_SHAPES:
        return []
    across, down, cells = _sort_out(shapes)
    for row in _find_rows(cells):
        across += [(row[0][edge], row[0][0], row[-1][2]) for edge in (1, 3)]
        down += [(box[0], box[1], box[3]) for box in row[1:]]
    if len(across) < 2:
        return []
    groups: list[list[Rule]] = []
    for rule in _chain(across):
        near = [g for g in groups if abs(g[0][1] - rule[1]) < SAME and abs(g[0][2] - rule[2]) < SAME]
        if near:
            near[0].append(rule)
        else:
            groups.append([rule])
    return [_rule_in(group, down) for group in groups if len(group) > 1]


def _sort_out(shapes: Iterable[Shape]) -> tuple[list[Rule], list[Rule], list[Box]]:
    """Part horizontal rules, vertical rules, and boxes that may be cells."""
    across: list[Rule] = []
    down: list[Rule] = []
    cells: list[Box] = []
    for shape in shapes:
        left, top, right, bottom = shape.box
        if bottom - top <= THIN and right - left >= LONG:
            across.append(((top + bottom) / 2, left, right))
        elif right - left <= THIN < bottom - top:
            down.append(((left + right) / 2, top, bottom))
        elif shape.plain and not shape.white and CELL[0] <= bottom - top <= CELL[1]:
            cells.append(shape.box)
    return across, down, cells


def _find_rows(cells: Iterable[Box]) -> list[list[Box]]:
    """Return boxes of one height that stand side by side, two or more."""
    rows: list[list[Box]] = []
    for box in sorted(cells, key=lambda box: (round(box[1]), round(box[3]), box[0])):
        last = rows[-1][-1] if rows else None
        if last and abs(box[1] - last[1]) + abs(box[3] - last[3]) < SAME and abs(box[0] - last[2]) < DOUBLE:
            rows[-1].append(box)
        else:
            rows.append([box])
    return [row for row in rows if len(row) > 1]


def _chain(across: Iterable[Rule]) -> list[Rule]:
    """Join rules at one height that end where the next begins; return them from top to bottom."""
    levels: list[list[Rule]] = []
    for rule in sorted(across):
        if levels and rule[0] - levels[-1][0][0] < DOUBLE:
            levels[-1].append(rule)
        else:
            levels.append([rule])
    return [chained for level in levels for chained in _chain_level(level)]


def _chain_level(level: Iterable[Rule]) -> list[Rule]:
    chained: list[Rule] = []
    for y, left, right in sorted(level, key=lambda rule: rule[1]):
        if chained and left - chained[-1][2] < CHAIN:
            chained[-1] = chained[-1][0], chained[-1][1], max(chained[-1][2], right)
        else:
            chained.append((y, left, right))
    return chained


def _rule_in(group: Sequence[Rule], down: Iterable[Rule]) -> Ruling:
    """Put a group of horizontal rules together with the vertical ones inside, if they are long enough all together."""
    left, right = group[0][1], group[0][2]
    top, bottom = group[0][0], group[-1][0]
    lengths: dict[float, float] = {}
    inside = sorted(rule for rule in down if left + DOUBLE < rule[0] < right - DOUBLE)
    for (x, start, end), before in zip(inside, [None, *inside], strict=False):
        place = next(iter(reversed(lengths))) if before and x - before[0] < DOUBLE else x
        lengths[place] = lengths.get(place, 0.0) + max(0.0, min(end, bottom) - max(start, top))
    places = tuple(x for x, length in lengths.items() if length > 0.5 * (bottom - top))
    above = any(start < top - DOUBLE < end <= bottom for _, start, end in inside)
    return Ruling(left, right, tuple(y for y, _, _ in group), places, above)
