"""A Llama with LoRA that trains fast and lean on a CPU: the same modules and weights, another way through them.

While it trains, the forward pass of a stock model is replaced; names, saving, loading and generation stay as they were.
What the fast way does not know goes the plain one. The differences to it: texts lie side by side in one row without
padding, logits are never kept, and dropout draws one mask for all adapters that read the same input.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from bitsandbytes.functional import dequantize_4bit
from bitsandbytes.nn.modules import Linear4bit
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import LlamaForCausalLM
from transformers.modeling_outputs import CausalLMOutputWithPast
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaRMSNorm

from edullama.llm.batches import IGNORED
from edullama.llm.lora_functions import AttentionHalf, HeadLoss, Heads, Linears, MlpHalf, Norm, Places

ADAPTER = "default"  # PEFT's own name for the only one


def speed_up(model: PeftModel | LlamaForCausalLM, compute: torch.dtype = torch.float32) -> str | None:
    """Let a model train the fast way, in place, with products in the dtype `compute`.

    Returns why its blocks cannot go the fast way, or None. Its loss is computed without keeping logits in any case.
    """
    llama = model.get_base_model() if isinstance(model, PeftModel) else model
    reason = why_not(model, llama)
    blocks = [] if reason else [make_block(layer, compute) for layer in llama.model.layers]
    head, plain = llama.lm_head.weight, llama.forward
    frozen_head = None if head.requires_grad else head.to(compute)

    def forward(
        input_ids: Tensor,
        labels: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
        **others: Any,
    ) -> Any:
        batch = {"input_ids": input_ids, "attention_mask": attention_mask, "position_ids": position_ids}
        if labels is None or not llama.training or any(value is not None for value in others.values()):
            return plain(**batch, labels=labels, num_items_in_batch=num_items_in_batch, **others)
        if blocks:
            hidden, targets = predict(
                llama, blocks, compute, lay_side_by_side(input_ids, labels, attention_mask, position_ids)
            )
        else:
            hidden, targets = predict_plainly(llama, labels, batch)
        loss = HeadLoss.apply(hidden, head.to(compute) if frozen_head is None else frozen_head, targets)
        return CausalLMOutputWithPast(loss=loss / (num_items_in_batch or max(1, len(targets))))

    llama.forward = forward
    return reason


def predict_plainly(llama: LlamaForCausalLM, labels: Tensor, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Return the last hidden states (scored, hidden) and what they are to predict (scored,), as transformers does."""
    hidden = llama.model(**batch, use_cache=False).last_hidden_state
    scored = labels[:, 1:] != IGNORED
    return hidden[:, :-1][scored], labels[:, 1:][scored]


def why_not(model: PeftModel | LlamaForCausalLM, llama: LlamaForCausalLM) -> str | None:
    """Say what of a model the fast way does not know, or None."""
    if not isinstance(model, PeftModel):
        return "every weight is trained"
    config, adapter = llama.config, model.peft_config[ADAPTER]
    linears = [module for layer in llama.model.layers for module in _linears(layer)]
    unknown = {
        "it is not on the CPU": llama.device.type != "cpu",
        "its linear layers have biases": any(_base(linear).bias is not None for linear in linears),
        "its linear layers are of an unknown kind": any(
            type(_base(linear)) not in (nn.Linear, Linear4bit) for linear in linears
        ),
        f"its activation is {config.hidden_act}": config.hidden_act != "silu",
        "it drops attention": config.attention_dropout > 0,
        "its adapter is no plain LoRA": bool(
            adapter.use_dora or adapter.lora_bias or adapter.modules_to_save or adapter.peft_type != "LORA"
        ),
        "more than adapters is trained": any(
            parameter.requires_grad and "lora_" not in name for name, parameter in llama.named_parameters()
        ),
    }
    return next((reason for reason, true in unknown.items() if true), None)


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts side by side: `tokens`, `labels` and `positions` (tokens,). The first token of a text has no label."""

    tokens: Tensor
    labels: Tensor
    positions: Tensor
    lengths: tuple[int, ...]


def lay_side_by_side(
    input_ids: Tensor, labels: Tensor, attention_mask: Tensor | None, position_ids: Tensor | None
) -> Texts:
    """Return a batch (row, token) without its padding; where there are positions, a text starts at each 0."""
    places = torch.arange(input_ids.shape[1]).expand(input_ids.shape) if position_ids is None else position_ids
    kept = torch.ones_like(input_ids, dtype=torch.bool) if attention_mask is None else attention_mask.bool()
    positions = places[kept]
    starts = (positions == 0).nonzero().squeeze(1)
    ends = torch.cat([starts[1:], starts.new_tensor([len(positions)])])
    flat_labels = labels[kept].index_fill_(0, starts, IGNORED)
    return Texts(input_ids[kept], flat_labels, positions, tuple((ends - starts).tolist()))


def predict(
    llama: LlamaForCausalLM, blocks: Sequence["Block"], compute: torch.dtype, texts: Texts
) -> tuple[Tensor, Tensor]:
    """Return the last hidden states (scored, hidden) and what they are to predict (scored,), the fast way."""
    with torch.autocast(texts.tokens.device.type, enabled=False):  # dtypes are chosen here
        hidden = llama.model.embed_tokens(texts.tokens)
        cos, sin = llama.model.rotary_emb(hidden[None], texts.positions[None])
        half = cos.shape[-1] // 2  # the second half repeats the first
        cos, sin = (wave[0, :, None, :half].to(compute) for wave in (cos, sin))
        places = Places(cos, sin, texts.lengths)
        for block in blocks:
            hidden = checkpoint(block, hidden, places, use_reentrant=False) if block.forgets else block(hidden, places)
        scored = (texts.labels != IGNORED).nonzero().squeeze(1)
        return llama.model.norm(hidden[scored - 1]), texts.labels[scored]


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a Llama as its two halves; calling it takes and gives hidden states (tokens, hidden)."""

    layer: LlamaDecoderLayer
    attention: tuple[Norm, Linears, Heads, Linears]
    attention_adapters: tuple[Tensor, ...]
    mlp: tuple[Norm, Linears, Linears]
    mlp_adapters: tuple[Tensor, ...]

    @property
    def forgets(self) -> bool:
        """Whether its activations are computed anew in the backward pass."""
        return bool(self.layer.gradient_checkpointing)

    def __call__(self, hidden: Tensor, places: Places) -> Tensor:
        norm, qkv, heads, output = self.attention
        hidden = AttentionHalf.apply(hidden, norm, qkv, heads, places, output, *self.attention_adapters)
        return MlpHalf.apply(hidden, *self.mlp, *self.mlp_adapters)


