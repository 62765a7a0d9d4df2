"""What distillation minimises: how far the student's distribution of each answer token is from the teacher's."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from edullama.errors import InputError
from edullama.llm.divergences import DIVERGENCES, DivergenceName, softmax

ScheduleShape = Literal["constant", "linear", "cosine"]
Context = Any


@dataclass(frozen=True, slots=True)
class Objective:
    """What is minimised of each answer token. Raises ValueError where a number lies outside its range.

    `beta` is the teacher's share in the mixture of the Jensen-Shannon divergence; 0 is the forward and 1 the reverse
    KL, the limits of JSD / beta and of JSD / (1 - beta): close to the ends the gradient vanishes, at them it does not
    (Agarwal et al. 2024, arXiv 2306.13649, eq. 1). `alpha` is the share of its first distribution that a skewed KL
    mixes into its second (Ko et al. 2024, DistiLLM, arXiv 2402.03898, sec. 3.1); 0 is the plain KL.
    """

    divergence: DivergenceName = "forward_kl"
    temperature: float = 1.0  # divides the logits of both sides
    beta: float = 0.5  # of jsd
    alpha: float = 0.1  # of skew_kl and skew_reverse_kl
    times_squared_temperature: bool = True  # the KL family; total_variation and mse stay as they are
    hard_share: float = 0.0  # of the loss: the cross entropy of the teacher's own tokens, which knows no temperature

    def __post_init__(self) -> None:
        if self.divergence not in get_args(DivergenceName):
            raise ValueError(f"no divergence '{self.divergence}': it is one of {', '.join(get_args(DivergenceName))}")
        if not 0 < self.temperature < math.inf:
            raise ValueError(f"the temperature is {self.temperature}: it must be above 0")
        if not 0 <= self.beta <= 1:
            raise ValueError(f"beta is {self.beta}: it must lie between 0 and 1")
        if not 0 <= self.alpha < 1:
            raise ValueError(f"alpha is {self.alpha}: it must be at least 0 and below 1")
        if not 0 <= self.hard_share <= 1:
            raise ValueError(f"hard_share is {self.hard_share}: it must lie between 0 and 1")

    @property
    def share(self) -> float:
        """Return that by which the divergence mixes its two distributions."""
        return self.beta if self.divergence == "jsd" else self.alpha

    @property
    def scale(self) -> float:
        """Return what the divergence is multiplied with: T² keeps its gradient's size independent of the temperature
        (Hinton, Vinyals & Dean 2015, arXiv 1503.02531, sec. 2)."""
        squared = self.times_squared_temperature and self.divergence not in ("total_variation", "mse")
        return self.temperature**2 if squared else 1.0


@dataclass(frozen=True, slots=True)
class TopK:
    """The teacher's k largest logits of each token, and by temperature what tells the mass of all the others."""

    indices: Tensor  # (n, k), of any integer dtype
    logits: Tensor  # (n, k), at temperature 1
    log_sum_exp: Mapping[float, Tensor]  # by temperature T: log of the sum of exp(logit / T) over all words, (n,)
    vocab: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Return that of the logits it stands for, (n, vocab)."""
        return *self.indices.shape[:-1], self.vocab

    def __getitem__(self, rows: slice) -> "TopK":
        sums = {temperature: sums[rows] for temperature, sums in self.log_sum_exp.items()}
        return TopK(self.indices[rows], self.logits[rows], sums, self.vocab)


Targets = Tensor | TopK


def top_k(logits: Tensor, k: int, temperatures: Sequence[float]) -> TopK:
    """Return what forward KL at these temperatures needs of a teacher's logits (n, vocab)."""
    logits = _computed(logits)
    best = logits.topk(k, dim=-1)
    sums = {temperature: (logits / temperature).logsumexp(-1) for temperature in temperatures}
    return TopK(best.indices, best.values, sums, logits.shape[-1])


def divergence(student: Tensor, teacher: Targets, objective: Objective, labels: Tensor | None = None) -> Tensor:
    """Return the objective of each token (n,), in nats where it is of the KL family.

    Logits are (n, vocab) of any float dtype; fp32 is computed in, or fp64. The student alone gets a gradient. `labels`
    (n,) are the teacher's own tokens, for the hard share. Raises InputError where the vocabularies differ and where
    top-k targets cannot serve the objective, ValueError where labels lack or the tokens are not as many.
    """
    loss: Tensor = _Divergence.apply(student, teacher, objective, labels)
    return loss


def loss_and_gradient_(logits: Tensor, targets: Targets, objective: Objective, labels: Tensor | None = None) -> Tensor:
    """Return the objective of each token (n,), and overwrite the student's logits (n, vocab) with its gradient.

    Logits are in fp32 or fp64; targets are left as they are. Raises what `divergence` does.
    """
    if not objective.hard_share:
        return _soft_loss_(logits, targets, objective)
    if labels is None:
        raise ValueError(f"hard_share is {objective.hard_share}: above 0 it needs labels")
    hard_loss, hard_gradient = _cross_entropy(logits, labels)
    loss = _soft_loss_(logits, targets, objective).lerp_(hard_loss, objective.hard_share)
    logits.lerp_(hard_gradient, objective.hard_share)
    return loss


def temperature_at(done: float, start: float, end: float, shape: ScheduleShape) -> float:
    """Return the temperature of both sides when a share `done` (0 to 1) of the training is over.

    Constant stays at `start`; linear and cosine go from `start` to `end`, cosine slowly at both ends.
    """
    if shape == "constant":
        return start
    done = min(max(done, 0.0), 1.0)
    left = (1 + math.cos(math.pi * done)) / 2 if shape == "cosine" else 1 - done
    return end + (start - end) * left


