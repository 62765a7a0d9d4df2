"""A remote model behind an OpenAI-compatible server, as a `Complete`."""

import base64
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from edullama.errors import EndpointError
from edullama.recipe import Endpoint
from edullama.records import Complete, Prompt, Reply

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types.chat import ChatCompletionContentPartParam, ChatCompletionMessageParam

MAX_TOKENS = 512  # of a reply
RETRIES = 4  # the client waits longer before each


def connect(name: str, settings: Endpoint, *, retries: int = RETRIES, max_tokens: int = MAX_TOKENS) -> Complete:
    """Return the endpoint of that name as a function from prompts to replies, in their order.

    A call that fails becomes a reply without text that says why. Only what no repetition mends raises EndpointError,
    naming the setting: a key that is not there now, or a server that cannot be reached or refuses the very first call.
    """
    from openai import OpenAI

    if settings.concurrency < 1:
        raise EndpointError(f"'endpoint.{name}.concurrency' is {settings.concurrency}; it must be at least 1")
    client = OpenAI(
        base_url=settings.base_url,
        api_key=_key(name, settings),
        timeout=settings.timeout,
        max_retries=retries,
    )
    return _Remote(name, settings, client, max_tokens)


class _Remote:
    """The connection, and whether the server has ever answered on it."""

    def __init__(self, name: str, settings: Endpoint, client: "OpenAI", max_tokens: int) -> None:
        self.name, self.settings, self.client, self.max_tokens = name, settings, client, max_tokens
        self.reached = False

    def __call__(self, prompts: Sequence[Prompt]) -> list[Reply]:
        """Answer the prompts, several at a time; the first one ever goes alone, to fail before the others wait."""
        alone = 0 if self.reached else 1
        first = [self._first(prompt) for prompt in prompts[:alone]]
        pool = ThreadPoolExecutor(self.settings.concurrency)
        try:
            return first + list(pool.map(self._reply, prompts[alone:]))
        finally:
            pool.shutdown(cancel_futures=True)  # an interrupted run waits for what is in flight, not for the queue

    def _first(self, prompt: Prompt) -> Reply:
        import openai

        try:
            reply = self._ask(prompt)
        except openai.OpenAIError as error:
            advice = self._advice(error)
            if advice:
                raise EndpointError(f"{self.settings.base_url}: {advice}") from None
            reply = Reply(None, self._problem(error))
        self.reached = True
        return reply

    def _reply(self, prompt: Prompt) -> Reply:
        import openai

        try:
            return self._ask(prompt)
        except openai.OpenAIError as error:
            return Reply(None, self._problem(error))

    def _ask(self, prompt: Prompt) -> Reply:
        messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": _content(prompt)}]
        if prompt.system:
            messages.insert(0, {"role": "system", "content": prompt.system})
        completion = self.client.chat.completions.create(
            model=self.settings.model, messages=messages, temperature=0, max_tokens=self.max_tokens
        )
        if not completion.choices:
            return Reply(None, "the server sent no choices")
        choice = completion.choices[0]
        if choice.message.content is None:
            return Reply(None, f"the model sent no text (finish reason: {choice.finish_reason})")
        return Reply(choice.message.content)

    def _problem(self, error: Exception) -> str:
        """Return an error's words without the key, which some servers repeat in them."""
        import openai

        if isinstance(error, openai.AuthenticationError):
            return "the server refused the key"
        return f"{type(error).__name__}: {error}".replace(self.client.api_key, "[key]")

    def _advice(self, error: Exception) -> str:
        """Say which setting to mend where an error would come back for every prompt; else nothing."""
        import openai

        section, key = f"endpoint.{self.name}", self.settings.api_key_env
        if isinstance(error, openai.APITimeoutError):
            return f"no answer within {self.settings.timeout:g} s. Raise '{section}.timeout', or check the server."
        if isinstance(error, openai.APIConnectionError):
            return f"no server answers there. Start it, or mend '{section}.base_url'."
        if isinstance(error, openai.NotFoundError):
            return (
                f"knows no model '{self.settings.model}', or is not the root of an API. "
                f"Mend '{section}.model' or '{section}.base_url' (which usually ends in /v1)."
            )
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            mend = f"Check the key in {key}." if key else f"Name the variable that holds it in '{section}.api_key_env'."
            return f"refuses the key. {mend}"
        return ""


def _content(prompt: Prompt) -> "str | list[ChatCompletionContentPartParam]":
    """Return a prompt's text, and its pictures after it where it has any: not every server takes parts."""
    if not prompt.images:
        return prompt.text
    parts: list[ChatCompletionContentPartParam] = [{"type": "text", "text": prompt.text}]
    for png in prompt.images:
        url = f"data:image/png;base64,{base64.b64encode(png).decode()}"
        parts.append({"type": "image_url", "image_url": {"url": url}})
    return parts


def _key(name: str, settings: Endpoint) -> str:
    """Return the key from the environment, or a placeholder for servers that want none."""
    if settings.api_key_env is None:
        return "none"
    key = os.environ.get(settings.api_key_env, "").strip()
    if not key:
        raise EndpointError(
            f"'endpoint.{name}.api_key_env' names {settings.api_key_env}, which is not set. "
            f"Set it to your key, or remove the setting if the server needs none."
        )
    return key
