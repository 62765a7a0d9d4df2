"""The order in which a reader takes in what stands on a page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean

from edullama.lectures.pages import Line, union
from edullama.records import Box

COLUMN_WORDS = 2.5  # a row, on average: side by side with fewer it is a table, read row by row
GUTTER = 4.0  # points
MANY_BANDS = 100  # a page of so many rows is no slide; the search for columns would take long


@dataclass(frozen=True, slots=True)
class _Part:
    lines: list[Line]
    box: Box


def in_reading_order(parts: Iterable[list[Line]]) -> list[list[Line]]:
    """Order parts from top to bottom, columns of running text one after the other."""
    return [part.lines for part in _order([_Part(lines, union(line.box for line in lines)) for lines in parts])]


def _order(parts: Sequence[_Part]) -> list[_Part]:
    bands = _find_bands(parts)
    start, end, gutter = _find_columns(bands)
    if gutter is None:
        return _flat(sorted(band, key=lambda part: (part.box[0], part.box[1])) for band in bands)
    inside = _flat(bands[start:end])
    left = [part for part in inside if part.box[2] <= gutter]
    right = [part for part in inside if part.box[2] > gutter]
    return _order(_flat(bands[:start])) + _order(left) + _order(right) + _order(_flat(bands[end:]))


def _flat(bands: Iterable[Iterable[_Part]]) -> list[_Part]:
    return [part for band in bands for part in band]


def _find_bands(parts: Sequence[_Part]) -> list[list[_Part]]:
    """Group parts that overlap in height."""
    bands: list[list[_Part]] = []
    bottom = 0.0
    for part in sorted(parts, key=lambda part: (part.box[1], part.box[0])):
        slack = 0.3 * part.lines[0].size  # boxes are as tall as the font allows, so neighbours overlap a little
        if bands and part.box[1] < bottom - slack:
            bands[-1].append(part)
            bottom = max(bottom, part.box[3])
        else:
            bands.append([part])
            bottom = part.box[3]
    return bands


def _find_columns(bands: Sequence[Sequence[_Part]]) -> tuple[int, int, float | None]:
    """Return the longest run of bands that one white gutter parts into two columns, and the gutter; None: no run."""
    best: tuple[int, int, float | None] = (0, 0, None)
    for start in range(len(bands) if len(bands) <= MANY_BANDS else 0):
        for end in range(len(bands), start + best[1] - best[0], -1):
            gutter = _find_gutter(_flat(bands[start:end]))
            if gutter is not None:
                best = (start, end, gutter)
                break
    return best


def _find_gutter(parts: Sequence[_Part]) -> float | None:
    """Return the left edge of a white gutter between two columns of running text, or None."""
    boxes = sorted(part.box for part in parts)
    right = boxes[0][2]
    for box in boxes[1:]:
        if box[0] > right + GUTTER and _are_columns(parts, right):
            return right
        right = max(right, box[2])
    return None


def _are_columns(parts: Sequence[_Part], gutter: float) -> bool:
    left = [part for part in parts if part.box[2] <= gutter]
    right = [part for part in parts if part.box[2] > gutter]
    top = max(min(part.box[1] for part in side) for side in (left, right))
    bottom = min(max(part.box[3] for part in side) for side in (left, right))
    return bottom - top > left[0].lines[0].size and all(_is_text(side) for side in (left, right))


def _is_text(side: Sequence[_Part]) -> bool:
    lines = [line for part in side for line in part.lines]
    return len(lines) > 1 and mean(len(line.text.split()) for line in lines) >= COLUMN_WORDS
