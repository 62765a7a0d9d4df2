"""A server that fails in every way: nothing is lost, nothing asked twice, no secret told."""

import json
import random
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from edullama.cache import Cache
from edullama.endpoint.client import connect
from edullama.errors import EndpointError
from edullama.recipe import Endpoint
from edullama.records import Complete, Prompt, Reply
from tests.endpoint.faults import (
    HALF_JSON,
    NO_CHOICES,
    NOT_JSON,
    WRONG_SHAPES,
    Fault,
    Peer,
    cut,
    cut_in_the_middle,
    dribble,
    say,
    serve,
    status,
)

KEY = "sk-very-secret-123"
PASSING: list[Fault] = [
    status(429), status(429, Retry_After="0.05"), status(408), status(409), status(500), status(502), status(503),
    status(529), cut, cut_in_the_middle, NOT_JSON, HALF_JSON, NO_CHOICES, *WRONG_SHAPES,
]  # fmt: skip


def open_door(peer: Peer, folder: Path | None = None, retries: int = 6, **settings: Any) -> Complete:
    endpoint = Endpoint(base_url=peer.url, model="m", **settings)
    if folder is None:
        return connect("e", endpoint, retries=retries, pause=0.001)
    return connect("e", endpoint, Cache(folder / "cache"), folder / "calls.jsonl", retries=retries, pause=0.001)


def calls(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "calls.jsonl").read_text().splitlines()]


def test_whatever_passes_costs_no_reply_no_order_and_no_second_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEER_KEY", KEY)
    texts, dice = [f"prompt {number}" for number in range(60)], random.Random(1)
    faults = {text: dice.sample(PASSING, dice.choice([0, 0, 1, 2, 3])) for text in texts}
    with serve(Peer(faults, delay=0.005)) as peer:
        complete = open_door(peer, tmp_path, concurrency=5, api_key_env="PEER_KEY")
        assert complete([Prompt(text) for text in texts]) == [Reply(text.upper()) for text in texts]
        assert 2 <= peer.most_inside <= 5
        assert Counter(peer.asked) == {text: 1 + len(faults[text]) for text in texts}
        before = len(peer.asked)
        assert complete([Prompt(text) for text in texts[::-1]]) == [Reply(text.upper()) for text in texts[::-1]]
        assert len(peer.asked) == before and peer.keys == {f"Bearer {KEY}"}
    told = calls(tmp_path)
    assert sorted(call["attempts"] for call in told) == sorted(1 + len(own) for own in faults.values())
    assert {call["outcome"] for call in told} == {"ok"} and len({call["request"] for call in told}) == 60
    assert all(KEY.encode() not in path.read_bytes() for path in tmp_path.iterdir())


@pytest.mark.parametrize("fault", PASSING)
def test_what_does_not_pass_is_a_reply_that_says_why_and_the_next_run_asks_again(tmp_path: Path, fault: Fault) -> None:
    with serve(Peer({"b": [fault] * 3})) as peer:
        prompts = [Prompt("a"), Prompt("b"), Prompt("c")]
        first, second, third = open_door(peer, tmp_path, retries=2)(prompts)
        assert (first, second.text, third) == (Reply("A"), None, Reply("C")) and second.problem
        assert open_door(peer, tmp_path)(prompts) == [Reply("A"), Reply("B"), Reply("C")]
        assert Counter(peer.asked) == {"a": 1, "b": 4, "c": 1}
    assert [call["attempts"] for call in calls(tmp_path) if call["outcome"] != "ok"] == [3]


def test_a_request_that_is_wrong_is_not_sent_again() -> None:
    with serve(Peer({"b": [status(400, "context too long")], "c": [status(501)]})) as peer:
        replies = open_door(peer)([Prompt("a"), Prompt("b"), Prompt("c")])
    assert "context too long" in replies[1].problem and replies[2].text is None
    assert Counter(peer.asked) == {"a": 1, "b": 1, "c": 1}


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_server_that_says_when_to_come_back_is_left_alone_by_all_until_then(form: str) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=2)
    wait = "1" if form == "seconds" else format_datetime(moment, usegmt=True)  # dates know whole seconds
    with serve(Peer({"b": [status(429, Retry_After=wait)]})) as peer:
        complete = open_door(peer, concurrency=1)
        complete([Prompt("a")])
        assert complete([Prompt("b"), Prompt("c")]) == [Reply("B"), Reply("C")]
    assert peer.asked == ["a", "b", "b", "c"]
    if form == "seconds":
        assert 1 <= peer.times[2] - peer.times[1] < 2
    else:
        assert moment.timestamp() - 1 <= peer.times[2] <= moment.timestamp() + 1


