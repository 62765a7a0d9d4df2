"""Training windows: consecutive entries of one lecture that are learnt as one text."""

from collections.abc import Sequence
from itertools import groupby

from edullama.records import Entry, Window


def make_windows(entries: Sequence[Entry], size: int, stride: int) -> list[Window]:
    """Slide a window over each lecture's entries; the last one may be shorter, and none crosses a lecture's end."""
    windows = []
    for lecture, group in groupby(entries, key=lambda entry: entry.lecture):
        own = list(group)
        windows += [_window(lecture, own[start : start + size]) for start in _starts(len(own), size, stride)]
    return windows


def _starts(count: int, size: int, stride: int) -> list[int]:
    """Return where windows start; the first that reaches the end is the last."""
    starts = [0]
    while starts[-1] + size < count:
        starts.append(starts[-1] + stride)
    return [start for start in starts if start < count]


def _window(lecture: str, entries: Sequence[Entry]) -> Window:
    text = "\n\n".join(entry.text for entry in entries)
    return Window(entries[0].id, lecture, text, tuple(entry.id for entry in entries))
