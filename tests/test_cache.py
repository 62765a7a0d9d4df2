from collections.abc import Sequence
from pathlib import Path

from edullama.cache import Cache, make_key, remember
from edullama.records import Prompt, Reply


def test_what_was_put_is_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache.sqlite")
    cache.put(b"a", b"1")
    cache.put(b"a", b"2")
    cache.close()
    again = Cache(tmp_path / "cache.sqlite")
    assert (again.get(b"a"), again.get(b"b")) == (b"2", None)


def test_a_key_depends_on_every_part_and_on_their_order() -> None:
    assert len({make_key("ab", "c"), make_key("a", "bc"), make_key("c", "ab"), make_key("ab", "c", "")}) == 4


def test_a_prompt_is_paid_for_once_and_a_failed_one_is_asked_again(tmp_path: Path) -> None:
    asked: list[str] = []

    def complete(prompts: Sequence[Prompt]) -> list[Reply]:
        asked.extend(prompt.text for prompt in prompts)
        return [Reply(None, "busy") if prompt.text == "b" else Reply(prompt.text.upper()) for prompt in prompts]

    answer = remember(complete, Cache(tmp_path / "cache.sqlite"), "model")
    assert [reply.text for reply in answer([Prompt("a"), Prompt("b")])] == ["A", None]
    assert [reply.text for reply in answer([Prompt("b"), Prompt("a"), Prompt("c")])] == [None, "A", "C"]
    assert asked == ["a", "b", "b", "c"]


def test_other_pictures_make_another_prompt(tmp_path: Path) -> None:
    answer = remember(lambda prompts: [Reply(str(len(p.images[0]))) for p in prompts], Cache(tmp_path / "c"), "model")
    assert [reply.text for reply in answer([Prompt("?", images=(b"x",)), Prompt("?", images=(b"xy",))])] == ["1", "2"]
