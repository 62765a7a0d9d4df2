"""Questions, answers and windows as tokens, for tokenizers like those of Llama 2, Llama 3 and SmolLM2."""

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from edullama.llm.qlora import tokenize_window
from edullama.llm.rendering import decode_answer, opening, render_answer, render_prompt
from edullama.records import Window
from tests.llm.tiny import TEXT

QUESTION, ANSWER = "What is a window?", "Four entries of one lecture"
CHAT = "{{ bos_token }}{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}[assistant]"


def like_llama_2() -> PreTrainedTokenizerFast:
    """SentencePiece's ways: a space before every text, spaces as ▁, <s> before the first token."""
    bpe = Tokenizer(models.BPE(unk_token="<unk>"))
    bpe.pre_tokenizer = pre_tokenizers.Metaspace()  # in training alone: no token reaches beyond a word
    sample = [*TEXT, "Question: Answer: Four entries", QUESTION, ANSWER, "\n"]
    bpe.train_from_iterator(sample, trainers.BpeTrainer(vocab_size=200, special_tokens=["<unk>", "<s>", "</s>"]))
    bpe.pre_tokenizer = None
    bpe.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    bpe.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return begun_with(bpe, "<s>", "</s>")


def like_llama_3() -> PreTrainedTokenizerFast:
    """A byte-level BPE with <|begin_of_text|> before the first token."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    special = ["<|begin_of_text|>", "<|end_of_text|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        TEXT, trainers.BpeTrainer(vocab_size=320, special_tokens=special, initial_alphabet=alphabet)
    )
    return begun_with(bpe, *special)


def begun_with(bpe: Tokenizer, begin: str, end: str) -> PreTrainedTokenizerFast:
    bpe.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A", special_tokens=[(begin, bpe.token_to_id(begin))]
    )
    return PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token=begin, eos_token=end)


@pytest.mark.parametrize("make", [like_llama_2, like_llama_3])
def test_llamas_texts_begin_with_their_begin_token_once(make: type[PreTrainedTokenizerFast]) -> None:
    tokenizer = make()
    begin = tokenizer.bos_token_id
    assert opening(tokenizer) == [begin]
    prompt = render_prompt(tokenizer, QUESTION)
    assert prompt[0] == begin
    assert begin not in prompt[1:]
    assert tokenizer.decode(prompt, skip_special_tokens=True) == "Question: What is a window?\nAnswer:"


@pytest.mark.parametrize("make", [like_llama_2, like_llama_3])
def test_every_piece_of_a_window_begins_so_and_no_token_is_lost(make: type[PreTrainedTokenizerFast]) -> None:
    tokenizer = make()
    window = Window("w", "l", TEXT[0], ())
    rows = tokenize_window(tokenizer, window, 8)
    assert len(rows) > 1
    assert all(row["prompt"] == [tokenizer.bos_token_id] for row in rows)
    assert max(len(row["prompt"]) + len(row["answer"]) for row in rows) == 8
    learnt = [token for row in rows for token in row["answer"]]
    assert learnt == [*tokenizer(TEXT[0], add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]


def test_smollm2s_texts_begin_with_nothing(tokenizer: PreTrainedTokenizerFast) -> None:
    """SmolLM2 has a begin token, <|im_start|>, and does not put it before texts."""
    tokenizer.bos_token = "<|end|>"
    try:
        assert opening(tokenizer) == []
        assert tokenizer.decode(render_prompt(tokenizer, QUESTION)) == "Question: What is a window?\nAnswer:"
    finally:
        tokenizer.bos_token = None


@pytest.mark.parametrize("make", [like_llama_2, like_llama_3])
def test_an_answer_has_the_tokens_that_follow_the_prompt_in_one_text(make: type[PreTrainedTokenizerFast]) -> None:
    """Llama 2's tokenizer would put a second space before an answer that has one."""
    tokenizer = make()
    whole = tokenizer(f"Question: {QUESTION}\nAnswer: {ANSWER}")["input_ids"]
    answer = render_answer(tokenizer, ANSWER)
    assert render_prompt(tokenizer, QUESTION) + answer == whole
    assert decode_answer(tokenizer, answer) == ANSWER


@pytest.mark.parametrize("make", [like_llama_2, like_llama_3])
def test_a_chat_template_writes_the_begin_token_itself(make: type[PreTrainedTokenizerFast]) -> None:
    tokenizer = make()
    tokenizer.chat_template = CHAT
    prompt = render_prompt(tokenizer, QUESTION)
    assert prompt.count(tokenizer.bos_token_id) == 1
    assert prompt[0] == tokenizer.bos_token_id
