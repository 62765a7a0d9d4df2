import pytest

from edullama.dataset.provenance import families, warn_of_relatives
from edullama.records import Author


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-4o-2024-08-06", {"OpenAI"}),
        ("openai/gpt-oss-20b", {"OpenAI"}),
        ("o3-mini", {"OpenAI"}),
        ("claude-sonnet-4-5", {"Claude"}),
        ("meta-llama/Llama-2-7b-hf", {"Llama"}),
        ("Mixtral-8x7B-Instruct", {"Mistral"}),
        ("google/gemma-3-4b-it", {"Google"}),
        ("gemini-2.5-pro", {"Google"}),
        ("builtin:smollm2-135m-instruct", {"SmolLM"}),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", {"DeepSeek", "Qwen"}),
        ("EleutherAI/gpt-neox-20b", set()),
        ("tinyollama", set()),
        ("nomic-ai/gpt4all-j", set()),
        ("", set()),
    ],
)
def test_a_name_tells_the_family(model: str, expected: set[str]) -> None:
    assert families(model) == expected


def test_a_judge_of_the_writers_family_is_warned_of_by_name() -> None:
    authors = [Author("references", "gpt-3.5-turbo"), Author("questions", "claude-haiku-4-5")]
    (warning,) = warn_of_relatives(authors, "gpt-4o")
    assert warning.startswith("gpt-3.5-turbo wrote references and is of the same family as the judge gpt-4o (OpenAI).")


def test_a_judge_of_another_family_is_no_relative() -> None:
    authors = [Author("references", "gpt-4o"), Author("training text", "qwen3:8b")]
    assert warn_of_relatives(authors, "claude-opus-4-1") == []


def test_models_that_we_do_not_know_are_relatives_only_of_themselves() -> None:
    assert warn_of_relatives([Author("questions", "house-model-1")], "house-model-2") == []
    assert len(warn_of_relatives([Author("questions", "house-model-1")], "House-Model-1")) == 1


def test_an_author_that_was_not_recorded_is_nobodys_relative() -> None:
    assert warn_of_relatives([Author("training text", "")], "gpt-4o") == []
