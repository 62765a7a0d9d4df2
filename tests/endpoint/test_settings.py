"""The settings of an endpoint: no key is in them, and what is repeated of them never holds one."""

import sys
from pathlib import Path
from typing import Any

import pytest

from edullama.endpoint.client import connect
from edullama.errors import EndpointError, RecipeError
from edullama.recipe import Endpoint, Recipe
from edullama.recipe_file import parse_recipe, read_recipe
from edullama.records import Prompt, Reply
from tests.endpoint.faults import Peer, serve

KEY = "sk-very-secret-123"
PLAIN: dict[str, Any] = {"base_url": "http://127.0.0.1:9/v1", "model": "m"}
KEYRING = f"""
from types import SimpleNamespace
class KeyringError(Exception): pass
errors = SimpleNamespace(KeyringError=KeyringError)
def get_password(service, user):
    if service == "locked":
        raise KeyringError("{KEY}")
    return "{KEY}" if (service, user) == ("openai", "me") else None
"""


def read(**settings: Any) -> Recipe:
    return parse_recipe({"endpoint": {"e": PLAIN | settings}}, "course.toml")


@pytest.mark.parametrize(
    "settings",
    [
        {"api_key_env": KEY},
        {"api_key_env": KEY.replace("-", "")},
        {"api_key_env": [KEY]},
        {"api_key_keyring": KEY},
        {"api_key": KEY},
        {"base_url": f"https://me:{KEY}@example.org/v1"},
        {"base_url": f"https://example.org/v1?key={KEY}"},
    ],
)
def test_a_key_in_the_recipe_is_refused_and_not_repeated(settings: dict[str, Any]) -> None:
    with pytest.raises(RecipeError) as caught:
        read(**settings)
    assert "secret" not in str(caught.value) and "'endpoint.e." in str(caught.value)


def test_what_is_missing_is_said_without_what_is_there() -> None:
    with pytest.raises(RecipeError, match=r"'endpoint\.e\.base_url'.*[Rr]equired") as caught:
        parse_recipe({"endpoint": {"e": {"model": "m", "api_key_env": KEY}}}, "course.toml")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [{"timeout": 0}, {"concurrency": 0}, {"max_tokens": 0}, {"max_cost": 0, "price_in": 1}, {"max_total_tokens": -5}],
)
def test_limits_that_cannot_work_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match=f"'endpoint.e.{next(iter(settings))}' is .*; it must be above 0"):
        read(**settings)


def test_a_budget_in_money_needs_prices() -> None:
    with pytest.raises(RecipeError, match=r"'endpoint\.e\.max_cost' needs prices"):
        read(max_cost=5)
    assert read(max_cost=5, price_out=1.0).endpoint["e"].max_cost == 5


def test_one_setting_of_an_endpoint_can_be_overridden(tmp_path: Path) -> None:
    path = tmp_path / "course.toml"
    path.write_text('[endpoint.e]\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "m"\n')
    recipe = read_recipe(path, ("endpoint.e.dry_run=true", "endpoint.e.model=other"))
    assert recipe.endpoint["e"] == Endpoint(base_url="http://127.0.0.1:9/v1", model="other", dry_run=True)
    with pytest.raises(RecipeError, match="'model' is no section"):
        read_recipe(path, ("endpoint.e.model.name=other",))


def test_only_what_replies_depend_on_makes_a_stage_stale() -> None:
    def fingerprint(**settings: Any) -> dict[str, Any]:
        return read(**settings).values(("endpoint",))

    assert fingerprint(dry_run=True, concurrency=9, timeout=5, price_in=1.0, api_key_env="KEY") == fingerprint()
    for change in ({"model": "n"}, {"temperature": 1.0}, {"max_tokens": 9}, {"max_total_tokens": 9}):
        assert fingerprint(**change) != fingerprint()


def test_a_key_with_signs_that_no_key_has_is_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in (f"“{KEY}”", f"{KEY} {KEY}", f"{KEY}\nmore"):
        monkeypatch.setenv("PEER_KEY", wrong)
        with pytest.raises(EndpointError, match=r"'endpoint\.e\.api_key_env' names holds signs") as caught:
            connect("e", Endpoint(**PLAIN, api_key_env="PEER_KEY"))
        assert KEY not in str(caught.value)


@pytest.fixture
def keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package `keyring`, as far as we use it, over a keyring that holds one key."""
    (tmp_path / "keyring.py").write_text(KEYRING)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "keyring", raising=False)


@pytest.mark.usefixtures("keyring")
def test_a_key_can_come_from_the_keyring() -> None:
    with serve(Peer()) as peer:
        complete = connect("e", Endpoint(base_url=peer.url, model="m", api_key_keyring="openai/me"))
        assert complete([Prompt("a")]) == [Reply("A")] and peer.keys == {f"Bearer {KEY}"}


@pytest.mark.usefixtures("keyring")
@pytest.mark.parametrize(
    ("place", "advice"), [("openai/you", "Run: keyring set openai you"), ("locked/me", "Unlock it")]
)
def test_a_keyring_that_gives_no_key_is_said(place: str, advice: str) -> None:
    with pytest.raises(EndpointError, match=advice) as caught:
        connect("e", Endpoint(**PLAIN, api_key_keyring=place))
    assert KEY not in str(caught.value)


def test_without_the_package_the_keyring_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(EndpointError, match="pip install keyring"):
        connect("e", Endpoint(**PLAIN, api_key_keyring="openai/me"))
