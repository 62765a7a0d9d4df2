"""The two halves of a Llama block with LoRA, and the loss, each as one autograd function that keeps little.

A block is `x + o(attend(rotate(qkv(norm(x)))))`, then `x + down(silu(gate(n)) * up(n))` with `n = norm(x)`. Each half
keeps its input, its widest result and the adapters' small products; norms, activations and dropped inputs are computed
anew in the backward pass. Frozen weights get no gradient. LoRA: Hu et al. 2021, arXiv 2106.09685.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

SCORE_ROWS = 64  # tokens whose attention scores exist at one time
HEAD_ROWS = 256  # tokens whose logits exist at one time: 50 MB at 49,152 words in fp32
Context = Any
silu_backward = torch.ops.aten.silu_backward.grad_input
softmax_backward = torch.ops.aten._softmax_backward_data


@dataclass(frozen=True, slots=True)
class Linears:
    """Frozen linear layers that read one input, as one; `adapted` tells where the adapters' outputs lie.

    `weight` gives their weights, one below the other: (outputs, inputs), in the dtype that is computed in.
    """

    weight: Callable[[], Tensor]
    adapted: tuple[slice, ...]  # of the outputs, one an adapter
    scale: float  # alpha / rank
    dropout: float  # of the adapters' input, the same for all of them


@dataclass(frozen=True, slots=True)
class Norm:
    """An RMS norm with a frozen weight (hidden,)."""

    weight: Tensor
    epsilon: float


@dataclass(frozen=True, slots=True)
class Heads:
    """How a row of queries, keys and values is cut into heads."""

    keys: int  # heads of keys, and as many of values
    group: int  # heads of queries to each of them
    size: int
    scale: float  # of the scores


@dataclass(frozen=True, slots=True)
class Places:
    """Where a step's tokens stand: `cos` and `sin` (tokens, 1, size / 2) of their positions, and whose they are."""

    cos: Tensor
    sin: Tensor
    lengths: tuple[int, ...]  # tokens of each text; no token sees another text


class AttentionHalf(Function):
    """x (tokens, hidden) -> x + attention; `adapters` are A (rank, inputs), B (outputs, rank) in turns, qkv's first."""

    @staticmethod
    def forward(
        ctx: Context, x: Tensor, norm: Norm, qkv: Linears, heads: Heads, places: Places, out: Linears, *adapters: Tensor
    ) -> Tensor:
        own, outer = _split(adapters, qkv)
        inverse = inverse_rms(x, norm)
        turned, low, dropped = linears_forward(normed(x, inverse, norm), qkv, own)
        rotate(turned, heads, places.cos, places.sin)
        attended = attend(turned, heads, places.lengths)
        y, out_low, out_dropped = linears_forward(attended, out, outer)
        ctx.parts = norm, qkv, heads, places, out
        ctx.save_for_backward(x, inverse, turned, low, dropped, attended, out_low, out_dropped, *adapters)
        return x + y

    @staticmethod
    def backward(ctx: Context, grad: Tensor) -> tuple[Any, ...]:
        norm, qkv, heads, places, out = ctx.parts
        x, inverse, turned, low, dropped, attended, out_low, out_dropped, *adapters = ctx.saved_tensors
        own, outer = _split(adapters, qkv)
        grad_attended, outer_grads = linears_backward(grad, attended, out, outer, out_low, out_dropped)
        grad_turned = attend_backward(grad_attended, turned, heads, places.lengths)
        rotate(grad_turned, heads, places.cos, -places.sin)
        grad_normed, own_grads = linears_backward(grad_turned, normed(x, inverse, norm), qkv, own, low, dropped)
        grad_x = norm_backward(grad_normed, x, inverse, norm).add_(grad)
        return grad_x, None, None, None, None, None, *own_grads, *outer_grads


