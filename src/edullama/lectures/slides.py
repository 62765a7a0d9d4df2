"""From pages to slides: what of them is the slide's own text, and what becomes of the rest."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from edullama.lectures.decision import FEW_LETTERS, Decision, used_pictures
from edullama.lectures.furniture import find_furniture
from edullama.lectures.hyphens import collect_words, resolve
from edullama.lectures.language import load_languages, tell_language, tell_usual_language
from edullama.lectures.overlays import Steps, join_steps, list_steps, merge_steps
from edullama.lectures.pages import Fragment, Loss, Page, Scan, count_characters, count_letters
from edullama.lectures.review import Use
from edullama.lectures.slide_kinds import Shown, is_repeat, tell_kinds
from edullama.lectures.titles import find_titles
from edullama.recipe import Cleaning
from edullama.records import Balance, Block, BlockKind, PageMethod, Reading, Removed, Slide, SlideKind
from edullama.workers import Job, Limits, Lost, WorkerError, work_through

WORD = re.compile(r"[^\W\d_]{3,}")
FEWEST_NEW_WORDS = 3  # in a figure
ALONE = 60  # characters that tell their language by themselves
LONG_TITLE = 150  # characters; longer is a paragraph that happens to stand at the top
FURNITURE = "running head or foot"
SAID_AGAIN = "said again on"  # a later page of the same slide
SIGNS = ("code", "formula")  # kinds of blocks in no language
Kept = tuple[int, Fragment]  # page number, fragment
Taken = tuple[int, Loss]


@dataclass(frozen=True, slots=True)
class Source:
    """All that was read of one lecture."""

    lecture: str
    pages: tuple[Page, ...]
    decisions: dict[int, Decision]  # by page number
    used: frozenset[str]  # images that count
    scans: dict[int, Scan]  # what OCR read on whole pages, by page number
    figures: dict[str, Fragment]  # what is said of images, by name
    steps: dict[str, Use]  # a person's decisions about runs of pages
    cleaning: Cleaning
    repeated: frozenset[str] = frozenset()  # what many lectures of the course begin with: its name, not their titles


@dataclass(frozen=True, slots=True)
class Lecture:
    """One lecture as slides, with an account of everything that was read of it."""

    slides: tuple[Slide, ...]
    removed: tuple[Removed, ...]
    readings: tuple[Reading, ...]  # one a page
    steps: tuple[Steps, ...]
    balance: Balance


@dataclass(frozen=True, slots=True)
class _Draft:
    """A slide before it is known what kind it is."""

    pages: tuple[Page, ...]
    kept: list[Kept]
    heading: Fragment | None  # as the page shows it
    title: str
    used: int  # pictures that count


def make_all_slides(sources: Sequence[Source], workers: int) -> list[Lecture]:
    """Turn lectures into slides, side by side. A defect of ours ends the run: what was read is in the cache."""
    load_languages()  # once, before the workers branch off
    jobs = [Job(_make_each, (), [source]) for source in sorted(sources, key=lambda source: -len(source.pages))]
    made = {}
    for _, source, lecture in work_through(jobs, workers, Limits(seconds=600)):
        if isinstance(lecture, Lost):
            raise WorkerError(f"{source.lecture}: making slides {lecture.problem}")
        made[source.lecture] = lecture
    return [made[source.lecture] for source in sources]


def _make_each(sources: Sequence[Source]) -> Iterator[Lecture]:
    yield from (make_slides(source) for source in sources)


def make_slides(source: Source) -> Lecture:
    """Turn a lecture's pages into slides and say where each character went."""
    cleaning = source.cleaning
    pages, taken = _choose_texts(source)
    pages, running = _take_furniture(pages)
    rows = list_steps(pages, source.steps, find=cleaning.overlays)
    drafts, repeated = _merge(source, pages, join_steps(pages, rows))
    drafts, hyphens = _resolve_hyphens([_add_figures(draft, source) for draft in drafts])
    usual = tell_usual_language(_prose(fragment for draft in drafts for _, fragment in draft.kept))
    shown = [_shown(draft) for draft in drafts]
    kinds = tell_kinds(shown)
    reasons = _why_drop(shown, kinds, cleaning)
    slides, left_out = _finish(source, drafts, kinds, reasons, usual)
    removed = [Removed(source.lecture, page, loss.reason, loss.text.replace("\u00ad", ""), loss.box)
               for page, loss in (*taken, *running, *repeated, *left_out)]  # fmt: skip
    readings = _tell_readings(source, drafts, kinds, slides, usual)
    balance = _balance(source, drafts, slides, removed, hyphens)
    return Lecture(tuple(slides), tuple(removed), tuple(readings), tuple(rows), balance)


