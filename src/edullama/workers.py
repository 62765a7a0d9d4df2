"""Worker processes that may die: whatever kills one is found and reported, and the rest of its work goes on.

A process pool of the standard library, and joblib on top of it, ends as a whole with one of its workers. Here each
worker answers item by item, so that the first item without an answer is the one that killed it, took too long, or
needed too much memory.
"""

import contextlib
import ctypes
import faulthandler
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

TICK = 0.25  # seconds between two looks at how long workers have been silent and how much memory they hold
DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


@dataclass(frozen=True, slots=True)
class Job:
    """A generator function that gives one result an item, in their order, called as function(*arguments, items)."""

    function: Callable[..., Iterator[Any]]
    arguments: tuple[Any, ...]
    items: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one item may take; memory beyond what the program held already."""

    seconds: float = 60.0
    megabytes: int = 1500


@dataclass(frozen=True, slots=True)
class Lost:
    """Stands for the result of an item whose worker did not survive it."""

    problem: str


Done = tuple[Job, Any, Any]


class WorkerError(RuntimeError):
    """A defect of our own in a worker, with its traceback."""


interrupted = threading.Event()  # Ctrl-C came


def remember_interrupts() -> None:
    """Let Ctrl-C be remembered beside what it raises, where it would end the program.

    What it raises amid a callback of a library written in C is printed there and forgotten; then `work_through` raises
    it again.
    """

    def interrupt(*_: object) -> None:
        interrupted.set()
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)


def work_through(jobs: Iterable[Job], count: int, limits: Limits = Limits()) -> Iterator[Done]:
    """Yield (job, item, result) as results come in; a result is `Lost` where the item ended its worker.

    Raises WorkerError for an exception in a job's function: those that items bring about, it has to tell itself.
    """
    waiting = deque(jobs)
    workers = [_Worker(limits) for _ in range(min(count, len(waiting)))]
    try:
        while True:
            for worker in workers:
                if worker.job is None and waiting:
                    worker.give(waiting.popleft())
            busy = [worker for worker in workers if worker.job]
            if not busy:
                return
            ready = wait([worker.link for worker in busy], TICK)
            if interrupted.is_set():
                raise KeyboardInterrupt
            for worker in busy:
                if worker.link in ready:
                    yield from worker.receive()
                problem = worker.find_trouble()
                if problem:
                    rest, done = worker.give_up(problem)
                    waiting.extendleft([rest] if rest.items else [])
                    yield done
    finally:
        for worker in workers:
            worker.end()


class _Worker:
    """A process at work, and how far it has come."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.job: Job | None = None
        self._start()

    def _start(self) -> None:
        # A fork starts at once with MuPDF loaded; elsewhere than on Linux it is not safe.
        context: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
        self.link, other = context.Pipe()
        with _without_interrupts():
            self.process = context.Process(target=_serve, args=(other, self.limits, os.getpid()), daemon=True)
            self.process.start()
        self.inherited = _resident_megabytes(os.getpid())  # a fork holds what its parent held
        other.close()

    def give(self, job: Job) -> None:
        self.job, self.answered, self.heard = job, 0, time.monotonic()
        self.gone = self.full = False
        with contextlib.suppress(BrokenPipeError):  # it died while it had nothing to do; found out when listening
            self.link.send(job)

    def receive(self) -> Iterator[Done]:
        """Yield what the worker has answered by now."""
        try:
            while self.job and self.link.poll():
                yield from self._take(*self.link.recv())
        except (EOFError, OSError):
            self.gone = True

    def _take(self, kind: str, value: Any) -> Iterator[Done]:
        self.heard = time.monotonic()
        job = self.job
        assert job is not None
        if kind == "error":
            raise WorkerError(value)
        if kind == "full":
            self.full = True
        elif kind == "done":
            self.job = None
        else:
            self.answered += 1
            yield job, job.items[self.answered - 1], value

    def find_trouble(self) -> str:
        """Say why the item that the worker is at has to be given up, or nothing."""
        if self.job is None:
            return ""
        if self.gone:
            self.process.join()
            return f"ended the program that read it ({_name_end(self.process.exitcode)})"
        if time.monotonic() - self.heard > self.limits.seconds:
            return f"took longer than {self.limits.seconds:g} s"
        if self.full or _resident_megabytes(self.process.pid) - self.inherited > self.limits.megabytes:
            return f"needed more than {self.limits.megabytes} MB of memory"
        return ""

    def give_up(self, problem: str) -> tuple[Job, Done]:
        """End the process and start another; returns what is left of the job, and the item that is lost."""
        job = self.job
        assert job is not None
        self.end()
        self._start()
        self.job = None
        rest = replace(job, items=job.items[self.answered + 1 :])
        return rest, (job, job.items[self.answered], Lost(problem))

    def end(self) -> None:
        with _without_interrupts():
            self.process.kill()
            self.process.join()
            del self.process
        self.link.close()


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Hold Ctrl-C back while processes come and go.

    What it raises amid the standard library's hooks, at a fork or where a process is forgotten, is lost.
    """
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(link: Connection, limits: Limits, parent: int) -> None:
    """Do jobs until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends its workers
    faulthandler.disable()  # a crash is told in one line
    _die_with(parent)
    _limit_memory(limits.megabytes)
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            job = link.recv()
            try:
                for result in job.function(*job.arguments, job.items):
                    link.send(("result", result))
                link.send(("done", None))
            except MemoryError:
                link.send(("full", None))
            except Exception:  # a defect, shown by the parent
                link.send(("error", traceback.format_exc()))


def _die_with(parent: int) -> None:
    """Have the kernel end this process when its parent is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def _limit_memory(megabytes: int) -> None:
    """Let allocations beyond the limit fail, which MuPDF survives; a page that grows slowly is found by the parent."""
    if sys.platform == "linux":
        import resource

        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + (megabytes << 20), resource.RLIM_INFINITY))


def _resident_megabytes(pid: int) -> float:
    """Return how much memory a process holds; 0 where the system does not tell."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _name_end(code: int | None) -> str:
    return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
