"""Notes of a Markdown file: questions as headings or in bold, with the answer below."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from edullama.dataset.notes import Note

BOLD_QUESTION = re.compile(r"^\*\*(.+?)\*\*[\s\\]*$")
HEADING_QUESTION = re.compile(r"^#{2,6}\s+(.+?)\s*#*$")
ANY_HEADING = re.compile(r"^#{1,6}\s")
FENCE = re.compile(r"^\s*(```|~~~)")
IMAGE = re.compile(r"!\[([^\]]*)\]\([^)]*\)")
LINK = re.compile(r"\[([^\]]+)\]\([^)\s]*\)")
STRONG = re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1")


def read_markdown(path: Path) -> list[Note]:
    """Read `**question**` lines with the paragraphs below; where there are none, `## question` headings."""
    lines = path.read_bytes().decode("utf-8-sig", errors="replace").splitlines()
    bold = [line for line in lines if BOLD_QUESTION.match(line) and "?" in line]
    notes = list(_read_notes(lines, BOLD_QUESTION if bold else HEADING_QUESTION))
    return [note for note in notes if note.back] and notes


def _read_notes(lines: Sequence[str], pattern: re.Pattern[str]) -> Iterator[Note]:
    question: str | None = None
    answer: list[str] = []
    in_code = False
    for line in lines:
        in_code ^= bool(FENCE.match(line))
        starts = None if in_code else pattern.match(line)
        if starts or (not in_code and ANY_HEADING.match(line)):
            if question is not None:
                yield Note(_plain(question), _plain("\n".join(answer)))
            question, answer = (starts[1] if starts else None), []
        elif not FENCE.match(line):
            answer.append(line)
    if question is not None:
        yield Note(_plain(question), _plain("\n".join(answer)))


def _plain(text: str) -> str:
    """Return Markdown without emphasis, links and images; code stays in its backticks."""
    return STRONG.sub(r"\2", LINK.sub(r"\1", IMAGE.sub(" ", text))).strip()
