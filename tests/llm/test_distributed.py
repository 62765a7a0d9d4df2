"""Two processes train as one: DDP and FSDP over gloo on a CPU, started by `accelerate launch` as users start them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import json, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from transformers import AutoTokenizer
from edullama import DistillationArguments, DistillationTrainer
from edullama.llm.layers import build_student
from tests.llm.test_distillation import QUESTIONS
from tests.llm.tiny import make_llama

folder, tokenizer, batch = Path(sys.argv[1]), AutoTokenizer.from_pretrained(sys.argv[2]), int(sys.argv[3])
teacher = make_llama()
arguments = DistillationArguments(
    str(folder), max_steps=3, per_device_train_batch_size=batch, learning_rate=0.1, optim="sgd", max_grad_norm=1e9,
    logging_steps=1, use_cpu=True, max_new_tokens=8, save_strategy="no", report_to="none", disable_tqdm=True,
    health_questions=0,
)
trainer = DistillationTrainer(
    model=build_student(teacher, [0, 3]), teacher=teacher, args=arguments, train_dataset=QUESTIONS,
    eval_dataset=QUESTIONS[:4], processing_class=tokenizer,
)
trainer.train()
losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
figures = trainer.evaluate()
if trainer.is_world_process_zero():
    (folder / "result.json").write_text(json.dumps([losses, figures["eval_kl"], trainer.args.world_size]))
"""
DDP = ["--multi_gpu"]  # with --cpu, accelerate starts several processes through MPI alone
FSDP = [
    "--use_fsdp", "--fsdp_version", "2", "--fsdp_auto_wrap_policy", "TRANSFORMER_BASED_WRAP",
    "--fsdp_transformer_layer_cls_to_wrap", "LlamaDecoderLayer",
]  # fmt: skip


def launch(folder: Path, tokenizer: Path, processes: int, batch: int, *options: str) -> tuple[list[float], float, int]:
    folder.mkdir()
    script = folder / "train.py"
    script.write_text(SCRIPT.format(tests=str(Path(__file__).parents[2])))
    several = [
        "-m", "accelerate.commands.launch", "--num_processes", str(processes), "--num_machines", "1",
        "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0", *options,
    ]  # fmt: skip
    command = [
        sys.executable,
        *(several if processes > 1 else []),
        str(script),
        str(folder),
        str(tokenizer),
        str(batch),
    ]
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    losses, kl, world = json.loads((folder / "result.json").read_text())
    return losses, kl, world


@pytest.mark.parametrize("kind", [DDP, FSDP], ids=["DDP", "FSDP"])
def test_two_processes_have_the_losses_of_one(kind: list[str], llama_folder: Path, tmp_path: Path) -> None:
    alone = launch(tmp_path / "one", llama_folder, 1, 4)
    together = launch(tmp_path / "two", llama_folder, 2, 2, *kind)
    assert (alone[2], together[2]) == (1, 2)
    assert together[0] == pytest.approx(alone[0], rel=1e-4)
    assert together[1] == pytest.approx(alone[1], rel=1e-4)
