"""Narrower FFNs: the units that add least are cut out, as many of every layer, so that the config stays a stock one."""

import copy
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import torch
from torch import Tensor
from transformers import LlamaForCausalLM

from edullama.llm.blocks import Passage, Texts
from edullama.llm.layers import assemble

MULTIPLE = 32  # units: llama.cpp quantises rows in blocks of 32


def narrow_width(width: int, share: float) -> int:
    """Return how many of `width` units stay: the share of them, rounded to whole blocks, at least one."""
    return min(width, max(MULTIPLE, round(width * share / MULTIPLE) * MULTIPLE))


@torch.inference_mode()
def unit_norms(model: LlamaForCausalLM, batches: Sequence[Texts]) -> list[Tensor]:
    """Return for each layer (unit,): the norm, over all answer tokens, of what a unit adds to the hidden state.

    That is the norm of its activations, by which Muralidharan et al. 2024 (arXiv 2407.14679, sec. 2.2) choose, times
    that of its column in down_proj.
    """
    layers = model.model.layers
    squares = [torch.zeros(model.config.intermediate_size, device=model.device) for _ in layers]
    for texts in batches:
        predicting, passage = texts.predicting.to(model.device), Passage(model, texts.tokens)
        with ExitStack() as hooks:
            for layer, sums in zip(layers, squares, strict=True):
                handle = layer.mlp.down_proj.register_forward_pre_hook(_summing(sums, predicting))
                hooks.callback(handle.remove)
            passage.through(layers, passage.start)
    return [sums.sqrt() * layer.mlp.down_proj.weight.norm(dim=0) for sums, layer in zip(squares, layers, strict=True)]


def narrow_ffns(model: LlamaForCausalLM, norms: Sequence[Tensor], width: int) -> LlamaForCausalLM:
    """Return a copy of a model whose FFNs keep the `width` units with the highest norms, in their old order."""
    config = copy.deepcopy(model.config)
    config.intermediate_size = width
    kept = [own.topk(width).indices.sort().values for own in norms]
    return assemble(config, _narrow_weights(model, kept), model)


def _summing(sums: Tensor, predicting: Tensor) -> Callable[..., None]:
    """Return a hook that adds to `sums` (unit,) the squares of activations (text, token, unit) at answer tokens."""

    def hook(module: torch.nn.Module, inputs: tuple[Tensor]) -> None:
        sums.add_(inputs[0][predicting].float().square().sum(0))

    return hook


def _narrow_weights(model: LlamaForCausalLM, kept: Sequence[Tensor]) -> dict[str, Tensor]:
    """Return the model's state with the kept units alone: rows of gate_proj and up_proj, columns of down_proj."""
    weights = dict(model.state_dict())
    for layer, units in enumerate(kept):
        prefix = f"model.layers.{layer}.mlp."
        for name in [name for name in weights if name.startswith(prefix)]:
            if name == f"{prefix}down_proj.weight":
                weights[name] = weights[name][:, units]
            elif name != f"{prefix}down_proj.bias":
                weights[name] = weights[name][units]
    return weights
