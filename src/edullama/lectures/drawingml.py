"""What the XML of slides says: text, formulas on one line, the look of paragraphs, charts and diagrams."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pptx.oxml import parse_xml
from pptx.parts.slide import NotesSlidePart

from edullama.lectures.characters import repair

NS = {
    "a": "http://schemas.openxmlformats.org/drawingml/2006/main",
    "c": "http://schemas.openxmlformats.org/drawingml/2006/chart",
    "dgm": "http://schemas.openxmlformats.org/drawingml/2006/diagram",
    "m": "http://schemas.openxmlformats.org/officeDocument/2006/math",
    "mc": "http://schemas.openxmlformats.org/markup-compatibility/2006",
    "p": "http://schemas.openxmlformats.org/presentationml/2006/main",
    "r": "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
}
TITLES = "title", "ctrTitle"
FEET = "dt", "ftr", "sldNum"
MONOSPACED = re.compile(r"courier|consol|menlo|monaco|mono(?!type)|typewriter|\bcode\b", re.IGNORECASE)
DEFAULT_SIZE = "1800"  # of letters, in hundredths of a point
SYMBOL_PLACE = 0xF000  # where Unicode's private area has the characters of symbol fonts
BULLETS = {"buNone": "", "buChar": "• ", "buBlip": "• ", "buAutoNum": "{}. "}
SIGNS = {"den": "/", "sup": "^", "sub": "_", "lim": "_", "rad": "√"}  # before parts of a formula written on one line
GROUPED = "num", "deg", *SIGNS
SPACED = "eqArr", "func", "m", "mr"  # formulas whose parts stand apart
Styles = Sequence[Any]  # elements that tell the look of a paragraph, nearest first


def tag(name: str) -> str:
    """Return the full name of an element, as in "a:t"."""
    prefix, _, local = name.partition(":")
    return f"{{{NS[prefix]}}}{local}"


def settle_alternatives(root: Any) -> None:
    """Where the XML says something in two ways, leave the one that is read.

    A fallback is what any program understands; that of a formula is only a picture of it.
    """
    for alternatives in list(root.iter(tag("mc:AlternateContent"))):
        choice, fallback = (alternatives.find(f"mc:{name}", NS) for name in ("Choice", "Fallback"))
        is_formula = choice is not None and choice.find(".//m:oMath", NS) is not None
        for element in list(choice if is_formula or fallback is None else fallback):
            alternatives.addprevious(element)
        alternatives.getparent().remove(alternatives)


def list_texts(root: Any) -> list[str]:
    """Return the pieces of text under an element."""
    return [text.text or "" for text in root.iter(tag("a:t"), tag("m:t"))]


def spell(node: Any, add: Callable[[str], str]) -> str:
    """Return the text of a paragraph or of a part of it; signs that only its form shows are put in through `add`."""
    space, _, name = node.tag[1:].rpartition("}")
    if name in ("t", "br"):
        return "\n" if name == "br" else node.text or ""
    parts = [spell(child, add) for child in node.iterchildren("*")]
    if space == NS["m"]:
        return _spell_formula(node, name, (" " if name in SPACED else "").join(filter(None, parts)), add)
    text = "".join(parts)
    return "".join(chr(SYMBOL_PLACE + ord(c)) if "!" <= c <= "ÿ" else c for c in text) if _is_symbol(node) else text


def _spell_formula(node: Any, name: str, text: str, add: Callable[[str], str]) -> str:
    if name == "d":
        return add(_sign(node, "begChr", "(")) + text + add(_sign(node, "endChr", ")"))
    if name == "acc":
        return text + add(_sign(node, "chr", "\u0302"))
    if name == "nary":
        return add(_sign(node, "chr", "∫")) + text
    if name == "e" and node.getparent().tag == tag("m:nary"):
        return " " + text
    if name in GROUPED and len(text) > 1:
        text = add("(") + text + add(")")
    return add(SIGNS[name]) + text if text and name in SIGNS else text


def _sign(node: Any, name: str, usual: str) -> str:
    """Return a sign that a formula gives as a property."""
    sign = node.find(f"*/m:{name}", NS)
    return usual if sign is None else str(sign.get(tag("m:val"), ""))


def _is_symbol(run: Any) -> bool:
    """Say whether a run is set in Wingdings; the arrow that PowerPoint puts in for "->" is such a run by itself."""
    latin, symbol = (run.find(f"a:rPr/a:{name}", NS) for name in ("latin", "sym"))
    single = len("".join(list_texts(run)).strip()) == 1  # what follows the arrow may keep its second font
    fonts = (latin, symbol) if single else (latin,)
    return any(font is not None and str(font.get("typeface")).startswith("Wingdings") for font in fonts)


def is_formula(paragraph: Any) -> bool:
    """Say whether a paragraph is nothing but a formula."""
    words = "".join(text.text or "" for text in paragraph.iter(tag("a:t")))
    return paragraph.find(".//m:oMath", NS) is not None and not words.strip()


def placeholder(shape: Any) -> str:
    """Say what a shape is a placeholder for; "": it is none."""
    holder = shape.element.find("p:nvSpPr/p:nvPr/p:ph", NS)
    return "" if holder is None else str(holder.get("type", "obj"))


def find_styles(shape: Any, paragraph: Any) -> Styles:
    """Return what tells the look of a paragraph: itself, its shape, what that inherits from, the master, the deck."""
    level, masters = f"a:lvl{_level(paragraph) + 1}pPr", _list_master_styles(shape.part, placeholder(shape))
    found = [paragraph.find("a:pPr", NS)]
    while shape is not None:
        found.append(shape.element.find(f"p:txBody/a:lstStyle/{level}", NS))
        shape = getattr(shape, "_base_placeholder", None)
    found += [style.find(level, NS) for style in masters if style is not None]
    return [element for element in found if element is not None]


def _list_master_styles(part: Any, kind: str) -> list[Any]:
    if isinstance(part, NotesSlidePart):
        return [part.notes_master.element.find("p:notesStyle", NS)]
    style = "titleStyle" if kind in TITLES else "otherStyle" if kind in ("", *FEET) else "bodyStyle"
    deck = part.package.presentation_part.presentation.element.find("p:defaultTextStyle", NS)
    return [part.slide_layout.slide_master.element.find(f"p:txStyles/p:{style}", NS), deck]


def indent(paragraph: Any) -> str:
    """Return the space before a paragraph, two for a level."""
    return "  " * _level(paragraph)


def _level(paragraph: Any) -> int:
    properties = paragraph.find("a:pPr", NS)
    return 0 if properties is None else int(properties.get("lvl", 0))


def find_bullets(paragraphs: Sequence[tuple[Any, Styles]]) -> list[str]:
    """Return what stands before each paragraph: a bullet, its number, or nothing."""
    marks: list[str] = []
    counts: dict[int, int] = {}
    for paragraph, styles in paragraphs:
        level, (name, start) = _level(paragraph), _find_bullet(styles)
        counts = {deep: count for deep, count in counts.items() if deep < level + (name == "buAutoNum")}
        if name == "buAutoNum":
            counts[level] = counts.get(level, start - 1) + 1
        marks.append(BULLETS[name].format(counts.get(level)))
    return marks


def _find_bullet(styles: Styles) -> tuple[str, int]:
    for style in styles:
        for element in style.iterchildren(*(tag(f"a:{name}") for name in BULLETS)):
            return element.tag.rpartition("}")[2], int(element.get("startAt", 1))
    return "buNone", 1


def is_code(paragraphs: Sequence[tuple[Any, Styles]]) -> bool:
    """Say whether all letters are of a font whose letters have the same width."""
    fonts = [_find_font(properties) for _, properties in _runs(paragraphs)]
    return bool(fonts) and all(MONOSPACED.search(font) for font in fonts)


def common_size(paragraphs: Sequence[tuple[Any, Styles]]) -> float:
    """Return the size that most letters have, in points."""
    sizes: Counter[str] = Counter()
    for text, properties in _runs(paragraphs):
        sizes[next((element.get("sz") for element in properties if element.get("sz")), DEFAULT_SIZE)] += len(text)
    return max(((count, int(size) / 100) for size, count in sizes.items()), default=(0, int(DEFAULT_SIZE) / 100))[1]


def _runs(paragraphs: Sequence[tuple[Any, Styles]]) -> Iterator[tuple[str, list[Any]]]:
    """Yield the runs that show text, each with what tells its font, nearest first."""
    for paragraph, styles in paragraphs:
        for run in paragraph.iterchildren(tag("a:r"), tag("a:fld")):
            text = "".join(list_texts(run)).strip()
            found = [run.find("a:rPr", NS), *(style.find("a:defRPr", NS) for style in styles)]
            if text:
                yield text, [properties for properties in found if properties is not None]


def _find_font(properties: Sequence[Any]) -> str:
    fonts = (element.find("a:latin", NS) for element in properties)
    return next((str(font.get("typeface", "")) for font in fonts if font is not None), "")


def list_chart(chart: Any) -> list[str]:
    """Return a chart's titles, then the names of its series and categories, each once."""
    titles = ["".join(list_texts(title)) for title in chart.iter(tag("c:title"))]
    names = [name.text or "" for path in ("c:tx", "c:cat") for part in chart.iterfind(f".//c:ser/{path}", NS)
             for name in part.iter(tag("c:v"))]  # fmt: skip
    return [text for text in dict.fromkeys(titles + names) if text.strip()]