class MlpHalf(Function):
    """x (tokens, hidden) -> x + MLP; `adapters` as in AttentionHalf, those of gate and up first."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, norm: Norm, wide: Linears, down: Linears, *adapters: Tensor) -> Tensor:
        own, outer = _split(adapters, wide)
        inverse = inverse_rms(x, norm)
        both, low, dropped = linears_forward(normed(x, inverse, norm), wide, own)
        gate, up = both.chunk(2, dim=1)
        y, down_low, down_dropped = linears_forward(functional.silu(gate).mul_(up), down, outer)
        ctx.parts = norm, wide, down
        ctx.save_for_backward(x, inverse, both, low, dropped, down_low, down_dropped, *adapters)
        return x + y

    @staticmethod
    def backward(ctx: Context, grad: Tensor) -> tuple[Any, ...]:
        norm, wide, down = ctx.parts
        x, inverse, both, low, dropped, down_low, down_dropped, *adapters = ctx.saved_tensors
        own, outer = _split(adapters, wide)
        gate, up = both.chunk(2, dim=1)
        active = functional.silu(gate)
        grad_product, outer_grads = linears_backward(grad, active * up, down, outer, down_low, down_dropped)
        grad_both = torch.empty_like(both)
        grad_gate, grad_up = grad_both.chunk(2, dim=1)
        torch.mul(grad_product, active, out=grad_up)
        silu_backward(grad_product.mul_(up), gate, grad_input=grad_gate)
        grad_normed, own_grads = linears_backward(grad_both, normed(x, inverse, norm), wide, own, low, dropped)
        grad_x = norm_backward(grad_normed, x, inverse, norm).add_(grad)
        return grad_x, None, None, None, *own_grads, *outer_grads


class HeadLoss(Function):
    """Summed cross entropy, in nats, of hidden states (tokens, hidden) under a head (vocab, hidden), targets (tokens,).

    The gradients are computed in the forward pass, HEAD_ROWS tokens at a time, so that logits are never kept.
    """

    @staticmethod
    def forward(ctx: Context, hidden: Tensor, head: Tensor, targets: Tensor) -> Tensor:
        ctx.grad_hidden = torch.empty_like(hidden)
        ctx.head_dtype = head.dtype
        ctx.grad_head = (
            torch.zeros_like(head, dtype=torch.promote_types(head.dtype, torch.float32))
            if ctx.needs_input_grad[1]
            else None
        )
        loss = hidden.new_zeros((), dtype=torch.promote_types(hidden.dtype, torch.float32))
        for start in range(0, len(targets), HEAD_ROWS):
            rows = slice(start, start + HEAD_ROWS)
            loss += _loss_of_rows(ctx, hidden[rows].to(head.dtype), head, targets[rows], rows)
        return loss

    @staticmethod
    def backward(ctx: Context, grad: Tensor) -> tuple[Any, ...]:
        return (
            ctx.grad_hidden * grad,
            None if ctx.grad_head is None else (ctx.grad_head * grad).to(ctx.head_dtype),
            None,
        )


def _loss_of_rows(ctx: Context, hidden: Tensor, head: Tensor, targets: Tensor, rows: slice) -> Tensor:
    """Return the summed loss and leave gradients in ctx: (softmax - one-hot) times the other factor."""
    logits = (hidden @ head.T).to(torch.promote_types(head.dtype, torch.float32))
    highest = logits.amax(1, keepdim=True)
    chosen = logits.gather(1, targets[:, None])
    weights = logits.sub_(highest).exp_()
    total = weights.sum(1, keepdim=True)
    weights = weights.to(head.dtype)
    ctx.grad_hidden[rows] = (weights @ head) / total - head[targets]
    if ctx.grad_head is not None:
        ctx.grad_head += weights.T @ (hidden / total).to(head.dtype)
        ctx.grad_head.index_add_(0, targets, -hidden.to(ctx.grad_head.dtype))
    return (total.log() + highest - chosen).sum()


def linears_forward(
    x: Tensor, linears: Linears, adapters: Sequence[Tensor]
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Return x W^T + scale (drop(x) A^T) B^T (tokens, outputs), drop(x) A^T (tokens, ranks), and what was dropped."""
    weight = linears.weight()
    x = x.to(weight.dtype)
    y = x @ weight.T
    if not adapters:
        return y, None, None
    dropped = draw_dropped(x.numel(), linears.dropout) if linears.dropout else None
    low = without(x, dropped) @ _stacked(adapters, weight.dtype).T
    for part, columns, b in _each(low, linears, adapters):
        y[:, columns].addmm_(part, b.to(weight.dtype).T, alpha=_scale(linears))
    return y, low, dropped


