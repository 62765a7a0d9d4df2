"""All seven stages on a real course: once with the builtin model, and once killed again and again with a tiny one."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edullama.endpoint.server import serve_model

EXAMPLES = Path(__file__).parents[1] / "examples" / "course"
STAGES = ["ingest", "prepare", "finetune", "shrink", "distill", "evaluate", "export"]


def make_course(folder: Path, model: str, *settings: str) -> Path:
    """A course of one born-digital lecture, and a scanned one cut to two pages, with all cards."""
    import pymupdf

    shutil.copytree(EXAMPLES / "cards", folder / "cards")
    (folder / "lectures").mkdir()
    shutil.copy(EXAMPLES / "lectures" / "02-slides-to-dataset.pdf", folder / "lectures")
    with pymupdf.open(EXAMPLES / "lectures" / "04-distillation.pdf") as scan:
        scan.select([2, 3])
        scan.save(folder / "lectures" / "04-distillation.pdf")
    (folder / "course.toml").write_text("\n".join(["[course]", 'title = "Tiny"', f"model = {model!r}", *settings]))
    return folder


def run(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "edullama", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_lectures_in_models_and_report_out(tmp_path: Path) -> None:
    course = make_course(tmp_path / "course", "builtin:smollm2-135m-instruct")
    done = run("run", course, "--limit-steps", "2", "--limit-questions", "4")
    assert done.returncode == 0, done.stderr
    assert "report.html" in done.stdout

    status = run("status", course).stdout
    assert status.count("done in") == 2  # the trial run's limits are not in the recipe
    assert "finetune.max_steps: 2 → None" in status
    again = run("run", course, "--limit-steps", "2", "--limit-questions", "4")
    assert again.stdout.count("up to date") == 7

    estimates = json.loads((course / "6-evaluate" / "estimates.json").read_text())
    assert [figure["name"] for figure in estimates[:3]] == [
        "reference_loss.teacher-base",
        "reference_loss.shrunk-base",
        "reference_loss.student-base",
    ]
    assert all(list(figure) == ["name", "mean", "low", "high", "n", "missing"] for figure in estimates)
    assert estimates[0]["n"] == 4
    catalogue = [json.loads(line) for line in (course / "2-prepare" / "catalogue.jsonl").read_text().splitlines()]
    assert catalogue and all(list(question) == ["id", "lecture", "text", "source"] for question in catalogue)
    layers = json.loads((course / "4-shrink" / "layers.json").read_text())
    assert layers["teacher_parameters"] == 134_515_008
    assert layers["parameters"] == 134_515_008 - 10 * 3_540_096  # ten layers fewer
    report = (course / "6-evaluate" / "report.html").read_text()
    assert (
        "Tiny" in report
        and "no endpoint is configured" in report
        and "http://" not in report.replace("http://www.w3.org", "")
    )
    assert {path.name for path in (course / "7-export").iterdir()} >= {
        "README.md",
        "teacher",
        "student",
        "tiny-teacher-q8_0.gguf",
        "tiny-student-q8_0.gguf",
    }
    answer = run("ask", course, "What is a window?", "--model", "student")
    assert answer.returncode == 0 and answer.stdout.strip()

    with serve_model(course / "7-export" / "tiny-teacher-q8_0.gguf") as base_url:
        endpoint = f"endpoint.local={{base_url='{base_url}', model='tiny'}}"
        settings = [
            endpoint,
            "evaluate.judge=local",
            "evaluate.pairs=[['teacher', 'base']]",
            "evaluate.max_questions=2",
        ]
        judged = run("evaluate", course, *(part for setting in settings for part in ("--set", setting)))
    assert judged.returncode == 0, judged.stderr
    verdicts = [json.loads(line) for line in (course / "6-evaluate" / "verdicts.jsonl").read_text().splitlines()]
    assert [verdict["order"] for verdict in verdicts] == [["teacher", "base"], ["base", "teacher"]] * 2
    assert {verdict["judge"] for verdict in verdicts} == {"tiny"}
    assert "no endpoint is configured" not in (course / "6-evaluate" / "report.html").read_text()


TINY = [
    "[finetune]", "rank = 4", "alpha = 8", "epochs = 6", "batch_size = 1",
    "[shrink]", "layers = 3",
    "[distill]", "epochs = 6", "batch_size = 4", "max_new_tokens = 16", "max_questions = 24",
    "[evaluate]", "max_questions = 20",
    "[export]", 'gguf = "f32"',
]  # fmt: skip


def kill_in(course: Path, partial: str) -> None:
    """Start a run and kill it without warning once the named partial work is there."""
    with (course / "log").open("a") as log:
        process = subprocess.Popen([sys.executable, "-m", "edullama", "run", course], stdout=log, stderr=log)
    while not list(course.glob(partial)) and process.poll() is None:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, (course / "log").read_text()


@pytest.mark.slow
def test_a_run_killed_in_every_long_stage_gives_the_same_as_one_left_alone(tmp_path: Path, llama_folder: Path) -> None:
    whole = make_course(tmp_path / "whole", str(llama_folder), *TINY)
    killed = make_course(tmp_path / "killed", str(llama_folder), *TINY)
    assert run("run", whole).returncode == 0
    for partial in (
        "1-ingest/cache.sqlite",
        "3-finetune/partial/checkpoints",
        "5-distill/partial/answers.jsonl",
        "5-distill/partial/checkpoints",
        "6-evaluate/partial/answers-student.partial.jsonl",
        "7-export/partial/teacher/model.safetensors",
    ):
        kill_in(killed, partial)
    assert run("run", killed).returncode == 0
    for stage in STAGES:
        ours, theirs = (json.loads(next(c.glob(f"?-{stage}/manifest.json")).read_text()) for c in (whole, killed))
        assert hashes(ours["outputs"]) == hashes(theirs["outputs"]), stage
        assert not list(killed.glob(f"?-{stage}/partial"))


def hashes(outputs: dict[str, dict[str, str]]) -> dict[str, str]:
    return {name: stamp["sha256"] for name, stamp in outputs.items()}
