"""How often ingest decides as a person did: precision and recall against the labels in tests/truth.

A label file names one real deck and says which pages are steps of one slide, what each page's title, language and way
of being read are, which texts run along its pages and which pictures only decorate them. Each course's labelled decks
are read together, with OCR.
"""

import json
import re
import shutil
import sys
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from courses import DATA, DEFAULT, ROOT, have, ingest, new_course, read_csv, read_jsonl, read_slides, text_by_page
from part import Finding, Options, Row, rounded

LABELS = ROOT / "tests" / "truth"
RUNNING = "running head or foot"  # the reason in removed.jsonl
DECORATION = {"logo", "background", "icon"}  # kinds in images.csv
FEWEST_PAGES = 3  # our rows about fewer are no claim that a picture is repeated
SAME_BOX = 0.5  # intersection over union
SAME_EDGE = 0.05  # of the page: PDFs give lines with the space that their corners might take
SAME_PAGES = 0.5  # of the longer list
TOKEN = re.compile(r"[^\W\d_]+|[^\w\s]")
Record = dict[str, Any]
Page = tuple[str, int]  # lecture, 1-based number


@dataclass(frozen=True, slots=True)
class Result:
    """What ingest wrote about a course; None: the file is not there."""

    slides: list[Record]
    pages: list[Record] | None
    removed: list[Record] | None
    images: list[dict[str, str]] | None


@dataclass(frozen=True, slots=True)
class Score:
    """How many of our claims are right, and how many of the labels they meet."""

    name: str
    found: int
    right: int
    labelled: int
    met: int
    mistakes: tuple[str, ...]

    @property
    def precision(self) -> float | None:
        return self.right / self.found if self.found else None

    @property
    def recall(self) -> float | None:
        return self.met / self.labelled if self.labelled else None


def measure_truth(options: Options) -> Finding:
    """Read the labelled decks course by course, and add up what was right."""
    by_course: dict[str, list[Record]] = defaultdict(list)
    for path in sorted(LABELS.glob("*/*.json")):
        label = json.loads(path.read_text(encoding="utf-8"))
        if (DATA / label["course"] / label["file"]).exists():
            by_course[label["course"]].append(label)
    if not by_course:
        print(f"none of the decks that {LABELS} labels is in {DATA}: truth is not measured", file=sys.stderr)
        return Finding([], {"truth": None})
    by_name: dict[str, list[Score]] = defaultdict(list)
    for labels in by_course.values():
        for score in _judge(labels, _read(labels)):
            by_name[score.name].append(score)
    scores = [_add_up(name, parts) for name, parts in by_name.items()]
    if options.mistakes:
        print(*(f"{score.name}: {mistake}" for score in scores for mistake in score.mistakes), sep="\n")
    decks = [label for labels in by_course.values() for label in labels]
    size = {"decks": len(decks), "pages": sum(label["pages"] for label in decks)}
    return Finding([row for score in scores for row in _rows(score)], {"truth": {**size, **_figures(scores)}})


def _add_up(name: str, parts: Sequence[Score]) -> Score:
    columns = zip(*((part.found, part.right, part.labelled, part.met) for part in parts), strict=True)
    found, right, labelled, met = map(sum, columns)
    return Score(name, found, right, labelled, met, tuple(mistake for part in parts for mistake in part.mistakes))


def _rows(score: Score) -> list[Row]:
    if score.name == "titles lost":
        return [Row("titles lost", score.found, "titles", over=f"{score.labelled} titles not read by OCR")]
    precision = Row(f"{score.name}, precision", score.precision, "", over=f"{score.found} found")
    return [precision, Row(f"{score.name}, recall", score.recall, "", over=f"{score.labelled} labelled")]


def _figures(scores: Iterable[Score]) -> Record:
    figures: Record = {}
    for score in scores:
        both = {"precision": rounded(score.precision, 4), "recall": rounded(score.recall, 4)}
        figures[score.name.replace(" ", "_")] = score.found if score.name == "titles lost" else both
    return figures


def _read(labels: Iterable[Record]) -> Result:
    with new_course(DEFAULT) as course:
        for label in labels:
            path = DATA / label["course"] / label["file"]
            shutil.copyfile(path, course / "lectures" / path.name)
        ingest(course)
        pages, removed = read_jsonl(course, "pages.jsonl"), read_jsonl(course, "removed.jsonl")
        return Result(read_slides(course), pages, removed, read_csv(course, "images.csv"))


def _judge(labels: list[Record], result: Result) -> list[Score]:
    """Compare all that both sides tell about."""
    scores = [_compare("overlays", _labelled_pairs(labels), _found_pairs(result.slides))]
    if result.removed is not None and have(result.removed, "page", "removed.jsonl"):
        found = [((row["lecture"], row["page"]), row["text"]) for row in result.removed if row["reason"] == RUNNING]
        scores.append(_compare("running text", _tokens(_labelled_running(labels)), _tokens(found)))
    if result.images is not None and have(result.images, "box", "images.csv"):
        scores.append(_compare_logos(labels, result.images))
    if result.pages is not None:
        scores += _compare_pages(labels, result.pages)
        scores.append(_count_lost_titles(labels, result.slides, result.pages))
    return scores


def _compare(name: str, labelled: set[Any], found: set[Any]) -> Score:
    right = len(labelled & found)
    missed = [f"missed {fact}" for fact in sorted(labelled - found)]
    wrong = [f"wrong {fact}" for fact in sorted(found - labelled)]
    return Score(name, len(found), right, len(labelled), right, (*missed, *wrong))


