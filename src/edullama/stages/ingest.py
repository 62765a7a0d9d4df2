"""Lecture PDFs and PPTX files in, one record per slide out, and an account of every character."""

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from edullama.cache import Cache
from edullama.errors import InputError
from edullama.lectures import images, overlays
from edullama.lectures.decision import decide, used_images
from edullama.lectures.inputs import find_lectures
from edullama.lectures.looks import unite_alike
from edullama.lectures.reading import Input, Opened, load_pages, open_inputs, read_pages
from edullama.lectures.review import Use
from edullama.lectures.scanning import scan_all, want_figures, want_pages
from edullama.lectures.slides import Lecture, Source, make_all_slides
from edullama.manifest import Manifest
from edullama.recipe import Recipe
from edullama.records import Failure, Slide
from edullama.stages.drafts import Draft, Seen
from edullama.stages.slide_files import write_lectures, write_review
from edullama.stages.slide_models import describe_figures, describe_formulas, translate
from edullama.store import Task, Workspace

FEWEST_LECTURES = 3
ADVICE = "Open the page in a PDF viewer; if it shows there, export the file anew."


def run(work: Workspace, recipe: Recipe) -> Manifest:
    """Turn lectures into slides, each page by its text layer or by OCR, and account for all that was read."""
    files, failures = find_lectures(work.root / "lectures")
    _check_names(recipe, files)
    folder = work.folder("ingest")
    decisions = images.read_decisions(folder / "images.csv")
    steps = overlays.read_step_decisions(folder / "overlays.csv")
    task, cache = work.begin("ingest", recipe), Cache(folder / "cache.sqlite")
    opened, unopened = open_inputs(list(_inputs(task, files, recipe)), recipe.ingest.workers)
    read_pages(opened, cache, recipe.ingest.workers)
    drafts = [_draft(lecture, cache, decisions, recipe) for lecture in opened]
    seen, unseen = _look(task, drafts, recipe, cache)
    course = find_course_name(drafts)
    sources = [_source(draft, own, steps, course) for draft, own in zip(drafts, seen, strict=True)]
    lectures = make_all_slides(sources, recipe.ingest.workers)
    slides = [slide for lecture in lectures for slide in lecture.slides]
    slides = describe_formulas(task, slides, drafts, recipe, cache)
    slides = translate(task, slides, recipe, cache)
    cache.close()
    failures += [*unopened, *_page_failures(drafts), *unseen]
    write_lectures(task, lectures, slides, failures)
    write_review(task, drafts, lectures)
    return task.finish(**_count(lectures, slides, drafts, failures))


def _check_names(recipe: Recipe, files: Mapping[str, Path]) -> None:
    """Raise InputError for a lecture that the recipe names and that is not there."""
    for section, names in (("lecture", recipe.ingest.lecture), ("passwords", recipe.ingest.passwords)):
        for name in sorted(set(names) - set(files)):
            near = difflib.get_close_matches(name, files, 1)
            hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(files)}."
            raise InputError(f"ingest.{section}: no lecture is called {name!r}. {hint}")


def _inputs(task: Task, files: Mapping[str, Path], recipe: Recipe) -> Iterator[Input]:
    for lecture, path in files.items():
        file = path.relative_to(task.work.root).as_posix()
        yield Input(lecture, path, file, task.inputs[file].sha256, recipe.ingest.passwords.get(lecture, ""))


def _draft(opened: Opened, cache: Cache, decisions: images.Decisions, recipe: Recipe) -> Draft:
    """Decide how each page of a lecture is to be read."""
    pages, looks = load_pages(opened, cache)
    if not opened.source.is_pptx:  # images of PPTX files are found again by their own names
        pages = unite_alike(pages, looks)
    cleaning = recipe.ingest.cleaning(opened.source.lecture)
    listed = [replace(image, thumbnail=image.thumbnail if image.image in looks else "")
              for image in images.list_images(pages, decisions)]  # fmt: skip
    used = used_images(listed)
    return Draft(opened, cleaning, pages, looks, listed, {p.number: decide(p, used, cleaning) for p in pages})


def _look(task: Task, drafts: Sequence[Draft], recipe: Recipe, cache: Cache) -> tuple[list[Seen], list[Failure]]:
    """Read by their looks the pages and figures that call for it, and say where that failed."""
    languages, workers = recipe.ingest.ocr_languages, recipe.ingest.workers
    pages = [list(want_pages(d.opened, d.pages, d.decisions, languages)) for d in drafts]
    figures = [list(want_figures(d.opened, d.pages, d.decisions, d.used, languages)) for d in drafts]
    read = [w for d, own in zip(drafts, figures, strict=True) if d.cleaning.describe == "ocr" for w in own]
    wanted = [*chain(*pages), *read]
    scans = scan_all(wanted, languages, cache, workers)
    words = {w.image: scans[w.key].fragments[0] for w in read if scans[w.key].fragments}
    said = {"ocr": words, "endpoint": describe_figures(task, drafts, figures, recipe, cache), "none": {}}
    failures = [
        Failure(w.lecture.source.file, w.place.number, scans[w.key].problem, ADVICE)
        for w in wanted
        if scans[w.key].problem
    ]
    seen = [Seen({w.place.number: scans[w.key] for w in own}, said[d.cleaning.describe])
            for d, own in zip(drafts, pages, strict=True)]  # fmt: skip
    return seen, failures


def find_course_name(drafts: Sequence[Draft]) -> frozenset[str]:
    """Return the texts that most lectures have on their first page."""
    first = Counter(text for d in drafts for text in {fragment.text for fragment in d.pages[0].fragments})
    return frozenset(text for text, count in first.items() if count >= max(FEWEST_LECTURES, len(drafts) / 2))


def _source(draft: Draft, seen: Seen, steps: Mapping[str, Mapping[str, Use]], course: frozenset[str]) -> Source:
    own = {picture.image for page in draft.pages for picture in page.pictures}
    figures = {image: fragment for image, fragment in seen.figures.items() if image in own}
    return Source(
        draft.name, tuple(draft.pages), draft.decisions, draft.used, seen.pages, figures,
        dict(steps.get(draft.name, {})), draft.cleaning, course,
    )  # fmt: skip


def _page_failures(drafts: Sequence[Draft]) -> Iterator[Failure]:
    for draft in drafts:
        for page in draft.pages:
            if page.problem:
                yield Failure(draft.opened.source.file, page.number, page.problem, ADVICE)


def _count(
    lectures: Sequence[Lecture], slides: Sequence[Slide], drafts: Sequence[Draft], failures: Sequence[Failure]
) -> dict[str, int]:
    readings = [reading for lecture in lectures for reading in lecture.readings]
    return {
        "lectures": len(lectures),
        "pages": len(readings),
        "slides": len(slides),
        "ocr": sum(reading.method == "ocr" for reading in readings),
        "mixed": sum(reading.method == "mixed" for reading in readings),
        "blank": sum(reading.method == "blank" for reading in readings),
        "left_out": sum(reading.slide is None for reading in readings),
        "images": sum(len(draft.images) for draft in drafts),
        "unaccounted": sum(abs(lecture.balance.difference) for lecture in lectures),
        "failures": len(failures),
    }
