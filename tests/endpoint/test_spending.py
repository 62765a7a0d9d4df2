"""What calls cost: kept for good, told in a log, limited by a budget, and said beforehand."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from edullama.cache import Cache
from edullama.endpoint.client import connect, end_dry_run
from edullama.endpoint.ledger import estimate_tokens
from edullama.errors import EndpointError
from edullama.recipe import Endpoint
from edullama.records import Complete, Prompt, Reply
from tests.endpoint.faults import Peer, dribble, say, send, serve

PROMPTS = [Prompt(f"prompt {number}") for number in range(8)]
ANSWERS = [Reply(f"PROMPT {number}") for number in range(8)]
ASK_ALL = """
import sys
from pathlib import Path
from edullama.cache import Cache
from edullama.endpoint.client import connect
from edullama.recipe import Endpoint
from edullama.records import Prompt
folder, own = Path(sys.argv[1]), Endpoint(base_url=sys.argv[2], model="m", concurrency=2)
complete = connect("e", own, Cache(folder / "cache"), folder / "calls.jsonl")
complete([Prompt(f"prompt {number}") for number in range(8)])
"""


def open_door(peer: Peer, folder: Path, **settings: Any) -> Complete:
    own = Endpoint(base_url=peer.url, model="m", **settings)
    return connect("e", own, Cache(folder / "cache"), folder / "calls.jsonl", pause=0.001)


def calls(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "calls.jsonl").read_text().splitlines()]


def test_the_same_request_is_asked_once_and_any_other_is_another(tmp_path: Path) -> None:
    png, schema = b"\x89PNG 1", '{"type": "object"}'
    others = [Prompt("a"), Prompt("b"), Prompt("a", "be brief"), Prompt("a", max_tokens=9), Prompt("a", schema=schema)]
    others += [Prompt("a", images=(png,)), Prompt("a", images=(png * 2,))]
    with serve(Peer(dict.fromkeys("ab", [say("{}")] * 9))) as peer:
        open_door(peer, tmp_path)([*others, *others])
        open_door(peer, tmp_path)(others)
        assert len(peer.asked) == len(others)
        for settings in ({"temperature": 0.7}, {"max_tokens": 9}):
            open_door(peer, tmp_path, **settings)(others[:1])
        assert len(peer.asked) == len(others) + 1, "nine tokens were asked for before, by the prompt"
        connect("e", Endpoint(base_url=peer.url, model="other"), Cache(tmp_path / "cache"))(others[:1])
        assert len(peer.asked) == len(others) + 2


def test_every_call_is_a_line_of_the_log(tmp_path: Path) -> None:
    answers = {"a": [send("no"), say("secret text", tokens=(1000, 200))], "b": [say("B", "length", (10, 512))]}
    with serve(Peer(answers, delay=0.02)) as peer:
        open_door(peer, tmp_path, price_in=2.0, price_out=10.0)([Prompt("a"), Prompt("b")])
    first, second = calls(tmp_path)
    names = "time endpoint model request tokens_in tokens_out cost seconds attempts outcome"
    assert list(first) == names.split(" ")
    assert [first[key] for key in ("endpoint", "model", "tokens_in", "tokens_out", "cost", "attempts", "outcome")] == [
        "e", "m", 1000, 200, pytest.approx(0.004), 2, "ok"]  # fmt: skip
    assert (second["tokens_out"], second["outcome"], second["attempts"]) == (512, "cut", 1)
    assert 0.04 <= first["seconds"] < 1 and len(first["request"]) == 40 and first["time"].endswith("+00:00")
    assert "secret text" not in (tmp_path / "calls.jsonl").read_text()


def test_tokens_are_estimated_where_the_server_does_not_count_them(tmp_path: Path) -> None:
    with serve(Peer({"a": [send('{"choices": [{"message": {"content": "abcdef"}}]}')]})) as peer:
        open_door(peer, tmp_path)([Prompt("a")])
    assert [(call["tokens_in"], call["tokens_out"]) for call in calls(tmp_path)] == [(estimate_tokens(Prompt("a")), 2)]


def test_a_budget_is_never_passed_and_more_of_it_goes_on_where_it_ended(tmp_path: Path) -> None:
    costs = {prompt.text: [say(f"PROMPT {n}", tokens=(100, 100))] for n, prompt in enumerate(PROMPTS)}
    prices = {"price_out": 5000.0, "max_tokens": 100}  # each call costs half a unit
    with serve(Peer(costs, delay=0.02)) as peer:
        replies = open_door(peer, tmp_path, max_cost=1.6, **prices)(PROMPTS)
        assert replies[:3] == ANSWERS[:3]
        assert {reply.problem for reply in replies[3:]} == {
            "not asked: the budget is spent (1.5 of 1.6 for 600 tokens, and the next call may take more than is left). "
            "Raise 'endpoint.e.max_cost' and run again; what was answered is kept."
        }
        again = open_door(peer, tmp_path, max_cost=1.6, **prices)(PROMPTS)
        assert again == replies and len(peer.asked) == 3, "the log tells a later run what is spent"
        assert open_door(peer, tmp_path, max_cost=4.5, **prices)(PROMPTS) == ANSWERS
    assert len(peer.asked) == 8 and sum(call["cost"] for call in calls(tmp_path)) == pytest.approx(4.0)


def test_a_budget_of_tokens_counts_what_calls_took_and_not_what_they_might_have(tmp_path: Path) -> None:
    with serve(Peer(delay=0.02)) as peer:  # each call takes 15 tokens and might take 113
        replies = open_door(peer, tmp_path, max_total_tokens=180, max_tokens=100)(PROMPTS)
    unasked = [reply for reply in replies if reply.text is None]
    assert len(unasked) == 3 and all("'endpoint.e.max_total_tokens'" in reply.problem for reply in unasked)
    assert peer.most_inside == 1, "a second call at the same time might have taken too much"


def test_a_log_that_a_kill_cut_short_is_read_and_goes_on(tmp_path: Path) -> None:
    with serve(Peer()) as peer:
        open_door(peer, tmp_path)(PROMPTS[:2])
        log = tmp_path / "calls.jsonl"
        log.write_bytes(log.read_bytes()[:-20])
        open_door(peer, tmp_path)(PROMPTS[:3])
    assert len(calls(tmp_path)) == 2


def test_a_dry_run_says_what_it_would_send_and_sends_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PEER_KEY", raising=False)
    dry = {"dry_run": True, "api_key_env": "PEER_KEY", "price_in": 1.0, "price_out": 10.0, "max_tokens": 100}
    with serve(Peer()) as peer:
        open_door(peer, tmp_path, max_tokens=100)(PROMPTS[:2])
        complete = open_door(peer, tmp_path, **dry)
        assert complete([*PROMPTS, *PROMPTS]) == [*ANSWERS[:2], *[Reply(None, "dry run: not asked")] * 6] * 2
        complete([Prompt("one more")])
    assert len(peer.asked) == 2 and len(calls(tmp_path)) == 2
    assert capsys.readouterr().err.splitlines() == [
        "  dry run of 'e': 6 calls, about 78 tokens in, at most 600 out, at most 0.006078 to pay",
        "  dry run of 'e': 7 calls, about 91 tokens in, at most 700 out, at most 0.007091 to pay",
    ]
    with pytest.raises(EndpointError, match=r"'endpoint\.e\.dry_run' is set: nothing was sent"):
        end_dry_run("e", Endpoint(base_url=peer.url, model="m", dry_run=True))
    end_dry_run("e", Endpoint(base_url=peer.url, model="m"))


def test_pictures_count_by_their_size() -> None:
    png = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (600).to_bytes(4) + (500).to_bytes(4)
    bare = estimate_tokens(Prompt("What is it?"))
    assert estimate_tokens(Prompt("What is it?", images=(png, png))) == bare + 2 * 400


def start(folder: Path, peer: Peer, reached: int) -> "subprocess.Popen[bytes]":
    """Ask all prompts in a process of its own, and return it once the server was asked so many."""
    process = subprocess.Popen([sys.executable, "-c", ASK_ALL, str(folder), peer.url], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while len(peer.asked) < reached and time.monotonic() < deadline:
        time.sleep(0.01)
    return process


@pytest.mark.usefixtures("ctrl_c_works")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT], ids=["killed", "Ctrl-C"])
def test_an_ended_run_loses_the_calls_in_flight_and_no_more(tmp_path: Path, end: signal.Signals) -> None:
    hanging = [[dribble(30)], [dribble(30)]]
    with serve(Peer({"prompt 4": hanging[0], "prompt 5": hanging[1]})) as peer:
        process = start(tmp_path, peer, reached=6)
        time.sleep(0.2)  # the four before have been read
        os.kill(process.pid, end)
        told, ended = process.communicate(timeout=10)[1], time.monotonic()
        assert process.returncode != 0 and (end == signal.SIGKILL or b"KeyboardInterrupt" in told)
        assert open_door(peer, tmp_path)(PROMPTS) == ANSWERS
        assert time.monotonic() - ended < 5
    assert sorted(peer.asked[6:]) == [f"prompt {number}" for number in (4, 5, 6, 7)]
    interrupted = [call["outcome"] for call in calls(tmp_path)].count("interrupted")
    assert interrupted == (0 if end == signal.SIGKILL else 2)
