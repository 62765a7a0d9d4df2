"""QLoRA (Dettmers et al. 2023, arXiv 2305.14314): low-rank adapters on a frozen base held in NF4."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bitsandbytes.functional as bnb
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from transformers import BitsAndBytesConfig, LlamaForCausalLM, Trainer

from edullama.errors import InputError
from edullama.llm.batches import Collator, Row
from edullama.llm.device import best_device, compute_dtype
from edullama.llm.models import Tokenizer, load_model, load_tokenizer
from edullama.llm.training import train, training_arguments
from edullama.recipe import Finetune
from edullama.records import Step, Window

QUANTIZATION = "edullama.json"  # beside the adapter: how its base was held


def finetune(model_name: str, windows: Sequence[Window], settings: Finetune, seed: int, folder: Path) -> list[Step]:
    """Train an adapter on the windows and save it to folder/adapter. Returns the loss curve.

    Checkpoints go to folder/checkpoints, where an interrupted run of the same work is resumed.
    """
    torch.manual_seed(seed)
    tokenizer = load_tokenizer(model_name)
    rows = [row for window in windows for row in tokenize_window(tokenizer, window, settings.max_tokens)]
    model = add_adapter(load_frozen_base(model_name, settings.quantize), settings)
    arguments = training_arguments(folder / "checkpoints", len(rows), settings.max_steps, **_arguments(settings, seed))
    trainer = Trainer(model=model, args=arguments, train_dataset=rows, data_collator=Collator(tokenizer.pad_token_id))
    steps = train(trainer, "finetune")
    save_adapter(model, folder / "adapter", model_name, settings.quantize)
    return steps


def load_frozen_base(model_name: str, quantize: str) -> LlamaForCausalLM:
    """Load the base as training holds it: linear layers in NF4 with double quantisation, or everything in full."""
    dtype = compute_dtype(best_device())
    if quantize == "none":
        return load_model(model_name, dtype=torch.float32 if best_device().type == "cpu" else dtype)
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
    place = {"": 0} if best_device().type == "cuda" else {"": "cpu"}
    whole = torch.float32 if best_device().type == "cpu" else dtype  # norms, embeddings and head
    return load_model(model_name, dtype=whole, quantization_config=config, device_map=place)


def add_adapter(model: LlamaForCausalLM, settings: Finetune) -> PeftModel:
    """Put trainable fp32 LoRA matrices on every linear layer of the blocks; embeddings and head stay frozen."""
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def save_adapter(model: PeftModel, folder: Path, model_name: str, quantize: str) -> None:
    """Save the adapter with the name of its base and the way that base was held."""
    config = model.peft_config["default"]
    config.base_model_name_or_path = model_name
    config.target_modules = sorted(config.target_modules)  # a set would be written in another order every time
    model.save_pretrained(str(folder), save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)  # an empty form; export writes the model card
    (folder / QUANTIZATION).write_text(json.dumps({"base": model_name, "quantize": quantize}, indent=1))


def load_teacher(adapter: Path, model_name: str) -> LlamaForCausalLM:
    """Return base and adapter merged in fp32, on the very weights that the adapter was trained against.

    Merging into the unquantised base would add the adapter to weights it never saw (transformers #31293).
    Raises InputError where the adapter belongs to another base.
    """
    facts = json.loads((adapter / QUANTIZATION).read_text())
    if facts["base"] != model_name:
        raise InputError(f"{adapter} was trained on '{facts['base']}', not on '{model_name}'. Run `edullama finetune`.")
    base = load_model(model_name, dtype=torch.float32)
    if facts["quantize"] == "nf4":
        round_to_nf4(base)
    merged: LlamaForCausalLM = PeftModel.from_pretrained(base, str(adapter)).merge_and_unload()
    return merged.to(device=best_device()).eval()


@torch.no_grad()
def round_to_nf4(model: LlamaForCausalLM) -> None:
    """Replace each block's linear weights, in place, by what NF4 with double quantisation keeps of them."""
    for module in model.model.layers.modules():
        if isinstance(module, nn.Linear):
            packed, state = bnb.quantize_4bit(module.weight.data, quant_type="nf4", compress_statistics=True)
            module.weight.copy_(bnb.dequantize_4bit(packed, state))


def tokenize_window(tokenizer: Tokenizer, window: Window, max_tokens: int) -> list[Row]:
    """Return a window and an end token as rows without a prompt, in pieces of at most max_tokens."""
    tokens = [*tokenizer(window.text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    return [{"prompt": [], "answer": tokens[start : start + max_tokens]} for start in range(0, len(tokens), max_tokens)]


def _arguments(settings: Finetune, seed: int) -> dict[str, Any]:
    on_gpu = best_device().type == "cuda"
    dtype = compute_dtype(best_device())
    return {
        "num_train_epochs": settings.epochs,
        "per_device_train_batch_size": settings.batch_size,
        "learning_rate": settings.learning_rate,
        "seed": seed,
        "bf16": dtype == torch.bfloat16,
        "fp16": dtype == torch.float16,
        "activation_checkpointing": on_gpu,  # trades time for memory, which a CPU has
        "optim": "paged_adamw_8bit" if on_gpu and settings.quantize == "nf4" else "adamw_torch",
    }
