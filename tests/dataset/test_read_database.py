import sqlite3
from pathlib import Path

import pytest

from edullama.errors import InputError
from edullama.recipe import Columns
from tests.dataset.reading import read, sides


def write(path: Path, script: str) -> Path:
    with sqlite3.connect(path) as db:
        db.executescript(script)
    db.close()
    return path


def test_the_table_with_front_and_back_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "cards.db", """
        create table users (id integer, name text);
        insert into users values (1, 'Ada');
        create table "my cards" (id integer, type integer, front text not null, back text, known boolean);
        insert into "my cards" values (1, 1, 'What is a `<T>`?', 'A type' || char(13, 10) || 'parameter', 0);
        insert into "my cards" values (2, 1, 'What is 6 * 7?', 42, 0);
        insert into "my cards" values (3, 1, 'What is null?', null, 0);
    """)  # fmt: skip
    cards, dropped = read(path)
    assert sides(cards) == [("What is a `<T>`?", "A type parameter"), ("What is 6 * 7?", "42")]
    assert [(drop.reason, drop.text) for drop in dropped] == [("no answer", "What is null?")]


def test_a_person_says_which_columns_of_a_database_hold_the_cards(tmp_path: Path) -> None:
    path = write(tmp_path / "cards.sqlite", """
        create table log (line text);
        create table items (prompt_text text, solution_text text, week text);
        insert into items values ('What is a tree?', 'A graph', 'W1');
    """)  # fmt: skip
    with pytest.raises(InputError, match=r"no table with questions and answers\. Its tables: log \(line\); items \(pr"):
        read(path)
    cards, _ = read(path, Columns(question="prompt_text", reference="solution_text", lecture="week"))
    assert [(card.lecture, card.question, card.reference) for card in cards] == [("W1", "What is a tree?", "A graph")]


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + b"\2" * 5000])
def test_what_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cards.db").write_bytes(content)
    with pytest.raises(InputError, match=r"cards\.db: not an SQLite database, or damaged .* Save or export it again"):
        read(tmp_path / "cards.db")


def test_a_database_is_never_written_to(tmp_path: Path) -> None:
    path = write(tmp_path / "cards.db", "create table c (q text, a text); insert into c values ('Why so?', 'So')")
    before = path.read_bytes()
    path.chmod(0o444)
    read(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["cards.db"]


@pytest.mark.parametrize(("name", "count"), [("cards-jwasham", 1200), ("cards-jwasham-extreme", 1769)])
def test_real_databases_are_read(data: Path, name: str, count: int) -> None:
    cards, dropped = read(data / "algo1_kit_de" / "qa" / f"{name}.db")
    assert len(cards) == count
    assert {drop.reason for drop in dropped} == {
        "the question has fewer than 2 words", "the answer is a question", "no answer",
    }  # fmt: skip