def linears_backward(
    grad: Tensor, x: Tensor, linears: Linears, adapters: Sequence[Tensor], low: Tensor | None, dropped: Tensor | None
) -> tuple[Tensor, list[Tensor]]:
    """Return the gradients of the input (tokens, inputs) and of A, B, A, B, ..."""
    weight = linears.weight()
    grad, x = grad.to(weight.dtype), x.to(weight.dtype)
    grad_x = grad @ weight
    if low is None:
        return grad_x, []
    scale = _scale(linears)
    each = list(_each(low, linears, adapters))
    grad_low = torch.cat([grad[:, columns] @ b.to(weight.dtype) for _, columns, b in each], 1).mul_(scale)
    grads_b = [(grad[:, columns].T @ part).mul_(scale).to(b.dtype) for part, columns, b in each]
    grads_a = (grad_low.T @ without(x, dropped)).to(adapters[0].dtype).split([len(a) for a in adapters[::2]])
    stacked = _stacked(adapters, weight.dtype)
    if dropped is None:
        grad_x.addmm_(grad_low, stacked)
    else:
        grad_x += without(grad_low @ stacked, dropped)
    return grad_x, [one for pair in zip(grads_a, grads_b, strict=True) for one in pair]


def _split(adapters: Sequence[Tensor], first: Linears) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    return adapters[: 2 * len(first.adapted)], adapters[2 * len(first.adapted) :]


