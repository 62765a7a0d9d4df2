"""The shrink stage on folders made by hand and a tiny Llama."""

import csv
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from edullama.errors import InputError, RecipeError
from edullama.files import to_json, write_file
from edullama.llm.generate import answer_all
from edullama.llm.models import count_parameters, load_model, load_tokenizer
from edullama.llm.qlora import add_adapter, load_rounded_base, load_teacher, save_teacher
from edullama.recipe import Course, Finetune, LayerChoice, Recipe, Shrink
from edullama.recipe_file import parse_recipe
from edullama.records import Answer, Question
from edullama.stages import shrink, sweep
from edullama.stages.calibration import part
from edullama.stages.distill import hold_out
from edullama.store import Workspace, find_stage

QUESTIONS = [Question(f"k{n}", "a", f"What is fact {n} of the lecture?", "a.tsv") for n in range(6)]


@pytest.fixture
def recipe(llama_folder: Path) -> Recipe:
    return Recipe(course=Course(model=str(llama_folder)), shrink=Shrink(layers=2))


@pytest.fixture
def work(tmp_path: Path, llama_folder: Path) -> Workspace:
    """A course with six questions and a teacher, whose adapter has random weights."""
    write_records(tmp_path / "2-prepare" / "catalogue.jsonl", QUESTIONS)
    model = add_adapter(load_rounded_base(str(llama_folder), "nf4"), Finetune(rank=4))
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.1)
    save_teacher(model, tmp_path / "3-finetune" / "adapter", str(llama_folder), "nf4")
    return Workspace(tmp_path)


def write_records(path: Path, records: Iterable[object]) -> None:
    write_file(path, b"".join(to_json(record) + b"\n" for record in records))


def facts(work: Workspace) -> dict[str, Any]:
    return json.loads(work.path("shrink", "layers.json").read_text())


def change(recipe: Recipe, **settings: Any) -> Recipe:
    return replace(recipe, shrink=replace(recipe.shrink, **settings))


def test_the_student_says_what_its_layers_of_the_merged_teacher_say(work: Workspace, recipe: Recipe) -> None:
    shrink.run(work, recipe)
    layers = facts(work)["layers"]
    teacher = load_teacher(work.path("finetune", "adapter"), recipe.course.model)
    teacher.model.layers = torch.nn.ModuleList([teacher.model.layers[layer] for layer in layers])
    student = load_model(str(work.path("shrink", "model")))
    tokens = torch.arange(20).reshape(2, 10)
    assert torch.allclose(student(tokens).logits, teacher(tokens, use_cache=False).logits, atol=1e-5)


def test_parameters_are_counted_in_the_saved_model_and_the_head_once(work: Workspace, recipe: Recipe) -> None:
    manifest = shrink.run(work, recipe)
    found = facts(work)
    assert found["parameters"] == count_parameters(load_model(str(work.path("shrink", "model"))))
    assert manifest.counts == {"layers": 2, "teacher_layers": 4, "parameters": found["parameters"]}
    assert found["embedding_parameters"] == 320 * 64
    assert found["teacher_parameters"] == 320 * 64 + 4 * (2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 128 + 2 * 64) + 64


@pytest.mark.parametrize("choose", ["greedy", "influence", "angle"])
def test_choices_by_answers_keep_the_answers_the_scores_and_the_loss_on_others(
    work: Workspace, recipe: Recipe, choose: LayerChoice
) -> None:
    manifest = shrink.run(work, change(recipe, choose=choose))
    answers = work.read("shrink", "answers.jsonl", Answer)
    assert {answer.question_id for answer in answers} == {"k0", "k1", "k2", "k3", "k4", "k5"}
    scores = json.loads(work.path("shrink", "scores.json").read_text())
    assert list(scores) == [{"greedy": "removals", "influence": "influences", "angle": "angles"}[choose]]
    kl = facts(work)["answer_kl"]
    assert kl["n"] == 3 and kl["low"] < kl["mean"] < kl["high"]
    assert any("3 answers" in note for note in manifest.notes)


@pytest.mark.parametrize(("choose", "layers"), [("even", [0, 3]), ("ends", [0, 3])])
def test_choices_that_look_at_no_answers_need_no_questions(
    work: Workspace, recipe: Recipe, choose: LayerChoice, layers: list[int]
) -> None:
    write_records(work.root / "2-prepare" / "catalogue.jsonl", [])
    shrink.run(work, change(recipe, choose=choose))
    assert facts(work)["layers"] == layers
    assert not (work.folder("shrink") / "answers.jsonl").exists()


def test_a_list_of_layers_is_taken_as_it_is(work: Workspace, recipe: Recipe) -> None:
    shrink.run(work, change(recipe, layers=(1, 3)))
    assert facts(work)["layers"] == [1, 3]


def test_without_a_question_the_greedy_choice_says_what_to_do(work: Workspace, recipe: Recipe) -> None:
    write_records(work.root / "2-prepare" / "catalogue.jsonl", [])
    with pytest.raises(InputError, match=r'flashcards.*"even"'):
        shrink.run(work, recipe)


def test_another_size_finds_answers_and_scores_where_the_first_left_them(work: Workspace, recipe: Recipe) -> None:
    shrink.run(work, change(recipe, layers=3))
    first = json.loads(work.path("shrink", "scores.json").read_text())["removals"]
    replace_in_cache(work, replace(work.read("shrink", "answers.jsonl", Answer)[0], text="marked"))
    shrink.run(work, change(recipe, layers=2))
    assert work.read("shrink", "answers.jsonl", Answer)[0].text == "marked"
    scores = json.loads(work.path("shrink", "scores.json").read_text())["removals"]
    assert scores[0] == first[0] and len(scores) == 2
    shrink.run(work, change(recipe, layers=3))
    assert json.loads(work.path("shrink", "scores.json").read_text())["removals"] == scores


