"""The order in which layers can go: each time the one whose removal costs the least answer KL."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from transformers import LlamaForCausalLM

from edullama.errors import ModelError
from edullama.llm.blocks import Passage, Texts
from edullama.llm.layer_choice import Removal
from edullama.llm.layer_scores import Target, token_kls
from edullama.progress import bar


@torch.inference_mode()
def greedy_removals(
    model: LlamaForCausalLM,
    batches: Sequence[Texts],
    targets: Sequence[Target],
    count: int,
    done: Sequence[Removal] = (),
    keep: Callable[[list[Removal]], None] = lambda removals: None,
) -> list[Removal]:
    """Return `count` of a model's layers in the order in which they can go.

    The model is the teacher, or a student that has been cut and trained before; the targets are the teacher's in any
    case. `done` came from an earlier search over the same; `keep` receives all removals so far after each.
    """
    search, removals = _Search(model, batches, targets), list(done[:count])
    for removal in removals:
        search.remove(removal)
    with bar("layers to remove", count, len(removals)) as advance:
        while len(removals) < count:
            removals.append(search.cheapest())
            search.remove(removals[-1])
            keep(removals)
            advance(1)
    return removals


class _Search:
    """A model with the layers that are left, and the hidden states before each of them: to see what goes with a layer,
    only those behind it are passed again."""

    def __init__(self, model: LlamaForCausalLM, batches: Sequence[Texts], targets: Sequence[Target]) -> None:
        self.model, self.targets = model, targets
        self.left = list(range(len(model.model.layers)))
        self.costs = dict.fromkeys(self.left, 0.0)  # nats per token that a layer's removal took when last looked at
        self.kl = 0.0  # nats per token without those that are gone
        self.tokens = sum(len(target.negentropy) for target in targets)
        self.places = [texts.predicting.to(model.device) for texts in batches]
        self.passages = [Passage(model, texts.tokens) for texts in batches]
        self.states = [passage.states(model.model.layers, passage.start) for passage in self.passages]

    def cheapest(self) -> Removal:
        """Return the layer without which the answer KL is lowest. Raises ModelError where no KL is a number.

        The more is gone, the more a further layer costs, mostly: what one cost earlier is taken for the least it costs
        now, and the others are not looked at once none of them can be cheaper (Minoux 1978, accelerated greedy). On
        the builtin that took a third of the time, and the KL it led to was within 2 % of looking at all.
        """
        best, best_kl = -1, math.inf
        for layer in sorted(self.left, key=lambda layer: (self.costs[layer], -layer)):
            if self.kl + self.costs[layer] >= best_kl:
                break
            kl = self.without(layer, best_kl)
            self.costs[layer] = kl - self.kl
            if kl < best_kl:
                best, best_kl = layer, kl
        if best < 0:
            raise ModelError("No layer's removal gives a number: the teacher's weights are broken.")
        return Removal(best, best_kl, {layer: cost for layer, cost in self.costs.items() if layer != best})

    def without(self, layer: int, limit: float) -> float:
        """Return the answer KL (nats per token) without one more layer, or what is known of it once above the limit."""
        place, nats = self.left.index(layer), 0.0
        behind = self._behind(place + 1)
        for passage, states, predicting, target in zip(
            self.passages, self.states, self.places, self.targets, strict=True
        ):
            hidden: Tensor = passage.through(behind, states[place])
            nats += float(token_kls(self.model, hidden[predicting], target).double().sum())
            if nats > limit * self.tokens:
                break
        return nats / self.tokens

    def remove(self, removal: Removal) -> None:
        place = self.left.index(removal.layer)
        self.left.remove(removal.layer)
        self.kl, self.costs = removal.kl, dict(removal.others)
        for passage, states in zip(self.passages, self.states, strict=True):
            states[place:] = passage.states(self._behind(place), states[place])

    def _behind(self, place: int) -> list[torch.nn.Module]:
        return [self.model.model.layers[layer] for layer in self.left[place:]]
