import copy
from collections import Counter

import pytest
import torch
from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from edullama.errors import InputError
from edullama.llm import generate
from edullama.llm.batches import Answered
from edullama.llm.cached_llama import why_not
from edullama.llm.generate import Sampling, answer_all, answering_key
from edullama.llm.rendering import render_prompt
from edullama.records import Answer, Question
from tests.llm.tiny import make_llama

QUESTIONS = [
    Question(str(n), "lecture", text) for n, text in enumerate(["What?", "What is a window?", "Where does it lie now?"])
]
MANY = [Question(str(n), "lecture", f"What is entry {n}?") for n in range(generate.BATCH + 8)]
WARM = Sampling(temperature=1.0, seed=3)


def unknown_to_our_loop() -> LlamaForCausalLM:
    """The same model in fp64, which only `generate` answers with."""
    model = make_llama().double()
    assert why_not(model) == "it is not in fp32"
    return model


def greedy(model: LlamaForCausalLM, prompt: list[int], cap: int) -> list[int]:
    """The slow way: the whole text again for every token, no cache, no padding, no batch."""
    tokens = list(prompt)
    for _ in range(cap):
        tokens.append(int(model(torch.tensor([tokens]), use_cache=False).logits[0, -1].argmax()))
        if tokens[-1] == 0:
            break
    return tokens[len(prompt) :]


@pytest.mark.parametrize("make", [make_llama, unknown_to_our_loop])
def test_a_batch_answers_as_each_question_alone_would(make: type, tokenizer: PreTrainedTokenizerFast) -> None:
    model = make()
    answers = answer_all(model, tokenizer, QUESTIONS, [12, 5, 9], "teacher")
    for question, cap, answer in zip(QUESTIONS, [12, 5, 9], answers, strict=True):
        assert list(answer.tokens) == greedy(model, render_prompt(tokenizer, question.text), cap)
        assert answer.question_id == question.id


