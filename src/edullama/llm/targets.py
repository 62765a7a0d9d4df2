"""The teacher's soft targets on disk: its last hidden state at every answer token.

With the frozen head that state gives back all token probabilities, for any temperature and divergence, at 2 bytes a
dimension: 1,152 bytes a token for SmolLM2-135M instead of 196,608 for its fp32 logits.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import LlamaForCausalLM

from edullama.errors import InputError
from edullama.llm.batches import pad_right, predicting_positions
from edullama.llm.models import Tokenizer
from edullama.llm.rendering import render_prompt
from edullama.progress import bar
from edullama.records import Answer, Question

BATCH = 16
FP16_MAX = 65504.0  # the largest fp16; normalised states stay far below


def save_targets(
    teacher: LlamaForCausalLM,
    tokenizer: Tokenizer,
    questions: Sequence[Question],
    answers: Sequence[Answer],
    folder: Path,
) -> None:
    """Write folder/targets-N.safetensors: for each question id the fp16 states (answer token, hidden) that predict
    its answer's tokens. A shard that is there is kept. Raises InputError where a state does not fit fp16."""
    folder.mkdir(parents=True, exist_ok=True)
    pairs = list(zip(questions, answers, strict=True))
    with bar("teacher's targets", len(pairs)) as advance:
        for start in range(0, len(pairs), BATCH):
            shard, batch = folder / f"targets-{start // BATCH:05d}.safetensors", pairs[start : start + BATCH]
            if not shard.exists():
                states = answer_states(teacher, tokenizer, batch)
                save_file(states, shard.with_suffix(".writing"))
                shard.with_suffix(".writing").rename(shard)
            advance(len(batch))


def load_targets(folder: Path) -> dict[str, Tensor]:
    """Return the states (answer token, hidden) of every question id."""
    targets: dict[str, Tensor] = {}
    for shard in sorted(folder.glob("targets-*.safetensors")):
        targets |= load_file(shard)
    return targets


@torch.inference_mode()
def answer_states(
    teacher: LlamaForCausalLM, tokenizer: Tokenizer, pairs: Sequence[tuple[Question, Answer]]
) -> dict[str, Tensor]:
    """Return by question id the teacher's final, normalised states (answer token, hidden) in fp16, on the CPU."""
    prompts = [render_prompt(tokenizer, question.text) for question, _ in pairs]
    written = [list(answer.tokens) for _, answer in pairs]
    tokens, mask, scored = pad_right(prompts, written, tokenizer.pad_token_id)
    out = teacher.model(input_ids=tokens.to(teacher.device), attention_mask=mask.to(teacher.device))
    states = out.last_hidden_state[predicting_positions(scored).to(teacher.device)]
    if not states.abs().max() <= FP16_MAX:
        raise InputError("The teacher's hidden states do not fit fp16: it is broken, or no Llama.")
    parts = states.half().cpu().split([len(row) for row in written])
    return {question.id: part.clone() for (question, _), part in zip(pairs, parts, strict=True)}
