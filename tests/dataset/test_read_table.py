from pathlib import Path

import pytest

from edullama.dataset.cards import read_cards
from edullama.errors import InputError
from edullama.recipe import Columns
from tests.dataset.reading import read, read_text, reasons, sides


def guess(path: Path) -> list[str]:
    told: list[str] = []
    read_cards(path, f"cards/{path.name}", tell=told.append)
    return told


def test_ankis_text_export_is_read_by_its_headers(tmp_path: Path) -> None:
    text = '#separator:semicolon\n#html:true\n#deck column:1\n#tags column:4\nW1;"What is <b>a; b</b>?";Two letters;x\n'
    cards, _ = read_text(tmp_path, "export.txt", text)
    assert [(card.lecture, card.question, card.reference) for card in cards] == [("W1", "What is a; b?", "Two letters")]


def test_an_export_with_all_headers_is_read(tmp_path: Path) -> None:
    text = (
        "#separator:tab\n#html:false\n#guid column:1\n#notetype column:2\n#deck column:3\n#tags column:6\n"
        "xyz1\tBasic\tCourse::W1\tWhat does <b> do?\tBold type, and <i> italic.\thtml easy\n"
        "xyz2\tCloze\tCourse::W2\t{{c1::Bees}} make honey.\t\t\n"
        "xyz3\tBasic (and reversed card)\tCourse::W2\tThe third letter\tDefine C\t\n"
    )
    cards, _ = read_text(tmp_path, "export.txt", text)
    assert [(card.lecture, card.question, card.reference) for card in cards] == [
        ("Course::W1", "What does <b> do?", "Bold type, and <i> italic."),
        ("Course::W2", "What belongs in the gap? ____ make honey.", "Bees"),
        ("Course::W2", "The third letter", "Define C"),
        ("Course::W2", "Define C", "The third letter"),
    ]


def test_a_reverse_is_optional_where_the_note_type_says_so(tmp_path: Path) -> None:
    text = (
        "#separator:tab\n#html:true\n#notetype column:1\n"
        "Basic (optional reversed card)\tThe third letter\tDefine C\ty\n"
        "Basic (optional reversed card)\tThe fourth letter\tDefine D\t\n"
    )
    assert [card.question for card in read_text(tmp_path, "export.txt", text)[0]] == [
        "The third letter", "Define C", "The fourth letter",
    ]  # fmt: skip


def test_gaps_in_ankis_list_of_cards_are_gaps(tmp_path: Path) -> None:
    text = (
        '#separator:tab\n#html:true\n"<span class=""cloze"" data-cloze=""Bees"" data-ordinal=""1"">[...]</span> make '
        'honey"\t"Bees make honey"\n"Bees make <span class=""cloze"" data-cloze=""honey"">[food]</span>"\t'
        '"Bees make honey"\n'
    )
    assert sides(read_text(tmp_path, "cards.txt", text)[0]) == [
        ("What belongs in the gap? ____ make honey", "Bees"),
        ("What belongs in the gap? Bees make ____ (food)", "honey"),
    ]


def test_the_header_that_names_the_columns_chooses_them(tmp_path: Path) -> None:
    text = "#separator:Comma\n#columns:Tags,Back,Front\n#deck:Week 3\nx,A tree,What is a forest of one?\n"
    cards, _ = read_text(tmp_path, "export.txt", text)
    assert [(card.lecture, card.question, card.reference) for card in cards] == [
        ("Week 3", "What is a forest of one?", "A tree")
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Frage;Antwort\nWas ist A?;Ein Buchstabe, der erste\n",
         "semicolon-separated, question from column 1 (Frage), reference from column 2 (Antwort)"),
        ('1,"Was ist A?","Ein Buchstabe, der erste"\n2,"Was ist B?","Ein anderer"\n',
         "comma-separated, question from column 2, reference from column 3"),
        ("Was ist A?|Ein Buchstabe, der erste\nWas ist B?|Ein anderer\n",
         "pipe-separated, question from column 1, reference from column 2"),
        ("Deck\tA\tQ\nW1\tEin Buchstabe, der erste\tWas ist A?\n",
         "tab-separated, question from column 3 (Q), reference from column 2 (A), lecture from column 1 (Deck)"),
    ],
)  # fmt: skip
def test_separator_and_columns_are_guessed_and_told(tmp_path: Path, text: str, told: str) -> None:
    cards, _ = read_text(tmp_path, "cards.csv", text)
    assert sides(cards)[0] == ("Was ist A?", "Ein Buchstabe, der erste")
    assert guess(tmp_path / "cards.csv") == [f"cards/cards.csv: {told}"]


