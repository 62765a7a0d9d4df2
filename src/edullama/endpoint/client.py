"""The one door to remote models: any OpenAI-compatible server, as a `Complete`."""

import asyncio
import json
import random
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edullama.cache import Cache
from edullama.endpoint.chat import Answer, Request, ask_again, make_body, make_request, read_answer, refused_part
from edullama.endpoint.failures import AttemptError, advise, lost, refused
from edullama.endpoint.keys import read_key
from edullama.endpoint.ledger import Ledger, Tally
from edullama.endpoint.structured import read_structured
from edullama.errors import EndpointError
from edullama.progress import Advance, announce, bar
from edullama.recipe import Endpoint
from edullama.records import Complete, Prompt, Reply

if TYPE_CHECKING:
    from openai import AsyncOpenAI

RETRIES = 6  # of a call, over half a minute
FIRST_RETRIES = 2  # where the server has never answered
PAUSE = 0.5  # seconds before the first retry, doubled for each further one
GIVE_UP = 10  # calls in a row that failed for reasons that are not their own


def connect(
    name: str,
    settings: Endpoint,
    cache: Cache | None = None,
    log: Path | None = None,
    *,
    retries: int = RETRIES,
    pause: float = PAUSE,
    max_tokens: int | None = None,
    label: str = "",
) -> Complete:
    """Return the endpoint of that name as a function from prompts to replies, in their order.

    A request is sent once: its reply is in the cache as soon as it came, so that a kill loses the calls in flight. The
    log tells of every call, and the budget counts what it tells. A call that fails becomes a reply without text that
    says why; the next run asks it again. Only what no repetition mends raises EndpointError, naming the setting: a key
    that is not there, or a server that cannot be reached or refuses the very first call.

    A label says what the calls are for, in a dry run and on a bar that shows how many are answered.
    """
    if settings.concurrency < 1:
        raise EndpointError(f"'endpoint.{name}.concurrency' is {settings.concurrency}; it must be at least 1")
    key = "" if settings.dry_run else read_key(name, settings)
    own = replace(settings, max_tokens=max_tokens or settings.max_tokens)
    return _Remote(name, own, key, cache, Ledger(name, own, log, label), retries, pause, label)


def end_dry_run(name: str, settings: Endpoint) -> None:
    """Stop a stage whose endpoint was only to say what it would do. Raises EndpointError if so."""
    if settings.dry_run:
        raise EndpointError(f"'endpoint.{name}.dry_run' is set: nothing was sent, and no result was written.")


