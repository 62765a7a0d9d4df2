"""Questions with their answers, passed through some of a model's blocks.

Texts are padded on the right: under a causal mask none sees the padding behind it. Only the outputs that predict an
answer token count, and only they pass the head.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import LlamaForCausalLM
from transformers.masking_utils import create_causal_mask

from edullama.llm.batches import pad_right, predicting_positions
from edullama.llm.models import Tokenizer
from edullama.llm.rendering import render_prompt
from edullama.records import Answer, Question

BATCH = 4  # texts: less padding, and a search can leave off after any batch


@dataclass(frozen=True, slots=True)
class Texts:
    """Questions with their answers, of about one length."""

    ids: tuple[str, ...]  # of the questions
    tokens: Tensor  # (text, token)
    predicting: Tensor  # (text, token) bool: whose output predicts an answer token

    @property
    def lengths(self) -> list[int]:
        """Answer tokens of each text."""
        return self.predicting.sum(1).tolist()


def lay_out(tokenizer: Tokenizer, questions: Sequence[Question], answers: Sequence[Answer]) -> list[Texts]:
    """Return questions and their answers in batches, sorted by length. Answers without a token are left out."""
    rows = [
        (question.id, render_prompt(tokenizer, question.text), list(answer.tokens))
        for question, answer in zip(questions, answers, strict=True)
        if answer.tokens
    ]
    rows.sort(key=lambda row: (len(row[1]) + len(row[2]), row[0]))
    batches = []
    for start in range(0, len(rows), BATCH):
        ids, prompts, written = zip(*rows[start : start + BATCH], strict=True)
        tokens, _, scored = pad_right(prompts, written, tokenizer.pad_token_id)
        batches.append(Texts(ids, tokens, predicting_positions(scored)))
    return batches


class Passage:
    """A batch of texts on its way: where it starts, and what every block needs to know of it."""

    def __init__(self, model: LlamaForCausalLM, tokens: Tensor) -> None:
        tokens = tokens.to(model.device)
        self.start: Tensor = model.model.embed_tokens(tokens)  # (text, token, hidden)
        places = torch.arange(tokens.shape[1], device=model.device)[None]
        self.waves = model.model.rotary_emb(self.start, position_ids=places)
        self.mask = create_causal_mask(
            config=model.config, inputs_embeds=self.start, attention_mask=None, past_key_values=None
        )

    def through(self, layers: Sequence[nn.Module], hidden: Tensor) -> Tensor:
        """Return hidden states (text, token, hidden) after some blocks."""
        for layer in layers:
            hidden = layer(hidden, attention_mask=self.mask, position_embeddings=self.waves)
        return hidden

    def states(self, layers: Sequence[nn.Module], hidden: Tensor) -> list[Tensor]:
        """Return hidden states (text, token, hidden) before each of some blocks, and after the last."""
        states = [hidden]
        for layer in layers:
            states.append(self.through([layer], states[-1]))
        return states
