"""Asking a finished course in the terminal."""

import sys

from edullama.errors import InputError
from edullama.recipe import Recipe
from edullama.records import CONTENDERS, Question
from edullama.store import Workspace

MAX_NEW_TOKENS = 160


def converse(work: Workspace, recipe: Recipe, name: str, question: str | None) -> None:
    """Answer one question, or questions from the keyboard until an empty line. Raises InputError."""
    contender = next((known for known in CONTENDERS if known == name), None)
    if contender is None:
        raise InputError(f"There is no model '{name}'. Ask one of: {', '.join(CONTENDERS)}.")
    from edullama.llm.generate import Prompted, answer_batch
    from edullama.llm.models import load_tokenizer
    from edullama.llm.rendering import render_prompt
    from edullama.stages.contenders import open_contender

    model, tokenizer = open_contender(work, recipe, contender), load_tokenizer(recipe.course.model)
    for text in [question] if question else iter(_read_question, ""):
        asked = Question("asked", "", text)
        prompted = Prompted(asked, render_prompt(tokenizer, text), MAX_NEW_TOKENS)
        print(answer_batch(model, tokenizer, [prompted], name)[0].text, flush=True)


def _read_question() -> str:
    """Return the next question, or an empty text at the end of the input."""
    if sys.stdin.isatty():
        print("\n? ", end="", flush=True)
    return sys.stdin.readline().strip()