def states_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """Return the mean squared difference (n,) of hidden states (n, hidden), with autograd for the student's.

    The hidden loss of TinyBERT (Jiao et al. 2020, arXiv 1909.10351), without its projection: both are equally wide.
    """
    return (_computed(student) - _computed(teacher.detach())).square().mean(-1)


class _Divergence(Function):
    @staticmethod
    def forward(ctx: Context, student: Tensor, teacher: Targets, objective: Objective, labels: Tensor | None) -> Tensor:
        gradient = _computed(student, copy=True)
        loss = loss_and_gradient_(gradient, teacher, objective, labels)
        ctx.dtype = student.dtype
        ctx.save_for_backward(gradient)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, grad: Tensor) -> tuple[Any, ...]:
        return (ctx.saved_tensors[0] * grad[..., None]).to(ctx.dtype), None, None, None


def _computed(values: Tensor, copy: bool = False) -> Tensor:
    return values.to(torch.promote_types(values.dtype, torch.float32), copy=copy)


def _soft_loss_(logits: Tensor, targets: Targets, objective: Objective) -> Tensor:
    _check(logits, targets, objective)
    logits.mul_(1 / objective.temperature)
    if isinstance(targets, TopK):
        loss = _top_k_forward_kl_(logits, targets, objective.temperature)
    else:
        softened = torch.mul(targets.to(logits.dtype), 1 / objective.temperature)
        loss = DIVERGENCES[objective.divergence](logits, softened, objective.share)
    logits.mul_(objective.scale / objective.temperature)
    return loss.mul_(objective.scale)


def _check(logits: Tensor, targets: Targets, objective: Objective) -> None:
    if targets.shape[-1] != logits.shape[-1]:
        raise InputError(
            f"The student's head has {logits.shape[-1]} words, the teacher's {targets.shape[-1]}: they must have the "
            "same. Where one is padded, cut its head and embeddings to the words of the tokenizer first."
        )
    if targets.shape != logits.shape:
        raise ValueError(f"the student's logits are {tuple(logits.shape)}, the teacher's {tuple(targets.shape)}")
    if isinstance(targets, TopK) and objective.divergence != "forward_kl":
        raise InputError(
            f"Top-k targets serve forward_kl alone: {objective.divergence} needs the teacher's probability of every "
            "word that the student finds likely. Keep hidden states as targets, or the teacher in memory."
        )
    if isinstance(targets, TopK) and objective.temperature not in targets.log_sum_exp:
        kept = ", ".join(str(temperature) for temperature in targets.log_sum_exp)
        raise InputError(
            f"Top-k targets were kept for the temperatures {kept}, not for {objective.temperature}: the mass of the "
            "other words at one temperature does not tell that at another. Keep them anew, or keep hidden states."
        )


def _top_k_forward_kl_(z: Tensor, kept: TopK, temperature: float) -> Tensor:
    """KL(p || q) of the k kept words and of all others taken as one word, whose mass p holds as the rest to 1.

    It is at most the KL of all words, and just that for k = vocab. It treats z as the functions of divergences.py do.
    """
    places = kept.indices.long()
    log_p, log_rest = _kept_and_rest(kept, temperature, z.dtype)
    own = z.gather(-1, places)
    own_sum, rest_sum = own.logsumexp(-1, keepdim=True), _rest_(z, places)
    q_sum = torch.logaddexp(own_sum, rest_sum)
    log_q, log_q_rest = own - q_sum, rest_sum - q_sum
    z.mul_(log_q_rest.exp() - log_rest.exp()).scatter_(-1, places, log_q.exp() - log_p.exp())
    of_rest = torch.where(log_rest > -math.inf, log_rest.exp() * (log_rest - log_q_rest), 0)
    return (log_p.exp() * (log_p - log_q)).sum(-1) + of_rest.squeeze(-1)


def _kept_and_rest(kept: TopK, temperature: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return the teacher's log-probabilities of the kept words (n, k) and of all others together (n, 1).

    Kept logits that were rounded may add up to more than their log-sum-exp: nothing is left for the others then.
    """
    logits = kept.logits.to(dtype) / temperature
    own_sum = logits.logsumexp(-1, keepdim=True)
    if kept.indices.shape[-1] == kept.vocab:
        return logits.sub_(own_sum), torch.full_like(own_sum, -math.inf)
    all_sum = torch.maximum(kept.log_sum_exp[temperature].to(dtype)[..., None], own_sum)
    return logits.sub_(all_sum), torch.log(-torch.expm1(own_sum - all_sum))


def _rest_(z: Tensor, places: Tensor) -> Tensor:
    """Return the log-sum-exp (n, 1) of the words that are not at `places`, and turn z into their shares in it."""
    if places.shape[-1] == z.shape[-1]:
        z.zero_()
        return z.new_full((*z.shape[:-1], 1), -math.inf)
    shares, log_sum = softmax(z.scatter_(-1, places, -math.inf))
    z.copy_(shares)
    return log_sum


def _cross_entropy(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cross entropy of each label (n,) and its gradient with respect to the logits (n, vocab)."""
    q, q_sum = softmax(logits)
    places = labels[..., None]
    loss = (q_sum - logits.gather(-1, places)).squeeze(-1)
    return loss, q.scatter_add_(-1, places, torch.full_like(q_sum, -1))
