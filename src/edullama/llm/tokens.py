"""Counts tokens with a model's own tokenizer, and without torch."""

from collections.abc import Sequence

from tokenizers import Tokenizer

from edullama.errors import ModelError
from edullama.llm.hub import TOKENIZER
from edullama.llm.names import fetch

FILE = "tokenizer.json"
BATCH = 1024  # texts encoded at once


def count_tokens(name: str, texts: Sequence[str]) -> list[int]:
    """Return how many tokens each text has by itself, without those that begin and end it. Raises ModelError."""
    file = fetch(name, TOKENIZER) / FILE
    if not file.is_file():
        raise ModelError(f"{name}: has no {FILE}")
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    counts: list[int] = []
    for start in range(0, len(texts), BATCH):
        batch = tokenizer.encode_batch_fast(list(texts[start : start + BATCH]), add_special_tokens=False)
        counts += map(len, batch)
    return counts
