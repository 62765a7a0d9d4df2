"""A recipe's distillation: which weights of the student are trained, how it is watched, and which student is kept."""

import math
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import LlamaForCausalLM, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from edullama.llm.distillation import DistillationArguments, DistillationTrainer
from edullama.llm.models import Tokenizer
from edullama.llm.teaching import Taught
from edullama.llm.training import train, training_arguments
from edullama.llm.watching import look_steps
from edullama.recipe import Distill
from edullama.records import Question, Step, StudentWatch

BEST = "best.safetensors"  # trained weights of the best look so far
RANK = 32  # of a LoRA student; alpha is twice that


def distill(
    student: LlamaForCausalLM,
    tokenizer: Tokenizer,
    taught: Taught,
    questions: Sequence[Question],
    held_out: Sequence[Question],
    settings: Distill,
    seed: int,
    folder: Path,
) -> tuple[LlamaForCausalLM, list[Step], list[StudentWatch]]:
    """Train a student on what the teacher left. Returns it, the loss curve, and how it did on held-out questions.

    Checkpoints go to folder/checkpoints, where an interrupted run of the same work is resumed. With `patience` the
    student of the best look is returned, else that of the end.
    """
    torch.manual_seed(seed)
    model = choose_weights(student, settings)
    trainer = DistillationTrainer(
        model=model, teacher=taught, args=arguments_of(settings, len(questions), seed, folder / "checkpoints"),
        train_dataset=questions, eval_dataset=held_out, processing_class=tokenizer,
    )  # fmt: skip
    watcher = StudentLookout(trainer, settings.looks if held_out else 0, settings.patience, folder / BEST)
    trainer.add_callback(watcher)
    steps = train(trainer, "distill")
    watcher.keep_best(model)
    done = model.merge_and_unload() if isinstance(model, PeftModel) else model
    return done, steps, watcher.seen


def choose_weights(student: LlamaForCausalLM, settings: Distill) -> LlamaForCausalLM | PeftModel:
    """Let all weights be trained, or an adapter on every linear layer, or the last layers with norms and head."""
    if settings.train == "lora":
        config = LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules="all-linear", task_type="CAUSAL_LM")
        return get_peft_model(student, config)
    if settings.train == "last":
        student.requires_grad_(False)
        last = student.model.layers[-settings.last_layers :]
        norms = [module for name, module in student.named_modules() if name.endswith("norm")]
        for module in [*last, *norms, student.get_output_embeddings()]:
            module.requires_grad_(True)
    return student


def arguments_of(settings: Distill, questions: int, seed: int, folder: Path) -> DistillationArguments:
    """Return a recipe's settings as the trainer takes them; what both name alike is the same."""
    known = {item.name for item in fields(DistillationArguments)}
    same = {name: value for name, value in asdict(settings).items() if name in known - {"max_steps", "report_to"}}
    return training_arguments(
        folder, questions, settings.max_steps, kind=DistillationArguments,
        **same,
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        per_device_eval_batch_size=settings.batch_size,
        seed=seed,
        report_to=list(settings.report_to),
    )  # fmt: skip


class StudentLookout(TrainerCallback):
    """Compares the student with the teacher on held-out questions before training and at `looks` even steps, the last
    of them the end; keeps the trained weights of the look with the lowest KL where there is `patience`.

    What it finds stands in the trainer's log, so that every checkpoint holds it and a resumed run goes on from it.
    """

    def __init__(self, trainer: DistillationTrainer, looks: int, patience: int | None, best: Path) -> None:
        self.trainer, self.looks, self.best_file = trainer, looks, best
        self.patience = patience if looks else None

    @property
    def seen(self) -> list[StudentWatch]:
        """All looks so far, those before an interruption too."""
        return [_watch(entry) for entry in self.trainer.state.log_history if "eval_kl" in entry]

    @property
    def best(self) -> StudentWatch:
        return min(self.seen, key=lambda look: math.inf if math.isnan(look.kl) else look.kl)

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        if self.looks and not self.seen:
            self._look()

    def on_step_end(self, _: TrainingArguments, state: TrainerState, control: TrainerControl, **__: Any) -> None:
        if state.global_step not in look_steps(state.max_steps, self.looks):
            return
        wanted = control.should_log  # of the step's own loss; logging a look counts as having done it
        self._look()
        control.should_log = wanted
        if self.patience is not None and self.seen[::-1].index(self.best) >= self.patience:
            control.should_training_stop = True

    def keep_best(self, model: nn.Module) -> None:
        """Give the model the weights of the best look, where they were waited for and it is not the last."""
        if self.patience is not None and self.best != self.seen[-1]:
            model.load_state_dict(load_file(self.best_file), strict=False)

    def _look(self) -> None:
        self.trainer.evaluate()
        if self.patience is not None and self.best == self.seen[-1]:
            save_file(_trained(self.trainer.model), self.best_file.with_suffix(".writing"))
            self.best_file.with_suffix(".writing").rename(self.best_file)


def _trained(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: weight.detach().contiguous() for name, weight in model.named_parameters() if weight.requires_grad}


def _watch(entry: dict[str, Any]) -> StudentWatch:
    names = [item.name for item in fields(StudentWatch) if item.name != "step"]
    return StudentWatch(entry["step"], **{name: entry[f"eval_{name}"] for name in names})
