"""How fast a catalogue is answered, beside transformers' `generate` at batch 16, and what keeping the targets costs.

    .venv/bin/python bench/answering.py [--json] [--rounds 1] [--questions 288] [--tokens 80] [--threads N]

The builtin model in fp32 answers the cards of the English courses beside the project (else the sample course's),
greedily: with at most 80 tokens each, which nearly all of its answers take, and with at most as many as the card's
own answer has, which is how long the answers of a teacher that has learnt from such are. Every round both ways answer
all of them in turns; `generate` gets them sorted by length. Tokens are those up to the end token or the limit, and
seconds include the reading of prompts. Where others use the machine as well, the figures by CPU time with --threads 1
tell more. Then the answers' targets are kept in several forms: what they take on disk, and
KL(teacher || what a student can learn of them), on one token of 64.

Ends with a table, and with --json one line: {"answering": {"long": {"ratio": ..., "ratio_by_cpu_time": ..., ...},
"as long as the cards'": {...}}, "kept": {...}}.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import torch
from transformers import LlamaForCausalLM

from courses import DATA, ROOT
from edullama.dataset.cards import read_cards
from edullama.llm.batches import Answered, pad_left
from edullama.llm.decoding import Request, Written, decode
from edullama.llm.generate import end_tokens
from edullama.llm.models import Tokenizer, load_model, load_tokenizer
from edullama.llm.rendering import render_answer, render_prompt
from edullama.llm.target_formats import Best, Format, Hidden
from edullama.llm.targets import Report, begin_targets
from edullama.recipe import BUILTIN
from part import Row, print_table

T = TypeVar("T")
BATCH = 16
LONG, OWN = "long", "as long as the cards'"
FORMS: dict[str, Format] = {
    "hidden, fp16": Hidden(),
    "hidden, bf16": Hidden("bfloat16"),
    "top 64": Best(64, (1.0, 2.0)),
    "top 16": Best(16, (1.0, 2.0)),
}


@dataclass(frozen=True, slots=True)
class Round:
    """What one way wrote, and how long it took."""

    answers: list[list[int]]
    seconds: float
    cpu_seconds: float

    @property
    def tokens(self) -> int:
        return sum(len(answer) for answer in self.answers)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--json", action="store_true", help="end with one line of JSON")
    arguments.add_argument("--rounds", type=int, default=1)
    arguments.add_argument("--questions", type=int, default=288)
    arguments.add_argument("--tokens", type=int, default=80, help="of an answer, at the most")
    arguments.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    model, tokenizer = load_model(BUILTIN).eval(), load_tokenizer(BUILTIN)
    cases = ask(tokenizer, options.questions, options.tokens)
    rounds = [
        {name: beside_generate(model, tokenizer, requests) for name, requests in cases.items()}
        for _ in range(options.rounds)
    ]
    compared = {name: compare(name, [own[name] for own in rounds]) for name in cases}
    kept_rows, kept = keep(model, cases[LONG], rounds[0][LONG][2])
    print_table([*(row for rows, _ in compared.values() for row in rows), *kept_rows])
    if options.json:
        print(json.dumps({"answering": {name: figures for name, (_, figures) in compared.items()}, "kept": kept}))


def ask(tokenizer: Tokenizer, count: int, tokens: int) -> dict[str, list[Request]]:
    """Return that many questions of real cards, sorted by length: with one limit for all, and with the cards' own."""
    files = sorted(DATA.glob("*_en/qa/*")) or sorted((ROOT / "examples" / "course" / "cards").iterdir())
    found = {card.id: card for path in files for card in read_cards(path, path.name)[0]}
    cards = [found[id] for id in sorted(found)][:count]  # in an order that has nothing to do with their decks
    prompts = sorted(((render_prompt(tokenizer, card.question), card) for card in cards), key=lambda own: len(own[0]))
    own = [min(tokens, len(render_answer(tokenizer, card.reference)) + 1) for _, card in prompts]
    return {
        LONG: [Request(prompt, tokens) for prompt, _ in prompts],
        OWN: [Request(prompt, cap) for (prompt, _), cap in zip(prompts, own, strict=True)],
    }


def beside_generate(
    model: LlamaForCausalLM, tokenizer: Tokenizer, requests: Sequence[Request]
) -> tuple[Round, Round, list[Written]]:
    """Let `generate` answer, then our loop: its round, ours, and what ours wrote."""
    theirs, their_round = timed(lambda: generate(model, tokenizer, requests))
    ends = end_tokens(model, tokenizer)
    ours, our_round = timed(lambda: dict(chain.from_iterable(decode(model, requests, ends))))
    written = [ours[number] for number in range(len(requests))]
    return their_round(theirs), our_round([own.tokens for own in written]), written


