"""What every training run shares: arguments, progress, checkpoints by the clock, resume, and the loss curve."""

import math
import time
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from edullama.errors import ModelError
from edullama.llm.checkpoints import WHOLE, describe_last, last_whole_checkpoint, step_of, writing_checkpoints
from edullama.llm.device import keep_large_buffers
from edullama.progress import Advance, bar
from edullama.records import Step

A = TypeVar("A", bound=TrainingArguments)
CHECKPOINT_SECONDS = 90.0  # at most this much work is lost to a kill


def training_arguments(
    folder: Path, rows: int, max_steps: int | None, kind: type[A] = TrainingArguments, **settings: Any
) -> A:
    """Return arguments with our defaults; `rows` examples in batches make the steps of an epoch.

    Everything that could differ between two runs of one recipe is fixed here: seed, order, schedule, precision.
    """
    per_epoch = math.ceil(rows / settings["per_device_train_batch_size"])
    steps = math.ceil(per_epoch * settings["num_train_epochs"])
    defaults: dict[str, Any] = {
        "output_dir": str(folder),
        "max_steps": min(steps, max_steps or steps),
        "lr_scheduler_type": "cosine",
        "warmup_steps": 0.1,  # a share of all steps
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "save_strategy": "no",  # Watch saves by the clock
        "save_total_limit": 2,
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": not torch.cuda.is_available(),
        "remove_unused_columns": False,
        "dataloader_pin_memory": torch.cuda.is_available(),
    }
    return kind(**(defaults | settings))


def train(trainer: Trainer, label: str) -> list[Step]:
    """Train to the end, from the last whole checkpoint where there is one. Returns the loss curve.

    Raises ModelError when the loss is no number any more, and when the disk is full.
    """
    if not trainer.args.activation_checkpointing:  # kept buffers cost memory, which is short then
        keep_large_buffers()
    trainer.remove_callback(_printer())
    folder = Path(str(trainer.args.output_dir))
    checkpoint = last_whole_checkpoint(folder)
    done = step_of(checkpoint) if checkpoint else 0
    with bar(label, trainer.args.max_steps, done) as advance, writing_checkpoints(folder):
        trainer.add_callback(Watch(advance))
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    check_finite(trainer.model, folder, trainer.state.global_step)
    return [_step(entry) for entry in trainer.state.log_history if "loss" in entry]


def check_finite(model: nn.Module, folder: Path, step: int) -> None:
    """Raise ModelError where a trained weight is no number: a loss shows that only one step later."""
    if not all(torch.isfinite(weight).all() for weight in model.parameters() if weight.requires_grad):
        raise ModelError(_blown_up(f"A weight is no number after step {step}", folder))


def _blown_up(problem: str, folder: Path) -> str:
    return (
        f"{problem}: training has blown up. Lower the learning rate of this stage in course.toml and run again. "
        f"{describe_last(folder)}"
    )


class Watch(TrainerCallback):
    """Advances the bar, saves a checkpoint every CHECKPOINT_SECONDS, and stops at a loss that is no number."""

    def __init__(self, advance: Advance) -> None:
        self.advance = advance
        self.last_save = time.monotonic()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **_: Any
    ) -> None:
        self.advance(1)
        ended = state.global_step >= state.max_steps or control.should_training_stop
        if time.monotonic() - self.last_save > CHECKPOINT_SECONDS and not ended:
            control.should_save = True
        if control.should_save:
            check_finite(model, Path(str(args.output_dir)), state.global_step)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.last_save = time.monotonic()
        (Path(str(args.output_dir)) / f"checkpoint-{state.global_step}" / WHOLE).touch()

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Any = None, **_: Any
    ) -> None:
        if logs and not math.isfinite(logs.get("loss", 0.0)):
            problem = f"The loss is {logs['loss']} at step {state.global_step}"
            raise ModelError(_blown_up(problem, Path(str(args.output_dir))))


def _printer() -> type[TrainerCallback]:
    """Return the callback that prints every log line; our bar takes its place."""
    from transformers.trainer_callback import PrinterCallback

    return PrinterCallback


def _step(entry: dict[str, Any]) -> Step:
    return Step(entry["step"], round(entry["epoch"], 4), entry["loss"], entry["learning_rate"])
