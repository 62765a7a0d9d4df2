import sqlite3
import zipfile
from pathlib import Path

import genanki
import pytest
import zstandard

from edullama.errors import InputError
from tests.dataset.reading import read, reasons, sides

DUMMY = "Please update to the latest Anki version, then import the .colpkg/.apkg file again."


def pack(path: Path, model: genanki.Model, *notes: list[str]) -> Path:
    deck = genanki.Deck(1, "Deck")
    for fields in notes:
        deck.add_note(genanki.Note(model=model, fields=fields))
    genanki.Package(deck).write_to_file(path)
    return path


def message(*fields: tuple[int, str | int]) -> bytes:
    """Write short texts and small numbers as protocol buffers do."""
    parts = []
    for number, value in fields:
        if isinstance(value, int):
            parts.append(bytes([number << 3, value]))
        else:
            text = value.encode()
            parts.append(bytes([number << 3 | 2, len(text) & 0x7F | 0x80, len(text) >> 7]) + text)
    return b"".join(parts)


def write_new_collection(path: Path) -> bytes:
    """Write a collection with the tables that Anki has had since 2.1.28."""
    with sqlite3.connect(path) as db:
        db.create_collation("unicase", lambda one, other: (one > other) - (one < other))
        db.executescript("""
            create table col (id integer primary key, models text, decks text);
            insert into col values (1, '', '');
            create table notetypes (id integer primary key, name text not null collate unicase, config blob);
            create table fields (ntid integer, ord integer, name text not null collate unicase, config blob,
                                 primary key (ntid, ord)) without rowid;
            create table templates (ntid integer, ord integer, name text not null collate unicase, config blob,
                                    primary key (ntid, ord)) without rowid;
            create table decks (id integer primary key, name text not null collate unicase);
            create unique index idx_decks_name on decks (name);
            create table notes (id integer primary key, mid integer, flds text);
            create table cards (id integer primary key, nid integer, did integer, ord integer, odid integer);
        """)
        db.executemany("insert into notetypes values (?, ?, ?)", [
            (1, "Capitals", message((3, ".card {}"))), (2, "Cloze", message((1, 1), (3, ".cloze {}"))),
        ])  # fmt: skip
        db.executemany("insert into fields values (?, ?, ?, x'')",
                       [(1, 1, "City"), (1, 0, "Country"), (2, 0, "Text"), (2, 1, "Back Extra")])  # fmt: skip
        db.executemany("insert into templates values (?, ?, ?, ?)", [
            (1, 0, "", message((1, "What is the capital of {{Country}}?"), (2, "{{FrontSide}}<hr id=answer>{{City}}"))),
            (2, 0, "", message((1, "{{cloze:Text}}"), (2, "{{cloze:Text}}<br>{{Back Extra}}"))),
        ])  # fmt: skip
        db.executemany(
            "insert into decks values (?, ?)", [(1, "Course\x1fWeek 1"), (2, "Course\x1fWeek 2"), (3, "Cram")]
        )
        db.executemany("insert into notes values (?, ?, ?)", [
            (11, 1, "France\x1fParis"), (12, 2, "{{c1::Bees}} make {{c2::honey::food}}.\x1fAn extra"),
        ])  # fmt: skip
        db.executemany("insert into cards values (?, ?, ?, ?, ?)",
                       [(21, 11, 1, 0, 0), (22, 12, 3, 0, 2), (23, 12, 3, 1, 2)])  # fmt: skip
        db.execute("pragma journal_mode = wal")
    db.close()
    return path.read_bytes()


@pytest.mark.parametrize("name", ["new.apkg", "whole.colpkg"])
def test_the_newest_packages_are_read_and_not_the_dummy_beside_them(tmp_path: Path, name: str) -> None:
    collection = write_new_collection(tmp_path / "collection")
    pack(tmp_path / "dummy.apkg", genanki.BASIC_MODEL, [DUMMY, ""])
    with zipfile.ZipFile(tmp_path / "dummy.apkg") as dummy, zipfile.ZipFile(tmp_path / name, "w") as archive:
        archive.writestr("meta", b"\x08\x03")
        archive.writestr("collection.anki2", dummy.read("collection.anki2"))
        archive.writestr("collection.anki21b", zstandard.compress(collection))
    cards, dropped = read(tmp_path / name)
    assert [(card.question, card.reference, card.lecture) for card in cards] == [
        ("What is the capital of France?", "Paris", "Course::Week 1"),
        ("What belongs in the gap? ____ make honey.", "Bees", "Course::Week 2"),
        ("What belongs in the gap? Bees make ____ (food).", "honey", "Course::Week 2"),
    ]
    assert dropped == []


def test_a_stream_without_its_length_is_decompressed(tmp_path: Path) -> None:
    collection = write_new_collection(tmp_path / "collection")
    writer = zstandard.ZstdCompressor().compressobj()
    with zipfile.ZipFile(tmp_path / "new.apkg", "w") as archive:
        archive.writestr("collection.anki21b", writer.compress(collection) + writer.flush())
    assert len(read(tmp_path / "new.apkg")[0]) == 3


