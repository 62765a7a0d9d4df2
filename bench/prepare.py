"""What `prepare` costs on a large course, which is invented for it: seconds, processor time, peak memory, and growth.

    .venv/bin/python bench/prepare.py [--json] [--cards 100000] [--slides 20000] [--rounds 1]

A quarter of the course is prepared first, to show how cost grows. Processor time counts all processes, and is what to
compare where others use the machine. Prints one table; with --json the last line is
{"seconds": ..., "peak_mb": ..., "cards": ..., "slides": ..., "processor_seconds": ..., "growth": ...}.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from invented import write_course
from watching import watch

AIM_SECONDS, AIM_MB = 120, 1000  # for 100,000 cards and 20,000 slides
PART = 4  # the smaller course is such a part of the whole


@dataclass(frozen=True, slots=True)
class Cost:
    """What preparing one course took."""

    cards: int
    slides: int
    seconds: float  # wall clock, start-up included
    processor: float  # seconds of all processes, in programs and in the kernel
    peak_mb: float  # of the process and its largest descendant together
    counts: dict[str, int]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--json", action="store_true", help="end with one line of JSON")
    arguments.add_argument("--cards", type=int, default=100_000)
    arguments.add_argument("--slides", type=int, default=20_000)
    arguments.add_argument("--rounds", type=int, default=1, help="of which the medians are taken")
    options = arguments.parse_args()
    part = measure(options.cards // PART, options.slides // PART, options.rounds)
    whole = measure(options.cards, options.slides, options.rounds)
    growth = whole.processor / part.processor / PART
    print_table([part, whole])
    print(
        f"\naims: {AIM_SECONDS} s and {AIM_MB} MB; processor time {growth:.2f} times what a {PART}th took, {PART} times"
    )
    if options.json:
        figures = {"seconds": round(whole.seconds, 1), "peak_mb": round(whole.peak_mb), "cards": whole.cards,
                   "slides": whole.slides, "processor_seconds": round(whole.processor, 1),
                   "growth": round(growth, 2)}  # fmt: skip
        print(json.dumps(figures))


def measure(cards: int, slides: int, rounds: int) -> Cost:
    """Make a course and prepare it so many times."""
    print(f"  {cards:,} cards, {slides:,} slides", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        course = Path(folder) / "course"
        write_course(course, cards, slides)
        runs = [watch([sys.executable, "-m", "edullama", "prepare", str(course)]) for _ in range(rounds)]
        if failed := [run for run in runs if run.code]:
            raise SystemExit(f"edullama prepare ended with {failed[0].code}:\n{failed[0].errors[-2000:]}")
        return Cost(
            cards, slides, median(run.seconds for run in runs),
            median(run.user_seconds + run.system_seconds for run in runs),
            max(run.parent_mb + run.worker_mb for run in runs), count(course / "2-prepare"),
        )  # fmt: skip


def count(folder: Path) -> dict[str, int]:
    """Return what the manifest counts, and how many near pairs and leaks there are."""
    counts: dict[str, int] = json.loads((folder / "manifest.json").read_bytes())["counts"]
    lines = {name: (folder / f"{name}.jsonl").read_bytes().count(b"\n") for name in ("near", "leaks")}
    return counts | lines


def print_table(costs: Sequence[Cost]) -> None:
    rows = [
        ("slides", [f"{cost.slides:,}" for cost in costs]),
        ("seconds", [f"{cost.seconds:.1f}" for cost in costs]),
        ("processor seconds", [f"{cost.processor:.1f}" for cost in costs]),
        ("peak MB", [f"{cost.peak_mb:.0f}" for cost in costs]),
        *((name, [f"{cost.counts[name]:,}" for cost in costs]) for name in costs[0].counts),
    ]
    print(f"{'cards':<20}" + "".join(f"{cost.cards:>12,}" for cost in costs))
    for name, values in rows:
        print(f"{name:<20}" + "".join(f"{value:>12}" for value in values))


if __name__ == "__main__":
    main()
