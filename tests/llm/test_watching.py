import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from edullama.files import read_jsonl
from edullama.llm.checkpoints import last_whole_checkpoint
from edullama.llm.qlora import add_adapter, finetune
from edullama.llm.watching import Lookout, look_steps, mean_loss, watched_rows
from edullama.recipe import Finetune
from edullama.records import Pair, Watch, Window
from tests.llm.tiny import TEXT

LEARNT = [
    Window(str(n), "l", f"The adapter lies in folder {n}, and the catalogue has {n * 7} questions.", ())
    for n in range(10)
]
ALIKE = [Window("a", "l", "The adapter lies in folder 11, and the catalogue has 77 questions.", ())]
SETTINGS = Finetune(rank=4, alpha=8, epochs=12, batch_size=5, learning_rate=1e-2)
ADAPTER = "adapter/adapter_model.safetensors"


def train(model: Path, tokenizer: PreTrainedTokenizerFast, folder: Path, settings: Finetune, held_out: list[Window]):  # type: ignore[no-untyped-def]
    own, general = watched_rows(tokenizer, held_out, 256), watched_rows(tokenizer, TEXT, 256)
    lookout = Lookout(own, general, settings.looks, settings.patience)
    steps = finetune(str(model), LEARNT, settings, 0, folder, lookout)
    return lookout, steps


def test_looks_are_spread_evenly_and_the_last_is_the_end() -> None:
    assert look_steps(10, 4) == [3, 5, 8, 10]
    assert look_steps(2, 4) == [1, 2]
    assert look_steps(10, 0) == []


