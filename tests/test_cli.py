import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples" / "course"


def edullama(*arguments: str | Path, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "edullama", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A course of one real lecture and its cards."""
    lecture = EXAMPLES / "lectures" / "02-slides-to-dataset.pdf"
    done = edullama(
        "new", tmp_path / "course", "--lectures", lecture, "--cards", EXAMPLES / "cards", "--title", "Größen"
    )
    assert done.returncode == 0, done.stderr
    return tmp_path / "course"


def test_help_answers_at_once() -> None:
    edullama("--help")  # warms the disk's cache
    started = time.monotonic()
    assert "distill" in edullama("--help").stdout
    assert time.monotonic() - started < 1.0  # 0.15 s on a quiet machine; shared ones take longer


def test_new_copies_the_inputs_and_writes_a_recipe_that_works(course: Path) -> None:
    assert (course / "lectures" / "02-slides-to-dataset.pdf").exists()
    assert len(list((course / "cards").iterdir())) == 5
    assert 'title = "Größen"' in (course / "course.toml").read_text(encoding="utf-8")
    assert edullama("status", course).returncode == 0


def test_new_does_not_touch_a_course_that_is_there(course: Path) -> None:
    again = edullama("new", course, "--lectures", EXAMPLES / "lectures")
    assert again.returncode == 1
    assert "is a course already" in again.stderr


def test_new_without_a_pdf_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = edullama("new", tmp_path / "course", "--lectures", tmp_path / "empty")
    assert (done.returncode, "no PDF or PPTX there" in done.stderr) == (1, True)
    assert not (tmp_path / "course").exists()


def test_lectures_of_one_name_in_two_folders_are_both_kept(tmp_path: Path) -> None:
    pdf = (EXAMPLES / "lectures" / "02-slides-to-dataset.pdf").read_bytes()
    for term in ("ws24", "ws25"):
        (tmp_path / "pdfs" / term).mkdir(parents=True)
        (tmp_path / "pdfs" / term / "01.pdf").write_bytes(pdf)
    edullama("new", tmp_path / "course", "--lectures", tmp_path / "pdfs")
    assert len(list((tmp_path / "course" / "lectures").rglob("*.pdf"))) == 2


def test_a_mistyped_setting_ends_in_one_line_without_a_traceback(course: Path) -> None:
    done = edullama("run", course, "--set", "distill.epoch=2")
    assert done.returncode == 1
    assert "Did you mean 'distill.epochs'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_stage_without_its_inputs_says_which_command_comes_first(course: Path) -> None:
    done = edullama("prepare", course)
    assert done.returncode == 1
    assert "Run `edullama ingest` first" in done.stderr


def test_a_course_is_the_current_folder_by_default(course: Path) -> None:
    assert "never run" in edullama("status", cwd=course).stdout


def test_a_damaged_lecture_is_reported_and_the_exit_code_says_partial(course: Path) -> None:
    whole = (course / "lectures" / "02-slides-to-dataset.pdf").read_bytes()
    (course / "lectures" / "broken.pdf").write_bytes(b"%PDF-1.7 and nothing more")
    (course / "lectures" / "empty.pdf").write_bytes(b"")
    done = edullama("ingest", course)
    assert done.returncode == 3
    assert "partial" in done.stderr
    assert "2 failures" in done.stdout
    assert (course / "lectures" / "02-slides-to-dataset.pdf").read_bytes() == whole
    assert len((course / "1-ingest" / "failures.jsonl").read_text().splitlines()) == 2
    assert (course / "1-ingest" / "text" / "02-slides-to-dataset.txt").exists()


@pytest.mark.usefixtures("ctrl_c_works")
def test_ctrl_c_says_how_to_go_on_and_the_next_run_does(course: Path) -> None:
    shutil.copy(EXAMPLES / "lectures" / "04-distillation.pdf", course / "lectures")
    command = [sys.executable, "-m", "edullama", "ingest", str(course)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not list(course.glob("1-ingest/cache.sqlite")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Run the same command again" in errors and "Traceback" not in errors
    assert "unfinished" in edullama("status", course).stdout
    assert edullama("ingest", course).returncode == 0


def test_status_says_what_changed(course: Path) -> None:
    edullama("ingest", course)
    edullama("prepare", course)
    assert edullama("status", course).stdout.count("done") == 2
    (course / "cards" / "05-evaluation.tsv").unlink()
    shown = " ".join(edullama("status", course).stdout.split())
    assert "cards/05-evaluation.tsv is gone" in shown


def test_an_unknown_model_to_ask_lists_the_four(course: Path) -> None:
    done = edullama("ask", course, "What is a window?", "--model", "professor")
    assert "base, teacher, shrunk, student" in done.stderr
