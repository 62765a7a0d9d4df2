"""Hyphens at the ends of lines: which belong to the word is decided with the words of the whole lecture."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from edullama.lectures.pages import HYPHEN

WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
LAST_WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*$")
FIRST_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
SUSPENDING = {
    "und", "oder", "bzw", "bzw.", "beziehungsweise", "sowie", "u.", "o.", "bis", "als", "noch", "statt", "gegen",
    "and", "or", "nor", "to", "but", "&", "versus", "vs", "vs.",
}  # fmt: skip  # "Ein- und Ausgabe", "zwei- bis dreimal", "first- or second-order"
COMPOUNDED = {
    "art", "artig", "aware", "based", "basiert", "basierte", "basierten", "basierter", "basiertes", "dimensional",
    "driven", "end", "free", "level", "like", "order", "oriented", "specific", "time", "trained", "type", "wise",
    "ähnlich",
}  # fmt: skip  # second halves of words with a hyphen: "pixel-wise", "CNN-basiert"
COMPOUNDING = {
    "all", "few", "full", "half", "high", "low", "max", "mid", "min", "multi", "non", "one", "self", "semi", "top",
    "two", "well", "zero",
}  # fmt: skip  # first halves
SHORTEST = 3  # letters of a second half; a shorter one may be anything
LONGEST = 60  # letters of a word, at most
LONG = 4  # letters: "for-ward" and "con-straint" begin with shorter words
GERMAN, ENGLISH = ("und", "der", "die", "ist"), ("and", "the", "of", "is")


def after_line(last: str, first: str) -> str:
    """Return what stands between the end of a line and the first word of the next.

    That is a space, or nothing within a link, or after a hyphen the mark that leaves open if it belongs to the word.
    """
    if last.endswith("-/") or (last[-1] == "-" and first[0] == "/"):
        return ""  # "Ein-/und Ausgabe"
    if last[-1] in "/-_=" and last.split()[-1].startswith("http"):
        return ""
    hyphenated = last[-1] == "-" and last[-2:-1].isalpha() and first[0].isalpha()
    return HYPHEN[1:] if hyphenated and not _is_suspended(first) else " "


def collect_words(texts: Iterable[str]) -> Counter[str]:
    """Count words in lower case, and the parts of those with a hyphen; what a line end breaks is left out."""
    words: Counter[str] = Counter()
    for text in texts:
        whole = " ".join([word for word in text.split() if HYPHEN not in word]) if HYPHEN in text else text
        found = WORD.findall(whole.casefold())
        words.update(found)
        words.update(part for word in found if "-" in word for part in word.split("-"))
    return words


def resolve(text: str, words: Mapping[str, int]) -> tuple[str, int]:
    """Return a text without marks, and how many hyphens were taken out of it.

    A hyphen goes where the lecture itself, by `words`, has the word in one piece, or where nothing speaks for it.
    """
    if HYPHEN not in text:
        return text, 0
    whole, *rest = text.split(HYPHEN)
    joined = 0
    for piece in rest:
        gone = _belongs_not(whole, piece, words)
        joined += gone
        whole += piece if gone else f"- {piece}" if _is_suspended(piece) else f"-{piece}"
    return whole, joined


def _is_suspended(text: str) -> bool:
    return text.split(maxsplit=1)[0].lower() in SUSPENDING if text[:1].strip() else False


def _belongs_not(before: str, after: str, words: Mapping[str, int]) -> bool:
    """Tell whether a hyphen between two texts only marks the end of a line."""
    last, first = LAST_WORD.search(before[-LONGEST:]), FIRST_WORD.match(after)
    if not last or not first or _is_suspended(after):
        return False
    one, two = last[0], first[0]
    together, apart = words.get((one + two).casefold(), 0), words.get(f"{one}-{two}".casefold(), 0)
    return together >= apart if together or apart else _reads_as_one(one, two, words)


def _reads_as_one(one: str, two: str, words: Mapping[str, int]) -> bool:
    """Judge two halves by their form where the lecture has their word nowhere else.

    German sets its compounds in one piece, so that even two known words are one; English seldom does.
    """
    parted = "-" in one + two or len(one) < 2 or not one.isalpha()  # "state-of-the-art", "E-mail", "3D-fähig"
    if parted or len(two) < SHORTEST or not two.islower() or one.isupper():
        return False
    if two in COMPOUNDED or one.lower() in COMPOUNDING:
        return False
    return _is_german(words) or not any(len(half) >= LONG and half.casefold() in words for half in (one, two))


def _is_german(words: Mapping[str, int]) -> bool:
    return sum(words.get(word, 0) for word in GERMAN) > sum(words.get(word, 0) for word in ENGLISH)
