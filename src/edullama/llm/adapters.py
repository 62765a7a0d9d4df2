"""Several adapters over one base in memory: switched without loading anything again, merged for good, compared."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from peft import PeftModel
from torch import Tensor
from transformers import LlamaForCausalLM

from edullama.errors import InputError
from edullama.llm.batches import pad_right, predicting_positions
from edullama.llm.device import best_device
from edullama.llm.qlora import load_rounded_base, read_quantization

Asked = tuple[list[int], list[int]]  # token ids of a prompt and of the answer to it


def open_adapters(adapters: Mapping[str, Path], model_name: str) -> PeftModel:
    """Load the base once, in fp32 as the adapters were trained against it, with all of them; the first is switched on.

    `set_adapter(name)` switches. Raises InputError where an adapter belongs to another base, or to one that was held
    in another way.
    """
    base = load_rounded_base(model_name, _common_quantization(adapters, model_name))
    (first, path), *others = adapters.items()
    model = PeftModel.from_pretrained(base, str(path), adapter_name=first)
    for name, other in others:
        model.load_adapter(str(other), adapter_name=name)
    model.set_adapter(first)
    return model.to(device=best_device()).eval()


def _common_quantization(adapters: Mapping[str, Path], model_name: str) -> str:
    """Return how the base was held under all of these adapters."""
    whole = [path for path in adapters.values() if not (path / "adapter_config.json").exists()]
    if whole:
        raise InputError(f'{whole[0]} is a whole model (finetune.train = "full"), which shares no base with others.')
    held = {read_quantization(path, model_name): path for path in adapters.values()}
    if len(held) > 1:
        described = ", ".join(f"'{way}' ({path})" for way, path in held.items())
        raise InputError(f"Adapters can share a base only where it was held in one way; here it was {described}.")
    return next(iter(held))


@torch.inference_mode()
def answer_logprobs(model: LlamaForCausalLM | PeftModel, asked: Sequence[Asked]) -> Tensor:
    """Return the log-probabilities (answer tokens of all, vocab) at each answer token, on the CPU."""
    rows = []
    for prompt, answer in asked:
        tokens, mask, scored = (part.to(model.device) for part in pad_right([prompt], [answer], 0))
        logits = model(input_ids=tokens, attention_mask=mask, logits_to_keep=predicting_positions(scored)).logits
        rows.append(logits.squeeze(0).float().log_softmax(-1).cpu())
    return torch.cat(rows)


def divergence(logprobs: Tensor, others: Tensor) -> Tensor:
    """Return KL(one || other), in nats, of each row; both are log-probabilities (token, vocab)."""
    return (logprobs.double().exp() * (logprobs.double() - others.double())).sum(-1)
