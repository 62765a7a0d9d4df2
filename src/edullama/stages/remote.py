"""Endpoints as stages reach them: what they replied is cached, and each call is logged beside the cache."""

from collections.abc import Sequence

from edullama.cache import Cache
from edullama.recipe import Recipe
from edullama.records import Complete, Prompt, Reply

CALLS = "calls.jsonl"  # what was asked and what it cost


def open_remote(recipe: Recipe, name: str | None, cache: Cache, label: str = "") -> Complete:
    """Return the endpoint of that name, which the recipe was checked to have; a label names the bar that is shown."""
    from edullama.endpoint.client import connect

    assert name is not None
    return connect(name, recipe.endpoint[name], cache, cache.path.with_name(CALLS), label=label)


def noting(complete: Complete, waiting: list[str]) -> Complete:
    """Return the same function, which also writes down why replies are still to come."""

    def ask(prompts: Sequence[Prompt]) -> list[Reply]:
        replies = complete(prompts)
        waiting.extend(reply.problem for reply in replies if reply.later)
        return replies

    return ask


def end_dry_runs(recipe: Recipe, *names: str | None) -> None:
    """Stop before anything is written where one of these endpoints was only to say what it would be asked."""
    from edullama.endpoint.client import end_dry_run

    for name in names:
        if name in recipe.endpoint:
            end_dry_run(name, recipe.endpoint[name])
