import io
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edullama.adapters import find_adapters, list_adapters
from edullama.asking import converse_with_several
from edullama.errors import InputError
from edullama.recipe_file import read_recipe


@pytest.fixture(scope="module")
def courses(tmp_path_factory: pytest.TempPathFactory, llama_folder: Path) -> dict[str, Path]:
    """Two courses with adapters that answer one question in other words."""
    from edullama.llm.qlora import finetune
    from edullama.recipe import Finetune
    from edullama.records import Pair

    folder, settings = tmp_path_factory.mktemp("courses"), Finetune(rank=4, alpha=8, epochs=60, learning_rate=2e-2)
    for name, answer in {"algebra": "In folder 3.", "botany": "On the old shelf."}.items():
        pair = Pair("p", "question", "l", "Where does the adapter lie?", answer, ())
        finetune(str(llama_folder), [pair], settings, 0, folder / name / "3-finetune")
        (folder / name / "course.toml").write_text(f"[course]\ntitle = 'On {name}'\nmodel = '{llama_folder}'")
    return {name: folder / name for name in ("algebra", "botany")}


def talk(courses: list[Path], lines: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    converse_with_several(courses, read_recipe(courses[0] / "course.toml"), None)


def test_all_courses_below_a_folder_are_found_with_what_their_adapters_belong_to(
    courses: dict[str, Path], llama_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = find_adapters([courses["algebra"].parent])
    assert [(one.name, one.title, one.base, one.quantize, one.rank) for one in found] == [
        ("algebra", "On algebra", str(llama_folder), "nf4", 4),
        ("botany", "On botany", str(llama_folder), "nf4", 4),
    ]
    assert all(one.size == (one.folder / "adapter_model.safetensors").stat().st_size for one in found)
    list_adapters([courses["botany"]])
    head, line = capsys.readouterr().out.splitlines()
    assert head.split() == ["COURSE", "TITLE", "BASE", "HELD", "RANK", "MB"]
    assert line.split()[-4:-1] == [str(llama_folder), "nf4", "4"]


def test_a_folder_without_courses_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    list_adapters([tmp_path])
    assert "has an adapter yet" in capsys.readouterr().out


def test_one_switches_between_courses_while_asking(
    courses: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    question = "Where does the adapter lie?"
    lines = f"{question}\n/list\n/use botany\n{question}\n/use chemistry\n{question}\n/use algebra\n{question}\n"
    talk(list(courses.values()), lines, monkeypatch)
    told, place = f"\n{capsys.readouterr().out}", 0
    expected = [
        "In folder 3.",
        "* algebra  On algebra",
        "  botany  On botany",
        "Now answers botany: On botany.",
        "On the old shelf.",
        "There is no 'chemistry'. Use one of: algebra, botany.",
        "On the old shelf.",
        "Now answers algebra: On algebra.",
        "In folder 3.",
    ]
    for start in expected:  # after it a tiny model goes on as it likes
        place = told.index(f"\n{start}", place) + 1


def test_a_course_without_an_adapter_says_which_command_comes_first(
    courses: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="edullama finetune"):
        talk([courses["algebra"], tmp_path], "", monkeypatch)


def test_two_folders_of_one_name_are_refused(
    courses: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(courses["algebra"], tmp_path / "algebra")
    with pytest.raises(InputError, match="rename one"):
        talk([courses["algebra"], tmp_path / "algebra"], "", monkeypatch)


def test_listing_reads_no_weights_and_needs_no_torch(courses: dict[str, Path]) -> None:
    script = "import sys; sys.argv = ['edullama', 'adapters', sys.argv[1]]\nfrom edullama.cli import app\n"
    script += "app(standalone_mode=False)\nassert 'torch' not in sys.modules"
    folder = str(courses["algebra"].parent)
    run = subprocess.run([sys.executable, "-c", script, folder], check=True, capture_output=True, text=True)
    assert [line.split()[0] for line in run.stdout.splitlines()[1:]] == [str(path) for path in courses.values()]


def test_only_teachers_share_a_base(courses: dict[str, Path]) -> None:
    from edullama.cli import ask

    with pytest.raises(InputError, match="ask it by itself"):
        ask(courses["algebra"], None, "student", [courses["botany"]])
