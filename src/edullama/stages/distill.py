"""Teach the student from questions alone: the teacher answers each once, and its token probabilities are the target."""

from typing import TYPE_CHECKING

from edullama.errors import InputError
from edullama.recipe import Recipe
from edullama.records import Answer, Manifest, Question
from edullama.stages.contenders import open_contender
from edullama.store import Task, Workspace

if TYPE_CHECKING:
    from torch import Tensor


def run(work: Workspace, recipe: Recipe) -> Manifest:
    """Let the teacher answer, let it leave memory, train the student."""
    from edullama.llm.distillation import distill
    from edullama.llm.models import load_tokenizer
    from edullama.llm.targets import load_targets
    from edullama.llm.trackers import tracking

    questions = _questions(work, recipe)
    task = work.begin("distill", recipe)
    answers, teacher_head = _ask_teacher(work, recipe, task, questions)
    student = open_contender(work, recipe, "shrunk")
    tokenizer = load_tokenizer(recipe.course.model)
    targets = load_targets(task.partial / "targets")
    with tracking(recipe.distill.report_to, task.folder / "trackers"):
        steps = distill(
            student, tokenizer, questions, answers, targets, teacher_head, recipe.distill, recipe.course.seed,
            task.partial,
        )  # fmt: skip
    student.save_pretrained(task.partial / "model")
    tokenizer.save_pretrained(task.partial / "model")
    task.move_in(task.partial / "model", "model")
    task.move_in(task.partial / "targets", "targets")
    task.write_records("answers.jsonl", answers)
    task.write_records("steps.jsonl", steps)
    tokens = sum(len(answer.tokens) for answer in answers)
    return task.finish(questions=len(questions), answer_tokens=tokens, steps=len(steps))


def _questions(work: Workspace, recipe: Recipe) -> list[Question]:
    """Return the catalogue, or as many of it as a trial run wants: those with the lowest ids, which are hashes."""
    questions = sorted(work.read("prepare", "catalogue.jsonl", Question), key=lambda question: question.id)
    if not questions:
        raise InputError(
            f"{work.folder('prepare')}/catalogue.jsonl is empty: distillation needs questions. "
            "Put flashcards into cards/, or write a catalogue by hand (one {id, lecture, text} a line)."
        )
    return questions[: recipe.distill.max_questions]


def _ask_teacher(
    work: Workspace, recipe: Recipe, task: Task, questions: list[Question]
) -> tuple[list[Answer], "Tensor"]:
    """Return the teacher's answers and a copy of its head; its soft targets go to partial/targets."""
    from edullama.llm.generate import answer_all
    from edullama.llm.models import load_tokenizer
    from edullama.llm.targets import save_targets

    teacher = open_contender(work, recipe, "teacher")
    tokenizer = load_tokenizer(recipe.course.model)
    log = task.log("answers", Answer)
    caps = [recipe.distill.max_new_tokens] * len(questions)
    answers = answer_all(teacher, tokenizer, questions, caps, "teacher", log.read(), log.append)
    save_targets(teacher, tokenizer, questions, answers, task.partial / "targets")
    return answers, teacher.get_output_embeddings().weight.detach().clone()
