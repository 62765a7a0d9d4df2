from pathlib import Path

import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from edullama.errors import ModelError
from edullama.llm.batches import Collator
from edullama.llm.models import count_parameters, load_model, load_tokenizer
from edullama.llm.qlora import finetune, load_frozen_base, load_teacher
from edullama.llm.write_gguf import write_gguf
from edullama.recipe import Finetune
from edullama.records import Window

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
    weights = next((tmp_path / "cache").glob("tiny-*/model.safetensors"))
    made = weights.stat().st_mtime_ns
    load_model(str(gguf))
    assert weights.stat().st_mtime_ns == made


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


def test_a_hub_model_that_cannot_be_had_says_what_to_check() -> None:
    with pytest.raises(ModelError, match=r"Check the name and the connection|must be accepted|cannot be loaded"):
        load_model("edullama-tests/there-is-no-such-model")
