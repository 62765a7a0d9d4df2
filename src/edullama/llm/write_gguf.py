"""A Llama as a GGUF file that llama.cpp loads."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import gguf
import numpy as np
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from edullama.errors import ModelError
from edullama.llm.models import Tokenizer
from edullama.progress import bar

Format = Literal["q8_0", "f16", "f32"]
TYPES = {
    "q8_0": gguf.GGMLQuantizationType.Q8_0,
    "f16": gguf.GGMLQuantizationType.F16,
    "f32": gguf.GGMLQuantizationType.F32,
}
FILE_TYPES = {
    "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
    "f16": gguf.LlamaFileType.MOSTLY_F16,
    "f32": gguf.LlamaFileType.ALL_F32,
}
Q8_BLOCK = 32  # weights that share a scale; rows of other lengths stay in f16


def write_gguf(model: LlamaForCausalLM, tokenizer: Tokenizer, path: Path, name: str, kind: Format) -> None:
    """Write weights, shape and tokenizer to one file, by rename. Raises ModelError for parts llama.cpp lacks."""
    beside = path.with_suffix(".writing")
    writer = gguf.GGUFWriter(beside, "llama")
    _add_shape(writer, model, name, kind)
    _add_vocabulary(writer, model, tokenizer)
    _add_weights(writer, model, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    beside.rename(path)


def _add_shape(writer: gguf.GGUFWriter, model: LlamaForCausalLM, name: str, kind: Format) -> None:
    config = model.config
    head = config.head_dim or config.hidden_size // config.num_attention_heads
    writer.add_name(name)
    writer.add_file_type(FILE_TYPES[kind])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_rope_dimension_count(head)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)


def _add_vocabulary(writer: gguf.GGUFWriter, model: LlamaForCausalLM, tokenizer: Tokenizer) -> None:
    """Write tokens, merges and special tokens of a byte-level BPE, or of a SentencePiece one like Llama 2's."""
    spec = json.loads(tokenizer.backend_tokenizer.to_str())
    byte_level = not spec["model"].get("byte_fallback")
    tokens, types = _tokens(tokenizer, spec, model.config.vocab_size)
    writer.add_tokenizer_model("gpt2" if byte_level else "llama")
    writer.add_tokenizer_pre(_splitting(spec) if byte_level else "default")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    if byte_level:
        merges = spec["model"]["merges"]
        writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    else:
        writer.add_token_scores([-float(place) for place in range(len(tokens))])  # earlier pieces merge first
    writer.add_add_space_prefix(not byte_level)
    plain = tokenizer("a")["input_ids"]
    writer.add_add_bos_token(bool(plain) and plain[0] == tokenizer.bos_token_id)
    _add_specials(writer, tokenizer)


