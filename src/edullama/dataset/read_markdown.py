"""Notes of a Markdown file, in whichever way its questions are marked."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from edullama.dataset.card_text import CODE as CODE_SPAN
from edullama.dataset.card_text import escape_brackets, escape_code, plain_text
from edullama.dataset.columns import BACK, FRONT, LECTURE, find_column
from edullama.dataset.notes import Note
from edullama.dataset.questions import asks
from edullama.dataset.read_text import read_text

CODE = "\0"  # begins each line of a code block, so that nothing in it is taken for Markdown
WIDE = re.compile(r"[ \t]{3,}")
CODE_LINES = re.compile(r"(^\0.*$)", re.MULTILINE)
FENCE = re.compile(r"^\s*(```+|~~~+)")
FRONT_MATTER = re.compile(r"\A---\n.*?\n(?:---|\.\.\.)\n", re.DOTALL)
BOLD = re.compile(r"^\s*(?:[-*+]\s+|\d+[.)]\s+)?(\*\*|__)(?!\s)(.+?)\1[\s\\:]*$")
HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*$")
LABEL = (r"^\s*(?:#{{1,6}}\s+|[-*+>]\s+)*(?:\*\*|__)?(?:(?:{word})\s*\d*(?:\*\*|__)?\s*:|(?:{word})\s*\d+\s*[.)])"
         r"(?:\*\*|__)?\s*(.*?)$")  # fmt: skip
QUESTION = re.compile(LABEL.format(word="q|question|frage|f"), re.IGNORECASE)
ANSWER = re.compile(LABEL.format(word="a|ans|answer|antwort"), re.IGNORECASE)
FOLDED = re.compile(
    r"<details\b[^<>]*>\s*<summary\b[^<>]*>((?:(?!<summary).)*?)</summary>((?:(?!<details).)*?)</details>",
    re.DOTALL | re.IGNORECASE,
)
REVEAL = re.compile(r"\W*(?:(?:show|see|view|reveal|click)\b.*|(?:the )?(?:answer|solution|antwort|lösung)\b.*)",
                    re.IGNORECASE | re.DOTALL)  # fmt: skip
ONE_LINE = re.compile(r"^(.*?[^\s:])(?:(?<=[?!.])|\s+|(?=:+\s))(:{2,3})\s*([^\s:].*)$")
ONE_LINE_TAGGED = re.compile(r"^(.*?[^\s:])\s*(:{2,3})\s*([^\s:].*)$")
TAGGED = re.compile(r"#flash-?cards?\b|#karteikarten\b", re.IGNORECASE)
BETWEEN = re.compile(r"^\?\??$")
TABLE_RULE = re.compile(r"^\s*\|?[\s:|-]*-{3}[\s:|-]*$")
RULE = re.compile(r"^[ \t]*(?:(?:[-*_][ \t]*){3,}$|#{1,6}[ \t]+|#flash-?cards?\S*[ \t]*$)", re.MULTILINE)
NUMBER = re.compile(r"^\s*(?:[-*+]\s+)?(?:(?:q(?:uestion)?|frage)?\s*\d+\s*[.):]\s+)?", re.IGNORECASE)
IMAGE = re.compile(r"!\[[^\[\]]*\]\([^()]*\)|!\[\[[^\[\]]*\]\]")
LINK = re.compile(r"(?<!\!)\[([^\[\]]+)\]\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*\)")
WIKI_LINK = re.compile(r"\[\[(?:[^\[\]|]*\|)?([^\[\]|]+)\]\]")
STRONG = re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1")
NO_QUESTION = "a heading, not a question"


def read_markdown(path: Path) -> list[Note]:
    """Read the cards in the way that finds most of them; no notes where the file holds no cards."""
    lines = _mark_code(FRONT_MATTER.sub("", read_text(path)[0].replace("\r\n", "\n")))
    notes = max((list(read(lines)) for read in CONVENTIONS), key=_count_answered)
    return notes if _count_answered(notes) else []


def read_labelled(path: Path) -> list[Note]:
    """Read `Q:` and `A:` lines, which plain text files have as well."""
    notes = list(_read_labelled(_mark_code(read_text(path)[0])))
    return notes if _count_answered(notes) else []


def _count_answered(notes: Sequence[Note]) -> int:
    return sum(bool(note.front and note.back and not note.problem and not note.turned) for note in notes)


def _mark_code(text: str) -> list[str]:
    lines, in_code = [], False
    for line in text.splitlines():
        if FENCE.match(line):
            in_code = not in_code
        else:
            lines.append(CODE + escape_brackets(line) if in_code else escape_code(WIDE.sub("  ", line)))
    return lines


def _read_labelled(lines: Sequence[str]) -> Iterator[Note]:
    """Read `Q: question` and `A: answer`."""
    cards: list[tuple[list[str], list[str]]] = []
    side: list[str] = []
    for line in lines:
        if found := QUESTION.match(line):
            cards.append(([_unbold(found[1])], []))
            side = cards[-1][0]
        elif cards and not cards[-1][1] and (found := ANSWER.match(line)):
            side = cards[-1][1]
            side.append(_unbold(found[1]))
        else:
            side = [] if HEADING.match(line) else side
            side.append(line)
    return (_note(*card) for card in cards)


def _read_folded(lines: Sequence[str]) -> Iterator[Note]:
    """Read `<details>`: the summary asks, or only says "answer" and the question stands above."""
    text, before = "\n".join(lines), 0
    for found in FOLDED.finditer(text):
        above = _last_block(text[before : found.start()])
        yield _note([above if REVEAL.fullmatch(plain_text(found[1])) else found[1]], [found[2]])
        before = found.end()


def _last_block(text: str) -> str:
    """Return what stands above an answer: from the last heading on, else the last paragraph."""
    lines = text.strip().split("\n")
    heading = max((place for place, line in enumerate(lines) if HEADING.match(line)), default=None)
    if heading is not None:
        return "\n".join([HEADING.sub(r"\2", lines[heading]), *lines[heading + 1 :]])
    return re.split(r"\n\s*\n", text.strip())[-1]


def _read_obsidian(lines: Sequence[str]) -> Iterator[Note]:
    """Read `question::answer`, and paragraphs that a line with `?` parts; with one sign more, both ways."""
    pattern = ONE_LINE_TAGGED if any(map(TAGGED.search, lines)) else ONE_LINE
    for block in _split_blocks(lines):
        place = next((place for place, line in enumerate(block) if BETWEEN.match(line.strip())), None)
        if place is not None:
            yield from _both_ways(block[:place], block[place + 1 :], block[place].strip() == "??")
            continue
        for line in block:
            shadow = CODE_SPAN.sub(lambda code: "x" * len(code[0]), line)  # of `std::vector` no card is made
            if (found := pattern.match(shadow)) and not line.startswith(CODE):
                yield from _both_ways([line[: found.end(1)]], [line[found.start(3) :]], len(found[2]) == 3)


def _both_ways(front: Sequence[str], back: Sequence[str], both: bool) -> list[Note]:
    note = _note(front, back)
    return [note, Note(note.back, note.front, turned=True)] if both else [note]


def _split_blocks(lines: Iterable[str]) -> Iterator[list[str]]:
    block: list[str] = []
    for line in [*lines, ""]:
        if line.strip():
            block.append(line)
        elif block:
            yield block
            block = []


def _read_tables(lines: Sequence[str]) -> Iterator[Note]:
    """Read tables whose first row names a question's and an answer's column."""
    front = back = lecture = None
    for before, line in zip(["", *lines], lines, strict=False):
        if TABLE_RULE.match(line) and "|" in before:
            names = _cells(before)
            front, back, lecture = (find_column(names, usual) for usual in (FRONT, BACK, LECTURE))
        elif "|" not in line:
            front = None
        elif front is not None and back is not None:
            cells = [*_cells(line), *[""] * (front + back)]
            note = _note([cells[front]], [cells[back]])
            yield Note(note.front, note.back, "" if lecture is None else cells[lecture])


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def _read_bold(lines: Sequence[str]) -> Iterator[Note]:
    """Read `**question**` lines with what follows, where most bold lines ask."""
    bold = [found[2] for line in lines if (found := BOLD.match(line))]
    if sum(map(asks, bold)) * 2 > len(bold):
        for question, answer in _split_at(lines, BOLD, HEADING):
            yield _note([question], answer)


def _read_headings(lines: Sequence[str]) -> Iterator[Note]:
    """Read headings that ask, with what follows; smaller headings that do not ask are part of the answer."""
    kept, level = [], 0
    for line in lines:
        found = HEADING.match(line)
        asking = bool(found and asks(_plain(found[2])))
        if found and (asking or len(found[1]) <= level or not level):
            level = len(found[1]) if asking else 0
            kept.append(line)
        else:
            kept.append(line.lstrip("#") if found else line)
    for heading, below in _split_at(kept, HEADING, HEADING):
        note = _note([heading], below)
        if asks(note.front):
            yield note
        elif note.back:
            yield Note(note.front, note.back, problem=NO_QUESTION)


def _split_at(lines: Sequence[str], start: re.Pattern[str], end: re.Pattern[str]) -> list[tuple[str, list[str]]]:
    """Return each line that starts a card, with those below until another starts or something ends it."""
    cards: list[tuple[str, list[str]]] = []
    below: list[str] = []
    for line in lines:
        if found := start.match(line):
            below = []
            cards.append((found[2], below))
        elif end.match(line):
            below = []
        else:
            below.append(line)
    return cards


def _note(front: Sequence[str], back: Sequence[str]) -> Note:
    return Note(NUMBER.sub("", _unbold(_plain("\n".join(front)))), _plain("\n".join(back)))


def _unbold(text: str) -> str:
    return text.strip().removesuffix("**").strip() if text.count("**") % 2 else text.strip()


def _plain(text: str) -> str:
    """Return Markdown without emphasis, links, heading marks and rules, images as HTML's; code stays as it is."""
    pieces = CODE_LINES.split(text)
    pieces[::2] = [_plain_prose(piece) for piece in pieces[::2]]
    return "".join(pieces).replace(CODE, "").strip()


def _plain_prose(text: str) -> str:
    text = LINK.sub(r"\1", IMAGE.sub("<img>", RULE.sub("", text)))
    return STRONG.sub(r"\2", WIKI_LINK.sub(r"\1", text))


CONVENTIONS: tuple[Callable[[Sequence[str]], Iterator[Note]], ...] = (
    _read_labelled, _read_folded, _read_obsidian, _read_tables, _read_bold, _read_headings,
)  # fmt: skip
