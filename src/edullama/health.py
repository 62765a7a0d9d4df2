"""Whether free answers are sentences, in numbers: how long they are, how much they repeat, and of which words they are.

A student that lost too much speaks in real words without sentences, or in no words at all; losses do not show which.
"""

import re
from collections.abc import Collection, Sequence
from functools import cache
from statistics import fmean

from edullama.records import Answer

GRAM = 4  # words: an n-gram this long seldom recurs in a sound answer
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


def answers_health(answers: Sequence[Answer], known: Collection[str] = ()) -> dict[str, float]:
    """Return means over answers: `words`, `repetition`, `dictionary`, `distinct`, and `stopped`, a share of answers.

    Words in `known`, in lower case, count as dictionary words too: the terms of a course. Raises ValueError for none.
    """
    if not answers:
        raise ValueError("There is no answer to measure.")
    texts = [answer.text for answer in answers]
    return {
        "words": fmean(len(text.split()) for text in texts),
        "repetition": fmean(map(repetition, texts)),
        "dictionary": fmean(dictionary_share(text, known) for text in texts),
        "distinct": distinct_share(texts),
        "stopped": fmean(answer.finish == "stop" for answer in answers),
    }


def repetition(text: str) -> float:
    """Return the share of an answer's 4-grams that it has said before; 0 where it is too short to repeat itself."""
    grams = _grams(text)
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def distinct_share(texts: Sequence[str]) -> float:
    """Return the share of all answers' 4-grams together that are different: low where all answers are alike.

    As distinct-n of Li et al. 2016 (arXiv 1510.03055). 0 where there is none.
    """
    grams = [gram for text in texts for gram in _grams(text)]
    return len(set(grams)) / len(grams) if grams else 0.0


def dictionary_share(text: str, known: Collection[str] = ()) -> float:
    """Return the share of an answer's words that an English or German dictionary, or `known`, has; 0 for no word."""
    words = [word.replace("’", "'") for word in WORD.findall(text.lower())]
    return sum(word in known or word in _dictionary() for word in words) / len(words) if words else 0.0


def _grams(text: str) -> list[tuple[str, ...]]:
    words = text.casefold().split()
    return list(zip(*(words[start:] for start in range(GRAM)), strict=False))


@cache
def _dictionary() -> frozenset[str]:
    """Return half a million words in lower case; reading them takes seconds, once."""
    from spellchecker import SpellChecker

    return frozenset(SpellChecker(language=["en", "de"]).word_frequency.dictionary)
