"""The evaluate stage on folders made by hand and a tiny Llama: what it reads, what it waits for, and what it tells."""

import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from edullama.files import to_json, write_file
from edullama.recipe import Recipe
from edullama.recipe_file import parse_recipe
from edullama.records import Answer, Author, Card, Question, Support, Verdict, Window, Winner
from edullama.stages import distill, evaluate, finetune, shrink
from edullama.store import Status, Workspace, find_stage
from edullama.summary import summarize
from tests.endpoint.faults import Fault, Peer, say, serve, status

EXAM = [Card(f"q{n:02}", "a", f"What is fact {n}?", f"It is fact {n} of the lecture.", "a.tsv") for n in range(13)]
CONTROLS = [Card(f"c{n}", "cheese", f"What is cheese {n}?", f"It is cheese {n}.", "controls.tsv") for n in range(4)]
SUPPORT = [Support(card.id, ("a:1", "a:3"), 0.9, 0.8, card.id < "q11") for card in EXAM]
SMALL: dict[str, Any] = {
    "finetune": {"learn": ["window"], "rank": 2, "max_steps": 1, "quantize": "none"},
    "shrink": {"layers": 3},
    "distill": {"max_steps": 1, "max_new_tokens": 4},
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, llama_folder: Path) -> Path:
    """A course up to its student, with a prepare folder made by hand that has only what it must have."""
    root = tmp_path_factory.mktemp("course")
    texts: dict[str, Sequence[object]] = {
        "windows.jsonl": [Window("w", "a", "Fact 1 is a fact. Fact 2 is one, too.", ("a:1",))],
        "catalogue.jsonl": [Question("k", "a", "What is a fact?")],
        "exam.jsonl": EXAM,
        "controls.jsonl": CONTROLS,
    }
    for name in find_stage("prepare").writes:
        write_records(root / "2-prepare" / name, texts.get(name, []))
    for stage in (finetune, shrink, distill):
        stage.run(Workspace(root), make_recipe(llama_folder))
    return root


@pytest.fixture
def work(trained: Path, tmp_path: Path) -> Workspace:
    return Workspace(shutil.copytree(trained, tmp_path / "course"))


def write_records(path: Path, records: Iterable[object]) -> None:
    write_file(path, b"".join(to_json(record) + b"\n" for record in records))


def make_recipe(llama: Path, **judge: Any) -> Recipe:
    """A small recipe; with settings of an endpoint, it has student and base compared on five questions."""
    values = {"course": {"title": "Facts", "model": str(llama)}, **SMALL}
    if judge:
        values["endpoint"] = {"j": {"model": "a-judge", "concurrency": 1, **judge}}
        values["evaluate"] = {"judge": "j", "pairs": [["student", "base"]], "max_questions": 5}
    return parse_recipe(values, "")


def figures(work: Workspace) -> dict[str, dict[str, Any]]:
    return {figure["name"]: figure for figure in json.loads(work.path("evaluate", "estimates.json").read_text())}


def state(work: Workspace, recipe: Recipe) -> Status:
    return work.stage_status(find_stage("evaluate"), recipe)


def report(work: Workspace) -> str:
    return work.path("evaluate", "report.html").read_text(encoding="utf-8")


def verdicts(work: Workspace) -> list[Verdict]:
    return work.read("evaluate", "verdicts.jsonl", Verdict)


