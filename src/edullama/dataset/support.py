"""Whether the slides hold what an exam asks: without that an exam measures what the model knew before."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edullama.dataset.entries import entry_text, slide_id
from edullama.dataset.words import content_words
from edullama.records import Card, Embed, Slide, Support

BEST = 3  # slides that an answer may be spread over
# Share of words plus cosine, chosen on one course: 68 of its exam's 70 questions reach it, none of 110 on other
# subjects. On another course 70 of 70 and 1 of 110 do. It goes with the built-in sentence vectors.
ENOUGH = 1.05
SATURATION, LENGTH_WEIGHT = 1.2, 0.6  # BM25: how soon a word said again counts no more; how far long slides pay
MOST_HOLDERS = 2000  # a word on more slides than this leads to none of them
FEWEST_WORDS = 4  # an answer of fewer, such as "yes" or "2.4", stands on slides on anything
CHARACTERS_AT_ONCE = 100_000  # that a model embeds: a text of that length takes 50 MB meanwhile


@dataclass(frozen=True, slots=True)
class _Index:
    """Which slides hold a word, and which words a slide holds."""

    numbers: dict[str, int]  # of the stems
    rarity: NDArray[np.float32]  # (stems + 1); the last is that of a stem on no slide
    starts: NDArray[np.int64]  # (stems + 1), into the next two, which go by stem
    slides: NDArray[np.int32]  # (occurrences)
    weights: NDArray[np.float32]  # (occurrences)
    stems: list[NDArray[np.int32]]  # of each slide


def find_support(exam: Sequence[Card], slides: Sequence[Slide], embed: Embed) -> list[Support]:
    """Return for each exam card the slides that hold most of its answer, how much of it, and whether that is enough.

    Where an answer is too short to tell, the question's words are looked for with it.
    """
    texts = [entry_text(slide) for slide in slides]
    index = _make_index(texts)
    asked = [_words(card.question) for card in exam]
    answered = [_words(card.reference) for card in exam]
    best = [_best_slides(index, one | other) for one, other in zip(asked, answered, strict=True)]
    telling = [told if len(told) >= FEWEST_WORDS else told | ask for ask, told in zip(asked, answered, strict=True)]
    shares = [_share_held(index, words, found) for words, found in zip(telling, best, strict=True)]
    cosines = _cosines(exam, texts, best, embed)
    supports = []
    for card, found, words, cosine in zip(exam, best, shares, cosines, strict=True):
        names = tuple(slide_id(slides[number]) for number in found)
        supports.append(Support(card.id, names, words, cosine, bool(found) and words + cosine >= ENOUGH))
    return supports


def _words(text: str) -> dict[str, None]:
    """Return the distinct words of a text, in their order; letters that stand alone are signs of formulas."""
    return dict.fromkeys(word for word in content_words(text) if len(word) > 1 or word.isdigit())


def _make_index(texts: Sequence[str]) -> _Index:
    numbers: dict[str, int] = {}
    stems = [_number_words(content_words(text), numbers) for text in texts]
    lengths = np.array([len(own) for own in stems], dtype=np.int64)
    pairs = _concatenate(stems).astype(np.int64) * len(texts) + np.repeat(np.arange(len(texts)), lengths)
    distinct, counts = np.unique(pairs, return_counts=True)
    stem, slide = np.divmod(distinct, max(1, len(texts)))
    holders = np.bincount(stem, minlength=len(numbers))
    rarity = np.log1p((len(texts) - holders + 0.5) / (holders + 0.5))
    size = 1 - LENGTH_WEIGHT + LENGTH_WEIGHT * lengths[slide] / max(1.0, lengths.mean() if len(texts) else 0.0)
    weights = rarity[stem] * counts * (SATURATION + 1) / (counts + SATURATION * size)
    rarity = np.append(rarity, np.log1p((len(texts) + 0.5) / 0.5)).astype(np.float32)
    starts = np.concatenate(([0], np.cumsum(holders)))
    return _Index(numbers, rarity, starts, slide.astype(np.int32), weights.astype(np.float32), stems)


def _number_words(words: Iterable[str], numbers: dict[str, int]) -> NDArray[np.int32]:
    return np.array([numbers.setdefault(word, len(numbers)) for word in words], dtype=np.int32)


def _concatenate(arrays: Sequence[NDArray[np.int32]]) -> NDArray[np.int32]:
    return np.concatenate(arrays) if arrays else np.zeros(0, np.int32)


def _best_slides(index: _Index, words: Iterable[str]) -> list[int]:
    """Return the slides that say most of these words, best first; none that says nothing of them."""
    numbers = [index.numbers[word] for word in words if word in index.numbers]
    places = [slice(index.starts[number], index.starts[number + 1]) for number in numbers]
    telling = [place for place in places if place.stop - place.start <= MOST_HOLDERS]
    if not telling:
        return []
    holders, weights = (np.concatenate([row[place] for place in telling]) for row in (index.slides, index.weights))
    scores = np.bincount(holders, weights, minlength=len(index.stems))
    found = []
    for _ in range(min(BEST, len(scores))):
        best = int(scores.argmax())
        if scores[best] <= 0:
            break
        found.append(best)
        scores[best] = 0
    return found


def _share_held(index: _Index, words: Iterable[str], slides: Sequence[int]) -> float:
    """Return how much of these words the slides hold, rare words counting for more."""
    held = {number for slide in slides for number in index.stems[slide].tolist()}
    unknown = len(index.numbers)
    rarities = {word: float(index.rarity[index.numbers.get(word, unknown)]) for word in words}
    found = sum(rarity for word, rarity in rarities.items() if index.numbers.get(word) in held)
    return found / sum(rarities.values()) if rarities else 0.0


def _cosines(exam: Sequence[Card], texts: Sequence[str], best: Sequence[Sequence[int]], embed: Embed) -> list[float]:
    """Return how near each card, question and reference as one text, comes to the nearest of its slides."""
    used = sorted({number for found in best for number in found})
    if not used:
        return [0.0] * len(exam)
    rows = {number: row for row, number in enumerate(used)}
    slides = _embed_all([texts[number] for number in used], embed)
    cards = _embed_all([f"{card.question}\n{card.reference}" for card in exam], embed)
    return [
        float((slides[[rows[number] for number in found]] @ card).max()) if found else 0.0
        for found, card in zip(best, cards, strict=True)
    ]


def _embed_all(texts: Sequence[str], embed: Embed) -> NDArray[np.float32]:
    """Embed texts of like length together, long ones few at a time: a model pads each to the longest beside it."""
    order = sorted(range(len(texts)), key=lambda number: -len(texts[number]))
    batches, start = [], 0
    while start < len(order):
        size = max(1, CHARACTERS_AT_ONCE // max(1, len(texts[order[start]])))
        batches.append(embed([texts[number] for number in order[start : start + size]]))
        start += size
    return np.concatenate(batches)[np.argsort(order)]
