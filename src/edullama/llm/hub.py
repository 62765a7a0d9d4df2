"""Models from the Hugging Face Hub, and what its refusals mean."""

from collections.abc import Sequence
from pathlib import Path

import httpx2
from huggingface_hub import constants, get_token, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from edullama.errors import ModelError

TOKENIZER = ("*.json", "*.model", "*.txt", "*.jinja")
WEIGHTS = (*TOKENIZER, "*.safetensors")
ELSEWHERE = ("*/*", "consolidated*")  # the same weights in other formats


def snapshot(name: str, patterns: Sequence[str]) -> Path:
    """Return the folder with a Hub model's files of these patterns, fetched where they are not here yet.

    Raises ModelError saying what to do.
    """
    try:
        return Path(snapshot_download(name, allow_patterns=list(patterns), ignore_patterns=list(ELSEWHERE)))
    except (OSError, HFValidationError, httpx2.HTTPError) as error:
        raise ModelError(explain(name, error)) from None


def explain(name: str, error: Exception) -> str:
    """Say in one line why the Hub did not give a model and what to do."""
    if isinstance(error, LocalEntryNotFoundError) and isinstance(error.__cause__, HfHubHTTPError):
        error = error.__cause__  # the Hub could be reached, and refused
    if isinstance(error, GatedRepoError):
        return f"{name}: {_explain_gate(name)}"
    if isinstance(error, RepositoryNotFoundError):
        return (
            f"{name}: no such folder here, and no such model on the Hub, or a private one. Check the spelling; "
            "a private one needs the token of someone who may read it (HF_TOKEN, or `hf auth login`)."
        )
    if isinstance(error, HFValidationError):
        return f"{name}: no such folder here, and no name that a model on the Hub can have (owner/model)."
    if isinstance(error, HfHubHTTPError):
        return f"{name}: {_explain_status(error.response.status_code)}"
    if isinstance(error.__cause__, OfflineModeIsEnabled):
        return f"{name}: no such folder here, not fetched before, and HF_HUB_OFFLINE forbids to ask the Hub."
    if isinstance(error, LocalEntryNotFoundError | httpx2.HTTPError):
        return (
            f"{name}: no such folder here, and the Hub could not be reached ({constants.ENDPOINT}). "
            "Check the name and the connection."
        )
    return f"{name}: cannot be loaded: {str(error).strip().splitlines()[0]}"


def _explain_gate(name: str) -> str:
    where = f"{constants.ENDPOINT}/{name}"
    if get_token() is None:
        return (
            f"this model is gated. Accept its licence at {where}, then set a token of that account "
            "(HF_TOKEN, or `hf auth login`)."
        )
    return (
        f"this model is gated, and the token in use has no access to it. Accept its licence at {where} with the "
        "token's account and wait until it is granted; a fine-grained token must be allowed to read gated models."
    )


def _explain_status(status: int) -> str:
    if status == 401:
        return "the Hub does not know the token in use. Set another (HF_TOKEN, or `hf auth login`), or none."
    if status == 403:
        return "the token in use may not read this model. Give it the permission in the Hub's settings, or set another."
    return f"the Hub answered with status {status}. Try again later."
