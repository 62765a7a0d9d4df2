"""Hand the models on: merged weights, a GGUF that llama.cpp has loaded, and a model card."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from edullama.errors import ModelError
from edullama.evaluation.findings import basis, telling
from edullama.manifest import Manifest
from edullama.recipe import Recipe
from edullama.records import Card, Contender, Estimate
from edullama.stages.contenders import open_contender
from edullama.store import Task, Workspace

PROBE = "What are the 3 main ideas of this lecture? Größe, naïve, 2+2=4."  # letters, digits, umlauts, signs
COMPARED = 8  # exam questions by which the merged teacher is compared with the adapter
LIKELIEST = 5  # next tokens compared between llama.cpp and the model that was written
TOLERANCE = {"f16": 0.25, "f32": 0.25}  # nats between their log-probabilities; what Q8_0 costs is reported instead


def run(work: Workspace, recipe: Recipe) -> Manifest:
    """Write the wanted models and the card."""
    task = work.begin("export", recipe)
    files: dict[Contender, Path] = {name: _export_model(work, recipe, task, name) for name in recipe.export.models}
    task.write("README.md", model_card(recipe, files, _estimates(work), task.notes))
    return task.finish(models=len(files))


def _export_model(work: Workspace, recipe: Recipe, task: Task, name: Contender) -> Path:
    """Write a contender's folder and GGUF; returns the GGUF's name. Raises ModelError where llama.cpp disagrees."""
    from edullama.llm.models import load_tokenizer
    from edullama.llm.write_gguf import write_gguf

    tokenizer = load_tokenizer(recipe.course.model)
    merges = name == "teacher" and (work.folder("finetune") / "adapter" / "adapter_config.json").exists()
    model = _merge_teacher(work, recipe, task, tokenizer) if merges else open_contender(work, recipe, name)
    model.save_pretrained(task.partial / name)
    tokenizer.save_pretrained(task.partial / name)
    gguf = task.partial / f"{slug(recipe.course.title)}-{name}-{recipe.export.gguf}.gguf"
    write_gguf(model, tokenizer, gguf, f"{recipe.course.title} {name}", recipe.export.gguf)
    difference = _check_gguf(gguf, model, tokenizer, TOLERANCE.get(recipe.export.gguf, math.inf))
    task.notes.append(f"{gguf.name}: llama.cpp's log-probabilities of the likeliest tokens differ by {difference:.2f}")
    task.move_in(task.partial / name, name)
    task.move_in(gguf, gguf.name)
    return Path(gguf.name)


def _merge_teacher(work: Workspace, recipe: Recipe, task: Task, tokenizer: Any) -> Any:
    """Merge the adapter on the base it was trained against, and note what that changed of its probabilities."""
    from edullama.llm.adapters import answer_logprobs, divergence, open_adapters
    from edullama.llm.rendering import render_answer, render_prompt

    cards = sorted(work.read("prepare", "exam.jsonl", Card), key=lambda card: card.id)[:COMPARED]
    texts = [(card.question, card.reference) for card in cards] or [(PROBE, PROBE)]
    asked = [(render_prompt(tokenizer, question), render_answer(tokenizer, answer)) for question, answer in texts]
    apart = open_adapters({"teacher": work.path("finetune", "adapter")}, recipe.course.model)
    before = answer_logprobs(apart, asked)
    merged = apart.merge_and_unload()
    lost = divergence(before, answer_logprobs(merged, asked))
    task.notes.append(
        f"teacher: KL(adapter || merged) is {lost.mean():.1e} nats per token, at most {lost.max():.1e}, "
        f"over {len(lost)} tokens of {len(asked)} answers"
    )
    return merged


def _check_gguf(gguf: Path, model: Any, tokenizer: Any, tolerance: float) -> float:
    """Load the file with llama.cpp and compare its tokens and next-token probabilities with the model's own.

    Returns the largest difference, in nats, over the LIKELIEST tokens after a probe. Raises ModelError beyond
    tolerance.
    """
    from edullama.endpoint.llamacpp import next_tokens, tokenize
    from edullama.endpoint.server import serve_model
    from edullama.llm.likelihood import next_token_logprobs
    from edullama.llm.rendering import render_prompt

    prompt = render_prompt(tokenizer, PROBE)
    with serve_model(gguf) as base_url:
        tokens = tokenize(base_url, tokenizer.decode(prompt))
        theirs = next_tokens(base_url, prompt, LIKELIEST)
    if tokens != prompt:
        raise ModelError(f"{gguf.name}: llama.cpp cuts text into other tokens than the model was trained on.")
    ours = next_token_logprobs(model, prompt)
    worst = max(abs(ours[token] - logprob) for token, logprob in theirs.items())
    if not worst <= tolerance:  # also where it is no number
        raise ModelError(
            f"{gguf.name}: llama.cpp's log-probabilities are off by {worst:.2f} nats; {tolerance} is allowed."
        )
    return worst


def _estimates(work: Workspace) -> list[Estimate]:
    return TypeAdapter(list[Estimate]).validate_json(work.path("evaluate", "estimates.json").read_bytes())


def model_card(
    recipe: Recipe, files: Mapping[Contender, Path], estimates: list[Estimate], notes: Sequence[str] = ()
) -> str:
    """Return a model card in the Hub's form: what it is, how good it is with intervals, and what it is not for.

    The notes tell what merging and conversion changed.
    """
    shown = [e for e in telling(estimates) if e.name.startswith(("reference_loss.", "knowledge.")) and e.n]
    rows = [f"| {e.name} | {e.mean:.3f} | {_interval(e)} | {e.n} |" for e in shown]
    lines = [
        "---",
        f"base_model: {recipe.course.model.removeprefix('builtin:')}",
        "library_name: transformers",
        "tags: [edullama, education, llama]",
        "---",
        "",
        f"# {recipe.course.title}",
        "",
        f"Language models that were taught one university course, made with EduLLama from `{recipe.course.model}`.",
        "",
        *(f"* `{name}/` and `{path}`: the {_what(name)}" for name, path in files.items()),
        "",
        "## How good they are",
        "",
        "Nats per token of reference answers to exam questions that were never trained on; negative is better. "
        "`knowledge` is the gain beyond what control cards of another subject gained too; positive is better. "
        f"{basis(estimates)}",
        "",
        "| figure | mean | 95 % interval | questions |",
        "|---|---|---|---|",
        *rows,
        "",
        "## What merging and conversion changed",
        "",
        *(f"* {note}" for note in notes),
        "",
        "## What they are not for",
        "",
        "They answer questions about their course, and they can be wrong. Do not grade with them. The licence of the "
        "base model and the rights in the lectures apply to these weights.",
        "",
    ]
    return "\n".join(lines)


def _interval(estimate: Estimate) -> str:
    return "" if estimate.low is None or estimate.high is None else f"{estimate.low:.3f} to {estimate.high:.3f}"


def _what(name: Contender) -> str:
    return "base with its adapter merged in" if name == "teacher" else "smaller model distilled from the teacher"


def slug(title: str) -> str:
    """Return a title as part of a file name."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "course"
