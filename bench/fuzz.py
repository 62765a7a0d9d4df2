"""Damaged lectures: real decks cut to a few pages and mangled at random, all read in one run.

The run must end by itself with a known exit code and without a traceback, and every page of every file must be in the
results or among the failures. The same seed makes the same files.
"""

import random
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from courses import NO_OCR, PARTIAL, READ, Deck, command, find_decks, mupdf, new_course, read_jsonl
from part import Finding, Options, Row
from watching import Run, watch

SEED = 0
PIECES = 40  # cut from decks; each is mangled many times
MOST_PAGES = 4
MOST_BITS = 64
START, PER_FILE = 120.0, 0.5  # seconds that a run may take: generous, it only has to end
OBJECT = re.compile(rb"\d+ 0 obj\b(.*?)\bendobj\b", re.DOTALL)
LENGTH = re.compile(rb"/Length \d+")
COUNT = """
import sys, pymupdf
pymupdf.TOOLS.mupdf_display_errors(False)
pymupdf.TOOLS.mupdf_display_warnings(False)
for path in sys.argv[1:]:
    try:
        count = len(pymupdf.open(path))
    except Exception:
        count = 0
    print("pages", count, file=sys.stderr, flush=True)
"""
Mangle = Callable[[bytes, random.Random], bytes]


def measure_fuzz(options: Options) -> Finding:
    """Read mangled files and account for every one."""
    with new_course(NO_OCR) if options.keep is None else nullcontext(_keep(options.keep)) as course:
        paths = _make_files(find_decks(options.lectures), course / "lectures", options.fuzz)
        run = watch(command(course), limit=START + PER_FILE * len(paths))
        problems = _judge_run(run)
        ended = run.code in (READ, PARTIAL)
        outcomes = _account(course, paths) if ended else {}
    files: dict[str, list[str]] = defaultdict(list)
    for name, outcome in outcomes.items():
        files[outcome].append(name)
    problems += [f"fuzz: {name}: pages are neither read nor among the failures" for name in files["lost"]]
    counts = {outcome: len(files[outcome]) for outcome in ("whole", "partial", "refused", "lost")}
    rows = [Row(f"mangled files, {outcome}", count, "files") for outcome, count in counts.items()]
    rows.append(Row("mangled files, time", run.seconds, "s", over=f"{len(paths):,} files"))
    rows.append(Row("mangled files, memory of a worker", run.worker_mb, "MB"))
    figures = {"files": len(paths), **counts, "seconds": round(run.seconds, 1), "exit_code": run.code, "hung": run.hung}
    return Finding(rows, {"fuzz": figures}, problems)


def _keep(folder: Path) -> Path:
    (folder / "lectures").mkdir(parents=True)
    (folder / "course.toml").write_text(NO_OCR)
    return folder


def _judge_run(run: Run) -> list[str]:
    """Say what went wrong with the run as a whole."""
    if run.hung:
        return [f"fuzz: the run did not end within {run.seconds:.0f} s"]
    problems = []
    if run.code not in (READ, PARTIAL):
        problems.append(f"fuzz: exit code {run.code}")
    if "Traceback (most recent call last)" in run.errors:
        problems.append(f"fuzz: a traceback:\n{run.errors[-2000:]}")
    return problems


def _make_files(decks: Sequence[Deck], folder: Path, count: int) -> list[Path]:
    """Mangle pieces of decks, every way equally often; one in three is mangled twice."""
    dice = random.Random(SEED)
    pieces = [_cut_piece(dice.choice(decks), dice) for _ in range(min(PIECES, count))]
    paths = []
    for number in range(count):
        ways = [MANGLES[number % len(MANGLES)], *dice.choice(([], [], [dice.choice(MANGLES)]))]
        data = dice.choice(pieces)
        for way in ways:
            data = way(data, dice)
        paths.append(folder / f"{number:04}-{'-'.join(way.__name__ for way in ways)}.pdf")
        paths[-1].write_bytes(data)
    return paths