def test_anki21_is_preferred_to_the_older_form_beside_it(tmp_path: Path) -> None:
    pack(tmp_path / "old.apkg", genanki.BASIC_MODEL, ["What is old?", "This."])
    pack(tmp_path / "newer.apkg", genanki.BASIC_MODEL, ["What is newer?", "This."])
    with zipfile.ZipFile(tmp_path / "old.apkg") as old, zipfile.ZipFile(tmp_path / "newer.apkg") as newer:
        with zipfile.ZipFile(tmp_path / "both.apkg", "w") as both:
            both.writestr("collection.anki2", old.read("collection.anki2"))
            both.writestr("collection.anki21", newer.read("collection.anki2"))
        (tmp_path / "collection.anki2").write_bytes(old.read("collection.anki2"))
    assert sides(read(tmp_path / "both.apkg")[0]) == [("What is newer?", "This.")]
    assert sides(read(tmp_path / "collection.anki2")[0]) == [("What is old?", "This.")]


def test_a_reversed_card_is_kept_only_where_it_asks(tmp_path: Path) -> None:
    path = pack(
        tmp_path / "two.apkg", genanki.BASIC_AND_REVERSED_CARD_MODEL,
        ["What is entropy?", "The mean surprise"], ["Overfitting", "What is it called when noise is learnt?"],
    )  # fmt: skip
    cards, dropped = read(path)
    assert sides(cards) == [
        ("What is entropy?", "The mean surprise"), ("What is it called when noise is learnt?", "Overfitting"),
    ]  # fmt: skip
    assert [(drop.reason, drop.text) for drop in dropped] == [
        ("the reversed side is no question", "The mean surprise"),
        ("the question has fewer than 2 words", "Overfitting"),
    ]


def test_a_reverse_that_was_not_asked_for_makes_no_card(tmp_path: Path) -> None:
    path = pack(
        tmp_path / "maybe.apkg", genanki.BASIC_OPTIONAL_REVERSED_CARD_MODEL,
        ["Loss function", "Define what is made small", ""], ["Gain function", "Define what is made large", "y"],
    )  # fmt: skip
    assert [card.question for card in read(path)[0]] == [
        "Loss function", "Gain function", "Define what is made large",
    ]  # fmt: skip


def test_an_answer_to_type_is_no_part_of_the_question(tmp_path: Path) -> None:
    path = pack(tmp_path / "type.apkg", genanki.BASIC_TYPE_IN_THE_ANSWER_MODEL, ["Who is it?", "Ada"])
    assert sides(read(path)[0]) == [("Who is it?", "Ada")]


def test_the_note_type_says_what_is_asked_and_what_answers(tmp_path: Path) -> None:
    fields = [{"name": name} for name in ("Id", "Term", "Meaning", "Example")]
    model = genanki.Model(7, "Own", fields=fields, templates=[{
        "name": "Card",
        "qfmt": "<script>tick()</script>{{#Term}}Define {{Term}}{{/Term}}{{^Term}}none{{/Term}} {{hint:Example}}",
        "afmt": "{{FrontSide}}<hr id='answer'>{{Meaning}}{{#Example}} ({{text:Example}}){{/Example}} {{Tags}}",
    }])  # fmt: skip
    path = pack(tmp_path / "own.apkg", model, ["1", "a leaf", "A node without children.", ""], ["2", "a", "b", "c"])
    assert sides(read(path)[0]) == [("Define a leaf", "A node without children."), ("Define a", "b (c)")]


def test_covered_images_are_no_questions(tmp_path: Path) -> None:
    path = pack(
        tmp_path / "image.apkg", genanki.CLOZE_MODEL,
        ["{{c1::image-occlusion:rect:left=.1:top=.2}}", ""], ["{{c1::Bees}} make honey", ""],
    )  # fmt: skip
    assert reasons(read(path)[1]) == ["an image with covered parts, not a question"]


def test_a_package_whose_notes_are_all_dropped_says_why(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.apkg", genanki.BASIC_MODEL, ["Welcome to the course", "Hello"])
    with pytest.raises(InputError, match="Its 1 notes were dropped; the first: a welcome, not a question"):
        read(path)


def test_a_package_without_notes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no flashcard found.*There is no note in it"):
        read(pack(tmp_path / "empty.apkg", genanki.BASIC_MODEL))


@pytest.mark.parametrize("name", ["collection.anki21b", "collection.anki21", "collection.anki2", "media"])
@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0", b"SQLite format 3\0" + b"\1" * 5000])
def test_damaged_packages_are_refused_with_advice(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / "bad.apkg"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, zstandard.compress(content) if name.endswith("b") else content)
    with pytest.raises(InputError, match=r"bad\.apkg: .*Export the deck from Anki again"):
        read(path)


def test_no_cut_and_no_flipped_byte_gets_past_the_reader(tmp_path: Path) -> None:
    collection = write_new_collection(tmp_path / "collection")
    with zipfile.ZipFile(tmp_path / "whole.apkg", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("collection.anki21b", zstandard.compress(collection))
    whole, path = (tmp_path / "whole.apkg").read_bytes(), tmp_path / "bad.apkg"
    wounds = [whole[:size] for size in range(0, len(whole), 97)]
    wounds += [whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :] for place in range(0, len(whole), 29)]
    for wound in wounds:
        path.write_bytes(wound)
        try:
            cards, _ = read(path)
        except InputError as error:
            assert "bad.apkg" in str(error)
        else:
            assert len(cards) == 3


def test_no_flipped_byte_of_a_collection_gets_past_the_reader(tmp_path: Path) -> None:
    whole = write_new_collection(tmp_path / "collection")
    path = tmp_path / "bad.anki21"
    for place in range(0, len(whole), 113):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            read(path)
        except InputError as error:
            assert "bad.anki21" in str(error)
