from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaForCausalLM

from edullama.llm.cached_llama import why_not
from edullama.llm.decoding import ROWS, Request, Written, decode, draw
from tests.llm.tiny import make_llama

ENDS = range(0, 320, 8)  # so many that answers end after all kinds of lengths
START = [7, 300, 12, 5]  # that every prompt has


def make_requests(count: int, cap: int = 8, seed: int = 0) -> list[Request]:
    """Prompts of 5 to 24 tokens, and answers of up to `cap` and a few."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 21, (count,), generator=generator).tolist()
    prompts = [START + torch.randint(1, 320, (length,), generator=generator).tolist() for length in lengths]
    return [Request(prompt, cap + number % 5) for number, prompt in enumerate(prompts)]


def decode_all(model: LlamaForCausalLM, requests: list[Request], **options: Any) -> dict[int, Written]:
    return {number: written for group in decode(model, requests, ENDS, **options) for number, written in group}


def greedy(model: LlamaForCausalLM, request: Request) -> list[int]:
    """The slow way: the whole text again for every token, no cache, no batch."""
    tokens = list(request.prompt)
    for _ in range(request.cap):
        tokens.append(int(model(torch.tensor([tokens]), use_cache=False).logits[0, -1].argmax()))
        if tokens[-1] in ENDS:
            break
    return tokens[len(request.prompt) :]


VARIANTS: dict[str, dict[str, Any]] = {
    "grouped heads, tied head": {},
    "as many keys as queries": {"num_key_value_heads": 4},
    "one head of keys": {"num_key_value_heads": 1},
    "own head": {"tie_word_embeddings": False},
    "wide heads": {"head_dim": 32},
    "Llama 3's angles": {
        "rope_parameters": {
            "rope_type": "llama3", "rope_theta": 500.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 16,
        }
    },
}  # fmt: skip


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_answers_are_those_of_one_question_at_a_time_without_a_cache(changes: dict[str, Any]) -> None:
    model, requests = make_llama(**changes), make_requests(24)
    assert why_not(model) is None
    written = decode_all(model, requests)
    assert [written[number].tokens for number in range(24)] == [greedy(model, request) for request in requests]
    assert len({len(own.tokens) for own in written.values()}) > 5  # places become free at all times


def test_more_questions_than_rows_are_all_answered_and_places_of_finished_ones_are_taken(
    llama: LlamaForCausalLM,
) -> None:
    requests = make_requests(ROWS * 2 + 17)
    written = decode_all(llama, requests)
    assert sorted(written) == list(range(len(requests)))
    for number in range(0, len(requests), 20):
        assert written[number].tokens == greedy(llama, requests[number])


def test_states_are_those_that_predict_each_token(llama: LlamaForCausalLM) -> None:
    requests = make_requests(30)
    for number, written in decode_all(llama, requests).items():
        prompt = list(requests[number].prompt)
        states = llama.model(torch.tensor([prompt + written.tokens])).last_hidden_state[0, len(prompt) - 1 : -1]
        torch.testing.assert_close(written.states, states, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_run_that_goes_on_writes_the_very_rest_of_a_whole_one(llama: LlamaForCausalLM, temperature: float) -> None:
    requests = make_requests(ROWS + 60)
    if temperature:
        draws = torch.rand(len(requests), 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        requests = [Request(own.prompt, own.cap, row[: own.cap]) for own, row in zip(requests, draws, strict=True)]
    whole: dict[int, Written] = {}
    order: list[int] = []
    for group in decode(llama, requests, ENDS, temperature):
        whole |= dict(group)
        order += [number for number, _ in group]
    for finished in (1, 100, len(requests) - 1, len(requests)):
        known = {number: len(whole[number].tokens) for number in order[:finished]}
        rest = decode_all(llama, requests, temperature=temperature, known=known)
        assert sorted(rest) == sorted(order[finished:])
        for number, written in rest.items():
            assert written.tokens == whole[number].tokens
            assert torch.equal(written.states, whole[number].states)


def test_what_is_asked_beside_it_changes_no_answer(llama: LlamaForCausalLM) -> None:
    requests = make_requests(40)
    together = decode_all(llama, requests)
    for number in (0, 7, 39):
        alone = decode_all(llama, [requests[number]])[0]
        assert alone.tokens == together[number].tokens
        torch.testing.assert_close(alone.states, together[number].states, rtol=1e-4, atol=1e-5)


def test_long_and_short_questions_go_together(llama: LlamaForCausalLM) -> None:
    tokens = torch.randint(1, 320, (900,), generator=torch.Generator().manual_seed(3)).tolist()
    requests = [Request(tokens[:length], 4) for length in (900, 2, 600, 1, 300, 300, 899)]
    written = decode_all(llama, requests)
    for number, request in enumerate(requests):
        assert written[number].tokens == greedy(llama, request)


def test_a_question_asked_twice_is_answered_twice(llama: LlamaForCausalLM) -> None:
    request = make_requests(1)[0]
    written = decode_all(llama, [request, request])
    assert written[0].tokens == written[1].tokens == greedy(llama, request)


def test_a_model_in_training_answers_with_the_weights_it_has_now(llama: LlamaForCausalLM) -> None:
    request = make_requests(1)[0]
    before = decode_all(llama, [request])[0].states
    llama.train()
    llama(torch.tensor([request.prompt]), labels=torch.tensor([request.prompt])).loss.backward()
    torch.optim.SGD(llama.parameters(), lr=1.0).step()
    after = decode_all(llama, [request])[0]
    assert after.tokens == greedy(llama, request)
    assert not torch.allclose(after.states[0], before[0], atol=1e-2)
    assert not after.states.requires_grad


def test_tokens_are_drawn_where_the_summed_probabilities_pass_the_number() -> None:
    logits = torch.tensor([[0.5, 0.0, 0.25, 0.25]]).log().repeat(5, 1)
    draws = torch.tensor([0.0, 0.4999, 0.5, 0.76, 1 - 1e-16], dtype=torch.float64)
    assert draw(logits, 1.0, draws).tolist() == [0, 0, 2, 3, 3]
    # at temperature 0.5 they are squared: 0.25, 0, 0.0625, 0.0625 of 0.375
    assert draw(logits[:3], 0.5, torch.tensor([0.66, 0.67, 0.84], dtype=torch.float64)).tolist() == [0, 2, 3]


def adapted(**settings: Any) -> Any:
    """A model with an adapter that changes its answers."""
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM", **settings)
    model = get_peft_model(make_llama(), config).eval()
    generator = torch.Generator().manual_seed(5)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data = torch.randn(weight.shape, generator=generator) * 0.1
    return model


def test_a_model_with_an_adapter_answers_with_it_and_without_it_as_it_does(llama: LlamaForCausalLM) -> None:
    model, requests = adapted(), make_requests(12)
    plain = [greedy(llama, request) for request in requests]
    learnt = [greedy(model, request) for request in requests]
    assert sum(one != other for one, other in zip(plain, learnt, strict=True)) > 6
    assert why_not(model) is None

    def answers() -> list[list[int]]:
        written = decode_all(model, requests)
        return [written[number].tokens for number in range(len(requests))]

    assert answers() == learnt
    with model.disable_adapter():
        assert answers() == plain
    model.merge_adapter()
    assert answers() == learnt


def penalised(model: LlamaForCausalLM) -> LlamaForCausalLM:
    model.generation_config.repetition_penalty = 1.2
    return model


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (make_llama(hidden_act="gelu"), "activation is gelu"),
        (make_llama(attention_bias=True), "biases"),
        (make_llama(mlp_bias=True), "biases"),
        (make_llama().to(torch.bfloat16), "not in fp32"),
        (make_llama().to("meta"), "on meta"),
        (adapted(use_dora=True), "linear layers are of an unknown kind"),
        (adapted(modules_to_save=["lm_head"]), "its head or its embeddings"),
        (make_llama(rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}), "rotary"),
        (penalised(make_llama()), "generation settings"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_it_does_not_know_it_says(model: Any, reason: str) -> None:
    assert reason in str(why_not(model))
