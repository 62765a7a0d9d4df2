"""A student made of some of a Llama's layers: which ones, how it is built, and how we know it is sound."""

import copy
import tempfile
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import LlamaForCausalLM

from edullama.errors import InputError, ModelError

TOLERANCE = 1e-3  # of fp32 logits between two ways of computing the same


def even_layers(total: int, count: int) -> list[int]:
    """Return `count` of `total` layer indices, evenly spread, first and last kept (as Distil-Whisper chooses).

    Raises InputError where there are not that many.
    """
    if not 1 <= count <= total:
        raise InputError(f"'shrink.layers' is {count}, but the teacher has {total} layers: choose 1 to {total}.")
    return [round(place) for place in np.linspace(0, total - 1, count)]


def check_choice(layers: Sequence[int], total: int) -> list[int]:
    """Return chosen layer indices, or raise InputError where they are not ascending ones of the teacher's."""
    if not layers or sorted(set(layers)) != list(layers) or not 0 <= layers[0] <= layers[-1] < total:
        raise InputError(f"'shrink.layers' is {list(layers)}: give ascending indices between 0 and {total - 1}.")
    return list(layers)


def build_student(teacher: LlamaForCausalLM, layers: Sequence[int]) -> LlamaForCausalLM:
    """Return a stock Llama with copies of the chosen layers, embeddings, norm and head.

    Built from a fresh config, never by deleting modules: each layer knows its index in the cache, and deleted ones
    leave holes there (transformers #30508).
    """
    config = copy.deepcopy(teacher.config)
    config.num_hidden_layers = len(layers)
    if getattr(config, "layer_types", None):
        config.layer_types = [config.layer_types[layer] for layer in layers]
    config.edullama_layers = list(layers)  # provenance, kept in config.json
    student = LlamaForCausalLM(config).to(dtype=teacher.dtype, device=teacher.device)
    student.load_state_dict(_chosen_weights(teacher, layers))
    student.generation_config = copy.deepcopy(teacher.generation_config)
    return student.eval()


def check_student(student: LlamaForCausalLM, layers: Sequence[int]) -> dict[str, float]:
    """Prove that a student is sound; returns the largest logit differences found. Raises ModelError.

    Checked: layer indices; logits with and without cache; logits after save and reload; generation.
    """
    if [layer.self_attn.layer_idx for layer in student.model.layers] != list(range(len(layers))):
        raise ModelError("The student's layers do not carry consecutive indices: its cache would mix them up.")
    tokens = (torch.arange(24, device=student.device) * 7 % student.config.vocab_size).reshape(2, 12)
    with torch.inference_mode():
        plain = student(input_ids=tokens).logits
        differences = {
            "cache": _largest(plain, _cached_logits(student, tokens)),
            "reload": _largest(plain, _reloaded_logits(student, tokens)),
        }
        written = student.generate(input_ids=tokens, max_new_tokens=4, min_new_tokens=4, do_sample=False)
    for way, difference in differences.items():
        if not difference <= TOLERANCE:
            raise ModelError(
                f"The student's logits change by {difference:.2g} by way of {way}; {TOLERANCE} is allowed."
            )
    if written.shape != (2, 16):
        raise ModelError(f"The student generated {written.shape[1] - 12} tokens where 4 were asked for.")
    return differences


def _chosen_weights(teacher: LlamaForCausalLM, layers: Sequence[int]) -> dict[str, Tensor]:
    """Return the teacher's state with the chosen layers renumbered and the others left out."""
    place = {str(layer): str(position) for position, layer in enumerate(layers)}
    chosen = {}
    for name, weight in teacher.state_dict().items():
        if not name.startswith("model.layers."):
            chosen[name] = weight
            continue
        _, _, layer, rest = name.split(".", 3)
        if layer in place:
            chosen[f"model.layers.{place[layer]}.{rest}"] = weight
    return chosen


def _cached_logits(model: LlamaForCausalLM, tokens: Tensor) -> Tensor:
    """Return the logits as generation computes them: a prefix first, then token by token on its cache."""
    half = tokens.shape[1] // 2
    out = model(input_ids=tokens[:, :half], use_cache=True)
    logits = [out.logits]
    for place in range(half, tokens.shape[1]):
        step = tokens[:, place : place + 1]
        out = model(input_ids=step, past_key_values=out.past_key_values, use_cache=True)
        logits.append(out.logits)
    return torch.cat(logits, dim=1)


def _reloaded_logits(model: LlamaForCausalLM, tokens: Tensor) -> Tensor:
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        reloaded = LlamaForCausalLM.from_pretrained(folder, dtype=model.dtype).to(device=model.device).eval()
        return reloaded(input_ids=tokens).logits


def _largest(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max())
