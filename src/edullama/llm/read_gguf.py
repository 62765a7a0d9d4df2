"""A GGUF file as a stock Llama and its tokenizer."""

from pathlib import Path

import torch
from transformers import AutoTokenizer, LlamaForCausalLM, PreTrainedTokenizerBase


def load_gguf(path: Path) -> tuple[LlamaForCausalLM, PreTrainedTokenizerBase]:
    """Dequantise a GGUF file into a stock fp32 model and its tokenizer.

    transformers refuses to save or quantise a model loaded from GGUF, so the weights move to a fresh one.
    """
    loaded = LlamaForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    config = loaded.config
    del config.quantization_config
    config._name_or_path = ""
    model = LlamaForCausalLM(config)
    model.load_state_dict(loaded.state_dict())
    model.generation_config = loaded.generation_config
    return model.eval(), AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
