"""Replies as JSON that fits a schema."""

import json
from pathlib import Path
from typing import Any

import pytest

from edullama.cache import Cache
from edullama.endpoint.client import connect
from edullama.endpoint.server import serve_model
from edullama.endpoint.structured import read_structured
from edullama.recipe import Endpoint
from edullama.records import Prompt, Reply
from tests.endpoint.faults import Peer, say, serve, status

CARD: dict[str, Any] = {
    "type": "object",
    "properties": {"question": {"type": "string"}, "marks": {"type": "integer"}},
    "required": ["question", "marks"],
    "additionalProperties": False,
}
SCHEMA = json.dumps(
    {"type": "object", "properties": {"cards": {"type": "array", "items": CARD}}, "required": ["cards"]}
)
ONE = {"question": "What is {a}, [b]?", "marks": 2}
GOOD = json.dumps({"cards": [ONE]})


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"```json\n{GOOD}\n```",
        f"Here are the cards [as asked]:\n{GOOD}\nI hope {{they}} help!",
        f"<think>Perhaps {{\"cards\": []}}?</think>{GOOD}",
        GOOD.replace("}]", ",}, ]"),
        json.dumps({"cards": [ONE]}, indent=2),
    ],
    ids=["as it should be", "fenced", "talked around", "thought about", "commas too many", "spread out"],
)  # fmt: skip
def test_common_damage_is_mended(text: str) -> None:
    assert read_structured(text, SCHEMA) == (GOOD, "", False)


def test_line_breaks_within_strings_are_taken_for_what_they_are() -> None:
    text, _, _ = read_structured('{"cards": [{"question": "a\nb", "marks": 1}]}', SCHEMA)
    assert json.loads(text or "") == {"cards": [{"question": "a\nb", "marks": 1}]}


@pytest.mark.parametrize("length", range(len(GOOD) - 2, 2 * len(GOOD) - 13))
def test_of_a_reply_that_breaks_off_what_is_whole_stays(length: int) -> None:
    two = json.dumps({"cards": [ONE, ONE]})
    assert read_structured(two[:length], SCHEMA) == (GOOD, "", True)


def test_a_value_that_may_go_on_is_not_whole() -> None:
    assert read_structured('{"cards": [{"question": "Why?", "marks": 1', SCHEMA)[0] is None
    assert read_structured('{"cards": [{"question": "Why', SCHEMA)[0] is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"cards": [{"question": 7, "marks": 1}]}', '/cards/0/question 7 is not of type "string"'),
        ('{"cards": [{"question": "Why?", "marks": NaN}]}', '/cards/0/marks null is not of type "integer"'),
        ('{"cards": 1}', '/cards 1 is not of type "array"'),
        ("{}", '"cards" is a required property'),
        ("I cannot do that.", "there is no whole JSON in it"),
        ("[" * 100_000, "there is no whole JSON in it"),
    ],
)
def test_what_does_not_fit_is_said(text: str, complaint: str) -> None:
    assert read_structured(text, SCHEMA) == (None, complaint, False)


def test_a_schema_goes_with_the_request() -> None:
    with serve(Peer({"a": [say(GOOD)]})) as peer:
        complete = connect("e", Endpoint(base_url=peer.url, model="m"))
        assert complete([Prompt("a", schema=SCHEMA, max_tokens=77)]) == [Reply(GOOD)]
    sent = peer.bodies[0]
    assert sent["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "reply", "schema": json.loads(SCHEMA), "strict": False},
    }
    assert (sent["messages"], sent["max_tokens"]) == ([{"role": "user", "content": "a"}], 77)


def test_a_reply_that_does_not_fit_is_asked_for_once_more_with_the_reason(tmp_path: Path) -> None:
    log, bad = tmp_path / "calls.jsonl", '{"cards": 1}'
    with serve(Peer({"a": [say(bad), say(GOOD)], "b": [say(bad), say(bad), say(GOOD)]})) as peer:
        complete = connect("e", Endpoint(base_url=peer.url, model="m"), Cache(tmp_path / "cache"), log)
        prompts = [Prompt("a", schema=SCHEMA), Prompt("b", schema=SCHEMA)]
        assert complete(prompts) == [
            Reply(GOOD),
            Reply(None, 'the reply does not fit: /cards 1 is not of type "array"'),
        ]
        assert peer.asked == ["a", "a", "b", "b"]
        assert complete(prompts) == [Reply(GOOD), Reply(GOOD)]
    _, answer, complaint = peer.bodies[1]["messages"]
    assert (answer, complaint["role"]) == ({"role": "assistant", "content": bad}, "user")
    assert '/cards 1 is not of type "array"' in complaint["content"]
    assert len(log.read_text().splitlines()) == 5 and "array" not in log.read_text()


def test_a_reply_cut_off_beyond_repair_gets_twice_the_room() -> None:
    with serve(Peer({"a": [say('{"cards": [{"quest', "length"), say(GOOD)]})) as peer:
        complete = connect("e", Endpoint(base_url=peer.url, model="m", max_tokens=50))
        assert complete([Prompt("a", schema=SCHEMA)]) == [Reply(GOOD)]
    assert [body["max_tokens"] for body in peer.bodies] == [50, 100]


def test_a_reply_cut_off_within_a_list_keeps_what_is_whole_and_says_so() -> None:
    with serve(Peer({"a": [say(json.dumps({"cards": [ONE, ONE]})[:-20], "length")]})) as peer:
        complete = connect("e", Endpoint(base_url=peer.url, model="m"))
        assert complete([Prompt("a", schema=SCHEMA)]) == [Reply(GOOD, cut=True)]


def test_a_server_that_takes_no_schema_is_told_it_in_words_from_then_on() -> None:
    asked = [f"{letter}\n\nAnswer with JSON alone that fits this schema:\n{SCHEMA}" for letter in "ab"]
    with serve(Peer({"a": [status(400, "unknown field")], **{text: [say(GOOD)] for text in asked}})) as peer:
        complete = connect("e", Endpoint(base_url=peer.url, model="m"))
        assert complete([Prompt("a", schema=SCHEMA), Prompt("b", schema=SCHEMA)]) == [Reply(GOOD)] * 2
    assert peer.asked == ["a", *asked]
    assert ["response_format" in body for body in peer.bodies] == [True, False, False]


def test_a_real_model_is_held_to_a_schema(builtin_gguf: Path) -> None:
    with serve_model(builtin_gguf) as url:
        complete = connect("local", Endpoint(base_url=url, model="builtin", max_tokens=60))
        (reply,) = complete([Prompt("Write one exam question on rivers, worth 2 marks.", schema=json.dumps(CARD))])
    assert reply.text is not None, reply.problem
    assert set(json.loads(reply.text)) == {"question", "marks"}
