"""The Hub's refusals, from a server on loopback that answers as it does."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {"config.json": b'{"model_type": "llama"}', "model.safetensors": b"weights", "pytorch_model.bin": b"pickle"}
FETCH = """
import sys
from edullama.errors import ModelError
from edullama.llm.names import fetch
try:
    print(sorted(path.name for path in fetch(sys.argv[1]).iterdir()))
except ModelError as error:
    print(error)
"""


class Hub(BaseHTTPRequestHandler):
    """Two models: lab/open for everybody, lab/gated for the token "granted"; the Hub itself is down for lab/down."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token == "mistyped":
            return self.refuse(401, message="Invalid credentials in Authorization header")
        if "/lab/down/" in self.path + "/":
            return self.refuse(503)
        if "/lab/narrow" in self.path:
            return self.refuse(403, message="You need the permission to read")
        if "/lab/open" not in self.path and "/lab/gated" not in self.path:
            return self.refuse(404 if token else 401, code="RepoNotFound")
        if "/tree/" in self.path:
            return self.give([{"type": "file", "path": name, "size": len(FILES[name]), "oid": "0"} for name in FILES])
        if "/api/models/" in self.path:  # what a model is may be read by everybody
            return self.give({"id": "lab/open", "sha": COMMIT, "siblings": []})
        if "/lab/gated/" in self.path and token != "granted":
            return self.refuse(403 if token else 401, code="GatedRepo")
        self.send_file(FILES[self.path.split("?")[0].rpartition("/")[2]])

    def refuse(self, status: int, code: str = "", message: str = "") -> None:
        self.send_response(status)
        for name, value in (("X-Error-Code", code), ("X-Error-Message", message), ("Content-Length", "0")):
            if value:
                self.send_header(name, value)
        self.end_headers()

    def give(self, value: object) -> None:
        self.send_file(json.dumps(value).encode())

    def send_file(self, content: bytes) -> None:
        self.send_response(200)
        for name, value in (
            ("ETag", f'"{hash(content)}"'), ("X-Repo-Commit", COMMIT), ("Content-Length", str(len(content))),
        ):  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def fetch(model: str, endpoint: str, home: Path, token: str = "", **more: str) -> str:
    """Ask for a model in a process of its own, since the address of the Hub is read once; returns what it says."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_TOKEN": token, "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-c", FETCH, model]
    done = subprocess.run(command, env=ours | settings | more, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout.strip().splitlines()[-1]


def test_a_model_is_fetched_without_its_pickled_weights(hub: str, tmp_path: Path) -> None:
    assert fetch("lab/open", hub, tmp_path) == "['config.json', 'model.safetensors']"


def test_what_was_fetched_is_there_without_the_hub(hub: str, tmp_path: Path) -> None:
    fetch("lab/open", hub, tmp_path)
    assert fetch("lab/open", "http://127.0.0.1:9", tmp_path) == "['config.json', 'model.safetensors']"
    assert fetch("lab/open", hub, tmp_path, HF_HUB_OFFLINE="1") == "['config.json', 'model.safetensors']"


def test_a_gated_model_without_a_token_names_the_licence_and_the_token(hub: str, tmp_path: Path) -> None:
    said = fetch("lab/gated", hub, tmp_path)
    assert said.startswith(f"lab/gated: this model is gated. Accept its licence at {hub}/lab/gated, then set a token")


def test_a_gated_model_with_a_token_that_has_no_access_says_so(hub: str, tmp_path: Path) -> None:
    said = fetch("lab/gated", hub, tmp_path, token="other")
    assert "the token in use has no access to it" in said
    assert f"{hub}/lab/gated" in said


def test_a_gated_model_is_fetched_with_a_token_that_was_granted_access(hub: str, tmp_path: Path) -> None:
    assert fetch("lab/gated", hub, tmp_path, token="granted") == "['config.json', 'model.safetensors']"


def test_a_mistyped_token_is_not_taken_for_a_missing_model(hub: str, tmp_path: Path) -> None:
    said = fetch("lab/open", hub, tmp_path, token="mistyped")
    assert said.startswith("lab/open: the Hub does not know the token in use.")


def test_a_token_without_the_permission_says_so(hub: str, tmp_path: Path) -> None:
    assert "may not read this model" in fetch("lab/narrow", hub, tmp_path, token="narrow")


@pytest.mark.parametrize("token", ["", "any"])
def test_a_model_that_is_not_on_the_hub_asks_for_the_spelling(hub: str, tmp_path: Path, token: str) -> None:
    said = fetch("lab/ghost", hub, tmp_path, token=token)
    assert said.startswith("lab/ghost: no such folder here, and no such model on the Hub, or a private one.")


def test_a_hub_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    said = fetch("lab/open", "http://127.0.0.1:9", tmp_path)
    assert "the Hub could not be reached (http://127.0.0.1:9)" in said


def test_offline_a_model_that_was_never_fetched_says_what_keeps_it_away(hub: str, tmp_path: Path) -> None:
    assert "HF_HUB_OFFLINE forbids" in fetch("lab/open", hub, tmp_path, HF_HUB_OFFLINE="1")


def test_a_hub_that_is_down_is_not_a_missing_model(hub: str, tmp_path: Path) -> None:
    assert fetch("lab/down", hub, tmp_path) == "lab/down: the Hub answered with status 503. Try again later."


def test_a_name_that_no_model_can_have_is_no_question_to_the_hub(tmp_path: Path) -> None:
    said = fetch("models/of/mine", "http://127.0.0.1:9", tmp_path)
    assert said == "models/of/mine: no such folder here, and no name that a model on the Hub can have (owner/model)."
