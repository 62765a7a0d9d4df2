"""The order in which a reader takes in what stands on a page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf

from edullama.lectures.pages import Line, union
from edullama.records import Box

COLUMN_WORDS = 2.5  # a row, on average: side by side with fewer it is a table, read row by row
GUTTER = 4.0  # points
MANY_BANDS = 100  # a page of so many rows is no slide; the search for columns would take long


@dataclass(slots=True)
class Part:
    """Lines that stand together."""

    lines: list[Line]
    box: Box
    words: int
    table: str = ""  # what they read as, where they are a table


def make_part(lines: list[Line]) -> Part:
    """Put lines, at least one, into a part."""
    if len(lines) == 1:
        return Part(lines, lines[0].box, lines[0].text.count(" ") + 1)
    words = sum([line.text.count(" ") + 1 for line in lines])
    return Part(lines, union([line.box for line in lines]), words)


def in_reading_order(parts: Sequence[Part]) -> list[Part]:
    """Order parts from top to bottom, columns of running text one after the other."""
    bands = _find_bands(parts)
    start, end, gutter = _find_columns(bands)
    if gutter is None:
        return [part for band in bands for part in (sorted(band, key=_from_left) if len(band) > 1 else band)]
    inside = _flat(bands[start:end])
    left = [part for part in inside if part.box[2] <= gutter]
    right = [part for part in inside if part.box[2] > gutter]
    above, below = _flat(bands[:start]), _flat(bands[end:])
    return [part for side in (above, left, right, below) for part in in_reading_order(side)]


def _from_left(part: Part) -> Box:
    return part.box


def _from_top(part: Part) -> tuple[float, float]:
    return part.box[1], part.box[0]


def _flat(bands: Iterable[Iterable[Part]]) -> list[Part]:
    return [part for band in bands for part in band]


def _find_bands(parts: Sequence[Part]) -> list[list[Part]]:
    """Group parts that overlap in height."""
    bands: list[list[Part]] = []
    bottom = 0.0
    for part in sorted(parts, key=_from_top):
        slack = 0.3 * part.lines[0].size  # boxes are as tall as the font allows, so neighbours overlap a little
        if bands and part.box[1] < bottom - slack:
            bands[-1].append(part)
            bottom = max(bottom, part.box[3])
        else:
            bands.append([part])
            bottom = part.box[3]
    return bands


def _find_columns(bands: Sequence[Sequence[Part]]) -> tuple[int, int, float | None]:
    """Return the longest run of bands that one white gutter parts into two columns, and the gutter; None: no run."""
    best: tuple[int, int, float | None] = (0, 0, None)
    edges = [_worded_edges(band) for band in bands] if len(bands) <= MANY_BANDS else []
    if max([left for _, left in edges], default=0.0) <= min([right for right, _ in edges], default=0.0) + GUTTER:
        return best
    for start in range(len(edges)):
        for end in _possible_ends(edges, start, start + best[1] - best[0]):
            gutter = _find_gutter(_flat(bands[start:end]))
            if gutter is not None:
                best = (start, end, gutter)
                break
    return best


def _worded_edges(band: Iterable[Part]) -> tuple[float, float]:
    """Return how far right a part of running text ends at least, and how far right one begins at most."""
    boxes = [part.box for part in band if part.words > COLUMN_WORDS]
    if not boxes:
        return inf, 0.0
    return min([box[2] for box in boxes]), max([box[0] for box in boxes])


def _possible_ends(edges: Sequence[tuple[float, float]], start: int, least: int) -> list[int]:
    """Return the ends, furthest first, of runs in which some running text begins to the right of another."""
    found: list[int] = []
    right, left = edges[start]
    for end, (own_right, own_left) in enumerate(edges[start:], start + 1):
        if own_right < right:
            right = own_right
        if own_left > left:
            left = own_left
        if left > right + GUTTER and end > least:
            found.append(end)
    return found[::-1]


def _find_gutter(parts: Sequence[Part]) -> float | None:
    """Return the left edge of a white gutter between two columns of running text, or None."""
    ordered = sorted(parts, key=_from_left)
    lines, words = sum([len(part.lines) for part in ordered]), sum([part.words for part in ordered])
    right, lines_left, words_left = inf, 0, 0
    for index, part in enumerate(ordered):
        beyond = part.box[0] > right + GUTTER and _is_text(lines_left, words_left)
        if beyond and _is_text(lines - lines_left, words - words_left) and _are_abreast(ordered, index):
            return right
        right = part.box[2] if index == 0 or part.box[2] > right else right
        lines_left += len(part.lines)
        words_left += part.words
    return None


def _is_text(lines: int, words: int) -> bool:
    return lines > 1 and words >= COLUMN_WORDS * lines


def _are_abreast(ordered: Sequence[Part], index: int) -> bool:
    left, right = ordered[:index], ordered[index:]
    top = max(min([part.box[1] for part in side]) for side in (left, right))
    bottom = min(max([part.box[3] for part in side]) for side in (left, right))
    return bottom - top > left[0].lines[0].size
