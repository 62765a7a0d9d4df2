"""A stock Llama on a CPU that remembers: one pass adds a token to each of many rows, or reads prompts into new ones.

It reads the weights where the model has them, those of LoRA too. Keys and values lie in buffers that are made once;
heads that share keys are multiplied with them together; only a row's last token passes the head.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from torch.nn import functional
from transformers import GenerationConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaRMSNorm

STATIC_ROPES = ("default", "linear", "llama3")  # whose angles do not depend on a text's length
HARMLESS = {  # generation settings that change no answer here, or that are read elsewhere
    "bos_token_id", "eos_token_id", "pad_token_id", "do_sample", "temperature", "top_p", "top_k", "max_length",
    "max_new_tokens", "use_cache", "output_attentions", "output_hidden_states", "transformers_version",
}  # fmt: skip
Start = tuple[int, Sequence[int], int]  # a row, the tokens that it reads, and the place of the first
Angles = tuple[Tensor, Tensor]  # cosines and sines (tokens, 1, size / 2)


def why_not(model: Any) -> str | None:
    """Say what of a model, or of its generation settings, is not known here, or None."""
    llama = unwrap(model)
    if type(llama) is not LlamaForCausalLM:
        return f"it is a {type(llama).__name__}"
    config, linears = llama.config, [linear for layer in llama.model.layers for linear in _linears(layer)]
    unknown = {
        f"it is on {llama.device}": llama.device.type != "cpu",
        "it is not in fp32": any(weight.dtype != torch.float32 for weight in llama.parameters()),
        "its linear layers are of an unknown kind": not all(_is_known(linear) for linear in linears),
        "its head or its embeddings are of an unknown kind": (type(llama.lm_head), type(llama.model.embed_tokens))
        != (nn.Linear, nn.Embedding),
        "its linear layers have biases": config.attention_bias or config.mlp_bias or llama.lm_head.bias is not None,
        f"its activation is {config.hidden_act}": config.hidden_act != "silu",
        "its rotary embedding changes with length": config.rope_parameters["rope_type"] not in STATIC_ROPES,
        "it sees a window only": bool(set(getattr(config, "layer_types", None) or ()) - {"full_attention"}),
        "its generation settings ask for more": bool(_special_settings(llama.generation_config)),
    }
    return next((reason for reason, true in unknown.items() if true), None)


def unwrap(model: Any) -> Any:
    """Return a model without PEFT around it; its adapters stay in its layers."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


def _is_known(linear: nn.Module) -> bool:
    """Tell whether a layer is a plain one, or one with plain LoRA."""
    if isinstance(linear, LoraLayer):
        variants = [*linear.lora_variant.values(), *(name for name, own in linear.lora_bias.items() if own)]
        return type(linear.get_base_layer()) is nn.Linear and not variants
    return type(linear) is nn.Linear


def _special_settings(settings: GenerationConfig) -> set[str]:
    """Return the names of settings that are not as they come, but for those that do not matter here."""
    plain = GenerationConfig().to_dict()
    own = {name for name, value in settings.to_dict().items() if not name.startswith("_") and value != plain.get(name)}
    return own - HARMLESS


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear layer's weight (outputs, inputs), and of its adapters A (rank, inputs) and scaled B (outputs, rank)."""

    weight: Tensor
    adapters: tuple[tuple[Tensor, Tensor], ...]

    def __call__(self, x: Tensor) -> Tensor:
        """Return (tokens, outputs) of x (tokens, inputs)."""
        return self._adapt(x @ self.weight.T, x)

    def add(self, y: Tensor, x: Tensor) -> None:
        """Add that to y, in place."""
        self._adapt(y.addmm_(x, self.weight.T), x)

    def _adapt(self, y: Tensor, x: Tensor) -> Tensor:
        for a, b in self.adapters:
            y.addmm_(x @ a.T, b.T)
        return y


@dataclass(frozen=True, slots=True)
class Block:
    """The norms and linear layers of a Llama's block."""

    attention_norm: LlamaRMSNorm
    queries: Linear
    keys: Linear
    values: Linear
    output: Linear
    mlp_norm: LlamaRMSNorm
    gate: Linear
    up: Linear
    down: Linear


