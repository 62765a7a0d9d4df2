from pathlib import Path
from typing import Any

import pytest
from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.opc.package import Part
from pptx.opc.packuri import PackURI
from pptx.util import Pt

from edullama.lectures.drawingml import NS
from tests.lectures.decks import NAMESPACES, TITLE_AND_CONTENT, add_slide, add_text, add_xml, png, read, texts

SUM = '<m:naryPr><m:chr m:val="∑"/></m:naryPr>'


@pytest.fixture
def deck() -> Any:
    return Presentation()


def test_bullets_numbers_and_levels_are_written_as_shown(deck: Any, tmp_path: Path) -> None:
    slide = add_slide(deck, TITLE_AND_CONTENT)
    frame = slide.placeholders[1].text_frame
    frame.text = "Bäume\nBinärbaum\n\nGraphen\nerstens\nzweitens\nohne Punkt"
    frame.paragraphs[1].level = 1
    for number in (4, 5):
        add_xml(frame.paragraphs[number]._p.get_or_add_pPr(), '<a:buAutoNum type="arabicPeriod"/>')
    add_xml(frame.paragraphs[6]._p.get_or_add_pPr(), "<a:buNone/>")
    (page,) = read(deck, tmp_path / "a.pptx")
    assert texts(page) == ["• Bäume\n  • Binärbaum\n• Graphen\n1. erstens\n2. zweitens\nohne Punkt"]
    assert (page.fragments[0].kind, page.fragments[0].size, page.repaired) == ("text", 32, 7)


def test_a_text_box_has_no_bullets_and_a_line_break_is_a_new_line(deck: Any, tmp_path: Path) -> None:
    add_text(add_slide(deck).shapes, "Graph\vG = (V, E)\nmit Kanten", 40, 40)
    (page,) = read(deck, tmp_path / "a.pptx")
    assert texts(page) == ["Graph\nG = (V, E)\nmit Kanten"]


def test_code_keeps_its_leading_spaces(deck: Any, tmp_path: Path) -> None:
    box = add_text(add_slide(deck).shapes, "for x in xs:\n\n    print(x)", 40, 40)
    for paragraph in box.text_frame.paragraphs:
        paragraph.font.name = "Consolas"
        for run in paragraph.runs:
            run.font.name, run.font.size = "Courier New", Pt(14)
    (page,) = read(deck, tmp_path / "a.pptx")
    (fragment,) = page.fragments
    assert (fragment.kind, fragment.size, fragment.text) == ("code", 14, "for x in xs:\n\n    print(x)")


def maths(formula: str) -> str:
    return f"<m:oMath>{formula}</m:oMath>"


def part(name: str, *inside: str) -> str:
    """Write a part of a formula: what is in it is text or further parts."""
    written = "".join(item if item.startswith("<") else f"<m:r><m:t>{item}</m:t></m:r>" for item in inside)
    return f"<m:{name}>{written}</m:{name}>"


@pytest.mark.parametrize(
    ("formula", "line"),
    [
        (part("e", "𝑓") + part("d", part("e", "𝑥")), "f(x)"),
        (part("f", part("num", "a+b"), part("den", "2")), "(a+b)/2"),
        (part("sSubSup", part("e", "x"), part("sub", "i"), part("sup", "n+1")), "x_i^(n+1)"),
        (part("rad", part("deg"), part("e", "2")), "√2"),
        (part("nary", SUM, part("sub", "i=1"), part("sup", "n"), part("e", "i")), "∑_(i=1)^n i"),
        (part("func", part("fName", "log"), part("e", "n")), "log n"),
        (part("acc", part("e", "x")), "x\u0302"),
    ],
)
def test_a_formula_is_written_on_one_line_and_its_picture_is_left_out(
    deck: Any, tmp_path: Path, formula: str, line: str
) -> None:
    slide = add_slide(deck)
    shape = add_text(slide.shapes, "", 40, 40).element
    add_xml(shape.txBody.p_lst[0], maths(formula))
    add_xml(slide.shapes._spTree, "<mc:AlternateContent><mc:Choice/><mc:Fallback/></mc:AlternateContent>")
    alternatives = slide.shapes._spTree[-1]
    alternatives[0].append(shape)
    alternatives[1].append(slide.shapes.add_picture(png("red"), 0, 0)._element)
    (page,) = read(deck, tmp_path / "a.pptx")
    assert [(fragment.kind, fragment.text) for fragment in page.fragments] == [("formula", line)]
    assert page.pictures == ()


