"""Distillation from questions alone: the student learns all token probabilities of the teacher's answers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import LlamaForCausalLM, Trainer, TrainingArguments

from edullama.llm.batches import IGNORED, Collator, Row, predicting_positions
from edullama.llm.losses import forward_kl
from edullama.llm.models import Tokenizer
from edullama.llm.rendering import render_prompt
from edullama.llm.training import train, training_arguments
from edullama.recipe import Distill
from edullama.records import Answer, Question, Step


class DistillationTrainer(Trainer):
    """A Trainer whose loss is the forward KL between the teacher's and the student's answer tokens.

    Batches hold `input_ids` and `attention_mask` (batch, token), `labels` (batch, token; IGNORED outside answers) and
    `teacher_states` (answer tokens of the batch, hidden), row by row. `teacher_head` (vocab, hidden) turns the states
    into logits; it is frozen, and lies on the student's device. The loss is a mean over the answer tokens of the whole
    accumulated batch.
    """

    def __init__(self, *, teacher_head: Tensor, temperature: float, **settings: Any) -> None:
        super().__init__(**settings)
        self.teacher_head = teacher_head
        self.temperature = temperature

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Return the loss, with the student's outputs where asked for; logits there are (1, answer tokens, vocab)."""
        scored = inputs["labels"] != IGNORED
        outputs = model(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            logits_to_keep=predicting_positions(scored),
            use_cache=False,
        )
        student = outputs.logits.squeeze(0)
        teacher = inputs["teacher_states"].to(self.teacher_head.dtype) @ self.teacher_head.T
        loss = forward_kl(student, teacher, self.temperature).sum() / (num_items_in_batch or scored.sum())
        return (loss, outputs) if return_outputs else loss


def distill(
    student: LlamaForCausalLM,
    tokenizer: Tokenizer,
    questions: Sequence[Question],
    answers: Sequence[Answer],
    targets: dict[str, Tensor],
    teacher_head: Tensor,
    settings: Distill,
    seed: int,
    folder: Path,
) -> list[Step]:
    """Train every weight of the student on the teacher's answers and soft targets. Returns the loss curve.

    Checkpoints go to folder/checkpoints, where an interrupted run of the same work is resumed.
    """
    torch.manual_seed(seed)
    trainer = DistillationTrainer(
        model=student,
        args=_arguments(folder / "checkpoints", len(questions), settings, seed),
        train_dataset=[_row(tokenizer, *pair, targets) for pair in zip(questions, answers, strict=True)],
        data_collator=Collator(tokenizer.pad_token_id),
        teacher_head=teacher_head,
        temperature=settings.temperature,
    )
    return train(trainer, "distill")


def _row(tokenizer: Tokenizer, question: Question, answer: Answer, targets: dict[str, Tensor]) -> Row:
    prompt = render_prompt(tokenizer, question.text)
    return {"prompt": prompt, "answer": list(answer.tokens), "states": targets[question.id]}


def _arguments(folder: Path, rows: int, settings: Distill, seed: int) -> TrainingArguments:
    return training_arguments(
        folder,
        rows,
        settings.max_steps,
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        seed=seed,
        report_to=list(settings.report_to),
    )
