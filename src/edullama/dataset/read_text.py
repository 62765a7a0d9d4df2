"""The text of a file whose encoding nobody told."""

import codecs
from pathlib import Path

from edullama.errors import InputError

MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


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
