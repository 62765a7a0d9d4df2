"""Stages that ask endpoints: what they would cost, what they may, and where that is told."""

import json
from pathlib import Path

import pytest

from edullama.errors import EndpointError
from edullama.recipe import Endpoint
from tests.endpoint.faults import Peer, serve
from tests.test_ingest_inputs import run, texts
from tests.test_ingest_models import DESCRIBED, write_figures

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
