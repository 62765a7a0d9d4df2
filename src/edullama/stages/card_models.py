"""Where `prepare` rewrites and drafts questions: by rules, or through an endpoint."""

from collections.abc import Sequence
from itertools import islice

from edullama.cache import Cache
from edullama.dataset import drafting
from edullama.dataset.near_duplicates import find_near_pairs
from edullama.dataset.normalise import normalise_by_endpoint, normalise_by_rules
from edullama.dataset.split import drop_known, drop_near
from edullama.recipe import Recipe
from edullama.records import Card, Draft, Flag, Rejection, Slide
from edullama.stages.remote import end_dry_runs, noting, open_remote


def normalise(
    decks: Sequence[Sequence[Card]], recipe: Recipe, cache: Cache, waiting: list[str]
) -> tuple[list[list[Card]], list[Flag]]:
    """Bring decks into one form, and tell what could not be; ids stay, so that no card changes sides.

    `waiting` takes up why replies are still to come.
    """
    how = recipe.prepare.normalise
    flags: list[Flag] = []
    done = [list(deck) for deck in decks]
    if how != "none":
        done = [normalise_by_rules(deck) for deck in decks]
    if how == "endpoint":
        complete = noting(open_remote(recipe, recipe.prepare.normaliser, cache, "rewriting cards"), waiting)
        rewritten, flags = normalise_by_endpoint([card for deck in done for card in deck], complete)
        cards = iter(rewritten)
        done = [list(islice(cards, len(deck))) for deck in done]
    return done, flags


def end_dry_run(recipe: Recipe) -> None:
    """Stop before anything is written where an endpoint was only to say what it would be asked."""
    settings = recipe.prepare
    used = [name for how, name in ((settings.normalise, settings.normaliser), (settings.draft, settings.drafter))
            if how == "endpoint"]  # fmt: skip
    end_dry_runs(recipe, *used)


def draft(
    slides: Sequence[Slide],
    exam: Sequence[Card],
    catalogue: Sequence[Card],
    recipe: Recipe,
    cache: Cache,
    waiting: list[str],
) -> tuple[list[Draft], list[Rejection]]:
    """Draft questions from the slides where the catalogue has few.

    None asks what is asked already, or nearly what the exam asks. `waiting` takes up why replies are still to come.
    """
    settings = recipe.prepare
    if settings.draft == "none" or len(catalogue) >= settings.draft_below:
        return [], []
    rejected: list[Rejection] = []
    if settings.draft == "rules":
        drafts = drafting.draft_by_rules(slides)
    else:
        complete = noting(open_remote(recipe, settings.drafter, cache, "drafting questions"), waiting)
        source = f"drafted by {recipe.endpoint[settings.drafter or ''].model}"
        drafts, rejected = drafting.draft_by_endpoint(slides, complete, settings.drafts_per_slide, source)
    fresh, known = drop_known([one.question for one in drafts], [*exam, *catalogue])
    fresh, near = drop_near(fresh, exam, find_near_pairs([*exam, *fresh]))
    ids = {card.id for card in fresh}
    return [one for one in drafts if one.question.id in ids], rejected + known + near
