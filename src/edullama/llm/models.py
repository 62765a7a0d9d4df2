"""Models by name: a Hub id, a local folder, a .gguf file, or the builtin."""

from pathlib import Path
from typing import Any, TypeAlias

import torch
from transformers import AutoTokenizer, LlamaForCausalLM, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from edullama.errors import ModelError
from edullama.llm.builtin import fetch_builtin
from edullama.llm.read_gguf import dequantized
from edullama.recipe import BUILTIN

Tokenizer: TypeAlias = PreTrainedTokenizerBase

transformers_logging.disable_progress_bar()
transformers_logging.set_verbosity_error()


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


def load_model(name: str, dtype: torch.dtype = torch.float32, **options: Any) -> LlamaForCausalLM:
    """Load a whole model for inference or training. Raises ModelError saying what to do."""
    source = resolve(name)
    try:
        model = LlamaForCausalLM.from_pretrained(source, dtype=dtype, **options)
    except OSError as error:
        raise ModelError(_explain(name, error)) from None
    return model


def load_tokenizer(name: str) -> Tokenizer:
    """Load a model's tokenizer, with a padding token in any case. Raises ModelError."""
    source = resolve(name)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
    except OSError as error:
        raise ModelError(_explain(name, error)) from None
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def count_parameters(model: torch.nn.Module) -> int:
    """Return the number of real weights; tied ones count once."""
    return sum(parameter.numel() for parameter in model.parameters())


def _explain(name: str, error: OSError) -> str:
    """Say in one line why a model could not be loaded and what to do."""
    text = str(error)
    if "gated" in text or "401" in text or "403" in text:
        return f"{name}: its licence must be accepted on the Hub, and a token set (HF_TOKEN, or `hf auth login`)."
    if "not a local folder" in text or "locate the file" in text or "connect" in text.lower():
        return f"{name}: not a local folder, and the Hub could not be reached. Check the name and the connection."
    return f"{name}: cannot be loaded: {text.splitlines()[0]}"
