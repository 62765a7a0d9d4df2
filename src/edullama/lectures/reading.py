"""Files opened and pages read, side by side, in workers that may die, and never twice."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image
from pydantic import TypeAdapter

from edullama.cache import Cache, make_key
from edullama.lectures import pdf, pptx, second_opinion
from edullama.lectures.looks import THUMBNAIL, Look, look_at
from edullama.lectures.pages import Page, UnreadableError
from edullama.progress import Advance, bar
from edullama.records import Failure
from edullama.workers import Job, Limits, Lost, work_through

READER = "6"  # another one with every change to what a page's record says: older records are then read anew
PAGES_A_JOB = 40  # a long lecture keeps all workers busy
JOBS_A_WORKER = 4
NO_PROBLEM = b'"problem":""'
MANY_PAGES = 1000  # more are a book rather than a lecture
LIMITS = Limits()
_adapter = TypeAdapter(Page)


@dataclass(frozen=True, slots=True)
class Input:
    """A file that should be a lecture."""

    lecture: str
    path: Path
    file: str  # its path in the course
    sha256: str
    password: str = ""

    @property
    def is_pptx(self) -> bool:
        return self.path.suffix.lower() == ".pptx"


@dataclass(frozen=True, slots=True)
class Opened:
    """A lecture whose pages are counted."""

    source: Input
    pages: int
    note: str = ""  # what its owner should know
    mupdf: bool = True  # False: only pypdf can open it


def open_inputs(inputs: Sequence[Input], workers: int) -> tuple[list[Opened], list[Failure]]:
    """Count the pages of each file; what does not open is a failure with advice, and the others go through."""
    opened: list[Opened] = []
    failures: list[Failure] = []
    refused: list[tuple[Input, Failure]] = []
    for _, item, result in work_through([Job(_open_all, (), [item]) for item in inputs], workers, LIMITS):
        if isinstance(result, Opened):
            opened.append(result)
        else:
            refused.append((item, _tell_lost(item, result) if isinstance(result, Lost) else result))
    jobs = [Job(_open_otherwise, (), [item]) for item, _ in refused if item.path.suffix.lower() == ".pdf"]
    others = {item.file: result for _, item, result in work_through(jobs, workers, LIMITS)}
    for item, failure in refused:
        second = others.get(item.file)
        opened += [second] if isinstance(second, Opened) else []
        failures += [] if isinstance(second, Opened) else [failure]
    return sorted(opened, key=lambda one: one.source.lecture), failures


def read_pages(lectures: Sequence[Opened], cache: Cache, workers: int) -> None:
    """Read into the cache all pages that are not there yet.

    What MuPDF cannot read, or does not survive, is read by pypdf; what neither reads has its problem told.
    """
    missing = {lecture: _find_missing(lecture, cache) for lecture in lectures}
    total = sum(lecture.pages for lecture in lectures)
    with bar("reading pages", total, total - sum(map(len, missing.values()))) as advance:
        troubled: dict[Opened, list[tuple[int, str]]] = defaultdict(list)
        jobs = [job for lecture, numbers in missing.items() for job in _first_jobs(lecture, numbers, workers)]
        for job, number, result in work_through(jobs, workers, LIMITS):
            if result.problem:  # of a worker that was lost, or of a page
                troubled[job.arguments[0]].append((number, result.problem))
            else:
                _keep(cache, job.arguments[0], number, result)
                advance(1)
        _ask_again(cache, troubled, workers, advance)
    cache.commit()


def load_pages(lecture: Opened, cache: Cache) -> tuple[list[Page], dict[str, Look]]:
    """Return a lecture's pages and the looks of their images from the cache."""
    numbers = range(1, lecture.pages + 1)
    pages = [_adapter.validate_json(cache.get(_page_key(lecture, number)) or b"") for number in numbers]
    names = {picture.image for page in pages for picture in page.pictures}
    found = ((name, cache.get(_look_key(lecture, name))) for name in sorted(names))
    return pages, {name: Look.unpack(value) for name, value in found if value}


@dataclass(frozen=True, slots=True)
class _Read:
    """What a worker gives back for a page."""

    page: bytes  # JSON
    problem: str
    looks: dict[str, bytes]


def _open_all(items: Sequence[Input]) -> Iterator[Opened | Failure]:
    for item in items:
        try:
            yield _open_one(item)
        except UnreadableError as error:
            yield Failure(item.file, None, error.problem, error.advice)


