"""Courses on nothing at all, of any size: slides and cards in invented words, as alike among themselves as real ones.

The same seed and sizes give the same course. Of the cards, some nearly repeat another one, some are answered in words
that slides hold, and a few stand on slides word for word; some slides stand in two lectures.
"""

import csv
import io
import itertools
import json
import random
import re
import sqlite3
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SLIDES_A_LECTURE = 40
CARDS_A_FILE = 2500
EXAM_FILE = 0.01  # of the cards, in a file that is an exam as a whole
NEAR, SAME = 0.05, 0.02  # of the cards: nearly another's question, and the same but for capital letters
DRILL, TERM, CLOZE = 0.04, 0.08, 0.03  # of the cards: the same with other numbers, a term alone, a text with a gap
FORMULA, MARKED_UP = 0.04, 0.1  # of the other questions
FROM_SLIDES, COPIED = 0.4, 0.01  # of the answers: in a slide's words, and word for word
REPEATED, CAPITALS = 0.04, 0.05  # of the slides: stand elsewhere too, have a title all in capitals
GERMAN = 0.2  # of the lectures
BEGINNINGS = re.findall(r"\w+", "b br c ch cl d dr f fl g gr h j k kl l m n p pl pr qu r s sch sl st t tr v w z")
VOWELS = re.findall(r"\w+", "a e i o u ai ea ie oo ou")
ENDINGS = re.findall(r"\w+", "b ck d f ft g l ll lt m mp n nd ng nk nt p pt r rd rk rm rt s sk st t v x")

Card = tuple[str, str]  # front and back
SENTENCES = {
    "en": (
        "The {a} {n} {v}s each {n} of the {n} until the {a} {n} is reached.",
        "A {n} is a {a} {n} that {v}s the {n} without any {n}.",
        "With {k} {n}s the {n} needs {k} steps, because every {a} {n} {v}s one {n}.",
        "{N} and {n} differ in the {a} {n}, which only the {n} {v}s.",
        "Before the {n} {v}s, the {a} {n} has to be {v}ed by a {n}.",
        "It {v}s the {n} of a {a} {n}.",
    ),
    "de": (
        "Ein {a}es {N} ist ein {N}, das jedes {N} der {N} {v}t.",
        "Das {a}e {N} {v}t das {N}, weil {k} {N} nicht für ein {N} reichen.",
        "Mit {k} {N} und dem {a}en {N} wird das {N} von jedem {N} ge{v}t.",
        "Wenn das {N} {v}t, dann sind {N} und {N} nicht mehr {a}.",
    ),
}
BULLETS = ("– {a} {n} {v}s {n}", "– {N}: a {a} {n} that {v}s {n}s", "– {k} {n}s for the {n}", "– {n} and {n}")
QUESTIONS = {
    "en": (
        "What is the {a} {n}?", "How does the {n} {v} a {a} {n}?", "Why is the {n} of a {a} {n} {v}ed?",
        "Which {n}s does the {a} {n} {v}?", "What is the difference between {n} and {a} {n}?",
        "When would you {v} the {n} rather than the {n}?", "Name the {k} {n}s of the {a} {n}.",
        "What does the {n} {v} with {k} {n}s and a {a} {n}",
    ),
    "de": (
        "Was ist ein {a}es {N}?", "Warum {v}t das {N} ein {a}es {N}?", "Wie wird das {N} vom {a}en {N} ge{v}t?",
        "Welche {k} {N} hat das {a}e {N}?", "Worin unterscheiden sich {N} und {a}es {N}?",
    ),
}  # fmt: skip
ASKED_OTHERWISE = (("What is the ", "What's a "), ("How does the ", "How does a "), ("Was ist ein ", "Was ist das "))


@dataclass(frozen=True, slots=True)
class Lecture:
    """What a lecture is on, and what its slides say."""

    name: str
    language: str
    nouns: Sequence[str]  # its own terms
    sentences: list[str]


