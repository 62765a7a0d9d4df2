"""The teacher's part of distillation, which comes once and first: it answers every question, and leaves its targets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from transformers import LlamaForCausalLM

from edullama.files import PartialLog
from edullama.llm.generate import Sampling, answer_all, answering_key
from edullama.llm.models import Tokenizer
from edullama.llm.rendering import render_prompt
from edullama.llm.target_formats import Format
from edullama.llm.targets import LiveTargets, TeacherTargets, begin_targets
from edullama.records import Answer, Question, stable_id


@dataclass(frozen=True, slots=True)
class Taught:
    """What the teacher leaves: answers to each question, one or several, and what it says to every token of them."""

    prompts: Mapping[str, list[int]]  # by question id
    answers: Mapping[str, Sequence[Answer]]  # likewise
    targets: TeacherTargets
    teacher: LlamaForCausalLM | None = None  # where it stays in memory, to score what others answer


def ask_teacher(
    teacher: LlamaForCausalLM,
    tokenizer: Tokenizer,
    questions: Sequence[Question],
    cap: int,
    sampling: Sampling,
    form: Format | None,
    folder: Path,
) -> Taught:
    """Let the teacher answer, with at most `cap` tokens each. What is in `folder` already is not asked again.

    Answers go to folder/answers.jsonl, targets to folder/targets; without a form the teacher itself stays, and answers
    for each batch. Raises InputError where what is there rests on another teacher, tokenizer or other settings.
    """
    source = answering_key(teacher, tokenizer, sampling)
    targets = begin_targets(folder / "targets", teacher, form, source) if form else None
    log = PartialLog(folder / "answers.jsonl", Answer)
    answers = answer_all(
        teacher, tokenizer, questions, [cap] * len(questions), "teacher", log.read(), log.append,
        sampling=sampling, source=source, keep_states=targets.add if targets else None,
    )  # fmt: skip
    prompts = {question.id: render_prompt(tokenizer, question.text) for question in questions}
    if targets:
        targets.complete(teacher, [(prompts[own.question_id], own.tokens) for own in answers], tokenizer.pad_token_id)
    by_id = {id: list(own) for id, own in groupby(answers, key=lambda answer: answer.question_id)}
    return Taught(prompts, by_id, targets or LiveTargets(teacher, tokenizer.pad_token_id), teacher)


def as_questions(rows: Sequence[str | Question | Mapping[str, str]]) -> list[Question]:
    """Return questions, each once, from texts, questions, or rows with a `question`.

    Whatever else a row has is not looked at: a question has no answer, so that none can be learnt from.
    """
    texts = [row if isinstance(row, str | Question) else row["question"] for row in rows]
    found = [text if isinstance(text, Question) else Question(stable_id(text), "", text) for text in texts]
    return list({question.id: question for question in found}.values())
