"""What a model's name stands for; torch is needed only where a GGUF file is made into a checkpoint."""

from collections.abc import Sequence
from pathlib import Path

from edullama.errors import ModelError
from edullama.llm.builtin import fetch_builtin
from edullama.llm.hub import WEIGHTS, snapshot
from edullama.llm.read_gguf import dequantized
from edullama.recipe import BUILTIN


def resolve(name: str) -> str:
    """Return what transformers can load for a model's name. Raises ModelError where there is no such model."""
    if name == BUILTIN:
        return str(fetch_builtin())
    if name.startswith("builtin:"):
        raise ModelError(f"There is no '{name}'. The builtin model is '{BUILTIN}'.")
    path = Path(name).expanduser()
    if path.is_file() and path.suffix == ".gguf":
        return str(dequantized(path))
    if path.exists():
        return str(path)
    if name.endswith(".gguf") or name.startswith((".", "/", "~")):
        raise ModelError(f"{name}: no such file or folder")
    return name


def fetch(name: str, patterns: Sequence[str] = WEIGHTS) -> Path:
    """Return the folder of a model's checkpoint; of one on the Hub only the files of these patterns are fetched.

    Raises ModelError saying what to do.
    """
    source = Path(resolve(name))
    if source.is_file():
        raise ModelError(f"{name}: a file. A model is a folder, a .gguf file, a name on the Hub or '{BUILTIN}'.")
    return source if source.is_dir() else snapshot(name, patterns)