def list_diagram(diagram: Any) -> list[str]:
    """Return the texts of a SmartArt diagram, each indented under the one it belongs to."""
    texts = {point.get("modelId"): " ".join("".join(list_texts(p)) for p in point.iterfind("dgm:t/a:p", NS))
             for point in diagram.iterfind("dgm:ptLst/dgm:pt", NS)}  # fmt: skip
    children = defaultdict(list)
    for link in sorted(diagram.iterfind("dgm:cxnLst/dgm:cxn", NS), key=lambda link: int(link.get("srcOrd", 0))):
        if link.get("type", "parOf") == "parOf":
            children[link.get("srcId")].append(link.get("destId"))
    roots = [point.get("modelId") for point in diagram.iterfind("dgm:ptLst/dgm:pt[@type='doc']", NS)]
    ordered = [line for root in roots for line in _descend(root, children)]
    lines = ["  " * depth + texts.pop(point, "") for point, depth in ordered]
    return [line for line in (*lines, *texts.values()) if line.strip()]


def _descend(point: str, children: dict[str, list[str]], depth: int = 0) -> Iterator[tuple[str, int]]:
    for child in children.pop(point, []):
        yield child, depth
        yield from _descend(child, children, depth + 1)


def is_empty(paragraph: Any) -> bool:
    """Say whether a paragraph shows nothing."""
    return not repair("".join(list_texts(paragraph))).strip()


def find_figure(part: Any, frame: Any) -> tuple[Any | None, Any | None]:
    """Return the roots of the chart and of the diagram that a frame shows."""
    shown = (("c:chart", "r:id"), ("dgm:relIds", "r:dm"))
    elements = [(frame.find(f"a:graphic/a:graphicData/{name}", NS), tag(key)) for name, key in shown]
    blobs = [None if element is None else _find_blob(part, element.get(key)) for element, key in elements]
    chart, diagram = (None if blob is None else parse_xml(blob) for blob in blobs)
    return chart, diagram


def find_images(part: Any, element: Any) -> Iterator[bytes]:
    """Yield the images that fill an element; bullets that are images do not."""
    for fill in element.iter(tag("p:blipFill"), tag("a:blipFill")):
        image = fill.find("a:blip", NS)
        blob = None if image is None else _find_blob(part, image.get(tag("r:embed")))
        if blob is not None:
            yield blob


def _find_blob(part: Any, relation: str) -> bytes | None:
    """Return what a slide refers to, or None where the deck does not hold it."""
    target = part.rels.get(relation)
    return None if target is None or target.is_external else bytes(target.target_part.blob)