def test_each_pause_before_another_try_is_longer_than_the_one_before() -> None:
    with serve(Peer({"b": [status(500)] * 4})) as peer:
        complete = connect("e", Endpoint(base_url=peer.url, model="m"), pause=0.1)
        complete([Prompt("a"), Prompt("b")])
    gaps = [later - earlier for earlier, later in pairwise(peer.times[1:])]
    assert [gap >= 0.05 * 2**place for place, gap in enumerate(gaps)] == [True] * 4


def test_a_server_that_wants_an_hour_gets_no_second_call() -> None:
    with serve(Peer({"b": [status(429, "quota", Retry_After="3600")]})) as peer:
        _, reply = open_door(peer)([Prompt("a"), Prompt("b")])
    assert reply.text is None and "left alone for 3600 s" in reply.problem and len(peer.asked) == 2


def test_a_reply_that_drips_in_is_given_up_after_the_time_set() -> None:
    with serve(Peer({"b": [dribble(5)] * 2})) as peer:
        started = time.monotonic()
        _, reply = open_door(peer, timeout=0.3, retries=1)([Prompt("a"), Prompt("b")])
    assert reply == Reply(None, "no answer within 0.3 s", later=True) and time.monotonic() - started < 2


def test_a_server_that_never_answers_is_said_before_the_others_wait() -> None:
    with serve(Peer({"a": [dribble(5)]})) as peer, pytest.raises(EndpointError, match=r"Raise 'endpoint\.e\.timeout'"):
        open_door(peer, timeout=0.2, retries=0)([Prompt("a"), Prompt("b")])
    assert peer.asked == ["a"]


def test_a_server_that_stays_away_is_not_asked_to_the_end() -> None:
    with serve(Peer({f"{number}": [status(503)] * 9 for number in range(1, 100)})) as peer:
        replies = open_door(peer, retries=1, concurrency=2)([Prompt(f"{number}") for number in range(100)])
    assert replies[0] == Reply("0") and all(reply.text is None for reply in replies[1:])
    assert "Run again to go on" in replies[-1].problem and len(set(peer.asked)) <= 1 + 10 + 1


def test_a_reply_that_broke_off_says_so_and_is_remembered_so(tmp_path: Path) -> None:
    with serve(Peer({"b": [say("half a sen", "length")]})) as peer:
        prompts = [Prompt("a"), Prompt("b")]
        for _ in range(2):
            assert open_door(peer, tmp_path)(prompts) == [Reply("A"), Reply("half a sen", cut=True)]
    assert [call["outcome"] for call in calls(tmp_path)] == ["ok", "cut"]


def test_a_reply_that_says_nothing_is_no_text() -> None:
    with serve(Peer({"b": [say(None, "content_filter")], "c": [say(" \n")]})) as peer:
        replies = open_door(peer)([Prompt("a"), Prompt("b"), Prompt("c")])
    assert replies[1:] == [
        Reply(None, "the model sent no text (finish reason: content_filter)"),
        Reply(None, "the model sent no text (finish reason: stop)"),
    ]


def test_half_a_character_does_not_break_the_memory(tmp_path: Path) -> None:
    with serve(Peer({"a": [say("cut \ud83d")]})) as peer:
        assert open_door(peer, tmp_path)([Prompt("a")]) == [Reply("cut ?")]


def test_a_key_that_a_server_repeats_is_told_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEER_KEY", KEY)
    with serve(Peer({text: [status(code, f"bad key {KEY}")] for text, code in (("b", 400), ("c", 401))})) as peer:
        replies = open_door(peer, tmp_path, api_key_env="PEER_KEY")([Prompt("a"), Prompt("b"), Prompt("c")])
    assert [reply.problem for reply in replies[1:]] == [
        "BadRequestError: Error code: 400 - bad key [key]",
        "the server refused the key",
    ]
    assert all(KEY.encode() not in path.read_bytes() for path in tmp_path.iterdir())


def test_parts_that_a_server_does_not_take_are_left_out_from_then_on() -> None:
    complaint = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    faults = [status(400, complaint), status(400, "Unsupported value: 'temperature' does not support 0.0")]
    with serve(Peer({"a": faults})) as peer:
        assert open_door(peer, max_tokens=99)([Prompt("a"), Prompt("b")]) == [Reply("A"), Reply("B")]
    assert peer.asked == ["a", "a", "a", "b"]
    assert (peer.bodies[3]["max_completion_tokens"], peer.bodies[3].keys() & {"max_tokens", "temperature"}) == (
        99,
        set(),
    )
