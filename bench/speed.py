"""How fast born-digital lectures are read, beside pypdf and markitdown; how that grows; what memory it takes."""

import random
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from courses import NO_OCR, ROOT, Deck, add_copies, fill, find_decks, ingest, new_course
from part import Finding, Options, Row
from watching import watch

PEERS = ROOT / ".venv-bench" / "bin" / "python"
READERS = {
    "pypdf": "import sys, pypdf; [[p.extract_text() for p in pypdf.PdfReader(f).pages] for f in sys.argv[1:]]",
    "markitdown": "import sys, markitdown; m = markitdown.MarkItDown(); [m.convert(f) for f in sys.argv[1:]]",
}
GROWTH = (1, 4, 16)  # 1,250, 5,000 and 20,000 pages


def measure_speed(options: Options) -> Finding:
    """Let every reader read the same decks in turns: the peers, which are slow, one copy, we several."""
    if not PEERS.exists():
        raise SystemExit(f"{PEERS} is not there. Run `make bench`, which installs the peers.")
    decks = find_decks(options.lectures)
    rounds = [_read_in_turns(decks, options.copies) for _ in range(options.rounds)]
    pages = sum(deck.pages for deck in decks)
    over = f"{pages * options.copies:,} pages, {options.rounds} rounds"
    rows = [_spread("speed", "pages/s", [1 / times["edullama"] for times in rounds], over)]
    figures = {"pages_per_second": round(rows[0].value or 0.0, 1)}
    for peer in READERS:
        ratios = [times[peer] / times["edullama"] for times in rounds]
        rows.append(_spread(f"speed of {peer}", "pages/s", [1 / times[peer] for times in rounds], f"{pages:,} pages"))
        rows.append(_spread(f"speed, {peer}'s taken as 1", "x", ratios, "by round"))
        figures[f"ratio_vs_{peer}"] = round(median(ratios), 2)
    return Finding(rows, figures)


def _read_in_turns(decks: Sequence[Deck], copies: int) -> dict[str, float]:
    """Return by reader the seconds a page took, start-up included."""
    pages = sum(deck.pages for deck in decks)
    with new_course(NO_OCR) as course:
        first = add_copies(course, [*decks] * copies)[: len(decks)]
        seconds = {"edullama": ingest(course).seconds / (pages * copies)}
        for peer, code in READERS.items():
            seconds[peer] = _run_peer(code, first) / pages
    return seconds


def _run_peer(code: str, paths: Sequence[Path]) -> float:
    run = watch([str(PEERS), "-c", code, *map(str, paths)])
    if run.code:
        raise SystemExit(f"a peer ended with {run.code}:\n{run.errors[-2000:]}")
    return run.seconds


def _spread(name: str, unit: str, values: Sequence[float], over: str) -> Row:
    return Row(name, median(values), unit, min(values), max(values), over)


def measure_growth(options: Options) -> Finding:
    """Read the same decks 1, 4 and 16 times over: a page should take the same time.

    Start-up weighs most on the smallest course and would hide slow growth, so the steps between are compared as well.
    """
    decks = find_decks(options.lectures)
    random.Random(0).shuffle(decks)  # what does not fit in is no one course's
    unit = fill(decks, options.pages)
    rows: list[Row] = []
    seconds: dict[int, float] = {}
    for copies in GROWTH:
        pages = copies * sum(deck.pages for deck in unit)
        print(f"  {pages:,} pages", file=sys.stderr)
        with new_course(NO_OCR) as course:
            add_copies(course, unit * copies)
            run = ingest(course)
        seconds[pages] = run.seconds
        rows.append(Row("speed, one run", pages / run.seconds, "pages/s", over=f"{pages:,} pages"))
        rows.append(Row("memory of the parent", run.parent_mb, "MB", over=f"{pages:,} pages"))
    few, some, many = seconds
    growth = (seconds[many] / many) / (seconds[few] / few)
    first, last = ((seconds[to] - seconds[start]) / (to - start) for start, to in ((few, some), (some, many)))
    rows.append(Row("seconds a page, the fewest's taken as 1", growth, "x", over=f"{many:,} against {few:,} pages"))
    rows.append(Row("the same from step to step", last / first, "x", over="start-up left out"))
    figures = {"pages_per_second_20000": round(many / seconds[many], 1), "growth": round(growth, 2)}
    return Finding(rows, {**figures, "growth_after_start": round(last / first, 2)})


def measure_memory(options: Options) -> Finding:
    """Take the largest resident size of a worker while lectures are read, and the parent's."""
    decks = find_decks(options.lectures) * options.copies
    with new_course(NO_OCR) as course:
        add_copies(course, decks)
        run = ingest(course)
    over = f"{sum(deck.pages for deck in decks):,} pages, peak"
    rows = [Row("memory of a worker", run.worker_mb, "MB", over=over)]
    rows.append(Row("memory of the parent", run.parent_mb, "MB", over=over))
    return Finding(rows, {"worker_mb": round(run.worker_mb), "parent_mb": round(run.parent_mb)})