class Course:
    """A source of words, slides and cards; what it gives next depends on all it gave before."""

    def __init__(self, seed: int = 0) -> None:
        self.draw = random.Random(seed)
        words = self._invent(9000)
        self.nouns, self.adjectives, self.verbs = words[:7000], words[7000:8500], words[8500:]
        self.common = list(itertools.accumulate(1 / rank for rank in range(8, 7008)))  # few words are said often

    def _invent(self, count: int) -> list[str]:
        words: dict[str, None] = {}
        while len(words) < count:
            syllables = self.draw.choice((1, 2, 2, 2, 3, 3))
            parts = [self.draw.choice(BEGINNINGS) + self.draw.choice(VOWELS) for _ in range(syllables)]
            words["".join(parts) + self.draw.choice(ENDINGS)] = None
        return list(words)

    def make_slides(self, count: int) -> tuple[list[Lecture], list[dict[str, Any]]]:
        """Return lectures, and their slides as `ingest` writes them."""
        lectures: list[Lecture] = []
        slides: list[dict[str, Any]] = []
        for start in range(0, count, SLIDES_A_LECTURE):
            language = "de" if self.draw.random() < GERMAN else "en"
            lecture = Lecture(f"lecture-{len(lectures):04}", language, self.draw.sample(self.nouns, 50), [])
            lectures.append(lecture)
            for page in range(1, min(SLIDES_A_LECTURE, count - start) + 1):
                repeated = slides and self.draw.random() < REPEATED
                blocks = self.draw.choice(slides)["blocks"] if repeated else self._make_blocks(lecture, page)
                slides.append(_slide(lecture, page, blocks))
        return lectures, slides

    def _make_blocks(self, lecture: Lecture, page: int) -> list[dict[str, Any]]:
        """Return a title, two to four paragraphs and a list; about 70 words."""
        said = [self._say(SENTENCES[lecture.language], lecture) for _ in range(self.draw.randint(2, 5))]
        lecture.sentences.extend(said)
        bullets = "\n".join(self._say(BULLETS, lecture) for _ in range(self.draw.randint(2, 6)))
        title = self._say(("{N} and the {a} {n}", "The {a} {n}", "{N}"), lecture)
        texts = [title.upper() if self.draw.random() < CAPITALS else title, *said, bullets]
        boxes = [[40.0, 30.0 + 60 * row, 600.0, 80.0 + 60 * row] for row in range(len(texts))]
        return [
            {"text": text, "method": "text", "page": page, "box": box, "language": lecture.language}
            for text, box in zip(texts, boxes, strict=True)
        ]

    def _say(self, forms: Sequence[str], lecture: Lecture) -> str:
        """Fill one of the forms, two of three nouns being the lecture's own."""
        said = self.draw.choice(forms)
        for place, words in (("a", self.adjectives), ("v", self.verbs)):
            while f"{{{place}}}" in said:
                said = said.replace(f"{{{place}}}", self.draw.choice(words), 1)
        while "{k}" in said:
            said = said.replace("{k}", str(self.draw.randint(2, 40)), 1)
        while "{n}" in said or "{N}" in said:
            own = self.draw.random() < 2 / 3
            noun = self.draw.choice(lecture.nouns) if own else self.draw.choices(self.nouns, cum_weights=self.common)[0]
            said = said.replace("{n}", noun, 1) if "{n}" in said else said.replace("{N}", noun.capitalize(), 1)
        return said

    def make_cards(self, count: int, lectures: Sequence[Lecture]) -> list[Card]:
        """Return fronts and backs."""
        cards: list[Card] = []
        while len(cards) < count:
            lecture = self.draw.choice(lectures)
            cards.append((self._ask(lecture, cards), self._answer(lecture)))
        return cards

    def _ask(self, lecture: Lecture, cards: Sequence[Card]) -> str:
        kind = self.draw.random()
        if cards and kind < SAME + NEAR:
            other = self.draw.choice(cards)[0]
            return other.lower() if kind < SAME else self._ask_otherwise(other)
        kind -= SAME + NEAR
        if kind < DRILL:
            return self._say(("How many {k}-bit numbers have {k} ones and {k} zeros?",), lecture)
        kind -= DRILL
        if kind < TERM:
            return self._say(("{a} {n}", "{a} {n} {n}", "{n} {n}"), lecture).capitalize()
        if kind < TERM + CLOZE:
            said = self._say(("The ((c1::{a} {n})) {v}s the {n} of every {n}.",), lecture)
            return said.replace("((", "{{").replace("))", "}}")
        question = self._say(QUESTIONS[lecture.language], lecture)
        mark_up = self.draw.random()
        if mark_up < FORMULA:
            return rf"{question[:-1]} for \(O(n^{{{self.draw.randint(2, 9)}}})\)?"
        return question if mark_up > FORMULA + MARKED_UP else f"<b>{question}</b>"

    def _ask_otherwise(self, question: str) -> str:
        """Ask nearly the same: in other small words, or with a typing mistake."""
        for usual, other in ASKED_OTHERWISE:
            if question.startswith(usual):
                return question.replace(usual, other)
        middle = len(question) // 2
        return question[:middle] + question[middle + 1 :]

    def _answer(self, lecture: Lecture) -> str:
        kind = self.draw.random()
        if kind < COPIED:
            return self.draw.choice(lecture.sentences)
        if kind < COPIED + FROM_SLIDES:
            words = self.draw.choice(lecture.sentences).split()
            turn = len(words) // 2
            return " ".join([*words[turn:], "as", *words[:turn]])
        told = [self._say(SENTENCES[lecture.language], lecture) for _ in range(self.draw.choice((1, 1, 2, 3)))]
        return " ".join(told)