@dataclass(frozen=True, slots=True)
class Step:
    """What one pass reads: one token of each of the first `old` rows, then what new rows read.

    `tokens` and `places` (tokens,) tell what stands where in its text, `slots` (tokens x heads of keys,) where its keys
    go in the cache. `mask` (old x heads of keys, 1, longest) hides the places that an old row has not reached.
    """

    tokens: Tensor
    places: Tensor
    slots: Tensor
    old: int
    mask: Tensor
    starts: list[tuple[slice, int, int]]  # a new row's tokens, the row, and how many places it holds then

    def last(self) -> Tensor:
        """Return where each row's last token is, (rows,)."""
        return torch.tensor([*range(self.old), *(own.stop - 1 for own, _, _ in self.starts)])


class CachedLlama:
    """A model's weights, and room for keys and values (row, head, place, size) of so many texts and their places."""

    def __init__(self, model: LlamaForCausalLM, rows: int, places: int) -> None:
        attention = model.model.layers[0].self_attn
        self.heads, self.kv_heads = model.config.num_attention_heads, model.config.num_key_value_heads
        self.size, self.scale = attention.head_dim, attention.scaling
        self.blocks = [_read_block(layer) for layer in model.model.layers]
        self.embedding, self.norm, self.head = model.model.embed_tokens.weight, model.model.norm, model.lm_head.weight
        self.room = places
        shape = (rows, self.kv_heads, places, self.size)
        self.keys, self.values = ([torch.zeros(shape) for _ in self.blocks] for _ in range(2))
        cos, sin = model.model.rotary_emb(self.embedding[:1, None], torch.arange(places)[None])
        half = self.size // 2  # the second half repeats the first
        self.cos, self.sin = cos[0, :, None, :half], sin[0, :, None, :half]

    def share(self, tokens: Sequence[int]) -> None:
        """Read tokens that every row begins with."""
        self.read(self.lay_out([], [(0, tokens, 0)]))
        for cache in [*self.keys, *self.values]:
            cache[1:, :, : len(tokens)] = cache[:1, :, : len(tokens)]

    def move(self, source: int, target: int, places: slice) -> None:
        """Copy what one row holds at these places to another."""
        for cache in [*self.keys, *self.values]:
            cache[target, :, places] = cache[source, :, places]

    def lay_out(self, singles: Sequence[tuple[int, int]], starts: Sequence[Start]) -> Step:
        """Return a step: a token and its place for each of the first rows, then what new rows read."""
        tokens, places = [token for token, _ in singles], [place for _, place in singles]
        rows, spans = list(range(len(singles))), []
        for row, prompt, first in starts:
            spans.append((slice(len(tokens), len(tokens) + len(prompt)), row, first + len(prompt)))
            tokens += prompt
            places += range(first, first + len(prompt))
            rows += [row] * len(prompt)
        at, first_heads = torch.tensor(places), torch.tensor(rows)[:, None] * self.kv_heads
        slots = (first_heads + torch.arange(self.kv_heads)) * self.room + at[:, None]
        mask = self._mask(places[: len(singles)])
        return Step(torch.tensor(tokens), at, slots.flatten(), len(singles), mask, spans)

    def _mask(self, places: Sequence[int]) -> Tensor:
        later = torch.arange(max(places, default=-1) + 1) > torch.tensor(places, dtype=torch.long)[:, None]
        mask = torch.zeros(later.shape).masked_fill_(later, -torch.inf)
        return mask.repeat_interleave(self.kv_heads, dim=0)[:, None]

    def read(self, step: Step) -> Tensor:
        """Return the last, normalised states (rows, hidden) of every row's last token."""
        hidden = self.embedding[step.tokens]
        angles = self.cos[step.places], self.sin[step.places]
        for block, keys, values in zip(self.blocks, self.keys, self.values, strict=True):
            attended = self._attend(normalise(hidden, block.attention_norm), block, angles, keys, values, step)
            block.output.add(hidden, attended)
            x = normalise(hidden, block.mlp_norm)
            block.down.add(hidden, functional.silu(block.gate(x), inplace=True).mul_(block.up(x)))
        return normalise(hidden[step.last()], self.norm)

    def _attend(self, x: Tensor, block: Block, angles: Angles, keys: Tensor, values: Tensor, step: Step) -> Tensor:
        """Put the keys and values of x (tokens, hidden) into the cache; return attention (tokens, heads x size)."""
        queries = rotate(block.queries(x).unflatten(1, (self.heads, self.size)), *angles)
        fresh = rotate(block.keys(x).unflatten(1, (self.kv_heads, self.size)), *angles)
        keys.view(-1, self.size).index_copy_(0, step.slots, fresh.view(-1, self.size))
        values.view(-1, self.size).index_copy_(0, step.slots, block.values(x).view(-1, self.size))
        parts = [attend_one(queries[: step.old], keys, values, step.mask, self.scale)] if step.old else []
        for own, row, reach in step.starts:
            parts.append(attend_start(queries[own], keys[row, :, :reach], values[row, :, :reach], self.scale))
        return torch.cat(parts)


