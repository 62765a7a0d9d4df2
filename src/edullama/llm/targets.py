"""The teacher's soft targets: for the answers of a batch, what `answer_loss` compares the student with.

Kept on disk they are found by content: by the token ids of prompt and answer, in a folder that says which teacher they
are of. `Hidden` and `Best` say what is kept. `LiveTargets` keep nothing, and the teacher in memory instead.
"""

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional
from transformers import LlamaForCausalLM

from edullama.errors import InputError
from edullama.llm.answer_loss import Teacher
from edullama.llm.batches import Answered, pad_right, predicting_positions
from edullama.llm.content_key import hash_tokens, refuse_other
from edullama.llm.target_formats import Best, Format, Hidden
from edullama.progress import bar

BATCH = 16
MEASURED_EVERY = 64  # tokens: of one in so many it is measured what keeping costs
FORMAT, HEAD = "format.json", "head.safetensors"


@dataclass(frozen=True, slots=True)
class Report:
    """What targets take, and what they lose: KL(teacher || what a student can learn) in nats at a temperature."""

    answers: int
    tokens: int
    bytes: int  # of the targets, and of the head
    head_bytes: int
    measured: int  # tokens
    mean_kl: Mapping[float, float]  # by temperature
    max_kl: Mapping[float, float]


class KeptTargets:
    """Targets in a folder: shards, the teacher's head, and what they are. `begin_targets` makes, `open_targets` opens.

    Its head (vocab, hidden) can be moved to another device, where `teacher` then gives its logits.
    """

    def __init__(self, folder: Path, form: Format, head: Tensor) -> None:
        self.folder, self.format, self.head = folder, form, head
        self.shards: dict[str, Any] = {}  # by answer, the opened file that holds it
        self.opened: set[Path] = set()
        self.notes: list[dict[str, Any]] = []
        self._open_new()

    def _open_new(self) -> None:
        """Open the shards that this or another process has written since."""
        for shard in sorted(set(self.folder.glob("targets-*.safetensors")) - self.opened):
            self._open(shard)

    def _open(self, shard: Path) -> None:
        file = safe_open(shard, framework="pt")
        notes = json.loads(file.metadata()["notes"])
        self.shards |= dict.fromkeys(notes["answers"], file)
        self.opened.add(shard)
        self.notes.append(notes)

    def __contains__(self, answered: Answered) -> bool:
        return hash_tokens(*answered) in self.shards

    @torch.no_grad()
    def add(self, answered: Sequence[Answered], states: Sequence[Tensor]) -> None:
        """Keep what the last, normalised states (tokens, hidden) tell of these answers, as one shard.

        What is there already is left as it is. Raises InputError where states do not fit the format.
        """
        fresh = {hash_tokens(*own): rows for own, rows in zip(answered, states, strict=True) if own not in self}
        if not fresh:
            return
        packed = {name: self.format.pack(rows, self.head) for name, rows in fresh.items()}
        notes = {"answers": list(fresh), "tokens": sum(map(len, fresh.values())), **self._measure(fresh, packed)}
        shard = self._next_shard()
        tensors = {f"{name}.{part}": one.cpu() for name, own in packed.items() for part, one in own.items()}
        save_file(tensors, shard.with_suffix(".writing"), {"notes": json.dumps(notes)})
        shard.with_suffix(".writing").rename(shard)
        self._open(shard)

    def _next_shard(self) -> Path:
        paths = (self.folder / f"targets-{number:05d}.safetensors" for number in itertools.count())
        return next(path for path in paths if not path.exists())

    def _measure(self, states: Mapping[str, Tensor], packed: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Any]:
        """Return how far what was packed is from what it was made of: the sum and the largest of tokens' KL."""
        exact = functional.linear(_every(states.values()).to(self.head), self.head).double()
        parts = {part: _every([own[part] for own in packed.values()]) for part in next(iter(packed.values()))}
        kept = self.format.log_probabilities(parts, self.head)
        kl = {t: _divergence((exact / t).log_softmax(-1), kept[t]) for t in kept}
        return {"measured": len(exact), "kl": {t: [float(own.sum()), float(own.max())] for t, own in kl.items()}}

    def complete(self, model: LlamaForCausalLM, answered: Sequence[Answered], pad_token_id: int) -> None:
        """Let the teacher read the answers whose targets are missing, and keep these."""
        self._open_new()
        missing = sorted((own for own in answered if own not in self), key=lambda own: len(own[0]) + len(own[1]))
        with bar("teacher's targets", len(answered), len(answered) - len(missing)) as advance:
            for start in range(0, len(missing), BATCH):
                batch = missing[start : start + BATCH]
                self.add(batch, answer_states(model, batch, pad_token_id))
                advance(len(batch))

    def teacher(self, answered: Sequence[Answered], lengths: Sequence[int] | None = None) -> Teacher:
        """Return the targets of these answers' tokens, one answer after the other; of each as many tokens as `lengths`
        says, from its first one on.

        Raises InputError where an answer has none: it was not the teacher's, or was changed since.
        """
        return self.format.unpack(self._parts(answered, lengths), self.head)

    def states(self, answered: Sequence[Answered], lengths: Sequence[int] | None = None) -> Tensor:
        """Return the teacher's last hidden states (tokens, hidden). Raises InputError where they are not kept."""
        if "states" not in self.format.parts:
            raise InputError(f"{self.folder} keeps the likeliest words, not hidden states: set targets = 'hidden'.")
        return self._parts(answered, lengths)["states"]

    def _parts(self, answered: Sequence[Answered], lengths: Sequence[int] | None) -> dict[str, Tensor]:
        parts = [self._read(hash_tokens(*own)) for own in answered]
        ends = [None] * len(parts) if lengths is None else lengths
        return {name: torch.cat([own[name][:end] for own, end in zip(parts, ends, strict=True)]) for name in parts[0]}

    def _read(self, name: str) -> dict[str, Tensor]:
        if name not in self.shards:
            raise InputError(f"{self.folder} has no targets for this answer: it is another than the teacher's.")
        file = self.shards[name]
        return {part: file.get_tensor(f"{name}.{part}") for part in self.format.parts}

    def report(self) -> Report:
        """Return what the targets take and lose."""
        sizes = [path.stat().st_size for path in self.folder.glob("targets-*.safetensors")]
        measured = sum(notes["measured"] for notes in self.notes)
        kl = {float(t): [notes["kl"][t] for notes in self.notes] for t in (self.notes[0]["kl"] if self.notes else ())}
        return Report(
            answers=len(self.shards),
            tokens=sum(notes["tokens"] for notes in self.notes),
            bytes=sum(sizes),
            head_bytes=(self.folder / HEAD).stat().st_size,
            measured=measured,
            mean_kl={t: sum(total for total, _ in own) / measured for t, own in kl.items()},
            max_kl={t: max(largest for _, largest in own) for t, own in kl.items()},
        )


