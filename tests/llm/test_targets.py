from pathlib import Path

import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from edullama.errors import InputError
from edullama.llm.generate import answer_all
from edullama.llm.losses import forward_kl
from edullama.llm.rendering import render_prompt
from edullama.llm.targets import load_targets, save_targets
from edullama.records import Answer, Question
from tests.llm.tiny import make_llama

QUESTIONS = [Question(str(n), "lecture", f"What is entry {n}{' of this lecture' * (n % 3)}?") for n in range(20)]


@pytest.fixture
def answers(llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> list[Answer]:
    return answer_all(llama, tokenizer, QUESTIONS, [8] * len(QUESTIONS), "teacher")


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_stored_states_give_back_all_probabilities_of_every_answer_token(
    llama: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    answers: list[Answer],
    tmp_path: Path,
    temperature: float,
) -> None:
    save_targets(llama, tokenizer, QUESTIONS, answers, tmp_path)
    targets = load_targets(tmp_path)
    for question, answer in zip(QUESTIONS, answers, strict=True):
        prompt = render_prompt(tokenizer, question.text)
        live = llama(torch.tensor([prompt + list(answer.tokens)])).logits[0, len(prompt) - 1 : -1]
        stored = targets[question.id].float() @ llama.lm_head.weight.T
        assert forward_kl(stored, live, temperature).max() < 1e-4  # what fp16 costs


def test_a_token_takes_two_bytes_a_dimension(
    llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, answers: list[Answer], tmp_path: Path
) -> None:
    save_targets(llama, tokenizer, QUESTIONS, answers, tmp_path)
    states = load_targets(tmp_path)
    stored = sum(state.numel() * state.element_size() for state in states.values())
    assert stored == 2 * 64 * sum(len(answer.tokens) for answer in answers)


def test_a_shard_that_is_there_is_not_computed_again(
    llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, answers: list[Answer], tmp_path: Path
) -> None:
    save_targets(llama, tokenizer, QUESTIONS, answers, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    (tmp_path / "targets-00001.safetensors").unlink()
    save_targets(llama, tokenizer, QUESTIONS, answers, tmp_path)
    assert sorted(before) == sorted(tmp_path.iterdir())
    assert (tmp_path / "targets-00000.safetensors").stat().st_mtime_ns == before[tmp_path / "targets-00000.safetensors"]


def test_states_beyond_fp16_are_refused(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    broken = make_llama()
    with torch.no_grad():
        broken.model.norm.weight.fill_(1e6)
    answer = Answer("0", "teacher", "x", (5, 6), "length")
    with pytest.raises(InputError, match="fp16"):
        save_targets(broken, tokenizer, QUESTIONS[:1], [answer], tmp_path)
