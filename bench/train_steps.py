"""Trains a few steps in a process of its own, and prints what they took as one line of JSON.

    PYTHON bench/train_steps.py edullama|trl JOB.json

JOB.json: model (a folder), text, rows (the same text as token ids), tokens (of a row), batch, steps, warm (first steps,
not counted), quantize, dropout, seed, folder (to work in), gradient_checkpointing (of TRL). Runs in our environment or
in the peers'.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from transformers import TrainerCallback

GEMM = 2048  # rows and columns of the product that the machine's rate is measured with


class Stopwatch(TrainerCallback):  # type: ignore[misc]
    """Times each step, and the machine's fp32 GEMM rate right after it, since others may use the machine as well."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.cpu_seconds: list[float] = []
        self.rates: list[float] = []
        self.cpu_rates: list[float] = []
        self.losses: list[float] = []

    def watch(self, trainer: Any) -> None:
        """Go with our own training run, in place of a lookout."""
        trainer.add_callback(self)

    def keep_best(self, model: Any) -> None:
        """Leave the last weights as they are."""

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self.start, self.cpu_start = time.perf_counter(), time.process_time()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.seconds.append(time.perf_counter() - self.start)
        self.cpu_seconds.append(time.process_time() - self.cpu_start)
        self.rates.append(gemm_rate(time.perf_counter))
        self.cpu_rates.append(gemm_rate(time.process_time))

    def on_log(self, *_: Any, logs: dict[str, float] | None = None, **__: Any) -> None:
        self.losses += [logs["loss"]] if logs and "loss" in logs else []


def gemm_rate(clock: Callable[[], float]) -> float:
    """Return the better of two fp32 products' rates, in FLOP a second of this clock."""
    left, right = torch.ones(GEMM, GEMM), torch.ones(GEMM, GEMM)
    times = []
    for _ in range(2):
        start = clock()
        left @ right
        times.append(clock() - start)
    return 2 * GEMM**3 / min(times)


def train_ours(job: dict[str, Any], watch: Stopwatch) -> None:
    from edullama.llm.qlora import finetune
    from edullama.recipe import Finetune
    from edullama.records import Window

    settings = Finetune(
        rank=16,
        alpha=32,
        quantize=job["quantize"],
        dropout=job["dropout"],
        batch_size=job["batch"],
        max_tokens=job["tokens"],
        max_steps=job["steps"],
        epochs=100,
        learning_rate=1e-4,
    )
    finetune(job["model"], [Window("w", "l", job["text"], ())], settings, job["seed"], Path(job["folder"]), watch)


def train_trl(job: dict[str, Any], watch: Stopwatch) -> None:
    """Train with SFTTrainer as it comes, but for bf16 and gradient checkpointing: defaults that slow a CPU down."""
    from datasets import Dataset  # type: ignore[import-not-found]
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
    from trl import SFTConfig, SFTTrainer  # type: ignore[import-not-found]

    packed = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype="float32"
    )
    held = {"quantization_config": packed, "device_map": {"": "cpu"}} if job["quantize"] == "nf4" else {}
    arguments = SFTConfig(
        output_dir=job["folder"],
        per_device_train_batch_size=job["batch"],
        max_length=job["tokens"],
        max_steps=job["steps"],
        learning_rate=1e-4,
        lr_scheduler_type="cosine",
        warmup_steps=0.1,
        seed=job["seed"],
        logging_steps=1,
        save_strategy="no",
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=job["gradient_checkpointing"],
        disable_tqdm=True,
    )
    adapter = LoraConfig(
        r=16, lora_alpha=32, lora_dropout=job["dropout"], target_modules="all-linear", task_type="CAUSAL_LM"
    )
    SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(job["model"], dtype=torch.float32, **held),
        args=arguments,
        train_dataset=Dataset.from_dict({"input_ids": job["rows"]}),
        processing_class=AutoTokenizer.from_pretrained(job["model"]),
        peft_config=adapter,
        callbacks=[watch],
    ).train()


def peak_mb() -> float:
    """Return the most memory that this process has had resident."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


def main() -> None:
    who, job = sys.argv[1], json.loads(Path(sys.argv[2]).read_text())
    watch = Stopwatch()
    {"edullama": train_ours, "trl": train_trl}[who](job, watch)
    counted = slice(job["warm"], None)
    seconds, rate = median(watch.seconds[counted]), median(watch.rates[counted])
    result = {
        "tokens_per_second": job["tokens"] * job["batch"] / seconds,
        "tokens_per_cpu_second": job["tokens"] * job["batch"] / median(watch.cpu_seconds[counted]),
        "gemm_rate": rate,
        "gemm_rate_by_cpu_time": median(watch.cpu_rates[counted]),
        "peak_mb": peak_mb(),
        "losses": watch.losses,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
