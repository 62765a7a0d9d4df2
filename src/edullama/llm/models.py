"""Models by name: a Hub id, a local folder, a .gguf file, or the builtin."""

from pathlib import Path
from typing import Any, TypeAlias

import torch
from transformers import AutoTokenizer, GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from edullama.errors import ModelError
from edullama.llm.device import return_free_buffers
from edullama.llm.hub import TOKENIZER
from edullama.llm.model_files import open_weights, read_config
from edullama.llm.names import fetch

Tokenizer: TypeAlias = PreTrainedTokenizerBase

transformers_logging.disable_progress_bar()
transformers_logging.set_verbosity_error()


def load_model(name: str, dtype: torch.dtype = torch.float32, **options: Any) -> LlamaForCausalLM:
    """Load a whole model for inference or training; `options` are from_pretrained's, such as quantization_config.

    Weights are read one by one, so that no more of them is in memory than what the model keeps and one in full
    precision. Raises ModelError saying what to do.
    """
    folder = fetch(name)
    config = LlamaConfig.from_dict(read_config(folder, name))
    try:
        with open_weights(folder, name) as weights:
            model, report = LlamaForCausalLM.from_pretrained(
                None, config=config, state_dict=weights, dtype=dtype, output_loading_info=True, **options
            )
    except RuntimeError as error:  # weights of other shapes than the config's
        raise ModelError(f"{name}: its weights do not fit its config: {str(error).strip().splitlines()[0]}") from None
    if report["missing_keys"]:
        raise ModelError(f"{name}: {folder} lacks weights, such as {min(report['missing_keys'])}. Fetch it again.")
    return_free_buffers()
    model.name_or_path = model.config.name_or_path = str(folder)
    if (folder / "generation_config.json").is_file():
        model.generation_config = GenerationConfig.from_pretrained(folder)
    return model


def load_tokenizer(name: str) -> Tokenizer:
    """Load a model's tokenizer, with a padding token in any case. Raises ModelError."""
    folder = fetch(name, TOKENIZER)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError, ImportError) as error:
        raise ModelError(f"{name}: {_explain_tokenizer(folder, error)}") from None
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def count_parameters(model: torch.nn.Module) -> int:
    """Return the number of real weights; tied ones count once."""
    return sum(parameter.numel() for parameter in model.parameters())


def _explain_tokenizer(folder: Path, error: Exception) -> str:
    if (folder / "tokenizer.json").is_file():
        return f"its tokenizer cannot be read: {str(error).strip().splitlines()[0]}"
    if (folder / "tokenizer.model").is_file():
        return "its tokenizer.model is read with sentencepiece: `pip install sentencepiece`."
    return f"{folder} holds no tokenizer (tokenizer.json). Copy the files of the one it was trained with into it."