def test_the_main_figures_rest_on_what_the_slides_can_answer(
    work: Workspace, llama_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_records(work.root / "2-prepare/support.jsonl", SUPPORT)
    manifest = evaluate.run(work, make_recipe(llama_folder))
    assert (manifest.counts["questions"], manifest.counts["answerable"]) == (13, 11)
    found = figures(work)
    assert found["reference_loss.teacher-base"]["n"] == found["cosine.teacher-base"]["n"] == 11
    assert found["unanswerable.reference_loss.teacher-base"]["n"] == found["unanswerable.cosine.base"]["n"] == 2
    assert (work.root / "6-evaluate/plots/unanswerable.svg").exists()
    summarize(work)
    shown = capsys.readouterr().out
    assert "The figures rest on the 11 exam questions that the slides can answer; the 2 that they cannot" in shown
    assert "teacher − base on what the slides cannot answer" in shown


def test_a_folder_made_by_hand_may_lack_support_and_then_all_questions_count(
    work: Workspace, llama_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = make_recipe(llama_folder)
    manifest = evaluate.run(work, recipe)
    assert "answerable" not in manifest.counts and figures(work)["reference_loss.teacher-base"]["n"] == 13
    summarize(work)
    sentence = "It is not known which exam questions the slides can answer, so all of them count."
    assert sentence in report(work) and sentence in capsys.readouterr().out
    assert "was not recorded (2-prepare/authors.jsonl)" in report(work)
    assert work.stage_status(find_stage("prepare"), recipe).state == "by hand" and state(work, recipe).state == "done"
    write_records(work.root / "2-prepare/support.jsonl", SUPPORT)
    assert state(work, recipe).why == "2-prepare/support.jsonl is new"


def test_a_spent_budget_leaves_verdicts_missing_and_a_larger_one_asks_for_those_alone(
    work: Workspace, llama_folder: Path
) -> None:
    write_records(work.root / "2-prepare/support.jsonl", SUPPORT)
    with serve(Dear()) as peer:
        small, large = (make_recipe(llama_folder, base_url=peer.url, max_total_tokens=most) for most in (5000, 10**6))
        manifest = evaluate.run(work, small)
        assert (manifest.counts["verdicts"], manifest.counts["waiting"], len(peer.asked)) == (3, 7, 3)
        assert {one.winner for one in verdicts(work)} == {Winner.UNPARSED}, "what the judge said is a verdict"
        assert "the budget is spent" in manifest.notes[0] and "the budget is spent" in report(work)
        assert state(work, small).why == "7 replies did not come; asks for them again"
        mark_answers(work)
        evaluate.run(work, large)
        assert len(peer.asked) == 10, "no comparison twice"
    assert [one.question_id for one in verdicts(work)] == [f"q{n:02}" for n in range(5) for _ in range(2)]
    assert {answer.text for answer in work.read("evaluate", "answers/shrunk.jsonl", Answer)} == {"marked"}
    assert state(work, large).state == "done" and not (work.root / "6-evaluate/partial").exists()


class Dear(Peer):
    """A judge that gives no verdict, for 1,500 tokens a call."""

    def come(self, body: dict[str, Any], authorization: str) -> Fault | None:
        super().come(body, authorization)
        return say("Both are nice.", tokens=(1000, 500))


def mark_answers(work: Workspace) -> None:
    """Change what the shrunk model is known to have answered: what is answered again would not have the mark."""
    path = work.root / "6-evaluate/partial/answers-shrunk.partial.jsonl"
    answers = [json.loads(line) | {"text": "marked"} for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(answer) + "\n" for answer in answers))


class Refusing(Peer):
    """A judge whose server turns the first calls away."""

    def come(self, body: dict[str, Any], authorization: str) -> Fault | None:
        super().come(body, authorization)
        return status(400) if len(self.asked) <= 3 else None


def test_calls_that_failed_are_no_verdicts_and_are_made_again(work: Workspace, llama_folder: Path) -> None:
    write_records(work.root / "2-prepare/authors.jsonl", [Author("training text (slides translated)", "A-Judge")])
    relative = "A-Judge wrote training text (slides translated) and is of the same family as the judge a-judge"
    with serve(Refusing()) as peer:
        recipe = make_recipe(llama_folder, base_url=peer.url)
        manifest = evaluate.run(work, recipe)
        assert (manifest.counts["verdicts"], manifest.counts["waiting"]) == (7, 3)
        missing = figures(work)["judge_outcome.student-base.unparsed"]["missing"]
        assert missing == 2, "one question was judged in no order, and one in one order alone"
        cautions = report(work).split('<section class="cautions">')[1].split("</section>")[0]
        assert "3 of 10 comparisons have no verdict and count as missing" in cautions and relative in cautions
        again = evaluate.run(work, recipe)
        assert len(peer.asked) == 13
    assert again.counts["verdicts"] == 10 and "waiting" not in again.counts
    assert [note[: len(relative)] for note in again.notes] == [relative]
    orders = [(one.question_id, one.order) for one in verdicts(work)]
    assert orders[:2] == [("q00", ("student", "base")), ("q00", ("base", "student"))]
