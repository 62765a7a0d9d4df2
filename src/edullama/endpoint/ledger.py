"""What calls take, in tokens and money: estimated before, limited by a budget, and written down call by call."""

import asyncio
import json
import struct
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edullama.progress import announce
from edullama.recipe import Endpoint
from edullama.records import Prompt

BYTES_A_TOKEN = 3  # of English 4, of German and code 3
TOKENS_A_PROMPT = 10  # that servers put around it
PIXELS_A_TOKEN = 750
LEAST_IMAGE, MOST_IMAGE = 85, 1600  # tokens that servers count for a picture
LOOK_AGAIN = 0.05  # seconds until a call that may be too dear looks what those in flight have really cost


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens sent and received."""

    sent: int = 0
    received: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.sent + other.sent, self.received + other.received)


@dataclass(frozen=True, slots=True)
class Call:
    """One line of the log: what a call was and took, without a word of what was said."""

    time: str  # ISO 8601
    endpoint: str
    model: str
    request: str  # its hash, under which the cache keeps the reply
    tokens_in: int
    tokens_out: int
    cost: float
    seconds: float
    attempts: int
    outcome: str  # ok, cut, no text, HTTP 500, timeout, connection, unreadable, interrupted


class Tally:
    """What a call has taken by now."""

    def __init__(self, request: str) -> None:
        self.request, self.attempts, self.usage, self.outcome = request, 0, Usage(), "interrupted"
        self.started, self.date = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")

    def add(self, usage: Usage | None) -> None:
        self.usage += usage or Usage()

    @property
    def seconds(self) -> float:
        return round(time.monotonic() - self.started, 3)


class Ledger:
    """What the calls to an endpoint have taken, those of earlier runs included, and what they may take."""

    def __init__(self, name: str, settings: Endpoint, log: Path | None, label: str = "") -> None:
        self.name, self.settings, self.log = name, settings, log
        self.title = f"'{name}', {label}" if label else f"'{name}'"
        self.used, self.cost = Usage(), 0.0
        self.promised: list[Usage] = []  # the most that calls in flight can take
        self.planned: list[Usage] = []  # what a dry run would have sent
        for line in _read(log):
            if line.get("endpoint") == name:
                self.used += Usage(line["tokens_in"], line["tokens_out"])
                self.cost += line["cost"]

    async def reserve(self, most: Usage) -> bool:
        """Tell whether the budget has room for a call; waits where that depends on calls in flight."""
        while self.promised and not self._fits([*self.promised, most]):
            await asyncio.sleep(LOOK_AGAIN)
        fits = self._fits([most])
        if fits:
            self.promised.append(most)
        return fits

    def settle(self, most: Usage, tally: Tally) -> None:
        """Put what a call took in the place of what it might have taken, and write it down."""
        self.promised.remove(most)
        self.used += tally.usage
        self.cost += self.price(tally.usage)
        if self.log:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with self.log.open("ab") as file:
                file.write(json.dumps(asdict(self._call(tally))).encode() + b"\n")

    def _call(self, tally: Tally) -> Call:
        used = tally.usage
        return Call(
            tally.date, self.name, self.settings.model, tally.request, used.sent, used.received, self.price(used),
            tally.seconds, tally.attempts, tally.outcome,
        )  # fmt: skip

    def price(self, usage: Usage) -> float:
        """Return what tokens cost."""
        return (usage.sent * self.settings.price_in + usage.received * self.settings.price_out) / 1_000_000

    def over_budget(self) -> str:
        """Say that the budget is spent, and what to do."""
        limits, total = self.settings, self.used.sent + self.used.received
        if limits.max_cost is not None:
            limit, taken = "max_cost", f"{self.cost:.4g} of {limits.max_cost:.4g} for {total} tokens"
        else:
            limit, taken = "max_total_tokens", f"{total} of {limits.max_total_tokens} tokens"
        return (
            f"not asked: the budget is spent ({taken}, and the next call may take more than is left). "
            f"Raise 'endpoint.{self.name}.{limit}' and run again; what was answered is kept."
        )

    def plan(self, calls: list[Usage]) -> None:
        """Say what a dry run would have sent so far, and what that would cost."""
        self.planned += calls
        total = sum(self.planned, Usage())
        announce(
            f"dry run of {self.title}: {len(self.planned)} calls, about {total.sent} tokens in, "
            f"at most {total.received} out, at most {self.price(total):.4g} to pay"
        )

    def _fits(self, calls: list[Usage]) -> bool:
        after, limits = sum(calls, self.used), self.settings
        if limits.max_total_tokens is not None and after.sent + after.received > limits.max_total_tokens:
            return False
        return limits.max_cost is None or self.cost + sum(map(self.price, calls)) <= limits.max_cost


def estimate_text(text: str) -> int:
    """Return about how many tokens a text has, rather too many than too few."""
    return -(-len(text.encode(errors="replace")) // BYTES_A_TOKEN)


def estimate_tokens(prompt: Prompt) -> int:
    """Return about how many tokens a prompt has, with its pictures."""
    words = estimate_text(prompt.system + prompt.text + prompt.schema)
    return TOKENS_A_PROMPT + words + sum(map(_image_tokens, prompt.images))


def _image_tokens(png: bytes) -> int:
    if len(png) < 24:
        return MOST_IMAGE
    width, height = struct.unpack(">II", png[16:24])
    return int(min(MOST_IMAGE, max(LEAST_IMAGE, width * height // PIXELS_A_TOKEN)))


def _read(log: Path | None) -> list[dict[str, Any]]:
    """Return the log's lines; one that a kill cut is closed, so that the next is whole."""
    if not log or not log.exists():
        return []
    content = log.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        log.write_bytes(whole)
    return [json.loads(line) for line in whole.splitlines()]
