"""QLoRA (Dettmers et al. 2023, arXiv 2305.14314): low-rank adapters on a frozen base held in NF4."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import bitsandbytes.functional as bnb
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from transformers import BitsAndBytesConfig, LlamaForCausalLM, Trainer
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from edullama.errors import InputError
from edullama.llm.batches import Collator, Row, SideBySide
from edullama.llm.device import best_device, compute_dtype, return_free_buffers
from edullama.llm.fast_llama import speed_up
from edullama.llm.free_memory import free_memory
from edullama.llm.memory import SPARE, estimate, gigabytes, plan, read_shape, this_machine
from edullama.llm.models import Tokenizer, load_model, load_tokenizer
from edullama.llm.rendering import opening, render_answer, render_prompt
from edullama.llm.training import train, training_arguments
from edullama.llm.watching import Lookout
from edullama.progress import announce
from edullama.recipe import Finetune
from edullama.records import Pair, Step, Window

QUANTIZATION = "edullama.json"  # beside the adapter: how its base was held


def finetune(
    model_name: str,
    texts: Sequence[Window | Pair],
    settings: Finetune,
    seed: int,
    folder: Path,
    lookout: Lookout | None = None,
) -> list[Step]:
    """Train an adapter on windows and pairs and save it to folder/adapter. Returns the loss curve.

    Checkpoints go to folder/checkpoints, where an interrupted run of the same work is resumed. A lookout watches, and
    may end the run early.
    """
    torch.manual_seed(seed)
    tokenizer = load_tokenizer(model_name)
    rows = [row for text in texts for row in tokenize_text(tokenizer, text, settings.max_tokens)]
    longest = max(len(row["prompt"]) + len(row["answer"]) for row in rows)
    chosen = _arguments(settings, seed) | {"activation_checkpointing": plan(model_name, settings, longest)}
    model = load_trainable(model_name, settings, longest)
    arguments = training_arguments(folder / "checkpoints", len(rows), settings.max_steps, **chosen)
    collator = SideBySide() if settings.pack else Collator(tokenizer.pad_token_id)
    trainer = Trainer(model=model, args=arguments, train_dataset=rows, data_collator=collator)
    if lookout:
        lookout.watch(trainer)
    steps = train(trainer, "finetune")
    if lookout:
        lookout.keep_best(model)
    save_teacher(model, folder / "adapter", model_name, settings.quantize)
    return steps


def load_trainable(model_name: str, settings: Finetune, longest: int) -> PeftModel | LlamaForCausalLM:
    """Load what a recipe trains, ready to train: a frozen base with an adapter, or all weights, which stay in fp32."""
    if settings.train == "full":
        model: PeftModel | LlamaForCausalLM = load_model(model_name, dtype=torch.float32)
    elif settings.quantize == "nf4" and unpacked_fits(model_name, settings, longest):
        model = add_adapter(load_rounded_base(model_name, "nf4"), settings)
    else:
        model = add_adapter(load_frozen_base(model_name, settings.quantize), settings)
    reason = speed_up(model, compute_dtype(best_device()))
    return_free_buffers()  # weights that were joined have left their old places
    if reason and best_device().type == "cpu":
        announce(f"trains as transformers does, not the fast way: {reason}")
    return model


def unpacked_fits(model_name: str, settings: Finetune, longest: int) -> bool:
    """Say whether a CPU can hold the base's NF4 values in fp32: the same numbers, and none is unpacked at every use."""
    if best_device().type != "cpu":
        return False
    whole = replace(settings, quantize="none")
    free, again = free_memory(), settings.checkpointing == "always"
    needed = sum(estimate(read_shape(model_name), whole, longest, this_machine(), again).values())
    fits = free is None or needed <= SPARE * free
    how = "unpacked, in fp32, which is faster" if fits else "packed, and unpacked at every use"
    announce(f"holds the base's NF4 values {how}: that takes {gigabytes(needed)} in all")
    return fits


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
    return norms_in_fp32(load_model(model_name, dtype=whole, quantization_config=config, device_map=place))


def norms_in_fp32(model: LlamaForCausalLM) -> LlamaForCausalLM:
    """Hold the norms in fp32, in place; embeddings and head, which are large, stay in the dtype they have."""
    for module in model.modules():
        if isinstance(module, LlamaRMSNorm):
            module.float()
    return model


