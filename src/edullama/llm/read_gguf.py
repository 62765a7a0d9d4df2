"""A GGUF file as a stock checkpoint, made once and kept in the user's cache."""

import hashlib
import os
import tempfile
from pathlib import Path

from filelock import FileLock

from edullama.progress import announce


def cache_folder() -> Path:
    """Return the user's cache of models: $EDULLAMA_CACHE, else ~/.cache/edullama."""
    return Path(os.environ.get("EDULLAMA_CACHE", "~/.cache/edullama")).expanduser()


def dequantized(gguf: Path) -> Path:
    """Return a folder with the file's weights in fp32 and its tokenizer, made on first use of this very file."""
    stat = gguf.stat()
    identity = hashlib.sha256(f"{gguf.resolve()}\n{stat.st_size}\n{stat.st_mtime_ns}".encode()).hexdigest()[:12]
    folder = cache_folder() / f"{gguf.stem}-{identity}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            announce(f"dequantising {gguf.name}, once: half a minute for 135 million weights")
            with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
                _save(gguf, Path(scratch) / "model")
                (Path(scratch) / "model").rename(folder)
    return folder


def _save(gguf: Path, folder: Path) -> None:
    """Dequantise a file. transformers refuses to save or quantise what it read from GGUF: a fresh model takes over."""
    import torch
    from transformers import AutoTokenizer, LlamaForCausalLM

    loaded = LlamaForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    config = loaded.config
    del config.quantization_config
    config._name_or_path = ""
    model = LlamaForCausalLM(config)
    model.load_state_dict(loaded.state_dict())
    model.generation_config = loaded.generation_config
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(folder)