def _slide(lecture: Lecture, page: int, blocks: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "lecture": lecture.name, "pages": [page], "title": blocks[0]["text"], "blocks": blocks,
        "language": lecture.language, "kind": "content", "reason": "a text layer of whole words",
    }  # fmt: skip


def write_course(folder: Path, cards: int, slides: int, seed: int = 0) -> None:
    """Write a course with cards in eight forms, and an `1-ingest` folder made by hand."""
    source = Course(seed)
    lectures, records = source.make_slides(slides)
    (folder / "1-ingest" / "text").mkdir(parents=True)
    (folder / "cards").mkdir()
    (folder / "course.toml").write_text("")
    for name in ("images.csv", "removed.jsonl", "failures.jsonl", "text/all.txt"):
        (folder / "1-ingest" / name).write_text("")
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    (folder / "1-ingest" / "slides.jsonl").write_text(lines, encoding="utf-8")
    made = source.make_cards(cards, lectures)
    fixed = round(cards * EXAM_FILE)
    if fixed:
        _write_tsv(folder / "cards" / "exam.tsv", made[:fixed])
    for number, (start, (suffix, write)) in enumerate(
        zip(range(fixed, cards, CARDS_A_FILE), itertools.cycle(WRITERS.items()), strict=False)
    ):
        write(folder / "cards" / f"week-{number:02}.{suffix}", made[start : min(start + CARDS_A_FILE, cards)])


def _write_tsv(path: Path, cards: Sequence[Card]) -> None:
    path.write_text("".join(f"{front}\t{back}\n" for front, back in cards), encoding="utf-8")


def _write_csv(path: Path, cards: Sequence[Card]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("question", "answer"), *cards])


def _write_markdown(path: Path, cards: Sequence[Card]) -> None:
    path.write_text("".join(f"Q: {front}\n\nA: {back}\n\n" for front, back in cards), encoding="utf-8")


def _write_obsidian(path: Path, cards: Sequence[Card]) -> None:
    path.write_text("".join(f"{front}\n?\n{back}\n\n" for front, back in cards), encoding="utf-8")


def _write_json_lines(path: Path, cards: Sequence[Card]) -> None:
    lines = (json.dumps({"question": front, "answer": back}, ensure_ascii=False) for front, back in cards)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _write_export(path: Path, cards: Sequence[Card]) -> None:
    """Write what Anki exports as text."""
    rows = io.StringIO()
    csv.writer(rows, delimiter="\t", lineterminator="\n").writerows(cards)
    path.write_text(f"#separator:tab\n#html:true\n{rows.getvalue()}", encoding="utf-8")


def _write_latex(path: Path, cards: Sequence[Card]) -> None:
    told = [(front.replace("{{", r"\{\{").replace("}}", r"\}\}"), back) for front, back in cards]
    text = "".join(f"\\begin{{flashcard}}{{{front}}}\n{back}\n\\end{{flashcard}}\n" for front, back in told)
    path.write_text(f"\\begin{{document}}\n{text}\\end{{document}}\n", encoding="utf-8")


def _write_apkg(path: Path, cards: Sequence[Card]) -> None:
    """Write the tables of an older Anki package that cards are read from."""
    model = {"flds": [{"name": "Front"}, {"name": "Back"}], "tmpls": [
        {"qfmt": "{{Front}}", "afmt": "{{FrontSide}}<hr id=answer>{{Back}}"}]}  # fmt: skip
    database = sqlite3.connect(":memory:")
    database.executescript("""
        create table col (models text, decks text);
        create table notes (id integer primary key, mid integer, flds text);
        create table cards (id integer primary key, nid integer, did integer, ord integer, odid integer);
    """)
    database.execute("insert into col values (?, ?)", (json.dumps({"1": model}), json.dumps({"1": {"name": "Deck"}})))
    database.executemany("insert into notes values (?, 1, ?)", enumerate(map("\x1f".join, cards)))
    database.execute("insert into cards select id, id, 1, 0, 0 from notes")
    database.commit()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("collection.anki2", database.serialize())
    database.close()


WRITERS: dict[str, Callable[[Path, Sequence[Card]], None]] = {
    "tsv": _write_tsv, "csv": _write_csv, "md": _write_markdown, "markdown": _write_obsidian, "txt": _write_export,
    "jsonl": _write_json_lines, "apkg": _write_apkg, "tex": _write_latex,
}  # fmt: skip
