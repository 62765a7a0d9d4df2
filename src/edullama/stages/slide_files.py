"""What `ingest` writes: slides and texts, and the lists and the page for a person to review."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from edullama.lectures.images import Image, write_images
from edullama.lectures.overlays import Steps, write_steps
from edullama.lectures.slides import Lecture
from edullama.records import Balance, Failure, Reading, Slide
from edullama.stages.drafts import Draft
from edullama.store import Task


@dataclass(frozen=True, slots=True)
class Sheet:
    """What the page for review shows of one lecture."""

    name: str
    pages: int
    slides: int
    methods: str
    balance: Balance
    removed: int  # characters
    images: list[Image]
    steps: Sequence[Steps]
    readings: Sequence[Reading]


def write_lectures(
    task: Task, lectures: Sequence[Lecture], slides: Sequence[Slide], failures: Sequence[Failure]
) -> None:
    """Write what later stages read, what was taken out, and the account of every character."""
    task.write_records("slides.jsonl", slides)
    task.write_records("pages.jsonl", (reading for lecture in lectures for reading in lecture.readings))
    task.write_records("removed.jsonl", (item for lecture in lectures for item in lecture.removed))
    task.write_records("ledger.jsonl", (lecture.balance for lecture in lectures))
    in_order: list[Failure] = sorted(failures, key=lambda failure: (failure.file, failure.page or 0))
    task.write_records("failures.jsonl", in_order)
    task.notes.append(tell_balance([lecture.balance for lecture in lectures]))
    texts: dict[str, list[str]] = defaultdict(list)
    for slide in slides:
        texts[slide.lecture].append(f"--- {_name_pages(slide.pages)} ---\n{slide.text}\n")
    for lecture, parts in texts.items():
        task.write(f"text/{lecture}.txt", "\n".join(parts))
    files = {failure.file for failure in failures}
    if files:
        task.notes.append(f"partial: {len(files)} file(s) not read whole, see failures.jsonl")


def tell_balance(balances: Sequence[Balance]) -> str:
    """Say where the characters of all lectures went."""
    reasons: Counter[str] = Counter()
    for balance in balances:
        reasons.update(balance.removed)
    read, repaired, kept, failed = (
        sum(getattr(balance, name) for balance in balances) for name in ("extracted", "repaired", "kept", "failed")
    )
    off = sum(abs(balance.difference) for balance in balances)
    removed = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common() if count)
    parts = f"{kept:,} kept + {reasons.total():,} removed + {failed:,} unreadable"
    total = f"characters: {read:,} read {repaired:+,} by repairs = {parts}; {off:,} unaccounted for"
    return f"{total}\nremoved: {removed}" if removed else total


def write_review(task: Task, drafts: Sequence[Draft], lectures: Sequence[Lecture]) -> None:
    """Write the lists that a person edits, and the page that shows what was decided."""
    task.write("images.csv", write_images(image for draft in drafts for image in draft.images))
    task.write("overlays.csv", write_steps(row for lecture in lectures for row in lecture.steps))
    for image, jpeg in sorted(
        {(i.thumbnail, d.looks[i.image].jpeg) for d in drafts for i in d.images if i.image in d.looks}
    ):
        task.write(image, jpeg)
    task.write("contact.html", _render([_sheet(*pair) for pair in zip(drafts, lectures, strict=True)]))
    task.notes += [f"{draft.opened.source.file} {draft.opened.note}" for draft in drafts if draft.opened.note]


def _name_pages(pages: Sequence[int]) -> str:
    return f"page {pages[0]}" if len(pages) == 1 else f"pages {pages[0]} to {pages[-1]}"


def _sheet(draft: Draft, lecture: Lecture) -> Sheet:
    methods = Counter(reading.method for reading in lecture.readings)
    counts = ", ".join(f"{count} {method}" for method, count in methods.most_common())
    removed = sum(lecture.balance.removed.values())
    return Sheet(draft.name, len(draft.pages), len(lecture.slides), counts, lecture.balance, removed, draft.images,
                 lecture.steps, lecture.readings)  # fmt: skip


def _render(sheets: Sequence[Sheet]) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("edullama.lectures", ".")
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, undefined=StrictUndefined)
    return environment.get_template("contact.html.j2").render(lectures=sheets)
