"""Answers from a local model: many at a time, greedy or drawn, resumable.

A stock Llama in fp32 on a CPU is decoded by our own loop, any other model by transformers' `generate`.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from transformers import LlamaForCausalLM, LogitsProcessor, LogitsProcessorList

from edullama.errors import InputError
from edullama.llm.batches import Answered, pad_left
from edullama.llm.cached_llama import why_not
from edullama.llm.content_key import answer_key, refuse_other, source_key
from edullama.llm.decoding import Request, decode, draw
from edullama.llm.models import Tokenizer
from edullama.llm.rendering import decode_answer, render_prompt
from edullama.progress import bar
from edullama.records import Answer, Question

BATCH = 32  # questions that `generate` answers together
KEPT = 16  # answers, at least, that are handed over together
VERSION = "transformers_version"  # in generation settings: who wrote them down
Place = tuple[str, int]  # an answer's question, and which of its answers it is
Numbered = tuple[int, list[int], Tensor | None]  # an answer's number, its tokens, and the states that predict them
KeepStates = Callable[[list[Answered], list[Tensor]], None]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How answers are chosen: the likeliest token each time, or drawn. Raises InputError where all would be the same.

    What is drawn depends on seed, question and sample alone, not on what is answered beside it.
    """

    temperature: float = 0.0  # divides the logits; 0: the likeliest token
    answers: int = 1  # to each question
    seed: int = 0

    def __post_init__(self) -> None:
        if self.answers > 1 and not self.temperature:
            raise InputError(f"The likeliest answer is always the same: for {self.answers} of them, set a temperature.")


GREEDY = Sampling()


@dataclass(frozen=True, slots=True)
class Prompted:
    """A question as token ids, the most tokens its answer may have, and which of its answers this is."""

    question: Question
    prompt: list[int]
    cap: int
    sample: int = 0

    @property
    def place(self) -> Place:
        return self.question.id, self.sample


def answer_all(
    model: LlamaForCausalLM,
    tokenizer: Tokenizer,
    questions: Sequence[Question],
    caps: Sequence[int],
    name: str,
    done: Sequence[Answer] = (),
    keep: Callable[[list[Answer]], None] = lambda answers: None,
    *,
    sampling: Sampling = GREEDY,
    source: str = "",
    keep_states: KeepStates | None = None,
) -> list[Answer]:
    """Answer every question, in the given order, a question's answers one after the other; caps are the most tokens.

    `done` came from an interrupted run of the same questions; the other answers are just those of a whole run. `keep`
    receives finished ones. `source`, of `answering_key`, is written into answers; `done` ones of another are refused
    with InputError. `keep_states` receives, before `keep`, the last, normalised states (tokens, hidden) in fp32 that
    predict the tokens of finished answers; not where `generate` answers, which does not tell them.
    """
    prompted = _prompt(tokenizer, questions, caps, sampling)
    answers = {(answer.question_id, answer.sample): answer for answer in done}
    _check_done(prompted, answers, source)
    known = {number: len(answers[item.place].tokens) for number, item in enumerate(prompted) if item.place in answers}
    with bar(f"{name} answers", len(prompted), len(known)) as advance:
        for group in _group(_write(model, tokenizer, prompted, sampling, known)):
            if keep_states:
                _hand_over(prompted, group, keep_states)
            fresh = [_answer(model, tokenizer, prompted[number], tokens, name, source) for number, tokens, _ in group]
            answers |= {(answer.question_id, answer.sample): answer for answer in fresh}
            keep(fresh)
            advance(len(fresh))
    return [answers[question.id, sample] for question in questions for sample in range(sampling.answers)]


def answer_batch(model: LlamaForCausalLM, tokenizer: Tokenizer, batch: Sequence[Prompted], name: str) -> list[Answer]:
    """Answer some questions greedily; each answer ends with the end token, or is cut at its cap."""
    written = {number: tokens for group in _write(model, tokenizer, batch, GREEDY, {}) for number, tokens, _ in group}
    return [_answer(model, tokenizer, item, written[number], name, "") for number, item in enumerate(batch)]


def answering_key(model: LlamaForCausalLM, tokenizer: Tokenizer, sampling: Sampling = GREEDY) -> str:
    """Return what answers rest on, but for their prompts: hashes of weights, tokenizer, template and settings."""
    drawn = [sampling.temperature, sampling.seed] if sampling.temperature else []
    generation = model.generation_config.to_diff_dict()
    generation = {name: value for name, value in generation.items() if name[0] != "_" and name != VERSION}
    settings = {"ends": end_tokens(model, tokenizer), "drawn": drawn, "generation": generation}
    return source_key(model, tokenizer, settings)


def end_tokens(model: LlamaForCausalLM, tokenizer: Tokenizer) -> list[int]:
    """Return the ids that end an answer: the tokenizer's and those the model's generation settings add."""
    configured = model.generation_config.eos_token_id
    extra = configured if isinstance(configured, list) else [configured]
    return sorted({token for token in [tokenizer.eos_token_id, *extra] if token is not None})


