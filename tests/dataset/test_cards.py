import zipfile
from collections import Counter
from pathlib import Path

import genanki
import pytest

from edullama.dataset.cards import read_cards
from edullama.errors import InputError
from edullama.records import Card, Rejection


def read(path: Path) -> tuple[list[Card], list[Rejection]]:
    return read_cards(path, f"cards/{path.name}")


def read_text(folder: Path, name: str, text: str) -> tuple[list[Card], list[Rejection]]:
    (folder / name).write_text(text, encoding="utf-8")
    return read(folder / name)


def sides(cards: list[Card]) -> list[tuple[str, str]]:
    return [(card.question, card.reference) for card in cards]


def write_apkg(path: Path, decks: dict[str, list[tuple[str, str]]]) -> Path:
    packed = []
    for number, (name, notes) in enumerate(decks.items(), 1):
        deck = genanki.Deck(number, name)
        for front, back in notes:
            deck.add_note(genanki.Note(model=genanki.BASIC_MODEL, fields=[front, back]))
        packed.append(deck)
    genanki.Package(packed).write_to_file(path)
    return path


def test_anki_notes_lose_their_html(tmp_path: Path) -> None:
    path = write_apkg(tmp_path / "week1.apkg", {"Deep": [
        ("Define a&nbsp;<b>vector</b>", "<div>An array of <i>numbers</i>.<br>Each has an index &lt; n.</div>"),
    ]})  # fmt: skip
    cards, dropped = read(path)
    assert sides(cards) == [("Define a vector", "An array of numbers. Each has an index < n.")]
    assert (cards[0].lecture, cards[0].source, dropped) == ("week1", "cards/week1.apkg", [])


def test_decks_of_one_package_are_lectures(tmp_path: Path) -> None:
    path = write_apkg(tmp_path / "all.apkg", {"W1": [("What is a?", "A.")], "W2": [("What is b?", "B.")]})
    assert [card.lecture for card in read(path)[0]] == ["W1", "W2"]


def test_notes_that_are_no_questions_are_dropped_with_the_reason(tmp_path: Path) -> None:
    path = write_apkg(tmp_path / "a.apkg", {"D": [
        ("Welcome to the <b>Course</b>", "Contact: me"), ('<img src="a.png">', "A cat"),
        ("What is this?", "[sound:a.mp3]"), ("Entropy", "Mean surprise"), ("What is entropy?", "Mean surprise"),
        ("What is open?", "Answer here"),
    ]})  # fmt: skip
    cards, dropped = read(path)
    assert sides(cards) == [("What is entropy?", "Mean surprise")]
    assert [drop.reason for drop in dropped] == [
        "a welcome, not a question", "the question is only an image or a sound",
        "the answer is only an image or a sound", "the question has fewer than 2 words", "no answer",
    ]  # fmt: skip


def test_a_package_for_new_anki_only_tells_how_to_export_it(tmp_path: Path) -> None:
    path = tmp_path / "new.apkg"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("collection.anki21b", b"zstd")
        archive.writestr("collection.anki2", b"the dummy")
    with pytest.raises(InputError, match="Support older Anki versions"):
        read(path)


def test_a_table_is_read_with_comments_skipped_and_angle_brackets_kept(tmp_path: Path) -> None:
    text = '# Git\n\nWhat does `git clone <url>` do?\tCopies a repository.\nWhat is List<String>?\tA "generic" type.\n'
    cards, _ = read_text(tmp_path, "git.txt", text)
    assert sides(cards) == [
        ("What does `git clone <url>` do?", "Copies a repository."), ("What is List<String>?", 'A "generic" type.'),
    ]  # fmt: skip


def test_a_header_row_chooses_the_columns(tmp_path: Path) -> None:
    text = "id\tQuestion\tReference\tdeck\n7\tWhat is a loss?\tA number to make small.\tweek 2\n"
    cards, _ = read_text(tmp_path, "exam.tsv", text)
    assert [(card.question, card.reference, card.lecture) for card in cards] == [
        ("What is a loss?", "A number to make small.", "week 2")
    ]


def test_ankis_text_export_is_read_by_its_headers(tmp_path: Path) -> None:
    text = '#separator:semicolon\n#html:true\n#deck column:1\n#tags column:4\nW1;"What is <b>a; b</b>?";Two letters;x\n'
    cards, _ = read_text(tmp_path, "export.txt", text)
    assert [(card.lecture, card.question, card.reference) for card in cards] == [("W1", "What is a; b?", "Two letters")]


def test_markdown_headings_with_paragraphs_are_cards(tmp_path: Path) -> None:
    text = "# W1\n\n## What is LoRA?\n\nA *low-rank* update,\nsee [here](http://x).\n\n## Why use it?\n\nIt is small.\n"
    cards, _ = read_text(tmp_path, "week1.md", text)
    assert sides(cards) == [("What is LoRA?", "A *low-rank* update, see here."), ("Why use it?", "It is small.")]


def test_bold_questions_with_paragraphs_are_cards_and_headings_end_them(tmp_path: Path) -> None:
    text = "## Trees\n\n**What is a leaf? 👶**\n\nAn end **node**.\n\n<br/>\n\n"
    text += "## Forests\n\n**And a forest? ‍⭐️**\n\nMany trees.\n"
    cards, _ = read_text(tmp_path, "theory.md", text)
    assert sides(cards) == [("What is a leaf?", "An end node."), ("And a forest?", "Many trees.")]


def test_files_without_cards_are_passed_over_with_a_note(tmp_path: Path) -> None:
    assert read_text(tmp_path, "README.md", "About these decks\n\nThey are good.\n") == (
        [], [Rejection("cards/README.md", "not a card file we read", "")],
    )  # fmt: skip


def test_a_card_file_without_any_card_is_refused_with_its_first_lines(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"week1\.tsv: no flashcard found\..*'What is a loss\? A number"):
        read_text(tmp_path, "week1.tsv", "What is a loss? A number to make small.\n")


@pytest.mark.parametrize(
    ("course", "files", "kept", "dropped"),
    [
        ("dl_schutera_en", 5, 193, {"the answer is only an image or a sound": 7, "a welcome, not a question": 2}),
        ("prog2_hsbi_de", 12, 349, {"one column only: no answer beside the question": 8}),
        ("sl_lmu_en", 2, 222, {"no answer": 14}),
    ],
)
def test_real_cards_are_read(data: Path, course: str, files: int, kept: int, dropped: dict[str, int]) -> None:
    paths = [path for path in sorted((data / course / "qa").iterdir()) if path.suffix not in (".pdf", ".db")]
    read_files = [read(path) for path in paths if path.name != "README.md"]
    assert len(read_files) == files
    assert sum(len(cards) for cards, _ in read_files) == kept
    assert Counter(drop.reason for _, rejected in read_files for drop in rejected) == dropped