def make_block(layer: LlamaDecoderLayer, compute: torch.dtype) -> Block:
    """Read a stock block. Weights of layers that share an input are laid one below the other, and stay the layers'."""
    queries, keys, values, output, gate, up, down = _linears(layer)
    attention = layer.self_attn
    heads = Heads(
        keys=_base(keys).out_features // attention.head_dim,
        group=attention.num_key_value_groups,
        size=attention.head_dim,
        scale=attention.scaling,
    )
    qkv, qkv_adapters = _join((queries, keys, values), compute)
    out, out_adapters = _join((output,), compute)
    wide, wide_adapters = _join((gate, up), compute)
    narrow, narrow_adapters = _join((down,), compute)
    return Block(
        layer,
        (_norm(layer.input_layernorm), qkv, heads, out),
        (*qkv_adapters, *out_adapters),
        (_norm(layer.post_attention_layernorm), wide, narrow),
        (*wide_adapters, *narrow_adapters),
    )


def _linears(layer: LlamaDecoderLayer) -> tuple[nn.Module, ...]:
    attention, mlp = layer.self_attn, layer.mlp
    return (
        attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj,
        mlp.gate_proj, mlp.up_proj, mlp.down_proj,
    )  # fmt: skip


def _norm(norm: LlamaRMSNorm) -> Norm:
    return Norm(norm.weight.data, norm.variance_epsilon)


def _base(linear: nn.Module) -> Any:
    return linear.get_base_layer() if isinstance(linear, LoraLayer) else linear


def _join(linears: Sequence[nn.Module], compute: torch.dtype) -> tuple[Linears, list[Tensor]]:
    """Return layers that share an input as one, and their adapters: A, B, A, B, ..."""
    adapted, adapters, start = [], [], 0
    for linear in linears:
        outputs = _base(linear).out_features
        if isinstance(linear, LoraLayer):
            adapted.append(slice(start, start + outputs))
            adapters += [linear.lora_A[ADAPTER].weight, linear.lora_B[ADAPTER].weight]
            scale, dropout = linear.scaling[ADAPTER], getattr(linear.lora_dropout[ADAPTER], "p", 0.0)
        start += outputs
    if not adapters:
        scale, dropout = 0.0, 0.0
    return Linears(_weight([_base(linear) for linear in linears], compute), tuple(adapted), scale, dropout), adapters


def _weight(bases: Sequence[Any], compute: torch.dtype) -> Any:
    """Return what gives the weights (outputs, inputs): held ones, or packed ones that are unpacked at every use."""
    if isinstance(bases[0], Linear4bit):
        return lambda: torch.cat([dequantize_4bit(base.weight.data, base.weight.quant_state) for base in bases]).to(
            compute
        )
    joined = torch.cat([base.weight.data for base in bases])
    for base, part in zip(bases, joined.split([base.out_features for base in bases]), strict=True):
        base.weight.data = part  # no second copy
    held = joined.to(compute)
    return lambda: held
