"""Reads and checks a course.toml."""

import difflib
import re
import tomllib
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from edullama.errors import RecipeError
from edullama.recipe import Distill, Endpoint, LectureCleaning, Recipe


def read_recipe(path: Path, overrides: tuple[str, ...] = ()) -> Recipe:
    """Read a course.toml; `overrides` are "section.key=value" in TOML, and win.

    Raises RecipeError that names the file, the key and the nearest known one.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such file. `edullama new FOLDER --lectures PDFS` starts a course.") from None
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path}: not valid TOML: {error}") from None
    for override in overrides:
        _override(values, override)
    return parse_recipe(values, str(path))


def parse_recipe(values: dict[str, Any], source: str) -> Recipe:
    """Check nested values and build the recipe; `source` is named in errors."""
    _check_keys(values, Recipe, source, "")
    for name, section in values.get("endpoint", {}).items():
        _check_keys(section, Endpoint, source, f"endpoint.{name}.")
    for name, section in values.get("ingest", {}).get("lecture", {}).items():
        _check_keys(section, LectureCleaning, source, f"ingest.lecture.{name}.")
    try:
        recipe = _adapter().validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        given = f" is {first['input']!r}" if first["type"] != "missing" and "api_key" not in where else ""
        raise RecipeError(f"{source}: '{where}'{given}: {first['msg']}") from None
    _check_values(recipe, source)
    return recipe


@cache
def _adapter() -> TypeAdapter[Recipe]:
    return TypeAdapter(Recipe)


def _check_keys(values: Any, section: type, source: str, prefix: str) -> None:
    if not isinstance(values, dict):
        raise RecipeError(f"{source}: '{prefix.rstrip('.')}' must be a section, like [{prefix.rstrip('.')}]")
    known = {item.name: item.type for item in fields(section)}
    for key, value in values.items():
        if key not in known:
            raise RecipeError(f"{source}: no setting '{prefix}{key}'.{_suggest(key, prefix)}")
        kind = known[key]
        if isinstance(kind, type) and is_dataclass(kind):
            _check_keys(value, kind, source, f"{prefix}{key}.")


def _suggest(key: str, prefix: str) -> str:
    """Return the nearest known setting as advice, or a list of what there is."""
    known = setting_names() if prefix else [item.name for item in fields(Recipe)]
    close = difflib.get_close_matches(f"{prefix}{key}", known, n=1, cutoff=0.6)
    if not close:
        close = [name for name in setting_names() if name.split(".")[-1] == key][:1]
    return f" Did you mean '{close[0]}'?" if close else f" Known: {', '.join(setting_names())}."


@cache
def setting_names() -> list[str]:
    """Return every setting's full name, sections' order; an endpoint's own name is written NAME."""
    names = []
    for section in fields(Recipe):
        if isinstance(section.type, type) and is_dataclass(section.type):
            names += [f"{section.name}.{setting.name}" for setting in fields(section.type)]
    return names + [f"endpoint.NAME.{setting.name}" for setting in fields(Endpoint)]


def _check_values(recipe: Recipe, source: str) -> None:
    """Refuse values of the right type that cannot work."""
    numbers = {
        "prepare.window": recipe.prepare.window,
        "prepare.stride": recipe.prepare.stride,
        "finetune.rank": recipe.finetune.rank,
        "finetune.epochs": recipe.finetune.epochs,
        "finetune.batch_size": recipe.finetune.batch_size,
        "shrink.questions": recipe.shrink.questions,
        "distill.epochs": recipe.distill.epochs,
        "distill.batch_size": recipe.distill.batch_size,
        "distill.temperature": recipe.distill.temperature,
        "distill.max_new_tokens": recipe.distill.max_new_tokens,
        "distill.top_k": recipe.distill.top_k,
        "distill.answers_per_question": recipe.distill.answers_per_question,
        "distill.last_layers": recipe.distill.last_layers,
        "ingest.workers": recipe.ingest.workers,
        **_endpoint_numbers(recipe),
    }
    for name, value in numbers.items():
        if value <= 0:
            raise RecipeError(f"{source}: '{name}' is {value}; it must be above 0")
    if recipe.prepare.window != 0.5 and recipe.prepare.window % 1:
        raise RecipeError(f"{source}: 'prepare.window' is {recipe.prepare.window}; it must be a whole number, or 0.5")
    if not 0 <= recipe.finetune.replay <= 10:
        raise RecipeError(f"{source}: 'finetune.replay' is {recipe.finetune.replay}; it must lie between 0 and 10")
    if not 0 <= recipe.finetune.held_out <= 0.5:
        raise RecipeError(f"{source}: 'finetune.held_out' is {recipe.finetune.held_out}; it must lie between 0 and 0.5")
    if recipe.finetune.looks < 0 or (recipe.finetune.patience is not None and recipe.finetune.patience < 1):
        raise RecipeError(f"{source}: 'finetune.looks' must be 0 or more, 'finetune.patience' 1 or more")
    if not 0 < recipe.prepare.exam_share < 1:
        raise RecipeError(f"{source}: 'prepare.exam_share' is {recipe.prepare.exam_share}; it must lie between 0 and 1")
    if not 0 < recipe.shrink.ffn <= 1:
        raise RecipeError(f"{source}: 'shrink.ffn' is {recipe.shrink.ffn}; it must be above 0, and 1 at the most")
    if recipe.shrink.last is not None and recipe.shrink.last < 0:
        raise RecipeError(f"{source}: 'shrink.last' is {recipe.shrink.last}; it must be 0 or more")
    if recipe.finetune.train == "full" and (recipe.finetune.quantize == "nf4" or recipe.finetune.patience is not None):
        raise RecipeError(
            f"{source}: 'finetune.train' is 'full'; that needs quantize = \"none\", since weights in NF4 are frozen, "
            "and no patience, which keeps adapters"
        )
    _check_distill(recipe.distill, source)
    _check_endpoints(recipe, source)


