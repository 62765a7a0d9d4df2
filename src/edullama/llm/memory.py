"""How much memory a QLoRA run takes, from shapes alone, and whether it is there.

Bytes of NF4 as in bitsandbytes: 4 bits a weight, a scale of 8 bits to every 64 weights, and a scale of 32 bits to every
256 of those. Tensors kept for the backward pass were counted in a training step (docs/experiments.md, 7B in 16 GB).
"""

from dataclasses import dataclass, replace
from math import ceil, inf

import torch
from transformers import LlamaConfig

from edullama.errors import ModelError
from edullama.llm.device import best_device, compute_dtype
from edullama.llm.free_memory import free_memory
from edullama.llm.hub import TOKENIZER
from edullama.llm.lora_functions import HEAD_ROWS
from edullama.llm.model_files import read_config
from edullama.llm.names import fetch
from edullama.progress import announce
from edullama.recipe import Finetune

BLOCK, NESTED = 64, 256  # weights to a scale, scales to a scale of scales
FLOAT = 4  # bytes
SMALLEST_IN_8_BITS = 4096  # elements; Adam's state of smaller tensors stays in 32 bits
PROGRAM = 400_000_000  # bytes: Python, torch, transformers and their buffers, on a CPU
SPARE = 0.95  # of what is free may be planned with: allocators lose some


@dataclass(frozen=True, slots=True)
class Machine:
    """What an estimate depends on beside model and settings."""

    gpu: bool
    whole: torch.dtype  # of embeddings, head and norms
    compute: torch.dtype  # of products and activations


def this_machine() -> Machine:
    """Return the machine that training will run on."""
    device = best_device()
    compute = compute_dtype(device)
    return Machine(device.type == "cuda", compute if device.type == "cuda" else torch.float32, compute)


def plan(name: str, settings: Finetune, longest: int) -> bool:
    """Say what finetuning takes, and return whether activations are computed anew in the backward pass.

    Where the recipe leaves it open, they are on a GPU; a CPU, which has more memory and less speed, keeps them if they
    fit. `longest` is the most tokens of an input. Reads no more than the config. Raises ModelError with advice where
    the run cannot fit.
    """
    config, machine, free = read_shape(name), this_machine(), free_memory()
    room = inf if free is None else SPARE * free
    needs = {again: sum(estimate(config, settings, longest, machine, again).values()) for again in (False, True)}
    again = settings.checkpointing == "always"
    if settings.checkpointing == "auto":
        again = machine.gpu or needs[False] > room
    there = "" if free is None else f", {gigabytes(free)} there"
    if needs[again] > room:
        advice = advise(config, settings, longest, machine)
        raise ModelError(f"{name}: finetune needs {gigabytes(needs[again])}{there}. {advice}")
    announce(f"needs {gigabytes(needs[again])}{there}" + (", with activations computed twice" if again else ""))
    return again


def read_shape(name: str) -> LlamaConfig:
    """Return a model's config without its weights. Raises ModelError."""
    return LlamaConfig.from_dict(read_config(fetch(name, TOKENIZER), name))


def estimate(
    config: LlamaConfig, settings: Finetune, longest: int, machine: Machine, checkpointing: bool
) -> dict[str, int]:
    """Return the bytes that each part of a training step takes at its peak."""
    tokens = settings.batch_size * longest
    trained = count_trained(config, settings)
    kept = _kept_by_block(config, settings, tokens, machine)
    states = tokens * config.hidden_size * (machine.whole.itemsize if machine.gpu else FLOAT)
    return {
        "blocks": _blocks(config, settings, machine),
        "embeddings and head": _embeddings(config, settings, machine),
        "adapter": 0 if settings.train == "full" else FLOAT * trained,
        "gradients": FLOAT * trained,
        "optimizer": _optimizer(config, settings, machine),
        "activations": config.num_hidden_layers * (states if checkpointing else kept),
        "work": max(_loss(config, tokens, machine), _backward(config, settings, tokens, machine, checkpointing)),
        "program": 0 if machine.gpu else PROGRAM,
    }


