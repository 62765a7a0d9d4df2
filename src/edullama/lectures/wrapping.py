"""From the lines of one fragment to its text: what a line's end only wraps is put together, what it ends is kept."""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from edullama.lectures.hyphens import after_line
from edullama.lectures.pages import Line
from edullama.lectures.rows import in_rows, same_row

BULLET = re.compile(r"^([•▶►▸‣◦▪■□○●➢➔✓✔–—*·-]|\(?[0-9a-z]{1,2}[.)])(\s|$)|^[•▶►▸‣◦▪■□○●➢]")
BULLET_SIGN = re.compile(r"^[•▶►▸‣◦▪■□○●➢]\s*(?=\S)", re.MULTILINE)
SPACES = re.compile(r"[ ]{2,}")
FEW_WORDS = 2  # on a line


def find_leading(parts: Iterable[Sequence[Line]]) -> Mapping[int, float]:
    """Return, by size of letters, the smallest gap between lines of running text: a wider one ends a paragraph."""
    leading: dict[int, float] = {}
    for part in parts:
        for last, line in pairwise(part):
            gap, size = line.box[1] - last.box[3], round(line.size)
            if gap > -0.35 * line.size and gap < leading.get(size, gap + 1) and _is_running(last) and _is_running(line):
                leading[size] = gap
    return leading


def join_lines(lines: Sequence[Line], widest: Mapping[int, float]) -> str:
    """Return wrapped lines as one, and keep breaks that are meant: in lists, tables, code and between paragraphs.

    `widest` is, by size of letters, the gap that lines of one paragraph have at most.
    """
    if is_mono(lines):
        return join_code(lines)
    text = lines[0].text.strip()
    if len(lines) > 1:
        right = max([line.box[2] for line in lines])
        rows = in_rows(lines)
        text = _join_row(rows[0])
        for last, row in pairwise(rows):
            single = len(last) == len(row) == 1
            text += (_between(last[0], row[0], right, widest) if single else "\n") + _join_row(row)
    if "  " in text:
        text = SPACES.sub(" ", text)
    return BULLET_SIGN.sub("• ", text) if "\n" in text or not text[0].isalnum() else text


def join_code(lines: Sequence[Line]) -> str:
    """Keep the lines of code and indent them by their place."""
    left = min([line.box[0] for line in lines])
    text = ""
    for last, line in zip((None, *lines), lines, strict=False):
        letter = (line.box[2] - line.box[0]) / max(1, len(line.text))
        if last and same_row(last, line):
            text += " " + line.text.strip()
        else:
            text += "\n" + " " * round((line.box[0] - left) / max(letter, 1.0)) + line.text.strip()
    return text.strip("\n").replace("ˆ", "^")


def is_mono(lines: Sequence[Line]) -> bool:
    """Tell whether lines are set in a typewriter's font, as code is."""
    return lines[0].mono and all(line.mono for line in lines)


def _is_running(line: Line) -> bool:
    return len(line.text.split(maxsplit=2)) > FEW_WORDS


def _join_row(row: Sequence[Line]) -> str:
    return " ".join([line.text.strip() for line in row])


def _between(last: Line, line: Line, right: float, widest: Mapping[int, float]) -> str:
    """Return what parts two successive lines: a line break that is meant, a space, or the mark of a hyphen."""
    ended, text = last.text.strip(), line.text.strip()
    gap = line.box[1] - last.box[3]
    other_style = last.mono != line.mono or last.bold != line.bold
    if BULLET.match(text) or other_style or gap > widest.get(round(line.size), gap):
        return "\n"
    hyphenated = ended[-1] == "-" and ended[-2:-1].isalpha() and text[0].islower()
    if not hyphenated and (_would_fit(last, line, right) or (text[0].isupper() and not _is_running(last))):
        return "\n"  # the line ends a paragraph, or belongs to a list without bullets
    return after_line(ended, text.split(maxsplit=1)[0])


def _would_fit(last: Line, line: Line, right: float) -> bool:
    """Tell whether the first word of a line would have fitted on the line before, so that its break is meant."""
    letter = (line.box[2] - line.box[0]) / max(1, len(line.text))
    return last.box[2] + letter * (len(line.text.split(maxsplit=1)[0]) + 2) < right
