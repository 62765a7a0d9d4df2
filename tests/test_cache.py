from pathlib import Path

from edullama.cache import Cache, make_key


def test_what_was_put_is_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache.sqlite")
    cache.put(b"a", b"1")
    cache.put(b"a", b"2")
    cache.close()
    again = Cache(tmp_path / "cache.sqlite")
    assert (again.get(b"a"), again.get(b"b")) == (b"2", None)


def test_a_key_depends_on_every_part_and_on_their_order() -> None:
    assert len({make_key("ab", "c"), make_key("a", "bc"), make_key("c", "ab"), make_key("ab", "c", "")}) == 4


def test_what_was_kept_is_there_at_once_for_whoever_else_looks(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache.sqlite")
    cache.keep(b"a", b"1")
    assert Cache(tmp_path / "cache.sqlite").get(b"a") == b"1"