def _open_one(item: Input) -> Opened:
    if item.is_pptx:
        return Opened(item, pptx.count_slides(item.path))
    count, damage = pdf.count_pages(item.path, item.password)
    many = f"has {count:,} pages: a book? Each becomes a slide." if count > MANY_PAGES else ""
    return Opened(item, count, " ".join(filter(None, (damage, many))))


def _open_otherwise(items: Sequence[Input]) -> Iterator[Opened | None]:
    """Open with pypdf what MuPDF cannot open."""
    for item in items:
        count = second_opinion.count_pages(item.path, item.password)
        note = f"is damaged: MuPDF cannot open it, pypdf finds {count} pages, without their layout"
        yield Opened(item, count, note, mupdf=False) if count else None


def _tell_lost(item: Input, lost: Lost) -> Failure:
    advice = "Open it in a PDF viewer and print it to a new PDF."
    return Failure(item.file, None, f"opening it {lost.problem}", advice)


def _find_missing(lecture: Opened, cache: Cache) -> list[int]:
    """Return the pages that were not read, or had a problem: it may have been a busy machine."""
    values = ((number, cache.get(_page_key(lecture, number))) for number in range(1, lecture.pages + 1))
    return [number for number, value in values if value is None or NO_PROBLEM not in value]


def _first_jobs(lecture: Opened, numbers: Sequence[int], workers: int) -> Iterator[Job]:
    """Yield a lecture's pages in runs; a book's are longer, since opening it anew takes long."""
    size = max(PAGES_A_JOB, len(numbers) // (JOBS_A_WORKER * max(1, workers)))
    for start in range(0, len(numbers), size):
        yield Job(_read_all, (lecture,), numbers[start : start + size])


def _read_all(lecture: Opened, numbers: Sequence[int]) -> Iterator[_Read]:
    source = lecture.source
    if source.is_pptx:
        seen: set[str] = set()
        for page in pptx.read_slides(source.path, source.lecture, numbers):
            own = {name: look.pack() for name, look in _look_at_slide(source, page, seen)}
            yield _Read(_adapter.dump_json(page), page.problem, own)
    elif not lecture.mupdf:
        yield from (_Read(b"", "MuPDF cannot open the file", {}) for _ in numbers)
    else:
        for page, looks in pdf.read_pages(source.path, source.lecture, source.password, numbers):
            packed = {name: look.pack() for name, look in looks.items()}
            yield _Read(_adapter.dump_json(page), page.problem, packed)


def _look_at_slide(source: Input, page: Page, seen: set[str]) -> Iterator[tuple[str, Look]]:
    """Yield the looks of the images of a PPTX slide that none before it showed."""
    for name in sorted({picture.image for picture in page.pictures} - seen):
        seen.add(name)
        png = pptx.read_picture(source.path, page.number, name)
        if png:
            with Image.open(BytesIO(png)) as image:
                image.thumbnail((THUMBNAIL, THUMBNAIL))
                yield name, look_at(image)


def _read_again(lecture: Opened, numbers: Sequence[tuple[int, str]]) -> Iterator[_Read]:
    source = lecture.source
    for page in second_opinion.read_pages(source.path, source.lecture, source.password, numbers):
        yield _Read(_adapter.dump_json(page), page.problem, {})


def _ask_again(cache: Cache, troubled: Mapping[Opened, list[tuple[int, str]]], workers: int, advance: Advance) -> None:
    """Have pypdf read the pages that MuPDF could not; keep the problem where it cannot either."""
    jobs = [
        Job(_read_again, (lecture,), numbers[start : start + PAGES_A_JOB])
        for lecture, numbers in troubled.items()
        for start in range(0, len(numbers), PAGES_A_JOB)
    ]
    for job, (number, complaint), result in work_through(jobs, workers, LIMITS):
        lecture = job.arguments[0]
        lost = isinstance(result, Lost)
        _keep(cache, lecture, number, _give_up(lecture, number, complaint, result) if lost else result)
        advance(1)


def _give_up(lecture: Opened, number: int, complaint: str, lost: Lost) -> _Read:
    page = pdf.unreadable_page(lecture.source.lecture, number, f"{complaint}; pypdf: {lost.problem}")
    return _Read(_adapter.dump_json(page), page.problem, {})


def _keep(cache: Cache, lecture: Opened, number: int, read: _Read) -> None:
    cache.put(_page_key(lecture, number), read.page)
    for name, look in read.looks.items():
        cache.put(_look_key(lecture, name), look)


def _page_key(lecture: Opened, number: int) -> bytes:
    return make_key("page", READER, lecture.source.sha256, lecture.source.lecture, lecture.mupdf, number)


def _look_key(lecture: Opened, name: str) -> bytes:
    return make_key("look", READER, lecture.source.sha256, name)
