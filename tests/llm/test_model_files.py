"""Checkpoint folders that cannot be used, and what is said of them; weights read one by one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BitsAndBytesConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from edullama.errors import ModelError
from edullama.llm.model_files import open_weights
from edullama.llm.models import load_model, load_tokenizer
from edullama.llm.qlora import load_frozen_base
from tests.llm.tiny import make_llama

TOKENS = torch.arange(24).reshape(2, 12)
NF4 = BitsAndBytesConfig(
    load_in_4bit=True,
    bnb_4bit_quant_type="nf4",
    bnb_4bit_use_double_quant=True,
    bnb_4bit_compute_dtype=torch.float32,
)


@pytest.fixture
def folder(llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> Path:
    """The tiny Llama in several shards, for a test to break."""
    llama.save_pretrained(tmp_path, max_shard_size="200KB")
    tokenizer.save_pretrained(tmp_path)
    return tmp_path


def change_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_shards_give_the_model_that_transformers_makes_of_them(folder: Path) -> None:
    assert len(list(folder.glob("*.safetensors"))) == 4
    ours, theirs = load_model(str(folder)), LlamaForCausalLM.from_pretrained(folder)
    assert torch.equal(ours(TOKENS).logits, theirs(TOKENS).logits)
    assert ours.config.to_dict() == theirs.config.to_dict()
    assert ours.generation_config == theirs.generation_config
    assert ours.lm_head.weight is ours.model.embed_tokens.weight


@pytest.mark.parametrize("tied", [True, False])
def test_a_base_in_nf4_has_the_very_bytes_and_logits_of_transformers_own_way(tmp_path: Path, tied: bool) -> None:
    make_llama(tie_word_embeddings=tied).save_pretrained(tmp_path, max_shard_size="200KB")
    theirs = LlamaForCausalLM.from_pretrained(
        tmp_path, dtype=torch.float32, quantization_config=NF4, device_map={"": "cpu"}
    )
    ours = load_model(str(tmp_path), quantization_config=NF4, device_map={"": "cpu"})
    held, known = ours.state_dict(), theirs.state_dict()
    assert list(held) == list(known)
    assert all(torch.equal(held[name], known[name]) for name in known)
    assert sum(name.endswith(".weight.absmax") for name in held) == 4 * 7  # blocks, linear layers
    assert torch.equal(ours(TOKENS).logits, theirs(TOKENS).logits)


def test_weights_are_read_when_they_are_asked_for_and_not_before(folder: Path, llama: LlamaForCausalLM) -> None:
    with open_weights(folder, "m") as weights:
        one = weights["model.layers.2.mlp.up_proj.weight"]
        assert not isinstance(one, torch.Tensor)
        assert torch.equal(one[...], llama.model.layers[2].mlp.up_proj.weight)


def drop_shard(folder: Path) -> None:
    (folder / "model-00003-of-00004.safetensors").unlink()


def cut_shard(folder: Path) -> None:
    path = folder / "model-00003-of-00004.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def write_html(folder: Path) -> None:
    (folder / "model-00003-of-00004.safetensors").write_text("<html>Sign in</html>")


def drop_weight(folder: Path) -> None:
    path = folder / "model-00003-of-00004.safetensors"
    weights = load_file(path)
    save_file(dict(list(weights.items())[1:]), path)


def narrow(folder: Path) -> None:
    change_config(folder, intermediate_size=96)


def drop_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def cut_config(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "lla')


def become_qwen(folder: Path) -> None:
    change_config(folder, model_type="qwen3", architectures=["Qwen3ForCausalLM"])


def become_classifier(folder: Path) -> None:
    change_config(folder, architectures=["LlamaForSequenceClassification"])


def become_quantised(folder: Path) -> None:
    change_config(folder, quantization_config={"quant_method": "gptq", "bits": 4})


def become_pickled(folder: Path) -> None:
    for path in folder.glob("model*"):
        path.unlink()
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (drop_shard, "has no model-00003-of-00004.safetensors. Fetch the checkpoint again"),
        (cut_shard, "model-00003-of-00004.safetensors is damaged or cut short"),
        (write_html, "model-00003-of-00004.safetensors is damaged or cut short"),
        (drop_weight, "lacks weights, such as model.layers."),
        (narrow, "its weights do not fit its config"),
        (drop_config, "holds no config.json"),
        (cut_config, "config.json is damaged"),
        (become_qwen, "its architecture is 'qwen3'"),
        (become_classifier, "it is a LlamaForSequenceClassification, which writes no text"),
        (become_quantised, "quantised already"),
        (become_pickled, r"its weights are pickled \(pytorch_model.bin\)"),
    ],
)
def test_a_folder_that_cannot_be_loaded_says_why(folder: Path, spoil: Callable[[Path], None], said: str) -> None:
    spoil(folder)
    with pytest.raises(ModelError, match=said) as caught:
        load_model(str(folder))
    assert str(caught.value).startswith(f"{folder}: ")
    assert "\n" not in str(caught.value)


def test_weights_in_nf4_are_missed_as_well(folder: Path) -> None:
    drop_weight(folder)
    with pytest.raises(ModelError, match="lacks weights"):
        load_frozen_base(str(folder), "nf4")


def test_a_folder_without_a_tokenizer_says_what_to_copy(folder: Path) -> None:
    for path in folder.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(ModelError, match=r"holds no tokenizer \(tokenizer.json\)"):
        load_tokenizer(str(folder))


def test_a_damaged_tokenizer_is_not_taken_for_a_missing_one(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match="its tokenizer cannot be read"):
        load_tokenizer(str(folder))


def test_a_file_that_is_no_gguf_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("a note")
    with pytest.raises(ModelError, match=r"notes\.txt: a file"):
        load_model(str(tmp_path / "notes.txt"))