@pytest.mark.parametrize("name", ["cards.csv", "cards.txt", "cards.tsv"])
@pytest.mark.parametrize(
    "columns",
    [
        Columns(question=3, reference=1, lecture=2, separator=";"),
        Columns(question="Seite B", reference="seite a", lecture="Woche", separator="semicolon"),
    ],
)
def test_a_person_says_which_columns_hold_the_cards(tmp_path: Path, name: str, columns: Columns) -> None:
    text = "Seite A;Woche;Seite B\nEine Zahl, zwei;1;Was ist 1 + 1?\n"
    cards, _ = read_text(tmp_path, name, text, columns)
    assert ("Was ist 1 + 1?", "Eine Zahl, zwei", "1") in [
        (card.question, card.reference, card.lecture) for card in cards
    ]


@pytest.mark.parametrize("wrong", ["Seite C", 4, 0])
def test_a_column_that_is_not_there_is_an_error_that_lists_those_that_are(tmp_path: Path, wrong: str | int) -> None:
    with pytest.raises(InputError, match=rf"cards\.csv: no column {wrong!r}. Its columns: Seite A, Seite B"):
        read_text(tmp_path, "cards.csv", "Seite A,Seite B\nWas ist A?,Ein Buchstabe\n", Columns(question=wrong))


@pytest.mark.parametrize(("encoding", "told"), [("utf-16", ""), ("utf-8-sig", ""), ("cp1252", ", windows-1252")])
def test_what_excel_saves_is_read(tmp_path: Path, encoding: str, told: str) -> None:
    path = tmp_path / "cards.csv"
    path.write_bytes("Frage;Antwort\r\nWas heißt „Größe“?;Maß\r\n".encode(encoding))
    assert sides(read(path)[0]) == [("Was heißt „Größe“?", "Maß")]
    assert guess(path)[0].startswith(f"cards/cards.csv: semicolon-separated{told}, question")


def test_cells_of_several_lines_are_one_cell_and_comments_none(tmp_path: Path) -> None:
    text = '# A comment, with a comma\n"What is\n\n# this?","One\ncell"\n#include what?,A header file\n'
    assert sides(read_text(tmp_path, "cards.csv", text)[0]) == [
        ("What is # this?", "One cell"), ("#include what?", "A header file"),
    ]  # fmt: skip


def test_a_stray_quote_spoils_no_other_row(tmp_path: Path) -> None:
    text = 'What is a "heap"?\t"Heap": a tree\n"What is a ""tree""?"\t"A graph"\nWhat is a leaf?\tAn "end\n'
    assert sides(read_text(tmp_path, "cards.tsv", text)[0]) == [
        ('What is a "heap"?', '"Heap": a tree'), ('What is a "tree"?', "A graph"), ("What is a leaf?", 'An "end'),
    ]  # fmt: skip


def test_a_cell_of_any_length_is_read(tmp_path: Path) -> None:
    text = f"What is long?\t{'word ' * 60000}\n"
    assert len(read_text(tmp_path, "cards.tsv", text)[0][0].reference) == 299_999


def test_rows_without_an_answer_are_dropped_with_the_reason(tmp_path: Path) -> None:
    text = "What is a?\tA letter\nWhat is b?\nWhat is c?\t\nWhat is d?\tHow?\n"
    assert reasons(read_text(tmp_path, "cards.tsv", text)[1]) == [
        "one column only: no answer beside the question", "no answer", "the answer is a question",
    ]  # fmt: skip


def test_type_parameters_are_no_tags(tmp_path: Path) -> None:
    text = "What is `<b>`?\tA tag, unlike Function<A, B>, List<T>, Map<S> and `Set<i>`.\n"
    assert sides(read_text(tmp_path, "cards.tsv", text)[0]) == [
        ("What is `<b>`?", "A tag, unlike Function<A, B>, List<T>, Map<S> and `Set<i>`.")
    ]


@pytest.mark.parametrize("name", ["cards.csv", "cards.tsv", "cards.txt", "cards.md", "cards.tex", "cards.json"])
def test_a_file_of_bytes_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x89PNG\0\0\0\rIHDR\xff\xfe")
    with pytest.raises(InputError, match=rf"{name}: not a text file, or damaged\. Save it"):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["cards.csv", "cards.tsv", "cards.txt"])
@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "#separator:tab\n", "Just one line of prose.\n"])
def test_tables_without_a_card_are_refused(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(InputError, match=rf"{name}: no flashcard found"):
        read_text(tmp_path, name, text)
