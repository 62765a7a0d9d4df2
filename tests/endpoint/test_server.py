"""llama.cpp's own server over a real model."""

import signal
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from edullama.endpoint.client import connect
from edullama.endpoint.server import serve_model
from edullama.errors import EndpointError, ModelError
from edullama.recipe import Endpoint
from edullama.recipe_file import parse_recipe
from edullama.records import Prompt


def test_a_model_is_served_on_loopback_for_as_long_as_the_context_lasts(builtin_gguf: Path) -> None:
    prompts = [Prompt("Name the capital of France."), Prompt("Name a colour.", system="Answer in one word.")]
    with serve_model(builtin_gguf) as url:
        assert url.startswith("http://127.0.0.1:") and url.endswith("/v1")
        replies = connect("local", Endpoint(base_url=url, model="builtin"), max_tokens=24)(prompts)
    assert replies[0].text is not None and "Paris" in replies[0].text
    assert replies[1].text
    with pytest.raises(EndpointError, match="no server answers there"):
        connect("local", Endpoint(base_url=url, model="builtin"), retries=0)(prompts)


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"absent\.gguf: no such file"), serve_model(tmp_path / "absent.gguf"):
        pass
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(60))
    with pytest.raises(ModelError, match=r"broken\.gguf: llama\.cpp cannot load it"), serve_model(broken):
        pass


def test_a_port_that_is_taken_is_said(builtin_gguf: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ModelError, match=f"and port {port} free"), serve_model(builtin_gguf, port):
            pass


@pytest.mark.usefixtures("ctrl_c_works")
def test_serve_model_prints_the_section_for_the_recipe_and_serves_until_ctrl_c(builtin_gguf: Path) -> None:
    command = [sys.executable, "-m", "edullama", "serve-model", str(builtin_gguf)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            section = "".join(process.stdout.readline() for _ in range(3))
            local = parse_recipe(tomllib.loads(section), "printed").endpoint["local"]
            (reply,) = connect("local", local, max_tokens=8)([Prompt("Name the capital of France.")])
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()
    assert reply.text and local.model == builtin_gguf.stem
