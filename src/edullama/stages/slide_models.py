"""Where `ingest` asks other models: figures and formulas in words, and slides in another language."""

from collections.abc import Sequence
from pathlib import Path

from edullama.cache import Cache
from edullama.lectures import drawing
from edullama.lectures import translate as translation
from edullama.lectures.describe import DECORATION, Description
from edullama.lectures.layout import find_title
from edullama.lectures.pages import Fragment
from edullama.lectures.scanning import Wanted
from edullama.recipe import Recipe
from edullama.records import Slide
from edullama.stages.drafts import Draft
from edullama.stages.remote import end_dry_runs, open_remote
from edullama.store import Task

GLOSSARY = "glossary.csv"


def describe_figures(
    task: Task, drafts: Sequence[Draft], figures: Sequence[Sequence[Wanted]], recipe: Recipe, cache: Cache
) -> dict[str, Fragment]:
    """Return what the describer says of the figures of those lectures that ask for it, by image."""
    regions = [
        region
        for draft, wanted in zip(drafts, figures, strict=True)
        if draft.cleaning.describe == "endpoint"
        for region in _regions(draft, wanted)
    ]
    if not regions:
        return {}
    said = drawing.describe_regions(regions, open_remote(recipe, recipe.ingest.describer, cache), recipe.ingest.workers)
    _note_silence(task, "figures", said)
    boxes = {region.image: region.box for region in regions}
    return {d.image: Fragment(d.text, boxes[d.image], 0.0, "figure", "vision") for d in said if d.text}


def describe_formulas(
    task: Task, slides: list[Slide], drafts: Sequence[Draft], recipe: Recipe, cache: Cache
) -> list[Slide]:
    """Put the formulas of those lectures that ask for it in words."""
    wanting = {draft.name: draft.opened for draft in drafts if draft.cleaning.formulas == "describe"}
    regions = list(drawing.formula_regions([slide for slide in slides if slide.lecture in wanting], wanting))
    if not regions:
        return slides
    said = drawing.describe_regions(regions, open_remote(recipe, recipe.ingest.describer, cache), recipe.ingest.workers)
    _note_silence(task, "formulas", said)
    return drawing.put_in_words(slides, {item.image: item.text for item in said if item.text})


def _note_silence(task: Task, what: str, said: Sequence[Description]) -> None:
    """Note how much was not described though it should have been."""
    reasons = [item.reason for item in said if item.text is None and item.reason != DECORATION]
    if reasons:
        task.notes.append(f"{len(reasons)} of {len(said)} {what} were not described; the first: {reasons[0]}")


def translate(task: Task, slides: list[Slide], recipe: Recipe, cache: Cache) -> list[Slide]:
    """Translate into the recipe's language what is in another; without a translator, count it and leave it."""
    to, translator = recipe.ingest.translate_to, recipe.ingest.translator
    foreign = [slide for slide in slides if to and slide.language not in ("", to)]
    if not foreign or translator not in recipe.endpoint:
        end_dry_runs(recipe, recipe.ingest.describer, translator)
    if not to or not foreign:
        _keep_glossary(task)
        return slides
    if translator is None:
        task.notes.append(f"{len(foreign)} slides are not in '{to}' and stay as they are: name a translator")
        _keep_glossary(task)
        return slides
    glossary = translation.read_glossary(task.folder / GLOSSARY)
    if translator in recipe.endpoint:
        done = translation.translate_slides(slides, open_remote(recipe, translator, cache), glossary, to)
        end_dry_runs(recipe, recipe.ingest.describer, translator)
    else:
        done = translation.translate_offline(slides, translation.offline_engine(Path(translator)), glossary, to)
    task.write(GLOSSARY, translation.write_glossary(done.glossary))
    task.write_records("untranslated.jsonl", done.left)
    task.notes.append(f"{done.blocks} blocks translated into '{to}', {len(done.left)} left as they were")
    task.notes += [f"{count} blocks do not say '{term}' as agreed" for term, count in sorted(done.departures.items())]
    return done.slides


def _keep_glossary(task: Task) -> None:
    """Keep what a person may have written, for a run that translates again."""
    path = task.folder / GLOSSARY
    if path.exists():
        task.write(GLOSSARY, path.read_text(encoding="utf-8-sig"))


def _regions(draft: Draft, wanted: Sequence[Wanted]) -> list[drawing.Region]:
    pages = {page.number: page for page in draft.pages}
    regions = []
    for item in wanted:
        page = pages[item.place.number]
        title = find_title(page.fragments, page.height)
        text = "\n".join(fragment.text for fragment in page.fragments)
        box = next(picture.box for picture in page.pictures if picture.image == item.image)
        caption = drawing.find_caption(page.fragments, box)
        regions.append(
            drawing.Region(draft.opened, page.number, box, item.image, title.text if title else "", text, caption,
                           recipe_language(text))
        )  # fmt: skip
    return regions


def recipe_language(text: str) -> str:
    """Return the language to describe a figure in: that of its slide, else English."""
    from edullama.lectures.language import tell_language

    return tell_language(text) or "en"
