"""Pages and figures read by their looks, side by side, and never twice."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

from edullama.cache import Cache, make_key
from edullama.lectures import ocr, pptx
from edullama.lectures.decision import Decision, used_pictures
from edullama.lectures.pages import Page, Picture, Scan
from edullama.lectures.reading import Opened
from edullama.progress import bar
from edullama.workers import Job, Limits, Lost, work_through

OCR = "18"  # another one with every change to how OCR is done: pages are then scanned anew
LIMITS = Limits(seconds=ocr.TIMEOUT + 30)
PLACES_A_JOB = 4
_adapter = TypeAdapter(Scan)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A page, or a figure on it, that OCR is to read, and what the result is known by."""

    lecture: Opened
    place: ocr.Place
    key: bytes
    image: str = ""  # the figure's name; "": the whole page


def want_pages(
    lecture: Opened, pages: Sequence[Page], decisions: Mapping[int, Decision], languages: str
) -> Iterator[Wanted]:
    """Yield the pages of a lecture that are read whole; what their text layer says is painted over first."""
    for page in pages:
        decision = decisions[page.number]
        if decision.whole:
            blank = decision.method == "mixed"
            key = make_key("ocr", OCR, languages, lecture.source.sha256, page.number, blank)
            yield Wanted(lecture, ocr.Place(page.number, None, blank), key)


def want_figures(
    lecture: Opened, pages: Sequence[Page], decisions: Mapping[int, Decision], used: frozenset[str], languages: str
) -> Iterator[Wanted]:
    """Yield the figures of a lecture on pages that are not read whole, each once."""
    seen: set[str] = set()
    for page in pages:
        decision = decisions[page.number]
        for picture in used_pictures(page, used) if decision.method == "mixed" and not decision.whole else []:
            if picture.image not in seen:
                seen.add(picture.image)
                yield Wanted(lecture, _place(page, picture), _figure_key(picture, languages), picture.image)


def scan_all(wanted: Sequence[Wanted], languages: str, cache: Cache, workers: int) -> dict[bytes, Scan]:
    """Return what OCR reads in each place, by key; a place that it does not survive has its problem told."""
    known = {item.key: cache.get(item.key) for item in wanted}
    missing = {item.key: item for item in wanted if known[item.key] is None}  # one figure may be in two lectures
    found = {key: _adapter.validate_json(value) for key, value in known.items() if value}
    if not missing:
        return found
    ocr.check_tesseract(languages)
    with bar("reading images", len(known), len(known) - len(missing)) as advance:
        for _, item, result in work_through(_jobs(list(missing.values()), languages), workers, LIMITS):
            scan = Scan((), f"OCR {result.problem}") if isinstance(result, Lost) else result
            found[item.key] = scan
            if not scan.problem:  # else the next run tries again
                cache.put(item.key, _adapter.dump_json(scan))
            advance(1)
    cache.commit()
    return found


def _place(page: Page, picture: Picture) -> ocr.Place:
    return ocr.Place(page.number, picture.box, blank_text=True)


def _figure_key(picture: Picture, languages: str) -> bytes:
    return make_key("figure", OCR, languages, picture.image)


def _jobs(wanted: Sequence[Wanted], languages: str) -> list[Job]:
    by_lecture: dict[Opened, list[Wanted]] = defaultdict(list)
    for item in wanted:
        by_lecture[item.lecture].append(item)
    return [
        Job(_scan, (lecture, languages), items[start : start + PLACES_A_JOB])
        for lecture, items in by_lecture.items()
        for start in range(0, len(items), PLACES_A_JOB)
    ]


def _scan(lecture: Opened, languages: str, items: Sequence[Wanted]) -> Iterator[Scan]:
    source = lecture.source
    if source.is_pptx:
        for item in items:
            image = pptx.read_picture(source.path, item.place.number, item.image)
            yield ocr.scan_picture(image, languages) if image else Scan((), "an image in a format that is not read")
    else:
        yield from ocr.scan(source.path, source.password, languages, [item.place for item in items])
