"""The language a text is written in."""

import re
from functools import cache
from typing import Any

LANGUAGES = ("en", "de")
FEW_LETTERS = 20  # fewer tell nothing
WORD = re.compile(r"(?<!\S)[„“\"(]?([^\W\d_]+(?:-[^\W\d_]+)*)[.,:;!?)“”\"]*(?!\S)")


def tell_language(text: str) -> str:
    """Return "en" or "de", or "" where there are too few words to tell; code and formulas do not count."""
    words = " ".join(WORD.findall(text))
    return str(_identifier().classify(words)[0]) if len(words) >= FEW_LETTERS else ""


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    identifier.set_languages(list(LANGUAGES))
    return identifier
