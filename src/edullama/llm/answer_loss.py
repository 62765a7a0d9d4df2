"""The loss of answer tokens from hidden states, through the head, with its gradient computed in the forward pass.

Logits are the widest thing in distillation, and two heads make them. Here they exist for some rows at a time; each row
is visited once: the head is multiplied once for its logits, the logits become their own gradient in place, and the head
is multiplied once more for the gradient of the states. Nothing of the vocabulary's width outlives its rows.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional

from edullama.llm.losses import Objective, Targets, TopK, loss_and_gradient_

LOGIT_BYTES = 2**27  # of the student's and the teacher's logits that exist at one time
CACHE_BYTES = 2**21  # of logits that all passes of a divergence go over before the next ones, on a CPU
Context = Any
Teacher = Callable[[slice], Tensor] | TopK


def answer_loss(
    states: Tensor,
    head: Tensor,
    teacher: Teacher,
    objective: Objective,
    labels: Tensor | None = None,
    budget: int = LOGIT_BYTES,
) -> Tensor:
    """Return the objective summed over tokens, a scalar in fp32 (fp64 for fp64), with autograd for states and head.

    `states` (n, hidden) predict the answer tokens; `head` (vocab, hidden) is the student's, and gets no gradient where
    it is frozen. `teacher` gives the logits (rows, vocab) of a slice of the n tokens, each row once and in order, or
    holds the top k of all n. `labels` (n,) are the teacher's own tokens, for the objective's hard share. All rows are
    done at once where their logits fit `budget`, in bytes. The gradients serve one backward pass. Raises what
    `losses.divergence` does.
    """
    loss: Tensor = _AnswerLoss.apply(states, head, teacher, objective, labels, budget)
    return loss


class _AnswerLoss(Function):
    @staticmethod
    def forward(
        ctx: Context,
        states: Tensor,
        head: Tensor,
        teacher: Teacher,
        objective: Objective,
        labels: Tensor | None,
        budget: int,
    ) -> Tensor:
        dtype = torch.promote_types(head.dtype, torch.float32)
        for_states = torch.zeros_like(states, dtype=dtype) if ctx.needs_input_grad[0] else None
        for_head = torch.zeros_like(head, dtype=dtype) if ctx.needs_input_grad[1] else None
        loss = states.new_zeros((), dtype=dtype)
        sides = 1 if isinstance(teacher, TopK) else 2
        for rows in _slices(len(states), budget // (sides * len(head) * dtype.itemsize)):
            logits = functional.linear(states[rows].to(head.dtype), head).to(dtype)
            loss += _loss_and_gradient_(logits, _targets(teacher, rows), objective, _part(labels, rows))
            if for_states is not None:
                for_states[rows] = logits.to(head.dtype) @ head
            if for_head is not None:
                for_head.addmm_(logits.T, states[rows].to(dtype))
        ctx.gradients = for_states, for_head
        ctx.dtypes = states.dtype, head.dtype
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, grad: Tensor) -> tuple[Any, ...]:
        if ctx.gradients is None:
            raise RuntimeError("the gradients of answer_loss serve one backward pass: compute the loss again")
        gradients, ctx.gradients = ctx.gradients, None
        pairs = zip(gradients, ctx.dtypes, strict=True)
        return *(None if one is None else one.mul_(grad).to(dtype) for one, dtype in pairs), *[None] * 4


def _targets(teacher: Teacher, rows: slice) -> Targets:
    targets = teacher[rows] if isinstance(teacher, TopK) else teacher(rows)
    if targets.shape[0] != rows.stop - rows.start:
        raise ValueError(f"the teacher has {targets.shape[0]} tokens for {rows.stop - rows.start} of the student's")
    return targets


def _loss_and_gradient_(logits: Tensor, targets: Targets, objective: Objective, labels: Tensor | None) -> Tensor:
    """Return the summed objective, and overwrite the logits with its gradient: on a CPU as many rows at a time as its
    cache holds, which takes four fifths of the time of all at once."""
    rows = CACHE_BYTES // (logits.shape[1] * logits.itemsize) if logits.device.type == "cpu" else len(logits)
    losses = [
        loss_and_gradient_(logits[some], targets[some], objective, _part(labels, some))
        for some in _slices(len(logits), rows)
    ]
    return torch.cat(losses).sum()


def _part(labels: Tensor | None, rows: slice) -> Tensor | None:
    return None if labels is None else labels[rows]


def _slices(count: int, most: int) -> Iterator[slice]:
    """Cut a count into as few slices of at most `most` as can be, all about equally long."""
    step = math.ceil(count / math.ceil(count / max(most, 1))) if count else 1
    return (slice(start, min(start + step, count)) for start in range(0, count, step))
