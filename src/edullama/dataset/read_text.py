"""The text of a file whose encoding nobody told."""

import codecs
from itertools import islice
from pathlib import Path

from edullama.errors import InputError

MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
SHOWN_LINES, SHOWN_CHARACTERS = 3, 80


def read_text(path: Path) -> tuple[str, str]:
    """Return a file's text and its encoding: UTF-8, UTF-16 with its mark, else what Excel saves on Windows."""
    data = path.read_bytes()
    encoding = next((name for mark, name in MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        encoding = "windows-1252"
        text = data.decode(encoding, errors="replace")
    if "\0" in text:
        raise InputError(f"{path}: not a text file, or damaged. Save it as text in UTF-8.")
    return text, encoding


def show_first_lines(text: str) -> str:
    """Say what a text begins with."""
    lines = islice((line.strip() for line in text.splitlines() if line.strip()), SHOWN_LINES)
    shown = " / ".join(repr(line[:SHOWN_CHARACTERS]) for line in lines)
    return f"It begins: {shown}" if shown else "It is empty."
