"""Questions from texts with hidden parts: `Entropy is the {{c1::mean surprise::two words}}.`"""

import re
from dataclasses import replace

from edullama.dataset.card_text import plain_text
from edullama.dataset.normalise import tell_language
from edullama.dataset.notes import Note

OPEN = r"\{\{c[\d,]+::"
BRACES = rf"(?!{OPEN})\{{(?:[^{{}}]|\{{(?:[^{{}}]|\{{[^{{}}]*\}})*\}})*\}}"  # of LaTeX, three deep
HIDDEN = (
    re.compile(rf"\{{\{{c([\d,]+)::((?:[^{{}}]|{BRACES})*)\}}\}}"),
    re.compile(rf"\{{\{{c([\d,]+)::((?:(?!{OPEN}|\}}\}}).)*)\}}\}}", re.DOTALL),  # braces that do not match
)
# How Anki's list of cards shows a gap.
SHOWN = re.compile(r"""<span class="cloze" data-cloze="([^"<>]*)"[^<>]*>\[([^\[\]<>]*)\]</span>""")
NUMBERS = re.compile(r"\{\{c([\d,]+)::")
OCCLUSION = "image-occlusion:"
GAP = "____"
FEWEST_WORDS = 2  # beside the gap, or nobody could know what stands in it


def split_cloze(note: Note) -> list[Note]:
    """Return one question for each numbered gap; a note without gaps as it is."""
    front = SHOWN.sub(_restore, note.front)
    numbers = {int(number) for found in NUMBERS.findall(front) for number in found.split(",") if number}
    if not numbers:
        return [note]
    if OCCLUSION in front:
        return [replace(note, problem="an image with covered parts, not a question")]
    return [_ask(replace(note, front=front), number) for number in sorted(numbers)]


def _restore(found: re.Match[str]) -> str:
    return f"{{{{c1::{found[1]}}}}}" if found[2] == "..." else f"{{{{c1::{found[1]}::{found[2]}}}}}"


def _ask(note: Note, number: int) -> Note:
    hidden: list[str] = []

    def show(found: re.Match[str]) -> str:
        text, _, hint = found[2].partition("::")
        if str(number) not in found[1].split(","):
            return text
        hidden.append(f"\\({text}\\)" if _in_formula(found) else text)
        return f"{GAP} ({hint})" if hint else GAP

    sentence = note.front
    for pattern in HIDDEN:
        while (shown := pattern.sub(show, sentence)) != sentence:
            sentence = shown
    problem = note.problem or ("" if _words(sentence) >= FEWEST_WORDS else "nothing stands beside the gap")
    return replace(
        note, front=f"{_request(sentence)} {sentence}", back="; ".join(dict.fromkeys(hidden)), problem=problem
    )


def _in_formula(found: re.Match[str]) -> bool:
    before = found.string[: found.start()]
    return before.count(r"\(") > before.count(r"\)") or before.count(r"\[") > before.count(r"\]")


def _words(sentence: str) -> int:
    return len(re.findall(r"\w+", plain_text(sentence).replace(GAP, "")))


def _request(sentence: str) -> str:
    several = sentence.count(GAP) > 1
    if tell_language(plain_text(sentence)) == "de":
        return "Was gehört in die Lücken?" if several else "Was gehört in die Lücke?"
    return "What belongs in the gaps?" if several else "What belongs in the gap?"
