"""What one training step of a Llama-2-7B takes: random weights in its shapes, through finetune as users run it.

    .venv/bin/python bench/memory_7b.py [--layers 32] [--tokens 700] [--folder DIR] [--json]

Writes a checkpoint shard by shard (13.5 GB in fp16), then trains one step on one input of four slides, in a process of
its own that may plan with a tenth more memory than it needs: NF4, adapters on all linear layers, activations computed
twice. Prints a table of parts, as computed from shapes and as measured; with --json the last line is {"layers": ...,
"parts": {part: [computed, measured, on a GPU]}, "peak": ..., ...} in bytes. All of 32 layers take about 40 minutes on
two quiet cores; fewer show the same for a smaller model, and nothing is extrapolated from them.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from bitsandbytes.nn.modules import Linear4bit
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor
from transformers import LlamaConfig, PreTrainedTokenizerFast, Trainer, TrainerCallback

from edullama.llm.free_memory import ALLOWED
from edullama.llm.memory import Machine, estimate, linear_shapes, read_shape, this_machine
from edullama.llm.qlora import finetune
from edullama.llm.watching import Lookout
from edullama.recipe import Finetune
from edullama.records import Window

SHAPE: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 32000,
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "max_position_embeddings": 4096,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
WORK = "activations and work"
LAYERS_TO_A_SHARD = 4  # 1.6 GB in fp16
NAMES = (
    "self_attn.q",
    "self_attn.k",
    "self_attn.v",
    "self_attn.o",
    "mlp.gate",
    "mlp.up",
    "mlp.down",
)  # as linear_shapes
SLIDE = "Slide {n}: fine-tuning\n- The base stays frozen in four bits.\n- Adapters of low rank learn the course.\n- "
SETTINGS = Finetune(rank=16, alpha=32, batch_size=1, epochs=1, max_steps=1, learning_rate=1e-4, checkpointing="always")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=700, help="of the input")
    parser.add_argument("--folder", type=Path, help="where the checkpoint is written; default: the system's own")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--step", type=Path, help=argparse.SUPPRESS)  # the process that is measured
    options = parser.parse_args()
    if options.step:
        print(json.dumps(train_one_step(options.step, options.tokens)))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        model = Path(scratch) / "model"
        started = time.monotonic()
        write_checkpoint(model, options.layers)
        written = time.monotonic() - started
        config = read_shape(str(model))
        measured = run_step(model, options.tokens, compute(config, options.tokens, this_machine())["all"])
    report(config, options, measured | {"seconds_writing": round(written)})


def write_checkpoint(folder: Path, layers: int) -> None:
    """Write random weights in fp16, shard by shard, with a tokenizer of single bytes."""
    config = LlamaConfig(**(SHAPE | {"num_hidden_layers": layers}))
    hidden, words = config.hidden_size, config.vocab_size
    needed = 2 * (2 * words * hidden + layers * sum(rows * columns for rows, columns in linear_shapes(config).values()))
    folder.mkdir(parents=True)
    free = shutil.disk_usage(folder).free
    if free < 1.05 * needed:
        raise SystemExit(
            f"{folder}: the checkpoint takes {needed / 1e9:.1f} GB, {free / 1e9:.1f} are free. Set --folder."
        )
    (folder / "config.json").write_text(json.dumps(SHAPE | {"num_hidden_layers": layers, "dtype": "float16"}))
    make_tokenizer().save_pretrained(folder)
    pool = (torch.randn(2**26, generator=torch.Generator().manual_seed(0)) * 0.02).half()
    places: dict[str, str] = {}
    for first in range(0, layers, LAYERS_TO_A_SHARD):
        shard: dict[str, Tensor] = {}
        for layer in range(first, min(layers, first + LAYERS_TO_A_SHARD)):
            shard |= block_weights(config, layer, pool)
        places |= write_shard(folder, shard)
    ends = {"model.embed_tokens.weight": cut(pool, words, hidden, 1), "lm_head.weight": cut(pool, words, hidden, 2)}
    places |= write_shard(folder, ends | {"model.norm.weight": torch.ones(hidden).half()})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))


def block_weights(config: LlamaConfig, layer: int, pool: Tensor) -> dict[str, Tensor]:
    """Return a block's weights by their names in a checkpoint."""
    start = f"model.layers.{layer}."
    weights = {
        f"{start}{'self_attn' if name[0] in 'qkvo' else 'mlp'}.{name}.weight": cut(
            pool, rows, columns, 7 * layer + place
        )
        for place, (name, (rows, columns)) in enumerate(linear_shapes(config).items())
    }
    ones = torch.ones(config.hidden_size).half()
    return weights | {f"{start}input_layernorm.weight": ones, f"{start}post_attention_layernorm.weight": ones.clone()}


