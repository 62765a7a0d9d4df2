import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pptx import Presentation
from pptx.oxml import parse_xml
from pptx.util import Pt

from edullama.lectures.drawingml import NS
from edullama.lectures.pages import Loss, UnreadableError
from edullama.lectures.pptx import count_slides, read_picture
from tests.lectures.decks import NAMESPACES, TITLE_AND_CONTENT, add_slide, add_text, add_xml, png, read, texts

OLE = bytes.fromhex("D0CF11E0A1B11AE1")


@pytest.fixture
def deck() -> Any:
    return Presentation()


def test_the_title_comes_first_then_rows_from_left_to_right(deck: Any, tmp_path: Path) -> None:
    slide = add_slide(deck, TITLE_AND_CONTENT)
    slide.placeholders[1].element.getparent().remove(slide.placeholders[1].element)
    add_text(slide.shapes, "right column", 400, 196)
    add_text(slide.shapes, "left column", 40, 204)
    add_text(slide.shapes, "below", 40, 300)
    add_text(slide.shapes, "above the title", 40, 5)
    slide.shapes.title.text = "Bäume"
    (page,) = read(deck, tmp_path / "a.pptx")
    assert texts(page) == ["Bäume", "above the title", "left column", "right column", "below"]
    assert (page.width, page.height, page.engine, page.problem) == (720, 540, "python-pptx", "")


def test_a_group_stays_together_and_its_shapes_stand_where_the_slide_shows_them(deck: Any, tmp_path: Path) -> None:
    slide = add_slide(deck)
    add_text(slide.shapes, "beside the group", 500, 140)
    group = slide.shapes.add_group_shape()
    add_text(group.shapes, "first", 0, 0)
    inner = group.shapes.add_group_shape()
    add_text(inner.shapes, "second", 0, 160)
    group.left, group.top, group.width, group.height = Pt(100), Pt(100), Pt(50), Pt(100)  # half of what it was
    (page,) = read(deck, tmp_path / "a.pptx")
    assert [(fragment.text, fragment.box) for fragment in page.fragments] == [
        ("first", (100, 100, 150, 120)), ("second", (100, 180, 150, 200)), ("beside the group", (500, 140, 600, 180)),
    ]  # fmt: skip


def test_a_table_is_written_as_markdown_and_a_merged_cell_once(deck: Any, tmp_path: Path) -> None:
    table = add_slide(deck).shapes.add_table(2, 3, Pt(40), Pt(50), Pt(300), Pt(60)).table
    for cell, text in zip(
        table.iter_cells(), ("Operator", "Zeichen", "", "oder", "a | b", "zwei\nZeilen"), strict=True
    ):
        cell.text = text
    table.cell(0, 1).merge(table.cell(0, 2))
    (page,) = read(deck, tmp_path / "a.pptx")
    (fragment,) = page.fragments
    assert (fragment.kind, fragment.box) == ("table", (40, 50, 340, 110))
    assert fragment.text == "| Operator | Zeichen |  |\n| --- | --- | --- |\n| oder | a \\| b | zwei Zeilen |"


def test_ligatures_are_taken_apart_and_counted(deck: Any, tmp_path: Path) -> None:
    add_text(add_slide(deck).shapes, "eﬃzient\uf0aa", 40, 40)
    (page,) = read(deck, tmp_path / "a.pptx")
    assert (texts(page), page.extracted, page.repaired, page.unreadable) == (["effizient"], 8, 2, 1)


def test_speaker_notes_are_a_note_at_the_foot(deck: Any, tmp_path: Path) -> None:
    slide = add_slide(deck)
    slide.notes_slide.notes_text_frame.text = "Zuerst fragen,\ndann erklären."
    add_text(slide.shapes, "Frage", 40, 40)
    (page,) = read(deck, tmp_path / "a.pptx")
    assert [(fragment.kind, fragment.text) for fragment in page.fragments] == [
        ("text", "Frage"), ("note", "Zuerst fragen,\ndann erklären."),
    ]  # fmt: skip
    assert page.fragments[1].box == (0, 540, 720, 540)


def test_hidden_slides_are_read_and_marked(deck: Any, tmp_path: Path) -> None:
    add_slide(deck)
    add_text(add_slide(deck).shapes, "Lösung", 40, 40)
    deck.slides[1].element.set("show", "0")
    pages = read(deck, tmp_path / "a.pptx")
    assert [(page.number, page.hidden, texts(page)) for page in pages] == [(1, False, []), (2, True, ["Lösung"])]


