"""Keys of endpoints: from the environment or the system's keyring, and from nowhere else."""

import importlib
import os
from typing import Any

from edullama.errors import EndpointError
from edullama.recipe import Endpoint


def read_key(name: str, settings: Endpoint) -> str:
    """Return the endpoint's key, or "" where it needs none. Raises EndpointError naming the setting, never the key."""
    if settings.api_key_env:
        setting, key = "api_key_env", _from_environment(name, settings.api_key_env)
    elif settings.api_key_keyring:
        setting, key = "api_key_keyring", _from_keyring(name, settings.api_key_keyring)
    else:
        return ""
    if not key.isascii() or not key.isprintable() or " " in key:
        raise EndpointError(
            f"The key that 'endpoint.{name}.{setting}' names holds signs that no key has. Copy it anew."
        )
    return key


def _from_environment(name: str, variable: str) -> str:
    key = os.environ.get(variable, "").strip()
    if not key:
        raise EndpointError(
            f"'endpoint.{name}.api_key_env' names {variable}, which is not set. "
            f"Set it to your key, or remove the setting if the server needs none."
        )
    return key


def _from_keyring(name: str, place: str) -> str:
    """Ask the optional package `keyring`, which knows the keyrings of Linux, macOS and Windows."""
    service, _, user = place.partition("/")
    try:
        keyring: Any = importlib.import_module("keyring")
    except ImportError:
        raise EndpointError(f"'endpoint.{name}.api_key_keyring' needs a package. Run: pip install keyring") from None
    try:
        key = (keyring.get_password(service, user) or "").strip()
    except keyring.errors.KeyringError as error:
        raise EndpointError(f"The keyring cannot be read ({type(error).__name__}). Unlock it, and try again.") from None
    if not key:
        raise EndpointError(
            f"'endpoint.{name}.api_key_keyring' names {place}, which the keyring does not hold. "
            f"Run: keyring set {service} {user}"
        )
    return key
