"""Starting a course: a folder with the inputs copied in and a recipe to edit."""

import json
import shutil
from pathlib import Path

from edullama.errors import InputError
from edullama.lectures.inputs import KINDS

RECIPE = """# The recipe of this course. Every setting has a default; docs/recipe.md lists and explains them all.

[course]
title = {title}
model = "builtin:smollm2-135m-instruct"  # or a Hub id, a local folder, a .gguf file
"""


def create(course: Path, lectures: Path, cards: Path | None, controls: Path | None, title: str) -> None:
    """Make the course folder. Raises InputError where it exists already, or where there is no lecture."""
    if (course / "course.toml").exists():
        raise InputError(f"{course} is a course already. Choose another folder, or put files into its lectures/.")
    files = _files(lectures)
    if not any(path.suffix.lower() in KINDS for path in files):
        raise InputError(f"{lectures}: no PDF or PPTX there. Give the folder that holds the lectures with --lectures.")
    _copy(files, lectures, course / "lectures")
    for source, folder in ((cards, "cards"), (controls, "controls")):
        if source is not None:
            _copy(_files(source), source, course / folder)
    (course / "course.toml").write_text(RECIPE.format(title=json.dumps(title, ensure_ascii=False)), encoding="utf-8")


def _files(source: Path) -> list[Path]:
    """Return one file, or all files below a folder. Raises InputError where there is neither."""
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise InputError(f"{source}: no such file or folder")
    return sorted(path for path in source.rglob("*") if path.is_file() and path.name[0] not in ".~")


def _copy(files: list[Path], source: Path, target: Path) -> None:
    """Copy files to the target folder, keeping subfolders: two lectures may bear the same name in different ones."""
    for path in files:
        place = target / (path.relative_to(source) if source.is_dir() else path.name)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
