import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from edullama.errors import ModelError
from edullama.llm.trackers import tracking
from edullama.recipe import Finetune
from tests.llm.test_watching import ALIKE, train

PROGRAM = """
import sys
from pathlib import Path
from edullama.llm.trackers import tracking
from edullama.recipe import Finetune
from tests.llm import test_watching as watching
from tests.llm.tiny import make_tokenizer

model, folder = Path(sys.argv[1]), Path(sys.argv[2])
settings = Finetune(rank=4, alpha=8, max_steps=3, looks=1, report_to=("wandb",))
for name in ("one", "two"):  # as finetune and distill are, in one process
    with tracking(settings.report_to, folder / "trackers"):
        watching.train(model, make_tokenizer(), folder / name, settings, watching.ALIKE)
"""


def test_a_missing_tracker_is_named_with_the_command_that_installs_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="pip install no_such_tracker"), tracking(["no_such_tracker"], tmp_path / "t"):
        pass
    assert not (tmp_path / "t").exists()


def test_tensorboard_gets_every_loss_and_both_watched_ones(
    llama_folder: Path, tokenizer: PreTrainedTokenizerFast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "trackers"))  # taken away again after the test
    settings = Finetune(rank=4, alpha=8, max_steps=3, looks=1, report_to=("tensorboard",))
    with tracking(settings.report_to, tmp_path / "elsewhere"):
        lookout, steps = train(llama_folder, tokenizer, tmp_path, settings, ALIKE)
    events = EventAccumulator(str(tmp_path / "trackers"))
    events.Reload()
    assert [event.value for event in events.Scalars("train/loss")] == pytest.approx([step.loss for step in steps])
    held_out = [(event.step, event.value) for event in events.Scalars("eval/held_out")]
    assert held_out == [(look.step, pytest.approx(look.held_out)) for look in lookout.seen]


def test_wandb_writes_offline_runs_without_a_network_one_for_each_training(llama_folder: Path, tmp_path: Path) -> None:
    alone = ["unshare", "-rn"]  # a process without any network but its own loopback, which is down
    if not shutil.which("unshare") or subprocess.run([*alone, "true"], check=False).returncode:
        alone = []
    environment = {**os.environ, "WANDB_MODE": "offline", "HOME": str(tmp_path)}
    environment.pop("WANDB_DIR", None)
    command = [*alone, sys.executable, "-c", PROGRAM, str(llama_folder), str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert run.returncode == 0, run.stderr
    runs = sorted((tmp_path / "trackers" / "wandb").glob("offline-run-*/*.wandb"))
    assert len(runs) == 2
    for path in runs:
        content = path.read_bytes()
        assert b"eval/held_out" in content and b"train/loss" in content