def test_a_formula_between_words_is_part_of_the_text(deck: Any, tmp_path: Path) -> None:
    paragraph = add_text(add_slide(deck).shapes, "Es gilt ", 40, 40).text_frame.paragraphs[0]
    add_xml(paragraph._p, maths(part("sSup", part("e", "x"), part("sup", "2"))))
    paragraph.add_run().text = " ≥ 0."
    (page,) = read(deck, tmp_path / "a.pptx")
    assert [(fragment.kind, fragment.text) for fragment in page.fragments] == [("text", "Es gilt x^2 ≥ 0.")]


def test_the_arrow_that_powerpoint_sets_in_wingdings_is_an_arrow(deck: Any, tmp_path: Path) -> None:
    paragraph = add_text(add_slide(deck).shapes, "a ", 40, 40).text_frame.paragraphs[0]
    for text in ("à", " déjà vu"):  # the words behind it keep the second font and do not use it
        run = paragraph.add_run()
        run.text = text
        add_xml(run._r.get_or_add_rPr(), '<a:sym typeface="Wingdings"/>')
    (page,) = read(deck, tmp_path / "a.pptx")
    assert texts(page) == ["a → déjà vu"]


def test_a_chart_is_read_by_its_titles_series_and_categories(deck: Any, tmp_path: Path) -> None:
    data = CategoryChartData()
    data.categories = ["2023", "2024"]
    data.add_series("Übungen", (1, 2))
    data.add_series("Klausur", (3, 4))
    frame = add_slide(deck).shapes.add_chart(XL_CHART_TYPE.LINE, Pt(0), Pt(0), Pt(200), Pt(200), data)
    frame.chart.has_title = True
    frame.chart.chart_title.text_frame.text = "Punkte"
    (page,) = read(deck, tmp_path / "a.pptx")
    assert [(fragment.kind, fragment.text) for fragment in page.fragments] == [
        ("figure", "Punkte\nÜbungen\nKlausur\n2023\n2024")
    ]


def test_smartart_is_read_from_its_data_in_the_order_of_its_tree(deck: Any, tmp_path: Path) -> None:
    slide = add_slide(deck)
    points = "".join(
        f'<dgm:pt modelId="{id}"><dgm:t><a:p><a:r><a:t>{text}</a:t></a:r></a:p></dgm:t></dgm:pt>'
        for id, text in ((3, "Test"), (2, "Bau"), (4, "Entwurf"))
    )
    links = "".join(
        f'<dgm:cxn modelId="9{to}" srcId="{source}" destId="{to}" srcOrd="{order}"/>'
        for source, to, order in ((1, 2, 1), (1, 4, 0), (2, 3, 0))
    )
    model = (
        f'<dgm:dataModel {NAMESPACES}><dgm:ptLst><dgm:pt modelId="1" type="doc"/>{points}</dgm:ptLst>'
        f"<dgm:cxnLst>{links}</dgm:cxnLst></dgm:dataModel>"
    )
    part = Part(PackURI("/ppt/diagrams/data1.xml"), "application/xml", deck.part.package, model.encode())
    relation = slide.part.relate_to(part, f"{NS['r']}/diagramData")
    frame = slide.shapes.add_table(1, 1, Pt(10), Pt(10), Pt(100), Pt(100)).element
    frame.graphic.graphicData.remove(frame.graphic.graphicData.tbl)
    frame.graphic.graphicData.set("uri", NS["dgm"])
    add_xml(frame.graphic.graphicData, f'<dgm:relIds r:dm="{relation}"/>')
    (page,) = read(deck, tmp_path / "a.pptx")
    assert [(fragment.kind, fragment.text) for fragment in page.fragments] == [("figure", "Entwurf\nBau\n  Test")]
