"""Files we write, loaded and asked by llama.cpp itself."""

from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast

from edullama.endpoint.llamacpp import next_tokens, tokenize
from edullama.endpoint.server import serve_model
from edullama.llm.likelihood import next_token_logprobs
from edullama.llm.write_gguf import write_gguf
from tests.llm.tiny import make_llama

TEXT = "What are the 3 main ideas? Größe, naïve, 2+2=4."
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}


@pytest.mark.parametrize(
    ("changes", "kind", "tolerance"),
    [
        ({}, "f32", 0.02),
        ({}, "f16", 0.05),
        ({}, "q8_0", 0.5),
        ({"tie_word_embeddings": False}, "f32", 0.02),
        ({"num_key_value_heads": 4}, "f32", 0.02),
        ({"rope_parameters": LLAMA3}, "f32", 0.02),
        ({"head_dim": 32}, "f32", 0.02),
    ],
    ids=["f32", "f16", "q8_0", "untied", "all heads", "llama3 rope", "wide heads"],
)
def test_llama_cpp_computes_what_torch_does(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path, changes: dict[str, Any], kind: Any, tolerance: float
) -> None:
    model = make_llama(**changes)
    path = tmp_path / "model.gguf"
    write_gguf(model, tokenizer, path, "tiny", kind)
    prompt = tokenizer(TEXT)["input_ids"]
    with serve_model(path) as base_url:
        assert tokenize(base_url, TEXT) == prompt
        theirs = next_tokens(base_url, prompt, 20)
    ours = next_token_logprobs(model, prompt)
    assert len(theirs) == 20
    assert max(abs(ours[token] - logprob) for token, logprob in theirs.items()) < tolerance
