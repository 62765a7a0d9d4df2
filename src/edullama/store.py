"""A course on disk: which stage reads and writes what, what is out of date and why, and how work survives a kill.

A stage's folder is finished when its manifest is there. While a stage runs, `partial/` inside its folder holds what
can be resumed, beside the fingerprint of the inputs and settings it was made from.
"""

import contextlib
import json
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from edullama.errors import InputError
from edullama.files import PartialLog, from_json, read_jsonl, stamp_file, to_json, write_file
from edullama.manifest import FileStamp, Manifest
from edullama.recipe import Recipe

T = TypeVar("T")
State = Literal["done", "stale", "missing", "unfinished", "by hand"]
MANIFEST = "manifest.json"
PARTIAL = "partial"
INTERRUPTED = "was interrupted; goes on where it stopped"
WAITING = "waiting"  # in a manifest's counts: replies of endpoints that are still to come
BUDGETS = (".max_cost", ".max_total_tokens")  # of endpoints: a larger one goes on with what there is
VERSIONED = ("edullama", "torch", "transformers", "peft", "bitsandbytes", "pymupdf-lite")


@dataclass(frozen=True, slots=True)
class Stage:
    """What a stage reads (globs under the course), writes (under its folder) and depends on in the recipe."""

    name: str
    folder: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]  # a folder made by hand has to have all of them
    settings: tuple[str, ...]
    asks: tuple[str, ...] = ()  # settings that name endpoints: it depends on these, and on no others
    extras: tuple[str, ...] = ()  # written as well; other stages read what is there, and do without the rest
    review: tuple[str, ...] = ()  # outputs that a person edits and the stage reads again


