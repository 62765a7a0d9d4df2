"""Which models wrote what a course is learnt from or examined with, and whether the judge is a relative of theirs."""

from collections.abc import Iterator, Sequence

from edullama.dataset import provenance
from edullama.recipe import Recipe
from edullama.records import Author, Card, Draft, Slide


def list_authors(
    recipe: Recipe, slides: Sequence[Slide], cards: Sequence[Card], drafts: Sequence[Draft]
) -> list[Author]:
    """Return the models that had a part in these slides, cards and drafted questions; rules are no authors."""
    settings = recipe.prepare
    authors = list(_authors_of_slides(recipe, slides))
    if settings.normalise == "endpoint" and cards:
        authors.append(Author("questions and references (rewritten)", _model(recipe, settings.normaliser)))
    if settings.draft == "endpoint" and drafts:
        authors.append(Author("drafted questions", _model(recipe, settings.drafter)))
    return authors


def warn_of_relatives(recipe: Recipe, authors: Sequence[Author]) -> list[str]:
    """Warn where a model that wrote questions, references or training text is a relative of the judge."""
    judge = recipe.evaluate.judge
    return provenance.warn_of_relatives(authors, recipe.endpoint[judge].model) if judge in recipe.endpoint else []


def _authors_of_slides(recipe: Recipe, slides: Sequence[Slide]) -> Iterator[Author]:
    """Yield who wrote training text; a description that was translated no longer says that it was one."""
    blocks = [block for slide in slides for block in slide.blocks]
    translated = [block for block in blocks if block.method == "translated"]
    hidden = recipe.ingest.describer and any(block.kind == "figure" for block in translated)
    if hidden or any(block.method == "vision" for block in blocks):
        yield Author("training text (figures and formulas described)", _model(recipe, recipe.ingest.describer))
    if translated:
        yield Author("training text (slides translated)", _model(recipe, recipe.ingest.translator))


def _model(recipe: Recipe, name: str | None) -> str:
    """Return the model of an endpoint, or the last part of a folder's name; nothing where none is named."""
    return recipe.endpoint[name].model if name in recipe.endpoint else (name or "").rstrip("/").rpartition("/")[2]
