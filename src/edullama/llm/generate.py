"""Answers from a local model: batched, sorted by length, greedy, resumable."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from transformers import LlamaForCausalLM

from edullama.llm.batches import pad_left
from edullama.llm.models import Tokenizer
from edullama.llm.rendering import decode_answer, render_prompt
from edullama.progress import bar
from edullama.records import Answer, Question

BATCH = 32  # questions answered together


@dataclass(frozen=True, slots=True)
class Prompted:
    """A question as token ids, and the most tokens its answer may have."""

    question: Question
    prompt: list[int]
    cap: int


def answer_all(
    model: LlamaForCausalLM,
    tokenizer: Tokenizer,
    questions: Sequence[Question],
    caps: Sequence[int],
    name: str,
    done: Sequence[Answer] = (),
    keep: Callable[[list[Answer]], None] = lambda answers: None,
) -> list[Answer]:
    """Answer every question greedily, in the given order; caps are the most tokens of each answer.

    `done` came from an interrupted run; `keep` receives each finished batch. Batches depend on the questions alone,
    because padding moves the last digits of logits: a resumed run must pad as the whole one would have.
    """
    answers = {answer.question_id: answer for answer in done}
    prompted = [Prompted(q, render_prompt(tokenizer, q.text), cap) for q, cap in zip(questions, caps, strict=True)]
    prompted.sort(key=lambda item: (len(item.prompt), item.question.id))
    with bar(f"{name} answers", len(questions), len(answers)) as advance:
        for start in range(0, len(prompted), BATCH):
            batch = prompted[start : start + BATCH]
            if all(item.question.id in answers for item in batch):
                continue
            fresh = answer_batch(model, tokenizer, batch, name)
            advance(sum(answer.question_id not in answers for answer in fresh))
            answers |= {answer.question_id: answer for answer in fresh}
            keep(fresh)
    return [answers[question.id] for question in questions]


@torch.inference_mode()
def answer_batch(model: LlamaForCausalLM, tokenizer: Tokenizer, batch: Sequence[Prompted], name: str) -> list[Answer]:
    """Answer one batch greedily; each answer ends with the end token, or is cut at its cap."""
    tokens, mask = pad_left([item.prompt for item in batch], tokenizer.pad_token_id)
    out = model.generate(
        input_ids=tokens.to(model.device),
        attention_mask=mask.to(model.device),
        max_new_tokens=max(item.cap for item in batch),
        do_sample=False,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=end_tokens(model, tokenizer),
    )
    written = out[:, tokens.shape[1] :].tolist()
    return [_answer(model, tokenizer, item, row, name) for item, row in zip(batch, written, strict=True)]


def end_tokens(model: LlamaForCausalLM, tokenizer: Tokenizer) -> list[int]:
    """Return the ids that end an answer: the tokenizer's and those the model's generation settings add."""
    configured = model.generation_config.eos_token_id
    extra = configured if isinstance(configured, list) else [configured]
    return sorted({token for token in [tokenizer.eos_token_id, *extra] if token is not None})


def _answer(model: LlamaForCausalLM, tokenizer: Tokenizer, item: Prompted, row: list[int], name: str) -> Answer:
    ends = end_tokens(model, tokenizer)
    length = next((place + 1 for place, token in enumerate(row) if token in ends), len(row))
    tokens = row[: min(length, item.cap)]
    finish: Literal["stop", "length"] = "stop" if tokens and tokens[-1] in ends else "length"
    return Answer(item.question.id, name, decode_answer(tokenizer, tokens), tuple(tokens), finish)
