"""A student made of some of a Llama's layers: how it is built, and how we know it is sound."""

import copy
import tempfile
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from edullama.errors import ModelError
from edullama.llm.blocks import Passage

TOLERANCE = 1e-3  # of fp32 logits between two ways of computing the same


def build_student(teacher: LlamaForCausalLM, layers: Sequence[int]) -> LlamaForCausalLM:
    """Return a stock Llama with copies of the chosen layers, embeddings, norm and head.

    Built from a fresh config, never by deleting modules: each layer knows its index in the cache, and deleted ones
    leave holes there (transformers #30508). The teacher may be a student itself: its config tells which of the first
    teacher's layers it has, and so does the new one's.
    """
    config = copy.deepcopy(teacher.config)
    config.num_hidden_layers = len(layers)
    if getattr(config, "layer_types", None):
        config.layer_types = [config.layer_types[layer] for layer in layers]
    origins = source_layers(teacher)
    config.edullama_layers = [origins[layer] for layer in layers]  # provenance, kept in config.json
    return assemble(config, _chosen_weights(teacher, layers), teacher)


def assemble(config: LlamaConfig, weights: dict[str, Tensor], model: LlamaForCausalLM) -> LlamaForCausalLM:
    """Return a new Llama with copies of the weights; dtype, device and ways to generate are those of another model."""
    new = LlamaForCausalLM(config).to(dtype=model.dtype, device=model.device)
    new.load_state_dict(weights)
    new.generation_config = copy.deepcopy(model.generation_config)
    return new.eval()


def source_layers(model: LlamaForCausalLM) -> list[int]:
    """Return which layers of the first teacher a model's layers are copies of; a teacher's are its own."""
    return getattr(model.config, "edullama_layers", None) or list(range(model.config.num_hidden_layers))


@torch.inference_mode()
def check_copies(student: LlamaForCausalLM, teacher: LlamaForCausalLM, layers: Sequence[int]) -> float:
    """Prove that a student says what the teacher's own blocks say, the chosen ones passed one by one.

    Returns the largest difference of logits. Raises ModelError.
    """
    tokens = _sample_tokens(student)
    passage = Passage(teacher, tokens)
    hidden = passage.through([teacher.model.layers[layer] for layer in layers], passage.start)
    difference = _largest(student(input_ids=tokens).logits, teacher.lm_head(teacher.model.norm(hidden)))
    _refuse_large("the teacher's blocks", difference)
    return difference


@torch.inference_mode()
def check_student(student: LlamaForCausalLM) -> dict[str, float]:
    """Prove that a student is sound by itself; returns the largest logit differences found. Raises ModelError.

    Checked: layer indices; logits with and without cache; logits after save and reload; generation.
    """
    if [layer.self_attn.layer_idx for layer in student.model.layers] != list(range(student.config.num_hidden_layers)):
        raise ModelError("The student's layers do not carry consecutive indices: its cache would mix them up.")
    tokens = _sample_tokens(student)
    plain = student(input_ids=tokens).logits
    differences = {
        "cache": _largest(plain, _cached_logits(student, tokens)),
        "reload": _largest(plain, _reloaded_logits(student, tokens)),
    }
    for way, difference in differences.items():
        _refuse_large(way, difference)
    written = student.generate(input_ids=tokens, max_new_tokens=4, min_new_tokens=4, do_sample=False)
    if written.shape != (2, 16):
        raise ModelError(f"The student generated {written.shape[1] - 12} tokens where 4 were asked for.")
    return differences


def _sample_tokens(model: LlamaForCausalLM) -> Tensor:
    """Return two rows of twelve tokens."""
    return (torch.arange(24, device=model.device) * 7 % model.config.vocab_size).reshape(2, 12)


def _refuse_large(way: str, difference: float) -> None:
    if not difference <= TOLERANCE:  # not-a-number is refused as well
        raise ModelError(f"The student's logits change by {difference:.2g} by way of {way}; {TOLERANCE} is allowed.")


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
