"""What the sample course costs: seconds and peak memory of every stage, each in a process of its own.

    .venv/bin/python bench/demo.py [--json] [--course FOLDER]

Prints one table; with --json the last line is {"seconds": {...}, "peak_mb": {...}, "total_seconds": ...}.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
STAGES = ("ingest", "prepare", "finetune", "shrink", "distill", "evaluate", "export")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--course", type=Path, default=ROOT / "examples" / "course")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        course = Path(scratch) / "course"
        shutil.copytree(options.course, course)
        if not (course / "course.toml").exists():
            shutil.copy(ROOT / "recipes" / "demo.toml", course / "course.toml")
        measured = {stage: measure(stage, course) for stage in STAGES}
    print(f"{'stage':<10}{'seconds':>9}{'peak MB':>9}")
    for stage, (seconds, megabytes) in measured.items():
        print(f"{stage:<10}{seconds:>9.1f}{megabytes:>9.0f}")
    total = sum(seconds for seconds, _ in measured.values())
    print(f"{'all':<10}{total:>9.1f}")
    if options.json:
        times = {stage: round(value[0], 1) for stage, value in measured.items()}
        peaks = {stage: round(value[1]) for stage, value in measured.items()}
        print(json.dumps({"seconds": times, "peak_mb": peaks, "total_seconds": round(total, 1)}))


def measure(stage: str, course: Path) -> tuple[float, float]:
    """Run one stage; returns wall-clock seconds and the peak memory of its process in MB (its workers not counted)."""
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "edullama", stage, course], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"edullama {stage} failed")
    return time.monotonic() - started, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
