"""Plain text of a flashcard's field."""

import html
import re
import unicodedata
from urllib.parse import unquote

from edullama.dataset.latex_text import plain_math

# What is opened is searched for its end up to the next opening only, or a field full of openings would take forever.
UNSEEN = re.compile(
    r"<!--(?:(?!<!--|-->).)*-->|<(style|script|template)\b(?:(?!<\1\b).)*?</\1\s*>", re.DOTALL | re.IGNORECASE
)
DRAWN_MATH = re.compile(r"""<img\b[^<>]*(?:\bsrc="[^"<>]*[?&]math=|class="latex"[^<>]*\balt=")([^"<>]*)"[^<>]*>""")
MATHJAX = re.compile(r"<anki-mathjax\b[^<>]*>((?:(?!<anki-mathjax).)*?)</anki-mathjax>", re.DOTALL | re.IGNORECASE)
IMAGE = re.compile(r"<(svg|iframe|canvas)\b(?:(?!<\1\b).)*?</\1\s*>|<(?:img|image)\b[^<>]*>", re.DOTALL | re.IGNORECASE)
SOUND = re.compile(
    r"\[sound:[^\[\]]*\]|\[anki:play:[^\[\]]*\]|\[anki:(tts|play)\b(?:(?!\[anki:).)*?\[/anki:\1\]|"
    r"<(audio|video)\b(?:(?!<\2\b).)*?</\2\s*>",
    re.DOTALL | re.IGNORECASE,
)
RAISED = re.compile(r"(?<=[\w)\]])\s?<(sup|sub)\b[^<>]*>(?!st\b|nd\b|rd\b|th\b)([^<>]*)</\1>", re.IGNORECASE)
SMALL = re.compile(r"</?su[bp]\b[^<>]*>", re.IGNORECASE)
NEW_LINE = re.compile(
    r"</?(?:br|hr|div|p|li|ul|ol|dl|dt|dd|tr|td|th|table|tbody|thead|caption|h[1-6]|blockquote|pre|center|section|"
    r"article|header|footer|main|figure|figcaption|details|summary|form|label|button|select|option)\b(?:\s[^<>]*|\s*/)?>",
    re.IGNORECASE,
)
# Only what is HTML: "git clone <url>", "List<String>" and "Function<A, B>" are no tags.
TAG = re.compile(
    r"</?(?:[abiqsu]|(?i:abbr|big|cite|code|del|em|font|ins|kbd|mark|rt|ruby|samp|small|span|strike|strong|tt|var|wbr|"
    r"input|nobr|o:p))(?:\s[^<>=]*=[^<>]*|\s*/)?>"
)
LIGATURE = re.compile("[\ufb00-\ufb06]")
CODE = re.compile(r"((?<!`)`+[^`]+`+)")
MATH = re.compile(
    r"\\\(((?:(?!\\\().)+?)\\\)|\\\[((?:(?!\\\[).)+?)\\\]|\$\$([^$]+)\$\$|"
    r"\[\$\]((?:(?!\[\$\]).)*?)\[/\$\]|\[\$\$\]((?:(?!\[\$\$\]).)*?)\[/\$\$\]|\[latex\]((?:(?!\[latex\]).)*?)\[/latex\]|"
    r"(?<![\w$\\])\$(?=\S)([^$\n]*[\\^_{=(+][^$\n]*|\w)(?<=\S)\$(?![\w$])",
    re.DOTALL,
)


def plain_text(field: str) -> str:
    """Return a field on one line without HTML and media, its formulas as typed by a person."""
    text = html.unescape(_strip_html(field) if "<" in field or "[" in field else field)
    if "\\" in text or "$" in text or "[latex]" in text:
        pieces = CODE.split(text)
        text = "".join(piece if CODE.fullmatch(piece) else MATH.sub(_plain_formula, piece) for piece in pieces)
    text = LIGATURE.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
    return " ".join(unicodedata.normalize("NFC", text).split())


def _strip_html(field: str) -> str:
    text = DRAWN_MATH.sub(lambda found: rf"\({unquote(html.unescape(found[1]))}\)", UNSEEN.sub(" ", field))
    text = MATHJAX.sub(r"\\(\1\\)", text)
    text = TAG.sub("", NEW_LINE.sub(" ", SOUND.sub(" ", IMAGE.sub(" ", text))))
    return SMALL.sub("", RAISED.sub(_raise, text))


def escape_code(text: str) -> str:
    """Keep angle brackets in code from being read as HTML, in files that are not HTML themselves."""
    return CODE.sub(lambda found: escape_brackets(found[1]), text)


def escape_brackets(text: str) -> str:
    """Write angle brackets as HTML does."""
    return text.replace("<", "&lt;").replace(">", "&gt;")


def holds_image(field: str) -> bool:
    """Tell whether a field shows an image that is no formula."""
    return "<" in field and IMAGE.search(DRAWN_MATH.sub("", field)) is not None


def holds_media(field: str) -> bool:
    """Tell whether a field shows or plays something."""
    return holds_image(field) or SOUND.search(field) is not None


def strip_symbols(text: str) -> str:
    """Drop what follows the last word of a question, such as emoji that grade it."""
    end = len(text)
    while end and (text[end - 1] == " " or _is_emoji(text[end - 1])):
        end -= 1
    return text[:end]


def _is_emoji(char: str) -> bool:
    return char == "\u200d" or (char > "\u2190" and unicodedata.category(char) in {"So", "Sk", "Cf", "Mn", "Cn"})


def _raise(found: re.Match[str]) -> str:
    """Write small letters as typed: x^2, A_(i,j), but H2O."""
    inner, space = found[2].strip(), found[2][len(found[2].rstrip()) :]
    if found[1].casefold() == "sub" and inner.isdigit():
        return inner + space
    sign = "^" if found[1].casefold() == "sup" else "_"
    return sign + (inner if re.fullmatch(r"[-+]?\w*", inner) else f"({inner})") + space


def _plain_formula(found: re.Match[str]) -> str:
    return plain_math(next(group for group in found.groups() if group is not None))
