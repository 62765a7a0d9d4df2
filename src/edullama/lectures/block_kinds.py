"""What a piece of text is: prose, program code or a formula. Fonts tell first, the text's shape where they do not."""

import re
from collections.abc import Sequence

from edullama.lectures.pages import Line
from edullama.records import BlockKind

FUNCTIONS = {
    "all", "and", "arg", "argmax", "argmin", "const", "cos", "cov", "det", "diag", "dim", "div", "exp", "for", "inf",
    "ker", "lim", "log", "max", "min", "mod", "rank", "sgn", "sign", "sin", "sup", "tan", "tanh", "var", "with",
}  # fmt: skip  # and words that stand between formulas
PLAIN = re.compile(r"[A-Za-zÄÖÜäöüß \n,.:?•▶–-]+")  # nothing of a formula, and of code no more than commands
# A word of a sentence stands between spaces and punctuation: "Remp(f)", "x_max" and "p.get" hold none.
RUNNING_WORD = re.compile(r"""(?<![^\s("'„“‚‘«/•▶–-])[^\W\d_ˆ˜]{3,}(?=[\s.,;:!?)"'“”’‘»/–-]|$)""")
SHORT_WORD = re.compile(
    r"(?<!\S)(?:[A-ZÄÖÜ]{2,}\d*|(?i:is|in|of|to|we|on|at|by|as|or|no|so|be|it|im|am|an|zu|da|es|um|ab|wo))(?=[\s.,:)]|$)"
)
NAME = re.compile(r"(?<![a-z])(?!argm|cosh|sinh|dxdy)[a-zäöüß]{4,}|[^\W_]_[^\W_]")  # of something other than a quantity
ADDRESS = re.compile(r"://|www\.|@\w+\.\w|\.(?:de|com|org|net|edu|io|html?|pdf)\b")
MARKER = re.compile(r"\(?(?:\d{1,2}|[a-h])[.)]|\[[\d, ]*\]|©|(?:(?:19|20)\d\d[\s–-]*)+|[\d.]+(?:19|20)\d\d")
PRINTED = r"∼∝⋅·∗⊤∥⟨⟩↦∈∉⊂⊆∪∩∀∃∑∏∫∂∇√∞−\u0370-\u03ff\u0302\u0303ˆ˜"  # signs that no keyboard has
PRINTED_SIGN = re.compile(f"[{PRINTED}]")
SIGN = re.compile(rf"[=^≤≥≠≈≡±×∘←→⇒⇔∅{PRINTED}]|[\s\d)][<>][\s\d(=]")
MOST_WORDS = 0.6  # of a text's characters: a sentence, whatever else is in it
FEW_WORDS = 0.35  # with signs of a formula between them
FORMULA_FONT = 0.8  # of the characters: a formula, even with some words in it
FEW = 3  # words; more make a sentence
SENTENCE = 6  # words in a typewriter's font
LONGEST_COMMAND = 8  # words
PLAIN_ENOUGH = 12  # characters; "arg min" is shorter

SIGNS_OF_CODE = re.compile(r"[{}();=$<>\[@]|--")
BRACES = re.compile(r"[{}]|\);|:=")  # even among words
COMMAND = re.compile(r"(?:\$|>>>)\s|@\w+$|(?:git|pip3?|npm|docker|conda|sudo|wget|curl|java|import|from \S+ import)\s")
CODE_LINE = re.compile(
    r"""\s*(?:
      (?:[{}()\[\];]+|.*[\w)\]"'>]\s*\{(?:\s.*)?|.*[)\]"'}]\s*;|.*=\s*[\w.]+;)\s*(?:(?://|/\*|\#).*)?$  # f(x); if (y) {
    | (?://|/\*\*?\s|\*/|\#['’]|\#include\b|\#!|@\w+(?:\(.*\))?$|<\?|</?\w+>).*  # comments, annotations, tags
    | (?:>>>|\$|C:\\\S*>|PS>|In\s\[\d+\]:)\s*\w.*                         # prompts
    | (?:git|pip3?|npm|docker|conda|sudo|apt(?:-get)?|wget|curl|javac?|python3?|gcc|make|mvn|gradle|\./\w+)\s
      (?:-{1,2}\w|[a-z]+$|[a-z-]+\s[\w<./-]).*
    | --?\w[\w-]*=.*                                                      # options
    | (?:def|class|fn|fun|func|function|proc|procedure|algorithm|struct|record|enum)\s+\w[\w.<>]*\s*[(:{<].*
    | (?:if|elif|else\s?if|while|for|foreach|switch|try|catch|until)\b.*(?:\{|\b(?:do|then))$
    | (?:if|elif|while|for|with)\b.*(?:[=!<>]=|[(<>]|\b(?:in|not|True)\b).*:$
    | (?:else|try|do|begin|repeat|loop|end(?:\s?(?:if|for|while|procedure))?|fi|od|pass|break|continue)\s*[:;{]?$
    | (?:from\s[\w.]+\s)?import\s[\w.*]+(?:\s+as\s\w+|,\s*\w+)*;?$
    | return(?:\(.*|(?:\s+[\w.\[\]()+*/%<>=!&|"'-]+){0,5};?)$
    | (?:public|private|protected|static|final|default|void|int|double|float|String|boolean|bool|char|var|let|const)\s
      [\w<>\[\]*&\s,?]+[(=;{:].*
    | [\w.\[\]"']{3,}(?:,\s*\w+)*\s*(?:=|:=|\+=|-=|<-)\s*[\w.]*[a-z]\w\w*[.(\[{].*[)\]}](?:\s*(?:\#|//).*)?$  # x = f(y)
    | [a-z]\w*(?:\.\w+)*\.[a-z]\w*(?:\(.*|\s\(.*[();{]$)                   # a.b(c)
    | (?:\([\w\s,<>]*\)|\w+)\s*[-=]>.*[({].*                              # x -> f(x)
    | \w+_\w+\s*(?:\(|=(?!=)|:=|<-|\[).*                                 # snake_case = 1
    | (?:print|printf|println|assert|raise|throw|yield|new|await)\b\s*[("'\w].*[)"';]$
    )""",
    re.VERBOSE,
)
LONGEST_LINE = 300  # of code, in characters: the pattern would take long on what is longer
CODE_LINES = 0.5  # of a text's lines: a fragment of that many is code
LISTING = 3  # lines; pseudocode of so many may have printed signs in it
BULLET = re.compile(r"(?:[•▶–]|\d{1,2}\.)\s")


