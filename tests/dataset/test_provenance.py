import pytest

from edullama.dataset.provenance import families, warn_of_relatives


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
    (warning,) = warn_of_relatives({"references": "gpt-3.5-turbo", "questions": "claude-haiku-4-5"}, "gpt-4o")
    assert warning.startswith("references: written by gpt-3.5-turbo, which is of the same family as the judge gpt-4o")


def test_a_judge_of_another_family_is_no_relative() -> None:
    assert warn_of_relatives({"references": "gpt-4o", "training text": "qwen3:8b"}, "claude-opus-4-1") == []


def test_models_that_we_do_not_know_are_relatives_only_of_themselves() -> None:
    assert warn_of_relatives({"questions": "house-model-1"}, "house-model-2") == []
    assert len(warn_of_relatives({"questions": "house-model-1"}, "House-Model-1")) == 1
