"""Asking a finished course in the terminal, or several courses whose adapters share a base."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edullama.adapters import Adapter, read_adapter
from edullama.errors import InputError
from edullama.recipe import Recipe
from edullama.records import CONTENDERS, Question
from edullama.store import Workspace

MAX_NEW_TOKENS = 160
LIST, USE = "/list", "/use"  # what one types instead of a question
Reply = Callable[[str], str]  # what is typed to what is printed


def converse(work: Workspace, recipe: Recipe, name: str, question: str | None) -> None:
    """Answer one question, or questions from the keyboard until an empty line. Raises InputError."""
    contender = next((known for known in CONTENDERS if known == name), None)
    if contender is None:
        raise InputError(f"There is no model '{name}'. Ask one of: {', '.join(CONTENDERS)}.")
    from edullama.stages.contenders import open_contender

    _talk(_answering(open_contender(work, recipe, contender), recipe.course.model, name), question)


def converse_with_several(courses: Sequence[Path], recipe: Recipe, question: str | None) -> None:
    """Answer as the first course's teacher, or as another's after `/use NAME`; there is one base in memory.

    Raises InputError where two courses have one name, or an adapter does not go with the first one's base.
    """
    adapters = {adapter.name: adapter for adapter in map(read_adapter, courses)}
    if len(adapters) < len(courses):
        raise InputError("Two of these courses have folders of the same name; rename one to tell them apart.")
    from edullama.llm.adapters import open_adapters

    paths = {name: adapter.folder for name, adapter in adapters.items()}
    model = open_adapters(paths, recipe.course.model)
    answer, current = _answering(model, recipe.course.model, "teacher"), next(iter(adapters))

    def reply(text: str) -> str:
        nonlocal current
        command, _, name = text.partition(" ")
        if command == LIST:
            return _list(adapters, current)
        if command != USE:
            return answer(text)
        if name.strip() not in adapters:
            return f"There is no '{name.strip()}'. Use one of: {', '.join(adapters)}."
        current = name.strip()
        model.set_adapter(current)
        return f"Now answers {current}: {adapters[current].title}."

    _talk(reply, question)


def _list(adapters: dict[str, Adapter], current: str) -> str:
    marks = {name: "*" if name == current else " " for name in adapters}
    return "\n".join(f"{marks[name]} {name}  {adapter.title}" for name, adapter in adapters.items())


def _answering(model: Any, model_name: str, name: str) -> Reply:
    """Return what answers a question with this model, as it is at that moment."""
    from edullama.llm.generate import Prompted, answer_batch
    from edullama.llm.models import load_tokenizer
    from edullama.llm.rendering import render_prompt

    tokenizer = load_tokenizer(model_name)

    def answer(text: str) -> str:
        prompted = Prompted(Question("asked", "", text), render_prompt(tokenizer, text), MAX_NEW_TOKENS)
        return answer_batch(model, tokenizer, [prompted], name)[0].text

    return answer


def _talk(reply: Reply, question: str | None) -> None:
    for text in [question] if question else iter(_read_line, ""):
        print(reply(text), flush=True)


def _read_line() -> str:
    """Return the next line, or an empty text at the end of the input."""
    if sys.stdin.isatty():
        print("\n? ", end="", flush=True)
    return sys.stdin.readline().strip()