def _choose_texts(source: Source) -> tuple[list[Page], list[Taken]]:
    """Put OCR's text in the place of what the text layer does not tell, and part what is not drawn."""
    pages, taken = [], []
    for page in source.pages:
        decision = source.decisions[page.number]
        scan = source.scans.get(page.number)
        fragments, losses = _choose(page, decision, scan.fragments if scan else ())
        pages.append(replace(page, fragments=fragments, invisible=()))
        unsure = scan.lost if scan else ()
        taken += [(page.number, loss) for loss in (*page.lost, *unsure, *losses)]
    return pages, taken


def _choose(
    page: Page, decision: Decision, scanned: tuple[Fragment, ...]
) -> tuple[tuple[Fragment, ...], Iterator[Loss]]:
    """Return the fragments that count, and the losses."""
    found = count_letters(scanned)
    invisible = _lose(page.invisible, "invisible text layer over what it was recognised in")
    if decision.method == "mixed" and decision.whole:
        return (*page.fragments, *scanned), invisible
    if decision.whole and found >= max(FEW_LETTERS, count_letters(page.fragments)):
        return scanned, chain(_lose(page.fragments, "text layer that OCR replaced"), invisible)
    if not count_letters(page.fragments) and page.invisible and not decision.whole:
        return page.invisible, _lose(page.fragments, "text layer that the invisible one replaced")
    return page.fragments, chain(_lose(scanned, "OCR that read less than the text layer says"), invisible)


def _lose(fragments: Sequence[Fragment], reason: str) -> Iterator[Loss]:
    return (Loss(fragment.text, reason, fragment.box) for fragment in fragments)


def _take_furniture(pages: Sequence[Page]) -> tuple[list[Page], list[Taken]]:
    """Part running heads, feet and page numbers from the pages."""
    furniture = find_furniture(pages)
    kept: list[Page] = []
    taken: list[Taken] = []
    for page in pages:
        marked = [(page.number, index) in furniture for index in range(len(page.fragments))]
        pairs = list(zip(page.fragments, marked, strict=True))
        kept.append(replace(page, fragments=tuple(fragment for fragment, running in pairs if not running)))
        running = [fragment for fragment, is_running in pairs if is_running]
        taken += [(page.number, loss) for loss in _lose(running, FURNITURE)]
    return kept, taken


def _merge(source: Source, pages: Sequence[Page], groups: Sequence[Sequence[int]]) -> tuple[list[_Draft], list[Taken]]:
    """Make one draft of each group of pages."""
    drafts: list[_Draft] = []
    repeated: list[Taken] = []
    titles = find_titles(pages, source.repeated)
    for group in groups:
        own = tuple(pages[index] for index in group)
        kept, lost = merge_steps(own)
        heading = titles[own[-1].number] or titles[own[0].number]
        pictures = len(used_pictures(own[-1], source.used))
        drafts.append(_Draft(own, kept, heading, _title_text(heading), pictures))
        repeated += lost
    return drafts, repeated


def _title_text(title: Fragment | None) -> str:
    if title is None:
        return ""
    text = " ".join(title.text.replace("\u00ad", "").split())
    return text if len(text) <= LONG_TITLE else title.text.splitlines()[0][:LONG_TITLE]


