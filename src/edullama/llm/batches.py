"""Prompts and answers as padded batches, and which positions predict what."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

IGNORED = -100  # label of a position that carries no loss
Answered = tuple[Sequence[int], Sequence[int]]  # token ids of a prompt and of the answer to it
Row = dict[str, Any]  # "prompt" and "answer": token ids; in distillation also "states": (answer token, hidden)


class Collator:
    """Joins rows to a batch, padded on the right; prompts and padding carry no loss.

    Gives `input_ids`, `attention_mask` and `labels`, each (batch, token), and where rows have them `teacher_states`
    (answer tokens of the batch, hidden), row by row.
    """

    def __init__(self, pad_token_id: int) -> None:
        self.pad_token_id = pad_token_id

    def __call__(self, rows: Sequence[Row]) -> dict[str, Tensor]:
        prompts, answers = [row["prompt"] for row in rows], [row["answer"] for row in rows]
        tokens, mask, scored = pad_right(prompts, answers, self.pad_token_id)
        batch = {"input_ids": tokens, "attention_mask": mask, "labels": tokens.masked_fill(~scored, IGNORED)}
        if "states" in rows[0]:
            batch["teacher_states"] = torch.cat([row["states"] for row in rows])
        return batch


class SideBySide:
    """Joins rows to one row without padding, in which no text sees another; prompts carry no loss.

    Gives `input_ids`, `position_ids` and `labels`, each (1, token). Positions start at 0 with every text: by that
    transformers, and our own way through a model, tell texts apart. The first token of a text has no label.
    """

    def __call__(self, rows: Sequence[Row]) -> dict[str, Tensor]:
        tokens: list[int] = []
        labels: list[int] = []
        positions: list[int] = []
        for row in rows:
            tokens += [*row["prompt"], *row["answer"]]
            own_labels = [*[IGNORED] * len(row["prompt"]), *row["answer"]]
            labels += [IGNORED, *own_labels[1:]]
            positions += range(len(own_labels))
        batch = {"input_ids": tokens, "position_ids": positions, "labels": labels}
        return {name: torch.tensor([values]) for name, values in batch.items()}


def pad_left(rows: Sequence[Sequence[int]], pad_token_id: int) -> tuple[Tensor, Tensor]:
    """Return token ids and attention mask, both (batch, longest), padded on the left."""
    longest = max(len(row) for row in rows)
    tokens = torch.full((len(rows), longest), pad_token_id)
    mask = torch.zeros((len(rows), longest), dtype=torch.long)
    for place, row in enumerate(rows):
        tokens[place, longest - len(row) :] = torch.tensor(row)
        mask[place, longest - len(row) :] = 1
    return tokens, mask


def predicting_positions(scored: Tensor) -> Tensor:
    """Shift a mask (batch, token) of tokens to the positions whose output predicts them: one to the left."""
    return torch.cat([scored[:, 1:], torch.zeros_like(scored[:, :1])], dim=1)


def pad_right(
    prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]], pad_token_id: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return token ids, attention mask and mask of answer tokens, each (batch, longest), padded on the right."""
    lengths = [len(prompt) + len(answer) for prompt, answer in zip(prompts, answers, strict=True)]
    tokens = torch.full((len(prompts), max(lengths)), pad_token_id)
    mask = torch.zeros_like(tokens)
    scored = torch.zeros_like(tokens, dtype=torch.bool)
    for place, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        tokens[place, : lengths[place]] = torch.tensor([*prompt, *answer])
        mask[place, : lengths[place]] = 1
        scored[place, len(prompt) : lengths[place]] = True
    return tokens, mask, scored
