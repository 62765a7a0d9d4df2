"""What Anki's note types make of a note's fields: which of them are asked, which answer."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edullama.dataset.card_text import holds_media, plain_text

SECTION = re.compile(r"\{\{([#^])\s*([^{}]+?)\s*\}\}(.*?)\{\{/\s*\2\s*\}\}", re.DOTALL)
FIELD = re.compile(r"\{\{\s*([^{}#^/][^{}]*?)\s*\}\}")
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
ANSWER_LINE = re.compile(r"""<hr\b[^>]*\bid=["']?answer\b[^>]*>""", re.IGNORECASE)
ABOUT_CARD = {"FrontSide", "Tags", "Type", "Deck", "Subdeck", "Card", "CardFlag", "CardID"}
UNSEEN_FRONT = {"type", "hint", "tts"}  # an empty box, a button, a voice
VOICE = "tts"


@dataclass(frozen=True, slots=True)
class NoteType:
    """A kind of note: its fields' names and, for each card that it makes, what stands on front and back."""

    fields: Sequence[str]
    templates: Sequence[tuple[str, str]]
    cloze: bool


PLAIN = NoteType(("Front", "Back"), (("{{Front}}", "{{Back}}"),), cloze=False)


def show_front(kind: NoteType, number: int, values: Mapping[str, str]) -> str:
    """Return what the card with this number asks."""
    return _fill(_template(kind, number)[0], values, UNSEEN_FRONT)


def show_back(kind: NoteType, number: int, values: Mapping[str, str]) -> str:
    """Return what the card with this number answers, without what it has asked."""
    front, back = _template(kind, number)
    answer = ANSWER_LINE.split(back)[-1]
    asked = dict.fromkeys(_shown(front, UNSEEN_FRONT), "")
    return _fill(answer, {**values, **asked}, {VOICE})


def is_turned(kind: NoteType, number: int) -> bool:
    """Tell whether a card asks what the first card of its kind answers."""
    first, this = _template(kind, 0), _template(kind, number)
    answers = _shown(first[1], {VOICE}) - _shown(first[0], UNSEEN_FRONT)
    return number > 0 and bool(_shown(this[0], UNSEEN_FRONT) & answers)


def _template(kind: NoteType, number: int) -> tuple[str, str]:
    templates = kind.templates or PLAIN.templates
    front, back = templates[number if number < len(templates) else 0]
    return COMMENT.sub("", front), COMMENT.sub("", back)


def _shown(template: str, unseen: set[str]) -> set[str]:
    """Return the names of the fields that a template shows."""
    return {name for filters, name in map(_split, FIELD.findall(template)) if not filters & unseen} - ABOUT_CARD


def _fill(template: str, values: Mapping[str, str], unseen: set[str]) -> str:
    def keep(section: re.Match[str]) -> str:
        value = values.get(section[2], "")
        filled = bool(plain_text(value)) or holds_media(value)
        return section[3] if filled == (section[1] == "#") else ""

    def fill(field: re.Match[str]) -> str:
        filters, name = _split(field[1])
        return "" if filters & unseen or name in ABOUT_CARD else values.get(name, "")

    while SECTION.search(template):
        template = SECTION.sub(keep, template)
    return FIELD.sub(fill, template).strip()


def _split(tag: str) -> tuple[set[str], str]:
    """Split `type:cloze:Text` into its filters and the field."""
    *filters, name = tag.split(":")
    return {text.split()[0] for text in filters if text.strip()}, name.strip()
