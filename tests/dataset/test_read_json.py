import json
from pathlib import Path
from typing import Any

import pytest

from edullama.errors import InputError
from edullama.recipe import Columns
from tests.dataset.reading import read_text, reasons, sides


def write_lines(*records: dict[str, Any]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.mark.parametrize("name", ["cards.jsonl", "cards.ndjson", "cards.json"])
def test_questions_and_answers_one_a_line_are_cards(tmp_path: Path, name: str) -> None:
    text = write_lines(
        {"question": "What is a?", "answer": "A letter", "deck": "W1"}, {"question": "Why b?", "answer": 1}
    )
    cards, _ = read_text(tmp_path, name, text)
    assert [(card.lecture, card.question, card.reference) for card in cards] == [
        ("W1", "What is a?", "A letter"), ("cards", "Why b?", "1"),
    ]  # fmt: skip


def test_instructions_with_their_input_are_questions(tmp_path: Path) -> None:
    records = [
        {"instruction": "Translate to German.", "input": "tree", "output": "Baum"},
        {"instruction": "Name a prime number.", "input": "", "output": "7"},
    ]
    assert sides(read_text(tmp_path, "alpaca.json", json.dumps(records))[0]) == [
        ("Translate to German. tree", "Baum"), ("Name a prime number.", "7"),
    ]  # fmt: skip


def test_squad_is_read_with_its_titles_as_lectures(tmp_path: Path) -> None:
    squad = {"version": "2.0", "data": [{"title": "Trees", "paragraphs": [{"context": "A leaf ends a branch.", "qas": [
        {"id": "1", "question": "What ends a branch?", "is_impossible": False,
         "answers": [{"text": "A leaf", "answer_start": 0}, {"text": "leaf", "answer_start": 2}]},
        {"id": "2", "question": "Who planted it?", "is_impossible": True, "answers": []},
    ]}]}]}  # fmt: skip
    cards, dropped = read_text(tmp_path, "squad.json", json.dumps(squad))
    assert [(card.lecture, card.question, card.reference) for card in cards] == [
        ("Trees", "What ends a branch?", "A leaf")
    ]
    assert reasons(dropped) == ["no answer"]


def test_squad_one_question_a_line_is_read(tmp_path: Path) -> None:
    text = write_lines({
        "id": "1", "title": "Trees", "context": "A leaf ends a branch.", "question": "What ends a branch?",
        "answers": {"text": ["A leaf"], "answer_start": [0]},
    })  # fmt: skip
    assert sides(read_text(tmp_path, "squad.jsonl", text)[0]) == [("What ends a branch?", "A leaf")]


def test_a_title_beside_a_list_of_cards_is_the_lecture(tmp_path: Path) -> None:
    value = {"title": "Week 1", "cards": [{"front": "What is a?", "back": "A letter", "hints": ["x"]}]}
    cards, _ = read_text(tmp_path, "cards.json", json.dumps(value))
    assert [(card.lecture, card.question, card.reference) for card in cards] == [("Week 1", "What is a?", "A letter")]


def test_a_person_says_which_keys_hold_the_cards(tmp_path: Path) -> None:
    text = write_lines({"seite1": "What is a?", "seite2": "A letter"})
    with pytest.raises(InputError, match=r"cards\.jsonl: no questions and answers\. It begins: .*seite1"):
        read_text(tmp_path, "cards.jsonl", text)
    cards, _ = read_text(tmp_path, "cards.jsonl", text, Columns(question="seite1", reference="seite2"))
    assert sides(cards) == [("What is a?", "A letter")]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("cards.jsonl", '{"question": "What is a?", "answer": "b"}\n{"question": "Wh\n', "damaged JSON .*line 2"),
        ("cards.json", '[{"question": "What is a?"', "damaged JSON .*line 1 column"),
        ("cards.json", '{"question": "What is a?"} {', "damaged JSON .*Extra data"),
        ("cards.json", "", "damaged JSON"),
        ("cards.jsonl", "", "no questions and answers"),
        ("cards.json", '{"name": 3}', "no questions and answers"),
        (
            "cards.json",
            '[{"question": "What is a?", "topic": "b"}]',
            "no answers beside the questions. Its keys: .*topic",
        ),
        ("cards.json", "[" * 100_000, "lists within lists"),
    ],
)
def test_damaged_and_empty_json_is_refused(tmp_path: Path, name: str, text: str, problem: str) -> None:
    with pytest.raises(InputError, match=rf"{name}: {problem}"):
        read_text(tmp_path, name, text)
