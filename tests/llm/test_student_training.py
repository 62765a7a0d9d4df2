"""A recipe's distillation: what is trained, which student is kept, and that a kill changes nothing."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from edullama.llm.layers import build_student
from edullama.llm.student_training import arguments_of, choose_weights, distill
from edullama.llm.teaching import Taught, ask_teacher
from edullama.recipe import Distill
from edullama.records import Question
from tests.llm.tiny import make_llama

QUESTIONS = [Question(str(n), "lecture", f"What is entry {n}{' of this lecture' * (n % 3)}?") for n in range(12)]
SETTINGS = Distill(epochs=10, learning_rate=2e-3, batch_size=4, max_new_tokens=8, looks=2)


@pytest.fixture
def teacher() -> LlamaForCausalLM:
    return make_llama()


def teach(teacher: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> Taught:
    arguments = arguments_of(SETTINGS, 12, 0, folder / "none")
    return ask_teacher(teacher, tokenizer, QUESTIONS, 8, arguments.sampling, arguments.form, folder)


def test_distilling_brings_the_student_closer_to_the_teacher_on_questions_it_did_not_see(
    teacher: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    taught, student = teach(teacher, tokenizer, tmp_path), build_student(teacher, [0, 1, 3])
    _, steps, looks = distill(student, tokenizer, taught, QUESTIONS[:8], QUESTIONS[8:], SETTINGS, 0, tmp_path)
    assert [look.step for look in looks] == [0, 10, 20] and len(steps) == 20
    assert steps[-1].loss < steps[0].loss / 3
    assert looks[-1].kl < looks[0].kl / 2 and looks[-1].agreement > looks[0].agreement
    assert looks[0].words > 0 and 0 <= looks[0].stopped <= 1


def test_with_patience_the_student_of_the_best_look_is_kept(
    teacher: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    taught, student = teach(teacher, tokenizer, tmp_path), build_student(teacher, [0, 1, 3])
    wild = replace(SETTINGS, learning_rate=0.3, looks=4, patience=2)  # far too high: every look is worse than the start
    before = {name: weight.clone() for name, weight in student.state_dict().items()}
    kept, steps, looks = distill(student, tokenizer, taught, QUESTIONS[:8], QUESTIONS[8:], wild, 0, tmp_path)
    assert [look.step for look in looks] == [0, 5, 10] and len(steps) == 10
    assert all(torch.equal(weight, before[name]) for name, weight in kept.state_dict().items())


@pytest.mark.parametrize("train", ["full", "lora", "last"])
def test_what_is_trained_is_what_was_chosen(
    train: str, teacher: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    taught, student = teach(teacher, tokenizer, tmp_path), build_student(teacher, [0, 1, 3])
    settings = replace(SETTINGS, train=train, last_layers=1, max_steps=4)  # type: ignore[arg-type]
    before = {name: weight.clone() for name, weight in student.state_dict().items()}
    done, _, _ = distill(student, tokenizer, taught, QUESTIONS, [], settings, 0, tmp_path)
    changed = {name for name, weight in done.state_dict().items() if not torch.equal(weight, before[name])}
    assert done.state_dict().keys() == before.keys(), "an adapter is merged"
    expected = {
        "full": set(before),
        "lora": {name for name in before if name.endswith("proj.weight")},
        "last": {name for name in before if "layers.2." in name or "norm" in name or "embed" in name or "head" in name},
    }
    assert changed == expected[train]


def test_the_last_layers_need_no_gradient_below(teacher: LlamaForCausalLM) -> None:
    student = choose_weights(build_student(teacher, [0, 1, 3]), replace(SETTINGS, train="last", last_layers=2))
    assert not student.model.layers[0].mlp.up_proj.weight.requires_grad
    assert student.model.layers[1].mlp.up_proj.weight.requires_grad
    assert student.model.layers[0].input_layernorm.weight.requires_grad


RUN = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from dataclasses import replace
from transformers import AutoTokenizer
import edullama.llm.training as training
from edullama.llm.layers import build_student
from edullama.llm.student_training import distill
from tests.llm.test_student_training import QUESTIONS, SETTINGS, teach
from tests.llm.tiny import make_llama
training.CHECKPOINT_SECONDS = 0.0  # a checkpoint at every step
folder, mode = Path(sys.argv[1]), sys.argv[3]
tokenizer, teacher = AutoTokenizer.from_pretrained(sys.argv[2]), make_llama()
taught, student = teach(teacher, tokenizer, folder), build_student(teacher, [0, 3])
student, steps, looks = distill(student, tokenizer, taught, QUESTIONS[:8], QUESTIONS[8:],
                                replace(SETTINGS, mode=mode), 0, folder)
student.save_pretrained(folder / "model")
(folder / "steps.txt").write_text(repr((steps, looks)))
"""


def test_a_run_killed_at_any_step_ends_with_the_same_weights(llama_folder: Path, tmp_path: Path) -> None:
    mode = "mixed"  # in which own answers and the teacher's are read
    script = tmp_path / "run.py"
    script.write_text(RUN.format(tests=str(Path(__file__).parents[2])))
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
    subprocess.run([sys.executable, script, whole, llama_folder, mode], check=True, capture_output=True)
    first = subprocess.Popen([sys.executable, script, killed, llama_folder, mode], stderr=subprocess.DEVNULL)
    while not list(killed.glob("checkpoints/checkpoint-[7-9]")) and first.poll() is None:
        time.sleep(0.02)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert not (killed / "model").exists()
    subprocess.run([sys.executable, script, killed, llama_folder, mode], check=True, capture_output=True)
    assert (killed / "steps.txt").read_text() == (whole / "steps.txt").read_text()
    ours, theirs = (load_file(folder / "model" / "model.safetensors") for folder in (whole, killed))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
