import json
from pathlib import Path
from typing import Literal

import pytest
import torch
from peft import PeftModel
from torch import nn
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from edullama.errors import InputError, ModelError
from edullama.llm import checkpoints, qlora, training
from edullama.llm.batches import Collator
from edullama.llm.qlora import finetune, load_frozen_base, load_teacher, round_to_nf4, tokenize_window
from edullama.recipe import Finetune
from edullama.records import Window
from tests.llm.tiny import make_llama

WINDOWS = [
    Window(str(n), "l", f"The adapter lies in folder {n}, and the catalogue has {n * 7} questions.", ())
    for n in range(10)
]
TRAINED = Finetune(rank=4, alpha=8, epochs=12, batch_size=5, learning_rate=1e-2)


def loss_on(model: nn.Module, tokenizer: PreTrainedTokenizerFast, windows: list[Window]) -> float:
    batch = Collator(0)([row for window in windows for row in tokenize_window(tokenizer, window, 256)])
    with torch.inference_mode():
        return float(model(**batch).loss)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory, llama_folder: Path) -> Path:
    """An adapter trained in NF4 on the tiny Llama."""
    folder = tmp_path_factory.mktemp("finetune")
    finetune(str(llama_folder), WINDOWS, TRAINED, 0, folder)
    return folder


@pytest.mark.parametrize("quantize", ["nf4", "none"])
def test_training_lowers_the_loss_of_the_course(
    llama_folder: Path, tokenizer: PreTrainedTokenizerFast, tmp_path: Path, quantize: Literal["nf4", "none"]
) -> None:
    settings = Finetune(rank=4, alpha=8, epochs=12, batch_size=5, learning_rate=1e-2, quantize=quantize)
    steps = finetune(str(llama_folder), WINDOWS, settings, 0, tmp_path)
    assert len(steps) == 24
    assert steps[-1].loss < steps[0].loss - 1
    base = LlamaForCausalLM.from_pretrained(llama_folder)
    teacher = load_teacher(tmp_path / "adapter", str(llama_folder))
    assert loss_on(teacher, tokenizer, WINDOWS) < loss_on(base, tokenizer, WINDOWS) - 1


def test_adapters_lie_on_all_seven_linear_layers_of_every_block_and_nowhere_else(course: Path) -> None:
    from safetensors import safe_open

    with safe_open(course / "adapter" / "adapter_model.safetensors", "pt") as file:
        names = list(file.keys())
    assert len(names) == 4 * 7 * 2  # blocks, linear layers, A and B
    assert all(".layers." in name for name in names)


def test_the_frozen_base_is_held_in_double_quantised_nf4(llama_folder: Path) -> None:
    base = load_frozen_base(str(llama_folder), "nf4")
    weight = base.model.layers[0].mlp.up_proj.weight
    assert weight.quant_type == "nf4"
    assert weight.quant_state.nested
    assert base.get_input_embeddings().weight.is_floating_point()


def test_rounding_to_nf4_gives_the_weights_the_adapter_was_trained_against(llama_folder: Path) -> None:
    packed = load_frozen_base(str(llama_folder), "nf4")
    rounded = LlamaForCausalLM.from_pretrained(llama_folder)
    round_to_nf4(rounded)
    inputs = torch.randn(3, 64)
    for layer, other in zip(packed.model.layers, rounded.model.layers, strict=True):
        layer.mlp.up_proj.compute_dtype = torch.float32
        packed_out = layer.mlp.up_proj.train()(inputs)  # in eval mode some CPUs repack the weight in place
        torch.testing.assert_close(packed_out, other.mlp.up_proj(inputs), rtol=1e-4, atol=1e-5)


def test_the_merged_teacher_is_the_adapter_on_its_rounded_base(course: Path, llama_folder: Path) -> None:
    rounded = LlamaForCausalLM.from_pretrained(llama_folder)
    round_to_nf4(rounded)
    apart = PeftModel.from_pretrained(rounded, str(course / "adapter")).eval()
    merged = load_teacher(course / "adapter", str(llama_folder))
    tokens = torch.arange(30).reshape(2, 15)
    torch.testing.assert_close(merged(tokens).logits, apart(tokens).logits, rtol=1e-4, atol=1e-4)


