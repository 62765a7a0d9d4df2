"""The original's experiment: slides learnt in halves and four at a time, at equal tokens, with held-out loss."""

import math
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edullama.errors import InputError
from edullama.files import write_file
from edullama.recipe import Finetune, Recipe
from edullama.records import Entry, Window
from edullama.stages.finetune import open_lookout
from edullama.store import Workspace

if TYPE_CHECKING:
    from edullama.evaluation.plots import Learning

FOUR = 4  # slides
LOOKS = 6


def run(work: Workspace, recipe: Recipe) -> str:
    """Train two adapters that are thrown away, and save plot and numbers. Returns what was found, in a sentence.

    Both are watched by the same slides, each by itself, a form that neither learns.
    """
    from edullama.evaluation.plots import plot_windows

    forms, watched = split_forms(work.read("prepare", "entries.jsonl", Entry), recipe.finetune.held_out)
    plans = plan(recipe, forms)
    runs = [_train(recipe, name, forms[name], watched, settings, tokens) for name, settings, tokens in plans]
    plot, target = plot_windows(runs), work.folder("finetune")
    write_file(target / "compare-windows.svg", plot.svg)
    write_file(target / "compare-windows.csv", plot.csv)
    return "\n".join([*map(_tell, runs), f"Plot: {(target / 'compare-windows.svg').resolve()}"])


def split_forms(entries: Sequence[Entry], share: float) -> tuple[dict[str, list[Window]], list[Window]]:
    """Return the texts to learn in both forms, and held-out slides one by one. Raises InputError for a tiny course."""
    from edullama.dataset.held_out import covered, hold_out
    from edullama.dataset.windows import half_slides, make_windows

    four = make_windows(entries, FOUR, FOUR)
    _, held_out = hold_out(four, share or Finetune().held_out, fewest_texts=0)
    spared = {slide for window in held_out for slide in covered(window)}
    forms = {"half a slide": half_slides(entries), "four slides": four}
    learnt = {name: [own for own in windows if not covered(own) & spared] for name, windows in forms.items()}
    if not all(learnt.values()):
        raise InputError("The course has too few slides to hold some out and learn the others.")
    return learnt, [window for window in make_windows(entries, 1, 1) if covered(window) <= spared]


def plan(recipe: Recipe, forms: dict[str, list[Window]]) -> list[tuple[str, Finetune, float]]:
    """Return for each form its settings and the tokens of a mean step, so that steps and tokens of all are alike.

    Four slides are trained as the recipe says; a step of the others has more texts, and as many tokens.
    """
    from edullama.llm.models import load_tokenizer
    from edullama.llm.qlora import tokenize_window

    settings, tokenizer = recipe.finetune, load_tokenizer(recipe.course.model)
    rows = {
        name: [row for window in windows for row in tokenize_window(tokenizer, window, settings.max_tokens)]
        for name, windows in forms.items()
    }
    mean = {name: sum(len(row["answer"]) for row in own) / len(own) for name, own in rows.items()}
    longest = "four slides"
    steps = math.ceil(len(rows[longest]) / settings.batch_size) * settings.epochs
    budget = min(steps, settings.max_steps or steps) * settings.batch_size * mean[longest]
    plans = []
    for name, own in rows.items():
        batch = max(1, round(settings.batch_size * mean[longest] / mean[name]))
        own_steps = round(budget / (batch * mean[name]))
        epochs = math.ceil(own_steps * batch / len(own)) + 1  # max_steps ends it
        own_settings = replace(
            settings, batch_size=batch, epochs=epochs, max_steps=own_steps, patience=None, report_to=()
        )
        plans.append((name, own_settings, batch * mean[name]))
    return plans


def _train(
    recipe: Recipe, name: str, texts: Sequence[Window], watched: Sequence[Window], settings: Finetune, tokens: float
) -> "Learning":
    """Train in one form and return its runs. What was trained is thrown away."""
    from edullama.evaluation.plots import Learning
    from edullama.llm import qlora

    lookout = open_lookout(replace(recipe, finetune=settings), watched, LOOKS)
    with tempfile.TemporaryDirectory() as folder:
        steps = qlora.finetune(recipe.course.model, texts, settings, recipe.course.seed, Path(folder), lookout)
    held_out = [(look.step, look.held_out) for look in lookout.seen if look.held_out is not None]
    return Learning(name, tokens, [(step.step, step.loss) for step in steps], held_out)


def _tell(run: "Learning") -> str:
    """Say in a sentence what became of the loss of held-out slides."""
    steps, first, last = run.learnt[-1][0], run.held_out[0][1], run.held_out[-1][1]
    return (
        f"{run.form}: {steps} steps, about {steps * run.tokens:,.0f} tokens; held-out slides from {first:.3f} to "
        f"{last:.3f} nats per token."
    )
