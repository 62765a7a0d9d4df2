"""Stages that ask endpoints: what they would cost, what they may, and where that is told."""

import json
from pathlib import Path
from typing import Any

import pytest

from edullama.dataset.normalise import SYSTEM
from edullama.endpoint.ledger import estimate_tokens
from edullama.errors import EndpointError
from edullama.recipe import Endpoint, Prepare, Recipe
from edullama.records import Card, Flag, Prompt
from edullama.stages import prepare
from edullama.store import Status, find_stage
from tests.endpoint.faults import Peer, say, serve
from tests.test_ingest_inputs import run, texts
from tests.test_ingest_models import DESCRIBED, write_figures
from tests.test_prepare import make_course, table

FIGURES = {"Trees": 1, "Graphs": 2, "Heaps": 3}


def test_a_dry_run_of_ingest_says_what_it_would_ask_and_leaves_all_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_figures(tmp_path / "lectures/a.pdf", FIGURES)
    with serve(Peer()) as peer:
        dry = {"model": Endpoint(base_url=peer.url, model="m", dry_run=True)}
        with pytest.raises(EndpointError, match=r"'endpoint\.model\.dry_run' is set"):
            run(tmp_path, DESCRIBED, endpoint=dry)
    assert not peer.asked and not (tmp_path / "1-ingest/slides.jsonl").exists()
    assert "dry run of 'model': 3 calls" in capsys.readouterr().err


def test_an_ingest_whose_budget_is_spent_is_whole_and_goes_on_with_a_larger_one(tmp_path: Path) -> None:
    write_figures(tmp_path / "lectures/a.pdf", FIGURES)
    with serve(Peer()) as peer:
        endpoints = [
            {"model": Endpoint(base_url=peer.url, model="m", price_out=1.0, max_tokens=100, max_cost=cost / 1_000_000)}
            for cost in (105, 1000)  # a call takes 5 and might take 100
        ]
        manifest = run(tmp_path, DESCRIBED, endpoint=endpoints[0])
        assert len(peer.asked) == 2 and any("the budget is spent" in note for note in manifest.notes)
        run(tmp_path, DESCRIBED, endpoint=endpoints[1])
    assert len(peer.asked) == 3 and all("DESCRIBE THE FIGURE" in text for text in texts(tmp_path)["a"])
    calls = [json.loads(line) for line in (tmp_path / "1-ingest/calls.jsonl").read_text().splitlines()]
    assert [(call["endpoint"], call["tokens_out"], call["outcome"]) for call in calls] == [("model", 5, "ok")] * 3


def asking(peer: Peer, **settings: Any) -> Recipe:
    """A recipe that has cards rewritten by this peer."""
    endpoint = Endpoint(base_url=peer.url, model="m", concurrency=1, **settings)
    return Recipe(prepare=Prepare(normalise="endpoint", normaliser="e", draft="none"), endpoint={"e": endpoint})


def test_a_prepare_whose_budget_is_spent_is_whole_and_says_what_is_to_come(tmp_path: Path) -> None:
    work = make_course(tmp_path, {"cards/exam.tsv": table(6)})
    (tmp_path / "controls").mkdir()
    one = estimate_tokens(Prompt("Language: English\nQuestion: What is course fact 0?\nAnswer: It is fact 0.", SYSTEM))
    with serve(Peer()) as peer:
        poor = asking(peer, max_total_tokens=one + 20 + 20, max_tokens=20)  # a call takes 15
        manifest = prepare.run(work, poor)
        assert len(peer.asked) == 2 and manifest.counts["waiting"] == 4
        assert any(note.startswith("4 replies did not come; the next run asks for them") for note in manifest.notes)
        assert len(work.read("prepare", "exam.jsonl", Card)) == 6
        status = work.stage_status(find_stage("prepare"), poor)
        assert status == Status("prepare", "unfinished", "4 replies did not come; asks for them again")
        rich = asking(peer, max_tokens=20)
        assert "waiting" not in prepare.run(work, rich).counts
        assert work.stage_status(find_stage("prepare"), rich).state == "done"
    assert len(peer.asked) == len(set(peer.asked)) == 6


def test_a_reply_that_came_and_is_of_no_use_is_not_waited_for(tmp_path: Path) -> None:
    work = make_course(tmp_path, {"cards/exam.tsv": table(1)})
    (tmp_path / "controls").mkdir()
    prompt = "Language: English\nQuestion: What is course fact 0?\nAnswer: It is fact 0."
    with serve(Peer({prompt: [say("no idea")]})) as peer:
        manifest = prepare.run(work, asking(peer))
    (flag,) = work.read("prepare", "flags.jsonl", Flag)
    assert (flag.problem, flag.text) == ("the reply has no QUESTION: and ANSWER:", "no idea")
    assert "waiting" not in manifest.counts and work.stage_status(find_stage("prepare"), asking(peer)).state == "done"
