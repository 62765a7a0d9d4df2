"""How small a student may get: size against what is lost of the teacher's answers, for every way to choose layers."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

from edullama.errors import InputError
from edullama.files import write_file
from edullama.progress import track
from edullama.recipe import LayerChoice, Recipe
from edullama.stages.calibration import Calibration, calibrate, held_out_targets
from edullama.stages.contenders import open_contender
from edullama.stages.shrink import choose_layers, measure
from edullama.store import Workspace

if TYPE_CHECKING:
    from edullama.evaluation.plots import Cut

SIZES = 10  # at the most, from a third of the layers to all but one
CHOICES: tuple[LayerChoice, ...] = get_args(LayerChoice)


def run(work: Workspace, recipe: Recipe) -> str:
    """Measure untrained students of several sizes, and save plot and numbers. Returns what was found, a line a size.

    What was asked and scored is kept, and found there when the student is made.
    """
    from edullama.evaluation.plots import plot_cuts

    teacher, target = open_contender(work, recipe, "teacher"), work.folder("shrink")
    with calibrate(work, recipe, teacher) as found:
        if not found.held_out:
            raise InputError("A sweep needs two questions at least: one to choose layers by, one to measure with.")
        cuts = measure_cuts(found, recipe, spread_sizes(teacher.config.num_hidden_layers))
    plot = plot_cuts(cuts)
    write_file(target / "sweep.svg", plot.svg)
    write_file(target / "sweep.csv", plot.csv)
    return "\n".join([*_tell(cuts), f"Plot: {(target / 'sweep.svg').resolve()}"])


def spread_sizes(total: int) -> list[int]:
    """Return numbers of layers from all but one down to a third, evenly spread."""
    highest, lowest = max(1, total - 1), max(1, total // 3)
    steps = max(1, min(SIZES, highest - lowest + 1) - 1)
    return sorted({round(highest - step * (highest - lowest) / steps) for step in range(steps + 1)}, reverse=True)


def measure_cuts(found: Calibration, recipe: Recipe, sizes: Sequence[int]) -> "list[Cut]":
    """Return every choice of layers at every size, with the KL of answers that none was chosen by."""
    from edullama.evaluation.plots import Cut
    from edullama.llm.models import count_parameters

    teacher, targets = found.teacher, held_out_targets(found)
    total, a_layer = len(teacher.model.layers), count_parameters(teacher.model.layers[0])
    plans = [(choice, size) for size in reversed(sizes) for choice in CHOICES]  # the longest search first: all use it
    cuts = []
    for choice, size in track(plans, "cuts", len(plans)):
        layers = choose_layers(replace(recipe.shrink, layers=size, choose=choice), total, found)
        parameters = count_parameters(teacher) - (total - size) * a_layer
        cuts.append(Cut(choice, layers, parameters, measure(found, targets, teacher, layers)))
    return cuts


def _tell(cuts: "Sequence[Cut]") -> list[str]:
    """Say for every size what each choice loses."""
    lines = []
    for size in sorted({len(cut.layers) for cut in cuts}, reverse=True):
        own = [cut for cut in cuts if len(cut.layers) == size]
        told = ", ".join(f"{cut.choice} {cut.kl.mean:.2f}" for cut in own)
        lines.append(f"{size} layers, {own[0].parameters / 1e6:,.1f} M weights: {told}")
    return [*lines, f"Nats per token of {cuts[0].kl.n} answers of the teacher, before distilling."]
