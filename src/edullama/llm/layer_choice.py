"""Which of a teacher's layers a student keeps, from what is known of them. Layers are counted from 0."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edullama.errors import InputError


@dataclass(frozen=True, slots=True)
class Removal:
    """A layer that can go, and what it costs together with all that went before it. Costs are nats per answer token."""

    layer: int
    kl: float
    others: dict[int, float]  # of each layer that is left: what its removal added to the KL when last looked at


def check_count(count: int, total: int) -> int:
    """Return how many layers stay, or raise InputError where the teacher has not that many."""
    if not 1 <= count <= total:
        raise InputError(f"'shrink.layers' is {count}, but the teacher has {total} layers: choose 1 to {total}.")
    return count


def check_layers(layers: Sequence[int], total: int) -> list[int]:
    """Return chosen layers, or raise InputError where they are not ascending ones of the teacher's."""
    if not layers or sorted(set(layers)) != list(layers) or not 0 <= layers[0] <= layers[-1] < total:
        raise InputError(f"'shrink.layers' is {list(layers)}: give ascending indices between 0 and {total - 1}.")
    return list(layers)


def even_layers(total: int, count: int) -> list[int]:
    """Return `count` layers evenly spread, first and last kept (as Distil-Whisper chooses); of one, the first."""
    return [round(place) for place in np.linspace(0, total - 1, count)]


def end_layers(total: int, count: int, last: int) -> list[int]:
    """Return the first layers and the `last` ones, `count` in all."""
    last = min(last, count)
    return [*range(count - last), *range(total - last, total)]


def influential_layers(influences: Sequence[float], count: int) -> list[int]:
    """Return the layers with the highest block influence; of equal ones, the earlier."""
    ranked = sorted(range(len(influences)), key=lambda layer: (-influences[layer], layer))
    return sorted(ranked[:count])


def layers_around_smallest_angle(angles: Sequence[Sequence[float]], count: int) -> list[int]:
    """Return all layers but a run of neighbours: the one that turns hidden states least. Angles: [n - 1][first]."""
    total = len(angles)
    size = total - count
    if size == 0:
        return list(range(total))
    first = int(np.argmin(angles[size - 1]))
    return [layer for layer in range(total) if not first <= layer < first + size]


def layers_left(removals: Sequence[Removal], total: int, count: int) -> list[int]:
    """Return what is left when removals, in their order, have brought `total` layers down to `count`."""
    gone = {removal.layer for removal in removals[: total - count]}
    return [layer for layer in range(total) if layer not in gone]
