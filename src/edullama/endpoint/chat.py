"""The chat interface: prompts as it wants them sent, and answers as servers send them."""

import base64
import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

from edullama.cache import make_key
from edullama.endpoint.failures import AttemptError
from edullama.endpoint.ledger import Usage, estimate_text, estimate_tokens
from edullama.endpoint.structured import clean, response_format
from edullama.recipe import Endpoint
from edullama.records import Prompt

BAD_REQUEST = (400, 422)
IN_WORDS = "\n\nAnswer with JSON alone that fits this schema:\n"  # for servers that take no schema
MEND = "That does not fit the schema: {}\nAnswer again, with the whole JSON and nothing else."


@dataclass(frozen=True, slots=True)
class Request:
    """A prompt under its hash, and what was said after it."""

    key: bytes
    prompt: Prompt
    max_tokens: int
    said: tuple[str, ...] = ()  # by the model and by us, in turn

    @property
    def most(self) -> Usage:
        """Return the most that it can take; what is sent is estimated."""
        return Usage(estimate_tokens(self.prompt) + sum(map(estimate_text, self.said)), self.max_tokens)

    def estimate(self, reply: str) -> Usage:
        """Return about what a reply took, for servers that do not say."""
        return Usage(self.most.sent, estimate_text(reply))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model wrote, and what it took."""

    text: str | None
    finish: str  # the server's word for why it ended there
    usage: Usage | None  # None: the server does not say

    @property
    def cut(self) -> bool:
        return self.finish == "length"


def make_request(prompt: Prompt, settings: Endpoint) -> Request:
    """Put a prompt under the hash of all that its reply depends on."""
    limit = prompt.max_tokens or settings.max_tokens
    pictures = [hashlib.sha256(image).hexdigest() for image in prompt.images]
    asked = (settings.base_url, settings.model, settings.temperature, limit)
    parts = json.dumps([*asked, prompt.system, prompt.text, prompt.schema, pictures])
    return Request(make_key(parts), prompt, limit)


def ask_again(request: Request, answer: Answer, complaint: str) -> Request:
    """Return the request that says what is wrong with its answer; one that was cut off gets twice the room."""
    room = request.max_tokens * (2 if answer.cut else 1)
    return replace(request, max_tokens=room, said=(answer.text or "", MEND.format(complaint)))


def make_body(request: Request, settings: Endpoint, without: set[str]) -> dict[str, Any]:
    """Return what is sent, without the parts that the server does not take."""
    prompt = request.prompt
    system = [{"role": "system", "content": prompt.system}] if prompt.system else []
    asked = {"role": "user", "content": _content(prompt, "response_format" in without)}
    said = [{"role": ("assistant", "user")[turn % 2], "content": text} for turn, text in enumerate(request.said)]
    body: dict[str, Any] = {"model": settings.model, "messages": [*system, asked, *said]}
    body["max_completion_tokens" if "max_tokens" in without else "max_tokens"] = request.max_tokens
    if "temperature" not in without:
        body["temperature"] = settings.temperature
    if prompt.schema and "response_format" not in without:
        body["response_format"] = response_format(prompt.schema)
    return body


def refused_part(failure: AttemptError, body: dict[str, Any]) -> str:
    """Return what to leave out of a request that the server calls bad; nothing where that would not help."""
    if failure.status not in BAD_REQUEST:
        return ""
    words = {"max_tokens": "max_completion_tokens", "temperature": "temperature", "response_format": ""}
    return next((part for part, word in words.items() if part in body and word in failure.problem), "")


def read_answer(content: bytes) -> Answer:
    """Read what a server sent with status 200. Raises AttemptError where that is no answer."""
    try:
        sent = json.loads(content)
        usage = _read_usage(sent.get("usage"))
        choices = sent["choices"]
        if not choices:
            raise AttemptError("no choices", "the server sent no choices", again=True, usage=usage)
        text, finish = choices[0]["message"].get("content"), str(choices[0].get("finish_reason"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise AttemptError("unreadable", f"the server sent no answer ({type(error).__name__})", again=True) from None
    return Answer(clean(text) if isinstance(text, str) and text.strip() else None, finish, usage)


def _read_usage(usage: Any) -> Usage | None:
    return Usage(int(usage["prompt_tokens"]), int(usage["completion_tokens"])) if usage else None


def _content(prompt: Prompt, shape_in_words: bool) -> str | list[dict[str, Any]]:
    """Return a prompt's text, and its pictures after it where it has any: not every server takes parts."""
    text = prompt.text + (IN_WORDS + prompt.schema if prompt.schema and shape_in_words else "")
    if not prompt.images:
        return text
    parts: list[dict[str, Any]] = [{"type": "text", "text": text}]
    for png in prompt.images:
        url = f"data:image/png;base64,{base64.b64encode(png).decode()}"
        parts.append({"type": "image_url", "image_url": {"url": url}})
    return parts
