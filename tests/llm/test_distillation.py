"""The trainer: what the loss is, whose answers are read, and that questions are all it ever sees."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from edullama.errors import InputError
from edullama.llm.distillation import DistillationArguments, DistillationTrainer
from edullama.llm.layers import build_student
from edullama.llm.lessons import Lessons, Mode, Reading
from edullama.llm.teaching import Taught, as_questions, ask_teacher
from edullama.records import Answer, Question
from tests.llm.tiny import make_llama

MODES: tuple[Mode, ...] = ("teacher", "parallel", "onpolicy", "mixed")
QUESTIONS = [Question(str(n), "lecture", f"What is entry {n}{' of this lecture' * (n % 3)}?") for n in range(12)]


@pytest.fixture
def teacher() -> LlamaForCausalLM:
    return make_llama()


def arguments(folder: Path, **changes: Any) -> DistillationArguments:
    settings: dict[str, Any] = {
        "report_to": "none", "use_cpu": True, "seed": 1, "max_new_tokens": 8, "save_strategy": "no", "logging_steps": 1,
        "per_device_train_batch_size": 4, "disable_tqdm": True,
    }  # fmt: skip
    return DistillationArguments(output_dir=str(folder), **(settings | changes))


def make_trainer(
    student: Any, teacher: LlamaForCausalLM | Taught, tokenizer: PreTrainedTokenizerFast, folder: Path, **changes: Any
) -> DistillationTrainer:
    return DistillationTrainer(
        model=student, teacher=teacher, args=arguments(folder, **changes), train_dataset=QUESTIONS,
        eval_dataset=QUESTIONS[:5], processing_class=tokenizer,
    )  # fmt: skip


def plain_kl(student: LlamaForCausalLM, teacher: LlamaForCausalLM, taught: Taught, ids: list[str], t: float) -> float:
    """The same loss by transformers' own logits, one question at a time, in fp64."""
    total, tokens = 0.0, 0
    for id in ids:
        prompt, answer = taught.prompts[id], list(taught.answers[id][0].tokens)
        both = torch.tensor([prompt + answer])
        with torch.no_grad():
            p, q = (
                (model(both).logits[0, len(prompt) - 1 : -1].double() / t).softmax(-1) for model in (teacher, student)
            )
        total, tokens = total + float((p * (p / q).log()).sum()) * t**2, tokens + len(answer)
    return total / tokens