def _stacked(adapters: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    """Return all A one below the other, (ranks, inputs)."""
    return torch.cat(tuple(adapters[::2])).to(dtype)


def _each(low: Tensor, linears: Linears, adapters: Sequence[Tensor]) -> Iterator[tuple[Tensor, slice, Tensor]]:
    """Yield by adapter its columns of `low`, its columns of the outputs, and B."""
    return zip(low.split([len(a) for a in adapters[::2]], 1), linears.adapted, adapters[1::2], strict=True)


def _scale(linears: Linears) -> float:
    return linears.scale / (1 - linears.dropout)


def draw_dropped(count: int, share: float) -> Tensor:
    """Return the places, of `count`, that dropout sets to zero: each with probability `share`, independent of the rest.

    The gaps between them are geometrically distributed, so that one random number is drawn for each dropped place and
    not for each place. Enough are drawn to pass the end but for six standard deviations (one step in 10^9).
    """
    enough = int(count * share + 6 * (count * share) ** 0.5 + 10)
    places = torch.empty(enough, dtype=torch.int64).geometric_(share).cumsum_(0).sub_(1)
    return places[: int(torch.searchsorted(places, count))]


def without(x: Tensor, dropped: Tensor | None) -> Tensor:
    """Return x with zeros where something was dropped."""
    if dropped is None:
        return x
    kept = x.clone(memory_format=torch.contiguous_format)
    kept.view(-1).index_fill_(0, dropped, 0)
    return kept


def inverse_rms(x: Tensor, norm: Norm) -> Tensor:
    """Return one over the root mean square of each row, (tokens, 1)."""
    mean_square = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().div_(x.shape[-1])
    return mean_square.add_(norm.epsilon).rsqrt_()


def normed(x: Tensor, inverse: Tensor, norm: Norm) -> Tensor:
    return (x * inverse).mul_(norm.weight)


def norm_backward(grad: Tensor, x: Tensor, inverse: Tensor, norm: Norm) -> Tensor:
    """Return the gradient of an RMS norm's input; uses up `grad`."""
    grad = grad.to(x.dtype).mul_(norm.weight)
    share = (grad * x).sum(-1, keepdim=True).mul_(inverse**3 / x.shape[-1])
    return grad.mul_(inverse).addcmul_(x, share, value=-1)


def rotate(turned: Tensor, heads: Heads, cos: Tensor, sin: Tensor) -> None:
    """Turn queries and keys by their positions, in place: pairs of an element of a head's first half and its second."""
    count = heads.keys * (heads.group + 1)
    first, second = turned[:, : count * heads.size].view(len(turned), count, heads.size).chunk(2, dim=-1)
    kept = first * sin
    first.mul_(cos).addcmul_(second, sin, value=-1)
    second.mul_(cos).add_(kept)


def attend(turned: Tensor, heads: Heads, lengths: Sequence[int]) -> Tensor:
    """Return causal attention (tokens, query heads x size). Scores are computed by rows, left of the diagonal only."""
    attended = turned.new_empty(len(turned), heads.keys * heads.group * heads.size)
    for rows, result in _by_text(lengths, turned, attended):
        queries, keys, values = _cut(rows, heads)
        for part, end in _row_blocks(len(rows), heads.group):
            weights = _weights(queries[:, part], keys[:, :end], heads)
            _put(result, heads, part, weights @ values[:, :end])
    return attended


def attend_backward(grad: Tensor, turned: Tensor, heads: Heads, lengths: Sequence[int]) -> Tensor:
    """Return the gradient of queries, keys and values, (tokens, all of them)."""
    grad_turned = torch.empty_like(turned)
    width = heads.keys * heads.group * heads.size
    for grad_rows, rows, result in _by_text(lengths, grad, turned, grad_turned):
        queries, keys, values = _cut(rows, heads)
        grad_out = _grouped(grad_rows, heads)
        grad_keys, grad_values = torch.zeros_like(keys), torch.zeros_like(values)
        for part, end in _row_blocks(len(rows), heads.group):
            weights = _weights(queries[:, part], keys[:, :end], heads)
            grad_values[:, :end].baddbmm_(weights.mT, grad_out[:, part])
            grad_weights = grad_out[:, part] @ values[:, :end].mT
            grad_scores = softmax_backward(grad_weights, weights, -1, weights.dtype)
            grad_keys[:, :end].baddbmm_(grad_scores.mT, queries[:, part])
            _put(result[:, :width], heads, part, (grad_scores @ keys[:, :end]).mul_(heads.scale))
        result[:, width:].copy_(torch.cat([grad_keys, grad_values]).transpose(0, 1).flatten(1))
    return grad_turned


def _by_text(lengths: Sequence[int], *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    return zip(*(tensor.split(list(lengths)) for tensor in tensors), strict=True)


def _row_blocks(tokens: int, group: int) -> Iterator[tuple[slice, int]]:
    """Yield slices of the queries (token by token, a group's heads in turns) and how many keys the last one sees."""
    for start in range(0, tokens, SCORE_ROWS):
        end = min(start + SCORE_ROWS, tokens)
        yield slice(start * group, end * group), end


def _weights(queries: Tensor, keys: Tensor, heads: Heads) -> Tensor:
    """Return softmax of the scores, (key heads, queries, keys); the last keys stand where the queries stand."""
    scores = queries @ keys.mT
    tokens = queries.shape[1] // heads.group
    later = scores.new_full((tokens, tokens), -torch.inf).triu_(1)
    own = scores.view(heads.keys, tokens, heads.group, -1)[..., -tokens:]
    own.add_(later[:, None])
    return scores.softmax(-1)


def _cut(rows: Tensor, heads: Heads) -> tuple[Tensor, Tensor, Tensor]:
    """Return scaled queries (key heads, tokens x group, size), keys and values (key heads, tokens, size)."""
    width = heads.keys * heads.size
    queries, keys, values = rows.split([width * heads.group, width, width], dim=1)
    shared = [part.view(len(rows), heads.keys, heads.size).transpose(0, 1) for part in (keys, values)]
    return _grouped(queries, heads).mul_(heads.scale), shared[0], shared[1]


def _grouped(rows: Tensor, heads: Heads) -> Tensor:
    """Copy (tokens, query heads x size) to (key heads, tokens x group, size)."""
    apart = rows.view(len(rows), heads.keys, heads.group, heads.size).transpose(0, 1)
    return apart.clone(memory_format=torch.contiguous_format).flatten(1, 2)


def _put(result: Tensor, heads: Heads, part: slice, values: Tensor) -> None:
    """Write (key heads, tokens x group, size) to its rows of (tokens, query heads x size)."""
    rows = result[part.start // heads.group : part.stop // heads.group]
    into = rows.view(len(rows), heads.keys, heads.group, heads.size).transpose(0, 1)
    into.copy_(values.view(into.shape))