def test_an_answer_that_reaches_its_cap_is_cut_off_and_says_so(
    llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    answer = answer_all(llama, tokenizer, QUESTIONS[:1], [3], "teacher")[0]
    assert (len(answer.tokens), answer.finish) == (3, "length")


def test_an_answer_that_ends_itself_says_so_and_keeps_its_end_token(
    llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    written = greedy(llama, render_prompt(tokenizer, QUESTIONS[0].text), 12)
    llama.generation_config.eos_token_id = [0, written[4]]
    answer = answer_all(llama, tokenizer, QUESTIONS[:1], [12], "teacher")[0]
    assert answer.finish == "stop"
    assert list(answer.tokens) == written[: written.index(written[4]) + 1]


@pytest.mark.parametrize("make", [make_llama, unknown_to_our_loop])
@pytest.mark.parametrize("sampling", [Sampling(), WARM])
def test_a_resumed_run_asks_only_what_is_missing_and_gives_the_same_answers(
    make: type, sampling: Sampling, tokenizer: PreTrainedTokenizerFast
) -> None:
    model, caps = make(), [6] * len(MANY)
    first: list[Answer] = []
    whole = answer_all(model, tokenizer, MANY, caps, "teacher", keep=first.extend, sampling=sampling)
    again: list[Answer] = []
    done = first[: generate.BATCH]
    resumed = answer_all(model, tokenizer, MANY, caps, "teacher", done=done, keep=again.extend, sampling=sampling)
    assert resumed == whole
    assert len(again) == 8


def test_both_ways_draw_the_same_answers(llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    caps = [8] * len(MANY)
    ours = answer_all(llama, tokenizer, MANY, caps, "teacher", sampling=WARM)
    theirs = answer_all(unknown_to_our_loop(), tokenizer, MANY, caps, "teacher", sampling=WARM)
    assert [answer.tokens for answer in ours] == [answer.tokens for answer in theirs]
    assert ours != answer_all(llama, tokenizer, MANY, caps, "teacher")


def test_what_is_drawn_depends_on_seed_question_and_sample_alone(
    llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    three = Sampling(temperature=1.0, answers=3, seed=3)
    answers = answer_all(llama, tokenizer, QUESTIONS, [8] * 3, "teacher", sampling=three)
    assert [(answer.question_id, answer.sample) for answer in answers] == [(q, n) for q in "012" for n in range(3)]
    assert len({answer.tokens for answer in answers}) == 9
    alone = answer_all(llama, tokenizer, QUESTIONS[1:2], [8], "teacher", sampling=WARM)
    assert alone == answers[3:4]
    other = answer_all(llama, tokenizer, QUESTIONS[1:2], [8], "teacher", sampling=Sampling(temperature=1.0, seed=4))
    assert other[0].tokens != alone[0].tokens


def test_first_tokens_are_drawn_as_often_as_the_model_finds_them_likely(
    llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    count, temperature = 1500, 0.7
    answers = answer_all(
        llama, tokenizer, QUESTIONS[:1], [1], "teacher", sampling=Sampling(temperature=temperature, answers=count)
    )
    logits = llama(torch.tensor([render_prompt(tokenizer, QUESTIONS[0].text)])).logits[0, -1]
    expected = (logits.detach().double() / temperature).softmax(-1)
    drawn = Counter(answer.tokens[0] for answer in answers)
    for token in expected.topk(5).indices.tolist():
        share = float(expected[token])
        assert abs(drawn[token] / count - share) < 4 * (share * (1 - share) / count) ** 0.5


def test_several_greedy_answers_would_be_one_and_are_refused() -> None:
    with pytest.raises(InputError, match="for 3 of them, set a temperature"):
        Sampling(answers=3)


def test_states_are_handed_over_before_the_answers_they_belong_to(
    llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    seen: list[str] = []
    told: dict[tuple[int, ...], Tensor] = {}

    def keep_states(answered: list[Answered], states: list[Tensor]) -> None:
        seen.append(f"{len(answered)} states")
        told.update({tuple(answer): own for (_, answer), own in zip(answered, states, strict=True)})

    answers = answer_all(
        llama, tokenizer, QUESTIONS, [6, 6, 6], "teacher",
        keep=lambda fresh: seen.append(f"{len(fresh)} answers"), keep_states=keep_states,
    )  # fmt: skip
    assert seen == ["3 states", "3 answers"]
    for answer in answers:
        assert (told[answer.tokens] @ llama.lm_head.weight.T).argmax(1).tolist() == list(answer.tokens)


def test_an_answer_says_what_it_rests_on(llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    source = answering_key(llama, tokenizer)
    answers = answer_all(llama, tokenizer, QUESTIONS, [4, 4, 5], "teacher", source=source)
    assert [part.split(":")[0] for part in answers[0].key.split()] == [
        "weights", "tokenizer", "template", "settings", "prompt",
    ]  # fmt: skip
    assert len({answer.key for answer in answers}) == 3
    assert answer_all(llama, tokenizer, QUESTIONS, [4, 4, 5], "teacher", done=answers, source=source) == answers


def test_answers_of_anything_else_are_refused_and_it_is_named(
    llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    source = answering_key(llama, tokenizer)
    answers = answer_all(llama, tokenizer, QUESTIONS, [4] * 3, "teacher", source=source)

    def resume(source: str, cap: int = 4) -> None:
        answer_all(llama, tokenizer, QUESTIONS, [cap] * 3, "teacher", done=answers, source=source)

    with pytest.raises(InputError, match="answer to question 0 was made with another prompt, or another limit"):
        resume(source, cap=5)
    with pytest.raises(InputError, match="with other generation settings than now"):
        resume(answering_key(llama, tokenizer, WARM))
    with torch.no_grad():
        llama.model.layers[2].mlp.up_proj.weight[0, 0] += 1e-6
    with pytest.raises(InputError, match="with other weights than now"):
        resume(answering_key(llama, tokenizer))


def test_other_templates_and_tokenizers_are_other_sources(
    llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    plain, chatty, longer = tokenizer, copy.deepcopy(tokenizer), copy.deepcopy(tokenizer)
    chatty.chat_template = "{{ messages[0]['content'] }}"
    longer.add_tokens(["<new>"])
    keys = [answering_key(llama, own).split() for own in (plain, chatty, longer)]
    differ = [[part.split(":")[0] for part, other in zip(keys[0], key, strict=True) if part != other] for key in keys]
    assert differ == [[], ["template"], ["tokenizer"]]