def _add_figures(draft: _Draft, source: Source) -> _Draft:
    """Add what is said of the figures that the slide's pages show, each once."""
    found: dict[str, Kept] = {}
    for page in draft.pages:
        for picture in used_pictures(page, source.used):
            said = source.figures.get(picture.image)
            if said and _is_news(said, page):
                found.setdefault(said.text, (page.number, replace(said, box=picture.box)))
    return replace(draft, kept=[*draft.kept, *found.values()])


def _is_news(said: Fragment, page: Page) -> bool:
    """Tell whether OCR read more in a figure than the page's text says and than axes are labelled with."""
    known = set(WORD.findall(" ".join(fragment.text for fragment in page.fragments).casefold()))
    return said.method != "ocr" or len(set(WORD.findall(said.text.casefold())) - known) >= FEWEST_NEW_WORDS


def _resolve_hyphens(drafts: Sequence[_Draft]) -> tuple[list[_Draft], int]:
    """Settle with the lecture's own words which hyphens at line ends belong to their words; count those that do not."""
    words = collect_words(fragment.text for draft in drafts for _, fragment in draft.kept)
    resolved, removed = [], 0
    for draft in drafts:
        kept = []
        for number, fragment in draft.kept:
            text, count = resolve(fragment.text, words) if "\u00ad" in fragment.text else (fragment.text, 0)
            kept.append((number, replace(fragment, text=text) if text != fragment.text else fragment))
            removed += count
        resolved.append(replace(draft, kept=kept, title=resolve(draft.title, words)[0]))
    return resolved, removed


def _shown(draft: _Draft) -> Shown:
    page, heading = draft.pages[-1], draft.heading
    texts = tuple(f.text for _, f in draft.kept if f.kind != "figure" and " ".join(f.text.split()) != draft.title)
    middle = (heading.box[1] + heading.box[3]) / 2 / max(1.0, page.height) if heading else 0.0
    return Shown(draft.title, texts, heading.size if heading else 0.0, middle, draft.used)


def _why_drop(shown: Sequence[Shown], kinds: Sequence[SlideKind], cleaning: Cleaning) -> list[str]:
    """Say for each slide why it is left out, or "" to keep it."""
    return [
        f"{name} slide" if name in cleaning.drop else f"{kind} slide" if kind in cleaning.drop else ""
        for kind, repeats in zip(kinds, is_repeat(shown, kinds), strict=True)
        for name in ["outline repeat" if repeats else kind]
    ]


def _finish(
    source: Source, drafts: Sequence[_Draft], kinds: Sequence[SlideKind], reasons: Sequence[str], usual: str
) -> tuple[list[Slide], list[Taken]]:
    """Return the slides that stay, and what else was left out of them."""
    slides: list[Slide] = []
    left_out: list[Taken] = []
    for draft, kind, reason in zip(drafts, kinds, reasons, strict=True):
        kept, lost = ([], draft.kept) if reason else _part_kinds(draft.kept, source.cleaning)
        left_out += [(number, Loss(f.text, reason or f"{f.kind} left out", f.box)) for number, f in lost]
        if not reason:
            slides.append(_make_slide(source, draft, kept, kind, usual))
    return slides, left_out


def _part_kinds(kept: Sequence[Kept], cleaning: Cleaning) -> tuple[list[Kept], list[Kept]]:
    """Part code and formulas that are to be left out from the rest."""
    unwanted = {"code"} if cleaning.code == "drop" else set()
    unwanted |= {"formula"} if cleaning.formulas == "drop" else set()
    return [pair for pair in kept if pair[1].kind not in unwanted], [pair for pair in kept if pair[1].kind in unwanted]


def _make_slide(source: Source, draft: _Draft, kept: Sequence[Kept], kind: SlideKind, usual: str) -> Slide:
    last = draft.pages[-1]
    settled = _settle(last, source.decisions[last.number], source)
    language = tell_language(_prose(fragment for _, fragment in kept), usual)
    blocks = tuple(_make_block(number, fragment, language or usual, source.cleaning) for number, fragment in kept)
    numbers = tuple(page.number for page in draft.pages)
    reason = f"unreadable: {last.problem}" if last.problem else f"{settled.method}: {settled.reason}"
    return Slide(source.lecture, numbers, draft.title, blocks, language, kind, reason, last.hidden)


