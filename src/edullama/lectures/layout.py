"""From the lines of a page to paragraphs, lists and code in reading order."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from edullama.lectures.pages import Fragment, Line, union
from edullama.lectures.reading_order import in_reading_order
from edullama.records import Box

BULLET = re.compile(r"^([•▶►▸‣◦▪■□○●➢➔✓✔–—*·-]|\(?[0-9a-z]{1,2}[.)])(\s|$)|^[•▶►▸‣◦▪■□○●➢]")
BULLET_SIGN = re.compile(r"^[•▶►▸‣◦▪■□○●➢]\s*(?=\S)", re.MULTILINE)
LONE_BULLET = re.compile(r"^[•▶►▸‣◦▪■□○●➢➔✓✔–—·-]$")
SUSPENDED = {"und", "oder", "bzw.", "sowie", "and", "or"}  # "Ein- und Ausgabe" keeps its space
WORD = re.compile(r"[^\W\d_]{3}")  # formulas have hardly any run of three letters
TITLE_SIZE = 0.7  # of the largest letters: some titles are set a little smaller than the text below
FULL_LINE = 0.75  # of the width that the page's text takes
FEW_WORDS = 2  # on a line
COLUMN_GAP = 2.0  # in letter heights: a wider gap within a row parts columns


def arrange(blocks: Iterable[Sequence[Line]], slack: float = 0.1) -> tuple[Fragment, ...]:
    """Turn the lines of a page, block by block, into fragments in reading order.

    Lines of one paragraph are evenly spaced up to `slack` letter heights.
    """
    parts = [part for block in blocks for part in _split_block(_merge_rows(block))]
    ordered = _join_wrapped(_join_bullets(_join_code(in_reading_order(_drop_doubles(parts)))))
    widest = {size: gap + slack * size for size, gap in _find_leading(ordered).items()}
    fragments = (Fragment(_join_lines(lines, widest), _box(lines), _size(lines)) for lines in ordered)
    return tuple(fragment for fragment in fragments if fragment.text)


def find_title(fragments: Sequence[Fragment], height: float) -> Fragment | None:
    """Return the first of the large texts near the top, else in the upper half, else the first with words in it."""
    worded = [fragment for fragment in fragments if WORD.search(fragment.text)]
    for share in (0.2, 0.5):
        high = [fragment for fragment in worded if fragment.box[1] < share * height]
        if high:
            sizes = [fragment.size for fragment in high if not fragment.text[0].islower()]  # labels begin small
            enough = TITLE_SIZE * max(sizes or [0.0])
            large = [fragment for fragment in high if fragment.size >= enough]
            return min(large, key=lambda fragment: (fragment.box[1], fragment.box[0]))
    return worded[0] if worded else None


def _box(lines: Sequence[Line]) -> Box:
    return union(line.box for line in lines)


def _size(lines: Sequence[Line]) -> float:
    return max(line.size for line in lines)


def _merge_rows(lines: Sequence[Line]) -> list[Line]:
    """Join lines that stand on the same row with no wide gap between them."""
    merged: list[Line] = []
    for line in lines:
        if merged and _goes_on(merged[-1], line):
            merged[-1] = _merge(merged[-1], line)
        else:
            merged.append(line)
    return merged


def _goes_on(last: Line, line: Line) -> bool:
    gap = abs(line.box[0] - last.box[2])
    small, large = sorted((last.size, line.size))
    follows = _same_row(last, line) and line.box[0] > last.box[0]
    return follows and gap < COLUMN_GAP * (large if large < 1.5 * small else 0.2 * small)


def _merge(last: Line, line: Line) -> Line:
    space = " " if line.box[0] - last.box[2] > 0.1 * line.size and not last.text.endswith(" ") else ""
    size = max(last.size, line.size)
    mono, bold = last.mono and line.mono, last.bold and line.bold
    return Line(last.text + space + line.text, union((last.box, line.box)), size, mono, bold)


def _same_row(one: Line, other: Line) -> bool:
    overlap = min(one.box[3], other.box[3]) - max(one.box[1], other.box[1])
    return overlap > 0.5 * min(one.box[3] - one.box[1], other.box[3] - other.box[1])


def _split_block(lines: Sequence[Line]) -> list[list[Line]]:
    """Part what merely stands near: columns side by side, and a heading from the smaller text below it."""
    parts: list[list[Line]] = []
    for column in _split_columns(lines):
        parts.append(column[:1])
        for last, line in pairwise(column):
            if max(last.size, line.size) < 1.2 * min(last.size, line.size):
                parts[-1].append(line)
            else:
                parts.append([line])
    return parts


def _split_columns(lines: Sequence[Line]) -> list[list[Line]]:
    columns: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: line.box[0]):
        edge = max((other.box[2] for other in columns[-1]), default=0.0) if columns else 0.0
        if columns and line.box[0] - edge < COLUMN_GAP * line.size:
            columns[-1].append(line)
        else:
            columns.append([line])
    return [_flat(_in_rows(column)) for column in columns]


def _in_rows(lines: Iterable[Line]) -> list[list[Line]]:
    """Group lines by row, from top to bottom and from left to right."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: (line.box[1], line.box[0])):
        if rows and _same_row(rows[-1][-1], line):
            rows[-1].append(line)
        else:
            rows.append([line])
    return [sorted(row, key=lambda line: line.box[0]) for row in rows]


def _flat(rows: Iterable[Iterable[Line]]) -> list[Line]:
    return [line for row in rows for line in row]


def _drop_doubles(parts: Sequence[list[Line]]) -> list[list[Line]]:
    """Drop what is printed twice at one place, as shadows are."""
    seen: set[tuple[str, int, int]] = set()
    kept = []
    for lines in parts:
        box = _box(lines)
        key = ("\n".join(line.text for line in lines), round(box[0] / 3), round(box[1] / 3))
        if key not in seen:
            seen.add(key)
            kept.append(lines)
    return kept


