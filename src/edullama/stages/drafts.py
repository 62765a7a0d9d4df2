"""A lecture on its way from pages to slides."""

from dataclasses import dataclass

from edullama.lectures.decision import Decision, used_images
from edullama.lectures.images import Image
from edullama.lectures.looks import Look
from edullama.lectures.pages import Fragment, Page, Scan
from edullama.lectures.reading import Opened
from edullama.recipe import Cleaning


@dataclass(frozen=True, slots=True)
class Draft:
    """A lecture whose pages are read, and how each is to be understood."""

    opened: Opened
    cleaning: Cleaning
    pages: list[Page]
    looks: dict[str, Look]
    images: list[Image]
    decisions: dict[int, Decision]  # by page number

    @property
    def name(self) -> str:
        return self.opened.source.lecture

    @property
    def used(self) -> frozenset[str]:
        return used_images(self.images)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was read by its looks."""

    pages: dict[int, Scan]  # by page number
    figures: dict[str, Fragment]  # by image, as the lecture wants figures to be told
