import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edullama.errors import ModelError
from edullama.llm.checkpoints import WHOLE, describe_last, last_whole_checkpoint, writing_checkpoints
from edullama.llm.qlora import finetune
from tests.llm.test_qlora import TRAINED, WINDOWS

PROGRAM = """
import sys
from pathlib import Path
from edullama.errors import ModelError
from edullama.llm import training
from edullama.llm.qlora import finetune
from tests.llm.test_qlora import TRAINED, WINDOWS

training.CHECKPOINT_SECONDS = 0.0
try:
    finetune(sys.argv[1], WINDOWS, TRAINED, 0, Path(sys.argv[2]))
except ModelError as error:
    print(error)
print(sorted(path.name for path in Path(sys.argv[2]).glob("checkpoints/*")), flush=True)
"""
SCRIPT = """
mount -t tmpfs -o size="$5"k none "$3" && "$0" -c "$1" "$2" "$3" || exit 1
mount -o remount,size=50m "$3" && "$0" -c "$1" "$2" "$3" && cp "$3/adapter/adapter_model.safetensors" "$4"
"""  # the small disk is seen by this process alone and goes with it


@pytest.mark.parametrize("kilobytes", [628, 760])  # two checkpoints fit; of the third nothing, or not the optimizer
def test_a_full_disk_leaves_the_last_good_checkpoint_and_the_next_run_goes_on_from_it(
    llama_folder: Path, tmp_path: Path, kilobytes: int
) -> None:
    if not shutil.which("unshare") or subprocess.run(["unshare", "-rm", "true"], check=False).returncode:
        pytest.skip("this system gives no mounts of its own to a process")
    (tmp_path / "disk").mkdir()
    parts = [sys.executable, PROGRAM, llama_folder, tmp_path / "disk", tmp_path / "adapter.safetensors", kilobytes]
    command = ["unshare", "-rm", "sh", "-c", SCRIPT, *map(str, parts)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    message, kept, done = run.stdout.splitlines()
    last = kept.rpartition("'checkpoint-")[2].rstrip("']")
    assert "the disk is full" in message and f"checkpoint-{last}. Free some space" in message
    assert f"checkpoint-{int(last) + 1}'" not in kept  # what did not fit is gone
    assert done == "['checkpoint-22', 'checkpoint-23']"
    finetune(str(llama_folder), WINDOWS, TRAINED, 0, tmp_path / "whole")
    whole = tmp_path / "whole" / "adapter" / "adapter_model.safetensors"
    assert (tmp_path / "adapter.safetensors").read_bytes() == whole.read_bytes()


def test_other_errors_pass_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-3").mkdir()
    with pytest.raises(PermissionError), writing_checkpoints(tmp_path):
        raise PermissionError(13, os.strerror(13))
    assert (tmp_path / "checkpoint-3").is_dir()


def test_the_last_checkpoint_is_that_of_the_most_steps_among_the_whole(tmp_path: Path) -> None:
    assert describe_last(tmp_path) == "No checkpoint had been saved yet."
    for step in (9, 10, 11):
        (tmp_path / f"checkpoint-{step}").mkdir()
    for step in (9, 10):
        (tmp_path / f"checkpoint-{step}" / WHOLE).touch()
    assert last_whole_checkpoint(tmp_path) == tmp_path / "checkpoint-10"


def test_a_run_that_blows_up_saves_no_broken_checkpoint_and_names_the_last_good_one(
    llama_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import load_file

    from edullama.llm import training
    from edullama.recipe import Finetune

    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    settings = Finetune(rank=4, alpha=8, epochs=12, batch_size=5, learning_rate=1e25)  # grows until it overflows
    with pytest.raises(ModelError, match=r"Lower the learning rate .* The last good checkpoint is .*checkpoint-\d+\."):
        finetune(str(llama_folder), WINDOWS, settings, 0, tmp_path)
    last = last_whole_checkpoint(tmp_path / "checkpoints")
    assert last
    weights = load_file(last / "adapter_model.safetensors")
    assert all(weight.isfinite().all() for weight in weights.values())
