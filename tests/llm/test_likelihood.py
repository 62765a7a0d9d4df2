import math

import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from edullama.llm.batches import pad_right, predicting_positions
from edullama.llm.likelihood import reference_losses
from edullama.llm.rendering import render_answer, render_prompt
from edullama.records import Card

CARDS = [
    Card("a", "l", "What is a window?", "Four entries.", "cards.tsv"),
    Card(
        "b", "l", "Where does the adapter lie, and why there?", "In its folder, where the stage puts it.", "cards.tsv"
    ),
]


def test_a_reference_loss_is_the_mean_surprise_of_its_tokens_alone(
    llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    for card, loss in zip(CARDS, reference_losses(llama, tokenizer, CARDS, "base"), strict=True):
        prompt, answer = render_prompt(tokenizer, card.question), render_answer(tokenizer, card.reference)
        logits = llama.double()(torch.tensor([prompt + answer])).logits[0].log_softmax(-1).tolist()
        expected = -sum(logits[len(prompt) + n - 1][token] for n, token in enumerate(answer)) / len(answer)
        llama.float()
        assert loss.tokens == len(answer)
        assert loss.nats == pytest.approx(expected, abs=1e-4)


def test_a_model_that_knows_nothing_loses_the_log_of_the_vocabulary(
    llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    with torch.no_grad():
        llama.model.norm.weight.zero_()  # all logits are 0 now
    assert reference_losses(llama, tokenizer, CARDS, "base")[0].nats == pytest.approx(math.log(320))


def test_answers_are_predicted_from_one_position_before() -> None:
    _, _, scored = pad_right([[7, 8], [9]], [[1, 2], [3]], pad_token_id=0)
    assert scored.tolist() == [[False, False, True, True], [False, True, False, False]]
    assert predicting_positions(scored).tolist() == [[False, True, True, False], [True, False, False, False]]
