"""What llama.cpp's server answers beyond the OpenAI interface: its tokens and its probabilities."""

import json
import urllib.request
from collections.abc import Sequence
from typing import Any


def tokenize(base_url: str, text: str) -> list[int]:
    """Return the ids that llama.cpp cuts a text into, special tokens included where the text names them."""
    return list(_post(base_url, "tokenize", {"content": text, "parse_special": True})["tokens"])


def next_tokens(base_url: str, prompt: Sequence[int], count: int) -> dict[int, float]:
    """Return the log-probabilities, in nats, of the `count` likeliest tokens after a prompt of token ids."""
    wanted = {"prompt": list(prompt), "n_predict": 1, "n_probs": count, "temperature": 0, "cache_prompt": False}
    first = _post(base_url, "completion", wanted)["completion_probabilities"][0]
    return {item["id"]: item["logprob"] for item in first["top_logprobs"]}


def _post(base_url: str, route: str, body: dict[str, Any]) -> Any:
    url = f"{base_url.removesuffix('/v1')}/{route}"
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as reply:
        return json.load(reply)
