"""Runs a command to its end and watches time and memory of its processes, through /proc."""

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TICK = 0.05  # seconds between looks: rare enough to cost no speed
PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Run:
    """How a command went."""

    seconds: float  # wall clock, start-up included
    user_seconds: float  # processor time of all its processes
    system_seconds: float  # what the kernel did for them
    parent_mb: float  # peak resident size of the process itself, shared memory included
    worker_mb: float  # the same of its largest descendant; 0.0 where it had none, or the system has no /proc
    code: int  # negative: the signal that ended it
    errors: str  # what it wrote to stderr
    hung: bool  # it had to be ended


def watch(command: Sequence[str], limit: float | None = None) -> Run:
    """Run a command; past `limit` seconds it and its descendants are ended."""
    with tempfile.TemporaryFile() as errors:
        started = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True)
        peaks: dict[int, float] = {}
        hung = False
        try:
            while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
                if limit is not None and time.monotonic() - started > limit and not hung:
                    hung = True
                    os.killpg(process.pid, signal.SIGKILL)
                _note_peaks(process.pid, peaks)
                time.sleep(TICK)
        except BaseException:  # Ctrl-C does not reach a session of its own
            os.killpg(process.pid, signal.SIGKILL)
            raise
        seconds = time.monotonic() - started
        _, status, usage = ended
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        text = errors.read().decode(errors="replace")
    parent = peaks.pop(process.pid, 0.0)
    worker = max(peaks.values(), default=0.0)
    return Run(seconds, usage.ru_utime, usage.ru_stime, parent, worker, process.returncode, text, hung)


def _note_peaks(pid: int, peaks: dict[int, float]) -> None:
    """Note the peaks of a process and its descendants so far.

    The last look counts, not the largest: until a new process has loaded its program, it seems as large as its parent.
    """
    with contextlib.suppress(OSError):  # it may end at any moment
        if peak := PEAK.search(Path(f"/proc/{pid}/status").read_text()):
            peaks[pid] = int(peak[1]) / 1024
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in task.read_text().split():
                _note_peaks(int(child), peaks)
