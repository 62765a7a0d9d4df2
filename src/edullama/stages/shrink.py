"""Make the student: some of the teacher's layers in a smaller, stock Llama."""

import json
from contextlib import nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edullama.manifest import Manifest
from edullama.recipe import Recipe, Shrink
from edullama.records import Estimate
from edullama.stages.calibration import (
    Calibration,
    calibrate,
    find_angles,
    find_influences,
    find_removals,
    held_out_targets,
    known_scores,
)
from edullama.stages.contenders import open_contender
from edullama.store import Workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import LlamaForCausalLM

    from edullama.llm.layer_scores import Target

TOO_MANY = 1 / 3  # share of layers removed; docs/experiments.md


def run(work: Workspace, recipe: Recipe) -> Manifest:
    """Copy the chosen layers out of the merged teacher, and prove that what they make is sound."""
    from edullama.llm.layers import build_student, check_copies, check_student
    from edullama.llm.models import load_tokenizer

    task = work.begin("shrink", recipe)
    settings, teacher = recipe.shrink, open_contender(work, recipe, "teacher")
    with calibrate(work, recipe, teacher) if needs_answers(settings) else nullcontext() as found:
        layers = choose_layers(settings, teacher.config.num_hidden_layers, found)
        student = build_student(teacher, layers)
        differences = {"copies": check_copies(student, teacher, layers)}
        if found and settings.ffn < 1:
            student = _narrow(student, found, settings.ffn)
        differences |= check_student(student)
        facts = _facts(student, teacher, layers, differences)
        if found:
            facts["answer_kl"] = asdict(measure(found, held_out_targets(found), student))
            task.write_records("answers.jsonl", found.answers)
            task.write("scores.json", json.dumps(known_scores(found), indent=1))
    student.save_pretrained(task.partial / "model")
    load_tokenizer(recipe.course.model).save_pretrained(task.partial / "model")
    task.move_in(task.partial / "model", "model")
    task.write("layers.json", json.dumps(facts, indent=1))
    task.notes += _notes(facts)
    return task.finish(layers=len(layers), teacher_layers=facts["teacher_layers"], parameters=facts["parameters"])


def needs_answers(settings: Shrink) -> bool:
    """Tell whether the choice of what stays looks at the teacher's answers."""
    chosen = isinstance(settings.layers, int) and settings.choose in ("greedy", "influence", "angle")
    return chosen or settings.ffn < 1


def choose_layers(settings: Shrink, total: int, found: Calibration | None) -> list[int]:
    """Return which of `total` layers stay. Raises InputError where the teacher does not have them."""
    from edullama.llm import layer_choice

    if not isinstance(settings.layers, int):
        return layer_choice.check_layers(settings.layers, total)
    count = layer_choice.check_count(settings.layers, total)
    if settings.choose == "even":
        return layer_choice.even_layers(total, count)
    if settings.choose == "ends":
        return layer_choice.end_layers(total, count, count // 2 if settings.last is None else settings.last)
    assert found is not None  # needs_answers
    if settings.choose == "influence":
        return layer_choice.influential_layers(find_influences(found), count)
    if settings.choose == "angle":
        return layer_choice.layers_around_smallest_angle(find_angles(found), count)
    return layer_choice.layers_left(find_removals(found, total - count), total, count)


def measure(
    found: Calibration,
    targets: "Sequence[Target]",
    model: "LlamaForCausalLM",
    layers: "Sequence[int] | None" = None,
) -> Estimate:
    """Estimate KL(teacher || model), in nats per token of the answers that layers are not chosen by.

    With `layers` it is that of the model without its other layers.
    """
    from edullama.evaluation.statistics import level
    from edullama.llm.layer_scores import answer_kls

    return level("answer_kl", answer_kls(model, found.held_out, targets, layers))


def _narrow(student: "LlamaForCausalLM", found: Calibration, share: float) -> "LlamaForCausalLM":
    from edullama.llm.ffn_width import narrow_ffns, narrow_width, unit_norms

    width = narrow_width(student.config.intermediate_size, share)
    return narrow_ffns(student, unit_norms(student, found.choosing), width)


def _facts(
    student: "LlamaForCausalLM", teacher: "LlamaForCausalLM", layers: list[int], differences: dict[str, float]
) -> dict[str, Any]:
    """Return what layers.json holds; parameters are real ones, and tied ones count once."""
    from edullama.llm.models import count_parameters

    return {
        "layers": layers,
        "teacher_layers": teacher.config.num_hidden_layers,
        "ffn_width": student.config.intermediate_size,
        "teacher_ffn_width": teacher.config.intermediate_size,
        "parameters": count_parameters(student),
        "teacher_parameters": count_parameters(teacher),
        "embedding_parameters": student.get_input_embeddings().weight.numel(),
        "tied": bool(student.config.tie_word_embeddings),
        "largest_logit_difference": differences,
    }


def _notes(facts: dict[str, Any]) -> list[str]:
    """Say what the student is, what it lost, and when that is too much."""
    ours, whole, embedding = (
        facts[name] / 1e6 for name in ("parameters", "teacher_parameters", "embedding_parameters")
    )
    head = "the embedding, which is the head as well" if facts["tied"] else "the embedding, and as many the head"
    notes = [
        f"{ours:,.1f} M of the teacher's {whole:,.1f} M weights ({ours / whole:.0%}); {embedding:,.1f} M of them are "
        f"{head}: what layers do not hold cannot be cut with them."
    ]
    if (kl := facts.get("answer_kl")) and kl["mean"] is not None:
        spread = "" if kl["low"] is None else f" [{kl['low']:.2f}, {kl['high']:.2f}]"
        notes.append(
            f"Before distilling its probabilities differ from the teacher's by {kl['mean']:.2f}{spread} nats per token "
            f"of {kl['n']} answers that it was not chosen by."
        )
    kept, total = len(facts["layers"]), facts["teacher_layers"]
    if total - kept > total * TOO_MANY:
        notes.append(
            f"{total - kept} of {total} layers are gone, more than a third. Students that lost as much have needed far "
            f"more training than a course's questions give: look at the report before you use this one, or keep "
            f"{total - int(total * TOO_MANY)}."
        )
    return notes
