"""What a teacher knows after learning a course in one form or another: own exam less another course's, and more.

    .venv/bin/python bench/knowledge.py COURSE [--form NAME ...] [--set finetune.epochs=2 ...] [--json]

COURSE is a prepared course whose controls/ holds another course's exam. Each form trains a teacher of its own; base and
teachers read the references of both exams. Rows and intervals are kept in COURSE/knowledge.jsonl.
"""

import argparse
import gc
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edullama.dataset.held_out import general_texts, hold_out
from edullama.evaluation.knowledge import (
    by_pair,
    choose_rivals,
    identified,
    match_by_length,
    pairs_to_read,
    question_information,
)
from edullama.evaluation.statistics import difference_of_gains, level, paired_difference
from edullama.llm import qlora
from edullama.llm.embedding import embed
from edullama.llm.likelihood import cross_losses, reference_losses, text_losses
from edullama.llm.models import load_model, load_tokenizer
from edullama.llm.replay import replay_for
from edullama.recipe import Recipe
from edullama.recipe_file import read_recipe
from edullama.records import Card
from edullama.store import Workspace
from forms import FORMS, Text

Values = Mapping[str, float]
COLUMNS = ("own", "other", "own-other", "identified_by_teacher", "identified", "information")


@dataclass(frozen=True, slots=True)
class Sheet:
    """What one model makes of references and of plain text: losses in nats per token, by card."""

    own: Values
    control: Values
    identified: Values
    information: Values
    general: Values


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("course", type=Path)
    arguments.add_argument("--form", action="append", choices=list(FORMS), help="default: all")
    arguments.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    arguments.add_argument("--json", action="store_true")
    options = arguments.parse_args()
    work, recipe = Workspace(options.course), read_recipe(options.course / "course.toml", tuple(options.set))
    examine = Examiner(work, recipe)
    columns = "".join(f"{name:>22}" for name in COLUMNS)
    print(f"{'form':<26}{'tokens':>8}{'seconds':>8}{columns}{'general':>9}")
    for form in options.form or list(FORMS):
        row = examine.try_form(form, options.set)
        print(show(row), flush=True)
        if options.json:
            print(json.dumps(row))


class Examiner:
    """The course, both exams, and what the base makes of them."""

    def __init__(self, work: Workspace, recipe: Recipe) -> None:
        self.work, self.recipe = work, recipe
        self.tokenizer = load_tokenizer(recipe.course.model)
        self.exam = work.read("prepare", "exam.jsonl", Card)
        self.controls = work.read("prepare", "controls.jsonl", Card)
        self.rivals = choose_rivals(self.exam, embed)
        self.general = general_texts()
        kept = work.root / "knowledge-base.json"
        if not kept.exists():
            kept.write_text(json.dumps(asdict(self.read(load_model(recipe.course.model).eval(), "base"))))
        self.base = Sheet(**json.loads(kept.read_text()))

    def read(self, model: Any, name: str) -> Sheet:
        """Let a model read everything that figures are made of."""
        losses = by_pair(cross_losses(model, self.tokenizer, self.exam, pairs_to_read(self.rivals), name))
        controls = reference_losses(model, self.tokenizer, self.controls, name)
        general = text_losses(model, self.tokenizer, self.general, f"{name} reads general text")
        return Sheet(
            own={card.id: losses[card.id, card.id].nats for card in self.exam},
            control={loss.question_id: loss.nats for loss in controls},
            identified=identified(losses, self.rivals),
            information=question_information(losses, self.rivals),
            general={str(number): loss for number, loss in enumerate(general)},
        )

    def try_form(self, form: str, settings: Sequence[str]) -> dict[str, Any]:
        """Train a teacher on a form of the course, and return its row, which is also kept."""
        learnt = FORMS[form](self.work)
        course, recipe, started = self.recipe.course, self.recipe.finetune, time.monotonic()
        texts = hold_out(learnt, recipe.held_out)[0]
        texts += replay_for(course.model, texts, recipe, course.seed)
        with tempfile.TemporaryDirectory() as folder:
            qlora.finetune(course.model, texts, recipe, course.seed, Path(folder))
            seconds = time.monotonic() - started
            teacher = qlora.load_teacher(Path(folder) / "adapter", course.model)
        row = {"form": form, "settings": list(settings), "texts": len(texts), "tokens": self.count(texts),
               "seconds": round(seconds), **self.compare(self.read(teacher, form))}  # fmt: skip
        with (self.work.root / "knowledge.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        gc.collect()
        return row

    def count(self, texts: Sequence[Text]) -> int:
        """Return the tokens that carry loss in one epoch."""
        limit = self.recipe.finetune.max_tokens
        return sum(len(row["answer"]) for text in texts for row in qlora.tokenize_text(self.tokenizer, text, limit))

    def compare(self, teacher: Sheet) -> dict[str, Any]:
        """Return the figures of a teacher beside its base."""
        base = self.base
        lengths = [{card.id: len(self.tokenizer(card.reference)["input_ids"]) for card in deck}
                   for deck in (self.exam, self.controls)]  # fmt: skip
        matched = match_by_length(*lengths)
        before, after = ({card: sheet.control[card] for card in matched} for sheet in (base, teacher))
        figures = [
            paired_difference("own", base.own, teacher.own),
            paired_difference("other", before, after),
            difference_of_gains("own-other", base.own, teacher.own, before, after),
            level("identified_by_base", base.identified),
            level("identified_by_teacher", teacher.identified),
            paired_difference("identified", teacher.identified, base.identified),
            paired_difference("information", teacher.information, base.information),
            paired_difference("general", teacher.general, base.general),
        ]
        ratio = sum(teacher.general.values()) / sum(base.general.values()) - 1
        return {figure.name: [figure.mean, figure.low, figure.high] for figure in figures} | {"general_worse": ratio}


def show(row: Mapping[str, Any]) -> str:
    """Return one line: means and 95 % intervals, and by how much general prose got worse."""
    cells = [f"{mean:.2f} [{low:.2f}, {high:.2f}]" for mean, low, high in (row[name] for name in COLUMNS)]
    figures = "".join(f"{cell:>22}" for cell in cells)
    return f"{row['form']:<26}{row['tokens']:>8}{row['seconds']:>8}{figures}{row['general_worse']:>9.1%}"


if __name__ == "__main__":
    main()
