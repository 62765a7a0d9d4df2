"""Experiment trackers that show a training run: W&B, trackio, TensorBoard. What they need, and where they write."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from edullama.errors import ModelError

PLACES = {"wandb": "WANDB_DIR", "trackio": "TRACKIO_DIR", "tensorboard": "TENSORBOARD_LOGGING_DIR"}
PROJECT = "edullama"


@contextmanager
def tracking(names: Sequence[str], folder: Path) -> Iterator[None]:
    """Let trackers write into the folder, unless the environment says where, and close their runs in the end.

    Raises ModelError where a package is missing.
    """
    for name in names:
        if find_spec(name) is None:
            raise ModelError(f"report_to names '{name}', which is not installed: pip install {name}")
        folder.mkdir(parents=True, exist_ok=True)
        os.environ.setdefault(PLACES[name], str(folder.resolve()))
    os.environ.setdefault("WANDB_PROJECT", PROJECT)
    try:
        yield
    finally:
        if "wandb" in names:  # else the next stage would go on with the same run; the others end theirs themselves
            import_module("wandb").finish()
