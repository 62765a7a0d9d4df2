"""How fast born-digital lectures are read, beside pypdf (heir of the original's PyPDF2) and markitdown.

    .venv/bin/python bench/ingest.py [--json] [--lectures FOLDER] [--rounds 3]

Every reader gets the same pages in a process of its own, start-up included, in turns; scans are left out. Prints one
table of medians with their spread; with --json the last line is
{"pages_per_second": ..., "ratio_vs_pypdf": ..., "ratio_vs_markitdown": ...}. Peers live in .venv-bench (`make bench`).
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import pymupdf

ROOT = Path(__file__).parents[1]
mupdf: Any = pymupdf  # its functions have no types
PEERS = ROOT / ".venv-bench" / "bin" / "python"
PYPDF = "import sys, pypdf; [[p.extract_text() for p in pypdf.PdfReader(f).pages] for f in sys.argv[1:]]"
MARKITDOWN = "import sys, markitdown; m = markitdown.MarkItDown(); [m.convert(f) for f in sys.argv[1:]]"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--lectures", type=Path, default=ROOT / "examples" / "course" / "lectures")
    arguments.add_argument("--rounds", type=int, default=3)
    options = arguments.parse_args()
    if not PEERS.exists():
        raise SystemExit(f"{PEERS} is not there. Run `make bench`, which installs the peers.")
    with tempfile.TemporaryDirectory() as scratch:
        course = Path(scratch) / "course"
        pdfs, pages = copy_born_digital(options.lectures, course / "lectures")
        (course / "course.toml").write_text("")
        commands = {
            "edullama": [sys.executable, "-m", "edullama", "ingest", str(course)],
            "pypdf": [sys.executable, "-c", PYPDF, *pdfs],
            "markitdown": [str(PEERS), "-c", MARKITDOWN, *pdfs],
        }
        rounds = [{name: seconds(command) for name, command in commands.items()} for _ in range(options.rounds)]
    speeds = {name: [pages / times[name] for times in rounds] for name in commands}
    ratios = {peer: median(times[peer] / times["edullama"] for times in rounds) for peer in ("pypdf", "markitdown")}
    print(f"{pages} pages, {options.rounds} rounds\n{'reader':<12}{'pages/s':>9}{'lowest':>9}{'highest':>9}{'ours':>8}")
    for name, values in speeds.items():
        ours = f"{ratios[name]:.1f} x" if name in ratios else ""
        print(f"{name:<12}{median(values):>9.1f}{min(values):>9.1f}{max(values):>9.1f}{ours:>8}")
    if options.json:
        found = {f"ratio_vs_{peer}": round(ratio, 2) for peer, ratio in ratios.items()}
        print(json.dumps({"pages_per_second": round(median(speeds["edullama"]), 1), **found}))


def copy_born_digital(source: Path, target: Path) -> tuple[list[str], int]:
    """Copy the PDFs that have a text layer on every page but a few; returns their paths and the number of pages."""
    target.mkdir(parents=True)
    pdfs, pages = [], 0
    for path in sorted(source.glob("*.pdf")):
        with mupdf.open(path) as document:
            if sum(bool(page.get_text().strip()) for page in document) > 0.9 * len(document):
                pdfs.append(shutil.copy(path, target))
                pages += len(document)
    if not pdfs:
        raise SystemExit(f"{source}: no born-digital PDF there")
    return [str(pdf) for pdf in pdfs], pages


def seconds(command: Sequence[str]) -> float:
    """Run a command to its end; returns wall-clock seconds."""
    started = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    return time.monotonic() - started


if __name__ == "__main__":
    main()