def test_an_adapter_is_refused_on_another_base(course: Path) -> None:
    with pytest.raises(InputError, match="was trained on"):
        load_teacher(course / "adapter", "some/other-llama")


def test_the_adapter_names_its_base_as_the_recipe_does(course: Path, llama_folder: Path) -> None:
    config = json.loads((course / "adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(llama_folder)


def test_a_run_of_fewer_steps_stops_there(llama_folder: Path, tmp_path: Path) -> None:
    steps = finetune(str(llama_folder), WINDOWS, Finetune(rank=4, alpha=8, max_steps=3), 0, tmp_path)
    assert [step.step for step in steps] == [1, 2, 3]


def test_a_loss_that_is_no_number_stops_the_run_and_says_what_to_do(llama_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="Lower the learning rate"):
        finetune(str(llama_folder), WINDOWS, Finetune(rank=4, alpha=8, learning_rate=1e30), 0, tmp_path)


def test_a_resumed_run_ends_with_the_same_adapter(
    course: Path, llama_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)  # a checkpoint at every step
    finetune(str(llama_folder), WINDOWS, TRAINED, 0, tmp_path)
    kept = sorted((tmp_path / "checkpoints").iterdir())
    assert [path.name for path in kept] == ["checkpoint-22", "checkpoint-23"]
    (kept[1] / checkpoints.WHOLE).unlink()  # as a kill in the middle of saving leaves it
    (tmp_path / "adapter" / "adapter_model.safetensors").unlink()
    finetune(str(llama_folder), WINDOWS, TRAINED, 0, tmp_path)
    name = "adapter/adapter_model.safetensors"
    assert (tmp_path / name).read_bytes() == (course / name).read_bytes()


def test_another_seed_gives_another_adapter(course: Path, llama_folder: Path, tmp_path: Path) -> None:
    """Comparing adapters would be worth nothing if every run gave the same."""
    finetune(str(llama_folder), WINDOWS, TRAINED, 1, tmp_path)
    name = "adapter/adapter_model.safetensors"
    assert (tmp_path / name).read_bytes() != (course / name).read_bytes()


def test_every_token_of_a_window_is_learnt_and_an_end_token_after_it(tokenizer: PreTrainedTokenizerFast) -> None:
    (row,) = tokenize_window(tokenizer, WINDOWS[3], 256)
    assert row["prompt"] == []
    assert tokenizer.decode(row["answer"]) == "The adapter lies in folder 3, and the catalogue has 21 questions.<|end|>"


def test_a_long_window_is_split_and_loses_nothing(tokenizer: PreTrainedTokenizerFast) -> None:
    (whole,) = tokenize_window(tokenizer, WINDOWS[3], 256)
    pieces = [piece["answer"] for piece in tokenize_window(tokenizer, WINDOWS[3], 10)]
    assert [token for piece in pieces for token in piece] == whole["answer"]
    assert max(map(len, pieces)) == 10


def test_prompts_and_padding_carry_no_loss() -> None:
    batch = Collator(0)([{"prompt": [5], "answer": [6, 7]}, {"prompt": [8], "answer": [9]}])
    assert batch["labels"].tolist() == [[-100, 6, 7], [-100, 9, -100]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]


def test_padded_rows_and_rows_side_by_side_give_the_same_losses(llama_folder: Path, tmp_path: Path) -> None:
    windows = [*WINDOWS, Window("short", "l", "Short.", ())]
    curves = []
    for pack in (True, False):
        settings = Finetune(rank=4, alpha=8, epochs=2, batch_size=3, learning_rate=1e-2, pack=pack)
        curves.append([step.loss for step in finetune(str(llama_folder), windows, settings, 0, tmp_path / str(pack))])
    assert curves[0] == pytest.approx(curves[1], abs=1e-3)


def test_checkpointing_and_packed_weights_change_no_loss(
    llama_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qlora, "free_memory", lambda: 10**6)  # too little to hold the base unpacked
    settings = Finetune(rank=4, alpha=8, epochs=2, batch_size=5, checkpointing="always")
    packed = [step.loss for step in finetune(str(llama_folder), WINDOWS, settings, 0, tmp_path / "packed")]
    monkeypatch.undo()
    settings = Finetune(rank=4, alpha=8, epochs=2, batch_size=5)
    assert packed == pytest.approx(
        [step.loss for step in finetune(str(llama_folder), WINDOWS, settings, 0, tmp_path)], abs=1e-3
    )


def test_the_base_is_held_unpacked_where_memory_suffices(
    llama_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = []
    for free in (10**6, 10**12, None):
        monkeypatch.setattr(qlora, "free_memory", lambda free=free: free)
        model = qlora.load_trainable(str(llama_folder), Finetune(rank=4), 64)
        kinds.append(type(model.get_base_model().model.layers[0].mlp.up_proj.get_base_layer()).__name__)
    assert kinds == ["Linear4bit", "Linear", "Linear"]
    assert "packed, and unpacked at every use" in capsys.readouterr().err


def test_adapters_lie_on_chosen_layers_only(llama_folder: Path, tmp_path: Path) -> None:
    from safetensors import safe_open

    settings = Finetune(rank=4, alpha=8, max_steps=1, targets=("q_proj", "v_proj"))
    finetune(str(llama_folder), WINDOWS, settings, 0, tmp_path)
    with safe_open(tmp_path / "adapter" / "adapter_model.safetensors", "pt") as file:
        assert {name.split(".")[-3] for name in file.keys()} == {"q_proj", "v_proj"}  # noqa: SIM118


def test_full_training_moves_every_weight_and_saves_a_stock_model(
    llama_folder: Path, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    settings = Finetune(train="full", quantize="none", epochs=6, batch_size=5, learning_rate=1e-3)
    steps = finetune(str(llama_folder), WINDOWS, settings, 0, tmp_path)
    assert steps[-1].loss < steps[0].loss - 0.5
    base = LlamaForCausalLM.from_pretrained(llama_folder)
    teacher = load_teacher(tmp_path / "adapter", str(llama_folder))
    moved = [not torch.equal(one, other) for one, other in zip(base.parameters(), teacher.parameters(), strict=True)]
    assert all(moved)
    assert loss_on(teacher, tokenizer, WINDOWS) < loss_on(base, tokenizer, WINDOWS) - 0.5


def test_the_first_loss_of_full_training_is_that_of_the_base(
    llama_folder: Path, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    settings = Finetune(train="full", quantize="none", max_steps=1, batch_size=10)
    (step,) = finetune(str(llama_folder), WINDOWS, settings, 0, tmp_path)
    assert step.loss == pytest.approx(loss_on(LlamaForCausalLM.from_pretrained(llama_folder), tokenizer, WINDOWS), 1e-4)


@pytest.mark.parametrize(
    ("settings", "device", "optimizer", "told"),
    [
        (Finetune(), "cuda", "paged_adamw_8bit", False),
        (Finetune(optimizer="paged_adamw_32bit"), "cuda", "paged_adamw_32bit", False),
        (Finetune(quantize="none"), "cuda", "adamw_torch_fused", False),
        (Finetune(optimizer="adamw"), "cpu", "adamw_torch_fused", False),
        (Finetune(), "cpu", "adamw_torch_fused", True),
        (Finetune(optimizer="paged_adamw_32bit"), "mps", "adamw_torch_fused", True),
    ],
)
def test_optimizers_are_paged_on_cuda_and_a_line_says_where_they_are_not(
    settings: Finetune, device: str, optimizer: str, told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert qlora.choose_optimizer(settings, device) == optimizer
    assert ("needs a CUDA GPU" in capsys.readouterr().err) == told


def test_only_norms_are_raised_to_fp32() -> None:
    model = qlora.norms_in_fp32(make_llama().to(torch.bfloat16))
    raised = {name for name, part in model.named_parameters() if part.dtype == torch.float32}
    assert raised == {name for name, _ in model.named_parameters() if "norm" in name}
    assert len(raised) == 9
