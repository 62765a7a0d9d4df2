"""A model whose forward pass gives the loss of distillation.

It is computed inside `forward`, so that what wraps the model (DDP, FSDP, PEFT) sees every weight used where it expects
it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers.modeling_outputs import CausalLMOutputWithPast

from edullama.llm.answer_loss import Teacher, answer_loss
from edullama.llm.losses import Objective, TopK, divergence, states_distance

EXACT = Objective()  # forward KL at temperature 1: what is reported
ROWS = 256  # answer tokens compared at a time
States = Callable[..., tuple[Tensor, Tensor]]


@dataclass(frozen=True, slots=True)
class Lesson:
    """What the teacher says to the answer tokens of a batch, in their order, and what is made of it."""

    teacher: Teacher  # logits of a slice of the tokens, or their top k
    objective: Objective
    states: Tensor | None = None  # the teacher's last hidden states (tokens, hidden), where they are to be matched
    state_share: float = 0.0  # of the loss: their mean squared difference


@dataclass
class Comparison(CausalLMOutputWithPast):
    """How close a student is on a batch: sums over its answer tokens, each a scalar."""

    tokens: Tensor | None = None
    kl: Tensor | None = None  # nats, forward KL at temperature 1
    agreed: Tensor | None = None  # tokens whose likeliest word is the teacher's


def give_lessons(model: Any, states: States) -> None:
    """Let a causal language model take a `lesson` in its forward pass, in place; without one it stays as it was.

    `states` gives for a batch the last hidden states (tokens, hidden) that predict answer tokens, and these tokens.
    With gradients on, the output's `loss` is summed over them; without, it is a `Comparison`.
    """
    inner = model.get_base_model() if isinstance(model, PeftModel) else model
    plain = inner.forward

    def forward(*inputs: Any, lesson: Lesson | None = None, **batch: Any) -> Any:
        if lesson is None:
            return plain(*inputs, **batch)
        hidden, tokens = states(**batch)
        head = inner.get_output_embeddings().weight
        if torch.is_grad_enabled():
            return CausalLMOutputWithPast(loss=lesson_loss(hidden, head, tokens, lesson))
        return compare(hidden, head, tokens, lesson)

    inner.forward = forward


def lesson_loss(states: Tensor, head: Tensor, tokens: Tensor, lesson: Lesson) -> Tensor:
    """Return the summed loss of states (tokens, hidden) through a head (vocab, hidden), a scalar."""
    loss = answer_loss(states, head, lesson.teacher, lesson.objective, tokens)
    if lesson.states is None:
        return loss
    apart = states_distance(states, lesson.states.to(states.device)).sum()
    return (1 - lesson.state_share) * loss + lesson.state_share * apart


@torch.no_grad()
def compare(states: Tensor, head: Tensor, tokens: Tensor, lesson: Lesson) -> Comparison:
    """Return how close the student is; of top-k targets the KL is of temperature 1 if that was kept, else missing."""
    kl, agreed, exact = states.new_zeros(()), states.new_zeros(()), _exact_kl_known(lesson.teacher)
    for start in range(0, len(states), ROWS):
        rows = slice(start, min(start + ROWS, len(states)))
        logits = nn.functional.linear(states[rows], head)
        told = _told(lesson.teacher, rows)
        kl += divergence(logits, told, EXACT).sum() if exact else torch.nan
        best = told.indices[:, 0].long() if isinstance(told, TopK) else told.argmax(-1)
        agreed += (logits.argmax(-1) == best).sum()
    loss = lesson_loss(states, head, tokens, lesson)
    return Comparison(loss=loss, tokens=states.new_tensor(float(len(tokens))), kl=kl, agreed=agreed)


def _told(teacher: Teacher, rows: slice) -> Tensor | TopK:
    return teacher[rows] if isinstance(teacher, TopK) else teacher(rows)


def _exact_kl_known(teacher: Teacher) -> bool:
    return not isinstance(teacher, TopK) or EXACT.temperature in teacher.log_sum_exp
