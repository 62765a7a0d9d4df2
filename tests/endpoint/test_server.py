"""llama.cpp's own server over a real model."""

from pathlib import Path

import pytest

from edullama.endpoint.client import connect
from edullama.endpoint.server import serve_model
from edullama.errors import EndpointError, ModelError
from edullama.recipe import Endpoint
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
