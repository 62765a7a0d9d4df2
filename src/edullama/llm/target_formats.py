"""What of the teacher's distributions is kept: hidden states, of which the head makes all of them, or the top k."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from edullama.errors import InputError
from edullama.llm.answer_loss import Teacher
from edullama.llm.losses import TopK

FP16_MAX = 65504.0  # the largest fp16; normalised states stay far below
UINT16_VALUES = 2**16
DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16}
HEAD_ROWS = 256  # tokens whose logits exist at one time
Parts = Mapping[str, Tensor]  # what is kept of some tokens, by name; the first dimension of each is the tokens


@dataclass(frozen=True, slots=True)
class Hidden:
    """The last, normalised states (tokens, hidden): exact for every temperature and divergence, but for rounding."""

    dtype: Literal["float16", "bfloat16"] = "float16"

    @property
    def parts(self) -> tuple[str, ...]:
        return ("states",)

    def pack(self, states: Tensor, head: Tensor) -> Parts:
        """Raises InputError where a state does not fit fp16."""
        if self.dtype == "float16" and not states.abs().max() <= FP16_MAX:
            raise InputError("The teacher's hidden states do not fit fp16: it is broken, or no Llama.")
        return {"states": states.to(DTYPES[self.dtype])}

    def unpack(self, parts: Parts, head: Tensor) -> Teacher:
        states = parts["states"].to(head)
        return lambda rows: functional.linear(states[rows], head)

    def log_probabilities(self, parts: Parts, head: Tensor) -> dict[float, Tensor]:
        """Return what a student can learn from these parts, (tokens, vocab) in fp64 by temperature."""
        return {1.0: functional.linear(parts["states"].to(head), head).double().log_softmax(-1)}


@dataclass(frozen=True, slots=True)
class Best:
    """The k largest logits of each token, and the mass of all others at some temperatures, for forward KL at these.

    Logits are kept in fp16 as differences to the largest: 4 bytes each where the vocabulary has at most 65,536 words.
    """

    k: int
    temperatures: tuple[float, ...]

    @property
    def parts(self) -> tuple[str, ...]:
        return "indices", "logits", *map(_rest, self.temperatures)

    def pack(self, states: Tensor, head: Tensor) -> Parts:
        parts = [self._pack(functional.linear(rows, head)) for rows in states.to(head).split(HEAD_ROWS)]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def _pack(self, logits: Tensor) -> Parts:
        best = logits.float().topk(self.k)
        others = logits.float().scatter(1, best.indices, -torch.inf)
        narrow = torch.uint16 if logits.shape[1] <= UINT16_VALUES else torch.int32
        parts = {"indices": best.indices.to(narrow), "logits": (best.values - best.values[:, :1]).half()}
        for temperature in self.temperatures:
            own_sum, other_sum = ((part / temperature).logsumexp(1) for part in (best.values, others))
            parts[_rest(temperature)] = other_sum - torch.logaddexp(own_sum, other_sum)
        return parts

    def unpack(self, parts: Parts, head: Tensor) -> TopK:
        """Log-sum-exps are made of the rounded logits and the others' true mass, so that all add up to 1."""
        kept = {name: part.to(head.device) for name, part in parts.items()}
        logits = kept["logits"].float()
        sums = {t: _log_sum_exp(logits / t, kept[_rest(t)]) for t in self.temperatures}
        return TopK(kept["indices"], logits, sums, len(head))

    def log_probabilities(self, parts: Parts, head: Tensor) -> dict[float, Tensor]:
        """Return what a student can learn from these parts, (tokens, vocab) in fp64 by temperature: it is not told how
        the others share their mass, and shares it evenly here."""
        found = {}
        for temperature in self.temperatures:
            logits, rest = parts["logits"].double() / temperature, parts[_rest(temperature)].double()
            shares = (rest - math.log(max(1, len(head) - self.k)))[:, None].repeat(1, len(head))
            own = logits - _log_sum_exp(logits, rest)[:, None]
            found[temperature] = shares.scatter_(1, parts["indices"].long(), own)
        return found


Format = Hidden | Best


def _rest(temperature: float) -> str:
    """Return the name of the part that holds the log of the others' mass (tokens,)."""
    return f"rest-{temperature}"


def _log_sum_exp(logits: Tensor, log_rest: Tensor) -> Tensor:
    """Return the log-sum-exp (n,) of these logits (n, k) and of others that have this share of the mass (n,)."""
    return logits.logsumexp(1) - torch.log(-torch.expm1(log_rest))
