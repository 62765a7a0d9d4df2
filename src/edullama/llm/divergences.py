"""How far a student's distribution is from a teacher's, in each of the known ways, with the gradient, in place.

Each function takes z, the student's logits over T, and y, the teacher's, both (n, vocab) in fp32 or fp64. It returns
the loss (n,), leaves the gradient with respect to z in z, and uses y up. p and q are the teacher's and the student's
probabilities. `share` is beta of the JSD and alpha of the skewed KLs; no other form looks at it.

With g the gradient with respect to q, that with respect to z is q (g - sum q g). Where a probability underflows to
zero, what it is multiplied with stays finite: no logarithm is of less than the smallest normal number. At a vocabulary
of 49,152 and 576 dimensions a pass over the logits costs a hundredth of the head's multiplication, an exponential a
fifteenth: hence the care for passes.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

DivergenceName = Literal["forward_kl", "reverse_kl", "jsd", "skew_kl", "skew_reverse_kl", "total_variation", "mse"]
softmax_backward = torch.ops.aten._softmax_backward_data


def forward_kl_(z: Tensor, y: Tensor, share: float) -> Tensor:
    """KL(p || q)."""
    p, p_sum = softmax(y)
    q, q_sum = softmax(z)
    loss = torch.mul(p, y.sub_(z), out=y).sum(-1).add_((q_sum - p_sum).squeeze(-1))
    torch.sub(q, p, out=z)
    return loss


def reverse_kl_(z: Tensor, y: Tensor, share: float) -> Tensor:
    """KL(q || p)."""
    q, q_sum = softmax(z)
    ratio = z.sub_(y).sub_(q_sum - softmax(y)[1])  # log q / p
    return _expected_(ratio, q)


def jsd_(z: Tensor, y: Tensor, share: float) -> Tensor:
    """beta KL(p || m) + (1 - beta) KL(q || m), with m = beta p + (1 - beta) q."""
    if share in (0, 1):
        return (reverse_kl_ if share else forward_kl_)(z, y, share)
    (p, p_sum), (q, q_sum) = softmax(y), softmax(z)
    mixed = _log_(torch.lerp(q, p, share))
    loss = p.mul_(y.sub_(p_sum).sub_(mixed)).sum(-1).mul_(share)
    loss.add_(_expected_(z.sub_(q_sum).sub_(mixed), q), alpha=1 - share)
    z.mul_(1 - share)
    return loss


def skew_kl_(z: Tensor, y: Tensor, share: float) -> Tensor:
    """KL(p || m), with m = alpha p + (1 - alpha) q."""
    if not share:
        return forward_kl_(z, y, share)
    (p, p_sum), (q, _) = softmax(y), softmax(z)
    mixed = torch.lerp(q, p, share)
    _through_softmax(torch.div(p, _never_zero_(mixed)).mul_(share - 1), q, out=z)
    return p.mul_(y.sub_(p_sum).sub_(mixed.log_())).sum(-1)


def skew_reverse_kl_(z: Tensor, y: Tensor, share: float) -> Tensor:
    """KL(q || m), with m = (1 - alpha) p + alpha q."""
    if not share:
        return reverse_kl_(z, y, share)
    (p, _), (q, q_sum) = softmax(y), softmax(z)
    mixed = _never_zero_(p.lerp_(q, share))
    gradient = torch.div(q, mixed, out=y).mul_(-share)
    ratio = z.sub_(q_sum).sub_(mixed.log_())  # log q / m
    gradient.add_(ratio)
    loss = ratio.mul_(q).sum(-1)
    _through_softmax(gradient, q, out=z)
    return loss


def total_variation_(z: Tensor, y: Tensor, share: float) -> Tensor:
    """Half the sum of |p - q|; at p = q its gradient is taken to be zero."""
    q = z.softmax(-1)
    difference = torch.sub(q, y.softmax(-1), out=y)
    _through_softmax(difference.sign().mul_(0.5), q, out=z)
    return difference.abs_().sum(-1).mul_(0.5)


def mse_(z: Tensor, y: Tensor, share: float) -> Tensor:
    """The mean of (z - y)² over the vocabulary (Kim et al. 2021, arXiv 2105.08919)."""
    z.sub_(y)
    loss = torch.mul(z, z, out=y).mean(-1)
    z.mul_(2 / z.shape[-1])
    return loss


DIVERGENCES: dict[DivergenceName, Callable[[Tensor, Tensor, float], Tensor]] = {
    "forward_kl": forward_kl_,
    "reverse_kl": reverse_kl_,
    "jsd": jsd_,
    "skew_kl": skew_kl_,
    "skew_reverse_kl": skew_reverse_kl_,
    "total_variation": total_variation_,
    "mse": mse_,
}


def softmax(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return the probabilities and the log-sum-exp (n, 1), which the largest logit and its probability tell."""
    probabilities = logits.softmax(-1)
    return probabilities, logits.amax(-1, keepdim=True) - probabilities.amax(-1, keepdim=True).log_()


def _expected_(values: Tensor, q: Tensor) -> Tensor:
    """Return the sum of q x values (n,), and turn values into their gradient, q (values - sum)."""
    loss = torch.linalg.vecdot(values, q)
    values.sub_(loss[..., None]).mul_(q)
    return loss


def _through_softmax(gradient: Tensor, q: Tensor, out: Tensor) -> None:
    """Write the gradient with respect to the logits, from that with respect to their softmax q."""
    softmax_backward.out(gradient, q, -1, q.dtype, grad_input=out)


def _never_zero_(probabilities: Tensor) -> Tensor:
    return probabilities.clamp_min_(torch.finfo(probabilities.dtype).tiny)


def _log_(probabilities: Tensor) -> Tensor:
    return _never_zero_(probabilities).log_()
