"""Sentence vectors for comparing answers: WordLlama, whose wheel carries its weights."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

NAME = "WordLlama l2_supercat, 256 dimensions"


def embed(texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return unit rows (texts, 256) in float32; a text without any known word gives a row of zeros."""
    vectors = np.asarray(_model().embed(list(texts)), dtype=np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)


@cache
def _model() -> Any:
    import wordllama

    # Offline its loader finds the wheel's own files only when told where they lie.
    return wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
