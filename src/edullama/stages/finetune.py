"""Put a course into a Llama: a QLoRA adapter trained on its slides, as they are or as answers."""

import math
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from edullama.errors import InputError
from edullama.manifest import Manifest
from edullama.recipe import Recipe
from edullama.records import Pair, Step, Window
from edullama.store import Task, Workspace

if TYPE_CHECKING:
    from edullama.llm.watching import Lookout

MOST_WATCHED = 16  # held-out texts, and paragraphs of general prose: a look takes a few seconds


def run(work: Workspace, recipe: Recipe) -> Manifest:
    """Train the teacher's adapter, and watch how it reads what it does not learn."""
    from edullama.dataset.held_out import hold_out
    from edullama.llm import qlora
    from edullama.llm.trackers import tracking

    settings, seed = recipe.finetune, recipe.course.seed
    texts, held_out = hold_out(choose_texts(work, settings.learn), settings.held_out if settings.looks else 0.0)
    with tracking(settings.report_to, work.folder("finetune") / "trackers"):
        task = work.begin("finetune", recipe)
        lookout = open_lookout(recipe, held_out, settings.looks)
        replay = _replay(task, recipe, texts)
        steps = qlora.finetune(recipe.course.model, [*texts, *replay], settings, seed, task.partial, lookout)
    task.move_in(task.partial / "adapter", "adapter")
    task.write_records("steps.jsonl", steps)
    task.write_records("watch.jsonl", lookout.seen)
    task.write_records("replay.jsonl", replay)
    task.notes += _tell_of_stopping(lookout, steps, settings.patience)
    return task.finish(texts=len(texts), replay=len(replay), held_out=len(held_out), steps=len(steps))


def _replay(task: Task, recipe: Recipe, texts: Sequence[Window | Pair]) -> list[Window]:
    """Return the general text that is learnt as well; an interrupted run goes on with what it had."""
    from edullama.llm.replay import replay_for

    log = task.log("replay", Window)
    written = log.read()
    if not written and recipe.finetune.replay:
        written = replay_for(recipe.course.model, texts, recipe.finetune, recipe.course.seed)
        log.append(written)
    return written


def open_lookout(recipe: Recipe, held_out: Sequence[Window | Pair], looks: int) -> "Lookout":
    """Return what watches a training run by these texts and by general prose; no more than MOST_WATCHED of each."""
    from edullama.dataset.held_out import general_texts
    from edullama.llm.models import load_tokenizer
    from edullama.llm.watching import Lookout, watched_rows

    tokenizer, longest = load_tokenizer(recipe.course.model), recipe.finetune.max_tokens
    own, general = (
        watched_rows(tokenizer, texts[:: max(1, math.ceil(len(texts) / MOST_WATCHED))], longest)
        for texts in (held_out, general_texts())
    )
    return Lookout(own, general, looks, recipe.finetune.patience)


def _tell_of_stopping(lookout: "Lookout", steps: Sequence[Step], patience: int | None) -> list[str]:
    """Say where early stopping took the adapter from, or why there was none though it was asked for."""
    if patience and lookout.patience is None:
        return ["finetune.patience had nothing to go by: no text was held out of so few."]
    if lookout.patience is None or lookout.best.step == steps[-1].step:
        return []
    return [f"The held-out loss was lowest after step {lookout.best.step}, and the adapter is of then."]


def choose_texts(work: Workspace, kinds: Collection[str]) -> list[Window | Pair]:
    """Return the windows and pairs of these kinds. Raises InputError where there are none."""
    texts: list[Window | Pair] = list(work.read("prepare", "windows.jsonl", Window)) if "window" in kinds else []
    if set(kinds) - {"window"}:
        texts += [pair for pair in work.read("prepare", "pairs.jsonl", Pair) if pair.kind in kinds]
    if not texts:
        raise InputError(
            f"{work.folder('prepare')} holds no text of the kinds {', '.join(kinds)} to train on. "
            "`edullama status` counts what there is; 'finetune.learn' in course.toml says what is learnt."
        )
    return texts