def test_the_loss_is_the_mean_softened_kl_over_answer_tokens_alone(
    teacher: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    student = build_student(teacher, [0, 3])
    trainer = make_trainer(student, teacher, tokenizer, tmp_path, temperature=2.0)
    ids = ["0", "1", "2", "3"]
    batches, count = trainer.get_batch_samples(iter([ids]), 1, torch.device("cpu"))
    loss = trainer.compute_loss(student, batches[0], num_items_in_batch=count)
    assert float(loss) == pytest.approx(plain_kl(student, teacher, trainer.taught, ids, 2.0), rel=1e-3)
    assert count == sum(len(trainer.taught.answers[id][0].tokens) for id in ids)


def test_a_student_that_is_the_teacher_has_nothing_to_learn(
    teacher: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    figures = make_trainer(build_student(teacher, range(4)), teacher, tokenizer, tmp_path).evaluate()
    assert figures["eval_kl"] < 1e-4
    assert figures["eval_agreement"] == 1.0


@pytest.mark.parametrize("targets", ["hidden", "topk", "live"])
def test_every_way_to_keep_targets_trains_alike(
    targets: str, teacher: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    student = build_student(teacher, [0, 3])
    trainer = make_trainer(student, teacher, tokenizer, tmp_path, targets=targets, top_k=320, max_steps=2)
    before = plain_kl(student, teacher, trainer.taught, [one.id for one in QUESTIONS], 1.0)
    assert trainer.evaluate()["eval_kl"] == pytest.approx(
        plain_kl(student, teacher, trainer.taught, [one.id for one in QUESTIONS[:5]], 1.0), rel=2e-3
    )
    trainer.train()
    assert plain_kl(student, teacher, trainer.taught, [one.id for one in QUESTIONS], 1.0) < before


def test_accumulated_batches_step_exactly_as_one_whole_batch(
    teacher: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    weights, logged = [], []
    for size, accumulated in ((12, 1), (4, 3)):
        student = build_student(teacher, [0, 3])
        trainer = make_trainer(
            student, teacher, tokenizer, tmp_path / str(size), per_device_train_batch_size=size,
            gradient_accumulation_steps=accumulated, max_steps=2, optim="sgd", learning_rate=0.1, max_grad_norm=1e9,
        )  # fmt: skip
        trainer.train()
        weights.append(student.model.layers[0].mlp.up_proj.weight.detach().clone())
        logged.append([entry["loss"] for entry in trainer.state.log_history if "loss" in entry])
    torch.testing.assert_close(weights[0], weights[1], rtol=1e-4, atol=1e-6)
    assert logged[0] == pytest.approx(logged[1], rel=1e-3)


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_brings_the_student_closer_to_the_teacher(
    mode: str, teacher: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    student = build_student(teacher, [0, 1, 3])
    trainer = make_trainer(
        student, teacher, tokenizer, tmp_path, mode=mode, num_train_epochs=12, learning_rate=2e-3, max_new_tokens=6
    )
    before = trainer.evaluate()
    trainer.train()
    after = trainer.evaluate()
    assert after["eval_kl"] < before["eval_kl"] * (0.9 if mode == "parallel" else 0.5)


def test_an_adapter_learns_while_the_student_below_it_stays(
    teacher: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    student = build_student(teacher, [0, 3])
    kept = {name: weight.clone() for name, weight in student.state_dict().items()}
    model = get_peft_model(student, LoraConfig(r=8, target_modules="all-linear", task_type="CAUSAL_LM"))
    trainer = make_trainer(model, teacher, tokenizer, tmp_path, num_train_epochs=10, learning_rate=1e-2)
    before = trainer.evaluate()["eval_kl"]
    trainer.train()
    assert trainer.evaluate()["eval_kl"] < before
    now = {
        name.replace(".base_layer", ""): weight for name, weight in student.state_dict().items() if "lora" not in name
    }
    assert all(torch.equal(kept[name], now[name]) for name in kept)


def test_a_schedule_moves_the_temperature_of_both_sides(tmp_path: Path) -> None:
    moving = arguments(tmp_path, temperature=4.0, final_temperature=1.0, temperature_schedule="linear")
    assert [moving.objective(done).temperature for done in (0.0, 0.5, 1.0)] == [4.0, 2.5, 1.0]
    mixed = arguments(tmp_path, student_share=0.2, final_student_share=0.8)
    assert [mixed.share_read(done) for done in (0.0, 0.5, 1.0)] == pytest.approx([0.2, 0.5, 0.8])


def test_settings_that_exclude_each_other_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="hidden states are matched"):
        arguments(tmp_path, targets="topk", state_share=0.5)
    with pytest.raises(ValueError, match="temperature that moves"):
        arguments(tmp_path, targets="topk", temperature_schedule="cosine")
    with pytest.raises(ValueError, match="no divergence 'kl'"):
        arguments(tmp_path, divergence="kl")


def test_own_answers_are_scored_only_while_the_teacher_is_there(
    teacher: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    settings = arguments(tmp_path)
    taught = ask_teacher(teacher, tokenizer, QUESTIONS, 8, settings.sampling, settings.form, tmp_path)
    gone = Taught(taught.prompts, taught.answers, taught.targets)
    make_trainer(build_student(teacher, [0, 3]), gone, tokenizer, tmp_path / "teacher")
    with pytest.raises(InputError, match="'onpolicy' needs the teacher in memory"):
        make_trainer(build_student(teacher, [0, 3]), gone, tokenizer, tmp_path / "own", mode="onpolicy")


def test_the_teacher_is_not_asked_again_and_another_ones_answers_are_refused(
    teacher: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    settings = arguments(tmp_path)
    first = ask_teacher(teacher, tokenizer, QUESTIONS, 8, settings.sampling, settings.form, tmp_path)
    written = (tmp_path / "answers.jsonl").read_bytes()
    again = ask_teacher(teacher, tokenizer, QUESTIONS, 8, settings.sampling, settings.form, tmp_path)
    assert again.answers == first.answers and (tmp_path / "answers.jsonl").read_bytes() == written
    with torch.no_grad():
        teacher.model.norm.weight.mul_(2)
    with pytest.raises(InputError, match="other weights than now"):
        ask_teacher(teacher, tokenizer, QUESTIONS, 8, settings.sampling, settings.form, tmp_path)


def test_no_reference_answer_can_reach_the_student() -> None:
    assert "reference" not in {item.name for item in fields(Question)} | {item.name for item in fields(Taught)}
    rows = [{"question": "What is a window?", "reference": "Four entries.", "answer": "Four entries."}]
    (question,) = as_questions(rows)
    assert "Four" not in repr(question)
    assert [one.text for one in as_questions(["a?", "b?", "a?", question])] == ["a?", "b?", "What is a window?"]


def answer(*tokens: int) -> Answer:
    return Answer("q", "m", "", tokens, "stop")


def test_each_mode_reads_whose_answers_it_says() -> None:
    written = {"q": [answer(1, 2, 3), answer(4, 5)]}
    read = {}
    for mode in MODES:
        lessons = Lessons(mode, written, rounds=1, seed=0)
        assert lessons.choose(["q"], 0, 0, 1.0) == [Reading("q", (1, 2, 3), (1, 2, 3))], "before it has answered"
        lessons.add_round({"q": answer(9)})
        lessons.add_round({"q": answer(7, 7, 7, 7)})
        (read[mode],) = lessons.choose(["q"], 0, 0, 1.0)
    assert read == {
        "teacher": Reading("q", (1, 2, 3), (1, 2, 3)),
        "parallel": Reading("q", (7, 7, 7), (1, 2, 3)),
        "onpolicy": Reading("q", (7, 7, 7, 7), (7, 7, 7, 7)),
        "mixed": Reading("q", (7, 7, 7, 7), (7, 7, 7, 7)),
    }
    lessons = Lessons("teacher", written, rounds=1, seed=0)
    assert [lessons.choose(["q"], 0, epoch, 0.0)[0].read for epoch in range(3)] == [(1, 2, 3), (4, 5), (1, 2, 3)]


def test_a_share_of_the_questions_reads_the_students_answers_and_chance_repeats_itself() -> None:
    ids = [str(n) for n in range(400)]
    lessons = Lessons("mixed", {id: [answer(1)] for id in ids}, rounds=1, seed=3)
    lessons.add_round({id: answer(2) for id in ids})
    first, again, later = (lessons.choose(ids, step, 0, 0.25) for step in (5, 5, 6))
    assert first == again != later
    assert sum(one.read == (2,) for one in first) == pytest.approx(100, abs=30)
