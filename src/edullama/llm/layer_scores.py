"""How much layers matter to the teacher's own answers: by cosines, by angles, and by what is lost without them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from transformers import LlamaForCausalLM

from edullama.llm.blocks import Passage, Texts

ROWS = 256  # positions that pass the head together: 50 MB of logits for 49,152 tokens


@dataclass(frozen=True, slots=True)
class Target:
    """What the teacher says at each answer token of some texts."""

    probabilities: Tensor  # (answer token, vocab)
    negentropy: Tensor  # (answer token,): sum of p log p, in nats


@torch.inference_mode()
def make_targets(teacher: LlamaForCausalLM, batches: Sequence[Texts]) -> list[Target]:
    """Return the teacher's probabilities at every answer token; 4 bytes times the vocabulary for each."""
    found = []
    for texts in batches:
        states = last_states(teacher, texts, range(len(teacher.model.layers)))
        found.append(target_of(teacher.lm_head(teacher.model.norm(states))))
    return found


def target_of(logits: Tensor) -> Target:
    """Return what a teacher's logits (answer token, vocab) say, wherever they come from."""
    log_p = logits.float().log_softmax(-1)
    probabilities = log_p.exp()
    return Target(probabilities, torch.einsum("nv,nv->n", probabilities, log_p))


@torch.inference_mode()
def answer_kls(
    model: LlamaForCausalLM, batches: Sequence[Texts], targets: Sequence[Target], layers: Sequence[int] | None = None
) -> dict[str, float]:
    """Return KL(teacher || model) of each answer by the question's id, in nats per token.

    With `layers` the model passes these alone: what it would be without the others.
    """
    chosen = range(len(model.model.layers)) if layers is None else layers
    found: dict[str, float] = {}
    for texts, target in zip(batches, targets, strict=True):
        kls = token_kls(model, last_states(model, texts, chosen), target).double().split(texts.lengths)
        found |= {own: float(part.mean()) for own, part in zip(texts.ids, kls, strict=True)}
    return found


def last_states(model: LlamaForCausalLM, texts: Texts, layers: Sequence[int]) -> Tensor:
    """Return the states (answer token, hidden) before the final norm that predict answers, by way of some layers."""
    passage = Passage(model, texts.tokens)
    hidden = passage.through([model.model.layers[layer] for layer in layers], passage.start)
    return hidden[texts.predicting.to(hidden.device)]


def token_kls(model: LlamaForCausalLM, states: Tensor, target: Target) -> Tensor:
    """Return KL(teacher || model) in nats (n,) of states (n, hidden) before the final norm.

    The teacher's share is there already, so that each logit is read twice and nothing else of their size is made.
    """
    kls = []
    for start in range(0, len(states), ROWS):
        rows = slice(start, start + ROWS)
        logits = model.lm_head(model.model.norm(states[rows])).float()
        expected = torch.einsum("nv,nv->n", target.probabilities[rows], logits)
        kls.append(target.negentropy[rows] - expected + logits.logsumexp(-1))
    return torch.cat(kls).clamp_min(0)  # below 0 by rounding alone


@torch.inference_mode()
def block_influences(model: LlamaForCausalLM, batches: Sequence[Texts]) -> list[float]:
    """Return of every layer 1 − cosine of its input and output, mean over answer tokens.

    Men et al. 2024, ShortGPT, arXiv 2403.03853, eq. 1.
    """
    states = _states(model, batches)
    return [float(1 - torch.cosine_similarity(before, after, dim=-1).mean()) for before, after in pairwise(states)]


@torch.inference_mode()
def block_angles(model: LlamaForCausalLM, batches: Sequence[Texts]) -> list[list[float]]:
    """Return [n - 1][first]: the angle, in half turns, between the states before layer `first` and n layers further on.

    Gromov et al. 2024, arXiv 2403.17887, eq. 6. They look at the last token of a text; here all answer tokens count.
    """
    states = [nn.functional.normalize(state, dim=-1) for state in _states(model, batches)]
    layers = len(states) - 1
    return [
        [_angle(states[first], states[first + size]) for first in range(layers - size + 1)]
        for size in range(1, layers + 1)
    ]


def _angle(ones: Tensor, others: Tensor) -> float:
    return float((ones * others).sum(-1).clamp(-1, 1).arccos().mean() / math.pi)


def _states(model: LlamaForCausalLM, batches: Sequence[Texts]) -> list[Tensor]:
    """Return the hidden states (answer token, hidden) in fp64 before each layer, and after the last."""
    walks = []
    for texts in batches:
        passage = Passage(model, texts.tokens)
        states = passage.states(model.model.layers, passage.start)
        walks.append([state[texts.predicting.to(state.device)].double() for state in states])
    return [torch.cat(parts) for parts in zip(*walks, strict=True)]
