"""What a slide is for: a title, an outline, a divider, an exercise, thanks, references, or what is to be learnt.

Outlines, thanks and references may be left out later, so a slide is one of them only if nothing speaks against it.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from edullama.records import SlideKind


def _title(words: str) -> re.Pattern[str]:
    """Match a title in small letters that consists of certain words and maybe a number, as in "Outline (2/3)"."""
    return re.compile(rf"({words})[\s,:(\[/–-]*(\d+|[ivx]+|cont\S*|forts\S*)?([\s/]+(of|von|\d+))*[\s)\].:…]*")


OUTLINE = _title(
    r"((lecture|course|talk|session|today's) )?(outline|agenda)|gliederung|inhalt(sverzeichnis|sübersicht)?|contents"
    r"|table of contents|(this|today's) lecture( in one slide)?|(course|lecture) overview"
    r"|(kurs|vorlesungs)(überblick|übersicht)|inhalte? der (heutigen )?(vorlesung|veranstaltung)"
)
MAYBE_OUTLINE = _title(
    r"über(blick|sicht)|overview|today|heute|plan|ablauf|aufbau|themen(übersicht)?|topics|roadmap|fahrplan"
)
EXERCISE = re.compile(
    r"([\w-]*[\s-])?(\w*aufgaben?|übung(en)?|exercises?|quiz|homework|assignments?|\w*test ?fragen|kontrollfragen)"
    r"( ?[\d.]+| [a-z])?\)?\s*([:–(-].*)?",
    re.DOTALL,
)
REFERENCES = _title(
    r"(list of )?references|(weiterführende )?literatur(angaben|hinweise|liste|empfehlungen)?|quellen(angaben)?|sources"
    r"|further reading|(bild|image |picture )(quellen|credits|sources)"
)
ONLY_REFERENCES = _title(r"bibliogra(phy|phie|fie)|(literatur|quellen)(verzeichnis|nachweise?)|bildnachweise?")
CITATION = re.compile(
    r"^\[\w{1,12}\]|https?://|\bdoi\b|\bet al\b|\bisbn\b|\barxiv\b|\bpp?\. ?\d|\b(?:19|20)\d\d\b|\bpress\b|\bverlag\b",
    re.MULTILINE | re.IGNORECASE,
)
ENTRY = re.compile(r"^\[\w{1,12}\]\s.*\b(?:19|20)\d\d\b", re.MULTILINE)
THANKS = re.compile(
    r"((vielen|herzlichen|besten) )?dank(e( schön)?)?( fürs?( \w+){1,3})?"
    r"|thank(s| you)( (very|so) much)?( for( \w+){1,4})?|the end|ende"
)
QUESTIONS = re.compile(
    r"((noch|any|open|offene|ihre|eure|your|gibt es noch) )?(fragen|questions)"
    r"( (and|und) (answers|antworten|discussion|diskussion))?|q ?& ?a"
)
CONTACT = re.compile(r"\S+@\S+|(https?://|www\.)\S+|\bcontact\b|\bkontakt\b", re.IGNORECASE)
BULLET = re.compile(r"^\s*(?:[•▶►▸‣◦▪■□○●➢–-]|\(?\d{1,2}(?:\.\d{1,2})*[.)]?(?=\s))\s*")
PARTS = re.compile(r"\s+[–-]\s+|:\s+")  # of a title, as in "Sorting – Quicksort"
SHORT = 60  # words on a title page, at most
LONG_OUTLINE = 90  # words
SECTION_WORDS = 8
NAMES = 12  # words below thanks
FEW_WORDS = 3  # below "Questions?": more may be the questions
MATHS = frozenset("=∈≤≥∑∫")
CITED = 0.3  # citations a line


@dataclass(frozen=True, slots=True)
class Shown:
    """What tells a slide's kind."""

    title: str
    texts: tuple[str, ...]  # the others
    size: float  # of the title's letters
    middle: float  # of the title, from 0 at the page's top to 1
    pictures: int  # that count


@dataclass(frozen=True, slots=True)
class _Deck:
    """What a slide is compared with."""

    titles: Counter[str]  # and their parts, plain
    dividers: Counter[tuple[int, int]]  # looks of titles that stand alone
    size: float  # that titles mostly have


def tell_kinds(slides: Sequence[Shown]) -> list[SlideKind]:
    """Return the kind of each slide of one lecture."""
    deck = _look_over(slides)
    return [_tell_kind(slide, index == 0, deck) for index, slide in enumerate(slides)]


def _look_over(slides: Sequence[Shown]) -> _Deck:
    titled = [slide for slide in slides if slide.title]
    titles = Counter(_plain(part) for slide in titled for part in {slide.title, *PARTS.split(slide.title)})
    dividers = Counter(_look(slide) for slide in titled if not slide.texts and not slide.pictures)
    size = median(slide.size for slide in titled) if titled else 0.0
    return _Deck(titles, dividers, size)


