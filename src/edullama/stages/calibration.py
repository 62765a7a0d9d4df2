"""What the teacher answers to some of the catalogue, and how much its layers matter to that: asked and scored once.

Both are kept in 4-shrink/cache.sqlite by what they were made from, so that another number of layers, or another way to
choose them, finds them there.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter

from edullama.cache import Cache, make_key
from edullama.errors import InputError
from edullama.files import from_json, to_json
from edullama.recipe import Recipe
from edullama.records import Answer, Question, stable_id
from edullama.store import Workspace

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

    from edullama.llm.blocks import Texts
    from edullama.llm.layer_choice import Removal
    from edullama.llm.layer_scores import Target
    from edullama.llm.models import Tokenizer

T = TypeVar("T")
ANSWER_TOKENS = 64  # of an answer, at the most


@dataclass(frozen=True, slots=True)
class Calibration:
    """The teacher, and its answers to questions, in two halves: to choose layers by, and to measure the choice with."""

    teacher: "LlamaForCausalLM"
    answers: list[Answer]
    choosing: "list[Texts]"
    held_out: "list[Texts]"
    cache: Cache
    key: bytes  # of the scores: depends on the teacher and on what it answered


@contextmanager
def calibrate(work: Workspace, recipe: Recipe, teacher: "LlamaForCausalLM") -> Iterator[Calibration]:
    """Let the teacher answer, where it has not before. Raises InputError where there is no question."""
    from edullama.llm.blocks import lay_out
    from edullama.llm.models import load_tokenizer

    chosen, spared = part(_questions(work), recipe.shrink.questions)
    tokenizer = load_tokenizer(recipe.course.model)
    with closing(Cache(work.folder("shrink") / "cache.sqlite")) as cache:
        answers = _ask(teacher, tokenizer, [*chosen, *spared], cache)
        ours, others = answers[: len(chosen)], answers[len(chosen) :]
        key = make_key(*(f"{answer.key} {answer.tokens}" for answer in ours))
        choosing, held_out = lay_out(tokenizer, chosen, ours), lay_out(tokenizer, spared, others)
        yield Calibration(teacher, answers, choosing, held_out, cache, key)


def part(questions: Sequence[Question], count: int) -> tuple[list[Question], list[Question]]:
    """Return questions to choose layers by and as many, or one less, to measure the choice with: `count` in all.

    What distill holds out comes first in this order, and what layers are chosen by last.
    """
    order = sorted(questions, key=lambda own: stable_id("held out", own.id))
    spared = min(count, len(order)) // 2
    return order[max(spared, len(order) - count + spared) :], order[:spared]


def find_influences(found: Calibration) -> list[float]:
    """Return every layer's block influence."""
    from edullama.llm.layer_scores import block_influences

    return _once(found, "influences", list[float], lambda: block_influences(found.teacher, found.choosing))


def find_angles(found: Calibration) -> list[list[float]]:
    """Return [n - 1][first]: by how much n layers turn hidden states."""
    from edullama.llm.layer_scores import block_angles

    return _once(found, "angles", list[list[float]], lambda: block_angles(found.teacher, found.choosing))


def find_removals(found: Calibration, count: int) -> "list[Removal]":
    """Return the layers that can go, `count` at least, in order; a search goes on where an earlier one ended."""
    from edullama.llm.greedy_layers import greedy_removals
    from edullama.llm.layer_choice import Removal
    from edullama.llm.layer_scores import make_targets

    kind, place = TypeAdapter(list[Removal]), make_key("removals", found.key)
    known = found.cache.get(place)
    done = kind.validate_json(known) if known else []
    if len(done) >= count:
        return done
    targets = make_targets(found.teacher, found.choosing)
    return greedy_removals(
        found.teacher, found.choosing, targets, count, done, lambda own: found.cache.keep(place, kind.dump_json(own))
    )


def known_scores(found: Calibration) -> dict[str, Any]:
    """Return all that has been found out of the layers, by the names of the functions above."""
    places = {what: make_key(what, found.key) for what in ("removals", "influences", "angles")}
    return {what: json.loads(known) for what, place in places.items() if (known := found.cache.get(place))}


def held_out_targets(found: Calibration) -> "list[Target]":
    """Return what the teacher says at each token of the answers that layers are not chosen by."""
    from edullama.llm.layer_scores import make_targets

    return make_targets(found.teacher, found.held_out)


def _once(found: Calibration, what: str, kind: type[T], make: Callable[[], T]) -> T:
    """Return what was made before of the same answers, or make and keep it."""
    place, adapter = make_key(what, found.key), TypeAdapter(kind)
    known = found.cache.get(place)
    if known:
        return adapter.validate_json(known)
    made = make()
    found.cache.keep(place, adapter.dump_json(made))
    return made


def _questions(work: Workspace) -> list[Question]:
    questions = work.read("prepare", "catalogue.jsonl", Question)
    if not questions:
        raise InputError(
            f"{work.folder('prepare')}/catalogue.jsonl is empty, and which layers can go is judged by answers. Put "
            "flashcards into cards/, write a catalogue by hand (one {id, lecture, text} a line), or set shrink.choose "
            'to "even" or "ends", which need no answers.'
        )
    return questions


def _ask(
    teacher: "LlamaForCausalLM", tokenizer: "Tokenizer", questions: Sequence[Question], cache: Cache
) -> list[Answer]:
    """Return the teacher's answers; what an interrupted or an earlier run of it answered is not asked for again."""
    from edullama.llm.generate import answer_all, answering_key

    source = answering_key(teacher, tokenizer)
    places = {own.id: make_key("answer", source, ANSWER_TOKENS, own.id, own.text) for own in questions}
    done = [from_json(known, Answer) for place in places.values() if (known := cache.get(place))]

    def keep(answers: list[Answer]) -> None:
        for answer in answers:
            cache.keep(places[answer.question_id], to_json(answer))

    caps = [ANSWER_TOKENS] * len(questions)
    return answer_all(teacher, tokenizer, questions, caps, "teacher", done, keep, source=source)