def _check_distill(distill: Distill, source: str) -> None:
    """Refuse shares outside of 0 to 1, and settings that exclude each other."""
    names = ("beta", "alpha", "hard_share", "state_share", "student_share", "final_student_share", "held_out")
    for name in names:
        if (value := getattr(distill, name)) is not None and not 0 <= value <= 1:
            raise RecipeError(f"{source}: 'distill.{name}' is {value}; it must lie between 0 and 1")
    if distill.targets == "topk" and (
        distill.divergence != "forward_kl" or distill.temperature_schedule != "constant" or distill.state_share
    ):
        raise RecipeError(
            f"{source}: 'distill.targets' is 'topk', which serves forward_kl at one temperature alone, and no states"
        )
    if distill.answers_per_question > 1 and not distill.sampling_temperature > 0:
        raise RecipeError(f"{source}: 'distill.answers_per_question' above 1 needs a 'distill.sampling_temperature'")


def _endpoint_numbers(recipe: Recipe) -> dict[str, float]:
    """Return the numbers of endpoints that must be above 0, where they are set."""
    names = ("concurrency", "timeout", "max_tokens", "max_cost", "max_total_tokens")
    numbers = {f"{name}.{key}": getattr(own, key) for name, own in recipe.endpoint.items() for key in names}
    return {f"endpoint.{name}": number for name, number in numbers.items() if number is not None}


def _check_endpoints(recipe: Recipe, source: str) -> None:
    """Refuse the name of an endpoint that has no section, and what needs an endpoint and names none."""
    for own, endpoint in recipe.endpoint.items():
        _check_endpoint(endpoint, f"{source}: 'endpoint.{own}.")
    named = {
        "evaluate.judge": recipe.evaluate.judge,
        "ingest.describer": recipe.ingest.describer,
        "prepare.normaliser": recipe.prepare.normaliser,
        "prepare.drafter": recipe.prepare.drafter,
    }
    for setting, name in named.items():
        if name is not None and name not in recipe.endpoint:
            raise RecipeError(f"{source}: '{setting}' is '{name}', but there is no section [endpoint.{name}]")
    cleanings = [recipe.ingest, *(recipe.ingest.cleaning(lecture) for lecture in recipe.ingest.lecture)]
    seen = any(cleaning.describe == "endpoint" or cleaning.formulas == "describe" for cleaning in cleanings)
    needed = {
        "figures or formulas are to be described, but 'ingest.describer'": seen and not named["ingest.describer"],
        "'prepare.normalise' is 'endpoint', but 'prepare.normaliser'": (
            recipe.prepare.normalise == "endpoint" and not named["prepare.normaliser"]
        ),
        "'prepare.draft' is 'endpoint', but 'prepare.drafter'": (
            recipe.prepare.draft == "endpoint" and not named["prepare.drafter"]
        ),
    }
    for lack, missing in needed.items():
        if missing:
            raise RecipeError(f"{source}: {lack} names no endpoint")


def _check_endpoint(endpoint: Endpoint, where: str) -> None:
    """Refuse a key written into the recipe, without repeating it, and limits that cannot work."""
    if not re.fullmatch(r"[A-Z][A-Z0-9_]*", endpoint.api_key_env or "NONE"):
        raise RecipeError(f"{where}api_key_env' is no name of a variable in capitals. The key itself is not for here.")
    if not re.fullmatch(r"[^/]+/[^/]+", endpoint.api_key_keyring or "no/ne"):
        raise RecipeError(f"{where}api_key_keyring' is not of the form service/name. The key itself is not for here.")
    if re.search(r"@|\?", endpoint.base_url):
        raise RecipeError(f"{where}base_url' holds more than an address. Keys and passwords are not for here.")
    if endpoint.max_cost is not None and not endpoint.price_in + endpoint.price_out > 0:
        raise RecipeError(f"{where}max_cost' needs prices: set 'price_in' and 'price_out'.")


def _override(values: dict[str, Any], text: str) -> None:
    """Apply "section.key=value" to nested values in place."""
    name, equals, value = text.partition("=")
    *sections, key = name.strip().split(".")
    if not equals or not sections:
        raise RecipeError(f"--set {text}: write it as section.key=value, for example finetune.epochs=2")
    inner: Any = values
    for section in sections:
        inner = inner.setdefault(section, {})
        if not isinstance(inner, dict):
            raise RecipeError(f"--set {text}: '{section}' is no section")
    inner[key] = _toml_value(value.strip())


def _toml_value(text: str) -> Any:
    """Read a TOML value; a bare word is a string, so that shells need no double quoting."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
