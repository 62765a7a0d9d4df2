from collections.abc import Sequence

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from edullama.llm.blocks import Texts, lay_out
from edullama.llm.ffn_width import narrow_ffns, narrow_width, unit_norms
from edullama.llm.layers import check_student
from edullama.llm.models import count_parameters
from edullama.llm.rendering import render_prompt
from edullama.records import Answer, Question
from tests.llm.tiny import make_llama

QUESTIONS = [Question("a", "one", "What is a window?", "card"), Question("b", "one", "Where is the adapter?", "card")]
ANSWERS = [Answer("a", "teacher", "", (30, 7, 99), "stop"), Answer("b", "teacher", "", (5, 60), "stop")]


@pytest.fixture
def texts(tokenizer: PreTrainedTokenizerFast) -> list[Texts]:
    return lay_out(tokenizer, QUESTIONS, ANSWERS)


@pytest.mark.parametrize(
    ("width", "share", "kept"), [(1536, 0.75, 1152), (1536, 0.7, 1088), (128, 0.01, 32), (128, 1.0, 128), (16, 0.5, 16)]
)
def test_a_width_is_whole_blocks_of_what_quantised_formats_pack(width: int, share: float, kept: int) -> None:
    assert narrow_width(width, share) == kept


@pytest.mark.parametrize("changes", [{}, {"mlp_bias": True}], ids=["plain", "biases"])
def test_a_narrow_model_says_what_the_wide_one_says_with_the_other_units_silenced(
    texts: Sequence[Texts], changes: dict[str, bool]
) -> None:
    wide = make_llama(**changes)
    norms = unit_norms(wide, texts)
    narrow = narrow_ffns(wide, norms, 96)
    with torch.no_grad():
        for layer, own in zip(wide.model.layers, norms, strict=True):
            layer.mlp.down_proj.weight[:, own.argsort()[:32]] = 0
    tokens = torch.arange(20).reshape(2, 10)
    assert torch.allclose(narrow(tokens).logits, wide(tokens).logits, atol=1e-5)


def test_a_narrow_model_is_a_stock_one_that_passes_the_checks_of_students(texts: Sequence[Texts]) -> None:
    wide = make_llama()
    narrow = narrow_ffns(wide, unit_norms(wide, texts), 64)
    assert max(check_student(narrow).values()) < 1e-4
    assert narrow.config.intermediate_size == 64
    assert count_parameters(wide) - count_parameters(narrow) == 4 * 3 * 64 * 64  # layers, matrices, hidden, units gone


def test_a_units_norm_is_that_of_what_it_adds_at_answer_tokens(
    texts: Sequence[Texts], tokenizer: PreTrainedTokenizerFast
) -> None:
    model = make_llama()
    layer, seen = model.model.layers[0], []
    layer.mlp.down_proj.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    norms = unit_norms(model, texts)[0]
    seen.clear()
    for question, answer in zip(QUESTIONS, ANSWERS, strict=True):
        prompt = render_prompt(tokenizer, question.text)
        with torch.inference_mode():
            model(input_ids=torch.tensor([[*prompt, *answer.tokens]]))
        seen[-1] = seen[-1][0, len(prompt) - 1 : -1]
    added = torch.cat(seen)[:, :, None] * layer.mlp.down_proj.weight.T[None]  # (answer token, unit, hidden)
    assert torch.allclose(norms, added.square().sum(dim=(0, 2)).sqrt(), rtol=1e-4)


def test_hooks_do_not_stay(texts: Sequence[Texts]) -> None:
    model = make_llama()
    unit_norms(model, texts)
    assert not model.model.layers[0].mlp.down_proj._forward_pre_hooks
