"""The endpoint client against real HTTP servers on loopback: what fails becomes a reply, what is set wrong is said."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from edullama.endpoint.client import connect
from edullama.errors import EndpointError
from edullama.recipe import Endpoint
from edullama.records import Prompt, Reply

KEY = "sk-very-secret-123"
Behaviour = Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]  # request -> (HTTP status, response)


@contextmanager
def serve(behave: Behaviour) -> Iterator[str]:
    """Answer chat requests on a free loopback port as told, and yield the base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            request["authorization"] = self.headers["Authorization"]
            status, response = behave(request)
            content = json.dumps(response).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


def chat(text: str | None, finish: str = "stop") -> tuple[int, dict[str, Any]]:
    message = {"role": "assistant", "content": text}
    choices = [{"index": 0, "message": message, "finish_reason": finish}]
    return 200, {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": choices}


def echo(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    return chat(request["messages"][-1]["content"].upper())


def test_replies_come_in_the_order_of_the_prompts_however_many_run_at_once() -> None:
    prompts = [Prompt(f"prompt {i}") for i in range(23)]
    with serve(echo) as url:
        complete = connect("e", Endpoint(base_url=url, model="m", concurrency=5))
        assert complete(prompts) == [Reply(f"PROMPT {i}") for i in range(23)]
        assert complete([]) == []


def test_a_prompt_is_sent_as_a_chat_without_chance() -> None:
    seen: list[dict[str, Any]] = []

    def watch(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        seen.append(request)
        return chat("yes")

    with serve(watch) as url:
        connect("e", Endpoint(base_url=url, model="gemma"))([Prompt("Who won?", system="Be fair."), Prompt("And now?")])
    assert seen[0]["messages"] == [
        {"role": "system", "content": "Be fair."},
        {"role": "user", "content": "Who won?"},
    ]
    assert (seen[0]["model"], seen[0]["temperature"], seen[0]["max_tokens"]) == ("gemma", 0, 512)
    assert [message["role"] for message in seen[1]["messages"]] == ["user"]


def test_pictures_are_sent_after_the_text_as_data_urls() -> None:
    seen: list[dict[str, Any]] = []

    def watch(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        seen.append(request)
        return chat("a tree")

    with serve(watch) as url:
        complete = connect("e", Endpoint(base_url=url, model="m"))
        assert complete([Prompt("What is it?", "Be brief.", (b"\x89PNG 1", b"\x89PNG 2"))]) == [Reply("a tree")]
    assert seen[0]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is it?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORyAx"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORyAy"}},
            ],
        },
    ]


def test_a_failed_call_is_a_reply_without_text_and_the_others_go_on() -> None:
    def fail_on_bad(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        bad = request["messages"][-1]["content"] == "bad"
        return (400, {"error": {"message": "context too long"}}) if bad else chat("good")

    with serve(fail_on_bad) as url:
        replies = connect("e", Endpoint(base_url=url, model="m"))([Prompt("bad"), Prompt("x"), Prompt("bad")])
    assert [reply.text for reply in replies] == [None, "good", None]
    assert "context too long" in replies[0].problem


def test_a_reply_without_text_says_why() -> None:
    with serve(lambda _: chat(None, "length")) as url:
        (reply,) = connect("e", Endpoint(base_url=url, model="m"))([Prompt("x")])
    assert reply == Reply(None, "the model sent no text (finish reason: length)")


def test_a_missing_key_is_named_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUDGE_KEY", raising=False)
    with pytest.raises(EndpointError, match=r"'endpoint\.e\.api_key_env' names JUDGE_KEY, which is not set"):
        connect("e", Endpoint(base_url="http://127.0.0.1:9/v1", model="m", api_key_env="JUDGE_KEY"))


def test_the_key_comes_from_the_environment_and_never_stands_in_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_KEY", KEY)
    seen: list[str] = []

    def leak(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        seen.append(request["authorization"])
        status = 400 if len(seen) == 1 else 401
        return status, {"error": {"message": f"Incorrect API key provided: {KEY}"}}

    with serve(leak) as url:
        settings = Endpoint(base_url=url, model="m", api_key_env="JUDGE_KEY")
        complete = connect("e", settings)
        replies = complete([Prompt("x"), Prompt("y")])
        assert seen[0] == f"Bearer {KEY}"
        assert all(reply.text is None and KEY not in reply.problem for reply in replies)
        with pytest.raises(EndpointError, match="Check the key in JUDGE_KEY") as caught:
            connect("e", settings)([Prompt("x")])
    assert KEY not in str(caught.value)


def test_a_server_that_is_not_there_is_an_error_that_names_the_setting() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound and not listening: nobody else can answer there
        url = f"http://127.0.0.1:{held.getsockname()[1]}/v1"
        complete = connect("e", Endpoint(base_url=url, model="m"), retries=0)
        with pytest.raises(EndpointError, match=r"no server answers there\. .*'endpoint\.e\.base_url'"):
            complete([Prompt("x")])


def test_an_unknown_model_is_an_error_that_names_the_setting() -> None:
    with (
        serve(lambda _: (404, {"error": {"message": "no such model"}})) as url,
        pytest.raises(EndpointError, match=r"knows no model 'm'.*'endpoint\.e\.model'"),
    ):
        connect("e", Endpoint(base_url=url, model="m"))([Prompt("x")])


def test_a_server_that_goes_away_later_costs_replies_and_not_the_run() -> None:
    with serve(echo) as url:
        complete = connect("e", Endpoint(base_url=url, model="m"), retries=0)
        assert complete([Prompt("x")]) == [Reply("X")]
    (reply,) = complete([Prompt("y")])
    assert reply.text is None and reply.problem.startswith("no server answers") and reply.later


def test_at_least_one_request_must_be_allowed_at_a_time() -> None:
    with pytest.raises(EndpointError, match=r"'endpoint\.e\.concurrency' is 0"):
        connect("e", Endpoint(base_url="http://127.0.0.1:9/v1", model="m", concurrency=0))