def _join_code(parts: Sequence[list[Line]]) -> list[list[Line]]:
    """Join neighbouring parts of one piece of code, which PDFs break at each change of indentation."""
    joined: list[list[Line]] = []
    for part in parts:
        last = joined[-1] if joined else None
        if last and all(line.mono for line in (*last, *part)) and _continues(last, part):
            last.extend(part)
        else:
            joined.append(list(part))
    return joined


def _continues(above: Sequence[Line], below: Sequence[Line]) -> bool:
    gap = below[0].box[1] - above[-1].box[3]
    aside = below[0].box[0] > _box(above)[2] or _box(below)[2] < _box(above)[0]
    return -0.5 * below[0].size < gap < 2.0 * below[0].size and not aside


def _join_bullets(parts: Sequence[list[Line]]) -> list[list[Line]]:
    """Put a bullet that stands alone before the text on its row."""
    joined: list[list[Line]] = []
    for part in parts:
        last = joined[-1][-1] if joined else None
        if last and LONE_BULLET.match(last.text.strip()) and _same_row(last, part[0]):
            first = replace(part[0], text=f"{last.text.strip()} {part[0].text}", box=union((last.box, part[0].box)))
            joined[-1] = [*joined[-1][:-1], first, *part[1:]]
        else:
            joined.append(part)
    return joined


def _find_leading(parts: Iterable[Sequence[Line]]) -> Mapping[int, float]:
    """Return, by size of letters, the smallest gap between lines of running text: a wider one ends a paragraph."""
    leading: dict[int, float] = {}
    for part in parts:
        for last, line in pairwise(part):
            gap, size = line.box[1] - last.box[3], round(line.size)
            if min(len(last.text.split()), len(line.text.split())) > 2 and gap > -0.35 * line.size:
                leading[size] = min(gap, leading.get(size, gap))
    return leading


def _join_wrapped(parts: Sequence[list[Line]]) -> list[list[Line]]:
    """Join to a paragraph the line that goes on with it, which PDFs part where the font changes."""
    left = min((line.box[0] for part in parts for line in part), default=0.0)
    right = max((line.box[2] for part in parts for line in part), default=0.0)
    joined: list[list[Line]] = []
    for part in parts:
        last = joined[-1][-1] if joined else None
        if last and last.box[2] - left > FULL_LINE * (right - left) and _is_next_line(last, part[0]):
            joined[-1] = [*joined[-1], *part]
        else:
            joined.append(part)
    return joined


def _is_next_line(last: Line, line: Line) -> bool:
    near = -0.5 * line.size < line.box[1] - last.box[3] < 0.3 * line.size
    alike = max(last.size, line.size) < 1.2 * min(last.size, line.size) and not (last.mono and line.mono)
    below = last.box[0] - line.size < line.box[0] < last.box[0] + 3 * line.size
    return near and alike and below and not BULLET.match(line.text.strip())


def _join_lines(lines: Sequence[Line], widest: Mapping[int, float]) -> str:
    """Return wrapped lines as one, and keep breaks that are meant: in lists, tables, code and between paragraphs."""
    if all(line.mono for line in lines):
        return _join_code_lines(lines)
    right = max(line.box[2] for line in lines)
    rows = _in_rows(lines)
    text = _join_row(rows[0])
    for last, row in pairwise(rows):
        single = len(last) == len(row) == 1
        text += (_between(last[0], row[0], right, widest) if single else "\n") + _join_row(row)
    return BULLET_SIGN.sub("• ", re.sub(r"[ ]{2,}", " ", text).strip())


def _join_row(row: Sequence[Line]) -> str:
    return " ".join(line.text.strip() for line in row)


def _join_code_lines(lines: Sequence[Line]) -> str:
    """Keep the lines of code and indent them by their place."""
    left = min(line.box[0] for line in lines)
    text = ""
    for last, line in zip((None, *lines), lines, strict=False):
        letter = (line.box[2] - line.box[0]) / max(1, len(line.text))
        if last and _same_row(last, line):
            text += " " + line.text.strip()
        else:
            text += "\n" + " " * round((line.box[0] - left) / max(letter, 1.0)) + line.text.strip()
    return text.strip("\n").replace("ˆ", "^")


def _between(last: Line, line: Line, right: float, widest: Mapping[int, float]) -> str:
    """Return what parts two successive lines: a line break that is meant, a space, or nothing after a hyphen."""
    text = line.text.strip()
    gap = line.box[1] - last.box[3]
    other_style = last.mono != line.mono or last.bold != line.bold
    if BULLET.match(text) or other_style or gap > widest.get(round(line.size), gap) or _would_fit(last, line, right):
        return "\n"
    if len(last.text.split()) <= FEW_WORDS and text[0].isupper():  # a list without bullets
        return "\n"
    return _after_hyphen(last.text.strip(), text.split()[0])


def _would_fit(last: Line, line: Line, right: float) -> bool:
    """Tell whether the first word of a line would have fitted on the line before, so that its break is meant."""
    letter = (line.box[2] - line.box[0]) / max(1, len(line.text))
    return last.box[2] + letter * (len(line.text.split()[0]) + 2) < right


def _after_hyphen(last: str, first: str) -> str:
    """Keep the hyphen: slides break at "pixel-wise" more often than inside a word. Links are put together again."""
    if last.split()[-1].startswith("http") and last[-1] in "/-_=":
        return ""
    hyphenated = len(last) > 2 and last[-1] == "-" and last[-2].isalpha()
    return "" if hyphenated and first[0].isalpha() and first not in SUSPENDED else " "