class _Remote:
    """The connection, and what was learnt about the server on it."""

    def __init__(
        self,
        name: str,
        settings: Endpoint,
        key: str,
        cache: Cache | None,
        ledger: Ledger,
        retries: int,
        pause: float,
        label: str,
    ) -> None:
        self.name, self.settings, self.key, self.cache, self.ledger = name, settings, key, cache, ledger
        self.retries, self.pause, self.label = retries, pause, label
        self.reached = False  # it has answered a call
        self.failed_in_a_row = 0
        self.quiet_until = 0.0  # it asked to be left alone
        self.without: set[str] = set()  # parts of requests that it does not take

    def __call__(self, prompts: Sequence[Prompt]) -> list[Reply]:
        """Answer the prompts, several at a time; the first one ever goes alone, to fail before the others wait."""
        requests = [make_request(prompt, self.settings) for prompt in prompts]
        replies = {request.key: reply for request in requests if (reply := self._recall(request))}
        missing = list({request.key: request for request in requests if request.key not in replies}.values())
        if missing and self.settings.dry_run:
            self.ledger.plan([request.most for request in missing])
            replies |= {request.key: Reply(None, "dry run: not asked") for request in missing}
        elif missing:
            with bar(self.label, len(missing)) if self.label else nullcontext(_count_nothing) as advance:
                replies |= asyncio.run(self._ask_all(missing, advance))
        return [replies[request.key] for request in requests]

    def _recall(self, request: Request) -> Reply | None:
        known = self.cache.get(request.key) if self.cache else None
        return Reply(**json.loads(known)) if known else None

    async def _ask_all(self, requests: Sequence[Request], advance: Advance) -> dict[bytes, Reply]:
        """Keep as many calls in flight as the settings allow. Ctrl-C ends those, and no answer is lost."""
        from openai import AsyncOpenAI

        replies: dict[bytes, Reply] = {}
        waiting = iter(requests)

        async def work() -> None:
            for request in waiting:
                replies[request.key] = await self._reply(client, request)
                advance(1)

        url, key = self.settings.base_url, self.key or "none"
        async with AsyncOpenAI(base_url=url, api_key=key, max_retries=0, timeout=None) as client:
            for request in islice(waiting, 0 if self.reached else 1):
                replies[request.key] = await self._reply(client, request, is_first=True)
                advance(1)
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self.settings.concurrency, len(requests))):
                    group.create_task(work())
        return replies

    async def _reply(self, client: "AsyncOpenAI", request: Request, is_first: bool = False) -> Reply:
        """Return the reply, or why there is none. Raises EndpointError where the first call tells what to mend."""
        try:
            return await self._ask(client, request)
        except AttemptError as failure:
            if is_first and (advice := advise(failure, self.name, self.settings)):
                raise EndpointError(f"{self.settings.base_url}: {advice}") from None
            return Reply(None, failure.problem, later=failure.of_server)

    async def _ask(self, client: "AsyncOpenAI", request: Request) -> Reply:
        """Return the reply, asked for a second time where it does not fit its schema. Raises AttemptError."""
        answer = await self._exchange(client, request)
        reply = _fit(answer, request.prompt.schema)
        if reply.text is None and answer.text is not None:
            answer = await self._exchange(client, ask_again(request, answer, reply.problem))
            reply = _fit(answer, request.prompt.schema)
        if reply.text is not None and self.cache:
            self.cache.keep(request.key, json.dumps({"text": reply.text, "cut": reply.cut}).encode())
        return reply

    async def _exchange(self, client: "AsyncOpenAI", request: Request) -> Answer:
        """Send a request until it is answered or past hope, and write down what that took. Raises AttemptError."""
        if self.failed_in_a_row >= GIVE_UP:
            problem = f"not asked: {GIVE_UP} calls in a row had failed. Run again to go on."
            raise AttemptError("given up", problem, again=True)
        if not await self.ledger.reserve(request.most):
            raise AttemptError("over budget", self.ledger.over_budget(), again=True)
        tally = Tally(request.key.hex())
        try:
            answer = await self._try(client, request, tally)
            tally.outcome = "no text" if answer.text is None else "cut" if answer.cut else "ok"
            self.reached, self.failed_in_a_row = True, 0
            return answer
        except AttemptError as failure:
            tally.outcome = failure.outcome
            self.failed_in_a_row += failure.of_server
            if failure.of_server and self.failed_in_a_row == GIVE_UP:
                announce(f"'{self.name}': {GIVE_UP} calls in a row have failed; the others wait for the next run")
            raise
        finally:
            self.ledger.settle(request.most, tally)

    async def _try(self, client: "AsyncOpenAI", request: Request, tally: Tally) -> Answer:
        without, retries = set(self.without), 0
        while True:
            await asyncio.sleep(max(0.0, self.quiet_until - time.monotonic()))
            tally.attempts += 1
            body = make_body(request, self.settings, without)
            try:
                answer = await self._attempt(client, body)
                break
            except AttemptError as failure:
                tally.add(failure.usage)
                if part := refused_part(failure, body):
                    without.add(part)
                elif failure.again and retries < self._patience(failure):
                    await self._wait(failure, retries)
                    retries += 1
                else:
                    raise
        self.without |= without  # they were to blame
        tally.add(answer.usage or request.estimate(answer.text or ""))
        return answer

    def _patience(self, failure: AttemptError) -> int:
        return self.retries if self.reached or failure.status else min(self.retries, FIRST_RETRIES)

    async def _wait(self, failure: AttemptError, retries: int) -> None:
        """Wait longer from time to time; where the server says how long, no other call goes out before that."""
        if not self.reached:
            announce(f"'{self.name}': {failure.problem}; tries again")
        if failure.wait:
            self.quiet_until = max(self.quiet_until, time.monotonic() + failure.wait)
        await asyncio.sleep(self.pause * 2**retries * random.uniform(0.5, 1.5))

    async def _attempt(self, client: "AsyncOpenAI", body: dict[str, Any]) -> Answer:
        import openai

        try:
            async with asyncio.timeout(self.settings.timeout):
                sent = await client.chat.completions.with_raw_response.create(**body)
        except (TimeoutError, openai.APITimeoutError):
            raise AttemptError("timeout", f"no answer within {self.settings.timeout:g} s", again=True) from None
        except openai.APIConnectionError as error:
            raise lost(error) from None
        except openai.APIStatusError as error:
            raise refused(error, self.key) from None
        return read_answer(sent.content)


def _count_nothing(_: int) -> None:
    """Take the place of a bar that is not shown."""


def _fit(answer: Answer, schema: str) -> Reply:
    """Return what an answer says, as JSON that fits where there is a schema."""
    if answer.text is None:
        return Reply(None, f"the model sent no text (finish reason: {answer.finish})")
    if not schema:
        return Reply(answer.text, cut=answer.cut)
    text, complaint, shortened = read_structured(answer.text, schema)
    return Reply(text, cut=shortened) if text is not None else Reply(None, f"the reply does not fit: {complaint}")
