"""Workers that die, hang or swell lose one item each, and nothing else."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

import pytest

from edullama.workers import Job, Limits, Lost, WorkerError, work_through


def behave(factor: int, items: Sequence[int]) -> Iterator[int]:
    """Multiply; 13 kills its process, 14 never ends, 15 swells, 16 is a defect."""
    for item in items:
        if item == 13:
            os.kill(os.getpid(), signal.SIGSEGV)
        if item == 14:
            time.sleep(60)
        if item == 15:
            _hold = bytearray(os.urandom(1) * (300 << 20))
            time.sleep(60)
        if item == 16:
            raise ZeroDivisionError("sixteen")
        yield item * factor


def results(*jobs: Sequence[int], seconds: float = 30.0) -> dict[int, object]:
    given = [Job(behave, (10,), items) for items in jobs]
    return {item: result for _, item, result in work_through(given, 2, Limits(seconds, 200))}


def test_every_item_of_every_job_is_answered() -> None:
    assert results([1, 2], [3], [4, 5, 6]) == {1: 10, 2: 20, 3: 30, 4: 40, 5: 50, 6: 60}


def test_an_item_that_kills_its_worker_is_lost_and_the_rest_of_its_job_goes_on() -> None:
    assert results([1, 13, 2], [3]) == {
        1: 10, 13: Lost("ended the program that read it (SIGSEGV)"), 2: 20, 3: 30,
    }  # fmt: skip


def test_an_item_that_takes_too_long_is_lost() -> None:
    assert results([14, 2], seconds=0.5) == {14: Lost("took longer than 0.5 s"), 2: 20}


def test_an_item_that_needs_too_much_memory_is_lost() -> None:
    found = results([15, 2])
    assert found[2] == 20
    assert found[15] == Lost("needed more than 200 MB of memory")


def test_a_defect_in_a_job_is_raised_with_its_traceback() -> None:
    with pytest.raises(WorkerError, match="ZeroDivisionError: sixteen"):
        results([16])


def test_no_jobs_need_no_workers() -> None:
    assert results() == {}


SWALLOWED = """
import os, signal
from edullama.workers import Job, remember_interrupts, work_through

class Hook:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)

def double(items):
    yield from (2 * item for item in items)

signal.signal(signal.SIGINT, signal.default_int_handler)
remember_interrupts()
Hook()
try:
    print(list(work_through([Job(double, (), [1, 2])], 1)))
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_that_was_lost_in_a_hook_still_ends_the_work() -> None:
    done = subprocess.run([sys.executable, "-c", SWALLOWED], capture_output=True, text=True, check=True)
    assert "KeyboardInterrupt" in done.stderr and done.stdout == "interrupted\n"
