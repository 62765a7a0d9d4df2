"""One way to show that work goes on: a bar with a time estimate, or plain lines where there is no terminal."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
Advance = Callable[[int], None]
LINE_EVERY_SECONDS = 15.0


def announce(text: str) -> None:
    """Say what is being waited for where nothing can be counted."""
    print(f"  {text}", file=sys.stderr, flush=True)


@contextmanager
def bar(label: str, total: int, done: int = 0) -> Iterator[Advance]:
    """Show progress towards `total`, `done` of it in an earlier run; call the yielded function with how many more."""
    if sys.stderr.isatty():
        yield from _rich_bar(label, total, done)
    else:
        yield _Lines(label, total, done).advance


def track(items: Iterable[T], label: str, total: int) -> Iterator[T]:
    """Yield the items while showing how many are done."""
    with bar(label, total) as advance:
        for item in items:
            yield item
            advance(1)


def _rich_bar(label: str, total: int, done: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(label, total=total, completed=done)
        yield lambda count: progress.update(task, advance=count)


class _Lines:
    """Progress for logs: a line now and then."""

    def __init__(self, label: str, total: int, done: int) -> None:
        self.label, self.total, self.done, self.resumed = label, total, done, done
        self.started = self.last_line = time.monotonic()

    def advance(self, count: int) -> None:
        self.done += count
        now = time.monotonic()
        if now - self.last_line >= LINE_EVERY_SECONDS and self.done < self.total:
            self.last_line = now
            left = (now - self.started) / max(1, self.done - self.resumed) * (self.total - self.done)
            print(f"{self.label}: {self.done} of {self.total}, about {left:.0f} s left", file=sys.stderr, flush=True)