def count_trained(config: LlamaConfig, settings: Finetune) -> int:
    """Return how many weights are trained: the LoRA matrices A (rank, inputs) and B (outputs, rank), or all."""
    layers = config.num_hidden_layers
    if settings.train == "lora":
        return layers * sum(settings.rank * (rows + columns) for rows, columns in _adapted(config, settings))
    block = sum(rows * columns for rows, columns in linear_shapes(config).values()) + 2 * config.hidden_size
    matrices = 1 if config.tie_word_embeddings else 2
    return layers * block + config.hidden_size * (matrices * config.vocab_size + 1)


def linear_shapes(config: LlamaConfig) -> dict[str, tuple[int, int]]:
    """Return (outputs, inputs) of a block's linear layers by their names."""
    hidden, inner = config.hidden_size, config.intermediate_size
    queries, keys = config.num_attention_heads * config.head_dim, config.num_key_value_heads * config.head_dim
    return {
        "q_proj": (queries, hidden),
        "k_proj": (keys, hidden),
        "v_proj": (keys, hidden),
        "o_proj": (hidden, queries),
        "gate_proj": (inner, hidden),
        "up_proj": (inner, hidden),
        "down_proj": (hidden, inner),
    }


def nf4_bytes(weights: int) -> int:
    """Return the bytes of one tensor in NF4 with double quantisation."""
    scales = ceil(weights / BLOCK)
    return ceil(weights / 2) + scales + FLOAT * ceil(scales / NESTED)


def gigabytes(count: float) -> str:
    """Write bytes in GB (10^9)."""
    return f"{count / 1e9:.1f} GB"


def _adapted(config: LlamaConfig, settings: Finetune) -> list[tuple[int, int]]:
    shapes = linear_shapes(config)
    return [shapes[name] for name in settings.targets or shapes]


def _blocks(config: LlamaConfig, settings: Finetune, machine: Machine) -> int:
    sizes = [rows * columns for rows, columns in linear_shapes(config).values()]
    packed = settings.quantize == "nf4"
    block = sum(nf4_bytes(size) if packed else _held(settings, machine) * size for size in sizes)
    return config.num_hidden_layers * (block + 2 * config.hidden_size * FLOAT)


def _embeddings(config: LlamaConfig, settings: Finetune, machine: Machine) -> int:
    """Return the bytes of the embeddings, of the head where it is another matrix, and of its copy to compute with."""
    matrices = 1 if config.tie_word_embeddings else 2
    held = _held(settings, machine)
    copied = machine.compute.itemsize if held != machine.compute.itemsize else 0
    return config.vocab_size * config.hidden_size * (matrices * held + copied)


def _held(settings: Finetune, machine: Machine) -> int:
    """Return the bytes of a weight that is not packed."""
    return FLOAT if settings.train == "full" else machine.whole.itemsize


def _optimizer(config: LlamaConfig, settings: Finetune, machine: Machine) -> int:
    """Return the bytes of Adam's two moments: in 8 bits with a scale to every 256 where so chosen, else in fp32."""
    auto = settings.optimizer == "auto" and settings.quantize == "nf4"
    if not machine.gpu or not (auto or settings.optimizer == "paged_adamw_8bit"):
        return 2 * FLOAT * count_trained(config, settings)
    if settings.train == "full":
        return ceil(2 * (1 + FLOAT / NESTED) * count_trained(config, settings))
    sizes = [settings.rank * side for shape in _adapted(config, settings) for side in shape]
    block = sum(
        2 * (size + FLOAT * ceil(size / NESTED)) if size >= SMALLEST_IN_8_BITS else 2 * FLOAT * size for size in sizes
    )
    return config.num_hidden_layers * block


