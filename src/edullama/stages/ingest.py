"""Lecture PDFs in, one record per slide out."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor

from edullama.errors import InputError
from edullama.files import PartialLog
from edullama.lectures import images, ocr, pdf
from edullama.lectures.pages import Page, Scan
from edullama.lectures.slides import decide, make_slides, used_images
from edullama.progress import bar
from edullama.recipe import Recipe
from edullama.records import Failure, Manifest, Rejection, Slide, stable_id
from edullama.store import Task, Workspace

T = TypeVar("T")
Job = tuple[Callable[..., T], tuple[Any, ...]]
PAGES_A_JOB = 40  # a long lecture keeps all workers busy, and a kill loses no more than this
FEW_JOBS = 3  # read here: starting workers takes longer


@dataclass(frozen=True, slots=True)
class Lecture:
    """A PDF that opens."""

    name: str
    path: Path
    pages: int


def run(work: Workspace, recipe: Recipe) -> Manifest:
    """Turn lecture PDFs into slides, each page by its text layer or by OCR, and say of each why."""
    files = _find_lectures(work)
    decisions = images.read_decisions(work.folder("ingest") / "images.csv")
    task = work.begin("ingest", recipe)
    lectures, failures = _open_lectures(task, files)
    pages = _read_pages(task, lectures, recipe.ingest.workers)
    listed = images.list_images(pages, decisions)
    used = used_images(listed)
    scans = _scan_pages(task, lectures, pages, used, recipe)
    failures += _page_failures(lectures, pages, scans, work)
    slides, removed = _make_all_slides(pages, used, scans)
    _write(task, slides, removed, failures)
    task.write("images.csv", images.write_images(listed))
    return task.finish(
        lectures=len(lectures), slides=len(slides), blank=sum(slide.kind == "blank" for slide in slides),
        ocr=sum(slide.reason.startswith("ocr") for slide in slides), images=len(listed), removed=len(removed),
        failures=len(failures),
    )  # fmt: skip


def _find_lectures(work: Workspace) -> dict[str, Path]:
    """Return the PDFs by lecture name; names that would be equal are told apart by a hash of the path."""
    by_name: dict[str, list[str]] = defaultdict(list)
    root = work.root / "lectures"
    for path in work.inputs("lectures/**/*.[pP][dD][fF]"):
        relative = path.relative_to(root).as_posix()
        by_name[relative[: -len(path.suffix)].replace("/", "__")].append(relative)
    if not by_name:
        raise InputError(f"{root}: no PDF there. Put the course's lecture slides into this folder, as PDF files.")
    names = {
        name if len(same) == 1 else f"{name}-{stable_id(relative)[:6]}": root / relative
        for name, same in by_name.items()
        for relative in same
    }
    return dict(sorted(names.items()))


def _open_lectures(task: Task, files: dict[str, Path]) -> tuple[list[Lecture], list[Failure]]:
    """Count pages; a file that does not open is a failure, and the others go through."""
    lectures: list[Lecture] = []
    failures: list[Failure] = []
    for name, path in files.items():
        file = path.relative_to(task.work.root).as_posix()
        try:
            count, repaired = pdf.count_pages(path)
        except pdf.UnreadableError as error:
            failures.append(Failure(file, None, error.problem, error.advice))
            continue
        lectures.append(Lecture(name, path, count))
        if repaired:
            task.notes.append(f"{file} is damaged; {count} pages could be found: check that none is missing")
    return lectures, failures


def _read_pages(task: Task, lectures: Sequence[Lecture], workers: int) -> list[Page]:
    """Read all pages, going on where an interrupted run stopped."""
    log = task.log("pages", Page)
    done = {(page.lecture, page.number) for page in log.read()}
    jobs: list[Job[list[Page]]] = [
        (pdf.read_pages, (lecture.path, lecture.name, numbers))
        for lecture in lectures
        for numbers in _ranges(lecture, done)
    ]
    total = sum(lecture.pages for lecture in lectures)
    _work_through(jobs, log, "reading pages", total, len(done), workers if len(jobs) > FEW_JOBS else 1)
    return sorted(log.read(), key=lambda page: (page.lecture, page.number))


def _ranges(lecture: Lecture, done: set[tuple[str, int]]) -> Iterator[list[int]]:
    missing = [number for number in range(1, lecture.pages + 1) if (lecture.name, number) not in done]
    for start in range(0, len(missing), PAGES_A_JOB):
        yield missing[start : start + PAGES_A_JOB]


def _scan_pages(
    task: Task, lectures: Sequence[Lecture], pages: Sequence[Page], used: dict[str, frozenset[str]], recipe: Recipe
) -> dict[tuple[str, int], Scan]:
    """Read by OCR the pages that need it, going on where an interrupted run stopped."""
    log = task.log("scans", Scan)
    done = {(scan.lecture, scan.number) for scan in log.read()}
    paths = {lecture.name: lecture.path for lecture in lectures}
    wanted = [page for page in pages if decide(page, used.get(page.lecture, frozenset())).method == "ocr"]
    missing = [page for page in wanted if (page.lecture, page.number) not in done]
    if missing:
        ocr.check_tesseract(recipe.ingest.ocr_languages)
    jobs: list[Job[list[Scan]]] = [
        (ocr.scan_pages, (paths[page.lecture], page.lecture, [page.number], recipe.ingest.ocr_languages))
        for page in missing
    ]
    workers = recipe.ingest.workers if len(jobs) > FEW_JOBS else 1
    _work_through(jobs, log, "reading scans", len(wanted), len(wanted) - len(missing), workers)
    return {(scan.lecture, scan.number): scan for scan in log.read()}


def _work_through(
    jobs: Sequence[Job[list[T]]], log: PartialLog[T], label: str, total: int, done: int, workers: int
) -> None:
    """Do the jobs side by side and log each as it is finished."""
    if not jobs:
        return
    calls = (delayed(function)(*arguments) for function, arguments in jobs)
    finished: Iterable[list[T]] = Parallel(n_jobs=workers, return_as="generator_unordered")(calls)
    with bar(label, total, done) as advance:
        for records in finished:
            log.append(records)
            advance(len(records))
    if workers > 1:
        get_reusable_executor().shutdown()  # idle workers would hold memory that training needs


def _page_failures(
    lectures: Sequence[Lecture], pages: Sequence[Page], scans: dict[tuple[str, int], Scan], work: Workspace
) -> list[Failure]:
    files = {lecture.name: lecture.path.relative_to(work.root).as_posix() for lecture in lectures}
    advice = "Open the page in a PDF viewer; if it shows there, export the file anew."
    problems: list[Page | Scan] = [*pages, *scans.values()]
    return [Failure(files[p.lecture], p.number, p.problem, advice) for p in problems if p.problem]


def _make_all_slides(
    pages: Sequence[Page], used: dict[str, frozenset[str]], scans: dict[tuple[str, int], Scan]
) -> tuple[list[Slide], list[Rejection]]:
    by_lecture: dict[str, list[Page]] = defaultdict(list)
    for page in pages:
        by_lecture[page.lecture].append(page)
    slides: list[Slide] = []
    removed: list[Rejection] = []
    for name, own in by_lecture.items():
        own_scans = {number: scan for (lecture, number), scan in scans.items() if lecture == name}
        made, left_out = make_slides(own, used.get(name, frozenset()), own_scans)
        slides += made
        removed += left_out
    return slides, removed


def _write(task: Task, slides: Sequence[Slide], removed: Sequence[Rejection], failures: Sequence[Failure]) -> None:
    task.write_records("slides.jsonl", slides)
    task.write_records("removed.jsonl", removed)
    in_order: list[Failure] = sorted(failures, key=lambda failure: (failure.file, failure.page or 0))
    task.write_records("failures.jsonl", in_order)
    texts: dict[str, list[str]] = defaultdict(list)
    for slide in slides:
        texts[slide.lecture].append(f"--- page {slide.pages[0]} ---\n{slide.text}\n")
    for lecture, parts in texts.items():
        task.write(f"text/{lecture}.txt", "\n".join(parts))
    files = {failure.file for failure in failures}
    if files:
        task.notes.append(f"partial: {len(files)} file(s) not read whole, see failures.jsonl")
