import json
from pathlib import Path

import pytest

from edullama.errors import InputError
from edullama.files import read_jsonl, write_file
from edullama.manifest import Manifest
from edullama.recipe import Recipe
from edullama.recipe_file import parse_recipe
from edullama.records import Entry, Question
from edullama.store import STAGES, Status, Task, Workspace, find_stage

QUESTION = Question("1a", "Größen", "Was ist ein Fenster?", "a.tsv")


@pytest.fixture
def work(tmp_path: Path) -> Workspace:
    write_file(tmp_path / "1-ingest" / "slides.jsonl", "{}\n")
    write_file(tmp_path / "cards" / "a.tsv", "Q\tA\n")
    return Workspace(tmp_path)


def prepare(work: Workspace, recipe: Recipe, catalogue: list[Question] | None = None) -> Manifest:
    """A stage's work in its shortest form."""
    task = work.begin("prepare", recipe)
    for name in ("entries", "windows", "exam", "controls", "dropped"):
        task.write_records(f"{name}.jsonl", [])
    task.write_records("catalogue.jsonl", catalogue or [QUESTION])
    return task.finish(catalogue=1)


def state(work: Workspace, recipe: Recipe) -> Status:
    return work.stage_status(find_stage("prepare"), recipe)


def test_a_record_is_one_line_with_keys_in_field_order_and_letters_as_they_are(work: Workspace) -> None:
    prepare(work, Recipe())
    line = (work.folder("prepare") / "catalogue.jsonl").read_text(encoding="utf-8")
    assert line == '{"id":"1a","lecture":"Größen","text":"Was ist ein Fenster?","source":"a.tsv"}\n'


def test_records_come_back_as_they_were(work: Workspace) -> None:
    prepare(work, Recipe())
    assert work.read("prepare", "catalogue.jsonl", Question) == [QUESTION]


