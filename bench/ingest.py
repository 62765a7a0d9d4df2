"""What reading lectures costs and how good it is: speed beside peers, growth, memory, OCR, decisions, damaged files.

    .venv/bin/python bench/ingest.py [--json] [--only speed,growth,memory,cer,truth,fuzz] [--lectures FOLDER]
                                     [--rounds 3] [--copies 3] [--pages 1250] [--fuzz 1000] [--keep FOLDER] [--mistakes]

Speed: every reader gets the same born-digital decks in turns, in a process of its own, start-up included; we read
several copies of them, peers one, and what a page takes is compared. No OCR there: scans and handwriting are left out.
Each part's module says how it measures. Prints one table of medians with their spread; with --json the last line is
{"pages_per_second": ..., "ratio_vs_markitdown": ..., "cer": {"en": ..., "de": ...}, "worker_mb": ..., ...}, null for
what was not measured. Ends with 1 where pages were lost or a run crashed. Peers live in .venv-bench (`make bench`).
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from cer import measure_cer
from courses import default_lectures
from fuzz import measure_fuzz
from part import Finding, Options, print_table
from speed import measure_growth, measure_memory, measure_speed
from truth import measure_truth

PARTS: dict[str, Callable[[Options], Finding]] = {
    "speed": measure_speed,
    "growth": measure_growth,
    "memory": measure_memory,
    "cer": measure_cer,
    "truth": measure_truth,
    "fuzz": measure_fuzz,
}
FIGURES = (
    "pages_per_second", "ratio_vs_markitdown", "cer", "worker_mb", "ratio_vs_pypdf", "pages_per_second_20000", "growth",
    "truth", "fuzz", "growth_after_start", "parent_mb", "cer_any_order",
    "cer_without_formulas", "ocr_cores",
)  # fmt: skip


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--json", action="store_true", help="end with one line of JSON")
    arguments.add_argument("--only", type=_parts, default=list(PARTS), help="parts to measure, parted by commas")
    arguments.add_argument("--lectures", type=Path, default=default_lectures(), help="PDFs, or courses with slides/")
    arguments.add_argument("--rounds", type=int, default=3, help="of speed")
    arguments.add_argument("--copies", type=int, default=3, help="of each deck that we read for speed and memory")
    arguments.add_argument("--pages", type=int, default=1250, help="of growth's smallest course; then 4 and 16 times")
    arguments.add_argument("--fuzz", type=int, default=1000, help="mangled files")
    arguments.add_argument("--keep", type=Path, help="new folder where the fuzzer's course stays")
    arguments.add_argument("--mistakes", action="store_true", help="list what differs from the labels")
    options = vars(arguments.parse_args())
    as_json, only = options.pop("json"), options.pop("only")
    findings = [_measure(name, Options(**options)) for name in PARTS if name in only]
    print_table(row for finding in findings for row in finding.rows)
    problems = [problem for finding in findings for problem in finding.problems]
    print(*problems, sep="\n", end="\n" if problems else "", file=sys.stderr)
    if as_json:
        figures = {name: value for finding in findings for name, value in finding.figures.items()}
        print(json.dumps({name: figures.get(name) for name in FIGURES}))
    sys.exit(1 if problems else 0)


def _parts(text: str) -> list[str]:
    unknown = set(text.split(",")) - set(PARTS)
    if unknown:
        raise argparse.ArgumentTypeError(f"no part {', '.join(sorted(unknown))}. There are {', '.join(PARTS)}.")
    return text.split(",")


def _measure(name: str, options: Options) -> Finding:
    print(f"measuring {name}", file=sys.stderr)
    return PARTS[name](options)


if __name__ == "__main__":
    main()
