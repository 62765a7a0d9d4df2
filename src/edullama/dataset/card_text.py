"""Plain text of a flashcard's field."""

import html
import re
import unicodedata

UNSEEN = re.compile(r"<!--.*?-->|<(style|script)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
MEDIA = re.compile(r"\[sound:[^\]]*\]|<img\b[^>]*>", re.IGNORECASE)
LATEX_MARKS = re.compile(r"\[/?(?:latex|\$\$?)\]", re.IGNORECASE)
NEW_LINE = re.compile(r"</?(?:br|hr|div|p|li|ul|ol|dl|dt|dd|tr|td|th|table|tbody|thead|h[1-6]|blockquote|pre)\b[^<>]*>",
                      re.IGNORECASE)  # fmt: skip
# Only what is HTML: "git clone <url>" and "List<String>" are no tags.
TAG = re.compile(r"</?(?:a|abbr|anki-mathjax|b|big|center|cite|code|del|em|font|i|ins|kbd|mark|rt|ruby|s|samp|section|"
                 r"small|span|strike|strong|sub|sup|tt|u|var|wbr)\b[^<>]*>", re.IGNORECASE)  # fmt: skip


def plain_text(field: str) -> str:
    """Return a field on one line without HTML and media."""
    text = LATEX_MARKS.sub("", MEDIA.sub(" ", UNSEEN.sub(" ", field)))
    text = html.unescape(TAG.sub("", NEW_LINE.sub(" ", text)))
    text = "".join(unicodedata.normalize("NFKC", char) if "\ufb00" <= char <= "\ufb06" else char for char in text)
    return " ".join(unicodedata.normalize("NFC", text).split())


def holds_media(field: str) -> bool:
    """Tell whether a field shows or plays something."""
    return MEDIA.search(field) is not None


def strip_symbols(text: str) -> str:
    """Drop what follows the last word of a question, such as emoji that grade it."""
    end = len(text)
    while end and unicodedata.category(text[end - 1]) in {"So", "Sk", "Cf", "Mn", "Zs", "Cn"}:
        end -= 1
    return text[:end]
