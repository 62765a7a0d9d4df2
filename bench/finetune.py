"""How fast and lean fine-tuning is, beside TRL's SFTTrainer, and how that grows with input and course.

    .venv/bin/python bench/finetune.py [--json] [--rounds 3] [--steps 8] [--quick] [--only trl,length,course]

SmolLM2-135M, LoRA r = 16 on all linear layers, 2 x 512 tokens a step, AdamW, the same tokens and seed. Every run is a
process of its own, ours and TRL's in turns; its figures are medians over its steps but the first two. The machine's
fp32 GEMM rate is measured after each step, as others may use the machine; the share of it is tokens/s x 4 N FLOP,
forward and backward through N frozen weights, attention and adapters left out. Peak memory is VmHWM, with loading.

TRL runs without its defaults of bf16 and gradient checkpointing, which make it slower on such a CPU; --quick leaves
out what they cost, takes fewer steps and one round. Ends with a table, and with --json one line:
{"ratio_vs_trl": ..., "ratio_vs_trl_dropout": ..., "memory_ratio_vs_trl": ..., "gemm_share": ..., ...}: medians over
rounds, and of fp32 and NF4 the worse one. Peers live in .venv-bench (`make bench`).
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from part import Row, print_table

ROOT = Path(__file__).resolve().parents[1]
PYTHON = {"edullama": sys.executable, "trl": str(ROOT / ".venv-bench" / "bin" / "python")}
CASES = {"fp32": ("none", 0.0), "fp32, dropout": ("none", 0.05), "NF4": ("nf4", 0.0), "NF4, dropout": ("nf4", 0.05)}
LENGTHS = (256, 512, 1024, 2048, 4096)
COPIES = (1, 2, 4, 8)  # of a course of 16 windows
Result = dict[str, Any]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--json", action="store_true", help="end with one line of JSON")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--steps", type=int, default=8, help="of a run; the first two are not counted")
    arguments.add_argument("--quick", action="store_true", help="one round of four steps, against TRL only")
    arguments.add_argument("--only", default="trl,length,course", help="parts to measure, parted by commas")
    options = arguments.parse_args()
    if options.quick:
        options.rounds, options.steps, options.only = 1, 4, "trl"
    rows: list[Row] = []
    figures: dict[str, float] = {}
    for part in options.only.split(","):
        found, measured = {"trl": beside_trl, "length": by_length, "course": by_course}[part](options)
        rows += found
        figures |= measured
    print_table(rows)
    if options.json:
        print(json.dumps(figures))


def beside_trl(options: argparse.Namespace) -> tuple[list[Row], dict[str, float]]:
    """Train ours and TRL's in turns."""
    runs: dict[tuple[str, str], list[Result]] = {}
    for _ in range(options.rounds):
        for case, (quantize, dropout) in CASES.items():
            for who in PYTHON:
                run = train(who, 512, 2, options.steps, quantize=quantize, dropout=dropout)
                runs.setdefault((case, who), []).append(run)
    rows, ratios, by_cpu, memory, share = [], {}, {}, {}, {}
    for case in CASES:
        ours, theirs = runs[case, "edullama"], runs[case, "trl"]
        ratios[case] = [a["tokens_per_second"] / b["tokens_per_second"] for a, b in zip(ours, theirs, strict=True)]
        by_cpu[case] = [
            a["tokens_per_cpu_second"] / b["tokens_per_cpu_second"] for a, b in zip(ours, theirs, strict=True)
        ]
        memory[case] = [a["peak_mb"] / b["peak_mb"] for a, b in zip(ours, theirs, strict=True)]
        share[case] = [a["tokens_per_second"] * a["flop_per_token"] / a["gemm_rate"] for a in ours]
        rows += [
            _spread(f"{case}: speed", "tokens/s", [run["tokens_per_second"] for run in ours]),
            _spread(f"{case}: TRL's speed", "tokens/s", [run["tokens_per_second"] for run in theirs]),
            _spread(f"{case}: speed, TRL's taken as 1", "x", ratios[case], "by round"),
            _spread(f"{case}: speed by CPU time, likewise", "x", by_cpu[case], "by round"),
            _spread(f"{case}: peak memory", "MB", [run["peak_mb"] for run in ours]),
            _spread(f"{case}: TRL's peak memory", "MB", [run["peak_mb"] for run in theirs]),
            _spread(f"{case}: share of the GEMM rate", "", share[case], "by round"),
            _spread(f"{case}: GEMM rate", "GFLOP/s", [run["gemm_rate"] / 1e9 for run in ours]),
            _spread(f"{case}: largest difference of losses", "nats", _differences(ours, theirs), "ours and TRL's"),
        ]
    if not options.quick:
        default = train("trl", 512, 2, options.steps, gradient_checkpointing=True)
        rows.append(_spread("fp32: TRL with gradient checkpointing", "tokens/s", [default["tokens_per_second"]]))
        rows.append(_spread("fp32: TRL with gradient checkpointing", "MB", [default["peak_mb"]]))
    plain, dropped = ("fp32", "NF4"), ("fp32, dropout", "NF4, dropout")
    figures = {
        "ratio_vs_trl": min(median(ratios[case]) for case in plain),
        "ratio_vs_trl_dropout": min(median(ratios[case]) for case in dropped),
        "memory_ratio_vs_trl": max(median(memory[case]) for case in plain),
        "gemm_share": min(median(share[case]) for case in plain),
    }
    return rows, {name: round(value, 3) for name, value in figures.items()}


