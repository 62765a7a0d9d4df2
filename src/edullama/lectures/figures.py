"""What makes up a figure: images that touch are tiles of one, lines and shapes that stand together are a drawing."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from edullama.lectures.pages import Picture, area, overlap, union
from edullama.records import Box

TILE_GAP = 1.5  # points
SHAPE_GAP = 12.0
BACKGROUND = 0.8  # of the page: what covers more lies behind everything
PANEL = 0.15  # a filled box that covers more of the page is a panel that text stands on
FEWEST_SHAPES = 5  # frames, rules and bullets are fewer
SMALLEST = 24.0  # points, in one direction
FEWEST_RULES = 10  # that cross a page: ruled paper
MOST_TEXT = 0.5  # of a drawing's area: a frame around text, or a table
RULE = 2.0  # points: what is thinner and long is a rule
LONG_RULE = 0.25  # of the page's width
MANY_SHAPES = 4000  # a plot of so many points keeps its outline when every eighth is looked at


@dataclass(frozen=True, slots=True)
class Shape:
    """A line, curve or filled area of a page."""

    box: Box
    plain: bool  # a filled rectangle
    white: bool


def merge_tiles(pictures: Sequence[Picture], page: Box) -> tuple[Picture, ...]:
    """Join images whose boxes touch; those that lie behind the whole page stay by themselves."""
    behind = [picture for picture in pictures if picture.area >= BACKGROUND]
    groups: dict[Box, list[Picture]] = {}
    others = [picture for picture in pictures if picture.area < BACKGROUND]
    clusters = cluster([picture.box for picture in others], TILE_GAP)
    for picture in others:
        groups.setdefault(next(box for box in clusters if _inside(picture.box, box)), []).append(picture)
    return (*behind, *(_join(group, box, page) for box, group in groups.items()))


def find_drawings(shapes: Iterable[Shape], texts: Sequence[Box], page: Box) -> tuple[Picture, ...]:
    """Return the drawings among a page's lines and shapes: neither panels and rules nor frames around text."""
    drawn = [shape for shape in shapes if not _lies_behind(shape, page)]
    ruled = [shape for shape in drawn if _is_rule(shape, page)]
    paper = [_drawing(union(s.box for s in ruled), ruled, page)] if len(ruled) >= FEWEST_RULES else []
    drawn = [shape for shape in drawn if not _is_rule(shape, page)]
    if len(drawn) < FEWEST_SHAPES:
        return tuple(paper)
    sampled = drawn[:: 1 + len(drawn) // MANY_SHAPES]
    boxes = cluster([shape.box for shape in sampled], SHAPE_GAP)
    members: list[list[Shape]] = [[] for _ in boxes]
    for shape in sampled:
        members[next(index for index, box in enumerate(boxes) if _inside(shape.box, box))].append(shape)
    pairs = zip(boxes, members, strict=True)
    return (*paper, *(_drawing(box, own, page, texts) for box, own in pairs if _is_drawing(box, own, texts, page)))


def cluster(boxes: Sequence[Box], gap: float) -> list[Box]:
    """Return the smallest boxes around groups of boxes that stand no further apart than `gap`."""
    clusters: list[Box] = []
    for left, top, right, bottom in sorted(set(boxes)):
        grown = (left, top, right, bottom)
        while near := _near(grown, clusters, gap):
            if len(near) == 1 and _inside(grown, near[0]):
                break
            clusters = [other for other in clusters if other not in near]
            grown = union((grown, *near))
        else:
            clusters.append(grown)
    return clusters


def clip(box: Box, page: Box) -> Box:
    """Return the part of a box that lies on the page."""
    left, top = max(box[0], page[0]), max(box[1], page[1])
    return left, top, max(left, min(box[2], page[2])), max(top, min(box[3], page[3]))


def _near(box: Box, others: Sequence[Box], gap: float) -> list[Box]:
    left, top, right, bottom = box[0] - gap, box[1] - gap, box[2] + gap, box[3] + gap
    return [b for b in others if left <= b[2] and b[0] <= right and top <= b[3] and b[1] <= bottom]


def _inside(box: Box, outer: Box) -> bool:
    return outer[0] <= box[0] and outer[1] <= box[1] and box[2] <= outer[2] and box[3] <= outer[3]


def _join(group: Sequence[Picture], box: Box, page: Box) -> Picture:
    if len(group) == 1:
        return group[0]
    name = name_image("".join(sorted({picture.image for picture in group})).encode())
    width, height = sum(picture.width for picture in group), max(picture.height for picture in group)
    return replace(
        group[0], image=name, what="tiles", width=width, height=height, box=box, area=share(box, page), xref=0
    )


def _lies_behind(shape: Shape, page: Box) -> bool:
    covered = share(shape.box, page)
    return covered >= BACKGROUND or (shape.plain and (shape.white or covered >= PANEL))


def _is_rule(shape: Shape, page: Box) -> bool:
    width, height = shape.box[2] - shape.box[0], shape.box[3] - shape.box[1]
    return min(width, height) <= RULE and max(width, height) >= LONG_RULE * (page[2] - page[0])


def _is_drawing(box: Box, own: Sequence[Shape], texts: Sequence[Box], page: Box) -> bool:
    if len(own) < FEWEST_SHAPES or max(box[2] - box[0], box[3] - box[1]) < SMALLEST or share(box, page) >= BACKGROUND:
        return False
    return sum(overlap(text, box) for text in texts) <= MOST_TEXT * area(box)


def _drawing(box: Box, own: Sequence[Shape], page: Box, texts: Sequence[Box] = ()) -> Picture:
    """Name a drawing by where its shapes lie within it, so that it is known again anywhere on another page."""
    places = sorted(tuple(round((edge - box[index % 2]) / 2) for index, edge in enumerate(s.box)) for s in own)
    rounded = (round(box[0], 1), round(box[1], 1), round(box[2], 1), round(box[3], 1))
    width, height = round(box[2] - box[0]), round(box[3] - box[1])
    silent = bool(texts) and not any(overlap(text, box) for text in texts)
    name = name_image(repr(places).encode())
    return Picture(name, "vector", width, height, rounded, share(box, page), silent=silent)


def share(box: Box, page: Box) -> float:
    """Return how much of the page a box covers."""
    return round(area(clip(box, page)) / max(1.0, area(page)), 4)


def name_image(content: bytes) -> str:
    """Name an image by its content, and so that no spreadsheet takes the name for a number."""
    return f"img-{hashlib.sha256(content).hexdigest()[:10]}"
