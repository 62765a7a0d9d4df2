"""Training windows: consecutive entries of one lecture that are learnt as one text, or entries in halves."""

from collections.abc import Sequence
from itertools import accumulate, groupby

from edullama.dataset.entries import count_words
from edullama.dataset.sentences import split_sentences
from edullama.records import Entry, Window

HALF = 0.5  # of an entry


def make_windows(entries: Sequence[Entry], size: float, stride: int) -> list[Window]:
    """Slide a window over each lecture's entries; the last one may be shorter, and none crosses a lecture's end.

    The size is a whole number of entries, or a half: then every entry makes two windows, and the stride says nothing.
    """
    if size == HALF:
        return half_slides(entries)
    windows, whole = [], int(size)
    for lecture, group in groupby(entries, key=lambda entry: entry.lecture):
        own = list(group)
        windows += [_window(lecture, own[start : start + whole]) for start in _starts(len(own), whole, stride)]
    return windows


def half_slides(entries: Sequence[Entry]) -> list[Window]:
    """Return each entry in two windows, parted at the end of the line or sentence that is nearest to its middle.

    An entry of a single sentence stays whole.
    """
    return [
        Window(f"{entry.id}/{number}", entry.lecture, half, (entry.id,))
        for entry in entries
        for number, half in enumerate(_halve(entry.text), 1)
    ]


def _halve(text: str) -> list[str]:
    """Part a text where the words before come nearest to half of all; what stands between lines or sentences stays."""
    units = [(sentence, "\n" if last else " ") for line in text.splitlines() for sentence, last in _mark_last(line)]
    before = list(accumulate(count_words(unit) for unit, _ in units))
    if len(units) < 2:
        return [text]
    cut = 1 + min(range(len(units) - 1), key=lambda place: abs(2 * before[place] - before[-1]))
    halves = ("".join(unit + end for unit, end in part).strip() for part in (units[:cut], units[cut:]))
    return [half for half in halves if half]


def _mark_last(line: str) -> list[tuple[str, bool]]:
    sentences = split_sentences(line)
    return [(sentence, place == len(sentences)) for place, sentence in enumerate(sentences, 1)]


def _starts(count: int, size: int, stride: int) -> list[int]:
    """Return where windows start; the first that reaches the end is the last."""
    starts = [0]
    while starts[-1] + size < count:
        starts.append(starts[-1] + stride)
    return [start for start in starts if start < count]


def _window(lecture: str, entries: Sequence[Entry]) -> Window:
    text = "\n\n".join(entry.text for entry in entries)
    return Window(entries[0].id, lecture, text, tuple(entry.id for entry in entries))
