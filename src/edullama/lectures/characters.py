"""Repair of characters that PDFs spell oddly: split umlauts, ligatures, private glyphs, TeX's tall signs."""

import re
import unicodedata

# TeX's old fonts draw an accent and its letter as two glyphs, in either order. Circumflex and tilde are left alone:
# "[ˆabc]" is a regular expression and "ˆf" an estimate.
COMBINING = {"¨": "\u0308", "´": "\u0301"}
ACCENT_THEN_LETTER = re.compile(r"([¨´]) ?([aouAOUeEiIyYı])")
LETTER_THEN_ACCENT = re.compile(r"([aouAOUeiy])([¨´])")
STRUCK_OUT = re.compile("\u0338 ?([=∈∋<>≤≥≡∼≈⊂⊆∃≪≫])")
LIGATURES = {chr(code): unicodedata.normalize("NFKC", chr(code)) for code in range(0xFB00, 0xFB07)}
# Bullets and arrows of the symbol fonts that slide programs use, which have no Unicode place of their own.
SYMBOLS = {"\uf0b7": "•", "\uf0a7": "•", "\uf0a8": "•", "\uf076": "•", "\uf0d8": "•", "\uf06e": "•", "\uf0fc": "•",
           "\uf0e0": "→", "\uf0e8": "→", "\uf0f0": "→", "\uf0de": "⇒"}  # fmt: skip
SPACES = {"\u00a0": " ", "\u2007": " ", "\u202f": " ", "\t": " ", "\u00ad": "", "\u200b": "", "\ufeff": "",
          "\u2028": "\n", "\x0b": "\n"}  # fmt: skip
MATHS_LETTERS = {chr(code): unicodedata.normalize("NFKC", chr(code))
                 for code in (*range(0x1D400, 0x1D800), *range(0x2145, 0x214A))}  # fmt: skip
# PowerPoint's formula font gives hats, tildes and tall signs as letters of scripts that its slides are not written in.
OFFICE_SIGNS = {"\u0dcd": "∑", "\u0dcc": "∑", "\u124a": "{", "\u210e": "h"}
OFFICE_ACCENTS = {"\u0ddc": "\u0302", "\u0ddd": "\u0302", "\u0de0": "\u0302", "\u0de1": "\u0302",
                  "\u0de4": "\u0303", "\u0de5": "\u0303"}  # fmt: skip
OFFICE_ACCENT_THEN_LETTER = re.compile(f"([{''.join(OFFICE_ACCENTS)}]) ?([A-Za-zΑ-ω])")
REPLACED = str.maketrans(LIGATURES | MATHS_LETTERS | OFFICE_SIGNS | SYMBOLS | SPACES)
UNREADABLE = re.compile("[\ufffd\ue000-\uf8ff\U000f0000-\U0010ffff\x00-\x08\x0c-\x1f\x7f-\x9f]")
# TeX's fonts of tall signs have an order of their own, and no names for their glyphs that a PDF reader would know.
TEX_SIGNS = ("CMSY", "CMMI", "MSBM", "MSAM")
TALL_FONTS = ("CMEX", "LMMathExtension")
TALL_SIGNS = str.maketrans(
    dict(zip("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f", "()[]⌊⌋⌈⌉{}⟨⟩|∥/\\", strict=True))
    | dict(zip("\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f", "()()[]⌊⌋⌈⌉{}⟨⟩/\\", strict=True))
    | dict(zip("!\"#$%&'()*+,-./", ")[]⌊⌋⌈⌉{}⟨⟩/\\/\\", strict=True))
    | dict(zip("PQRSTUVWXYZ[\\]^_`apqrs", "∑∏∫∪∩⊎∧∨∑∏∫∪∩⊎∧∨∐∐√√√√", strict=True))
    | dict(zip("hijklmno", "[]⌊⌋⌈⌉{}", strict=True))
    | {ord(piece): None for piece in "bcdefgtuvwxyz{|}~"}  # hats, arrow shafts and pieces of braces
)


def repair(text: str) -> str:
    """Return text in NFC with accents on their letters and without characters that stand for nothing."""
    if text.isascii() and text.isprintable():
        return text
    text = STRUCK_OUT.sub("\\1\u0338", text.translate(REPLACED))
    text = LETTER_THEN_ACCENT.sub(lambda match: match[1] + COMBINING[match[2]], ACCENT_THEN_LETTER.sub(_join, text))
    text = OFFICE_ACCENT_THEN_LETTER.sub(lambda match: match[2] + OFFICE_ACCENTS[match[1]], text)
    return unicodedata.normalize("NFC", UNREADABLE.sub("", text))


def count_unreadable(text: str) -> int:
    """Count the characters that no reader of the text could make sense of."""
    return 0 if text.isascii() and text.isprintable() else len(UNREADABLE.findall(text.translate(REPLACED)))


def read_glyphs(font: str, glyphs: str) -> str:
    """Return what glyphs without Unicode names show: TeX's tall signs are known, others unreadable."""
    if font.startswith(TALL_FONTS):
        return "(" if glyphs == " " else glyphs.translate(TALL_SIGNS)
    return glyphs.replace("7→", "↦") if font.startswith(TEX_SIGNS) else "\ufffd" * len(glyphs)


def _join(match: re.Match[str]) -> str:
    """Set an accent on the letter behind it."""
    return ("i" if match[2] == "ı" else match[2]) + COMBINING[match[1]]
