"""Figures and formulas put before a vision model, drawn as their pages show them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edullama.lectures import pptx
from edullama.lectures.describe import Description, FigureRequest, describe_figures
from edullama.lectures.pages import Fragment
from edullama.lectures.pdf import open_pdf
from edullama.lectures.reading import Opened
from edullama.lectures.render import draw
from edullama.records import Block, Box, Complete, Slide
from edullama.workers import Job, Lost, work_through

CAPTION_GAP = 2.5  # letter heights below a figure


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a page to be described, with what stands around it."""

    lecture: Opened
    number: int  # page, 1-based
    box: Box
    image: str
    title: str
    context: str
    caption: str
    language: str


def describe_regions(regions: Sequence[Region], complete: Complete, workers: int) -> list[Description]:
    """Describe each distinct region once; what cannot be drawn is left out."""
    distinct: dict[str, Region] = {}
    for region in regions:
        distinct.setdefault(region.image, region)
    drawn = dict(_draw_all(list(distinct.values()), workers))
    requests = [
        FigureRequest(name, drawn[name], region.title, region.context, region.caption, region.language)
        for name, region in distinct.items()
        if name in drawn
    ]
    return describe_figures(requests, complete)


def find_caption(fragments: Sequence[Fragment], box: Box) -> str:
    """Return the text right below a figure, where there is one."""
    below = [f for f in fragments if 0 <= f.box[1] - box[3] + f.size / 2 <= CAPTION_GAP * f.size and _over(f.box, box)]
    return min(below, key=lambda fragment: fragment.box[1]).text if below else ""


def formula_regions(slides: Sequence[Slide], lectures: Mapping[str, Opened]) -> Iterator[Region]:
    """Yield the formulas of slides."""
    for slide in slides:
        for block in slide.blocks:
            if block.kind == "formula":
                lecture = lectures[slide.lecture]
                yield Region(lecture, block.page, block.box, formula_name(slide, block), slide.title, slide.text,
                             f"The formula reads about: {block.text}", slide.language or "en")  # fmt: skip


def formula_name(slide: Slide, block: Block) -> str:
    """Return what a formula is known by among figures."""
    return f"formula {slide.lecture} {block.page} {block.box}"


def put_in_words(slides: Sequence[Slide], said: Mapping[str, str]) -> list[Slide]:
    """Return slides whose described formulas stand in words, with the formula kept beside them."""
    return [replace(slide, blocks=tuple(_say(slide, block, said) for block in slide.blocks)) for slide in slides]


def _say(slide: Slide, block: Block, said: Mapping[str, str]) -> Block:
    text = said.get(formula_name(slide, block)) if block.kind == "formula" else None
    return replace(block, text=text, original=block.text, method="vision", language=slide.language) if text else block


def _over(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2]


def _draw_all(regions: Sequence[Region], workers: int) -> Iterator[tuple[str, bytes]]:
    jobs = [Job(_draw, (), [region]) for region in regions]
    for _, region, result in work_through(jobs, workers):
        if result and not isinstance(result, Lost):
            yield region.image, result


def _draw(regions: Sequence[Region]) -> Iterator[bytes | None]:
    for region in regions:
        source = region.lecture.source
        if source.is_pptx:
            yield pptx.read_picture(source.path, region.number, region.image)
            continue
        document: Any = open_pdf(source.path, source.password)
        with document:
            yield draw(document, region.number, region.box)
