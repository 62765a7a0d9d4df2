from collections import Counter
from pathlib import Path

import genanki
import pytest

from edullama.dataset.card_text import plain_text
from edullama.errors import InputError
from edullama.records import Rejection
from tests.dataset.reading import read, read_text, reasons, sides


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


def test_files_without_cards_are_passed_over_with_a_note(tmp_path: Path) -> None:
    assert read_text(tmp_path, "README.md", "## What is this?\n\nDecks.\n") == (
        [], [Rejection("cards/README.md", "by its name no card file", "")],
    )  # fmt: skip


def test_a_card_file_without_any_card_is_refused_with_its_first_lines(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"week1\.tsv: no flashcard found \(read as tab-sep.*'What is a loss\? A number"
    ):
        read_text(tmp_path, "week1.tsv", "What is a loss? A number to make small.\n")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.tsv", "\n  First line\n"), ("a.csv", "First line\nof prose\n"), ("a.txt", "First line\nof prose\n"),
        ("a.txt", "First line\nQ: Welcome to it\nA: x\n"), ("a.md", "First line\n\nQ: Welcome to it\nA: x\n"),
        ("a.tex", "First line\n\\card{Welcome to it}{x}"), ("a.json", '["First line"]'), ("a.json", "First line"),
        ("a.jsonl", '{"first": "First line"}\n{"second": "Second"}'), ("a.ndjson", "First line\n"),
    ],
)  # fmt: skip
def test_the_first_lines_of_every_text_form_without_cards_are_shown(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(InputError, match=rf"{name}: .*It begins: '.*First line"):
        read_text(tmp_path, name, text)


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.txt", "a.json", "a.jsonl"])
def test_an_empty_card_file_is_refused_as_empty(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"It is empty\."):
        read_text(tmp_path, name, "\n \n")


def test_prose_among_the_cards_is_refused_with_its_first_lines(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no flashcard found.* It begins: '# On trees' / 'They have leaves\.'"):
        read_text(tmp_path, "notes.md", "# On trees\n\nThey have leaves.\n")


def test_reasons_why_a_note_is_no_card(tmp_path: Path) -> None:
    text = (
        "Welcome to the course\tHello\n<img src=a.png> What is shown?\tA cat\nWhat is a?\t<img src=a.png>\n"
        "What is b?\t<img src=b.png> which is\nWhat is c?\tTODO\nWhat is d?\tHow would you do it?\nd\tA letter\n"
        "What is kept?\tThis [sound:a.mp3]\n"
    )
    cards, dropped = read_text(tmp_path, "a.tsv", text)
    assert sides(cards) == [("What is kept?", "This")]
    assert reasons(dropped) == [
        "a welcome, not a question", "the question shows an image", "the answer is only an image or a sound",
        "the answer is mostly an image", "no answer", "the answer is a question", "the question has fewer than 2 words",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (r"Is \(\frac{1}{n}\sum_{i=1}^{n} x_i \leq \hat{\mu}\)?", "Is 1/n ∑_(i=1)^n x_i ≤ μ̂?"),
        (r"[$]\mathbf{A}^{-1}[/$], \[E = mc^2\] and $$a \neq b$$", "A^-1, E = mc^2 and a ≠ b"),
        ("<anki-mathjax>\\sqrt{x &lt; y}</anki-mathjax>", "√(x < y)"),
        (r"$O(n^2)$ costs $5, not $6; $x$ is free, $HOME is not", "O(n^2) costs $5, not $6; x is free, $HOME is not"),
        (r"`\(\alpha\)` and \(\alpha\)", r"`\(\alpha\)` and α"),
        (r"\(f(x) = \{x \mid x \in \mathbb{R}\}\)", "f(x) = {x | x ∈ R}"),
        ("2<sup>8</sup>, A<sub>i,j</sub>, H<sub>2</sub>O, the 1<sup>st</sup>", "2^8, A_(i,j), H2O, the 1st"),
        ('<img src="https://x.org/render/math?math=\\beta %2B 1"> is it', "β + 1 is it"),
        ("a<br>b<div>c</div><ul><li>d</li></ul>&nbsp;&amp;<style>p {}</style><!-- no -->", "a b c d &"),
        ("[anki:tts lang=en]spoken[/anki:tts]written<audio src=a.mp3></audio>", "written"),
        ("\ufb01nd A\u0308rger", "find Ärger"),
    ],
)
def test_fields_become_plain_text(field: str, text: str) -> None:
    assert plain_text(field) == text


@pytest.mark.parametrize(
    ("front", "question"),
    [
        ("What is a leaf? 👶", "What is a leaf?"), ("[Beginner] What is a leaf?", "What is a leaf?"),
        ("What is `ls`", "What is `ls`"), ("What is 90°", "What is 90°"),
        ("[Java] What is a leaf?", "[Java] What is a leaf?"),
    ],
)  # fmt: skip
def test_what_grades_a_question_is_no_part_of_it(tmp_path: Path, front: str, question: str) -> None:
    assert sides(read_text(tmp_path, "a.tsv", f"{front}\tAn end\n")[0]) == [(question, "An end")]


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("The {{c1::loss}} is made {{c2::small::how?}}.", [
            ("What belongs in the gap? The ____ is made small.", "loss"),
            ("What belongs in the gap? The loss is made ____ (how?).", "small")]),
        ("Die {{c1::Wurzel}} und das {{c1::Blatt}} sind Knoten.", [
            ("Was gehört in die Lücken? Die ____ und das ____ sind Knoten.", "Wurzel; Blatt")]),
        (r"The mean is \(= {{c1::\frac{1}{n}}}\sum x\) here", [
            ("What belongs in the gap? The mean is = ____∑ x here", "1/n")]),
        ("{{c1::All {{c2::leaves}} are}} nodes of trees", [
            ("What belongs in the gap? ____ nodes of trees", "All leaves are"),
            ("What belongs in the gap? All ____ are nodes of trees", "leaves")]),
        ("A set is {{c1,2::written}} as {{c2::{x}}} or {{c1::{y}}.", [
            ("What belongs in the gaps? A set is ____ as {x} or ____.", "written; {y"),
            ("What belongs in the gaps? A set is ____ as ____ or {y.", "written; {x}")]),
    ],
)  # fmt: skip
def test_each_gap_of_a_cloze_is_a_question(tmp_path: Path, text: str, asked: list[tuple[str, str]]) -> None:
    assert sides(read_text(tmp_path, "a.tsv", f"{text}\tExtra\n")[0]) == asked