def test_the_loss_of_a_text_is_the_models_own_without_an_end_token(
    llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    tokens = torch.tensor([tokenizer(TEXT[0])["input_ids"]])
    expected = float(llama(input_ids=tokens, labels=tokens).loss)
    assert mean_loss(llama, watched_rows(tokenizer, [TEXT[0]], 256)) == pytest.approx(expected, abs=1e-5)


def test_of_a_pair_only_the_answer_counts(llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    pair = Pair("p", "question", "l", "Where does the adapter lie?", "In folder 3.", ())
    (row,) = watched_rows(tokenizer, [pair], 256)
    assert tokenizer.decode(row["prompt"]) == "Question: Where does the adapter lie?\nAnswer:"
    assert tokenizer.decode(row["answer"]) == " In folder 3."
    (cut,) = watched_rows(tokenizer, [pair], len(row["prompt"]) + 2)
    assert cut["answer"] == row["answer"][:2]


def test_looking_does_not_change_what_is_learnt(
    llama_folder: Path, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    """Dropout makes every draw of a random number count."""
    settings = Finetune(rank=4, alpha=8, epochs=3, batch_size=5, dropout=0.2)
    finetune(str(llama_folder), LEARNT, settings, 0, tmp_path / "alone")
    train(llama_folder, tokenizer, tmp_path / "watched", settings, ALIKE)
    assert (tmp_path / "alone" / ADAPTER).read_bytes() == (tmp_path / "watched" / ADAPTER).read_bytes()


def test_dropout_is_off_while_looking_and_on_again_afterwards(
    llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    model = add_adapter(llama, Finetune(rank=4, alpha=8, dropout=0.5)).train()
    rows = watched_rows(tokenizer, TEXT, 256)
    assert mean_loss(model, rows) == mean_loss(model, rows)
    assert all(module.training for module in model.modules())


def test_both_losses_are_measured_from_before_training_to_its_end(
    llama_folder: Path, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    lookout, steps = train(llama_folder, tokenizer, tmp_path, SETTINGS, ALIKE)
    assert len(steps) == 24
    assert [look.step for look in lookout.seen] == [0, 6, 12, 18, 24]
    first, last = lookout.seen[0], lookout.seen[-1]
    base = LlamaForCausalLM.from_pretrained(llama_folder)
    assert first.general == pytest.approx(mean_loss(base, watched_rows(tokenizer, TEXT, 256)), rel=0.05)  # NF4
    assert first.held_out and last.held_out and last.held_out < first.held_out - 1  # it is much like what is learnt


def test_without_held_out_texts_general_prose_alone_is_watched(
    llama_folder: Path, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    lookout, steps = train(llama_folder, tokenizer, tmp_path, Finetune(max_steps=4, patience=1), [])
    assert len(steps) == 4
    assert [look.held_out for look in lookout.seen] == [None] * 5
    assert all(look.general > 0 for look in lookout.seen)


def test_no_looks_no_watching(llama_folder: Path, tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    lookout, _ = train(llama_folder, tokenizer, tmp_path, Finetune(max_steps=2, looks=0), ALIKE)
    assert lookout.seen == []


UNLIKE = [Window("u", "l", TEXT[1], ())]  # training on the others makes it worse
EARLY = Finetune(rank=4, alpha=8, epochs=60, batch_size=5, learning_rate=3e-2, looks=30, patience=2)


def test_training_stops_when_held_out_loss_has_not_fallen_and_keeps_the_best_adapter(
    llama_folder: Path, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    lookout, steps = train(llama_folder, tokenizer, tmp_path, EARLY, UNLIKE)
    losses = [look.held_out for look in lookout.seen]
    best = losses.index(min(losses[1:]))
    assert len(losses) == best + 2 + 1 and len(steps) == lookout.seen[-1].step < 120
    assert lookout.best == lookout.seen[best]
    kept = PeftModel.from_pretrained(LlamaForCausalLM.from_pretrained(llama_folder), str(tmp_path / "adapter"))
    other = tmp_path / "checkpoints" / f"checkpoint-{lookout.best.step}" / "adapter_model.safetensors"
    assert (tmp_path / ADAPTER).read_bytes() == other.read_bytes()
    assert mean_loss(kept, watched_rows(tokenizer, UNLIKE, 256)) == pytest.approx(losses[best], rel=0.1)  # not NF4


PROGRAM = """
import sys
from pathlib import Path
from edullama.files import to_json
from edullama.llm import training
from tests.llm import test_watching as watching
from tests.llm.tiny import make_tokenizer

training.CHECKPOINT_SECONDS = 0.05
model, folder, settings, held_out = Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]
settings, held_out = getattr(watching, settings), getattr(watching, held_out)
lookout, _ = watching.train(model, make_tokenizer(), folder, settings, held_out)
(folder / "watch.jsonl").write_bytes(b"".join(to_json(look) + b"\\n" for look in lookout.seen))
"""


@pytest.mark.parametrize(
    ("settings", "held_out"), [("SETTINGS", "ALIKE"), pytest.param("EARLY", "UNLIKE", marks=pytest.mark.slow)]
)
def test_killed_at_any_moment_and_run_again_the_adapter_and_the_looks_are_the_same(
    llama_folder: Path, tokenizer: PreTrainedTokenizerFast, tmp_path: Path, settings: str, held_out: str
) -> None:
    command = [sys.executable, "-c", PROGRAM, str(llama_folder), str(tmp_path / "killed"), settings, held_out]
    draw = random.Random(0)
    for _ in range(3):
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            known = set(tmp_path.glob("killed/checkpoints/*"))
            while set(tmp_path.glob("killed/checkpoints/*")) <= known and process.poll() is None:
                time.sleep(0.01)
            time.sleep(draw.uniform(0.0, 0.3))
            process.kill()
        assert process.returncode == -signal.SIGKILL, "it was still at work"
    assert last_whole_checkpoint(tmp_path / "killed" / "checkpoints")
    subprocess.run(command, check=True, capture_output=True)
    lookout, _ = train(llama_folder, tokenizer, tmp_path / "whole", globals()[settings], globals()[held_out])
    assert (tmp_path / "killed" / ADAPTER).read_bytes() == (tmp_path / "whole" / ADAPTER).read_bytes()
    assert read_jsonl(tmp_path / "killed" / "watch.jsonl", Watch) == lookout.seen
