"""A chat server on loopback that does wrong what it is told, and counts what it is asked."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

Fault: TypeAlias = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers one request: as its prompt's next fault says, else with the prompt in capitals."""

    peer: "Peer"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        fault = self.peer.come(body, self.headers["Authorization"])
        try:
            time.sleep(self.peer.delay)
            fault(self) if fault else self.say(text_of(body).upper())
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client went away
        finally:
            self.peer.go()

    def say(self, text: str | None, finish: str = "stop", tokens: tuple[int, int] = (10, 5)) -> None:
        choices = [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}]
        usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)}
        self.send(200, json.dumps({"id": "1", "object": "chat.completion", "choices": choices, "usage": usage}))

    def send(self, status: int, content: str, headers: Mapping[str, str] = {}) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content.encode())

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


class Peer:
    """What the server does to which prompt, call by call, and what it saw."""

    def __init__(self, faults: Mapping[str, list[Fault]] | None = None, delay: float = 0.0) -> None:
        self.faults, self.delay, self.url = {text: list(own) for text, own in (faults or {}).items()}, delay, ""
        self.asked, self.bodies, self.times, self.keys = list[str](), list[dict[str, Any]](), list[float](), set[str]()
        self.inside = self.most_inside = 0
        self.lock = threading.Lock()

    def come(self, body: dict[str, Any], authorization: str) -> Fault | None:
        with self.lock:
            self.asked.append(text_of(body))
            self.bodies.append(body)
            self.times.append(time.time())
            self.keys.add(authorization)
            self.inside += 1
            self.most_inside = max(self.most_inside, self.inside)
            waiting = self.faults.get(self.asked[-1])
            return waiting.pop(0) if waiting else None

    def go(self) -> None:
        with self.lock:
            self.inside -= 1


@contextmanager
def serve(peer: Peer) -> Iterator[Peer]:
    """Let a peer answer on a free loopback port while the context lasts."""
    handler = type("OwnHandler", (Handler,), {"peer": peer})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    peer.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield peer
    finally:
        server.shutdown()
        server.server_close()


def text_of(body: dict[str, Any]) -> str:
    content = next(message["content"] for message in body["messages"] if message["role"] == "user")
    return str(content if isinstance(content, str) else content[0]["text"])


def status(code: int, message: str = "no", **headers: str) -> Fault:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.send(code, json.dumps({"error": {"message": message}}), named)


def say(text: str | None, finish: str = "stop", tokens: tuple[int, int] = (10, 5)) -> Fault:
    return lambda handler: handler.say(text, finish, tokens)


def send(content: str) -> Fault:
    return lambda handler: handler.send(200, content)


def cut(handler: Handler) -> None:
    """Break the connection before a word is sent."""
    handler.connection.close()
    handler.close_connection = True


def cut_in_the_middle(handler: Handler) -> None:
    """Promise more than is sent."""
    handler.send(200, '{"choices": [{"mess', {"Content-Length": "500"})
    handler.close_connection = True


def dribble(seconds: float) -> Fault:
    """Send a byte now and then, so that no single wait is long."""

    def fault(handler: Handler) -> None:
        handler.send(200, " ", {"Content-Length": "100000"})
        for _ in range(int(seconds / 0.05)):
            time.sleep(0.05)
            handler.wfile.write(b" ")

    return fault


NOT_JSON = send("<html>Bad gateway</html>")
HALF_JSON = send('{"choices": [')
NO_CHOICES = send('{"choices": []}')
WRONG_SHAPES = [send("[]"), send("null"), send('{"choices": [{"message": "hello"}]}'), send('{"choices": {}}')]
