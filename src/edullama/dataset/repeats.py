"""Slides that stand in several decks, or twice in one: each is learnt once."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from edullama.dataset.entries import entry_text, slide_id
from edullama.dataset.near_duplicates import find_candidates
from edullama.dataset.words import asking_words
from edullama.records import Rejection, Slide

Same: TypeAlias = Callable[[frozenset[str], frozenset[str]], bool]
ALIKE = 0.9  # of the distinct words of two slides
FEWEST_WORDS = 8  # fewer distinct ones do not tell a slide


def drop_repeats(slides: Sequence[Slide]) -> tuple[list[Slide], list[Rejection]]:
    """Keep the first of slides that say the same; one that differs in a number or a negation is another."""
    words = [frozenset(asking_words(entry_text(slide))) for slide in slides]
    telling = [number for number, own in enumerate(words) if len(own) >= FEWEST_WORDS]
    found = find_repeats([words[number] for number in telling], _is_same)
    repeated = {telling[other]: telling[one] for other, one in found.items()}
    kept = [slide for number, slide in enumerate(slides) if number not in repeated]
    return kept, [_reject(slides[other], slides[one]) for other, one in sorted(repeated.items())]


def find_repeats(texts: Sequence[frozenset[str]], is_same: Same) -> dict[int, int]:
    """Return the numbers of texts, given as words, that are the same as an earlier one, each with that one's number."""
    repeated: dict[int, int] = {}
    for one, other in sorted(find_candidates([" ".join(sorted(words)) for words in texts])):
        if one not in repeated and is_same(texts[one], texts[other]):
            repeated.setdefault(other, one)
    return repeated


def _is_same(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) >= ALIKE * len(one | other) and all(map(str.isalpha, one ^ other))


def _reject(slide: Slide, first: Slide) -> Rejection:
    return Rejection(slide_id(slide), f"says the same as {slide_id(first)}", slide.text)
