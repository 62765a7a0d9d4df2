"""What every training run shares: arguments, progress, checkpoints by the clock, resume, and the loss curve."""

import math
import time
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from edullama.errors import ModelError
from edullama.llm.device import keep_large_buffers
from edullama.progress import Advance, bar
from edullama.records import Step

CHECKPOINT_SECONDS = 90.0  # at most this much work is lost to a kill
WHOLE = "edullama-whole"  # marks a checkpoint that was written to its end


def training_arguments(folder: Path, rows: int, max_steps: int | None, **settings: Any) -> TrainingArguments:
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
    return TrainingArguments(**(defaults | settings))


def train(trainer: Trainer, label: str) -> list[Step]:
    """Train to the end, from the last whole checkpoint where there is one. Returns the loss curve.

    Raises ModelError when the loss is no number any more.
    """
    keep_large_buffers()
    trainer.remove_callback(_printer())
    checkpoint = last_whole_checkpoint(Path(str(trainer.args.output_dir)))
    done = int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0
    with bar(label, trainer.args.max_steps, done) as advance:
        trainer.add_callback(Watch(advance))
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    return [_step(entry) for entry in trainer.state.log_history if "loss" in entry]


def last_whole_checkpoint(folder: Path) -> Path | None:
    """Return the newest checkpoint that a kill did not cut short."""
    whole = [mark.parent for mark in folder.glob(f"checkpoint-*/{WHOLE}")]
    return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


class Watch(TrainerCallback):
    """Advances the bar, saves a checkpoint every CHECKPOINT_SECONDS, and stops at a loss that is no number."""

    def __init__(self, advance: Advance) -> None:
        self.advance = advance
        self.last_save = time.monotonic()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.advance(1)
        if time.monotonic() - self.last_save > CHECKPOINT_SECONDS and state.global_step < state.max_steps:
            control.should_save = True

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.last_save = time.monotonic()
        (Path(str(args.output_dir)) / f"checkpoint-{state.global_step}" / WHOLE).touch()

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Any = None, **_: Any
    ) -> None:
        if logs and not math.isfinite(logs.get("loss", 0.0)):
            raise ModelError(
                f"The loss is {logs['loss']} at step {state.global_step}: training has blown up. "
                "Lower the learning rate of this stage in course.toml and run again."
            )


def _printer() -> type[TrainerCallback]:
    """Return the callback that prints every log line; our bar takes its place."""
    from transformers.trainer_callback import PrinterCallback

    return PrinterCallback


def _step(entry: dict[str, Any]) -> Step:
    return Step(entry["step"], round(entry["epoch"], 4), entry["loss"], entry["learning_rate"])
