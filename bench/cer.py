"""How well scans are read: character error rate of OCR on decks whose text layer says what stands there.

Pages of born-digital decks are drawn at 150 dpi in grey and put into PDFs without text. Compared is, page by page, what
ingest makes of such a scan with what it makes of the same page's text layer: both went through the same cleaning, so
that what differs is OCR's doing, reading order and signs for bullets included. Running heads count on neither side:
what OCR read where one stands in the original is left out, and counted apart. What part of the rate is due to formulas,
whose signs have no order in a text layer that OCR could meet, and to the order of lines, is shown beside it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from courses import (
    DATA,
    NO_OCR,
    PAGE_BY_PAGE,
    SAMPLE,
    WITH_OCR,
    have,
    ingest,
    mupdf,
    new_course,
    read_jsonl,
    read_slides,
    text_by_page,
)
from part import Finding, Options, Row, rounded

DPI = 150
PAGES = 25  # a language
FEWEST_PAGES = 5  # of a deck: running heads show only where pages repeat
FEWEST_WORDS = 30  # on a page
FEWEST_LETTERS = 0.8  # of the characters: formulas have no text layer to compare with
LARGEST_PICTURES = 0.1  # of the page: OCR rightly reads what stands in them
MOST_REPEATED = 0.6  # of the words of the page before: an overlay
DEVELOPED_ON = {  # decks that were looked at while OCR was made better
    "RWU19_ADL_01_Schutera", "java-classic__generics3-polymorphism", "java-modern__optional", "junit__junit4-property",
}  # fmt: skip
Slide = dict[str, Any]
Places = dict[tuple[str, int], list[Any]]  # boxes by lecture and page
SOURCES = {
    "en": (DATA / "dl_schutera_en" / "slides", SAMPLE, "0[1245]-*.pdf"),
    "de": (DATA / "prog2_hsbi_de" / "slides", SAMPLE, "03-*.pdf"),
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """One page: how long its text is, and how many edits part OCR's text from it."""

    length: int
    edits: int  # in OCR's reading order
    reordered: int  # with OCR's lines put into the order of the text layer


def measure_cer(options: Options) -> Finding:
    """Read the scans of both languages in one run, and compare them with the text layers."""
    with new_course(WITH_OCR + PAGE_BY_PAGE) as scans, new_course(NO_OCR + PAGE_BY_PAGE) as originals:
        languages = {}
        for language in SOURCES:
            for path, numbers in _choose_pages(language):
                languages[path.stem] = language
                _draw(path, numbers, scans / "lectures" / path.name)
                _cut(path, numbers, originals / "lectures" / path.name)
        ingest(originals)
        run = ingest(scans)
        slides, scanned = read_slides(originals), read_slides(scans)
        heads = _places(read_jsonl(originals, "removed.jsonl") or [])
    kept, left = _leave_out(scanned, heads)
    worded, formulas = _part_formulas(slides)
    prose = _compare_all(worded, _leave_out(kept, formulas)[0])
    every = _compare_all(slides, kept)
    rows = [Row("running heads left in by OCR", left, "blocks", over=f"{len(every)} pages")]
    figures: dict[str, dict[str, float | None]] = defaultdict(dict)
    for language in SOURCES:
        own = [[pages[page] for page in pages if languages[page[0]] == language] for pages in (prose, every)]
        found = _rows(language, *own)
        rows += found
        for name, row in zip(("cer", "cer_any_order", "cer_without_formulas"), found, strict=True):
            figures[name][language] = rounded(row.value, 4)
    cores = run.user_seconds / run.seconds
    rows.append(Row("processors busy at OCR", cores, "cores", over=f"{len(every)} pages, start-up included"))
    rows.append(Row("speed of OCR", len(every) / run.seconds, "pages/s", over=f"{len(every)} pages"))
    return Finding(rows, {**figures, "ocr_cores": round(cores, 2)})


def _places(removed: Sequence[dict[str, Any]]) -> Places:
    """Return where running heads and the like stood, by lecture and page."""
    places: Places = defaultdict(list)
    for row in removed if have(removed, "box", "removed.jsonl") else []:
        places[row["lecture"], row["page"]].append(mupdf.Rect(row["box"]))
    return places


def _part_formulas(slides: Iterable[Slide]) -> tuple[list[Slide], Places]:
    """Part formulas from slides, and tell where they stood."""
    worded = []
    places: Places = defaultdict(list)
    for slide in slides:
        for block in slide["blocks"]:
            if block["kind"] == "formula":
                places[slide["lecture"], block["page"]].append(mupdf.Rect(block["box"]))
        worded.append({**slide, "blocks": [block for block in slide["blocks"] if block["kind"] != "formula"]})
    return worded, places


def _leave_out(slides: Iterable[Slide], places: Places) -> tuple[list[Slide], int]:
    """Take out the blocks that stand in places; returns how many as well."""
    kept, left = [], 0
    for slide in slides:
        blocks = slide["blocks"]
        staying = [b for b in blocks if not _covered(b, places.get((slide["lecture"], b["page"]), ()))]
        left += len(blocks) - len(staying)
        kept.append({**slide, "blocks": staying})
    return kept, left


