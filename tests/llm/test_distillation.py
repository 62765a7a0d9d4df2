import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast, TrainingArguments

from edullama.llm.batches import Collator
from edullama.llm.distillation import DistillationTrainer, distill
from edullama.llm.generate import answer_all
from edullama.llm.layers import build_student
from edullama.llm.rendering import render_prompt
from edullama.llm.targets import answer_states
from edullama.recipe import Distill
from edullama.records import Answer, Question
from tests.llm.tiny import make_llama

QUESTIONS = [Question(str(n), "lecture", f"What is entry {n}{' of this lecture' * (n % 3)}?") for n in range(12)]
Rows = list[dict[str, Any]]


@pytest.fixture
def teacher() -> LlamaForCausalLM:
    return make_llama()


@pytest.fixture
def answers(teacher: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> list[Answer]:
    return answer_all(teacher, tokenizer, QUESTIONS, [6 + n % 4 for n in range(12)], "teacher")


@pytest.fixture
def targets(teacher: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, answers: list[Answer]) -> dict[str, Tensor]:
    return answer_states(teacher, tokenizer, list(zip(QUESTIONS, answers, strict=True)))


@pytest.fixture
def rows(tokenizer: PreTrainedTokenizerFast, answers: list[Answer], targets: dict[str, Tensor]) -> Rows:
    return [
        {"prompt": render_prompt(tokenizer, q.text), "answer": list(a.tokens), "states": targets[q.id]}
        for q, a in zip(QUESTIONS, answers, strict=True)
    ]


def trainer_for(
    student: LlamaForCausalLM, teacher: LlamaForCausalLM, rows: Rows, folder: Path, **arguments: Any
) -> DistillationTrainer:
    settings: dict[str, Any] = {"report_to": "none", "use_cpu": True, "remove_unused_columns": False, "seed": 1}
    return DistillationTrainer(
        model=student,
        args=TrainingArguments(output_dir=str(folder), **(settings | arguments)),
        train_dataset=rows,
        data_collator=Collator(0),
        teacher_head=teacher.lm_head.weight.detach().clone(),
        temperature=2.0,
    )


def test_the_loss_is_the_mean_softened_kl_over_answer_tokens_alone(
    teacher: LlamaForCausalLM, rows: Rows, tmp_path: Path
) -> None:
    student = build_student(teacher, [0, 3])
    expected, tokens = 0.0, 0
    for row in rows[:4]:
        start, both = len(row["prompt"]) - 1, torch.tensor([row["prompt"] + row["answer"]])
        p = (teacher(both).logits[0, start:-1].double() / 2).softmax(-1)
        q = (student(both).logits[0, start:-1].double() / 2).softmax(-1)
        expected += float((p * (p / q).log()).sum().detach()) * 4
        tokens += len(row["answer"])
    trainer = trainer_for(student, teacher, rows, tmp_path)
    loss = trainer.compute_loss(student, Collator(0)(rows[:4]))
    assert float(loss) == pytest.approx(expected / tokens, rel=1e-3)


def test_a_student_that_is_the_teacher_has_nothing_to_learn(
    teacher: LlamaForCausalLM, rows: Rows, tmp_path: Path
) -> None:
    trainer = trainer_for(teacher, teacher, rows, tmp_path)
    assert float(trainer.compute_loss(teacher, Collator(0)(rows))) < 1e-4


def test_two_half_batches_accumulated_step_exactly_as_one_whole_batch(
    teacher: LlamaForCausalLM, rows: Rows, tmp_path: Path
) -> None:
    weights, logged = [], []
    for size, accumulated in ((12, 1), (4, 3)):
        student = build_student(teacher, [0, 3])
        trainer = trainer_for(
            student,
            teacher,
            rows,
            tmp_path / str(size),
            per_device_train_batch_size=size,
            gradient_accumulation_steps=accumulated,
            max_steps=2,
            optim="sgd",
            learning_rate=0.1,
            max_grad_norm=1e9,
            logging_steps=1,
        )
        trainer.train()
        weights.append(student.model.layers[0].mlp.up_proj.weight.detach().clone())
        logged.append([entry["loss"] for entry in trainer.state.log_history if "loss" in entry])
    torch.testing.assert_close(weights[0], weights[1], rtol=1e-4, atol=1e-6)
    assert logged[0] == pytest.approx(logged[1], rel=1e-3)


def test_distilling_brings_the_student_closer_to_the_teacher(
    teacher: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    answers: list[Answer],
    targets: dict[str, Tensor],
    tmp_path: Path,
) -> None:
    student = build_student(teacher, [0, 1, 3])
    settings = Distill(epochs=20, learning_rate=3e-3, batch_size=4)
    head = teacher.lm_head.weight.detach().clone()
    steps = distill(student, tokenizer, QUESTIONS, answers, targets, head, settings, 0, tmp_path)
    assert len(steps) == 60
    assert steps[-1].loss < steps[0].loss / 3


RUN = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from tests.llm.tiny import make_llama
from transformers import AutoTokenizer
import edullama.llm.training as training
from edullama.llm.distillation import distill
from edullama.llm.generate import answer_all
from edullama.llm.layers import build_student
from edullama.llm.targets import answer_states
from edullama.recipe import Distill
from tests.llm.test_distillation import QUESTIONS
training.CHECKPOINT_SECONDS = 0.0  # a checkpoint at every step
folder = Path(sys.argv[1])
tokenizer = AutoTokenizer.from_pretrained(sys.argv[2])
teacher = make_llama()
answers = answer_all(teacher, tokenizer, QUESTIONS, [8] * 12, "teacher")
targets = answer_states(teacher, tokenizer, list(zip(QUESTIONS, answers)))
student = build_student(teacher, [0, 3])
steps = distill(student, tokenizer, QUESTIONS, answers, targets, teacher.lm_head.weight.detach().clone(),
                Distill(epochs=10, learning_rate=1e-3, batch_size=4), 0, folder)
student.save_pretrained(folder / "model")
(folder / "steps.txt").write_text(repr(steps))
"""


def test_a_run_killed_at_any_step_ends_with_the_same_weights(llama_folder: Path, tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(RUN.format(tests=str(Path(__file__).parents[2])))
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
    subprocess.run([sys.executable, script, whole, llama_folder], check=True, capture_output=True)
    first = subprocess.Popen([sys.executable, script, killed, llama_folder], stderr=subprocess.DEVNULL)
    while not list(killed.glob("checkpoints/checkpoint-[5-9]")) and first.poll() is None:
        time.sleep(0.02)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert not (killed / "model").exists()
    subprocess.run([sys.executable, script, killed, llama_folder], check=True, capture_output=True)
    assert (killed / "steps.txt").read_text() == (whole / "steps.txt").read_text()
    ours, theirs = (load_file(folder / "model" / "model.safetensors") for folder in (whole, killed))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
