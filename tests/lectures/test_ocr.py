import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pymupdf
import pytest

from edullama.errors import InputError
from edullama.lectures.ocr import Place, check_tesseract, scan

mupdf: Any = pymupdf  # its functions have no types


def words(texts: Iterable[str]) -> set[str]:
    return {word for text in texts for word in re.findall(r"[A-Za-z]{4,}", text)}


def test_a_scanned_german_deck_reads_like_its_source(data: Path) -> None:
    with mupdf.open(data / "prog2_hsbi_de/slides/java-modern__lambdas.pdf") as source:
        truth = words(source[number - 1].get_text() for number in (1, 4, 8))
    path = data / "quirks/derived/scan_lambdas_150dpi_gray.pdf"
    scans = list(scan(path, "", "eng+deu", [Place(number, None, False) for number in (1, 4, 8)]))
    read = words(fragment.text for one in scans for fragment in one.fragments)
    assert scans[0].fragments[0].text == "Lambda-Ausdrücke und funktionale Interfaces"
    assert len(truth & read) / len(truth) > 0.75


def test_a_missing_language_is_named_with_the_line_that_installs_it() -> None:
    with pytest.raises(InputError, match=r"no xyz_abc\. Run: sudo apt-get install tesseract-ocr-xyz-abc"):
        check_tesseract("eng+xyz_abc")


def test_missing_tesseract_is_told_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="apt-get install tesseract-ocr tesseract-ocr-eng tesseract-ocr-deu"):
        check_tesseract("eng+deu")
