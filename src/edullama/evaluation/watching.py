"""What the looks at a training run say: whether the course was learnt by heart, and what else was forgotten."""

import math
from collections.abc import Sequence

from edullama.records import Watch

RISE = 0.01  # of the held-out loss over its lowest: less may be chance
FORGOTTEN = 0.03  # of the loss of general prose


def warn_of_training(looks: Sequence[Watch], best_is_kept: bool) -> list[str]:
    """Return what to beware of. Where the adapter is of the best look, what came after it counts for nothing."""
    if len(looks) < 2:
        return []
    best = min(looks, key=lambda look: math.inf if look.held_out is None else look.held_out)
    last = best if best_is_kept and best.held_out is not None and best.step else looks[-1]
    return [*_by_heart(best, last), *_forgotten(looks[0], last)]


def _by_heart(best: Watch, last: Watch) -> list[str]:
    if best.held_out is None or last.held_out is None or last.held_out <= best.held_out * (1 + RISE):
        return []
    return [
        f"The teacher began to learn its slides by heart: slides of the course that were held out were likeliest after "
        f"step {best.step} ({best.held_out:.2f} nats per token) and less so at the end, after step {last.step} "
        f"({last.held_out:.2f}). Fewer epochs may serve as well, or finetune.patience."
    ]


def _forgotten(first: Watch, last: Watch) -> list[str]:
    worse = last.general / first.general - 1
    if not worse > FORGOTTEN:
        return []
    return [
        f"The teacher forgot: the loss of general prose rose by {worse:.0%}, from {first.general:.2f} to "
        f"{last.general:.2f} nats per token. A lower learning rate or fewer epochs keep more."
    ]
