"""The forms a course can be learnt in, each made from the same slides."""

import re
from collections.abc import Callable, Sequence

from edullama.dataset.entries import entry_text
from edullama.dataset.pairs import clean_title
from edullama.dataset.windows import make_windows
from edullama.records import Entry, Pair, Slide, Window, stable_id
from edullama.store import Workspace

Text = Window | Pair
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])|\n")


def windows(size: int) -> Callable[[Workspace], list[Text]]:
    def make(work: Workspace) -> list[Text]:
        return list(make_windows(work.read("prepare", "entries.jsonl", Entry), size, size))

    return make


def pairs(*kinds: str) -> Callable[[Workspace], list[Text]]:
    def make(work: Workspace) -> list[Text]:
        return [pair for pair in work.read("prepare", "pairs.jsonl", Pair) if pair.kind in kinds]

    return make


def entry_pairs(template: str) -> Callable[[Workspace], list[Text]]:
    """Ask for each slide by its title, and answer with the rest."""

    def make(work: Workspace) -> list[Text]:
        made: list[Text] = []
        for entry in work.read("prepare", "entries.jsonl", Entry):
            title, _, rest = entry.text.partition("\n")
            if rest.strip():
                made.append(_pair(entry, template.format(title.rstrip(".:")), rest))
        return made

    return make


def lines_about_title(work: Workspace) -> list[Text]:
    """Each sentence of a slide answers what the lecture says about its title, told by the sentence's longest word."""
    made: list[Text] = []
    for entry in work.read("prepare", "entries.jsonl", Entry):
        title, _, rest = entry.text.partition("\n")
        for line in SENTENCE.split(rest):
            words = re.findall(r"[A-Za-z][\w-]{4,}", line)
            if len(line.split()) >= 6 and words:
                key = max(words, key=len)
                made.append(_pair(entry, f"What does the lecture say about {key} ({title})?", line.strip(" •-–")))
    return made


def cloze(work: Workspace) -> list[Text]:
    """The first half of a sentence is asked to be completed."""
    made: list[Text] = []
    for entry in work.read("prepare", "entries.jsonl", Entry):
        title, _, rest = entry.text.partition("\n")
        for line in SENTENCE.split(rest):
            words = line.strip(" •-–").split()
            if len(words) >= 8:
                half = len(words) // 2
                made.append(_pair(entry, f"{title}: complete “{' '.join(words[:half])} …”", " ".join(words[half:])))
    return made


def several(*parts: Callable[[Workspace], list[Text]]) -> Callable[[Workspace], list[Text]]:
    return lambda work: [text for part in parts for text in part(work)]


def _pair(entry: Entry, prompt: str, text: str) -> Pair:
    return Pair(stable_id(entry.id, prompt, text), "explanation", entry.lecture, prompt, text, (entry.id,))


PHRASES = ("Explain: {}", "What does the lecture say about “{}”?", "Tell me about {}.", "{}")

FORMS: dict[str, Callable[[Workspace], list[Text]]] = {
    "windows of 4": windows(4),
    "single slides": windows(1),
    "explain": pairs("explanation"),
    "explain + questions": pairs("explanation", "question"),
    "explain all": entry_pairs(PHRASES[0]),
    "explain in 4 phrasings": several(*(entry_pairs(phrase) for phrase in PHRASES)),
    "lines": lines_about_title,
    "cloze": cloze,
    "explain + lines": several(entry_pairs(PHRASES[0]), lines_about_title),
    "explain + windows": several(entry_pairs(PHRASES[0]), windows(4)),
    "explain + lines + cloze": several(entry_pairs(PHRASES[0]), lines_about_title, cloze),
}
