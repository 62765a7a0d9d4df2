"""Teach the student from questions alone: the teacher answers each once, and its token probabilities are the target."""

from dataclasses import replace
from typing import TYPE_CHECKING

from edullama.errors import InputError
from edullama.manifest import Manifest
from edullama.recipe import Recipe
from edullama.records import Question, StudentWatch, stable_id
from edullama.stages.contenders import open_contender
from edullama.store import Task, Workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import LlamaForCausalLM

    from edullama.llm.teaching import Taught

FEWEST_QUESTIONS = 20  # below, none is spared to be watched
FEWEST_HELD_OUT = 4


def run(work: Workspace, recipe: Recipe) -> Manifest:
    """Let the teacher answer, let it leave memory, train the student."""
    from edullama.llm.models import load_tokenizer
    from edullama.llm.student_training import distill
    from edullama.llm.trackers import tracking

    learnt, held_out = hold_out(_questions(work, recipe), recipe.distill.held_out)
    task, tokenizer = work.begin("distill", recipe), load_tokenizer(recipe.course.model)
    taught = _ask_teacher(work, recipe, task, [*learnt, *held_out])
    student = _starting_student(work, recipe, task)
    with tracking(recipe.distill.report_to, task.folder / "trackers"):
        student, steps, looks = distill(
            student, tokenizer, taught, learnt, held_out, recipe.distill, recipe.course.seed, task.partial
        )
    student.save_pretrained(task.partial / "model")
    tokenizer.save_pretrained(task.partial / "model")
    task.move_in(task.partial / "model", "model")
    if recipe.distill.targets != "live":
        task.move_in(task.partial / "targets", "targets")
    answers = [answer for own in taught.answers.values() for answer in own]
    task.write_records("answers.jsonl", answers)
    task.write_records("steps.jsonl", steps)
    task.write_records("watch.jsonl", looks)
    task.notes += _notes(looks)
    tokens = sum(len(answer.tokens) for answer in answers)
    return task.finish(questions=len(learnt), held_out=len(held_out), answer_tokens=tokens, steps=len(steps))


def hold_out(questions: "Sequence[Question]", share: float) -> tuple[list[Question], list[Question]]:
    """Part questions into those to learn and about that share to watch, by a hash of their ids."""
    if not share or len(questions) < FEWEST_QUESTIONS:
        return list(questions), []
    count = max(FEWEST_HELD_OUT, round(share * len(questions)))
    watched = {one.id for one in sorted(questions, key=lambda one: stable_id("held out", one.id))[:count]}
    return [one for one in questions if one.id not in watched], [one for one in questions if one.id in watched]


def _questions(work: Workspace, recipe: Recipe) -> list[Question]:
    """Return the catalogue, or as many of it as a trial run wants: those with the lowest ids, which are hashes."""
    questions = sorted(work.read("prepare", "catalogue.jsonl", Question), key=lambda question: question.id)
    if not questions:
        raise InputError(
            f"{work.folder('prepare')}/catalogue.jsonl is empty: distillation needs questions. "
            "Put flashcards into cards/, or write a catalogue by hand (one {id, lecture, text} a line)."
        )
    return questions[: recipe.distill.max_questions]


def _ask_teacher(work: Workspace, recipe: Recipe, task: Task, questions: list[Question]) -> "Taught":
    """Return what the teacher leaves; the teacher itself leaves memory where nothing more is asked of it."""
    from edullama.llm.distillation import SCORED
    from edullama.llm.models import load_tokenizer
    from edullama.llm.student_training import arguments_of
    from edullama.llm.teaching import ask_teacher

    settings = recipe.distill
    arguments = arguments_of(settings, len(questions), recipe.course.seed, task.partial / "checkpoints")
    taught = ask_teacher(
        open_contender(work, recipe, "teacher"), load_tokenizer(recipe.course.model), questions,
        settings.max_new_tokens, arguments.sampling, arguments.form, task.partial,
    )  # fmt: skip
    return taught if settings.mode in SCORED or settings.targets == "live" else replace(taught, teacher=None)


def _starting_student(work: Workspace, recipe: Recipe, task: Task) -> "LlamaForCausalLM":
    """Return the shrunk student, or what QLoRA on the course makes of it first: the original's recovery step."""
    from edullama.llm import qlora
    from edullama.stages.finetune import choose_texts

    if not recipe.distill.recover_epochs:
        return open_contender(work, recipe, "shrunk")
    shrunk, folder = str(work.path("shrink", "model")), task.partial / "recovery"
    settings = replace(recipe.finetune, epochs=recipe.distill.recover_epochs, train="lora", patience=None)
    if not (folder / "adapter").exists():
        qlora.finetune(shrunk, choose_texts(work, settings.learn), settings, recipe.course.seed, folder)
    return qlora.load_teacher(folder / "adapter", shrunk)


def _notes(looks: "Sequence[StudentWatch]") -> list[str]:
    if not looks:
        return []
    first, last = looks[0], looks[-1]
    return [
        f"On held-out questions the KL to the teacher went from {first.kl:.2f} to {last.kl:.2f} nats per token; the "
        f"student's likeliest word is the teacher's at {last.agreement:.0%} of them ({first.agreement:.0%} before)."
    ]
