"""A checkpoint in a folder: its config, checked, and its weights, read one tensor at a time.

transformers maps all files of a checkpoint into memory at once: while it loads a 7B model in NF4 (4 GB), the process
counts as 18 GB. Read by `pread`, no more than the tensor at hand is there in full precision.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from edullama.errors import ModelError

CONFIG, INDEX, SINGLE = "config.json", "model.safetensors.index.json", "model.safetensors"


def read_config(folder: Path, name: str) -> dict[str, Any]:
    """Return a Llama's config.json; errors call the model by its name.

    Raises ModelError where there is none, or where it tells of another architecture or of weights quantised already.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise ModelError(f"{name}: {folder} holds no {CONFIG}, so it is no checkpoint that transformers could load.")
    config = _read_json(path, name)
    kind = config.get("model_type")
    if kind != "llama":
        raise ModelError(f"{name}: its architecture is '{kind}'. EduLLama works with Llamas (model_type 'llama').")
    other = [kind for kind in config.get("architectures") or [] if kind != "LlamaForCausalLM"]
    if other:
        raise ModelError(f"{name}: it is a {other[0]}, which writes no text. Name a LlamaForCausalLM.")
    if config.get("quantization_config"):
        raise ModelError(
            f"{name}: its weights are quantised already. Name the checkpoint in full precision that it was made from; "
            "EduLLama quantises it while loading."
        )
    return config


@contextmanager
def open_weights(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    """Give every weight of a checkpoint by its name, as a slice that is read when it is indexed.

    Raises ModelError where a file is missing, damaged, or of a format that can run code when it is read.
    """
    with ExitStack() as stack:
        slices: dict[str, Any] = {}
        for path in _weight_files(folder, name):
            try:
                file = stack.enter_context(safe_open(path, "pt", backend="pread"))
            except (SafetensorError, OSError) as error:
                raise ModelError(f"{name}: {path} is damaged or cut short ({error}). Fetch it again.") from None
            names = file.keys()
            slices |= {key: file.get_slice(key) for key in names}
        yield slices


def _weight_files(folder: Path, name: str) -> list[Path]:
    """Return the safetensors files of a checkpoint."""
    if (folder / INDEX).is_file():
        paths = [folder / file for file in sorted(set(_read_json(folder / INDEX, name)["weight_map"].values()))]
    else:
        paths = [folder / SINGLE]
    missing = [path.name for path in paths if not path.is_file()]
    if missing and (pickles := sorted(path.name for path in folder.glob("*.bin"))):
        raise ModelError(
            f"{name}: its weights are pickled ({pickles[0]}); such a file can run any code when it is read. Name a "
            "checkpoint with safetensors, or convert it where you trust it: load it with transformers and "
            "save_pretrained."
        )
    if missing:
        raise ModelError(f"{name}: {folder} has no {missing[0]}. Fetch the checkpoint again.")
    return paths


def _read_json(path: Path, name: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{name}: {path} is damaged: {error}") from None