def row_bytes(model: LlamaForCausalLM, tokens: int) -> int:
    """Return what the keys, values and last states of a text take, in fp32."""
    config = model.config
    width = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim + config.hidden_size
    return int(4 * width * tokens)


def _read_block(layer: LlamaDecoderLayer) -> Block:
    queries, keys, values, output, gate, up, down = map(_read_linear, _linears(layer))
    norms = layer.input_layernorm, layer.post_attention_layernorm
    return Block(norms[0], queries, keys, values, output, norms[1], gate, up, down)


def _read_linear(linear: Any) -> Linear:
    if not isinstance(linear, LoraLayer):
        return Linear(linear.weight, ())
    off = linear.merged or linear.disable_adapters
    names = [own for own in linear.active_adapters if own in linear.lora_A and not off]
    adapters = [(linear.lora_A[own].weight, linear.lora_B[own].weight * linear.scaling[own]) for own in names]
    return Linear(linear.get_base_layer().weight, tuple(adapters))


def _linears(layer: LlamaDecoderLayer) -> tuple[nn.Module, ...]:
    attention, mlp = layer.self_attn, layer.mlp
    return (
        attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj,
        mlp.gate_proj, mlp.up_proj, mlp.down_proj,
    )  # fmt: skip


def normalise(x: Tensor, norm: LlamaRMSNorm) -> Tensor:
    """Return the RMS norm of each row."""
    mean_square = torch.linalg.vector_norm(x, dim=1, keepdim=True).square_().div_(x.shape[1])
    return (x * mean_square.add_(norm.variance_epsilon).rsqrt_()).mul_(norm.weight)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn heads (tokens, heads, size) by their places: pairs of an element of the first half and its second."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


def attend_one(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor, scale: float) -> Tensor:
    """Attend from one token of each row (rows, heads, size) to what its cache holds."""
    rows, (_, kv_heads, _, size), longest = len(queries), keys.shape, mask.shape[-1]
    keys, values = (cache[:rows].flatten(0, 1)[:, :longest] for cache in (keys, values))
    weights = torch.baddbmm(mask, queries.reshape(rows * kv_heads, -1, size), keys.mT, alpha=scale).softmax(-1)
    return (weights @ values).view(rows, -1)


def attend_start(queries: Tensor, keys: Tensor, values: Tensor, scale: float) -> Tensor:
    """Attend from the last tokens (tokens, heads, size) of a text to all of its keys (heads of keys, reach, size)."""
    tokens, reach = len(queries), keys.shape[1]
    seen = torch.ones(tokens, reach, dtype=torch.bool).tril_(reach - tokens)
    attended = functional.scaled_dot_product_attention(
        queries.transpose(0, 1)[None], keys[None], values[None], attn_mask=seen, scale=scale, enable_gqa=True
    )
    return attended[0].transpose(0, 1).flatten(1)