def test_date_foot_and_number_are_told_as_lost(deck: Any, tmp_path: Path) -> None:
    slide = add_slide(deck)
    for kind, text in (("dt", "1. Mai"), ("ftr", "Algorithmen I"), ("sldNum", "7")):
        properties = add_text(slide.shapes, text, 40, 500).element.nvSpPr.find("p:nvPr", NS)
        add_xml(properties, f'<p:ph type="{kind}" idx="99"/>')
    (page,) = read(deck, tmp_path / "a.pptx")
    box = (40, 500, 140, 540)
    assert page.fragments == ()
    assert page.lost == tuple(Loss(text, "running head or foot", box) for text in ("1. Mai", "Algorithmen I", "7"))


def test_a_picture_is_known_again_on_every_slide(deck: Any, tmp_path: Path) -> None:
    for colour in ("red", "blue", "red"):
        add_slide(deck).shapes.add_picture(png(colour), Pt(360), Pt(270), Pt(720), Pt(540))  # a quarter is on the slide
    first, second, third = (page.pictures[0] for page in read(deck, tmp_path / "a.pptx"))
    assert first == third
    assert first.image != second.image
    assert (first.what, first.width, first.height) == ("bitmap", 8, 4)
    assert (first.box, first.area) == ((360, 270, 1080, 810), 0.25)


def test_the_background_of_a_slide_is_a_picture_of_its_whole_page(deck: Any, tmp_path: Path) -> None:
    slide = add_slide(deck)
    _, relation = slide.part.get_or_add_image_part(png("red"))
    slide.background.fill.solid()
    properties = slide.element.find("p:cSld/p:bg/p:bgPr", NS)
    properties.remove(properties[0])
    properties.insert(0, parse_xml(f'<a:blipFill {NAMESPACES}><a:blip r:embed="{relation}"/></a:blipFill>'))
    (page,) = read(deck, tmp_path / "a.pptx")
    assert [(picture.box, picture.area) for picture in page.pictures] == [((0, 0, 720, 540), 1.0)]


def test_a_picture_is_given_as_png_on_white(deck: Any, tmp_path: Path) -> None:
    see_through = BytesIO()
    Image.new("RGBA", (2, 2), (0, 0, 0, 0)).save(see_through, "PNG")
    add_slide(deck).shapes.add_picture(see_through, 0, 0)
    (page,) = read(deck, tmp_path / "a.pptx")
    content = read_picture(tmp_path / "a.pptx", 1, page.pictures[0].image)
    assert content is not None
    with Image.open(BytesIO(content)) as image:
        assert (image.format, image.size, image.getpixel((0, 0))) == ("PNG", (2, 2), (255, 255, 255))


def test_a_metafile_has_a_size_and_no_png(deck: Any, tmp_path: Path) -> None:
    header = b"\xd7\xcd\xc6\x9a\x00\x00" + struct.pack("<4hH6x", 0, 0, 144, 72, 72) + b"\x01\x00\t\x00" + bytes(14)
    add_slide(deck).shapes.add_picture(BytesIO(header), 0, 0, Pt(144), Pt(72))
    (page,) = read(deck, tmp_path / "a.pptx")
    assert (page.pictures[0].width, page.pictures[0].height) == (144, 72)
    assert read_picture(tmp_path / "a.pptx", 1, page.pictures[0].image) is None


def test_a_damaged_slide_is_told_and_the_others_are_read(deck: Any, tmp_path: Path) -> None:
    for text in ("eins", "zwei", "drei"):
        add_text(add_slide(deck).shapes, text, 40, 40)
    deck.slides._sldIdLst[1].rId = "rId99"
    pages = read(deck, tmp_path / "a.pptx")
    assert [texts(page) for page in pages] == [["eins"], [], ["drei"]]
    assert (pages[1].number, pages[1].engine, pages[1].problem[:11]) == (2, "none", "python-pptx")


def test_slides_are_counted(deck: Any, tmp_path: Path) -> None:
    for _ in range(3):
        add_slide(deck)
    deck.save(str(tmp_path / "a.pptx"))
    assert count_slides(tmp_path / "a.pptx") == 3


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty"),
        (b"no deck at all\n" * 9, "not a PPTX"),
        (b"PK\x03\x04" + bytes(99), "not a PPTX"),
        (b"PK\x05\x06" + bytes(18), "not a PPTX that can be opened"),  # a ZIP file with nothing in it
        (OLE + bytes(99) + "EncryptedPackage".encode("utf-16-le"), "password-protected"),
        (OLE + bytes(99) + "PowerPoint Document".encode("utf-16-le"), "old PowerPoint format"),
    ],
)
def test_what_is_no_deck_is_told_plainly(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "a.pptx"
    path.write_bytes(content)
    with pytest.raises(UnreadableError, match=problem):
        count_slides(path)


def test_a_deck_without_slides_is_told_plainly(deck: Any, tmp_path: Path) -> None:
    deck.save(str(tmp_path / "a.pptx"))
    with pytest.raises(UnreadableError, match="no slides"):
        count_slides(tmp_path / "a.pptx")