def test_a_gap_with_nothing_beside_it_is_no_question(tmp_path: Path) -> None:
    text = "{{c1::Everything}}: yes\t\nA {{c1::tree}} has leaves\t\n"
    assert reasons(read_text(tmp_path, "a.tsv", text)[1]) == ["nothing stands beside the gap"]


@pytest.mark.parametrize("name", ["LICENSE.txt", "readme.txt", ".DS_Store", "._cards.apkg", "Thumbs.db"])
def test_what_by_its_name_is_no_card_file_is_passed_over(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\0\1\2")
    assert reasons(read(tmp_path / name)[1]) == ["by its name no card file"]


def test_a_spreadsheet_is_passed_over_with_advice(tmp_path: Path) -> None:
    (tmp_path / "cards.xlsx").write_bytes(b"PK")
    (tmp_path / "cards.png").write_bytes(b"PNG")
    assert reasons(read(tmp_path / "cards.xlsx")[1]) == ["a spreadsheet: save it as CSV"]
    assert reasons(read(tmp_path / "cards.png")[1]) == ["not a card file we read"]


def test_questions_without_spaces_are_questions(tmp_path: Path) -> None:
    assert sides(read_text(tmp_path, "a.tsv", "什么是树？\t一种图\n")[0]) == [("什么是树？", "一种图")]


@pytest.mark.parametrize(
    ("course", "files", "kept", "dropped"),
    [
        ("dl_schutera_en", 5, 187, {
            "a welcome, not a question": 2, "the answer is only an image or a sound": 6,
            "the answer is mostly an image": 2, "the question is only an image or a sound": 2,
            "the question shows an image": 6, "the reversed side is no question": 29,
        }),
        ("prog2_hsbi_de", 12, 349, {"one column only: no answer beside the question": 8}),
        ("sl_lmu_en", 2, 222, {"no answer": 14}),
    ],
)  # fmt: skip
def test_real_cards_are_read(data: Path, course: str, files: int, kept: int, dropped: dict[str, int]) -> None:
    paths = [path for path in sorted((data / course / "qa").iterdir()) if path.suffix not in (".pdf", ".db")]
    read_files = [read(path) for path in paths if path.name != "README.md"]
    assert len(read_files) == files
    assert sum(len(cards) for cards, _ in read_files) == kept
    assert Counter(drop.reason for _, rejected in read_files for drop in rejected) == dropped
