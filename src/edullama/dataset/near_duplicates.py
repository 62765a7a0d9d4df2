"""Cards that ask nearly the same: found by min-hashing their letters, judged by their words.

Whether two cards are near depends on these two alone, so that no other card changes it. Sentence vectors were tried as
a second way to find pairs and found none worth having: above a cosine of 0.93 they pair "8 bits" and "9 bits".
"""

from collections.abc import Hashable, Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edullama.dataset.words import asking_words
from edullama.records import Card, NearPair

NEAR = 0.8  # share of the words of two questions that both have
FEWEST_WORDS = 8  # of an answer: many cards are rightly answered with the same few words
SHORTEST_TYPO = 6  # letters of a word that may be misspelt: shorter words differ in one letter too often
SHINGLE = 4  # letters
BANDS, ROWS = 32, 4  # pairs with half of their shingles in common are found at 87 %, with 0.6 at 99 %
LEAST_ALIKE = 0.4  # share of equal min-hashes from which a pair is looked at
REACH = 50  # neighbours in a bucket that a card is compared with: a bucket of thousands is no reason to compare all
BATCH = 1024  # cards hashed at once
SEED = 20  # of the hash functions


def find_near_pairs(cards: Sequence[Card]) -> list[NearPair]:
    """Return the pairs of cards that ask, or are answered with, nearly the same words, whatever the cards' order."""
    ordered = sorted(cards, key=lambda card: card.id)
    pairs = _pair_up(ordered, "question", 1) + _pair_up(ordered, "answer", FEWEST_WORDS)
    return sorted(pairs, key=lambda pair: (pair.kind != "question", -pair.similarity, pair.one, pair.other))


def similarity(one: frozenset[str], other: frozenset[str]) -> float:
    """Return which share of their words two near texts have in common, and 0 for texts that are not near.

    One misspelt word is forgiven. Numbers are not: "with 8 bits" and "with 9 bits" make two questions.
    """
    common, distinct = len(one & other), len(one | other)
    if not common or common + 1 < NEAR * (distinct - 1) or not all(map(str.isalpha, one ^ other)):
        return 0.0
    if any(is_typo(left, right) for left in one - other for right in other - one):
        common, distinct = common + 1, distinct - 1
    return common / distinct if common >= NEAR * distinct else 0.0


def is_typo(one: str, other: str) -> bool:
    """Tell whether two long words differ in one letter, or in two that changed places, after the first letter."""
    if min(len(one), len(other)) < SHORTEST_TYPO or one[0] != other[0] or abs(len(one) - len(other)) > 1:
        return False
    start = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    one, other = one[start:], other[start:]
    swapped = one[1::-1] == other[:2] and one[2:] == other[2:]
    return swapped or one[1:] == other[1:] or one[1:] == other or one == other[1:]


def _pair_up(cards: Sequence[Card], kind: Literal["question", "answer"], fewest: int) -> list[NearPair]:
    texts = [card.question if kind == "question" else card.reference for card in cards]
    words = [asking_words(text) for text in texts]
    used = [number for number, own in enumerate(words) if len(set(own)) >= fewest]
    sets = {number: frozenset(words[number]) for number in used}
    numbers = [frozenset(word for word in sets[number] if not word.isalpha()) for number in used]
    pairs = []
    for first, second in find_candidates([" ".join(words[number]) for number in used], numbers):
        one, other = used[first], used[second]
        share = similarity(sets[one], sets[other])
        if share:
            pairs.append(NearPair(kind, cards[one].id, cards[other].id, texts[one], texts[other], share))
    return pairs


def find_candidates(texts: Sequence[str], groups: Sequence[Hashable] = ()) -> list[tuple[int, int]]:
    """Return pairs of texts, the lower number first, that are likely to share most of their shingles.

    With a group for each text, pairs are looked for inside groups alone.
    """
    if len(texts) < 2:
        return []
    hashes = np.empty((len(texts), BANDS * ROWS), np.uint32)
    for start in range(0, len(texts), BATCH):
        hashes[start : start + BATCH] = _min_hashes(texts[start : start + BATCH])
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    grouped = np.array([numbers[group] for group in groups] or [0] * len(texts), np.uint64)
    keys = np.zeros(0, np.int64)
    for band in range(BANDS):  # pairs that meet again are put together at once, or they would pile up
        keys = np.sort(np.concatenate([keys, *_meet(hashes, grouped, slice(band * ROWS, (band + 1) * ROWS))]))
        keys = keys[np.diff(keys, prepend=-1) > 0]  # np.unique takes ten times as long
    return [(key // len(texts), key % len(texts)) for key in keys.tolist()]


def _meet(hashes: NDArray[np.uint32], groups: NDArray[np.uint64], band: slice) -> Iterator[NDArray[np.int64]]:
    """Yield the pairs that fall into one bucket by this band and look alike as a whole, as first * texts + second."""
    mixed = groups.copy()
    for column in hashes[:, band].T:
        mixed = (mixed ^ column) * np.uint64(0x9E3779B97F4A7C15)
    order = np.argsort(mixed, kind="stable")
    mixed = mixed[order]
    for step in range(1, min(REACH + 1, len(order))):
        same = np.flatnonzero(mixed[step:] == mixed[:-step])
        if not len(same):
            return
        first, second = order[same], order[same + step]
        alike = np.count_nonzero(hashes[first] == hashes[second], axis=1) >= LEAST_ALIKE * BANDS * ROWS
        yield first[alike] * len(hashes) + second[alike]


def _min_hashes(texts: Sequence[str]) -> NDArray[np.uint32]:
    """Return for each text the least value that each hash function takes on its shingles: (texts, functions)."""
    shingles, starts = _shingles(texts)
    draws = np.random.default_rng(SEED).integers(1 << 32, size=(2, BANDS * ROWS), dtype=np.uint32)
    least = np.empty((len(texts), BANDS * ROWS), np.uint32)
    for column, (factor, mask) in enumerate(draws.T):
        mixed = (shingles ^ mask) * (factor | np.uint32(1))
        least[:, column] = np.minimum.reduceat(mixed ^ (mixed >> np.uint32(15)), starts)
    return least


def _shingles(texts: Sequence[str]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Return the hashes of all runs of letters, text after text, and where each text's begin."""
    padded = [f" {text} ".ljust(SHINGLE) for text in texts]
    letters = np.frombuffer("".join(padded).encode("utf-32-le"), np.uint32)
    lengths = np.array([len(text) for text in padded])
    runs = np.zeros(len(letters) - SHINGLE + 1, np.uint32)
    for offset in range(SHINGLE):
        runs = (runs ^ letters[offset : offset + len(runs)]) * np.uint32(0x01000193)
    runs ^= runs >> np.uint32(16)
    whole = np.ones(len(letters), bool)
    for offset in range(1, SHINGLE):
        whole[np.cumsum(lengths) - offset] = False  # these would run on into the next text
    counts = lengths - SHINGLE + 1
    return runs[whole[: len(runs)]], np.cumsum(counts) - counts
