import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from edullama.errors import InputError
from edullama.llm.adapters import answer_logprobs, divergence, open_adapters
from edullama.llm.generate import Prompted, answer_batch
from edullama.llm.models import count_parameters
from edullama.llm.qlora import finetune, load_teacher
from edullama.llm.rendering import render_answer, render_prompt
from edullama.recipe import Finetune
from edullama.records import Pair, Question

ASKED = ["Where does the adapter lie?", "What is a window?"]
COURSES = {"one": ["In folder 3.", "Four entries."], "two": ["On the old shelf.", "A hole in a wall."]}


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory, llama_folder: Path) -> dict[str, Path]:
    """Two courses that answer the same questions in other words."""
    folder, settings = tmp_path_factory.mktemp("adapters"), Finetune(rank=4, alpha=8, epochs=40, learning_rate=2e-2)
    for name, answers in COURSES.items():
        pairs = [Pair(str(n), "question", "l", ASKED[n], answer, ()) for n, answer in enumerate(answers)]
        finetune(str(llama_folder), pairs, settings, 0, folder / name)
    return {name: folder / name / "adapter" for name in COURSES}


def answers(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> list[tuple[int, ...]]:
    batch = [Prompted(Question("q", "l", text), render_prompt(tokenizer, text), 24) for text in ASKED]
    return [answer.tokens for answer in answer_batch(model, tokenizer, batch, "teacher")]


def test_switching_gives_the_very_answers_of_each_teacher_loaded_alone(
    adapters: dict[str, Path], llama_folder: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    alone = {name: answers(load_teacher(path, str(llama_folder)), tokenizer) for name, path in adapters.items()}
    assert tokenizer.decode(alone["one"][0]).startswith(" In folder 3.")
    assert tokenizer.decode(alone["two"][0]).startswith(" On the old shelf.")
    model = open_adapters(adapters, str(llama_folder))
    assert answers(model, tokenizer) == alone["one"]  # the first is switched on
    for name in ("two", "one", "two"):
        model.set_adapter(name)
        assert answers(model, tokenizer) == alone[name]


def test_there_is_one_base_however_many_adapters(adapters: dict[str, Path], llama_folder: Path) -> None:
    base = LlamaForCausalLM.from_pretrained(llama_folder)
    model = open_adapters(adapters, str(llama_folder))
    own = sum(weight.numel() for name, weight in model.named_parameters() if "lora_" not in name)
    assert own == count_parameters(base)


def test_adapters_whose_bases_were_held_in_other_ways_are_refused(
    adapters: dict[str, Path], llama_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(adapters["two"], tmp_path / "full")
    (tmp_path / "full" / "edullama.json").write_text(json.dumps({"base": str(llama_folder), "quantize": "none"}))
    with pytest.raises(InputError, match=r"'nf4' \(.*one/adapter\), 'none' \(.*full\)"):
        open_adapters({"one": adapters["one"], "full": tmp_path / "full"}, str(llama_folder))


def test_an_adapter_of_another_base_is_refused(adapters: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="was trained on"):
        open_adapters(adapters, "some/other-llama")


def test_divergence_is_torchs_kl() -> None:
    one, other = (torch.randn(5, 7, generator=torch.Generator().manual_seed(n)).log_softmax(-1) for n in (1, 2))
    expected = torch.nn.functional.kl_div(other, one, log_target=True, reduction="none").sum(-1)
    torch.testing.assert_close(divergence(one, other).float(), expected)


def test_merging_changes_nothing_on_the_base_of_the_adapter_and_much_on_another(
    adapters: dict[str, Path], llama_folder: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    from peft import PeftModel

    asked = [(render_prompt(tokenizer, ASKED[n]), render_answer(tokenizer, COURSES["one"][n])) for n in (0, 1)]
    model = open_adapters({"one": adapters["one"]}, str(llama_folder))
    before = answer_logprobs(model, asked)
    assert before.shape == (sum(len(answer) for _, answer in asked), 320)
    merged = model.merge_and_unload()
    assert divergence(before, answer_logprobs(merged, asked)).max() < 1e-6
    full = PeftModel.from_pretrained(LlamaForCausalLM.from_pretrained(llama_folder), str(adapters["one"]))
    assert divergence(before, answer_logprobs(full.merge_and_unload().eval(), asked)).max() > 1e-4
