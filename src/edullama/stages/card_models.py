"""Where `prepare` rewrites and drafts questions: by rules, or through an endpoint."""

from collections.abc import Sequence

from edullama.cache import Cache
from edullama.dataset import drafting, provenance
from edullama.dataset.near_duplicates import find_near_pairs
from edullama.dataset.normalise import normalise_by_endpoint, normalise_by_rules
from edullama.dataset.split import drop_known
from edullama.recipe import Recipe
from edullama.records import Card, Complete, Draft, Flag, Prompt, Rejection, Reply, Slide
from edullama.store import Task

CALLS = "calls.jsonl"


def normalise(
    task: Task, decks: Sequence[Sequence[Card]], recipe: Recipe, cache: Cache
) -> tuple[list[Card], list[Card], list[Card]]:
    """Bring exam, catalogue and controls into one form; their ids stay, so that no card changes sides."""
    how = recipe.prepare.normalise
    flags: list[Flag] = []
    done = [list(deck) for deck in decks]
    if how != "none":
        done = [normalise_by_rules(deck) for deck in decks]
    if how == "endpoint":
        complete = _connect(recipe, cache, recipe.prepare.normaliser)
        for number, deck in enumerate(done):
            done[number], own = normalise_by_endpoint(deck, complete)
            flags += own
        task.notes.append(f"{len(flags)} cards could not be rewritten and stay as they are, see flags.jsonl")
    task.write_records("flags.jsonl", flags)
    exam, catalogue, controls = done
    return exam, catalogue, controls


def draft(
    slides: Sequence[Slide], exam: Sequence[Card], catalogue: Sequence[Card], recipe: Recipe, cache: Cache
) -> tuple[list[Draft], list[Rejection]]:
    """Draft questions from the slides where the catalogue has few; none of them may be near one that is there."""
    settings = recipe.prepare
    if settings.draft == "none" or len(catalogue) >= settings.draft_below:
        return [], []
    rejected: list[Rejection] = []
    if settings.draft == "rules":
        drafts = drafting.draft_by_rules(slides)
    else:
        complete = _connect(recipe, cache, settings.drafter)
        source = f"drafted by {recipe.endpoint[settings.drafter or ''].model}"
        drafts, rejected = drafting.draft_by_endpoint(slides, complete, settings.drafts_per_slide, source)
    fresh, known = drop_known([one.question for one in drafts], [*exam, *catalogue])
    near = {end for pair in find_near_pairs([*exam, *fresh]) for end in (pair.one, pair.other)}
    ids = {card.id for card in fresh} - near
    return [one for one in drafts if one.question.id in ids], rejected + known


def warn_of_relatives(recipe: Recipe) -> list[str]:
    """Warn where a model that wrote questions or references is a relative of the judge."""
    judge, settings = recipe.evaluate.judge, recipe.prepare
    if judge not in recipe.endpoint:
        return []
    writers = {}
    if settings.normalise == "endpoint" and settings.normaliser in recipe.endpoint:
        writers["questions and references"] = recipe.endpoint[settings.normaliser].model
    if settings.draft == "endpoint" and settings.drafter in recipe.endpoint:
        writers["drafted questions"] = recipe.endpoint[settings.drafter].model
    return provenance.warn_of_relatives(writers, recipe.endpoint[judge].model)


def _connect(recipe: Recipe, cache: Cache, name: str | None) -> Complete:
    from edullama.endpoint.client import connect, end_dry_run

    assert name is not None  # the recipe was checked
    complete = connect(name, recipe.endpoint[name], cache, cache.path.with_name(CALLS))

    def ask(prompts: Sequence[Prompt]) -> list[Reply]:
        replies = complete(prompts)
        end_dry_run(name, recipe.endpoint[name])
        return replies

    return ask
