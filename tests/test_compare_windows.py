import csv
from dataclasses import replace
from pathlib import Path

import pytest

from edullama.dataset.held_out import covered
from edullama.errors import InputError
from edullama.files import to_json
from edullama.recipe import Course, Finetune, Recipe
from edullama.records import Entry
from edullama.stages.compare_windows import plan, run, split_forms
from edullama.store import Workspace

ENTRIES = [
    Entry(f"l:{n}", "l", f"The adapter {n}\nIt lies in folder {n}.\nThe catalogue has {n * 7} questions.", (n,))
    for n in range(1, 33)
]


@pytest.fixture
def recipe(llama_folder: Path) -> Recipe:
    return Recipe(course=Course(model=str(llama_folder)), finetune=Finetune(rank=4, alpha=8, epochs=2, batch_size=2))


def test_both_forms_learn_the_same_slides_and_neither_those_that_are_watched() -> None:
    forms, watched = split_forms(ENTRIES, 0.05)
    slides = {name: {slide for text in texts for slide in covered(text)} for name, texts in forms.items()}
    assert slides["half a slide"] == slides["four slides"]
    assert len(forms["half a slide"]) == 8 * len(forms["four slides"]) == 48
    assert len(watched) == 8  # two windows of four slides, each slide by itself
    assert not slides["four slides"] & {slide for text in watched for slide in covered(text)}


def test_both_forms_train_equal_tokens_in_about_equal_steps(recipe: Recipe) -> None:
    (half, half_settings, half_tokens), (four, four_settings, four_tokens) = plan(recipe, split_forms(ENTRIES, 0.05)[0])
    assert (half, four) == ("half a slide", "four slides")
    assert four_settings.max_steps == 6 and four_settings.batch_size == 2  # six windows, two epochs
    assert half_settings.max_steps and half_settings.batch_size > 10
    assert half_settings.max_steps * half_tokens == pytest.approx(6 * four_tokens, rel=0.1)


def test_a_course_of_one_window_is_too_small() -> None:
    with pytest.raises(InputError, match="too few slides"):
        split_forms(ENTRIES[:4], 0.05)


def test_the_comparison_leaves_a_plot_and_its_numbers_and_nothing_else(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "2-prepare").mkdir()
    lines = b"".join(to_json(entry) + b"\n" for entry in ENTRIES)
    (tmp_path / "2-prepare" / "entries.jsonl").write_bytes(lines)
    told = run(Workspace(tmp_path), replace(recipe, finetune=replace(recipe.finetune, patience=1)))
    assert told.count("held-out slides from") == 2
    assert {path.name for path in (tmp_path / "3-finetune").iterdir()} == {"compare-windows.svg", "compare-windows.csv"}
    with (tmp_path / "3-finetune" / "compare-windows.csv").open() as file:
        rows = list(csv.DictReader(file))
    learnt = [row for row in rows if row["form"] == "four slides" and row["loss_of"] == "learnt"]
    assert [row["step"] for row in learnt] == ["1", "2", "3", "4", "5", "6"]
    held_out = [row for row in rows if row["form"] == "half a slide" and row["loss_of"] == "held out"]
    assert held_out[0]["step"] == "0" and float(held_out[0]["nats"]) > 1