def timed(run: Callable[[], T]) -> tuple[T, Callable[[list[list[int]]], Round]]:
    """Return what a run gives, and what makes a round of its answers."""
    start, cpu_start = time.perf_counter(), time.process_time()
    result = run()
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    return result, lambda answers: Round(answers, seconds, cpu_seconds)


@torch.inference_mode()
def generate(model: LlamaForCausalLM, tokenizer: Tokenizer, requests: Sequence[Request]) -> list[list[int]]:
    """Return the answers that `generate` gives, each up to its end token."""
    ends, answers = end_tokens(model, tokenizer), []
    for start in range(0, len(requests), BATCH):
        batch = requests[start : start + BATCH]
        tokens, mask = pad_left([request.prompt for request in batch], tokenizer.pad_token_id)
        out = model.generate(
            input_ids=tokens, attention_mask=mask, max_new_tokens=max(own.cap for own in batch), do_sample=False,
            pad_token_id=tokenizer.pad_token_id, eos_token_id=ends,
        )  # fmt: skip
        for row, request in zip(out[:, tokens.shape[1] :].tolist(), batch, strict=True):
            length = next((place + 1 for place, token in enumerate(row) if token in ends), len(row))
            answers.append(row[: min(length, request.cap)])
    return answers


def compare(case: str, rounds: Sequence[tuple[Round, Round, Any]]) -> tuple[list[Row], dict[str, Any]]:
    """Return speeds, their ratios round by round, and how many answers are not the same."""
    theirs, ours = [own[0] for own in rounds], [own[1] for own in rounds]
    over = f"{len(ours[0].answers)} questions, {ours[0].tokens} tokens"
    speeds = {
        "speed": ([run.tokens / run.seconds for run in own] for own in (ours, theirs)),
        "speed by CPU time": ([run.tokens / run.cpu_seconds for run in own] for own in (ours, theirs)),
    }
    rows, ratios = [], []
    for name, (own, other) in speeds.items():
        ratio = [a / b for a, b in zip(own, other, strict=True)]
        rows += [
            _spread(f"{case}: {name}", own, "tokens/s", over),
            _spread(f"{case}: generate's {name}", other, "tokens/s", f"batch {BATCH}"),
            _spread(f"{case}: {name}, generate's as 1", ratio, "x", "by round"),
        ]
        ratios.append(median(ratio))
    differing = sum(a != b for a, b in zip(ours[0].answers, theirs[0].answers, strict=True))
    rows.append(Row(f"{case}: answers that differ", differing, "", over="where two tokens are equally likely in fp32"))
    figures = {
        "ratio": ratios[0],
        "ratio_by_cpu_time": ratios[1],
        "tokens_per_second": median(run.tokens / run.seconds for run in ours),
        "tokens_per_cpu_second": median(run.tokens / run.cpu_seconds for run in ours),
        "differing_answers": differing,
    }
    return rows, figures


def keep(
    model: LlamaForCausalLM, requests: Sequence[Request], written: Sequence[Written]
) -> tuple[list[Row], dict[str, Any]]:
    """Keep the targets in several forms: what each takes and loses."""
    answered: list[Answered] = [(request.prompt, own.tokens) for request, own in zip(requests, written, strict=True)]
    rows, figures = [], {}
    for name, form in FORMS.items():
        start = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            kept = begin_targets(Path(folder) / "targets", model, form, "")
            for first in range(0, len(answered), BATCH):
                group = slice(first, first + BATCH)
                kept.add(answered[group], [own.states for own in written[group]])
            report = kept.report()
        rows += _kept_rows(name, report, time.process_time() - start)
        figures[name] = {
            "bytes_per_token": report.bytes / report.tokens,
            "mean_kl": {f"{t:g}": kl for t, kl in report.mean_kl.items()},
            "max_kl": {f"{t:g}": kl for t, kl in report.max_kl.items()},
        }
    return rows, figures


def _kept_rows(name: str, report: Report, seconds: float) -> list[Row]:
    over = f"{report.tokens} tokens; head {report.head_bytes / 1e6:.0f} MB"
    return [
        Row(f"{name}: size", report.bytes / report.tokens, "B/token", over=over),
        Row(f"{name}: time to keep", seconds, "CPU s", over=over),
        *(_loss_row(f"{name}: KL lost at T = {t:g}", mean, report.max_kl[t]) for t, mean in report.mean_kl.items()),
    ]


def _loss_row(name: str, mean: float, highest: float) -> Row:
    unit, scale = ("nats", 1.0) if mean > 1e-3 else ("µnats", 1e6)
    return Row(name, mean * scale, unit, high=highest * scale, over="mean, highest")


def _spread(name: str, values: Sequence[float], unit: str, over: str) -> Row:
    return Row(name, median(values), unit, min(values), max(values), over)


if __name__ == "__main__":
    main()
