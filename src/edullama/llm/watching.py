"""Watches a training run: how its model reads texts that it does not learn, and whether it is time to stop."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, set_peft_model_state_dict
from safetensors.torch import load_file
from torch import nn
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from edullama.llm.batches import Row, pad_right
from edullama.llm.likelihood import token_losses
from edullama.llm.models import Tokenizer
from edullama.llm.rendering import render_answer, render_prompt
from edullama.records import Pair, Watch, Window

HELD_OUT, GENERAL = "eval_held_out", "eval_general"  # in the trainer's log; trackers group them under "eval"


class Lookout(TrainerCallback):
    """Reads held-out and general rows before training, at `looks` evenly spread steps, the last of them the end.

    What it finds stands in the trainer's log, so that every checkpoint holds it and a resumed run goes on from it.
    With `patience`, training stops after so many looks without a lower held-out loss, and `keep_best` gives the
    adapter of the best look; there is a checkpoint of it.
    """

    def __init__(
        self, held_out: Sequence[Row], general: Sequence[Row], looks: int, patience: int | None = None
    ) -> None:
        self.held_out, self.general, self.looks = held_out, general, looks
        self.patience = patience if held_out else None

    def watch(self, trainer: Trainer) -> None:
        """Go with this training run."""
        self.trainer = trainer
        trainer.add_callback(self)

    @property
    def seen(self) -> list[Watch]:
        """All looks so far, those before an interruption too."""
        entries = [entry for entry in self.trainer.state.log_history if GENERAL in entry]
        return [Watch(entry["step"], entry.get(HELD_OUT), entry[GENERAL]) for entry in entries]

    @property
    def best(self) -> Watch:
        """The look with the lowest held-out loss, the first one before training left out."""
        return min(self.seen[1:], key=lambda look: math.inf if look.held_out is None else look.held_out)

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self.looks and not self.seen:
            self._look()
        elif self.patience and len(self.seen) > 1:
            self._protect_best(args, state)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.global_step not in look_steps(state.max_steps, self.looks):
            return
        wanted = control.should_log  # of the step's own loss; logging a look counts as having done it
        self._look()
        control.should_log = wanted
        if self.patience is None:
            return
        if self.best == self.seen[-1]:
            self._protect_best(args, state)
            control.should_save = state.global_step < state.max_steps
        elif self.seen[::-1].index(self.best) >= self.patience:
            control.should_training_stop = True

    def keep_best(self, model: PeftModel) -> None:
        """Give the model the adapter of the best look, where one was waited for and it is not the last."""
        if self.patience and self.best != self.seen[-1]:
            checkpoint = _checkpoint(self.trainer.args, self.best.step)
            set_peft_model_state_dict(model, load_file(checkpoint / "adapter_model.safetensors"))

    def _look(self) -> None:
        logs = {HELD_OUT: self.held_out, GENERAL: self.general}
        self.trainer.log({name: mean_loss(self.trainer.model, rows) for name, rows in logs.items() if rows})

    def _protect_best(self, args: TrainingArguments, state: TrainerState) -> None:
        """Keep the Trainer from clearing away the checkpoint of the best look when it saves later ones."""
        state.best_model_checkpoint = str(_checkpoint(args, self.best.step))


def look_steps(steps: int, looks: int) -> list[int]:
    """Return the steps after which to look."""
    return sorted({math.ceil(steps * number / looks) for number in range(1, looks + 1)}) if looks else []


def watched_rows(tokenizer: Tokenizer, texts: Sequence[Window | Pair | str], max_tokens: int) -> list[Row]:
    """Return each text as one row of at most max_tokens; what is longer is cut off.

    A plain text's first token is its prompt, as it follows from nothing. There is no end token: how texts end is style.
    """
    rows = []
    for text in texts:
        if isinstance(text, Pair):
            prompt, answer = render_prompt(tokenizer, text.prompt), render_answer(tokenizer, text.text)
        else:
            plain = text.text if isinstance(text, Window) else text
            tokens = list(tokenizer(plain, add_special_tokens=False)["input_ids"])
            prompt, answer = tokens[:1], tokens[1:]
        rows.append({"prompt": prompt, "answer": answer[: max(0, max_tokens - len(prompt))]})
    return [row for row in rows if row["answer"]]


@torch.no_grad()
def mean_loss(model: Any, rows: Sequence[Row]) -> float:
    """Return the mean loss, in nats per token, over all answer tokens of the rows."""
    nats, count = 0.0, 0
    with _without_dropout(model):
        for row in rows:
            tokens, mask, scored = pad_right([row["prompt"]], [row["answer"]], 0)
            losses = token_losses(model, tokens.to(model.device), mask.to(model.device), scored.to(model.device))
            nats, count = nats + float(losses.double().sum()), count + len(losses)
    return nats / count


@contextmanager
def _without_dropout(model: nn.Module) -> Iterator[None]:
    """Switch dropout off, and nothing else: bitsandbytes repacks its weights in place in a model in eval mode."""
    active = [module for module in model.modules() if isinstance(module, nn.Dropout) and module.training]
    for module in active:
        module.eval()
    yield
    for module in active:
        module.train()


def _checkpoint(args: TrainingArguments, step: int) -> Path:
    return Path(str(args.output_dir)) / f"checkpoint-{step}"
