"""A GGUF file as a stock checkpoint, made once and kept in the user's cache."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from edullama.errors import ModelError
from edullama.progress import announce, track

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import LlamaConfig

LARGE = 1_000_000_000  # weights from which fp16 is kept: what a file in 4 to 16 bits holds needs no more
SHARD = 2_000_000_000  # bytes
LLAMA_3_FACTORS = (8.0, 32.0)  # of the rotary embeddings of 3.1 and 3.3, and of 3.2; a file holds only what follows
LLAMA_3 = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}


def cache_folder() -> Path:
    """Return the user's cache of models: $EDULLAMA_CACHE, else ~/.cache/edullama."""
    return Path(os.environ.get("EDULLAMA_CACHE", "~/.cache/edullama")).expanduser()


def dequantized(gguf: Path) -> Path:
    """Return a folder with the file's weights and its tokenizer, made on first use of this very file.

    Weights are in fp32, those of models beyond a billion in fp16. Raises ModelError where the file is no Llama's.
    """
    stat = gguf.stat()
    identity = hashlib.sha256(f"{gguf.resolve()}\n{stat.st_size}\n{stat.st_mtime_ns}".encode()).hexdigest()[:12]
    folder = cache_folder() / f"{gguf.stem}-{identity}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            announce(f"dequantising {gguf.name}, once: half a minute for 135 million weights")
            with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
                _save(gguf, Path(scratch) / "model")
                (Path(scratch) / "model").rename(folder)
    return folder


def _save(path: Path, folder: Path) -> None:
    """Write a file's config, tokenizer and weights, of which no more than a shard is in memory."""
    from transformers import AutoConfig, AutoTokenizer, GenerationConfig

    reader = _open(path)
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    config = AutoConfig.from_pretrained(path.parent, gguf_file=path.name)
    config.tie_word_embeddings = "output.weight" not in tensors
    if "rope_freqs.weight" in tensors:
        config.rope_parameters = _read_rope(path, config, tensors.pop("rope_freqs.weight").data)
    config.architectures, config._name_or_path = ["LlamaForCausalLM"], ""
    config.dtype = "float16" if sum(int(tensor.n_elements) for tensor in reader.tensors) > LARGE else "float32"
    config.save_pretrained(folder)
    GenerationConfig.from_model_config(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name).save_pretrained(folder)
    _save_weights(_weights(path, config, tensors), folder)


def _open(path: Path) -> Any:
    """Open a file. Raises ModelError where it is damaged or holds another architecture."""
    import gguf

    try:
        reader = gguf.GGUFReader(path)
        kind = str(reader.fields["general.architecture"].contents())
    except (ValueError, IndexError, KeyError) as error:
        raise ModelError(
            f"{path}: no GGUF file, or one that is damaged or cut short ({error}). Fetch it again."
        ) from None
    if kind != "llama":
        raise ModelError(f"{path}: its architecture is '{kind}'. EduLLama works with Llamas.")
    return reader


def _read_rope(path: Path, config: "LlamaConfig", factors: Any) -> dict[str, Any]:
    """Return the rotary settings that give these factors (head / 2,). Raises ModelError where none does."""
    import numpy as np

    from edullama.llm.write_gguf import rope_factors

    for factor in LLAMA_3_FACTORS:
        config.rope_parameters = config.rope_parameters | LLAMA_3 | {"rope_type": "llama3", "factor": factor}
        own = rope_factors(config)
        if own is not None and np.allclose(own, factors, rtol=1e-4):
            return dict(config.rope_parameters)
    raise ModelError(
        f"{path}: its rotary embeddings are scaled in a way that we do not know. Name the checkpoint itself."
    )


def _weights(path: Path, config: "LlamaConfig", tensors: dict[str, Any]) -> Iterator[tuple[str, "Tensor"]]:
    """Yield every weight of a Llama by its name in transformers. Raises ModelError where one is missing."""
    import gguf
    import torch
    from transformers import LlamaForCausalLM

    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    with torch.device("meta"):
        wanted = list(LlamaForCausalLM(config).state_dict())
    if config.tie_word_embeddings:
        wanted.remove("lm_head.weight")
    for name in track(wanted, "GGUF", len(wanted)):
        tensor = tensors.get(str(names.get_name(name, try_suffixes=(".weight", ".bias"))))
        if tensor is None:
            raise ModelError(f"{path}: it lacks the weight '{name}'. Fetch it again.")
        try:
            values = torch.from_numpy(gguf.quants.dequantize(tensor.data, tensor.tensor_type).copy())
        except NotImplementedError:
            kind = tensor.tensor_type.name
            raise ModelError(
                f"{path}: weights of type {kind} cannot be dequantised. Name a Q4_K_M or Q8_0 file."
            ) from None
        yield name, _in_transformers_order(name, values, config).to(getattr(torch, str(config.dtype)))


def _in_transformers_order(name: str, weight: "Tensor", config: "LlamaConfig") -> "Tensor":
    """Reorder q and k rows: llama.cpp rotates neighbouring pairs of a head, transformers its halves."""
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    count = next((heads[part] for part in heads if part in name), None)
    if count is None:
        return weight
    pairs = weight.reshape(count, weight.shape[0] // count // 2, 2, *weight.shape[1:])
    return pairs.swapaxes(1, 2).reshape(weight.shape).contiguous()


def _save_weights(weights: Iterator[tuple[str, "Tensor"]], folder: Path) -> None:
    """Write weights to shards, with the index that transformers reads."""
    from safetensors.torch import save_file

    places: dict[str, str] = {}
    for number, shard in enumerate(_shards(weights), 1):
        file = f"model-{number:05}.safetensors"
        save_file(shard, folder / file, metadata={"format": "pt"})
        places |= dict.fromkeys(shard, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}, indent=1))


def _shards(weights: Iterator[tuple[str, "Tensor"]]) -> Iterator[dict[str, "Tensor"]]:
    """Yield weights together until they pass SHARD bytes."""
    shard: dict[str, Tensor] = {}
    for name, weight in weights:
        shard[name] = weight
        if sum(one.nbytes for one in shard.values()) > SHARD:
            yield shard
            shard = {}
    if shard:
        yield shard
