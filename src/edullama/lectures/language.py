"""The language a text is written in."""

import re
from copy import copy
from functools import cache
from typing import Any

COMMON = frozenset(("en", "de"))  # told apart on single slides, besides the language that the lecture mostly has
FEW_LETTERS = 20  # fewer tell nothing
USUAL = 10.0  # nats in favour of the lecture's language: headings are full of technical terms from another one
WORD = re.compile(r"(?<!\S)[„“\"(]?([^\W\d_]+(?:-[^\W\d_]+)*)[.,:;!?)“”\"]*(?!\S)")


def tell_language(text: str, usual: str = "") -> str:
    """Return "en", "de" or the lecture's usual language, whichever is likeliest; code and formulas do not count.

    Returns "" where there are too few words to tell.
    """
    words = " ".join(WORD.findall(text))
    if len(words) < FEW_LETTERS:
        return ""
    scores: dict[str, float] = dict(_identifier_of(usual).rank(words))
    return max(scores, key=lambda name: scores[name] + USUAL * (name == usual))


def tell_usual_language(text: str) -> str:
    """Return the language of a whole lecture, ISO 639-1 of any that is known, or "" where there is no text to tell."""
    words = " ".join(WORD.findall(text))
    return str(_identifier().classify(words)[0]) if len(words) >= FEW_LETTERS else ""


def load_languages() -> None:
    """Load the model, half a second's work, ahead of its first use."""
    _identifier()


@cache
def _identifier_of(usual: str) -> Any:
    """Return one that knows few languages, which is faster."""
    identifier = copy(_identifier())
    identifier.set_languages(sorted(COMMON | ({usual} - {""})))
    return identifier


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE)
