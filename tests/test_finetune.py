from dataclasses import replace
from pathlib import Path

import pytest

from edullama.files import to_json
from edullama.recipe import Course, Finetune, Recipe
from edullama.records import Step, Watch, Window
from edullama.stages import finetune
from edullama.store import Workspace, find_stage

WINDOWS = [Window(f"l:{n}", "l", f"The adapter lies in folder {n}.", (f"l:{n}",)) for n in range(40)]


@pytest.fixture
def recipe(llama_folder: Path) -> Recipe:
    settings = Finetune(learn=("window",), rank=4, alpha=8, max_steps=3, looks=2, patience=1)
    return Recipe(course=Course(model=str(llama_folder)), finetune=settings)


def prepare(folder: Path, windows: list[Window]) -> Workspace:
    (folder / "2-prepare").mkdir()
    (folder / "2-prepare" / "windows.jsonl").write_bytes(b"".join(to_json(window) + b"\n" for window in windows))
    return Workspace(folder)


def test_a_share_of_the_texts_is_watched_and_not_learnt(tmp_path: Path, recipe: Recipe) -> None:
    work = prepare(tmp_path, WINDOWS)
    manifest = finetune.run(work, recipe)
    assert manifest.counts == {"texts": 38, "replay": 1, "held_out": 2, "steps": 3}
    looks = work.read("finetune", "watch.jsonl", Watch)
    assert [look.step for look in looks] == [0, 2, 3]
    assert all(look.held_out and look.general for look in looks)
    assert len(work.read("finetune", "steps.jsonl", Step)) == 3
    assert not (work.folder("finetune") / "trackers").exists()

    stage, reporting = find_stage("finetune"), replace(recipe.finetune, report_to=("tensorboard",))
    assert work.stage_status(stage, replace(recipe, finetune=reporting)).state == "done"
    longer = replace(recipe.finetune, held_out=0.0)
    assert work.stage_status(stage, replace(recipe, finetune=longer)).why == "finetune.held_out: 0.05 → 0.0"


def test_a_small_course_learns_all_and_says_that_patience_has_nothing_to_go_by(tmp_path: Path, recipe: Recipe) -> None:
    work = prepare(tmp_path, WINDOWS[:39])
    manifest = finetune.run(work, recipe)
    assert manifest.counts == {"texts": 39, "replay": 1, "held_out": 0, "steps": 3}
    assert manifest.notes == ["finetune.patience had nothing to go by: no text was held out of so few."]
    assert [look.held_out for look in work.read("finetune", "watch.jsonl", Watch)] == [None, None, None]