def _cut_piece(deck: Deck, dice: random.Random) -> bytes:
    """Cut out a few pages; some pieces pack their objects into streams, as newer programs do."""
    first = dice.randrange(deck.pages)
    last = min(first + dice.randint(1, MOST_PAGES), deck.pages)
    with mupdf.open(deck.path) as document:
        document.select(list(range(first, last)))
        return bytes(document.tobytes(garbage=3, deflate=True, use_objstms=dice.randint(0, 1), no_new_id=True))


def flip_bits(data: bytes, dice: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.randint(1, MOST_BITS)):
        changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def cut_tail(data: bytes, dice: random.Random) -> bytes:
    return data[: dice.randrange(len(data))] or data[:1]


def zero_range(data: bytes, dice: random.Random) -> bytes:
    start, end = _choose_range(data, dice)
    return data[:start] + bytes(end - start) + data[end:]


def double_range(data: bytes, dice: random.Random) -> bytes:
    start, end = _choose_range(data, dice)
    return data[:end] + data[start:]


def swap_objects(data: bytes, dice: random.Random) -> bytes:
    """Give two objects each other's body."""
    objects = list(OBJECT.finditer(data))
    if len(objects) < 2:
        return flip_bits(data, dice)
    one, other = sorted(dice.sample(objects, 2), key=lambda found: found.start())
    (start, end), (begin, stop) = one.span(1), other.span(1)
    return data[:start] + other[1] + data[end:begin] + one[1] + data[stop:]


def break_lengths(data: bytes, dice: random.Random) -> bytes:
    """Let streams claim wrong lengths."""
    return LENGTH.sub(lambda found: b"/Length %d" % dice.randrange(100_000) if dice.random() < 0.5 else found[0], data)


MANGLES: tuple[Mangle, ...] = (flip_bits, cut_tail, zero_range, double_range, swap_objects, break_lengths)


def _choose_range(data: bytes, dice: random.Random) -> tuple[int, int]:
    """Choose up to a tenth of the file."""
    start = dice.randrange(len(data))
    return start, min(len(data), start + dice.randint(1, max(1, len(data) // 10)))


def _account(course: Path, paths: Sequence[Path]) -> dict[str, str]:
    """Say of each file whether it was read whole, in part or not at all, or has pages that nobody accounts for."""
    read: dict[str, set[int]] = defaultdict(set)
    for record in [*(read_jsonl(course, "slides.jsonl") or []), *(read_jsonl(course, "pages.jsonl") or [])]:
        read[record["lecture"]].update(record.get("pages") or [record["page"]])
    failed: dict[str, set[int | None]] = defaultdict(set)
    for failure in read_jsonl(course, "failures.jsonl") or []:
        failed[Path(failure["file"]).stem].add(failure["page"])
    counts = _count_pages(paths)
    return {
        path.name: _outcome(read[path.stem], failed[path.stem], count)
        for path, count in zip(paths, counts, strict=True)
    }


def _outcome(read: set[int], failed: set[int | None], counted: int) -> str:
    """`counted` are the pages that another look into the file found; 0: it found none."""
    if None in failed:
        return "refused"
    pages: set[Any] = read | failed
    if not pages or max(pages) != len(pages) or len(pages) < counted:
        return "lost"
    return "partial" if failed else "whole"


def _count_pages(paths: Sequence[Path]) -> list[int]:
    """Count each file's pages in a process of its own: where a file brings that down or holds it up, its count is 0."""
    counts: list[int] = []
    while len(counts) < len(paths):
        rest = [str(path) for path in paths[len(counts) :]]
        answer = watch([sys.executable, "-c", COUNT, *rest], limit=START)
        counts += [int(line.split()[1]) for line in answer.errors.splitlines() if line.startswith("pages ")]
        if len(counts) < len(paths):
            counts.append(0)
    return counts
