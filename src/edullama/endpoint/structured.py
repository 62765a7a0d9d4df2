"""Replies as JSON that fits a schema: found in what a model wrote, mended where it is damaged, checked."""

import json
import re
from collections.abc import Iterator
from typing import Any

from jsonschema_rs import validator_for

THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL)
TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])', re.DOTALL)  # strings are taken whole, and kept
OPENING = re.compile(r"[{\[]")
CLOSING = {"{": "}", "[": "]"}
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],"]', re.DOTALL)  # whole strings, signs, the start of a broken string
MOST_TRIES = 100  # places to begin at, and to end at: a reply may be nothing but brackets
DECODER = json.JSONDecoder(strict=False)  # not strict: line breaks within strings


def response_format(schema: str) -> dict[str, Any]:
    """Return how the OpenAI interface is asked for JSON of a schema."""
    asked = json.loads(schema)
    strict = asked.get("additionalProperties") is False  # strict servers take no others
    return {"type": "json_schema", "json_schema": {"name": "reply", "schema": asked, "strict": strict}}


def read_structured(text: str, schema: str) -> tuple[str | None, str, bool]:
    """Return the JSON in a reply, what is wrong with it, and whether its end was cut off.

    What stands around it goes, as do trailing commas; of JSON that breaks off, what is whole stays if that fits.
    """
    check = validator_for(schema)
    text = THOUGHT.sub("", text)
    complaints = []
    for value in _whole(text):
        complaint = _complain(check, value)
        if not complaint:
            return _write(value), "", False
        complaints.append(complaint)
    for value in _shortened(text):
        if not _complain(check, value):
            return _write(value), "", True
    return None, [*complaints, "there is no whole JSON in it"][0], False


def clean(text: str) -> str:
    """Return text that UTF-8 can hold: half a character, where a reply broke off, becomes a question mark."""
    return text.encode(errors="replace").decode()


def _whole(text: str) -> Iterator[Any]:
    """Yield the outermost objects and lists in a text."""
    for source in (text, TRAILING_COMMA.sub(r"\1", text)):
        place = tries = 0
        while (match := OPENING.search(source, place)) and tries < MOST_TRIES:
            place = match.end()
            try:
                value, place = DECODER.raw_decode(source, match.start())
            except (ValueError, RecursionError):
                tries += 1
                continue
            yield value


def _shortened(text: str) -> Iterator[Any]:
    """Yield what is whole in JSON that breaks off: the most first, then less and less."""
    match = OPENING.search(text)
    broken = text[match.start() :] if match else ""
    for end, still_open in reversed(_ends(broken)[-MOST_TRIES:]):
        closed = broken[:end] + "".join(CLOSING[sign] for sign in reversed(still_open))
        try:
            value, _ = DECODER.raw_decode(closed)
        except (ValueError, RecursionError):
            continue
        yield value


def _ends(text: str) -> list[tuple[int, str]]:
    """Return where values may end in JSON that breaks off, and what is open there; nothing where it is whole."""
    ends, still_open = [], ""
    for match in TOKEN.finditer(text):
        token = match[0]
        if token == '"':
            break
        if token in CLOSING:
            still_open += token
            continue
        if token in "}]":
            still_open = still_open[:-1]
        if not still_open:
            return []
        ends.append((match.start() if token == "," else match.end(), still_open))
    return ends


def _complain(check: Any, value: Any) -> str:
    """Say where a value does not fit, or nothing."""
    try:
        error = next(iter(check.iter_errors(value)), None)
    except ValueError:
        return "it holds what JSON cannot say"
    if error is None:
        return ""
    return clean("/".join(["", *map(str, error.instance_path)]) + f" {error.message}").strip()


def _write(value: Any) -> str:
    return clean(json.dumps(value, ensure_ascii=False))
