"""The same slides and cards give the same bytes, however the machine lists, hashes and stores them."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from edullama.dataset.cards import read_cards
from edullama.files import to_json
from edullama.recipe import Recipe
from edullama.records import Block, Card, Leak, NearPair, Slide
from edullama.stages import prepare
from edullama.store import Workspace

SAMPLE = Path(__file__).parents[1] / "examples" / "course" / "cards"
WELCOME = "Welcome to the course\tHello\n"  # is dropped
NEAR = (
    "What's the name shrunk mean in EduLLama?\tA smaller Llama.\n"
    "How do the models shrunk and student in EduLLama differ?\tIn training.\n"
    "How is the student in EduLLama built without deleting any modules?\tFrom a fresh config.\n"
    "Why does EduLLama never delete a module from the teacher?\tThe rest would keep its number.\n"
    "What is a leaf of a tree?\tA node without children.\n"
)
CONTROLS = "Which planet is the largest?\tJupiter.\nWhich planet has rings?\tSaturn has the widest.\n"
Files = Sequence[tuple[str, bytes]]


def sample_cards() -> list[Card]:
    return [card for path in sorted(SAMPLE.iterdir()) for card in read_cards(path, f"cards/{path.name}")[0]]


def sample_files() -> Files:
    """Cards of the sample course, some of which are there twice or nearly so, and slides that answer them."""
    cards = [(f"cards/{path.name}", path.read_bytes()) for path in sorted(SAMPLE.iterdir())]
    copied = "".join(f"{card.question}\t{card.reference}\n" for card in sample_cards()[::9])
    near = (WELCOME + NEAR).replace("\t", ",")
    more = {"cards/exam.tsv": copied + WELCOME, "cards/near.csv": near, "controls/planets.tsv": CONTROLS}
    return [*cards, *((name, text.encode()) for name, text in more.items()), *slide_files()]


def slide_files() -> Files:
    answers = [card.reference for card in sample_cards()]
    texts = [answers[start : start + 3] for start in range(0, len(answers), 3)]
    texts += texts[:2]  # slides that stand there twice
    slides = [make_slide(f"week{number // 10}", number % 10 + 1, text) for number, text in enumerate(texts)]
    return [("1-ingest/slides.jsonl", b"".join(to_json(slide) + b"\n" for slide in slides))]


def make_slide(lecture: str, page: int, texts: Sequence[str]) -> Slide:
    title = " ".join(texts[0].split()[:4])
    blocks = tuple(Block(text, "text", page, (0, 0, 1, 1)) for text in (title, *texts))
    return Slide(lecture, (page,), title, blocks, "en", "content", "text")


def make_course(root: Path, files: Files) -> Path:
    for name, content in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def outputs(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (root / "2-prepare").glob("*.json*") if path.stem != "manifest"}


def prepare_here(root: Path, files: Files) -> dict[str, bytes]:
    prepare.run(Workspace(make_course(root, files)), Recipe())
    return outputs(root)


def prepare_anew(root: Path, files: Files, seed: str) -> dict[str, bytes]:
    """Prepare in a process of its own, in which strings have other hashes."""
    make_course(root, [*files, ("course.toml", b"")])
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    subprocess.run([sys.executable, "-m", "edullama", "prepare", root], env=environment, check=True)
    return outputs(root)


@pytest.mark.parametrize("with_cards", [True, False])
def test_hash_seeds_and_the_order_in_which_files_were_made_change_no_byte(tmp_path: Path, with_cards: bool) -> None:
    files = sample_files() if with_cards else slide_files()
    one, two = prepare_anew(tmp_path / "one", files, "0"), prepare_anew(tmp_path / "two", files[::-1], "4711")
    assert one == two
    assert one["leaks.jsonl" if with_cards else "drafts.jsonl"] and one["dropped.jsonl"]


def test_the_order_in_which_folders_list_their_files_changes_no_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = prepare_here(tmp_path / "one", sample_files())
    glob = Path.glob

    def backwards(self: Path, pattern: str) -> list[Path]:
        return sorted(glob(self, pattern), reverse=True)

    monkeypatch.setattr(Path, "glob", backwards)
    assert one == prepare_here(tmp_path / "two", sample_files())


@pytest.mark.parametrize("cut", [1, 20, 50])
def test_where_a_table_is_cut_into_files_changes_nothing_but_their_names(tmp_path: Path, cut: int) -> None:
    rows = [f"{card.question}\t{card.reference}\t{card.lecture}\n" for card in sample_cards()]
    rows += [rows[3], rows[60].casefold(), *(f"{line}\tnear\n" for line in NEAR.splitlines())]
    head = "question\tanswer\tlecture\n"

    def cut_at(place: int) -> Files:
        tables = {"cards/a.tsv": rows[:place], "cards/b.tsv": rows[place:]}
        return [*((name, (head + "".join(own)).encode()) for name, own in tables.items() if own), *slide_files()]

    whole, parts = (prepare_here(tmp_path / str(place), cut_at(place)) for place in (len(rows), cut))
    assert [blank_sources(content) for content in whole.values()] == [blank_sources(c) for c in parts.values()]
    assert whole.keys() == parts.keys() and whole["exam.jsonl"] != parts["exam.jsonl"]


def blank_sources(content: bytes) -> bytes:
    return re.sub(rb"cards/[ab]\.tsv", b"cards/table.tsv", content)


def test_the_course_of_these_tests_has_what_could_go_wrong(tmp_path: Path) -> None:
    prepare_here(tmp_path, sample_files())
    work = Workspace(tmp_path)
    near, leaks = work.read("prepare", "near.jsonl", NearPair), work.read("prepare", "leaks.jsonl", Leak)
    dropped = (tmp_path / "2-prepare" / "dropped.jsonl").read_text()
    assert len(near) > 3 and leaks and "says the same as" in dropped and "same question as in" in dropped
