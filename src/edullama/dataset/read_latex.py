"""Notes of LaTeX flashcards: an environment with the front as its argument, or a command with two."""

import re
from collections.abc import Iterator
from pathlib import Path

from edullama.dataset.card_text import MATH, escape_brackets
from edullama.dataset.latex_text import COMMENT, plain_latex
from edullama.dataset.notes import Note
from edullama.dataset.read_text import read_text

START = re.compile(r"\\begin\s*\{(flashcard|karte|card)\}\s*|\\(card|flashcard|karte)\b\s*")
OPTION = re.compile(r"\s*\[([^\]]*)\]\s*")
BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
IMAGE = re.compile(
    r"\\includegraphics\*?(?:\[[^\]]*\])?\{[^{}]*\}|\\begin\{tikzpicture\}.*?\\end\{tikzpicture\}", re.DOTALL
)
FORMULAS = (
    (re.compile(r"\\\\\s*\[[^\]]*\]"), r"\\\\"),  # a new line with some space is no formula
    (re.compile(r"\\begin\{(equation|align|displaymath|gather|math)\*?\}(.*?)\\end\{\1\*?\}", re.DOTALL), r"\\[\2\\]"),
    (re.compile(r"(?<!\\)(\$\$?)([^$]+)\1"), r"\\(\2\\)"),
)


def read_latex(path: Path) -> list[Note]:
    r"""Read `\begin{flashcard}[kind]{front} back \end{flashcard}` and `\card{front}{back}`."""
    text, _ = read_text(path)
    text = COMMENT.sub("", text)
    for pattern, marked in FORMULAS:
        text = pattern.sub(marked, text)
    return list(_find_cards(text))


def _find_cards(text: str) -> Iterator[Note]:
    place = 0
    while start := START.search(text, place):
        kind, place = _read_option(text, start.end())
        front, place = _read_group(text, place)
        _, place = _read_option(text, place)
        if start[1]:
            end = text.find(f"\\end{{{start[1]}}}", place)
            back, place = (text[place:end], end) if end >= 0 else (text[place:], len(text))
        else:
            back, place = _read_group(text, place)
        if front.strip() or back.strip():
            front = f"{kind}: {front}" if kind and "?" not in front else front
            yield Note(_plain(front), _plain(back))


def _read_option(text: str, place: int) -> tuple[str, int]:
    found = OPTION.match(text, place)
    return (found[1].strip(), found.end()) if found else ("", place)


def _read_group(text: str, place: int) -> tuple[str, int]:
    """Return what stands in the braces that begin here, and where they end; nothing where none begin."""
    start = re.compile(r"\s*\{").match(text, place)
    if not start:
        return "", place
    depth = 0
    for brace in BRACE.finditer(text, start.end() - 1):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return text[start.end() : brace.start()], brace.end()
    return text[start.end() :], len(text)


def _plain(text: str) -> str:
    """Return prose without commands; formulas keep their marks, and images become HTML's."""
    pieces = []
    place = 0
    for formula in MATH.finditer(text):
        pieces += [_plain_prose(text[place : formula.start()]), escape_brackets(formula[0])]
        place = formula.end()
    return "".join([*pieces, _plain_prose(text[place:])]).strip()


def _plain_prose(text: str) -> str:
    images = "<img>" * len(IMAGE.findall(text))
    return images + escape_brackets(plain_latex(IMAGE.sub(" ", text)))