def _lecture(label: Record) -> str:
    return Path(label["file"]).stem


def _labelled_pairs(labels: Iterable[Record]) -> set[Hashable]:
    """Return the pairs of neighbouring pages that are steps of one slide: a group of n pages has n - 1."""
    groups = ((_lecture(label), group) for label in labels for group in label["overlays"])
    return {(lecture, page, page + 1) for lecture, (first, last) in groups for page in range(first, last)}


def _found_pairs(slides: Iterable[Record]) -> set[Hashable]:
    return {(slide["lecture"], *pair) for slide in slides for pair in pairwise(slide["pages"])}


def _labelled_running(labels: Iterable[Record]) -> list[tuple[Page, str]]:
    rows = [(label, row) for label in labels for row in label["running"]]
    return [((_lecture(label), page), row["text"]) for label, row in rows for page in _numbers(row["pages"])]


def _tokens(texts: Iterable[tuple[Page, str]]) -> set[tuple[Page, str, int]]:
    """Return words and signs by page, told apart by count: lines may be cut differently. All numbers are alike."""
    counts: Counter[tuple[Page, str]] = Counter()
    for page, text in texts:
        counts.update((page, token) for token in TOKEN.findall(re.sub(r"\d+", "#", text.casefold())))
    return {(*key, number) for key, count in counts.items() for number in range(count)}


def _numbers(ranges: str) -> set[int]:
    """Read "1-3 7"."""
    ends = [[int(end) for end in part.split("-")] for part in ranges.split()]
    return {number for end in ends for number in range(end[0], end[-1] + 1)}


def _compare_logos(labels: Iterable[Record], images: Iterable[dict[str, str]]) -> Score:
    """A picture is met where half of its pages and half of its place agree."""
    labelled = [
        (_lecture(label), _numbers(logo["pages"]), tuple(logo["box"])) for label in labels for logo in label["logos"]
    ]
    rows = [row for row in images if row["kind"] in DECORATION]
    found = [(row["lecture"], _numbers(row["pages"]), tuple(map(float, row["box"].split()))) for row in rows]
    claims = [row for row in found if len(row[1]) >= FEWEST_PAGES]
    missed = [logo for logo in labelled if not any(_same_logo(logo, row) for row in found)]
    wrong = [row for row in claims if not any(_same_logo(logo, row) for logo in labelled)]
    mistakes = [*(f"missed {logo}" for logo in missed), *(f"wrong {row}" for row in wrong)]
    right, met = len(claims) - len(wrong), len(labelled) - len(missed)
    return Score("logos", len(claims), right, len(labelled), met, tuple(mistakes))


def _same_logo(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    enough = SAME_PAGES * max(len(one[1]), len(other[1]))
    same_edges = all(abs(a - b) <= SAME_EDGE for a, b in zip(one[2], other[2], strict=True))
    same_box = same_edges or _iou(one[2], other[2]) >= SAME_BOX
    return one[0] == other[0] and len(one[1] & other[1]) >= enough and same_box


def _iou(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(0.0, width) * max(0.0, height)
    areas = ((right - left) * (bottom - top) for left, top, right, bottom in (one, other))
    return shared / max(sum(areas) - shared, 1e-9)


def _compare_pages(labels: list[Record], pages: list[Record]) -> list[Score]:
    """Compare what is told of every page; of titles, those that there are."""
    titles = {(*page, _plain(title)) for page, title in _by_page(labels, "titles").items() if title}
    ours = {(page["lecture"], page["page"], _plain(page["title"])) for page in pages if page["title"]}
    labelled = {(*page, method) for page, method in _by_page(labels, "method").items()}
    found = {(page["lecture"], page["page"], page["method"]) for page in pages}
    # Where a person finds too little text to tell its language, no answer is wrong
    languages = {(*page, language) for page, language in _by_page(labels, "language").items() if language}
    worded = {fact[:2] for fact in languages}
    told = {(p["lecture"], p["page"], p["language"]) for p in pages if (p["lecture"], p["page"]) in worded}
    needs_ocr, had_ocr = ({fact[:2] for fact in facts if fact[2] in ("ocr", "mixed")} for facts in (labelled, found))
    return [
        _compare("titles", titles, ours),
        _compare("method", labelled, found),
        _compare("OCR needed", needs_ocr, had_ocr),
        _compare("language", languages, told),
    ]


def _by_page(labels: Iterable[Record], what: str) -> dict[Page, str]:
    return {(_lecture(label), int(page)): value for label in labels for page, value in label[what].items()}


def _plain(text: str) -> str:
    """Keep letters and digits alone, as lower case."""
    return "".join(re.findall(r"[^\W_]+", text.casefold()))


def _count_lost_titles(labels: list[Record], slides: list[Record], pages: list[Record]) -> Score:
    """Count labelled titles that are in no text of their page; what OCR misread is not lost, so its pages are left out.

    `found` are the lost ones.
    """
    texts: dict[Page, str] = defaultdict(str, text_by_page(slides))
    for record in [*slides, *pages]:
        for number in record.get("pages") or [record["page"]]:
            texts[record["lecture"], number] += "\n" + record["title"]
    methods = _by_page(labels, "method")
    titles = {page: title for page, title in _by_page(labels, "titles").items() if title and methods[page] != "ocr"}
    lost = [(*page, title) for page, title in titles.items() if _plain(title) not in _plain(texts[page])]
    return Score("titles lost", len(lost), 0, len(titles), 0, tuple(str(fact) for fact in lost))