def _look(slide: Shown) -> tuple[int, int]:
    return round(slide.size), round(20 * slide.middle)


def _tell_kind(slide: Shown, is_first: bool, deck: _Deck) -> SlideKind:
    if _is_blank(slide):
        return "blank"
    if _says_thanks(slide) and not is_first:
        return "questions"
    if _is_references(slide):
        return "references"
    if _is_outline(slide, deck):
        return "outline"
    if is_first and _opens(slide, deck):
        return "title"
    if _divides(slide, deck):
        return "section"
    return "exercise" if EXERCISE.fullmatch(_plain(slide.title)) else "content"


def _is_blank(slide: Shown) -> bool:
    """Tell whether nothing is shown, a page number aside."""
    if slide.pictures:
        return False
    text = "".join([slide.title, *slide.texts])
    return not any(char.isalpha() for char in text) and len(text.split()) < 2


def _says_thanks(slide: Shown) -> bool:
    """Tell whether a slide thanks or asks for questions and, names and addresses aside, says nothing else."""
    title = " ".join(re.findall(r"[\w&]+", slide.title.casefold()[:100]))
    thanks = THANKS.sub("", title)
    if not title or QUESTIONS.sub("", thanks).strip():
        return False
    if thanks == title and slide.pictures and "?" not in slide.title:  # the questions may be in the picture
        return False
    more = CONTACT.sub("", " ".join(slide.texts))
    return "?" not in more and len(more.split()) <= (NAMES if thanks != title else FEW_WORDS)


def _is_references(slide: Shown) -> bool:
    """Tell whether a slide's title and its lines, or nearly all its lines, are those of a list of references."""
    title, text = _plain(slide.title), "\n".join(slide.texts)
    if ONLY_REFERENCES.fullmatch(title):
        return True
    lines = max(1, len(text.splitlines()))
    if REFERENCES.fullmatch(title):  # C++ has references as well
        return len(CITATION.findall(text)) >= max(1.0, CITED * lines)
    return text.count("[") >= 4 and len(ENTRY.findall(text)) >= max(4.0, 0.8 * lines)


def is_outline_title(title: str) -> bool:
    """Tell whether a title is one that outlines alone have."""
    return bool(OUTLINE.fullmatch(_plain(title)))


def _is_outline(slide: Shown, deck: _Deck) -> bool:
    """Tell whether a slide lists the parts of a lecture: by its title, or by other slides' titles on it."""
    title = _plain(slide.title)
    sure, maybe = OUTLINE.fullmatch(title), MAYBE_OUTLINE.fullmatch(title)
    if not (sure or maybe or (len(slide.texts) <= 30 and deck.titles[title] > 1)):
        return False
    lines = _lines(slide)
    if len(lines) < 2 or not _is_list(lines):
        return False
    named = sum(line in deck.titles for line in lines)
    return bool(sure) or (named >= (0.5 if maybe else 0.8) * len(lines) and named >= (2 if maybe else 3))


def _is_list(lines: Sequence[str]) -> bool:
    """Tell whether lines are short, and neither sentences nor formulas, in which "Inhalt" is a measure."""
    sentences = sum(line[-1] in ".?!;" or not MATHS.isdisjoint(line) for line in lines)
    return sentences <= 0.2 * len(lines) and sum(len(line.split()) for line in lines) <= LONG_OUTLINE


def _opens(slide: Shown, deck: _Deck) -> bool:
    """Tell whether the first slide looks like no other and says little."""
    if not slide.title or deck.dividers[_look(slide)] > 1:
        return False
    words = sum(len(text.split()) for text in slide.texts)
    return words <= SHORT and (slide.size > 1.1 * deck.size or slide.middle > 0.25)


def _divides(slide: Shown, deck: _Deck) -> bool:
    """Tell whether a slide has nothing but a short title, and that in the middle."""
    alone = slide.title and not slide.pictures and sum(len(text.split()) for text in slide.texts) <= 2
    short = len(slide.title.split()) <= SECTION_WORDS and slide.size >= 0.95 * deck.size
    return bool(alone) and short and 0.25 < slide.middle < 0.75


def is_repeat(slides: Sequence[Shown], kinds: Sequence[SlideKind]) -> list[bool]:
    """Tell for each slide whether it is an outline of which every line stands on earlier outlines."""
    seen: set[str] = set()
    repeats = []
    for slide, kind in zip(slides, kinds, strict=True):
        lines = set(_lines(slide)) if kind == "outline" else set()
        repeats.append(bool(lines) and lines <= seen)
        seen |= lines
    return repeats


def _lines(slide: Shown) -> list[str]:
    lines = [_plain(line) for text in slide.texts for line in text.splitlines()]
    return [line for line in lines if any(char.isalpha() for char in line)]


def _plain(text: str) -> str:
    """Return a text in small letters without bullet or number before it."""
    return BULLET.sub("", " ".join(text.split())).casefold()
