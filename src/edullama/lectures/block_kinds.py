"""What a piece of text is: prose, program code or a formula. Fonts tell first, the text's shape where they do not."""

import re
from collections.abc import Sequence

from edullama.lectures.pages import Line
from edullama.records import BlockKind

FUNCTIONS = frozenset(
    "log exp min max arg argmin argmax sup inf lim sin cos tan tanh det sgn sign mod div ker dim diag rank var cov "
    "cor const for all and with".split()
)
# Words stand between spaces and punctuation; "Remp(f)", "x_max" and "p.get" hold none.
RUNNING_WORD = re.compile(r"""(?<![^\s("'„“‚‘«/•▶–-])[^\W\d_]{3,}(?=[\s.,;:!?)"'“”’‘»/–-]|$)""")
SHORT_WORD = re.compile(
    r"(?<!\S)(?:[A-ZÄÖÜ]{2,}\d*|(?i:is|in|of|to|we|on|at|by|as|or|no|so|be|it|im|am|an|zu|da|es|um|ab|wo|vs\.?|e\.g\.|z\.B\.))"
    r"(?=[\s.,;:!?)]|$)"
)
NAME = re.compile(r"[^\W\d_]{5,}|\w_\w")
ADDRESS = re.compile(r"\w://|\bwww\.|\w@\w")
MARKER = re.compile(r"\(?(?:\d{1,2}|[a-h])[.)]|\[[\d, ]*\]|©|(?:(?:19|20)\d\d[\s–-]*)+|[\d.]+(?:19|20)\d\d")  # no formula
SIGNS = re.compile(r"[=<>≤≥≠≈≡∼∝±×⋅·∗∘⊤∥⟨⟩←→↦⇒⇔∈∉⊂⊆∪∩∅∀∃∑∏∫∂∇√∞−|^\u0370-\u03ff\u0302\u0303ˆ˜]")
FORMULA_FONT = 0.8  # of the characters: a formula, even where words are among them
FEW_WORDS = 0.35  # of a text's characters: with signs of mathematics between them it is a formula
SOME_WORDS = 0.6  # the same where the font says so
MOSTLY_WORDS, SENTENCE = 0.75, 6

BRACE_OR_CALL = re.compile(r"[{}();=$<>]|->|\b(?:do|then|begin|end|else|import|git|pip|sudo|return|repeat|until)\b")
CODE_LINE = re.compile(
    r"""\s*(?:
      [{}()\[\];]+ (?:\s*(?://|\#).*)?$                                   # } or });
    | .*[\w)\]"'}]\s*[;{] \s*(?:(?://|/\*).*)?$                           # foo();  if (x) {
    | (?://|/\*\*?\s|\*/|\#include\b|\#!|@\w+(?:\(.*\))?$|<\?|</?\w+>).*  # comments, annotations, tags
    | (?:>>>|\$|C:\\\S*>|PS>|In\s\[\d+\]:)\s*\w.*                         # prompts
    | (?:git|pip3?|npm|docker|conda|sudo|apt(?:-get)?|wget|curl|javac?|python3?|gcc|make|mvn|gradle|\./\w+)\s
      (?:-{1,2}\w|[a-z]+$|[a-z-]+\s[\w<./-]).*
    | (?:def|class|fn|fun|func|function|proc|procedure|algorithm|interface|struct|record|enum)\s+\w[\w.<>]*\s*[(:{<].*
    | (?:if|elif|else\s?if|while|for|foreach|switch|try|catch|with|until)\b.*(?:[:{]|\b(?:do|then))$
    | (?:else|try|do|begin|repeat|loop|end(?:\s?(?:if|for|while|function|procedure))?|fi|od|pass|break|continue)\s*[:;{]?$
    | (?:from\s[\w.]+\s)?import\s[\w.*]+(?:\s+as\s\w+|,\s*\w+)*;?$
    | return\b(?:\s+[\w.\[\]()+*/%<>=!&|"'-]+){0,5};?$
    | (?:public|private|protected|static|final|void|int|double|float|String|boolean|bool|char|var|let|const|auto)\s
      [\w<>\[\]*&\s,?]+[(=;{:].*
    | [\w.\[\]"']+ (?:,\s*\w+)* \s*(?:=|:=|\+=|-=|<-)\s* [\w.]*[a-z]\w*[.(\[{].*[)\]}](?:\s*(?:\#|//).*)?$  # x = f(y)
    | [a-z]\w*(?:\.\w+)*\.[a-z]\w*\(.*                                    # a.b(c)
    | \w+_\w+\s*(?:\(|=[^=]|:=|\[).*                                      # snake_case = 1
    | (?:print|printf|println|assert|raise|throw|yield|new|await)\b\s*[("'\w].*[)"';]$
    )""",
    re.VERBOSE,
)
CODE_LINES = 0.5  # of a text's lines: a fragment of that many is code
BULLET = re.compile(r"[•▶–]\s")


def tell_kind(lines: Sequence[Line], text: str) -> BlockKind:
    """Say what the lines of one fragment are.

    A sentence that names `foo()` or has a formula in it is text. Numbers and letters without words are a formula, as
    the labels in drawings are: nothing can be learned from them.
    """
    words = [word for word in RUNNING_WORD.findall(text) if word.lower() not in FUNCTIONS]
    prose = sum(map(len, words)) / max(1, len(text) - text.count(" ") - text.count("\n"))
    if all(line.mono for line in lines):
        return _tell_mono(text, prose, len(words))
    if prose >= SOME_WORDS or ADDRESS.search(text):
        return "text"
    if _is_code(text):
        return "code"
    return "formula" if _is_formula(lines, text, prose) else "text"


def _tell_mono(text: str, prose: float, words: int) -> BlockKind:
    """Tell code from what else is set in a typewriter's font: running text, addresses and numbers."""
    if (prose >= MOSTLY_WORDS and words >= SENTENCE) or (ADDRESS.search(text) and " " not in text):
        return "text"
    return "code" if BRACE_OR_CALL.search(text) or any(char.isalpha() for char in text) else "formula"


def _is_code(text: str) -> bool:
    """Tell code by its shape: braces and semicolons, keywords, assignments and prompts at their places in lines."""
    if BULLET.match(text) or not BRACE_OR_CALL.search(text):
        return False
    lines = text.split("\n")
    return sum(bool(CODE_LINE.match(line)) for line in lines) >= CODE_LINES * len(lines)


def _is_formula(lines: Sequence[Line], text: str, prose: float) -> bool:
    signs = bool(SIGNS.search(text))
    if prose:
        maths = sum(line.maths * len(line.text) for line in lines) / sum(len(line.text) for line in lines)
        return signs and prose < (SOME_WORDS if maths >= FORMULA_FONT else FEW_WORDS)
    return signs or not (SHORT_WORD.search(text) or NAME.search(text) or MARKER.fullmatch(text))
