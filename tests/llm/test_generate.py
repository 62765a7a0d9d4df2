import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from edullama.llm import generate
from edullama.llm.generate import answer_all
from edullama.llm.rendering import render_prompt
from edullama.records import Answer, Question

QUESTIONS = [
    Question(str(n), "lecture", text) for n, text in enumerate(["What?", "What is a window?", "Where does it lie now?"])
]


def greedy(model: LlamaForCausalLM, prompt: list[int], cap: int) -> list[int]:
    """The slow way: the whole text again for every token, no cache, no padding, no batch."""
    tokens = list(prompt)
    for _ in range(cap):
        tokens.append(int(model(torch.tensor([tokens]), use_cache=False).logits[0, -1].argmax()))
        if tokens[-1] == 0:
            break
    return tokens[len(prompt) :]


def test_a_padded_batch_answers_as_each_question_alone_would(
    llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    answers = answer_all(llama, tokenizer, QUESTIONS, [12, 5, 9], "teacher")
    for question, cap, answer in zip(QUESTIONS, [12, 5, 9], answers, strict=True):
        assert list(answer.tokens) == greedy(llama, render_prompt(tokenizer, question.text), cap)
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


def test_a_resumed_run_asks_only_what_is_missing_and_gives_the_same_answers(
    llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    many = [Question(str(n), "lecture", f"What is entry {n}?") for n in range(generate.BATCH + 8)]
    caps = [6] * len(many)
    first: list[Answer] = []
    whole = answer_all(llama, tokenizer, many, caps, "teacher", keep=first.extend)
    again: list[Answer] = []
    resumed = answer_all(llama, tokenizer, many, caps, "teacher", done=first[: generate.BATCH], keep=again.extend)
    assert resumed == whole
    assert len(again) == 8
