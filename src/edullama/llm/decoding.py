"""Answers token by token on a CPU: many at a time, and a finished one's place is taken by the next.

transformers' `generate` waits for a batch's longest answer, computes paddings, and copies its cache at every token.
Here a step multiplies each weight once, with one token of every row at work and all tokens of prompts that come in.

A step's last digits depend on how many rows it has. A run that goes on after an interruption therefore makes the steps
of the whole run: a known answer keeps its row for as many steps as it has tokens, and steps with none but known answers
are passed over.
"""

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from transformers import LlamaForCausalLM

from edullama.llm.cached_llama import CachedLlama, Step, row_bytes, unwrap

ROWS = 144  # answers written at the same time: with more, products are hardly faster
CACHE_BYTES = 2**30  # of keys, values and states: larger models get fewer rows
PROMPT_TOKENS = 2048  # of prompts that are read in one step
SHORTEST_WAVE = 256  # tokens of prompt and answer; longer ones go apart, as the longest row sets the size of all


@dataclass(frozen=True, slots=True)
class Request:
    """A prompt (token ids), the most tokens of its answer, and the numbers that these are drawn with.

    `draws` (cap,) are uniform between 0 and 1, in float64; None: the likeliest token is taken.
    """

    prompt: Sequence[int]
    cap: int
    draws: Tensor | None = None

    @property
    def length(self) -> int:
        return len(self.prompt) + self.cap


@dataclass(frozen=True, slots=True)
class Written:
    """An answer's tokens, its end included, and the last, normalised states (tokens, hidden) that predict them."""

    tokens: list[int]
    states: Tensor


Finished = list[tuple[int, Written]]  # with their requests' numbers


@torch.no_grad()
def decode(
    model: LlamaForCausalLM,
    requests: Sequence[Request],
    ends: Sequence[int],
    temperature: float = 0.0,
    known: Mapping[int, int] | None = None,
) -> Iterator[Finished]:
    """Yield answers as they are finished; `ends` are the tokens that end one, and `temperature` goes with `draws`.

    The model has to be one that `why_not` knows. `known` tells, by number, how many tokens the answers have that an
    earlier run of the very same requests has finished; these are not yielded again.
    """
    for numbers in _waves(requests):
        rows = [Row(number, requests[number], (known or {}).get(number)) for number in numbers]
        yield from Wave(unwrap(model), rows, frozenset(ends), temperature).run()


def _waves(requests: Sequence[Request]) -> list[list[int]]:
    """Return the numbers of requests that are alike in length, the longest of them first."""
    waves: dict[int, list[int]] = {}
    for number in sorted(range(len(requests)), key=lambda number: -requests[number].length):
        size = max(SHORTEST_WAVE, 2 ** math.ceil(math.log2(requests[number].length)))
        waves.setdefault(size, []).append(number)
    return list(waves.values())


@dataclass(slots=True)
class Row:
    """A request at work: the tokens of its answer where an earlier run has it, and what has been written so far."""

    number: int
    request: Request
    known: int | None
    tokens: list[int] = field(default_factory=list)

    @property
    def place(self) -> int:
        """Where the last token written stands in the text."""
        return len(self.request.prompt) + len(self.tokens) - 1


class Wave:
    """Requests that share a cache. The rows at work are its first; what all prompts begin with is read once."""

    def __init__(self, model: LlamaForCausalLM, rows: Sequence[Row], ends: frozenset[int], temperature: float) -> None:
        self.waiting, self.rows, self.ends, self.temperature = deque(rows), list[Row](), ends, temperature
        longest = max(row.request.length for row in rows)
        self.room = _even_rows(len(rows), row_bytes(model, longest))
        self.llama = CachedLlama(model, self.room, longest)
        self.states = torch.zeros(self.room, max(row.request.cap for row in rows), model.config.hidden_size)
        self.shared = _common_start([row.request.prompt for row in rows])

    def run(self) -> Iterator[Finished]:
        if self.shared and any(row.known is None for row in self.waiting):
            self.llama.share(self.waiting[0].request.prompt[: self.shared])
        while self.waiting or self.rows:
            new = self._admit()
            if any(row.known is None for row in self.rows):
                self._write(self._plan(new))
            else:
                for row in self.rows:
                    row.tokens.append(0)
            if finished := self._release():
                yield finished

    def _admit(self) -> int:
        """Let requests in while there is room, and prompts are not too much for one step. Returns how many came."""
        new = tokens = 0
        while self.waiting and len(self.rows) < self.room:
            tokens += len(self.waiting[0].request.prompt) - self.shared
            if new and tokens > PROMPT_TOKENS:
                break
            self.rows.append(self.waiting.popleft())
            new += 1
        return new

    def _plan(self, new: int) -> Step:
        old = len(self.rows) - new
        singles = [(row.tokens[-1], row.place) for row in self.rows[:old]]
        fresh = enumerate(self.rows[old:], start=old)
        return self.llama.lay_out(
            singles, [(slot, row.request.prompt[self.shared :], self.shared) for slot, row in fresh]
        )

    def _write(self, step: Step) -> None:
        """Write one token in every row."""
        states = self.llama.read(step)
        counts = torch.tensor([len(row.tokens) for row in self.rows])
        self.states[torch.arange(len(self.rows)), counts] = states
        for row, token in zip(self.rows, self._choose(states @ self.llama.head.T), strict=True):
            row.tokens.append(token)

    def _choose(self, logits: Tensor) -> list[int]:
        draws = [row.request.draws[len(row.tokens)] for row in self.rows if row.request.draws is not None]
        return (draw(logits, self.temperature, torch.stack(draws)) if draws else logits.argmax(1)).tolist()

    def _release(self) -> Finished:
        """Take finished rows out and return their answers; the last rows move into their places."""
        finished: Finished = []
        for slot in reversed([slot for slot, row in enumerate(self.rows) if self._ends(row)]):
            row, last = self.rows[slot], self.rows.pop()
            if row.known is None:
                finished.append((row.number, Written(row.tokens, self.states[slot, : len(row.tokens)].clone())))
            if slot < len(self.rows):
                self.rows[slot] = last
                self.llama.move(len(self.rows), slot, slice(self.shared, last.place))
                self.states[slot] = self.states[len(self.rows)]
        return finished

    def _ends(self, row: Row) -> bool:
        if row.known is not None:
            return len(row.tokens) >= row.known
        return row.tokens[-1] in self.ends or len(row.tokens) == row.request.cap


def _even_rows(requests: int, bytes_each: int) -> int:
    """Return how many rows to write at the same time: about as many in the last round as in the others."""
    most = max(1, min(ROWS, CACHE_BYTES // bytes_each))
    return math.ceil(requests / math.ceil(requests / most))


def _common_start(prompts: Sequence[Sequence[int]]) -> int:
    """Return how many tokens all prompts begin with; each keeps one of its own."""
    shortest = min(len(prompt) for prompt in prompts)
    first, last = min(map(list, prompts)), max(map(list, prompts))  # what these two share, all between them share
    return next((place for place in range(shortest - 1) if first[place] != last[place]), shortest - 1)


def draw(logits: Tensor, temperature: float, draws: Tensor) -> Tensor:
    """Return the tokens at which the summed probabilities of logits (rows, vocab) pass `draws` (rows,)."""
    passed = (logits.float() / temperature).softmax(-1).cumsum(-1).double()
    return torch.searchsorted(passed, draws[:, None] * passed[:, -1:], right=True).squeeze(1)
