"""Make the student: some of the teacher's layers in a smaller, stock Llama."""

import json

from edullama.recipe import Recipe
from edullama.records import Manifest
from edullama.stages.contenders import open_contender
from edullama.store import Workspace


def run(work: Workspace, recipe: Recipe) -> Manifest:
    """Copy the chosen layers out of the merged teacher and prove that what they make is sound."""
    from edullama.llm.layers import build_student, check_choice, check_student, even_layers
    from edullama.llm.models import count_parameters, load_tokenizer

    task = work.begin("shrink", recipe)
    teacher = open_contender(work, recipe, "teacher")
    total, wanted = teacher.config.num_hidden_layers, recipe.shrink.layers
    layers = even_layers(total, wanted) if isinstance(wanted, int) else check_choice(wanted, total)
    student = build_student(teacher, layers)
    facts = {
        "layers": layers,
        "teacher_layers": total,
        "parameters": count_parameters(student),
        "teacher_parameters": count_parameters(teacher),
        "largest_logit_difference": check_student(student, layers),
    }
    student.save_pretrained(task.partial / "model")
    load_tokenizer(recipe.course.model).save_pretrained(task.partial / "model")
    task.move_in(task.partial / "model", "model")
    task.write("layers.json", json.dumps(facts, indent=1))
    return task.finish(layers=len(layers), teacher_layers=total, parameters=facts["parameters"])