def tell_kind(lines: Sequence[Line], text: str) -> BlockKind:
    """Say what the lines of one fragment are.

    A sentence that names `foo()` or has a formula in it is text. Numbers and letters without words are a formula, as
    the labels in drawings are: nothing can be learned from them.
    """
    mono = any(line.mono for line in lines)
    if not mono and len(text) >= PLAIN_ENOUGH and PLAIN.fullmatch(text) and not COMMAND.match(text):
        return "text"  # as most are
    words = [word for word in RUNNING_WORD.findall(text) if word.lower() not in FUNCTIONS]
    prose = sum(map(len, words)) / max(1, len(text) - text.count(" ") - text.count("\n"))
    if mono and sum([len(line.text) if line.mono else -len(line.text) for line in lines]) > 0:
        return _tell_mono(text, prose, len(words))
    if (prose >= MOST_WORDS and not (BRACES.search(text) or COMMAND.match(text))) or ADDRESS.search(text):
        return "text"
    if _is_code(text) and (prose < MOST_WORDS or len(words) <= LONGEST_COMMAND or "\n" in text):
        return "code"
    return "formula" if _is_formula(lines, text, prose, len(words)) else "text"


def _tell_mono(text: str, prose: float, words: int) -> BlockKind:
    """Tell code from what else is set in a typewriter's font: sentences, addresses and numbers."""
    sentences = prose >= MOST_WORDS and words >= SENTENCE and not any(map(_is_code_line, text.split("\n")))
    if sentences or (ADDRESS.search(text) and not _may_be_code(text)):
        return "text"
    return "code" if any(char.isalpha() or char in "{};" for char in text) else "formula"


def _is_code(text: str) -> bool:
    """Tell code by its shape: braces and semicolons, keywords, assignments and prompts at their places in lines."""
    if not _may_be_code(text) or BULLET.match(text) or not any(char.isalpha() for char in text):
        return False
    lines = text.split("\n")
    if len(lines) < LISTING and PRINTED_SIGN.search(text):
        return False
    return sum(map(_is_code_line, lines)) >= CODE_LINES * len(lines)


def _may_be_code(text: str) -> bool:
    return bool(SIGNS_OF_CODE.search(text) or COMMAND.match(text))


def _is_code_line(line: str) -> bool:
    return len(line) <= LONGEST_LINE and bool(CODE_LINE.match(line))


def _is_formula(lines: Sequence[Line], text: str, prose: float, words: int) -> bool:
    """Tell a formula by its signs and by how few words stand between them; without any word it needs no sign."""
    signs = "|" in text[1:] or bool(SIGN.search(text))
    maths = sum(line.maths * len(line.text) for line in lines) / sum(len(line.text) for line in lines)
    if not words:
        if maths >= FORMULA_FONT:
            return True
        named = NAME.search(text) and not PRINTED_SIGN.search(text)
        return not named and (signs or not (SHORT_WORD.search(text) or MARKER.fullmatch(text)))
    if not signs or prose >= MOST_WORDS:
        return False
    return maths >= FORMULA_FONT or (prose < FEW_WORDS and (words <= FEW or prose < FEW_WORDS / 3))