def draws_of(item: Prompted, seed: int) -> Tensor:
    """Return the uniform numbers (cap,) that an answer's tokens are drawn with, in float64."""
    digest = hashlib.sha256(f"{seed} {item.question.id} {item.sample}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8]) >> 1)
    return torch.rand(item.cap, generator=generator, dtype=torch.float64)


def _prompt(
    tokenizer: Tokenizer, questions: Sequence[Question], caps: Sequence[int], sampling: Sampling
) -> list[Prompted]:
    """Return what is to be answered, sorted by length and then by id: what is answered together depends on no order."""
    prompts = [(q, render_prompt(tokenizer, q.text), cap) for q, cap in zip(questions, caps, strict=True)]
    prompted = [Prompted(*asked, sample) for asked in prompts for sample in range(sampling.answers)]
    return sorted(prompted, key=lambda item: (len(item.prompt), *item.place))


def _check_done(prompted: Sequence[Prompted], done: Mapping[Place, Answer], source: str) -> None:
    for item in prompted:
        if source and item.place in done:
            now = answer_key(source, item.prompt, item.cap)
            refuse_other(done[item.place].key, now, f"The answer to question {item.question.id}")


def _write(
    model: LlamaForCausalLM,
    tokenizer: Tokenizer,
    prompted: Sequence[Prompted],
    sampling: Sampling,
    known: Mapping[int, int],
) -> Iterator[list[Numbered]]:
    """Yield the answers that are not known, as they are finished; of known ones, by number, the length is told."""
    if why_not(model) is not None:
        yield from _generate(model, tokenizer, prompted, sampling, known)
        return
    drawn = sampling.temperature > 0
    requests = [Request(item.prompt, item.cap, draws_of(item, sampling.seed) if drawn else None) for item in prompted]
    for group in decode(model, requests, end_tokens(model, tokenizer), sampling.temperature, known):
        yield [(number, written.tokens, written.states) for number, written in group]


def _generate(
    model: LlamaForCausalLM,
    tokenizer: Tokenizer,
    prompted: Sequence[Prompted],
    sampling: Sampling,
    known: Mapping[int, int],
) -> Iterator[list[Numbered]]:
    """The same through `generate`. Batches depend on what is asked alone, as padding moves the last digits of logits:
    a batch of which some answer is not known is answered as a whole."""
    for start in range(0, len(prompted), BATCH):
        numbers = range(start, min(start + BATCH, len(prompted)))
        if not all(number in known for number in numbers):
            written = _generate_batch(model, tokenizer, [prompted[number] for number in numbers], sampling)
            pairs = zip(numbers, written, strict=True)
            yield [(number, tokens, None) for number, tokens in pairs if number not in known]


@torch.inference_mode()
def _generate_batch(
    model: LlamaForCausalLM, tokenizer: Tokenizer, batch: Sequence[Prompted], sampling: Sampling
) -> list[list[int]]:
    tokens, mask = pad_left([item.prompt for item in batch], tokenizer.pad_token_id)
    drawing = [_Drawing(batch, sampling, tokens.shape[1])] if sampling.temperature else []
    out = model.generate(
        input_ids=tokens.to(model.device),
        attention_mask=mask.to(model.device),
        max_new_tokens=max(item.cap for item in batch),
        do_sample=False,
        logits_processor=LogitsProcessorList(drawing),
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=end_tokens(model, tokenizer),
    )
    ends = end_tokens(model, tokenizer)
    written = zip(batch, out[:, tokens.shape[1] :].tolist(), strict=True)
    return [_cut(row, item.cap, ends) for item, row in written]


class _Drawing(LogitsProcessor):
    """Leaves one token possible in each row: the one that is drawn."""

    def __init__(self, batch: Sequence[Prompted], sampling: Sampling, longest_prompt: int) -> None:
        draws = [draws_of(item, sampling.seed) for item in batch]
        self.draws = torch.nn.utils.rnn.pad_sequence(draws, batch_first=True)
        self.temperature, self.longest_prompt = sampling.temperature, longest_prompt

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        draws = self.draws[:, input_ids.shape[1] - self.longest_prompt].to(scores.device)
        drawn = draw(scores, self.temperature, draws)
        return torch.full_like(scores, -torch.inf).scatter_(1, drawn[:, None], 0.0)


def _cut(row: list[int], cap: int, ends: Sequence[int]) -> list[int]:
    """Return a row up to its first end token, or its cap."""
    length = next((place + 1 for place, token in enumerate(row) if token in ends), len(row))
    return row[: min(length, cap)]


def _group(batches: Iterable[list[Numbered]]) -> Iterator[list[Numbered]]:
    """Yield finished answers, some at a time."""
    group: list[Numbered] = []
    for batch in batches:
        group += batch
        if len(group) >= KEPT:
            yield group
            group = []
    if group:
        yield group


def _hand_over(prompted: Sequence[Prompted], group: Sequence[Numbered], keep_states: KeepStates) -> None:
    told = [((prompted[number].prompt, tokens), states) for number, tokens, states in group if states is not None]
    if told:
        keep_states([answered for answered, _ in told], [states for _, states in told])


def _answer(
    model: LlamaForCausalLM, tokenizer: Tokenizer, item: Prompted, tokens: list[int], name: str, source: str
) -> Answer:
    finish: Literal["stop", "length"] = "stop" if tokens and tokens[-1] in end_tokens(model, tokenizer) else "length"
    text, key = decode_answer(tokenizer, tokens), answer_key(source, item.prompt, item.cap) if source else ""
    return Answer(item.question.id, name, text, tuple(tokens), finish, item.sample, key)
