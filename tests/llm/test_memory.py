"""What a run is estimated to take: by hand, and by weighing one."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import bitsandbytes.functional as bnb
import pytest
import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from edullama.errors import ModelError
from edullama.llm.batches import Collator
from edullama.llm.fast_llama import speed_up
from edullama.llm.free_memory import ALLOWED
from edullama.llm.memory import Machine, count_trained, estimate, nf4_bytes, plan
from edullama.llm.qlora import add_adapter, load_frozen_base
from edullama.recipe import BUILTIN, Finetune
from tests.llm.tiny import make_llama

CPU = Machine(gpu=False, whole=torch.float32, compute=torch.float32)
GPU = Machine(gpu=True, whole=torch.bfloat16, compute=torch.bfloat16)
LLAMA_2_7B = LlamaConfig(
    vocab_size=32000, hidden_size=4096, intermediate_size=11008, num_hidden_layers=32, num_attention_heads=32
)
LLAMA_3_8B = LlamaConfig(
    vocab_size=128256,
    hidden_size=4096,
    intermediate_size=14336,
    num_hidden_layers=32,
    num_attention_heads=32,
    num_key_value_heads=8,
)
ONE = Finetune(rank=16, batch_size=1)


def test_llama_2_7b_by_hand() -> None:
    """A block has 202,375,168 weights: half a byte each, a byte to 64 and four bytes to 16,384 of them; fp32 norms."""
    parts = estimate(LLAMA_2_7B, ONE, 700, GPU, checkpointing=True)
    assert parts["blocks"] == 32 * (101_187_584 + 3_162_112 + 49_408 + 2 * 4096 * 4)
    assert parts["embeddings and head"] == 524_288_000
    assert count_trained(LLAMA_2_7B, ONE) == 39_976_960
    assert parts["adapter"] == parts["gradients"] == 159_907_840
    assert parts["optimizer"] == 32 * 2 * (1_249_280 + 19_520)  # 8 bits, and four bytes to 256
    assert parts["activations"] == 32 * 700 * 4096 * 2
    assert 4.5e9 < sum(parts.values()) < 5.5e9


def test_llama_3_8b_by_hand() -> None:
    """Fewer heads of keys and values, and a head of 128,256 rows that is not the embeddings: 2.1 GB for both."""
    parts = estimate(LLAMA_3_8B, ONE, 700, GPU, checkpointing=True)
    assert parts["blocks"] == 32 * (109_051_904 + 3_407_872 + 53_248 + 2 * 4096 * 4)
    assert parts["embeddings and head"] == 2_101_346_304
    assert count_trained(LLAMA_3_8B, ONE) == 32 * 16 * (2 * 8192 + 2 * 5120 + 3 * 18432)
    assert 6e9 < sum(parts.values()) < 7.5e9


def test_a_7b_in_full_precision_trained_whole_takes_what_is_said_of_it() -> None:
    """16 bytes a weight: the weight, its gradient, and Adam's two moments, all in fp32."""
    whole = replace(ONE, train="full", quantize="none")
    parts = estimate(LLAMA_2_7B, whole, 1, CPU, checkpointing=True)
    assert count_trained(LLAMA_2_7B, whole) == 6_738_415_616
    held = parts["blocks"] + parts["embeddings and head"] + parts["gradients"] + parts["optimizer"]
    assert held == pytest.approx(16 * 6_738_415_616, rel=1e-5)


@pytest.mark.parametrize("shape", [(64, 64), (320, 576), (65, 33)])
def test_nf4_takes_what_bitsandbytes_makes_of_a_tensor(shape: tuple[int, int]) -> None:
    packed, state = bnb.quantize_4bit(torch.randn(shape), quant_type="nf4", compress_statistics=True)
    assert nf4_bytes(shape[0] * shape[1]) == packed.nbytes + state.absmax.nbytes + state.state2.absmax.nbytes


def weigh(model: nn.Module, part: str) -> int:
    return sum(weight.nbytes for name, weight in model.named_parameters() if part in name)


@pytest.mark.parametrize("targets", [None, ("q_proj", "down_proj")])
def test_adapters_on_fewer_layers_take_less(llama: LlamaForCausalLM, targets: tuple[str, ...] | None) -> None:
    settings = Finetune(rank=4, targets=targets)  # type: ignore[arg-type]
    model = add_adapter(llama, settings)
    assert estimate(llama.config, settings, 10, CPU, checkpointing=False)["adapter"] == weigh(model, "lora_")


def kept_bytes(model: nn.Module, tokens: int, precision: torch.dtype) -> int:
    """Return the bytes of all tensors that a forward pass keeps for the backward pass, weights left out."""
    own = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept: dict[int, int] = {}
    held: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own and tensor.ndim and tensor.shape[0] != 0:
            kept[storage.data_ptr()] = storage.nbytes()
            held.append(tensor)
        return tensor

    batch = Collator(0)([{"prompt": [], "answer": [number % 300 for number in range(tokens)]}])
    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", precision, enabled=precision != torch.float32),
    ):
        model(**batch)
    return sum(kept.values())


