"""The recipes that come with the project: each can be read, fits where it says, and trains."""

from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig

from edullama.llm.memory import Machine, estimate
from edullama.llm.qlora import finetune
from edullama.recipe_file import read_recipe
from edullama.records import Window

RECIPES = sorted((Path(__file__).parents[1] / "recipes").glob("*.toml"))
CARD = Machine(gpu=True, whole=torch.bfloat16, compute=torch.bfloat16)
SHAPES = {
    "paper": LlamaConfig(
        vocab_size=32000, hidden_size=4096, intermediate_size=11008, num_hidden_layers=32, num_attention_heads=32
    ),
    "gpu16": LlamaConfig(
        vocab_size=49152,
        hidden_size=2048,
        intermediate_size=8192,
        num_hidden_layers=24,
        num_attention_heads=32,
        tie_word_embeddings=True,
    ),
}


def test_there_are_three() -> None:
    assert [path.stem for path in RECIPES] == ["demo", "gpu16", "paper"]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_each_trains_on_a_cpu_when_its_model_is_a_tiny_one(path: Path, llama_folder: Path, tmp_path: Path) -> None:
    recipe = read_recipe(
        path, (f"course.model={str(llama_folder)!r}", "finetune.max_steps=2", "finetune.max_tokens=64")
    )
    windows = [Window(str(number), "l", f"The adapter lies in folder {number}.", ()) for number in range(12)]
    steps = finetune(recipe.course.model, windows, recipe.finetune, recipe.course.seed, tmp_path)
    assert [step.step for step in steps] == [1, 2]
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()


@pytest.mark.parametrize(("name", "gigabytes"), [("paper", 9.7), ("gpu16", 2.8)])
def test_finetuning_takes_what_the_recipe_says(name: str, gigabytes: float) -> None:
    recipe = read_recipe(next(path for path in RECIPES if path.stem == name))
    parts = estimate(SHAPES[name], recipe.finetune, recipe.finetune.max_tokens, CARD, checkpointing=True)
    assert round(sum(parts.values()) / 1e9, 1) == gigabytes
    assert f"{gigabytes} GB" in (Path(__file__).parents[1] / "recipes" / f"{name}.toml").read_text()


def test_the_papers_recipe_is_the_papers() -> None:
    recipe = read_recipe(next(path for path in RECIPES if path.stem == "paper"))
    assert recipe.course.model == "meta-llama/Llama-2-7b-hf"
    assert recipe.prepare.window == 4
    assert (recipe.finetune.quantize, recipe.finetune.optimizer) == ("nf4", "paged_adamw_32bit")
    assert (recipe.shrink.layers, recipe.shrink.choose) == (11, "even")
