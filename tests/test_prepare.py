"""The prepare stage on slides and cards made here."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from edullama.errors import EndpointError, InputError
from edullama.files import from_json, to_json
from edullama.manifest import Manifest
from edullama.recipe import Course, Endpoint, Prepare, Recipe
from edullama.records import Block, Card, Entry, Removed, Slide, TokenCounts, Window
from edullama.stages import prepare
from edullama.store import Workspace


def make_course(root: Path, cards: dict[str, str]) -> Workspace:
    """A course with six slides in two lectures and the given files."""
    slides = [slide(lecture, page) for lecture in ("a", "b") for page in (1, 2, 3)]
    (root / "1-ingest").mkdir(parents=True)
    (root / "1-ingest/slides.jsonl").write_bytes(b"".join(to_json(one) + b"\n" for one in slides))
    for name, text in cards.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return Workspace(root)


def slide(lecture: str, page: int) -> Slide:
    text = f"Slide {page} of lecture {lecture} explains something"
    return Slide(lecture, (page,), "", (Block(text, "text", page, (0, 0, 1, 1)),), "en", "content", "text")


def table(count: int, kind: str = "course") -> str:
    return "".join(f"What is {kind} fact {n}?\tIt is fact {n}.\n" for n in range(count))


def run(work: Workspace) -> Manifest:
    return prepare.run(work, Recipe())


def outputs(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((root / "2-prepare").glob("*.jsonl"))}


def test_slides_become_entries_and_windows(tmp_path: Path) -> None:
    work = make_course(tmp_path, {})
    run(work)
    assert [entry.id for entry in work.read("prepare", "entries.jsonl", Entry)] == [
        "a:1", "a:2", "a:3", "b:1", "b:2", "b:3",
    ]  # fmt: skip
    assert [window.entries for window in work.read("prepare", "windows.jsonl", Window)] == [
        ("a:1", "a:2", "a:3"), ("b:1", "b:2", "b:3"),
    ]  # fmt: skip


def test_the_catalogue_holds_questions_and_never_answers(tmp_path: Path) -> None:
    work = make_course(tmp_path, {"cards/week1.tsv": table(40)})
    manifest = run(work)
    lines = (tmp_path / "2-prepare/catalogue.jsonl").read_text().splitlines()
    assert lines and all(set(json.loads(line)) == {"id", "lecture", "text", "source"} for line in lines)
    assert {json.loads(line)["source"] for line in lines} == {"cards/week1.tsv"}
    assert manifest.counts["catalogue"] + manifest.counts["exam"] == 40


def test_exam_and_catalogue_share_no_question(tmp_path: Path) -> None:
    work = make_course(tmp_path, {"cards/week1.tsv": table(40), "cards/exam.tsv": table(10), "cards/w2.tsv": table(20)})
    manifest = run(work)
    exam = {card.id for card in work.read("prepare", "exam.jsonl", Card)}
    catalogue = {json.loads(line)["id"] for line in (tmp_path / "2-prepare/catalogue.jsonl").read_text().splitlines()}
    assert not exam & catalogue
    assert len(exam) + len(catalogue) == 40
    assert manifest.counts["dropped"] == 30


def test_a_course_brings_its_own_controls(tmp_path: Path) -> None:
    work = make_course(tmp_path, {"cards/a.tsv": table(10), "controls/c.tsv": table(5, "other") + table(1)})
    run(work)
    controls = work.read("prepare", "controls.jsonl", Card)
    assert [card.question for card in controls] == [f"What is other fact {n}?" for n in range(5)]


def test_without_cards_there_is_a_note_and_no_error(tmp_path: Path) -> None:
    manifest = run(make_course(tmp_path, {}))
    assert (manifest.counts["exam"], manifest.counts["catalogue"]) == (0, 0)
    assert manifest.notes == ["no flashcards in cards/: nothing to distil from, and no exam"]


def test_a_second_lecture_of_cards_moves_none_of_the_first(tmp_path: Path) -> None:
    before = make_course(tmp_path / "before", {"cards/week1.tsv": table(40)})
    after = make_course(tmp_path / "after", {"cards/week1.tsv": table(40), "cards/week0.tsv": table(40, "early")})
    run(before)
    run(after)
    first, both = (
        {card.id for card in work.read("prepare", "exam.jsonl", Card) if card.lecture == "week1"}
        for work in (before, after)
    )
    assert first == both


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    files = {"cards/b.tsv": table(20), "cards/a.md": "## What is a?\n\nA letter.\n", "cards/notes.pdf": "no cards"}
    for name, ordered in (("one", files), ("two", dict(reversed(files.items())))):
        run(make_course(tmp_path / name, ordered))
    assert outputs(tmp_path / "one") == outputs(tmp_path / "two")


def test_a_broken_card_file_stops_the_stage_and_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cards/week1\.tsv: no flashcard found"):
        run(make_course(tmp_path, {"cards/week1.tsv": "nothing but text\n"}))


def test_a_dry_run_counts_the_calls_of_the_whole_stage_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = make_course(tmp_path, {"cards/week1.tsv": table(40), "controls/other.tsv": table(10, "other")})
    endpoint = {"m": Endpoint(base_url="http://127.0.0.1:9/v1", model="m", dry_run=True)}
    with pytest.raises(EndpointError, match=r"'endpoint\.m\.dry_run' is set"):
        prepare.run(work, Recipe(prepare=Prepare(normalise="endpoint", normaliser="m"), endpoint=endpoint))
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith("  dry run of 'm', rewriting cards: 50 calls, about ")
    assert outputs(tmp_path) == {}


def test_tokens_are_counted_with_the_courses_own_tokenizer(tmp_path: Path, llama_folder: Path) -> None:
    work = make_course(tmp_path, {})
    recipe = Recipe(course=Course(model=str(llama_folder)))
    assert prepare.run(work, recipe).notes == ["no flashcards in cards/: nothing to distil from, and no exam"]
    counts = from_json(work.path("prepare", "tokens.json").read_bytes(), TokenCounts)
    tokenizer = AutoTokenizer.from_pretrained(llama_folder)
    texts = [window.text for window in work.read("prepare", "windows.jsonl", Window)]
    assert counts.windows == tuple(1 + len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts)
    assert counts.model == str(llama_folder)
    assert (len(counts.entries), len(counts.windows), len(counts.pairs)) == (6, 2, 6)


def test_a_model_that_is_not_there_costs_the_counts_and_not_the_stage(tmp_path: Path) -> None:
    work = make_course(tmp_path, {})
    manifest = prepare.run(work, Recipe(course=Course(model="./absent.gguf")))
    assert manifest.counts["entries"] == 6 and not (tmp_path / "2-prepare/tokens.json").exists()
    assert manifest.notes[1] == "tokens were not counted: ./absent.gguf: no such file or folder"


def test_counting_tokens_needs_no_torch(tmp_path: Path, llama_folder: Path) -> None:
    make_course(tmp_path, {})
    (tmp_path / "course.toml").write_text(f"[course]\nmodel = '{llama_folder}'\n")
    script = "import sys\nfrom edullama.cli import app\napp(standalone_mode=False)\n"
    script += "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    for command in ("prepare", "status"):
        done = subprocess.run(
            [sys.executable, "-c", script, command, str(tmp_path)], check=True, capture_output=True, text=True
        )
    assert "in 6 entries" in done.stdout and "in 2 windows" in done.stdout and "in 6 pairs" in done.stdout


def test_pieces_of_slides_that_teach_nothing_are_in_no_training_text_and_told(tmp_path: Path) -> None:
    work = make_course(tmp_path, {})
    slides = [slide("a", 1), slide("a", 2)]
    address = Block("https://example.org", "text", 1, (0, 0, 1, 1))
    slides[0] = replace(slides[0], blocks=(*slides[0].blocks, address))
    (tmp_path / "1-ingest/slides.jsonl").write_bytes(b"".join(to_json(one) + b"\n" for one in slides))
    run(work)
    assert [removed.text for removed in work.read("prepare", "removed.jsonl", Removed)] == ["https://example.org"]
    (window,) = work.read("prepare", "windows.jsonl", Window)
    assert window.text == "Slide 1 of lecture a explains something\n\nSlide 2 of lecture a explains something"


def test_half_a_slide_can_be_a_training_input(tmp_path: Path) -> None:
    work = make_course(tmp_path, {})
    text = "The first sentence says this. The second sentence says that."
    halved = replace(slide("a", 1), blocks=(Block(text, "text", 1, (0, 0, 1, 1)),))
    (tmp_path / "1-ingest/slides.jsonl").write_bytes(to_json(halved) + b"\n")
    prepare.run(work, Recipe(prepare=Prepare(window=0.5)))
    windows = work.read("prepare", "windows.jsonl", Window)
    assert [window.text for window in windows] == ["The first sentence says this.", "The second sentence says that."]
