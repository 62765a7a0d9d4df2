"""From the lines of a page to paragraphs, lists, tables, formulas and code in reading order."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from edullama.lectures.block_kinds import tell_kind
from edullama.lectures.figures import Shape
from edullama.lectures.pages import Fragment, Line, Loss, count_characters, union
from edullama.lectures.reading_order import Part, in_reading_order, make_part
from edullama.lectures.rows import COLUMN_GAP, in_rows, join_blocks, same_row
from edullama.lectures.tables import take_tables
from edullama.lectures.wrapping import BULLET, find_leading, is_mono, join_code, join_lines
from edullama.records import Box

LONE_BULLET = re.compile(r"^[•▶►▸‣◦▪■□○●➢➔✓✔–—·-]$")
WORD = re.compile(r"[^\W\d_]{3}")  # formulas have hardly any run of three letters
TITLE_SIZE = 0.7  # of the largest letters: some titles are set a little smaller than the text below
FULL_LINE = 0.75  # of the width that the page's text takes
SHADOW = 3.0  # points
PIECE_GAP = 1.0  # letter heights: pieces of one formula, such as a sum and its limits, stand no further apart


@dataclass(frozen=True, slots=True)
class Arranged:
    """What became of a page's lines; fragments and losses have all their characters, and what was added."""

    fragments: tuple[Fragment, ...]  # in reading order
    lost: tuple[Loss, ...]
    added: int  # characters that set out tables


def arrange(blocks: Iterable[Sequence[Line]], shapes: Sequence[Shape] = (), slack: float = 0.1) -> Arranged:
    """Turn the lines of a page, block by block, into fragments. Its `shapes` show where the tables are.

    Lines of one paragraph are evenly spaced up to `slack` letter heights.
    """
    filled = [block for block in blocks if block]
    if not filled:
        return Arranged((), (), 0)
    tables, rest = take_tables(filled, shapes)
    parts, doubles = _part_doubles([part for block in join_blocks(rest) for part in _split_block(block)])
    ordered = _join_wrapped(_join_bullets(_join_code(in_reading_order([*parts, *tables]))))
    widest = {size: gap + slack * size for size, gap in find_leading([part.lines for part in ordered]).items()}
    fragments = _join_pieces([_fragment(part, widest) for part in ordered])
    return Arranged(tuple(fragments), tuple([_loss(part) for part in doubles]), sum(map(_count_added, tables)))


def find_title(fragments: Sequence[Fragment], height: float) -> Fragment | None:
    """Return the first of the large texts near the top, else in the upper half, else the first with words in it."""
    worded = [fragment for fragment in fragments if fragment.kind == "text" and WORD.search(fragment.text)]
    for share in (0.2, 0.5):
        high = [fragment for fragment in worded if fragment.box[1] < share * height]
        if high:
            sizes = [fragment.size for fragment in high if not fragment.text[0].islower()]  # labels begin small
            enough = TITLE_SIZE * max(sizes or [0.0])
            large = [fragment for fragment in high if fragment.size >= enough]
            return min(large, key=lambda fragment: (fragment.box[1], fragment.box[0]))
    return worded[0] if worded else None


def _fragment(part: Part, widest: Mapping[int, float]) -> Fragment:
    size = max([line.size for line in part.lines])
    if part.table:
        return Fragment(part.table, part.box, size, "table")
    text = join_lines(part.lines, widest)
    kind = tell_kind(part.lines, text)
    if kind == "code" and len(part.lines) > 1:
        text = join_code(part.lines)
    return Fragment(text, part.box, size, kind, faded=any(line.faded for line in part.lines))


def _loss(part: Part) -> Loss:
    return Loss("\n".join([line.text for line in part.lines]), "printed twice at one place", part.box)


def _count_added(table: Part) -> int:
    return count_characters(table.table) - sum([count_characters(line.text) for line in table.lines])


def _split_block(lines: list[Line]) -> list[Part]:
    """Part what merely stands near: columns side by side, and a heading from the smaller text below it."""
    if len(lines) == 1:
        return [make_part(lines)]
    parts: list[list[Line]] = []
    for column in _split_columns(lines):
        parts.append(column[:1])
        for last, line in pairwise(column):
            if max(last.size, line.size) < 1.2 * min(last.size, line.size):
                parts[-1].append(line)
            else:
                parts.append([line])
    return [make_part(part) for part in parts]


def _split_columns(lines: Sequence[Line]) -> list[list[Line]]:
    columns: list[list[Line]] = []
    edge = 0.0
    for line in sorted(lines, key=lambda line: line.box[0]):
        if columns and line.box[0] - edge < COLUMN_GAP * line.size:
            columns[-1].append(line)
            edge = max(edge, line.box[2])
        else:
            columns.append([line])
            edge = line.box[2]
    return [[line for row in in_rows(column) for line in row] for column in columns]