def _kept_by_block(config: LlamaConfig, settings: Finetune, tokens: int, machine: Machine) -> int:
    """Return the bytes that one block keeps for its backward pass.

    On a CPU (lora_functions.py): both inputs, turned queries, keys and values, what was attended to, gate and up, and
    the adapters' low-rank products. On a GPU: what autograd keeps of transformers' block under autocast.
    """
    hidden, inner, heads = config.hidden_size, config.intermediate_size, config.num_attention_heads
    queries, keys = heads * config.head_dim, config.num_key_value_heads * config.head_dim
    size = machine.compute.itemsize
    if machine.gpu:
        dropped = (size + 2) * (6 * hidden + inner) if settings.dropout else 0
        token = size * (4 * inner + 2 * keys + 7 * settings.rank) + 24 * hidden + FLOAT * (heads + 2) + dropped
    else:
        token = size * (2 * queries + 2 * keys + 2 * inner + 7 * settings.rank) + FLOAT * (2 * hidden + heads + 2)
    return tokens * token


def _loss(config: LlamaConfig, tokens: int, machine: Machine) -> int:
    """Return the bytes of the logits of a few rows, and of the last hidden states and their gradients."""
    logits = FLOAT if machine.compute.itemsize == FLOAT else FLOAT + 2 * machine.compute.itemsize
    return HEAD_ROWS * config.vocab_size * logits + 2 * tokens * config.hidden_size * FLOAT


def _backward(config: LlamaConfig, settings: Finetune, tokens: int, machine: Machine, checkpointing: bool) -> int:
    """Return the bytes at work while one block is gone back through, beside what blocks keep."""
    hidden, inner = config.hidden_size, config.intermediate_size
    again = _kept_by_block(config, settings, tokens, machine) if checkpointing else 0
    gradients = tokens * (5 * inner * machine.compute.itemsize + 4 * hidden * FLOAT)
    return again + gradients + _unpacked(config, settings, machine)


def _unpacked(config: LlamaConfig, settings: Finetune, machine: Machine) -> int:
    """Return the bytes of packed weights while they are multiplied with: on a CPU gate and up, and their parts."""
    if settings.quantize == "none":
        return 0
    largest = config.hidden_size * config.intermediate_size
    return largest * (machine.compute.itemsize if machine.gpu else 2 * (FLOAT + machine.compute.itemsize))


def advise(config: LlamaConfig, settings: Finetune, longest: int, machine: Machine) -> str:
    """Say what each thriftier setting would bring, and all of them together."""
    thriftier: dict[str, Finetune] = {}
    if settings.quantize == "none" and settings.train == "lora":
        thriftier['finetune.quantize="nf4"'] = replace(settings, quantize="nf4")
    if settings.batch_size > 1:
        thriftier["finetune.batch_size=1"] = replace(settings, batch_size=1)
    tokens = max(1, min(longest, settings.max_tokens) // 2)
    if tokens >= 64:
        thriftier[f"finetune.max_tokens={tokens}"] = replace(settings, max_tokens=tokens)
    if settings.rank > 8 and settings.train == "lora":
        thriftier["finetune.rank=8"] = replace(settings, rank=8)
    if settings.checkpointing == "never":
        thriftier['finetune.checkpointing="always"'] = replace(settings, checkpointing="always")
    needs = {text: _lowest(config, one, longest, machine) for text, one in thriftier.items()}
    options = ", ".join(f"{text} ({gigabytes(count)})" for text, count in needs.items())
    together = replace(
        settings, quantize="nf4", batch_size=1, max_tokens=tokens, rank=min(8, settings.rank), checkpointing="always"
    )
    lowest = gigabytes(_lowest(config, together, longest, machine))
    tried = f"Set {options}; with all of it {lowest}. " if options else ""
    return f"{tried}Or take a smaller model, or a machine with more memory."


def _lowest(config: LlamaConfig, settings: Finetune, longest: int, machine: Machine) -> int:
    """Return the bytes that settings need, activations computed twice where they may be."""
    again = settings.checkpointing != "never"
    return sum(estimate(config, settings, min(longest, settings.max_tokens), machine, again).values())
