from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGUFWriter
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from edullama.errors import ModelError
from edullama.llm.batches import Collator
from edullama.llm.models import count_parameters, load_model, load_tokenizer
from edullama.llm.qlora import finetune, load_frozen_base, load_teacher
from edullama.llm.write_gguf import write_gguf
from edullama.recipe import Finetune
from edullama.records import Window
from tests.llm.tiny import make_llama

TOKENS = torch.arange(24).reshape(2, 12)
TEXT = "What are the 3 main ideas? Größe, naïve, 2+2=4."


@pytest.fixture
def gguf(
    llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The tiny Llama as a GGUF file, and a cache of its own."""
    monkeypatch.setenv("EDULLAMA_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "tiny.gguf"
    write_gguf(llama, tokenizer, path, "tiny", "f32")
    return path


def test_a_folder_is_loaded_by_its_path(llama_folder: Path, llama: LlamaForCausalLM) -> None:
    assert torch.equal(load_model(str(llama_folder))(TOKENS).logits, llama(TOKENS).logits)


def test_a_gguf_file_is_the_model_it_was_written_from(gguf: Path, llama: LlamaForCausalLM) -> None:
    torch.testing.assert_close(load_model(str(gguf))(TOKENS).logits, llama(TOKENS).logits, rtol=1e-4, atol=1e-4)


def test_a_gguf_file_brings_its_tokenizer(gguf: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    assert load_tokenizer(str(gguf))(TEXT)["input_ids"] == tokenizer(TEXT)["input_ids"]


def test_a_gguf_file_is_dequantised_once(gguf: Path, tmp_path: Path) -> None:
    load_model(str(gguf))
    weights = next((tmp_path / "cache").glob("tiny-*/model-00001.safetensors"))
    made = weights.stat().st_mtime_ns
    load_model(str(gguf))
    assert weights.stat().st_mtime_ns == made


def test_llama_3s_rotary_embeddings_survive_gguf(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """transformers reads such a file as if its rotary embeddings were plain."""
    monkeypatch.setenv("EDULLAMA_CACHE", str(tmp_path / "cache"))
    rope = {
        "rope_type": "llama3", "rope_theta": 500000.0, "factor": 32.0,
        "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192,
    }  # fmt: skip
    llama = make_llama(rope_parameters=rope, head_dim=64)
    write_gguf(llama, tokenizer, tmp_path / "3.gguf", "three", "f32")
    loaded = load_model(str(tmp_path / "3.gguf"))
    assert loaded.config.rope_parameters == rope
    tokens = torch.arange(300)[None]
    torch.testing.assert_close(loaded(tokens).logits, llama(tokens).logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("architecture", "size", "said"),
    [
        ("qwen3", None, "its architecture is 'qwen3'. EduLLama works with Llamas"),
        ("llama", 5000, "damaged or cut short"),
        ("llama", 100, "damaged or cut short"),
        ("llama", 0, "damaged or cut short"),
        ("llama", None, "lacks the weight 'model.embed_tokens.weight'"),
    ],
)
def test_a_gguf_file_that_is_no_whole_llama_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, architecture: str, size: int | None, said: str
) -> None:
    monkeypatch.setenv("EDULLAMA_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "other.gguf"
    write_headers(path, architecture)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ModelError, match=said):
        load_model(str(path))
    assert not list((tmp_path / "cache").glob("other-*/*"))


def write_headers(path: Path, architecture: str) -> None:
    """Write a GGUF file with the shape and the tokenizer of a model of one block, and one weight that it has not."""
    writer = GGUFWriter(path, architecture)
    for add in (
        writer.add_block_count, writer.add_head_count, writer.add_head_count_kv, writer.add_context_length,
        writer.add_embedding_length, writer.add_feed_forward_length,
    ):  # fmt: skip
        add(64)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(["a", "b", "ab", "<|end|>"])
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(3)
    writer.add_tensor("a_weight", np.ones((64, 64), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_a_gguf_base_is_held_in_nf4_like_any_other(gguf: Path, tmp_path: Path) -> None:
    assert load_frozen_base(str(gguf), "nf4").model.layers[0].mlp.up_proj.weight.quant_type == "nf4"
    window = Window("1", "l", "The adapter lies in folder 3.", ())
    steps = finetune(str(gguf), [window], Finetune(rank=4, alpha=8, max_steps=1), 0, tmp_path)
    assert steps[0].loss > 0
    teacher = load_teacher(tmp_path / "adapter", str(gguf))
    batch = Collator(0)([{"prompt": [1], "answer": [2, 3]}])
    assert torch.isfinite(teacher(**batch).loss)


def test_real_parameters_are_counted_and_tied_ones_once(llama: LlamaForCausalLM) -> None:
    block = 64 * 64 * 2 + 64 * 32 * 2 + 64 * 128 * 3 + 2 * 64  # q o, k v, gate up down, norms
    assert count_parameters(llama) == 320 * 64 + 4 * block + 64


def test_an_unknown_builtin_names_the_one_there_is() -> None:
    with pytest.raises(ModelError, match="'builtin:smollm2-135m-instruct'"):
        load_model("builtin:gpt-5")


def test_a_missing_file_is_not_looked_up_on_the_hub() -> None:
    with pytest.raises(ModelError, match="no such file"):
        load_model("./nowhere/model.gguf")