STAGES = (
    Stage(
        "ingest", "1-ingest",
        reads=("lectures/**/*.[pP][dD][fF]", "lectures/**/*.[pP][pP][tT][xX]"),
        writes=("slides.jsonl", "text/*", "images.csv", "removed.jsonl", "failures.jsonl"),
        extras=("pages.jsonl", "ledger.jsonl",
                "overlays.csv", "contact.html", "thumbnails/*", "glossary.csv", "untranslated.jsonl"),
        settings=("ingest.ocr_languages", "ingest.ocr", "ingest.describe", "ingest.overlays", "ingest.code",
                  "ingest.formulas", "ingest.drop", "ingest.describer", "ingest.translate_to", "ingest.translator",
                  "ingest.lecture", "ingest.password_marks"),  # not how many workers: the result is the same
        asks=("ingest.describer", "ingest.translator"),
        review=("images.csv", "overlays.csv", "glossary.csv"),
    ),
    Stage(
        "prepare", "2-prepare",
        reads=("1-ingest/slides.jsonl", "cards/**/*", "controls/**/*"),
        writes=("entries.jsonl", "windows.jsonl", "pairs.jsonl", "catalogue.jsonl", "exam.jsonl", "controls.jsonl",
                "dropped.jsonl"),
        extras=("removed.jsonl", "drafts.jsonl", "support.jsonl", "authors.jsonl", "near.jsonl", "leaks.jsonl",
                "flags.jsonl", "tokens.json"),
        settings=("course.model", "prepare"),  # tokens are counted as the model does
        asks=("prepare.normaliser", "prepare.drafter", "ingest.describer", "ingest.translator"),  # and named as authors
    ),
    Stage(
        "finetune", "3-finetune",
        reads=("2-prepare/windows.jsonl", "2-prepare/pairs.jsonl"),
        writes=("adapter/*", "steps.jsonl"),
        extras=("watch.jsonl", "replay.jsonl"),
        settings=("course.model", "course.seed", "finetune"),
    ),
    Stage(
        "shrink", "4-shrink",
        reads=("2-prepare/catalogue.jsonl", "3-finetune/adapter/*"),
        writes=("model/*", "layers.json"),
        extras=("answers.jsonl", "scores.json"),
        settings=("course.model", "shrink"),
    ),
    Stage(
        "distill", "5-distill",
        reads=("2-prepare/catalogue.jsonl", "3-finetune/adapter/*", "4-shrink/model/*"),
        writes=("answers.jsonl", "model/*", "steps.jsonl"),
        extras=("targets/*", "watch.jsonl"),
        settings=("course.model", "course.seed", "distill"),
    ),
    Stage(
        "evaluate", "6-evaluate",
        reads=(
            "2-prepare/exam.jsonl", "2-prepare/controls.jsonl", "2-prepare/support.jsonl", "2-prepare/authors.jsonl",
            "3-finetune/adapter/*", "3-finetune/steps.jsonl", "3-finetune/watch.jsonl",
            "4-shrink/model/*", "4-shrink/layers.json", "5-distill/model/*", "5-distill/steps.jsonl",
            "5-distill/watch.jsonl",
        ),
        writes=("answers/*", "losses.jsonl", "control_losses.jsonl", "cross_losses.jsonl", "similarities.jsonl",
                "verdicts.jsonl",
                "estimates.json", "plots/*",
                "report.html"),
        settings=("course", "evaluate"),
        asks=("evaluate.judge",),
    ),
    Stage(
        "export", "7-export",
        reads=("2-prepare/exam.jsonl", "3-finetune/adapter/*", "5-distill/model/*", "6-evaluate/estimates.json"),
        writes=("*/*", "*.gguf", "README.md"),
        settings=("course", "export"),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Status:
    """Whether a stage's folder can be relied on, and if not, why."""

    stage: str
    state: State
    why: str


class Workspace:
    """A course folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, stage: str) -> Path:
        return self.root / find_stage(stage).folder

    def path(self, stage: str, name: str) -> Path:
        """Return the path of a finished stage's file or folder. Raises InputError where it is not there."""
        path = self.folder(stage) / name
        if not path.exists():
            raise InputError(f"{path}: not there. Run `edullama {stage}` first, or put a file of your own there.")
        return path

    def read(self, stage: str, name: str, record: type[T]) -> list[T]:
        """Read a finished stage's records."""
        return read_jsonl(self.path(stage, name), record)

    def inputs(self, *globs: str) -> list[Path]:
        """Return the files under the course that match, sorted; hidden files and Office lock files are no inputs."""
        found = {path for glob in globs for path in self.root.glob(glob) if path.is_file()}
        return sorted(path for path in found if not any(part[0] in ".~" for part in path.relative_to(self.root).parts))

    def manifest(self, stage: str) -> Manifest | None:
        """Return what the finished stage was made of, or None while it is not finished."""
        path = self.folder(stage) / MANIFEST
        if not path.exists():
            return None
        try:
            return from_json(path.read_bytes(), Manifest)
        except ValidationError as error:
            raise InputError(
                f"{path}: not a manifest ({error.errors()[0]['msg']}). Delete it and run `edullama {stage}`."
            ) from None

    def begin(self, name: str, recipe: Recipe) -> "Task":
        """Start or resume a stage: partial work made from other inputs or settings is cleared away."""
        stage = find_stage(name)
        folder = self.root / stage.folder
        inputs = self._stamps(stage, recipe)
        settings = _settings(stage, recipe)
        lasting = {key: value for key, value in _flat(settings).items() if not key.endswith(BUDGETS)}
        _open_partial(folder, {"settings": lasting, "inputs": {path: stamp.sha256 for path, stamp in inputs.items()}})
        (folder / MANIFEST).unlink(missing_ok=True)
        return Task(self, stage, folder, settings, inputs)

    def status(self, recipe: Recipe) -> list[Status]:
        """Say for each stage whether it is up to date; a stage behind a stale one is stale as well."""
        found: list[Status] = []
        for stage in STAGES:
            blocker = next(
                (s.stage for s in found if s.state not in ("done", "by hand") and _feeds(s.stage, stage)), None
            )
            status = self.stage_status(stage, recipe)
            if blocker and status.state == "done":
                status = Status(stage.name, "stale", f"{blocker} comes first")
            found.append(status)
        return found

    def stage_status(self, stage: Stage, recipe: Recipe) -> Status:
        """Judge one stage by its own inputs, settings and outputs."""
        folder = self.root / stage.folder
        manifest = self.manifest(stage.name)
        if (folder / PARTIAL).exists():
            waiting = manifest.counts.get(WAITING, 0) if manifest else 0
            why = f"{waiting} replies did not come; asks for them again" if waiting else INTERRUPTED
            return Status(stage.name, "unfinished", why)
        if manifest is None:
            present = all(any(folder.glob(glob)) for glob in stage.writes)
            return (
                Status(stage.name, "by hand", "no manifest, but all its files: kept")
                if present
                else Status(stage.name, "missing", "never run")
            )
        reviewed, edited = self._changed_outputs(stage, manifest)
        if edited:
            return Status(stage.name, "by hand", f"{edited[0]} was edited: kept")
        changes = reviewed + self._why_stale(stage, manifest, recipe)
        return Status(stage.name, "stale", "; ".join(changes)) if changes else Status(stage.name, "done", "")

    def _why_stale(self, stage: Stage, manifest: Manifest, recipe: Recipe) -> list[str]:
        old, new = _flat(manifest.settings), _flat(_settings(stage, recipe))
        why = [f"{key}: {old.get(key)} → {new.get(key)}" for key in sorted(old | new) if old.get(key) != new.get(key)]
        stamps = self._stamps(stage, recipe, manifest.inputs)
        for path in sorted(stamps.keys() | manifest.inputs.keys()):
            if path not in manifest.inputs:
                why.append(f"{path} is new")
            elif path not in stamps:
                why.append(f"{path} is gone")
            elif stamps[path].sha256 != manifest.inputs[path].sha256:
                why.append(f"{path} changed")
        return why

    def _changed_outputs(self, stage: Stage, manifest: Manifest) -> tuple[list[str], list[str]]:
        """Return why outputs make the stage stale, and which others were edited by hand."""
        stale, edited = [], []
        for name, stamp in manifest.outputs.items():
            path = self.root / name
            if not path.exists():
                stale.append(f"{name} is gone")
            elif stamp_file(path, stamp).sha256 != stamp.sha256:
                reviewable = name.removeprefix(f"{stage.folder}/") in stage.review
                stale.append(f"{name} was edited") if reviewable else edited.append(name)
        return stale, edited

    def _stamps(self, stage: Stage, recipe: Recipe, known: dict[str, FileStamp] | None = None) -> dict[str, FileStamp]:
        """Return the identity of every input: files of the course, and of a base model that lies on this machine."""
        known = known or {}
        files = {path.relative_to(self.root).as_posix(): path for path in self.inputs(*stage.reads)}
        if {"course", "course.model"} & set(stage.settings):
            files |= {path.as_posix(): path for path in _model_files(recipe.course.model)}
        return {name: stamp_file(path, known.get(name)) for name, path in files.items()}

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep a second process from working on the same course. Raises InputError where one already does."""
        from filelock import FileLock, Timeout

        try:
            with FileLock(self.root / ".lock", timeout=0):
                yield
        except Timeout:
            raise InputError(
                f"{self.root}: another edullama is at work on this course. Wait for it, or end it."
            ) from None


class Task:
    """A stage at work: writes files by rename, keeps resumable ones in `partial/`, closes with the manifest."""

    def __init__(
        self, work: Workspace, stage: Stage, folder: Path, settings: dict[str, Any], inputs: dict[str, FileStamp]
    ) -> None:
        self.work, self.stage, self.folder, self.settings, self.inputs = work, stage, folder, settings, inputs
        self.partial = folder / PARTIAL
        self.notes: list[str] = []
        self._written: set[Path] = set()
        self._started = time.monotonic()

    def write(self, name: str, content: str | bytes) -> None:
        """Write a finished file under the stage's folder; it appears whole or not at all."""
        write_file(self.folder / name, content)
        self._written.add(self.folder / name)

    def write_records(self, name: str, records: Iterable[object]) -> None:
        """Write records as JSONL."""
        self.write(name, b"".join(to_json(record) + b"\n" for record in records))

    def log(self, name: str, record: type[T]) -> "PartialLog[T]":
        """Open an append-only log of finished pieces that a later run of the same work reads back."""
        return PartialLog(self.partial / f"{name}.partial.jsonl", record)

    def move_in(self, source: Path, name: str) -> None:
        """Put a folder or file made under `partial/` in its place, replacing what an earlier run left there."""
        target = self.folder / name
        if target.is_dir():
            shutil.rmtree(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
        self._written |= {path for path in [target, *target.rglob("*")] if path.is_file()}

    def finish(self, **counts: int) -> Manifest:
        """Clear away what an earlier run left and this one did not write again, then write the manifest.

        With replies still waiting the stage is whole for now, and what it can go on from is kept.
        """
        for path in {
            path for glob in (*self.stage.writes, *self.stage.extras) for path in self.folder.glob(glob)
        } - self._written:
            if path.is_file() and PARTIAL not in path.relative_to(self.folder).parts:
                path.unlink()
        outputs = {path.relative_to(self.work.root).as_posix(): stamp_file(path) for path in sorted(self._written)}
        seconds = round(time.monotonic() - self._started, 1)
        manifest = Manifest(
            self.stage.name, self.settings, self.inputs, outputs, counts, seconds, _versions(), self.notes
        )
        self.write(MANIFEST, to_json(manifest, indent=1))
        if not counts.get(WAITING):
            shutil.rmtree(self.partial)
        return manifest


def find_stage(name: str) -> Stage:
    """Return the stage of that name."""
    return next(stage for stage in STAGES if stage.name == name)


def _settings(stage: Stage, recipe: Recipe) -> dict[str, Any]:
    """Return what a stage depends on in the recipe, the endpoints that it asks among it."""
    values = recipe.values(stage.settings)
    if stage.asks:
        named = set(recipe.values(stage.asks).values())
        endpoints = recipe.values(("endpoint",))["endpoint"]
        values["endpoint"] = {name: own for name, own in endpoints.items() if name in named}
    return values


def _open_partial(folder: Path, fingerprint: dict[str, Any]) -> None:
    """Keep partial work of the same fingerprint, clear away any other."""
    partial, mark = folder / PARTIAL, folder / PARTIAL / "fingerprint.json"
    text = json.dumps(fingerprint, sort_keys=True, ensure_ascii=False)
    if mark.exists() and mark.read_text(encoding="utf-8") == text:
        return
    shutil.rmtree(partial, ignore_errors=True)
    write_file(mark, text)


def _model_files(name: str) -> list[Path]:
    """Return the files of a local model; none for a name on the Hub or the builtin."""
    path = Path(name).expanduser().resolve()
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.suffix in (".json", ".safetensors", ".jinja"))
    return [path] if path.is_file() else []


def _feeds(earlier: str, later: Stage) -> bool:
    """Tell whether a stage reads what an earlier one writes."""
    return any(glob.startswith(find_stage(earlier).folder) for glob in later.reads)


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings as one level of dotted names."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _versions() -> dict[str, str]:
    found = {}
    for name in VERSIONED:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
