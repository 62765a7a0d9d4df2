"""Exam questions and answers that stand word for word in what the models are trained on.

Slides must hold what an answer says, in words of their own: that is what an exam is about, and no leak. A short answer
is bound to stand there as it is ("O(n log n)", "stochastic gradient descent"), so that its being there says nothing
about having been copied. A leak is a run of words too long to be chance or a term: at least half of the text, never
fewer than 8 words, and 13 at the most. Single letters do not count as words, so that formulas do not make runs. In the
catalogue a question that is the same as a whole is a leak, however short; on a slide it gives nothing away.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, takewhile

import numpy as np
from numpy.typing import NDArray

from edullama.dataset.words import normalise
from edullama.records import Card, Entry, Leak, LeakKind, Question

SHORTEST_RUN, LONGEST_RUN = 8, 13  # words
SEED = 13  # of the factors that make a run of words one number
SEPARATOR = 0  # between texts, where a number stands for each word
Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Texts:
    """Texts with their words as numbers, all in one row, a separator after each text."""

    ids: list[str]
    texts: list[str]
    words: Numbers
    text_of: Numbers  # which text each word belongs to


def find_leaks(exam: Sequence[Card], catalogue: Sequence[Question], entries: Sequence[Entry]) -> list[Leak]:
    """Return each leak once, with the first place where it stands."""
    numbers = {"": SEPARATOR}
    answers = _number_all({card.id: card.reference for card in exam}, numbers)
    questions = _number_all({card.id: card.question for card in exam}, numbers)
    trained = _number_all({entry.id: entry.text for entry in entries}, numbers)
    asked = _number_all({question.id: question.text for question in catalogue}, numbers)
    words = list(numbers)
    return [
        *_copied("answer in entry", answers, trained, words),
        *_copied("answer in catalogue", answers, asked, words),
        *_asked_again(questions, asked, words),
    ]


def _asked_again(questions: _Texts, asked: _Texts, words: Sequence[str]) -> list[Leak]:
    """Return exam questions that the catalogue holds as a whole, then those it holds for the most part."""
    known = {normalise(text): number for number, text in reversed(list(enumerate(asked.texts)))}
    leaks = {}
    for id, text in zip(questions.ids, questions.texts, strict=True):
        if normalise(text) and (number := known.get(normalise(text))) is not None:
            leaks[id] = Leak("question in catalogue", id, asked.ids[number], text, asked.texts[number])
    copied = _copied("question in catalogue", questions, asked, words)
    return [*leaks.values(), *(leak for leak in copied if leak.question_id not in leaks)]


def run_needed(words: int) -> int:
    """Return how many words of a text must stand somewhere in a row to count as copied."""
    return min(LONGEST_RUN, max(SHORTEST_RUN, (words + 1) // 2))


def _copied(kind: LeakKind, own: _Texts, there: _Texts, words: Sequence[str]) -> list[Leak]:
    """Return the texts of which a long enough run of words stands in one of the others, in the texts' order."""
    leaks = {}
    for text, start, found in _find_runs(own.words, own.text_of, there.words):
        length = _count_common(own.words[start:], there.words[found:])
        passage = " ".join(words[number] for number in own.words[start : start + length])
        leaks[text] = Leak(kind, own.ids[text], there.ids[there.text_of[found]], own.texts[text], passage)
    return [leaks[text] for text in sorted(leaks)]


def _number_all(texts: Mapping[str, str], numbers: dict[str, int]) -> _Texts:
    rows = [[numbers.setdefault(word, len(numbers)) for word in _words(text)] + [SEPARATOR] for text in texts.values()]
    words = np.fromiter(chain.from_iterable(rows), np.int64)
    text_of = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    return _Texts(list(texts), list(texts.values()), words, text_of)


def _words(text: str) -> list[str]:
    return [word for word in normalise(text).split() if len(word) > 1 or word.isdigit()]


def _find_runs(own: Numbers, text_of: Numbers, there: Numbers) -> Iterator[tuple[int, int, int]]:
    """Yield each text with a long enough run, where that starts among our words, and where it stands first."""
    ends = np.flatnonzero(own == SEPARATOR)
    left = ends[text_of] - np.arange(len(own))  # words from here to the text's end
    needed = np.array([run_needed(length) for length in np.diff(ends, prepend=-1) - 1], np.int64)
    for size in range(SHORTEST_RUN, LONGEST_RUN + 1):
        starts = np.flatnonzero((needed[text_of] == size) & (left >= size))
        if not len(starts) or len(there) < size:
            continue
        found = _look_up(_runs(own, size)[starts], _runs(there, size))
        texts, first = np.unique(text_of[starts[found >= 0]], return_index=True)
        yield from zip(
            texts.tolist(), starts[found >= 0][first].tolist(), found[found >= 0][first].tolist(), strict=True
        )


def _runs(words: Numbers, size: int) -> NDArray[np.uint64]:
    """Return one number for each run of so many words; by 64 bits no two runs get the same."""
    factors = np.random.default_rng(SEED).integers(1 << 64, size=size, dtype=np.uint64) | np.uint64(1)
    count = len(words) - size + 1
    runs = np.zeros(count, np.uint64)
    for offset, factor in enumerate(factors):
        runs += words[offset : offset + count].astype(np.uint64) * factor
    return runs


def _look_up(wanted: NDArray[np.uint64], runs: NDArray[np.uint64]) -> Numbers:
    """Return where each wanted run stands first, or -1."""
    order = np.argsort(runs, kind="stable")
    places = order[np.minimum(np.searchsorted(runs, wanted, sorter=order), len(runs) - 1)]
    return np.where(runs[places] == wanted, places, -1)


def _count_common(own: Numbers, there: Numbers) -> int:
    """Return with how many words of a text both begin."""
    pairs = zip(own, there, strict=False)  # not as lists: they go on to the end of the last text
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1] != SEPARATOR, pairs))
