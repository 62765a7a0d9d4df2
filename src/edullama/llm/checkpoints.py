"""Checkpoints of a training run: which are whole, and what to say when one cannot be written."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edullama.errors import ModelError

WHOLE = "edullama-whole"  # marks a checkpoint that was written to its end
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
FULL_WORDS = ("No space left", "os error 28", "os error 122", "os error 27")  # what safetensors makes of them
WRITER_WORDS = ("PytorchStreamWriter", "iostream error", "inline_container")  # torch.save does not say why
LITTLE = 2**20  # bytes


def step_of(checkpoint: Path) -> int:
    """Return the step after which a checkpoint was saved."""
    return int(checkpoint.name.rpartition("-")[2])


def last_whole_checkpoint(folder: Path) -> Path | None:
    """Return the newest checkpoint that a kill did not cut short."""
    return max((mark.parent for mark in folder.glob(f"checkpoint-*/{WHOLE}")), key=step_of, default=None)


def describe_last(folder: Path) -> str:
    """Say which checkpoint a run that has to stop leaves behind."""
    last = last_whole_checkpoint(folder)
    return f"The last good checkpoint is {last}." if last else "No checkpoint had been saved yet."


@contextmanager
def writing_checkpoints(folder: Path) -> Iterator[None]:
    """Where the disk is full, take away the checkpoint that was cut short; those before stay.

    Raises ModelError saying what to do.
    """
    try:
        yield
    except Exception as error:
        if not _disk_is_full(error, folder):
            raise
        started = [path for path in folder.glob("checkpoint-*") if not (path / WHOLE).exists()]
        needed = max(map(_size, folder.glob("checkpoint-*")), default=0)
        for path in started:
            shutil.rmtree(path)
        free = shutil.disk_usage(folder).free
        raise ModelError(
            f"{folder}: the disk is full. A checkpoint takes about {needed / 1e6:.0f} MB and more than one is kept; "
            f"{free / 1e6:.0f} MB are free. {describe_last(folder)} Free some space and run the same command: "
            "training goes on from there."
        ) from error


def _disk_is_full(error: Exception, folder: Path) -> bool:
    text = str(error)
    if isinstance(error, OSError) and error.errno in FULL:
        return True
    silent = any(word in text for word in WRITER_WORDS) and shutil.disk_usage(folder).free < LITTLE
    return silent or any(word in text for word in FULL_WORDS)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