def by_length(options: argparse.Namespace) -> tuple[list[Row], dict[str, float]]:
    """Train on single inputs of growing length."""
    rows = []
    for tokens in LENGTHS:
        run = train("edullama", tokens, 1, 4)
        rows.append(Row("speed", run["tokens_per_second"], "tokens/s", over=f"1 x {tokens:,} tokens a step"))
        rows.append(Row("share of the GEMM rate", _share(run), "", over=f"1 x {tokens:,} tokens a step"))
        rows.append(Row("peak memory", run["peak_mb"], "MB", over=f"1 x {tokens:,} tokens a step"))
    return rows, {}


def by_course(options: argparse.Namespace) -> tuple[list[Row], dict[str, float]]:
    """Train one epoch on courses of growing size."""
    rows = []
    for copies in COPIES:
        run = train("edullama", 256, 2, 8 * copies)
        over = f"a course of {16 * copies} windows of 256 tokens, 1 epoch"
        rows.append(Row("speed", run["tokens_per_second"], "tokens/s", over=over))
        rows.append(Row("share of the GEMM rate", _share(run), "", over=over))
        rows.append(Row("peak memory", run["peak_mb"], "MB", over=over))
    return rows, {}


def train(who: str, tokens: int, batch: int, steps: int, **settings: Any) -> Result:
    """Train in a process of its own and return what it measured."""
    text, rows, model, weights = _texts(tokens, batch * steps)
    defaults = {"quantize": "none", "dropout": 0.0, "seed": 0, "warm": 2, "gradient_checkpointing": False}
    with tempfile.TemporaryDirectory() as folder:
        job = {"model": model, "text": text, "rows": rows, "tokens": tokens, "batch": batch, "steps": steps}
        path = Path(folder) / "job.json"
        path.write_text(json.dumps(defaults | job | settings | {"folder": folder}))
        command = [PYTHON[who], str(ROOT / "bench" / "train_steps.py"), who, str(path)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(f"{who} ended with {run.returncode}:\n{run.stderr[-3000:]}")
    result: Result = json.loads(run.stdout.splitlines()[-1]) | {"flop_per_token": 4 * weights}
    print(
        f"{who} {settings or ''} {batch} x {tokens}: {result['tokens_per_second']:.0f} tokens/s, "
        f"{result['peak_mb']:.0f} MB, GEMM {result['gemm_rate'] / 1e9:.0f} GFLOP/s",
        file=sys.stderr,
        flush=True,
    )
    return result


def _texts(tokens: int, rows: int) -> tuple[str, list[list[int]], str, int]:
    """Return text that fills this many rows, its token ids, the model's folder and the number of its weights."""
    from edullama.llm.memory import read_shape
    from edullama.llm.models import load_tokenizer
    from edullama.llm.names import resolve
    from edullama.llm.qlora import tokenize_window
    from edullama.recipe import BUILTIN
    from edullama.records import Window

    tokenizer = load_tokenizer(BUILTIN)
    prose = "\n".join(path.read_text() for path in sorted((ROOT / "docs").glob("*.md")))
    ids = tokenizer(prose, add_special_tokens=False)["input_ids"]
    ids = (ids * (tokens * rows // len(ids) + 1))[: tokens * rows - 1]  # the end token makes it full
    text = tokenizer.decode(ids)
    cut = [row["answer"] for row in tokenize_window(tokenizer, Window("w", "l", text, ()), tokens)][:rows]
    cut = [row for row in cut if len(row) == tokens]
    text = tokenizer.decode([token for row in cut for token in row if token != tokenizer.eos_token_id])
    config = read_shape(BUILTIN)
    block = config.hidden_size * (2 * config.hidden_size + 3 * config.intermediate_size)
    block += 2 * config.hidden_size * config.num_key_value_heads * config.head_dim
    return text, cut, resolve(BUILTIN), config.num_hidden_layers * block + config.vocab_size * config.hidden_size


def _differences(ours: Sequence[Result], theirs: Sequence[Result]) -> list[float]:
    return [
        max(abs(one - other) for one, other in zip(a["losses"], b["losses"], strict=True))
        for a, b in zip(ours, theirs, strict=True)
    ]


def _share(run: Result) -> float:
    return float(run["tokens_per_second"] * run["flop_per_token"] / run["gemm_rate"])


def _spread(name: str, unit: str, values: Sequence[float], over: str = "2 x 512 tokens a step") -> Row:
    return Row(name, median(values), unit, min(values), max(values), over)


if __name__ == "__main__":
    main()