class LiveTargets:
    """Targets from a teacher that stays in memory."""

    def __init__(self, model: LlamaForCausalLM, pad_token_id: int) -> None:
        self.model, self.pad_token_id = model, pad_token_id

    def teacher(self, answered: Sequence[Answered], lengths: Sequence[int] | None = None) -> Teacher:
        """Return the targets of these answers' tokens, one answer after the other, as `KeptTargets` does."""
        states, head = self.states(answered, lengths), self.model.lm_head.weight.detach()
        return lambda rows: functional.linear(states[rows], head)

    def states(self, answered: Sequence[Answered], lengths: Sequence[int] | None = None) -> Tensor:
        """Return the teacher's last hidden states (tokens, hidden)."""
        states = answer_states(self.model, answered, self.pad_token_id)
        ends = [None] * len(states) if lengths is None else lengths
        return torch.cat([own[:end] for own, end in zip(states, ends, strict=True)])


TeacherTargets = KeptTargets | LiveTargets


def begin_targets(folder: Path, model: LlamaForCausalLM, form: Format, source: str) -> KeptTargets:
    """Make a folder for the targets of this teacher, or go on with the one that is there.

    `source` (of `generate.answering_key`) says whose they are. Raises InputError where the folder's are of another, or
    in another format.
    """
    facts = {"source": source, **asdict(form)}
    if (folder / FORMAT).exists():
        kept = _read_facts(folder)
        refuse_other(kept["source"], source, str(folder))
        if kept != json.loads(json.dumps(facts)):
            raise InputError(
                f"{folder} holds targets in another form ({kept}). Delete it, or set what it was made with."
            )
    else:
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"head": model.lm_head.weight.detach().cpu().contiguous()}, folder / HEAD)
        (folder / FORMAT).with_suffix(".writing").write_text(json.dumps(facts, indent=1), encoding="utf-8")
        (folder / FORMAT).with_suffix(".writing").rename(folder / FORMAT)
    return KeptTargets(folder, form, model.lm_head.weight.detach())


def open_targets(folder: Path, source: str | None = None, device: torch.device | str = "cpu") -> KeptTargets:
    """Open targets whose teacher is not in memory any more.

    Raises InputError where there are none, or where they are not those of `source`.
    """
    if not (folder / FORMAT).exists():
        raise InputError(f"{folder}: no targets there ({FORMAT} lacks).")
    facts = _read_facts(folder)
    if source is not None:
        refuse_other(facts["source"], source, str(folder))
    form: Format = Best(facts["k"], tuple(facts["temperatures"])) if "k" in facts else Hidden(facts["dtype"])
    return KeptTargets(folder, form, load_file(folder / HEAD, str(device))["head"])


def _read_facts(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / FORMAT).read_text(encoding="utf-8")))


@torch.no_grad()
def answer_states(model: LlamaForCausalLM, answered: Sequence[Answered], pad_token_id: int) -> list[Tensor]:
    """Return the model's last, normalised states (answer tokens, hidden) that predict each answer's tokens."""
    tokens, mask, scored = pad_right([own[0] for own in answered], [own[1] for own in answered], pad_token_id)
    out = model.model(input_ids=tokens.to(model.device), attention_mask=mask.to(model.device), use_cache=False)
    states = out.last_hidden_state[predicting_positions(scored).to(model.device)]
    return list(states.split([len(answer) for _, answer in answered]))


def _every(tensors: Iterable[Tensor]) -> Tensor:
    """Return some of the tokens of all of these."""
    return torch.cat(list(tensors))[::MEASURED_EVERY]


def _divergence(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Return KL(p || q) of each row, in nats; fp64 rounds it to a little below 0 where there is none."""
    return (log_p.exp() * (log_p - log_q)).sum(-1).clamp_(min=0)
