import re
from pathlib import Path

import torch
from transformers import LlamaForCausalLM

from edullama.files import to_json, write_file
from edullama.llm.qlora import finetune, load_teacher
from edullama.recipe import Course, Export, Finetune, Recipe
from edullama.records import Card, Window
from edullama.stages import export
from edullama.store import Workspace

CARDS = [Card(f"q{n}", "l", "Where does the adapter lie?", f"In folder {n}.", "cards.tsv") for n in range(12)]


def test_the_card_of_a_merged_teacher_tells_what_merging_and_conversion_changed(
    tmp_path: Path, llama_folder: Path
) -> None:
    settings = Finetune(rank=4, alpha=8, max_steps=2)
    windows = [Window("w", "l", "The adapter lies in folder 3.", ("l:1",))]
    finetune(str(llama_folder), windows, settings, 0, tmp_path / "3-finetune")
    write_file(tmp_path / "2-prepare" / "exam.jsonl", b"".join(to_json(card) + b"\n" for card in CARDS))
    write_file(tmp_path / "6-evaluate" / "estimates.json", "[]")
    course = Course(title="Tiny", model=str(llama_folder))
    recipe = Recipe(course=course, finetune=settings, export=Export(models=("teacher",), gguf="f32"))
    manifest = export.run(Workspace(tmp_path), recipe)
    card = (tmp_path / "7-export" / "README.md").read_text()
    merging, conversion = manifest.notes
    assert f"* {merging}\n* {conversion}\n" in card
    told = re.fullmatch(
        r"teacher: KL\(adapter \|\| merged\) is (\S+) nats per token, at most (\S+), over (\d+) tokens of 8 answers",
        merging,
    )
    assert told and abs(float(told[1])) < 1e-6 and abs(float(told[2])) < 1e-5 and int(told[3]) > 8
    exported = LlamaForCausalLM.from_pretrained(tmp_path / "7-export" / "teacher")
    teacher, tokens = load_teacher(tmp_path / "3-finetune" / "adapter", str(llama_folder)), torch.arange(20)[None]
    torch.testing.assert_close(exported(tokens).logits, teacher(tokens).logits)
