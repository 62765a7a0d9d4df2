"""Which files of a course's lectures folder are lectures, and why the others are not."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from edullama.errors import InputError
from edullama.records import Failure, stable_id

KINDS = (".pdf", ".pptx")
LONGEST = 180  # bytes; file systems take 255
OTHER_KINDS = (".ppt", ".odp", ".key", ".doc", ".docx", ".ps", ".djvu", ".pps", ".ppsx", ".pptm", ".odt", ".rtf")


def find_lectures(root: Path) -> tuple[dict[str, Path], list[Failure]]:
    """Return the files by lecture name, and what looks like a lecture and cannot be one.

    Names that would be equal are told apart by a hash of the path. Raises InputError where there is no lecture at all.
    """
    by_name: dict[str, list[Path]] = defaultdict(list)
    failures: list[Failure] = []
    for path in _list_files(root):
        failure = _why_none(path, root)
        if failure:
            failures.append(failure)
        elif path.suffix.lower() in KINDS:
            relative = path.relative_to(root).as_posix()
            by_name[_shorten(unicodedata.normalize("NFC", relative[: -len(path.suffix)]).replace("/", "__"))].append(
                path
            )
    if not by_name and not failures:
        raise InputError(
            f"{root}: no PDF there. Put the course's lecture slides into this folder, as PDF or PPTX files."
        )
    names = {
        name if len(same) == 1 else f"{name}-{stable_id(path.relative_to(root).as_posix())[:6]}": path
        for name, same in by_name.items()
        for path in same
    }
    return dict(sorted(names.items())), failures


def _shorten(name: str) -> str:
    """Cut a name that would be too long for a file's."""
    if len(name.encode()) <= LONGEST:
        return name
    return f"{name.encode()[:LONGEST].decode(errors='ignore')}-{stable_id(name)[:6]}"


def _list_files(root: Path) -> Iterator[Path]:
    """Yield what lies in a folder and in those below it; hidden files and Office's lock files are no inputs."""
    for path in sorted(root.iterdir()) if root.is_dir() else []:
        if path.name[0] in ".~":
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _list_files(path)
        else:
            yield path


def _why_none(path: Path, root: Path) -> Failure | None:
    file = f"{root.name}/{path.relative_to(root).as_posix()}"
    if path.is_symlink() and not path.exists() and path.suffix.lower() in KINDS:
        return Failure(file, None, "a link to a file that is not there", "Put the file itself in its place.")
    if path.is_symlink() and path.is_dir():
        return Failure(file, None, "a link to a folder, which is not followed", "Put the folder itself in its place.")
    if path.suffix.lower() in KINDS and not path.is_file():
        return Failure(file, None, "not a file but a pipe or a device", "Put the lecture itself in its place.")
    if path.suffix.lower() in OTHER_KINDS:
        return Failure(file, None, f"a {path.suffix} file", "Save it as PDF or PPTX.")
    return None
