"""How a question becomes tokens: the model's own chat template, or a plain form where it has none."""

from edullama.llm.models import Tokenizer

PLAIN_PROMPT = "Question: {question}\nAnswer:"


def render_prompt(tokenizer: Tokenizer, question: str) -> list[int]:
    """Return the token ids that ask a question and end where the answer begins."""
    if tokenizer.chat_template:
        messages = [{"role": "user", "content": question}]
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return list(tokenizer(str(text), add_special_tokens=False)["input_ids"])
    return list(tokenizer(PLAIN_PROMPT.format(question=question))["input_ids"])


def render_answer(tokenizer: Tokenizer, answer: str) -> list[int]:
    """Return the token ids of an answer as it follows `render_prompt`, without the end token."""
    text = answer if tokenizer.chat_template else f" {answer}"
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def decode_answer(tokenizer: Tokenizer, tokens: list[int]) -> str:
    """Return the text of an answer's tokens, special ones left out."""
    return str(tokenizer.decode(tokens, skip_special_tokens=True)).strip()