def replace_in_cache(work: Workspace, answer: Answer) -> None:
    """Change what a question is known to have been answered: what is answered again would not have the mark."""
    import sqlite3

    with sqlite3.connect(work.folder("shrink") / "cache.sqlite") as database:
        for key, value in database.execute("SELECT key, value FROM results").fetchall():
            if value.startswith(b'{"question_id":"%s"' % answer.question_id.encode()):
                database.execute("UPDATE results SET value = ? WHERE key = ?", (to_json(answer), key))


def test_another_teacher_answers_anew(work: Workspace, recipe: Recipe) -> None:
    shrink.run(work, recipe)
    before = work.read("shrink", "answers.jsonl", Answer)
    model = add_adapter(load_rounded_base(recipe.course.model, "nf4"), Finetune(rank=4))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.2)
    save_teacher(model, work.path("finetune", "adapter"), recipe.course.model, "nf4")
    shrink.run(work, recipe)
    after = work.read("shrink", "answers.jsonl", Answer)
    teacher = load_teacher(work.path("finetune", "adapter"), recipe.course.model)
    anew = answer_all(teacher, load_tokenizer(recipe.course.model), QUESTIONS, [64] * 6, "teacher")
    assert {own.question_id: own.tokens for own in after} == {own.question_id: own.tokens for own in anew}
    assert {own.key for own in after}.isdisjoint({own.key for own in before})


@pytest.mark.parametrize("count", [1, 2, 5, 10, 12, 32])
def test_layers_are_chosen_by_questions_that_distill_learns_and_measured_with_those_it_holds_out(count: int) -> None:
    questions = [Question(f"k{n}", "a", f"What is fact {n}?", "a.tsv") for n in range(20)]
    chosen, spared = part(questions, count)
    learnt, held_out = hold_out(questions, 0.2)
    assert len(chosen) + len(spared) == min(count, 20)
    assert len(chosen) - len(spared) in (0, 1)
    assert not set(chosen) & set(spared) and set(chosen) <= set(learnt)
    assert set(spared) <= set(held_out) or set(held_out) <= set(spared)


def test_narrower_ffns_are_in_the_model_and_in_its_facts(work: Workspace, recipe: Recipe) -> None:
    shrink.run(work, change(recipe, layers=(0, 1, 3), ffn=0.5))
    student = load_model(str(work.path("shrink", "model")))
    assert student.config.intermediate_size == facts(work)["ffn_width"] == 64
    assert facts(work)["parameters"] == count_parameters(student)


def test_more_than_a_third_removed_is_warned_of_and_a_third_is_not(work: Workspace, recipe: Recipe) -> None:
    assert any("2 of 4 layers are gone" in note and "keep 3" in note for note in shrink.run(work, recipe).notes)
    assert not any("are gone" in note for note in shrink.run(work, change(recipe, layers=3)).notes)


def test_the_trial_runs_limit_is_how_many_questions_are_asked(work: Workspace, recipe: Recipe) -> None:
    shrink.run(work, change(recipe, questions=1))
    assert len(work.read("shrink", "answers.jsonl", Answer)) == 1
    assert facts(work)["answer_kl"] == {
        "name": "answer_kl", "mean": None, "low": None, "high": None, "n": 0, "missing": 0,
    }  # fmt: skip


@pytest.mark.parametrize("setting", ["ffn = 0.0", "ffn = 1.5", "questions = 0", "last = -1", 'choose = "best"'])
def test_settings_that_cannot_work_are_refused(setting: str) -> None:
    name, _, value = setting.partition(" = ")
    with pytest.raises(RecipeError, match=f"shrink.{name}"):
        parse_recipe({"shrink": {name: json.loads(value)}}, "course.toml")


def test_a_sweep_leaves_a_plot_its_numbers_and_what_it_asked_and_no_student(work: Workspace, recipe: Recipe) -> None:
    told = sweep.run(work, recipe)
    assert {path.name for path in work.folder("shrink").iterdir()} == {"sweep.svg", "sweep.csv", "cache.sqlite"}
    assert work.stage_status(find_stage("shrink"), recipe).state == "missing"
    with (work.folder("shrink") / "sweep.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["choice"] for row in rows} == {"greedy", "influence", "angle", "even", "ends"}
    assert [row["layers"] for row in rows if row["choice"] == "greedy"] == ["1", "2", "3"]
    assert "3 layers" in told and "3 answers" in told
    shrink.run(work, recipe)
    row = next(row for row in rows if row["choice"] == "greedy" and row["layers"] == "2")
    assert [int(layer) for layer in row["which"].split()] == facts(work)["layers"]
    assert float(row["kl_nats"]) == pytest.approx(facts(work)["answer_kl"]["mean"], rel=1e-4)
    assert int(row["parameters"]) == facts(work)["parameters"]


def test_a_sweep_of_one_question_has_none_to_measure_with(work: Workspace, recipe: Recipe) -> None:
    with pytest.raises(InputError, match="two questions"):
        sweep.run(work, change(recipe, questions=1))


def test_the_sizes_of_a_sweep_reach_from_a_third_to_all_but_one() -> None:
    assert sweep.spread_sizes(30) == [29, 27, 25, 23, 21, 18, 16, 14, 12, 10]
    assert sweep.spread_sizes(4) == [3, 2, 1]
    assert sweep.spread_sizes(1) == [1]
