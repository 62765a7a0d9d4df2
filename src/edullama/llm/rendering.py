"""How a question becomes tokens: the model's own chat template, or a plain form where it has none."""

from edullama.llm.models import Tokenizer

PLAIN_PROMPT = "Question: {question}\nAnswer:"


def opening(tokenizer: Tokenizer) -> list[int]:
    """Return the token that every text of this model begins with, or none.

    Llama 2 and 3 were trained so, base models too, and read worse without it; SmolLM2 has no such token. A chat
    template writes it by itself.
    """
    first = list(tokenizer("")["input_ids"])[:1]
    return first if first == [tokenizer.bos_token_id] else []


def render_prompt(tokenizer: Tokenizer, question: str) -> list[int]:
    """Return the token ids that ask a question and end where the answer begins."""
    if tokenizer.chat_template:
        messages = [{"role": "user", "content": question}]
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return list(tokenizer(str(text), add_special_tokens=False)["input_ids"])
    text = PLAIN_PROMPT.format(question=question)
    return opening(tokenizer) + list(tokenizer(text, add_special_tokens=False)["input_ids"])


def render_answer(tokenizer: Tokenizer, answer: str) -> list[int]:
    """Return the token ids of an answer as it follows `render_prompt`, without the end token."""
    if tokenizer.chat_template:
        return list(tokenizer(answer, add_special_tokens=False)["input_ids"])
    # Llama 2's tokenizer puts a space before every text, so that a space of our own would be a second one: the end of
    # the prompt goes before, and is cut off again
    start = PLAIN_PROMPT.rpartition("\n")[2]
    before, whole = (
        list(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in (start, f"{start} {answer}")
    )
    if whole[: len(before)] == before:
        return whole[len(before) :]
    return list(tokenizer(f" {answer}", add_special_tokens=False)["input_ids"])


def decode_answer(tokenizer: Tokenizer, tokens: list[int]) -> str:
    """Return the text of an answer's tokens, special ones left out."""
    return str(tokenizer.decode(tokens, skip_special_tokens=True)).strip()