def _part_doubles(parts: Sequence[Part]) -> tuple[list[Part], list[Part]]:
    """Part from the rest what is printed a second time at one place, as shadows are."""
    seen: dict[str, list[Box]] = {}
    kept: list[Part] = []
    doubles: list[Part] = []
    for part in parts:
        text = part.lines[0].text if len(part.lines) == 1 else "\n".join([line.text for line in part.lines])
        places = seen.setdefault(text, [])
        (doubles if any(_at_one_place(part.box, place) for place in places) else kept).append(part)
        places.append(part.box)
    return kept, doubles


def _at_one_place(one: Box, other: Box) -> bool:
    return abs(one[0] - other[0]) < SHADOW and abs(one[1] - other[1]) < SHADOW


def _join_code(parts: Iterable[Part]) -> list[Part]:
    """Join neighbouring parts of one piece of code, which PDFs break at each change of indentation."""
    joined: list[Part] = []
    for part in parts:
        mono = not part.table and is_mono(part.lines)
        last = joined[-1] if mono and joined else None
        if last and not last.table and is_mono(last.lines) and _continues(last, part):
            joined[-1] = make_part([*last.lines, *part.lines])
        else:
            joined.append(part)
    return joined


def _continues(above: Part, below: Part) -> bool:
    size = below.lines[0].size
    gap = below.lines[0].box[1] - above.lines[-1].box[3]
    aside = below.lines[0].box[0] > above.box[2] or below.box[2] < above.box[0]
    return -0.5 * size < gap < 2.0 * size and not aside


def _join_bullets(parts: Iterable[Part]) -> list[Part]:
    """Put a bullet that stands alone before the text on its row."""
    joined: list[Part] = []
    for part in parts:
        last = joined[-1].lines[-1] if joined and not part.table else None
        if last and len(last.text) < 4 and LONE_BULLET.match(last.text.strip()) and same_row(last, part.lines[0]):
            joined[-1] = make_part([*joined[-1].lines[:-1], _put_before(last, part.lines[0]), *part.lines[1:]])
        else:
            joined.append(part)
    return joined


def _put_before(bullet: Line, line: Line) -> Line:
    return replace(line, text=f"{bullet.text.strip()} {line.text}", box=union((bullet.box, line.box)))


def _join_wrapped(parts: Sequence[Part]) -> list[Part]:
    """Join to a paragraph the line that goes on with it, which PDFs part where the font changes."""
    left, right = min([part.box[0] for part in parts], default=0.0), max([part.box[2] for part in parts], default=0.0)
    full = left + FULL_LINE * (right - left)
    joined: list[Part] = []
    for part in parts:
        last = joined[-1] if joined else None
        if last and last.lines[-1].box[2] > full and not last.table and not part.table and _goes_on_below(last, part):
            joined[-1] = make_part([*last.lines, *part.lines])
        else:
            joined.append(part)
    return joined


def _goes_on_below(above: Part, below: Part) -> bool:
    last, line = above.lines[-1], below.lines[0]
    near = -0.5 * line.size < line.box[1] - last.box[3] < 0.3 * line.size
    alike = max(last.size, line.size) < 1.2 * min(last.size, line.size) and not (last.mono and line.mono)
    indented = last.box[0] - line.size < line.box[0] < last.box[0] + 3 * line.size
    return near and alike and indented and not BULLET.match(line.text.strip())


def _join_pieces(fragments: Iterable[Fragment]) -> list[Fragment]:
    """Join neighbouring pieces of one formula or of code: PDFs part formulas wherever a sign stands higher or lower."""
    joined: list[Fragment] = []
    for fragment in fragments:
        last = joined[-1] if joined and fragment.kind in ("formula", "code") else None
        if last and last.kind == fragment.kind and _are_near(last, fragment):
            box, size = union((last.box, fragment.box)), max(last.size, fragment.size)
            joined[-1] = Fragment(
                f"{last.text}\n{fragment.text}", box, size, fragment.kind, faded=last.faded or fragment.faded
            )
        else:
            joined.append(fragment)
    return joined


def _are_near(one: Fragment, other: Fragment) -> bool:
    reach = PIECE_GAP * max(one.size, other.size)
    across = max(one.box[0], other.box[0]) - min(one.box[2], other.box[2])
    along = max(one.box[1], other.box[1]) - min(one.box[3], other.box[3])
    return across < reach and along < reach
