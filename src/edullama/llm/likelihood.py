"""How surprised a model is by a card's reference answer."""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import LlamaForCausalLM

from edullama.llm.batches import pad_right, predicting_positions
from edullama.llm.models import Tokenizer
from edullama.llm.rendering import render_answer, render_prompt
from edullama.progress import bar
from edullama.records import Card, ReferenceLoss

BATCH = 16


@torch.inference_mode()
def reference_losses(
    model: LlamaForCausalLM, tokenizer: Tokenizer, cards: Sequence[Card], name: str
) -> list[ReferenceLoss]:
    """Return the mean loss, in nats per token, of each card's reference given its question. The end token is left out:
    how an answer stops is style, not knowledge."""
    losses = []
    with bar(f"{name} reads references", len(cards)) as advance:
        for start in range(0, len(cards), BATCH):
            batch = cards[start : start + BATCH]
            losses += _batch_losses(model, tokenizer, batch, name)
            advance(len(batch))
    return losses


def _batch_losses(
    model: LlamaForCausalLM, tokenizer: Tokenizer, cards: Sequence[Card], name: str
) -> list[ReferenceLoss]:
    prompts = [render_prompt(tokenizer, card.question) for card in cards]
    answers = [render_answer(tokenizer, card.reference) for card in cards]
    tokens, mask, scored = pad_right(prompts, answers, tokenizer.pad_token_id)
    nats = token_losses(model, tokens.to(model.device), mask.to(model.device), scored.to(model.device))
    per_card = nats.split([len(answer) for answer in answers])
    return [
        ReferenceLoss(card.id, name, float(part.double().mean()), len(part))
        for card, part in zip(cards, per_card, strict=True)
    ]


def token_losses(model: LlamaForCausalLM, tokens: Tensor, mask: Tensor, scored: Tensor) -> Tensor:
    """Return the losses (n,) in nats of the scored tokens, row by row; tokens, mask and scored are (batch, token).

    Only positions that predict a scored token pass the head.
    """
    predicting = predicting_positions(scored)
    logits = model(input_ids=tokens, attention_mask=mask, logits_to_keep=predicting).logits.squeeze(0)
    return torch.nn.functional.cross_entropy(logits.float(), tokens[scored], reduction="none")


@torch.inference_mode()
def next_token_logprobs(model: LlamaForCausalLM, prompt: Sequence[int]) -> list[float]:
    """Return the log-probability, in nats, of every token of the vocabulary after the prompt."""
    logits = model(input_ids=torch.tensor([list(prompt)], device=model.device), logits_to_keep=1).logits
    return logits[0, -1].float().log_softmax(-1).tolist()
