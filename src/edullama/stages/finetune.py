"""Put a course into a Llama: a QLoRA adapter trained on windows of consecutive slides."""

from edullama.errors import InputError
from edullama.recipe import Recipe
from edullama.records import Manifest, Window
from edullama.store import Workspace


def run(work: Workspace, recipe: Recipe) -> Manifest:
    """Train the teacher's adapter."""
    from edullama.llm import qlora

    windows = work.read("prepare", "windows.jsonl", Window)
    if not windows:
        raise InputError(f"{work.folder('prepare')}/windows.jsonl is empty: there is no text to train on.")
    task = work.begin("finetune", recipe)
    steps = qlora.finetune(recipe.course.model, windows, recipe.finetune, recipe.course.seed, task.partial)
    task.move_in(task.partial / "adapter", "adapter")
    task.write_records("steps.jsonl", steps)
    return task.finish(windows=len(windows), steps=len(steps))
