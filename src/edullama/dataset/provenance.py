"""Whether the judge is a relative of those who wrote what it judges: judges prefer what sounds like themselves."""

import re
from collections.abc import Iterable

from edullama.records import Author

FAMILIES = {
    "OpenAI": r"gpt-?\d(?!all)|gpt-oss|chatgpt|o[134](?![a-z\d])|text-davinci",
    "Claude": r"claude",
    "Llama": r"(code)?llama|vicuna|alpaca",
    "Qwen": r"qwen|qwq",
    "Mistral": r"(mis|mix|minis|codes|devs|magis)tral|pixtral",
    "Google": r"gemma|gemini|palm-?2",
    "DeepSeek": r"deepseek",
    "SmolLM": r"smollm",
    "Phi": r"phi-?\d",
    "Grok": r"grok",
    "GLM": r"(chat)?glm",
    "Command": r"command-|aya-",
    "Granite": r"granite",
    "OLMo": r"olmo",
    "Kimi": r"kimi",
    "Nemotron": r"nemotron",
    "Falcon": r"falcon",
    "Yi": r"yi-\d",
}
PATTERNS = {family: re.compile(rf"(?<![a-z\d])(?:{names})", re.IGNORECASE) for family, names in FAMILIES.items()}


def families(model: str) -> frozenset[str]:
    """Return the families that a model's name tells of: two for a Qwen that was distilled from DeepSeek, or none."""
    return frozenset(family for family, pattern in PATTERNS.items() if pattern.search(model))


def warn_of_relatives(authors: Iterable[Author], judge: str) -> list[str]:
    """Say of each text that a relative of the judge wrote it.

    A name that tells of no family is a relative of none but itself.
    """
    warnings = []
    for author in authors:
        same = [judge] if author.model.casefold() == judge.casefold() else []
        shared = sorted(families(author.model) & families(judge)) or same
        if shared:
            warnings.append(
                f"{author.model} wrote {author.wrote} and is of the same family as the judge {judge} "
                f"({', '.join(shared)}). Judges prefer what their relatives wrote: take a judge of another family, or "
                "read its verdicts so."
            )
    return warnings
