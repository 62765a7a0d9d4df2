"""The four models of a course, opened from where its stages left them."""

from typing import TYPE_CHECKING

from edullama.recipe import Recipe
from edullama.records import Contender
from edullama.store import Workspace

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM


def open_contender(work: Workspace, recipe: Recipe, name: Contender) -> "LlamaForCausalLM":
    """Load a contender for inference, in fp32 on the best device. Raises InputError where its stage has not run."""
    from edullama.llm.device import best_device
    from edullama.llm.models import load_model
    from edullama.llm.qlora import load_teacher

    if name == "teacher":
        return load_teacher(work.path("finetune", "adapter"), recipe.course.model)
    places = {
        "base": lambda: recipe.course.model,
        "shrunk": lambda: str(work.path("shrink", "model")),
        "student": lambda: str(work.path("distill", "model")),
    }
    return load_model(places[name]()).to(device=best_device()).eval()