def _make_block(number: int, fragment: Fragment, language: str, cleaning: Cleaning) -> Block:
    before, after = _marks(fragment.kind, cleaning)
    long = len(fragment.text) >= ALONE  # a shorter one is in the language of its slide
    own = "" if fragment.kind in SIGNS else (long and tell_language(fragment.text, language)) or language
    return Block(before + fragment.text + after, fragment.method, number, fragment.box, fragment.kind, own)


def _marks(kind: BlockKind, cleaning: Cleaning) -> tuple[str, str]:
    """Return what stands before and after code or a formula that is to be marked as such."""
    if kind == "code" and cleaning.code == "tag":
        return "```\n", "\n```"
    return ("[formula] ", "") if kind == "formula" and cleaning.formulas == "tag" else ("", "")


def _tell_readings(
    source: Source, drafts: Sequence[_Draft], kinds: Sequence[SlideKind], slides: Sequence[Slide], usual: str
) -> Iterator[Reading]:
    """Say of each page how it was read and what it became part of."""
    slide_of = {number: slide.pages[0] for slide in slides for number in slide.pages}
    invisible = {page.number: tell_language(_prose(page.invisible)) for page in source.pages if page.invisible}
    for draft, kind in zip(drafts, kinds, strict=True):
        for page in draft.pages:
            settled = _settle(page, source.decisions[page.number], source)
            figures = [source.figures[p.image] for p in page.pictures if p.image in source.figures]
            language = tell_language(_prose((*page.fragments, *figures)), usual) or invisible.get(page.number, "")
            first = slide_of.get(page.number)
            yield Reading(
                source.lecture, page.number, first, kind, settled.method, settled.reason, language, draft.title
            )


def _prose(fragments: Iterable[Fragment]) -> str:
    """Return what is written in some language."""
    return "\n".join([fragment.text for fragment in fragments if fragment.kind not in SIGNS])


def _settle(page: Page, decision: Decision, source: Source) -> Decision:
    """Return what a decision came to once OCR has looked."""
    if decision.whole:
        scan = source.scans.get(page.number)
        found = count_letters(scan.fragments) if scan else 0
        stayed = decision.method == "ocr" and any(fragment.method == "text" for fragment in page.fragments)
        method: PageMethod = "text" if stayed else decision.method
        return replace(decision, method=method, reason=f"{decision.reason}; OCR read {found} letters")
    if decision.method != "mixed":
        return decision
    said = [source.figures[p.image] for p in used_pictures(page, source.used) if p.image in source.figures]
    letters = count_letters(fragment for fragment in said if _is_news(fragment, page))
    words = f"{decision.reason}; {letters} letters in or about figures"
    return replace(decision, method="mixed" if letters else "text", reason=words)


def _balance(
    source: Source, drafts: Sequence[_Draft], slides: Sequence[Slide], removed: Sequence[Removed], hyphens: int
) -> Balance:
    """Count where every character went."""
    scans = source.scans.values()
    texts = [f.text for scan in scans for f in scan.fragments] + [loss.text for scan in scans for loss in scan.lost]
    seen = sum(map(count_characters, texts))
    said = sum(count_characters(f.text) for draft in drafts for _, f in draft.kept if f.kind == "figure")
    extracted = sum(page.extracted for page in source.pages) + seen + said
    kept = sum(count_characters(block.text) for slide in slides for block in slide.blocks)
    marks = sum(count_characters("".join(_marks(b.kind, source.cleaning))) for slide in slides for b in slide.blocks)
    repaired = sum(page.repaired for page in source.pages) + marks
    failed = sum(page.unreadable for page in source.pages)
    reasons: Counter[str] = Counter()
    for item in removed:
        reasons[SAID_AGAIN if item.reason.startswith(SAID_AGAIN) else item.reason] += count_characters(item.text)
    if hyphens:
        reasons["hyphen at the end of a line"] = hyphens
    difference = extracted + repaired - kept - reasons.total() - failed
    return Balance(source.lecture, extracted, repaired, kept, dict(sorted(reasons.items())), failed, difference)