def test_a_broken_line_is_named_with_file_and_number(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.jsonl"
    path.write_text('{"id":"1","lecture":"l","text":"t"}\n{"id":"2","lecture":"l"}\n')
    with pytest.raises(InputError, match=r"catalogue.jsonl:2: text: "):
        read_jsonl(path, Question)


def test_a_finished_stage_is_up_to_date_until_an_input_or_setting_changes(work: Workspace) -> None:
    assert state(work, Recipe()).state == "missing"
    prepare(work, Recipe())
    assert state(work, Recipe()).state == "done"
    assert state(work, parse_recipe({"prepare": {"window": 8}}, "")).why == "prepare.window: 4 → 8"
    assert state(work, parse_recipe({"finetune": {"rank": 8}}, "")).state == "done"
    (work.root / "cards" / "a.tsv").write_text("Q\tB\n")
    assert state(work, Recipe()).why == "cards/a.tsv changed"
    (work.root / "cards" / "b.tsv").write_text("Q\tB\n")
    (work.root / "cards" / "a.tsv").unlink()
    assert state(work, Recipe()).why == "cards/a.tsv is gone; cards/b.tsv is new"


def test_a_file_touched_but_not_changed_makes_nothing_stale(work: Workspace) -> None:
    prepare(work, Recipe())
    (work.root / "cards" / "a.tsv").touch()
    assert state(work, Recipe()).state == "done"


def test_a_changed_local_base_model_makes_what_rests_on_it_stale(work: Workspace) -> None:
    weights = work.root / "llama" / "model.safetensors"
    write_file(weights, "one")
    write_file(work.root / "2-prepare" / "windows.jsonl", "")
    recipe = parse_recipe({"course": {"model": str(weights.parent)}}, "")
    task = work.begin("finetune", recipe)
    task.write("adapter/adapter_model.safetensors", "weights")
    task.finish()
    assert work.stage_status(find_stage("finetune"), recipe).state == "done"
    write_file(weights, "two")
    assert work.stage_status(find_stage("finetune"), recipe).why == f"{weights.resolve()} changed"


def test_a_stage_behind_a_stale_one_is_stale_too(work: Workspace) -> None:
    prepare(work, Recipe())
    shown = {status.stage: status for status in work.status(Recipe())}
    assert shown["ingest"].state == "missing"
    assert shown["prepare"] == Status("prepare", "stale", "ingest comes first")


def test_a_result_edited_by_hand_is_kept(work: Workspace) -> None:
    prepare(work, Recipe())
    (work.folder("prepare") / "exam.jsonl").write_text("mine")
    assert state(work, Recipe()) == Status("prepare", "by hand", "2-prepare/exam.jsonl was edited: kept")


def test_a_folder_made_by_hand_is_kept(work: Workspace) -> None:
    for name in find_stage("prepare").writes:
        write_file(work.folder("prepare") / name, "")
    assert state(work, Recipe()).state == "by hand"


def test_an_edited_review_file_makes_its_stage_stale(tmp_path: Path) -> None:
    work = Workspace(tmp_path)
    write_file(tmp_path / "lectures" / "a.pdf", "")
    task = work.begin("ingest", Recipe())
    task.write("images.csv", "use\nyes\n")
    task.finish()
    (tmp_path / "1-ingest" / "images.csv").write_text("use\nno\n")
    assert work.stage_status(find_stage("ingest"), Recipe()).why == "1-ingest/images.csv was edited"


def test_partial_work_is_kept_for_the_same_inputs_and_cleared_for_others(work: Workspace) -> None:
    work.begin("prepare", Recipe()).log("asked", Question).append([QUESTION])
    assert state(work, Recipe()).state == "unfinished"
    assert work.begin("prepare", Recipe()).log("asked", Question).read() == [QUESTION]
    changed = parse_recipe({"prepare": {"window": 8}}, "")
    assert work.begin("prepare", changed).log("asked", Question).read() == []


def wait_for_replies(work: Workspace, recipe: Recipe, replies: int) -> Manifest:
    """A stage's work that is whole but for some replies of an endpoint."""
    task = work.begin("prepare", recipe)
    task.log("asked", Question).append([QUESTION])
    task.write_records("catalogue.jsonl", [QUESTION])
    return task.finish(waiting=replies)


def test_a_stage_that_waits_for_replies_goes_on_with_what_it_has_and_is_done_without_any(work: Workspace) -> None:
    wait_for_replies(work, Recipe(), 3)
    assert state(work, Recipe()) == Status("prepare", "unfinished", "3 replies did not come; asks for them again")
    assert work.begin("prepare", Recipe()).log("asked", Question).read() == [QUESTION]
    wait_for_replies(work, Recipe(), 0)
    assert state(work, Recipe()).state == "done" and not (work.folder("prepare") / "partial").exists()


def test_a_larger_budget_goes_on_with_partial_work_and_another_model_does_not(work: Workspace) -> None:
    def endpoint(**settings: object) -> Recipe:
        own = {"base_url": "http://localhost/v1", "model": "m", **settings}
        return parse_recipe({"prepare": {"normaliser": "e"}, "endpoint": {"e": own}}, "")

    wait_for_replies(work, endpoint(max_total_tokens=10), 3)
    assert work.begin("prepare", endpoint(max_total_tokens=99)).log("asked", Question).read() == [QUESTION]
    assert work.begin("prepare", endpoint(model="other")).log("asked", Question).read() == []


def test_a_log_line_cut_by_a_kill_is_dropped_and_the_rest_kept(work: Workspace) -> None:
    log = work.begin("prepare", Recipe()).log("asked", Question)
    log.append([QUESTION])
    with log.path.open("ab") as file:
        file.write(b'{"id":"2","lec')
    assert log.read() == [QUESTION]
    log.append([QUESTION])
    assert log.read() == [QUESTION, QUESTION]


def test_what_an_earlier_run_left_behind_is_cleared_away(tmp_path: Path) -> None:
    work = Workspace(tmp_path)

    def ingest(*lectures: str) -> Task:
        write_file(tmp_path / "lectures" / "a.pdf", "".join(lectures))
        task = work.begin("ingest", Recipe())
        for lecture in lectures:
            task.write(f"text/{lecture}.txt", lecture)
        task.finish()
        return task

    ingest("old", "kept")
    ingest("kept")
    assert [path.name for path in (tmp_path / "1-ingest" / "text").iterdir()] == ["kept.txt"]


def test_a_manifest_names_settings_inputs_outputs_counts_and_versions(work: Workspace) -> None:
    prepare(work, Recipe())
    manifest = json.loads((work.folder("prepare") / "manifest.json").read_text())
    assert manifest["settings"]["prepare"]["exam_share"] == 0.3 and "endpoint" in manifest["settings"]
    assert list(manifest["inputs"]) == ["1-ingest/slides.jsonl", "cards/a.tsv"]
    assert manifest["inputs"]["cards/a.tsv"]["sha256"] == (
        "71f1a60f1a82c1b3854ae5f715ca4bb815408dcb478d3fd45f19bc1909c0c208"
    )
    assert manifest["counts"] == {"catalogue": 1}
    assert manifest["versions"]["edullama"]


def test_a_missing_result_says_which_command_makes_it(work: Workspace) -> None:
    with pytest.raises(InputError, match="Run `edullama finetune` first"):
        work.path("finetune", "adapter")
    with pytest.raises(InputError, match="Run `edullama prepare` first"):
        work.read("prepare", "entries.jsonl", Entry)


def test_two_programs_do_not_work_on_one_course_at_once(work: Workspace) -> None:
    with work.lock(), pytest.raises(InputError, match="another edullama"), Workspace(work.root).lock():
        pass


def test_each_stage_reads_what_earlier_ones_write() -> None:
    names = [stage.name for stage in STAGES]
    assert names == ["ingest", "prepare", "finetune", "shrink", "distill", "evaluate", "export"]
    made = {stage: (*stage.writes, *stage.extras) for stage in STAGES}
    written = {f"{stage.folder}/{name}": place for place, stage in enumerate(STAGES) for name in made[stage]}
    for place, stage in enumerate(STAGES):
        assert all(written.get(name, -1) < place for name in stage.reads)
        assert all(name in written for name in stage.reads if name[0].isdigit())


def test_a_stage_depends_on_the_endpoints_that_it_asks_and_on_no_others(tmp_path: Path) -> None:
    def recipe(**models: str) -> Recipe:
        own = {name: {"base_url": "http://localhost/v1", "model": model} for name, model in models.items()}
        return parse_recipe({"prepare": {"drafter": "writer"}, "evaluate": {"judge": "judge"}, "endpoint": own}, "")

    work = Workspace(tmp_path)
    prepare(work, recipe(writer="a", judge="b"))
    assert state(work, recipe(writer="a", judge="other")).state == "done"
    assert state(work, recipe(writer="other", judge="b")).why == "endpoint.writer.model: a → other"
