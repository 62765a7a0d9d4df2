"""What an answer rests on, as one line of named hashes, so that what was kept is never taken for what it is not.

    weights:6d1c… tokenizer:90ab… template:5e02… settings:11f3… prompt:c07a…

The weights are those in memory: base and adapter, merged or not.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence

import torch
from torch import nn

from edullama.errors import InputError
from edullama.llm.models import Tokenizer
from edullama.llm.rendering import PLAIN_PROMPT

DIGITS = 12  # of each hash: two different ones are alike once in 10^14
OTHER = {  # by the name of a part: how it is said to differ
    "weights": "other weights", "tokenizer": "another tokenizer", "template": "another chat template",
    "settings": "other generation settings", "prompt": "another prompt, or another limit of tokens",
}  # fmt: skip


def source_key(model: nn.Module, tokenizer: Tokenizer, settings: object) -> str:
    """Return the hashes of who answers and how; `settings` are anything that JSON can hold."""
    return " ".join(
        [
            f"weights:{hash_weights(model)}",
            f"tokenizer:{_hash(_describe(tokenizer))}",
            f"template:{_hash(str(tokenizer.chat_template or PLAIN_PROMPT))}",
            f"settings:{_hash(json.dumps(settings, sort_keys=True))}",
        ]
    )


def answer_key(source: str, prompt: Sequence[int], cap: int) -> str:
    """Return the key of an answer of at most `cap` tokens to a prompt (token ids)."""
    return f"{source} prompt:{hash_tokens(prompt, [cap])}"


def refuse_other(kept: str, now: str, what: str) -> None:
    """Raise InputError where something kept rests on other things than it would now; says on which."""
    old, new = (dict(part.split(":", 1) for part in key.split()) for key in (kept, now))
    differ = [OTHER[name] for name in new if old.get(name) != new[name]]
    if differ:
        raise InputError(
            f"{what} was made with {' and '.join(differ)} than now, and is not used. "
            "Delete what was kept, or go back to what it was made with."
        )


def hash_tokens(*texts: Iterable[int]) -> str:
    """Return a hash of token ids, text by text."""
    return _hash(json.dumps([list(text) for text in texts]), 2 * DIGITS)


def hash_weights(model: nn.Module) -> str:
    """Return a hash of every weight's name, dtype, shape and value; tied ones count once."""
    digest = hashlib.sha256()
    for name, weight in sorted(model.named_parameters()):
        digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
        digest.update(weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()[:DIGITS]


def _describe(tokenizer: Tokenizer) -> str:
    """Return all that makes token ids of a text."""
    vocabulary = json.dumps(tokenizer.get_vocab(), sort_keys=True)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    return f"{vocabulary} {tokenizer.special_tokens_map} {backend.to_str() if backend else type(tokenizer).__name__}"


def _hash(text: str, digits: int = DIGITS) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:digits]