def cut(pool: Tensor, rows: int, columns: int, place: int) -> Tensor:
    """Return a matrix of random numbers; drawing all of them anew would take longer than the step."""
    size, start = rows * columns, place * 64_007 % pool.numel()
    return torch.cat([pool[start:], pool.repeat(size // pool.numel() + 1)])[:size].view(rows, columns).clone()


def write_shard(folder: Path, weights: dict[str, Tensor]) -> dict[str, str]:
    """Save weights to one more file; returns the file of each."""
    name = f"model-{len(list(folder.glob('*.safetensors'))) + 1:05}.safetensors"
    save_file(weights, folder / name, metadata={"format": "pt"})
    return dict.fromkeys(weights, name)


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer that gives each byte a token."""
    words = {"<unk>": 0, "<s>": 1, "</s>": 2}
    words |= {sign: place + 3 for place, sign in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab=words, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>")


def compute(config: LlamaConfig, tokens: int, machine: Machine) -> dict[str, int]:
    """Return the bytes of each part, and of all, from shapes."""
    parts = estimate(config, SETTINGS, tokens, machine, checkpointing=True)
    work = parts.pop("activations") + parts.pop("work")  # which the one peak that can be measured is made of
    total = sum(parts.values()) + work
    return parts | {WORK: work, "all": total}


def run_step(model: Path, tokens: int, needed: int) -> dict[str, Any]:
    """Train in a process of its own and return what it measured."""
    command = [sys.executable, __file__, "--step", str(model), "--tokens", str(tokens)]
    room = {ALLOWED: str(1.1 * needed / 1e9)}  # with more of it, a CPU would hold the base unpacked
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, env=os.environ | room)
    if done.returncode:
        raise SystemExit(f"the training step failed with {done.returncode}")
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def train_one_step(model: Path, tokens: int) -> dict[str, Any]:
    """Finetune for one step on one window of four slides; returns bytes by part, peaks and seconds."""
    text = "\n\n".join(SLIDE.format(n=n) + "four bits, " * tokens for n in range(1, 5))
    slides = "\n\n".join(part[: (tokens - 7) // 4] for part in text.split("\n\n"))  # 3 breaks of 2 bytes, and the end
    scale = Scale()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(dir=model.parent) as scratch:
        window = Window("0", "bench", slides, ())
        steps = finetune(str(model), [window], SETTINGS, 0, Path(scratch), scale)
    peak = max(scale.parts["loading peak"], scale.parts["step peak"], resident("VmHWM"))
    return scale.parts | {"peak": peak, "seconds": round(time.monotonic() - started), "loss": steps[0].loss}


class Scale(Lookout):
    """Weighs a training run from within, in the places that finetune lets a lookout watch."""

    def __init__(self) -> None:
        self.program = resident("VmRSS")
        self.parts: dict[str, int] = {}

    def watch(self, trainer: Trainer) -> None:
        """Weigh what was loaded, and come along."""
        self.parts = weigh_model(trainer.model) | {"program": self.program, "loading peak": resident("VmHWM")}
        trainer.add_callback(Weighing(self.parts, trainer))

    def keep_best(self, model: Any) -> None:
        """The adapter stays as it is."""


class Weighing(TrainerCallback):  # type: ignore[misc]
    """Notes memory at the turns of a step."""

    def __init__(self, parts: dict[str, int], trainer: Trainer) -> None:
        self.parts, self.trainer = parts, trainer

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        Path("/proc/self/clear_refs").write_text("5")  # peaks are counted from here
        self.parts["before the step"] = resident("VmRSS")
        self.started = time.monotonic()

    def on_pre_optimizer_step(self, *_: Any, **__: Any) -> None:
        trained = [weight for weight in self.trainer.model.parameters() if weight.grad is not None]
        self.parts["gradients"] = sum(weight.grad.nbytes for weight in trained)
        self.parts["step peak"] = resident("VmHWM")
        self.parts["step seconds"] = round(time.monotonic() - self.started)

    def on_step_end(self, *_: Any, **__: Any) -> None:
        states = self.trainer.optimizer.state.values()
        self.parts["optimizer"] = sum(
            value.nbytes for state in states for value in state.values() if isinstance(value, Tensor) and value.ndim
        )


def weigh_model(model: torch.nn.Module) -> dict[str, int]:
    """Return the bytes of packed blocks, of the rest of the base, and of the adapter."""
    parts = {"blocks": 0, "embeddings and head": 0, "adapter": 0}
    for module in model.modules():
        if isinstance(module, Linear4bit):
            state: Any = module.weight.quant_state  # type: ignore[attr-defined]
            parts["blocks"] += module.weight.nbytes + state.absmax.nbytes + state.state2.absmax.nbytes
    for name, own in model.named_parameters():
        if "lora_" in name:
            parts["adapter"] += own.nbytes
        elif "embed" in name or "lm_head" in name:
            parts["embeddings and head"] += own.nbytes
        elif "layernorm" in name:
            parts["blocks"] += own.nbytes
    return parts


def resident(line: str) -> int:
    """Return a line of /proc/self/status in bytes: VmRSS, what is there now, or VmHWM, the most there was."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split(f"{line}:")[1].split()[0])


def report(config: LlamaConfig, options: argparse.Namespace, measured: dict[str, Any]) -> None:
    """Print parts as computed for this machine, as measured, and as computed for a GPU."""
    here = compute(config, options.tokens, this_machine())
    gpu = compute(config, options.tokens, Machine(gpu=True, whole=torch.bfloat16, compute=torch.bfloat16))
    at_work = measured["step peak"] - measured["before the step"] - measured["gradients"]
    weighed = measured | {WORK: at_work, "all": measured["peak"]}
    rows = [(part, size, int(weighed[part]), gpu[part]) for part, size in here.items()]
    print(f"{config.num_hidden_layers} layers, {options.tokens} tokens")
    print(f"{'part':<22}{'computed GB':>12}{'measured GB':>12}{'on a GPU GB':>12}")
    for part, computed, found, on_gpu in rows:
        print(f"{part:<22}{computed / 1e9:>12.2f}{found / 1e9:>12.2f}{on_gpu / 1e9:>12.2f}")
    loading, seconds = measured["loading peak"] / 1e9, measured["seconds"]
    print(f"peak while loading {loading:.2f} GB; {seconds} s, writing the checkpoint aside")
    if options.json:
        table = {part: [computed, found, on_gpu] for part, computed, found, on_gpu in rows}
        print(json.dumps({"layers": config.num_hidden_layers, "tokens": options.tokens, "parts": table} | measured))


if __name__ == "__main__":
    main()