def add_adapter(model: LlamaForCausalLM, settings: Finetune) -> PeftModel:
    """Put trainable fp32 LoRA matrices on the blocks' linear layers, all or the chosen ones; all else is frozen."""
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=list(settings.targets) if settings.targets else "all-linear",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def save_teacher(model: PeftModel | LlamaForCausalLM, folder: Path, model_name: str, quantize: str) -> None:
    """Save an adapter, or a whole model, with the name of its base and the way that base was held."""
    if isinstance(model, PeftModel):
        config = model.peft_config["default"]
        config.base_model_name_or_path = model_name
        config.target_modules = sorted(config.target_modules)  # a set would be written in another order every time
        model.save_pretrained(str(folder), save_embedding_layers=False)
    else:
        model.save_pretrained(str(folder))
    (folder / "README.md").unlink(missing_ok=True)  # an empty form; export writes the model card
    (folder / QUANTIZATION).write_text(json.dumps({"base": model_name, "quantize": quantize}, indent=1))


def load_teacher(adapter: Path, model_name: str) -> LlamaForCausalLM:
    """Return base and adapter merged in fp32, on the very weights that the adapter was trained against.

    Merging into the unquantised base would add the adapter to weights it never saw (transformers #31293).
    What was trained whole is loaded as it is. Raises InputError where the adapter belongs to another base.
    """
    quantize = read_quantization(adapter, model_name)
    if not (adapter / "adapter_config.json").exists():
        return load_model(str(adapter)).to(device=best_device()).eval()
    base = load_rounded_base(model_name, quantize)
    merged: LlamaForCausalLM = PeftModel.from_pretrained(base, str(adapter)).merge_and_unload()
    return merged.to(device=best_device()).eval()


def read_quantization(adapter: Path, model_name: str) -> str:
    """Return how the adapter's base was held. Raises InputError where the adapter belongs to another base."""
    facts = json.loads((adapter / QUANTIZATION).read_text())
    if facts["base"] != model_name:
        raise InputError(f"{adapter} was trained on '{facts['base']}', not on '{model_name}'. Run `edullama finetune`.")
    return str(facts["quantize"])


def load_rounded_base(model_name: str, quantize: str) -> LlamaForCausalLM:
    """Load the base in fp32, with the very weights that an adapter was trained against."""
    base = load_model(model_name, dtype=torch.float32)
    if quantize == "nf4":
        round_to_nf4(base)
    return base


@torch.no_grad()
def round_to_nf4(model: LlamaForCausalLM) -> None:
    """Replace each block's linear weights, in place, by what NF4 with double quantisation keeps of them."""
    for module in model.model.layers.modules():
        if isinstance(module, nn.Linear):
            packed, state = bnb.quantize_4bit(module.weight.data, quant_type="nf4", compress_statistics=True)
            module.weight.copy_(bnb.dequantize_4bit(packed, state))


def tokenize_text(tokenizer: Tokenizer, text: Window | Pair, max_tokens: int) -> list[Row]:
    """Return a window or a pair as rows of at most max_tokens."""
    if isinstance(text, Pair):
        return [tokenize_pair(tokenizer, text, max_tokens)]
    return tokenize_window(tokenizer, text, max_tokens)


def tokenize_pair(tokenizer: Tokenizer, pair: Pair, max_tokens: int) -> Row:
    """Return a prompt, and the text and an end token as its answer; what is longer than max_tokens is cut off."""
    prompt = render_prompt(tokenizer, pair.prompt)
    answer = [*render_answer(tokenizer, pair.text), tokenizer.eos_token_id]
    return {"prompt": prompt, "answer": answer[: max(1, max_tokens - len(prompt))]}


def tokenize_window(tokenizer: Tokenizer, window: Window, max_tokens: int) -> list[Row]:
    """Return a window and an end token as rows of at most max_tokens, each begun as the model's texts are."""
    tokens = [*tokenizer(window.text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    begin = opening(tokenizer)
    size = max(1, max_tokens - len(begin))
    return [{"prompt": begin, "answer": tokens[start : start + size]} for start in range(0, len(tokens), size)]


def _arguments(settings: Finetune, seed: int) -> dict[str, Any]:
    dtype = compute_dtype(best_device())
    return {
        "num_train_epochs": settings.epochs,
        "per_device_train_batch_size": settings.batch_size,
        "learning_rate": settings.learning_rate,
        "seed": seed,
        "report_to": list(settings.report_to),
        "bf16": dtype == torch.bfloat16,
        "fp16": dtype == torch.float16,
        "optim": choose_optimizer(settings, best_device().type),
    }


def choose_optimizer(settings: Finetune, device: str) -> str:
    """Return the optimizer's name in transformers, and say so where its state cannot be paged though QLoRA's is."""
    auto = "paged_adamw_8bit" if settings.quantize == "nf4" else "adamw"
    chosen = auto if settings.optimizer == "auto" else settings.optimizer
    if chosen == "adamw":
        return "adamw_torch_fused"
    if device == "cuda":
        return chosen
    announce(f"{chosen} needs a CUDA GPU to page to; AdamW in fp32, which is not paged, takes its place")
    return "adamw_torch_fused"
