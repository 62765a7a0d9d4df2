"""How surprised a model is by a text: a card's reference answer, another card's, or plain prose."""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import LlamaForCausalLM

from edullama.llm.batches import pad_right, predicting_positions
from edullama.llm.models import Tokenizer
from edullama.llm.rendering import render_answer, render_prompt
from edullama.progress import bar
from edullama.records import Card, CrossLoss, ReferenceLoss

BATCH = 16
NEUTRAL = "Say something."  # a prompt that asks nothing: what an answer is worth by itself
Asked = tuple[list[int], list[int]]  # token ids of a prompt and of what follows it


def reference_losses(
    model: LlamaForCausalLM, tokenizer: Tokenizer, cards: Sequence[Card], name: str
) -> list[ReferenceLoss]:
    """Return the mean loss, in nats per token, of each card's reference given its question. The end token is left out:
    how an answer stops is style, not knowledge."""
    asked = [(render_prompt(tokenizer, card.question), render_answer(tokenizer, card.reference)) for card in cards]
    losses = mean_losses(model, tokenizer, asked, f"{name} reads references")
    return [
        ReferenceLoss(card.id, name, loss, len(answer))
        for card, (_, answer), loss in zip(cards, asked, losses, strict=True)
    ]


def cross_losses(
    model: LlamaForCausalLM,
    tokenizer: Tokenizer,
    cards: Sequence[Card],
    pairs: Sequence[tuple[str, str]],
    name: str,
) -> list[CrossLoss]:
    """Return the loss of the second card's reference after the first one's question; ids, "" for a neutral prompt."""
    questions = {"": NEUTRAL} | {card.id: card.question for card in cards}
    prompts = {one: render_prompt(tokenizer, question) for one, question in questions.items()}
    answers = {card.id: render_answer(tokenizer, card.reference) for card in cards}
    asked = [(prompts[one], answers[other]) for one, other in pairs]
    losses = mean_losses(model, tokenizer, asked, f"{name} compares references")
    return [
        CrossLoss(one, other, name, loss, len(answers[other])) for (one, other), loss in zip(pairs, losses, strict=True)
    ]


def text_losses(model: LlamaForCausalLM, tokenizer: Tokenizer, texts: Sequence[str], label: str) -> list[float]:
    """Return the mean loss, in nats per token, of plain texts; the first token of each has nothing to follow from."""
    tokens = [list(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]
    return mean_losses(model, tokenizer, [(own[:1], own[1:]) for own in tokens], label)


@torch.inference_mode()
def mean_losses(model: LlamaForCausalLM, tokenizer: Tokenizer, asked: Sequence[Asked], label: str) -> list[float]:
    """Return the mean loss, in nats per token, of what follows each prompt; alike lengths share a batch."""
    order = sorted(range(len(asked)), key=lambda number: len(asked[number][0]) + len(asked[number][1]))
    losses = [0.0] * len(asked)
    with bar(label, len(asked)) as advance:
        for start in range(0, len(order), BATCH):
            numbers = order[start : start + BATCH]
            for number, nats in zip(numbers, _losses(model, tokenizer, [asked[n] for n in numbers]), strict=True):
                losses[number] = float(nats.double().mean())
            advance(len(numbers))
    return losses


def _losses(model: LlamaForCausalLM, tokenizer: Tokenizer, asked: Sequence[Asked]) -> list[Tensor]:
    prompts, answers = [prompt for prompt, _ in asked], [answer for _, answer in asked]
    tokens, mask, scored = pad_right(prompts, answers, tokenizer.pad_token_id)
    nats = token_losses(model, tokens.to(model.device), mask.to(model.device), scored.to(model.device))
    return list(nats.split([len(answer) for answer in answers]))


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