def _add_specials(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    specials: dict[Callable[[int], None], int | None] = {
        writer.add_bos_token_id: tokenizer.bos_token_id,
        writer.add_eos_token_id: tokenizer.eos_token_id,
        writer.add_unk_token_id: tokenizer.unk_token_id,
        writer.add_pad_token_id: tokenizer.pad_token_id,
    }
    for add, token in specials.items():
        if token is not None:
            add(token)
    if tokenizer.chat_template:
        writer.add_chat_template(tokenizer.chat_template)


def _tokens(tokenizer: Tokenizer, spec: dict[str, Any], vocab_size: int) -> tuple[list[str], list[int]]:
    """Return each id's text and GGUF type; ids the tokenizer does not use are padding that is never produced."""
    texts = {token: text for text, token in tokenizer.get_vocab().items()}
    special = {token["id"]: token["special"] for token in spec["added_tokens"]}
    unknown = tokenizer.unk_token_id if spec["model"].get("byte_fallback") else None
    tokens, types = [], []
    for token in range(vocab_size):
        text = texts.get(token, f"[PAD{token}]")
        if token not in texts:
            kind = gguf.TokenType.UNUSED
        elif token == unknown:
            kind = gguf.TokenType.UNKNOWN
        elif token in special:
            kind = gguf.TokenType.CONTROL if special[token] else gguf.TokenType.USER_DEFINED
        elif spec["model"].get("byte_fallback") and len(text) == 6 and text.startswith("<0x"):
            kind = gguf.TokenType.BYTE
        else:
            kind = gguf.TokenType.NORMAL
        tokens.append(text)
        types.append(int(kind))
    return tokens, types


def _splitting(spec: dict[str, Any]) -> str:
    """Return llama.cpp's name for the way a byte-level tokenizer cuts text before merging."""
    described = json.dumps(spec["pre_tokenizer"])
    if "Digits" in described:
        return "smollm"
    if r"\\p{N}{1,3}" in described:
        return "llama-bpe"
    if "Split" not in described:
        return "gpt-2"
    raise ModelError("This tokenizer's pre-tokenizer has no name we know in llama.cpp, so it cannot go into a GGUF.")


def _add_weights(writer: gguf.GGUFWriter, model: LlamaForCausalLM, kind: Format) -> None:
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, model.config.num_hidden_layers)
    state = model.state_dict()
    if model.config.tie_word_embeddings:
        state.pop("lm_head.weight", None)
    with bar("GGUF", len(state)) as advance:
        for name, weight in state.items():
            target = names.get_name(name, try_suffixes=(".weight", ".bias"))
            if target is None:
                raise ModelError(f"llama.cpp's Llama has no place for the weight '{name}'.")
            _add_weight(writer, target, _in_gguf_order(name, weight.float().cpu(), model), kind)
            advance(1)
    factors = rope_factors(model.config)
    if factors is not None:
        writer.add_tensor("rope_freqs.weight", factors)


def _add_weight(writer: gguf.GGUFWriter, name: str, weight: Tensor, kind: Format) -> None:
    """Add one tensor: vectors in f32, matrices in the wanted format where their rows allow it."""
    wanted = TYPES[kind] if weight.ndim == 2 else TYPES["f32"]
    if wanted == TYPES["q8_0"] and weight.shape[1] % Q8_BLOCK:
        wanted = TYPES["f16"]
    writer.add_tensor(name, gguf.quants.quantize(weight.numpy(), wanted), raw_dtype=wanted)


def _in_gguf_order(name: str, weight: Tensor, model: LlamaForCausalLM) -> Tensor:
    """Reorder q and k rows: transformers rotates halves of a head, llama.cpp neighbouring pairs."""
    heads = {"q_proj": model.config.num_attention_heads, "k_proj": model.config.num_key_value_heads}
    count = next((heads[part] for part in heads if part in name), None)
    if count is None:
        return weight.contiguous()
    rows = weight.reshape(count, 2, weight.shape[0] // count // 2, *weight.shape[1:])
    return rows.swapaxes(1, 2).reshape(weight.shape).contiguous()


def rope_factors(config: LlamaConfig) -> np.ndarray[Any, np.dtype[np.float32]] | None:
    """Return Llama 3's divisors of the rotary frequencies (head / 2,), or None for plain rotary embeddings.

    Formula: "The Llama 3 Herd of Models" (arXiv 2407.21783) as transformers computes it. Raises ModelError otherwise.
    """
    rope = config.rope_parameters
    if rope["rope_type"] == "default":
        return None
    if rope["rope_type"] != "llama3":
        raise ModelError(f"Rotary embeddings of type '{rope['rope_type']}' cannot be written to GGUF yet.")
    head = config.head_dim or config.hidden_size // config.num_attention_heads
    frequencies = rope["rope_theta"] ** -(torch.arange(0, head, 2, dtype=torch.float32) / head)
    wavelengths = 2 * math.pi / frequencies
    low, high, context = rope["low_freq_factor"], rope["high_freq_factor"], rope["original_max_position_embeddings"]
    smooth = ((context / wavelengths - low) / (high - low)).clamp(0, 1)
    return (1 / ((1 - smooth) / rope["factor"] + smooth)).numpy().astype(np.float32)