def _compare_all(expected: Sequence[Slide], read: Sequence[Slide]) -> dict[tuple[str, int], Comparison]:
    """Compare page by page."""
    wanted, got = text_by_page(expected), text_by_page(read)
    return {page: _compare(text, got.get(page, "")) for page, text in wanted.items() if text}


def _covered(block: dict[str, Any], places: Iterable[Any]) -> bool:
    box = mupdf.Rect(block["box"])
    return bool(sum(abs(box & place) for place in places) > 0.5 * abs(box))


def _rows(language: str, prose: Sequence[Comparison], every: Sequence[Comparison]) -> list[Row]:
    return [
        _row(f"CER, {language}", every, [page.edits for page in every]),
        _row(f"CER, {language}, order of lines set aside", every, [page.reordered for page in every]),
        _row(f"CER, {language}, formulas set aside", prose, [page.edits for page in prose]),
    ]


def _row(name: str, pages: Sequence[Comparison], edits: Sequence[int]) -> Row:
    length = sum(page.length for page in pages)
    shares = [edit / page.length for edit, page in zip(edits, pages, strict=True)]
    over = f"{len(pages)} pages, {length:,} characters; by page"
    cer = sum(edits) / length if length else None
    return Row(name, cer, "", min(shares, default=None), max(shares, default=None), over)


def _choose_pages(language: str) -> list[tuple[Path, list[int]]]:
    """Choose decks of a language with most pages of prose, and those pages (0-based)."""
    folder, fallback, pattern = SOURCES[language]
    fresh = [path for path in sorted(folder.glob("*.pdf")) if path.stem not in DEVELOPED_ON]
    paths = fresh or sorted(fallback.glob(pattern))
    candidates = [(path, _prose_pages(path)) for path in paths]
    chosen, left = [], PAGES
    for path, numbers in sorted(candidates, key=lambda candidate: -len(candidate[1])):
        if numbers and left >= FEWEST_PAGES:
            chosen.append((path, numbers[:left]))
            left -= len(numbers[:left])
    return chosen


def _prose_pages(path: Path) -> list[int]:
    numbers: list[int] = []
    before: set[str] = set()
    with mupdf.open(path) as document:
        for page in document:
            words = page.get_text().split()
            if _is_prose(words, page) and len(before & set(words)) <= MOST_REPEATED * len(before):
                numbers.append(page.number)
                before = set(words)
    return numbers


def _is_prose(words: Sequence[str], page: Any) -> bool:
    characters = "".join(words)
    letters = sum(character.isalpha() for character in characters)
    pictures = sum(abs(mupdf.Rect(image["bbox"]) & page.rect) for image in page.get_image_info())
    worded = len(words) >= FEWEST_WORDS and letters >= FEWEST_LETTERS * len(characters)
    return worded and pictures <= LARGEST_PICTURES * abs(page.rect)


def _draw(source: Path, numbers: Sequence[int], target: Path) -> None:
    """Save pages as pictures of themselves."""
    with mupdf.open(source) as document, mupdf.open() as scan:
        for number in numbers:
            page = document[number]
            png = page.get_pixmap(dpi=DPI, colorspace="gray").tobytes("png")
            new = scan.new_page(width=page.rect.width, height=page.rect.height)
            new.insert_image(new.rect, stream=png)
        scan.save(target)


def _cut(source: Path, numbers: Sequence[int], target: Path) -> None:
    """Save pages as they are."""
    with mupdf.open(source) as document:
        document.select(list(numbers))
        document.save(target, garbage=3)


def _compare(expected: str, read: str) -> Comparison:
    """Count the edits; runs of white space count as one space."""
    reference, text = " ".join(expected.split()), " ".join(read.split())
    lines = [" ".join(line.split()) for line in read.splitlines()]
    reordered = " ".join(sorted(lines, key=lambda line: int(edit_row(line, reference, anywhere=True).argmin())))
    counts = [int(edit_row(reference, candidate)[-1]) for candidate in (text, reordered)]
    return Comparison(len(reference), counts[0], min(counts))


def edit_row(wanted: str, text: str, *, anywhere: bool = False) -> NDArray[np.int64]:
    """Return for each length of `text`'s beginning how many edits (Levenshtein) part it from `wanted`.

    With `anywhere`, for each place in `text`: how many edits part `wanted` from the nearest piece that ends there.
    """
    columns = np.arange(len(text) + 1)
    letters = np.frombuffer(text.encode("utf-32-le", "replace"), np.uint32)
    row = np.zeros_like(columns) if anywhere else columns
    for number, letter in enumerate(wanted, 1):
        replaced = np.concatenate(([number], row[:-1] + (letters != ord(letter))))
        best = np.minimum(row + 1, replaced)
        row = np.minimum.accumulate(best - columns) + columns  # what is inserted costs one edit a character
    return row
