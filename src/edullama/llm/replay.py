"""General text for a model to go on reading while it learns a course: written by the model itself, before it learns.

Training on a course alone makes everything else less likely. Text sampled at temperature 1 follows the model's own
distribution, so that learning it holds the model where it was, and no corpus is needed (Huang et al. 2024,
self-synthesized rehearsal, arXiv 2403.01244).
"""

from collections.abc import Sequence

import torch

from edullama.llm.device import best_device
from edullama.llm.models import Tokenizer, load_model, load_tokenizer
from edullama.llm.qlora import tokenize_text
from edullama.llm.rendering import opening
from edullama.progress import bar
from edullama.recipe import Finetune
from edullama.records import Pair, Window, stable_id

LENGTH = 128  # tokens of a text
BATCH = 32  # texts


def replay_for(model_name: str, texts: Sequence[Window | Pair], settings: Finetune, seed: int) -> list[Window]:
    """Return general text of about the wanted share of the tokens that these texts are learnt by."""
    tokenizer = load_tokenizer(model_name)
    rows = (row for text in texts for row in tokenize_text(tokenizer, text, settings.max_tokens))
    count = round(settings.replay * sum(len(row["answer"]) for row in rows) / LENGTH)
    return write_replay(model_name, count, seed) if count else []


def write_replay(model_name: str, texts: int, seed: int) -> list[Window]:
    """Return texts of at most LENGTH tokens that the model writes out of nothing; the same for the same seed."""
    tokenizer, model = load_tokenizer(model_name), load_model(model_name).to(device=best_device()).eval()
    torch.manual_seed(seed)
    written: list[Window] = []
    with bar("general text", texts) as advance:
        for start in range(0, texts, BATCH):
            batch = [_first_tokens(tokenizer)] * min(BATCH, texts - start)
            tokens = torch.tensor(batch, device=model.device)
            with torch.inference_mode():
                out = model.generate(
                    input_ids=tokens, attention_mask=torch.ones_like(tokens), do_sample=True, temperature=1.0,
                    top_k=0, top_p=1.0, max_new_tokens=LENGTH, pad_token_id=tokenizer.pad_token_id,
                )  # fmt: skip
            written += as_windows(tokenizer, out[:, tokens.shape[1] :].tolist())
            advance(len(batch))
    return written


def as_windows(tokenizer: Tokenizer, rows: Sequence[Sequence[int]]) -> list[Window]:
    """Return what rows of token ids say as windows of no lecture; one that says nothing is left out."""
    texts = [str(tokenizer.decode(row, skip_special_tokens=True)).strip() for row in rows]
    return [Window(stable_id("replay", text), "general", text, ()) for text in texts if text]


def _first_tokens(tokenizer: Tokenizer) -> list[int]:
    """Return what a text begins with: the begin token, or what ends the text before it."""
    return opening(tokenizer) or [tokenizer.bos_token_id or tokenizer.eos_token_id]
