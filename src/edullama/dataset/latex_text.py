"""LaTeX as plain text: formulas in one line with Unicode signs, prose without commands."""

import re
import unicodedata

GREEK = """
alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma tau upsilon
phi chi psi omega
"""
SIGNS = {
    "cdot": "·", "times": "×", "div": "÷", "pm": "±", "mp": "∓", "leq": "≤", "le": "≤", "geq": "≥", "ge": "≥",
    "neq": "≠", "ne": "≠", "approx": "≈", "sim": "∼", "equiv": "≡", "propto": "∝", "infty": "∞", "partial": "∂",
    "nabla": "∇", "sum": "∑", "prod": "∏", "int": "∫", "in": "∈", "notin": "∉", "subset": "⊂", "subseteq": "⊆",
    "cup": "∪", "cap": "∩", "emptyset": "∅", "forall": "∀", "exists": "∃", "neg": "¬", "lnot": "¬", "land": "∧",
    "wedge": "∧", "lor": "∨", "vee": "∨", "to": "→", "rightarrow": "→", "leftarrow": "←", "Rightarrow": "⇒",
    "implies": "⇒", "Leftrightarrow": "⇔", "iff": "⇔", "mapsto": "↦", "ldots": "…", "dots": "…", "cdots": "…",
    "circ": "∘", "odot": "⊙", "oplus": "⊕", "otimes": "⊗", "top": "T", "perp": "⊥", "mid": "|", "vert": "|",
    "Vert": "‖", "|": "‖", "langle": "⟨", "rangle": "⟩", "ell": "ℓ", "varepsilon": "ε", "varphi": "φ", "hbar": "ℏ",
    "ast": "*", "star": "*", "prime": "'", "sqrt": "√", "backslash": "\\", "textbackslash": "\\", "ss": "ß", "S": "§",
    "glqq": "„", "grqq": "“", "LaTeX": "LaTeX", "TeX": "TeX", "euro": "€", "degree": "°",
}  # fmt: skip
SIGNS |= {name: unicodedata.lookup(f"GREEK SMALL LETTER {name.replace('lambda', 'lamda')}") for name in GREEK.split()}
SIGNS |= {name.title(): SIGNS[name].upper() for name in GREEK.split()}
SIGNS |= {sign: sign for sign in "%&#$_"} | dict.fromkeys(",;:! \n/", " ") | {"\\": " "}
ACCENTS = {'"': "\u0308", "'": "\u0301", "`": "\u0300", "^": "\u0302", "~": "\u0303", "c": "\u0327"}

COMMENT = re.compile(r"(?<!\\)%[^\n]*\n?[ \t]*")
ACCENT = re.compile(r"""\\(["'`^~]|c(?=\{))\s*\{?\\?([A-Za-z])\}?""")
BRACED = r"\{((?:[^{}]|\{[^{}]*\})*)\}"
UNSEEN = re.compile(
    r"\\(?:end\s*\{[^{}]*\}|begin\s*\{(?:minipage|tabular|array|multicols)\*?\}(?:\[[^\]]*\])?\{[^{}]*\}|"
    rf"(?:begin|label|ref|cite|[vh]space|color|selectlanguage|input|usepackage|fontsize)\*?(?:\[[^\]]*\])?{BRACED}|"
    rf"(?:setlength|(?:re)?newcommand\*?){BRACED}(?:\[\d\])?{BRACED})"
)
ITEM = re.compile(r"\\item(?![A-Za-z])(?:\s*\[(?:(?!\W*\])([^\[\]]*)|[^\[\]]*)\])?")
LAYOUT = re.compile(
    r"\\(?:left|right|[bB]igg?[lr]?|displaystyle|textstyle|limits|nonumber|quad|qquad|mathop)(?![A-Za-z])"
)
FRACTION = re.compile(rf"\\[dt]?frac\s*{BRACED}\s*{BRACED}")
RAISED = re.compile(rf"([\^_]|\\sqrt)\s*{BRACED}")
COMMAND = re.compile(r"\\(?:([A-Za-z]+)\*?|(.|\n))")
IN_PROSE = re.compile(r"\\(?:([A-Za-z]+)\*?(?:\s|(\{)|)|(.|\n))")  # swallows the space after a word
SIMPLE = re.compile(r"[-+]?\w*|\\[A-Za-z]+(?:_\w)?|\([^()]*\)")
FONTS = re.compile(
    r"(?:math|text|operatorname|boldsymbol|bm|under|over|wide)[a-z]*|emph|bf|rm|it|cal|vec|hat|bar|tilde"
)
HATS = {"hat": "\u0302", "widehat": "\u0302", "tilde": "\u0303", "widetilde": "\u0303", "bar": "\u0304"}
HATTED = re.compile(r"\\(hat|widehat|tilde|widetilde|bar)\s*(?:\{\s*(\w|\\[A-Za-z]+)\s*\}|\s(\w)|(\\[A-Za-z]+))")
BRACES = str.maketrans({"{": "", "}": "", "\1": "{", "\2": "}"})  # those that are set stand aside meanwhile


def plain_math(text: str) -> str:
    r"""Return a formula as a person would type it: `\frac{1}{n}\sum_{i} x_i` becomes `1/n ∑_i x_i`."""
    text = LAYOUT.sub(" ", UNSEEN.sub(" ", _set_aside(text)))
    text = HATTED.sub(lambda found: (found[2] or found[3] or found[4]) + HATS[found[1]], text)
    while FRACTION.search(text):
        text = FRACTION.sub(lambda found: f"{_group(found[1])}/{_group(found[2])} ", text)
    while RAISED.search(text):
        text = RAISED.sub(lambda found: found[1] + _group(found[2]), text)
    text = COMMAND.sub(lambda found: _sign(found[1] or found[2], known=found[1] or ""), re.sub(r"[~&]", " ", text))
    text = re.sub(r"\s+(?=[,.;:)^]|_(?!_))", "", text.translate(BRACES))
    return " ".join(text.split())


def plain_latex(text: str) -> str:
    """Return LaTeX prose without its commands; what it sets in math mode is for `plain_math`."""
    text = ACCENT.sub(lambda found: unicodedata.normalize("NFC", found[2] + ACCENTS[found[1]]), text)
    text = ITEM.sub(lambda found: f" - {found[1]}: " if found[1] else " - ", UNSEEN.sub(" ", _set_aside(text)))
    for typed, meant in (("---", "—"), ("--", "–"), ("``", "“"), ("''", "”"), ('"`', "„"), ("\"'", "“"), ("~", " ")):
        text = text.replace(typed, meant)
    return IN_PROSE.sub(_sign_in_prose, text).translate(BRACES)


def _set_aside(text: str) -> str:
    return re.sub(r"\\([{}])", lambda found: "\1" if found[1] == "{" else "\2", text)


def _group(text: str) -> str:
    text = text.strip()
    return text if SIMPLE.fullmatch(text) else f"({text})"


def _sign_in_prose(found: re.Match[str]) -> str:
    word, brace, sign = found.groups(default="")
    return _sign(word or sign, known="" if brace or sign else " ") + brace


def _sign(name: str, known: str) -> str:
    """Return a command's sign, else what it is known as; a font is seen nowhere."""
    return "" if FONTS.fullmatch(name) else SIGNS.get(name, known)
