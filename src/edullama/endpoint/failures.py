"""Attempts that brought no answer: what each means, and whether and when to try again."""

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from edullama.endpoint.ledger import Usage
from edullama.recipe import Endpoint

if TYPE_CHECKING:
    import openai

LONGEST_WAIT = 300.0  # seconds that a server may ask us to stay away; if it asks for more, the call has failed
MOST_WORDS = 500  # characters of what a server says; some send a whole page
PASSING = (408, 409, 425, 429)  # statuses that may be another one next time, as may those from 500
LASTING = (501, 505)


class AttemptError(Exception):
    """Why there is no answer: a word for the log, a sentence for the reply."""

    def __init__(
        self,
        outcome: str,
        problem: str,
        *,
        again: bool = False,
        status: int = 0,
        wait: float | None = None,
        usage: Usage | None = None,
    ) -> None:
        super().__init__(problem)
        self.outcome, self.problem, self.usage = outcome, problem, usage
        self.again, self.status, self.wait = again, status, wait  # whether to try again, and after how many seconds

    @property
    def of_server(self) -> bool:
        """Whether other calls may be expected to fail as well."""
        return self.again or self.status in (401, 402, 429)


def refused(error: "openai.APIStatusError", key: str) -> AttemptError:
    """Return what a status other than 2xx means; the key, which some servers repeat, is cut out of their words."""
    status, wait = error.status_code, read_retry_after(error.response.headers)
    outcome, problem = f"HTTP {status}", f"{type(error).__name__}: {error.message}"
    if key:
        problem = problem.replace(key, "[key]")
    problem = problem[:MOST_WORDS]
    if status == 401:  # some servers repeat a part of the key
        return AttemptError(outcome, "the server refused the key", status=status)
    if wait is not None and wait > LONGEST_WAIT:
        return AttemptError(outcome, f"the server wants to be left alone for {wait:.0f} s. {problem}", status=status)
    passing = status in PASSING or (status >= 500 and status not in LASTING)
    return AttemptError(
        outcome, problem, again=passing and error.code != "insufficient_quota", status=status, wait=wait
    )


def lost(error: "openai.APIConnectionError") -> AttemptError:
    """Return what a connection that was not made, or broke, means."""
    cause = error.__cause__ or error
    return AttemptError("connection", f"no server answers, or it broke off ({type(cause).__name__})", again=True)


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a server asks to wait: given as such, or as the date to come back at."""
    text = headers.get("Retry-After", "").strip()
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None


def advise(failure: AttemptError, name: str, settings: Endpoint) -> str:
    """Say which setting to mend where a failure would come back for every prompt; else nothing."""
    section, key = f"endpoint.{name}", settings.api_key_env or settings.api_key_keyring
    if failure.outcome == "timeout":
        return f"no answer within {settings.timeout:g} s. Raise '{section}.timeout', or check the server."
    if failure.outcome == "connection":
        return f"no server answers there. Start it, or mend '{section}.base_url'."
    if failure.status == 404:
        return (
            f"knows no model '{settings.model}', or is not the root of an API. "
            f"Mend '{section}.model' or '{section}.base_url' (which usually ends in /v1)."
        )
    if failure.status in (401, 403):
        mend = f"Check the key in {key}." if key else f"Name the variable that holds it in '{section}.api_key_env'."
        return f"refuses the key. {mend}"
    return ""