def growth(layers: int, machine: Machine, fast: bool) -> float:
    """Return the bytes that a token adds to what all blocks keep; what does not grow with tokens falls out."""
    model: PeftModel = add_adapter(make_llama(num_hidden_layers=layers).to(machine.whole), Finetune(rank=4)).train()
    if fast:
        assert speed_up(model, machine.compute) is None
    return (kept_bytes(model, 256, machine.compute) - kept_bytes(model, 128, machine.compute)) / 128


@pytest.mark.parametrize(("machine", "fast"), [(CPU, True), (GPU, False)])
def test_what_blocks_keep_is_what_was_counted_in_a_step(machine: Machine, fast: bool) -> None:
    settings = Finetune(rank=4, batch_size=1, quantize="none")
    counted = growth(3, machine, fast) - growth(2, machine, fast)
    config = make_llama().config
    computed = estimate(config, settings, 100, machine, checkpointing=False)["activations"] / (100 * 4)
    assert computed == pytest.approx(counted, rel=0.02)


def test_the_packed_base_and_its_adapter_weigh_what_was_computed(llama_folder: Path) -> None:
    settings = Finetune(rank=4)
    base = load_frozen_base(str(llama_folder), "nf4")
    packed = sum(
        module.weight.nbytes + module.weight.quant_state.absmax.nbytes + module.weight.quant_state.state2.absmax.nbytes
        for module in base.modules()
        if type(module).__name__ == "Linear4bit"
    )
    parts = estimate(base.config, settings, 10, CPU, checkpointing=False)
    assert parts["blocks"] == packed + weigh(base, "layernorm")
    assert parts["embeddings and head"] == weigh(base, "embed_tokens")


RUN = """
import json, re, sys
from pathlib import Path
from edullama.llm.memory import estimate, read_shape, this_machine
from edullama.llm.qlora import finetune
from edullama.recipe import Finetune
from edullama.records import Window
name, folder, tokens, quantize = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
settings = Finetune(rank=16, batch_size=2, max_steps=2, epochs=2, quantize=quantize, max_tokens=tokens)
windows = [Window(str(number), "l", "The catalogue has a question. " * tokens, ()) for number in range(2)]
finetune(name, windows, settings, 0, folder)
held = Finetune(rank=16, batch_size=2, quantize="none", max_tokens=tokens)  # a CPU with room unpacks the base
computed = sum(estimate(read_shape(name), held, tokens, this_machine(), checkpointing=False).values())
print(json.dumps([computed, 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="tells a process's memory by /proc")
@pytest.mark.parametrize("quantize", ["nf4", "none"])
def test_the_builtin_takes_what_was_computed(tmp_path: Path, quantize: str) -> None:
    command = [sys.executable, "-c", RUN, BUILTIN, str(tmp_path), "512", quantize]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    computed, measured = json.loads(done.stdout.splitlines()[-1])
    assert computed == pytest.approx(measured, rel=0.25)


def write_config(folder: Path, config: LlamaConfig) -> str:
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    return str(folder)


def test_a_run_that_cannot_fit_is_refused_with_advice_before_a_weight_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is nothing but a config."""
    name = write_config(tmp_path, LLAMA_2_7B)
    monkeypatch.setenv(ALLOWED, "4")
    with pytest.raises(ModelError) as caught:
        plan(name, Finetune(rank=64, batch_size=8, quantize="none", checkpointing="never"), 1024)
    said = str(caught.value)
    assert said.startswith(f"{name}: finetune needs ")
    assert " GB, 4.0 GB there. Set " in said
    for setting in (
        'finetune.quantize="nf4"', "finetune.batch_size=1", "finetune.max_tokens=512", "finetune.rank=8",
        'finetune.checkpointing="always"',
    ):  # fmt: skip
        assert setting in said
    assert "Or take a smaller model" in said


def test_a_run_that_fits_says_so_in_one_line(
    llama_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(ALLOWED, "2")
    assert plan(str(llama_folder), ONE, 100) is False
    assert capsys.readouterr().err == "  needs 0.4 GB, 2.0 GB there\n"


def test_a_cpu_computes_activations_twice_only_where_they_do_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = write_config(tmp_path, make_llama(num_hidden_layers=12, hidden_size=512, intermediate_size=2048).config)
    monkeypatch.setenv(ALLOWED, "2.5")
    assert plan(name, ONE, 2048) is False
    monkeypatch.setenv(ALLOWED, "1")
    assert plan(name, ONE, 2048) is True
    assert capsys.readouterr().err.endswith("1.0 GB there, with activations computed twice\n")
    with pytest.raises(ModelError, match="finetune needs"):
        plan(name, replace(ONE, checkpointing="never"), 2048)
    monkeypatch.setenv(ALLOWED, "2.5")
    assert plan(name, replace(ONE, checkpointing="always"), 2048) is True


def test_a_run_is_refused_by_the_command_itself(llama_folder: Path, tmp_path: Path) -> None:
    script = RUN.replace("print(", "raise SystemExit(0) #")
    command = [sys.executable, "-c", script, str(llama_folder), str(tmp_path), "64", "nf4"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {ALLOWED: "0.1"}, check=False)
    assert "ModelError" in done.stderr
    assert "finetune needs 0.4 GB, 0.1 GB there." in done.stderr
    assert not list(tmp_path.iterdir())
