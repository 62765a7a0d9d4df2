"""Render the sample course: five lectures (the fourth as a scan) and the two Anki decks.

Run `python examples/render.py`. The same packages give the same bytes on every run.
"""

from __future__ import annotations

import io
import tempfile
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import genanki
import numpy as np
import typst
from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).parent
SOURCES = HERE / "sources"
LECTURES = HERE / "course" / "lectures"
CARDS = HERE / "course" / "cards"

SCANNED = "04-distillation"
ANKI_DECKS = {"01-text-from-pdfs": 1_700_000_001, "02-slides-to-dataset": 1_700_000_002}
MOMENT = datetime(2024, 10, 14, 8, 0, tzinfo=UTC)  # the date that every rendered file carries
SCAN_DPI = 160
JPEG_QUALITY = 42

INK, PAPER, LEAF, SAND, RUST = "#1f2933", "#ffffff", "#9fd0d8", "#e8edf2", "#d98b5f"


# Drawings


def letters(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the font that comes with Pillow, so that no font of the machine matters."""
    return ImageFont.load_default(size)


def draw_logo() -> Image.Image:
    """Draw the course's logo: a llama under a graduate's cap."""
    image = Image.new("RGB", (560, 560), PAPER)
    pen = ImageDraw.Draw(image)
    pen.polygon([(205, 560), (215, 240), (345, 240), (375, 560)], fill=INK)  # neck
    pen.ellipse((218, 40, 268, 230), fill=INK)  # left ear
    pen.ellipse((305, 40, 355, 230), fill=INK)  # right ear
    pen.rounded_rectangle((205, 165, 365, 345), 70, fill=INK)  # head
    pen.rounded_rectangle((105, 240, 300, 345), 48, fill=INK)  # muzzle
    pen.ellipse((228, 208, 262, 242), fill=PAPER)  # eye
    pen.ellipse((128, 262, 146, 280), fill=PAPER)  # nostril
    pen.line((112, 308, 200, 314), fill=PAPER, width=8)  # mouth
    pen.polygon([(90, 135), (287, 70), (484, 135), (287, 200)], fill=RUST)  # cap
    pen.line((470, 135, 470, 260), fill=RUST, width=12)  # cord
    pen.ellipse((450, 245, 490, 320), fill=RUST)  # tassel
    return image.resize((280, 280), Image.Resampling.LANCZOS)


def draw_page(pen: ImageDraw.ImageDraw, left: int, top: int, number: int, figure: bool) -> None:
    """Draw one small page with a logo in its corner and, if asked for, a figure in its middle."""
    pen.rectangle((left, top, left + 200, top + 150), fill=PAPER, outline=INK, width=3)
    pen.ellipse((left + 158, top + 10, left + 188, top + 40), fill=RUST)
    for line in range(2 if figure else 5):
        pen.line((left + 20, top + 34 + 20 * line, left + 130, top + 34 + 20 * line), fill=INK, width=4)
    if figure:
        pen.rectangle((left + 50, top + 76, left + 150, top + 126), fill=LEAF, outline=INK, width=3)
    pen.text((left + 168, top + 118), str(number), fill=INK, font=letters(22))


def draw_logo_rule() -> Image.Image:
    """Draw six pages that share a logo, of which one shows a figure."""
    image = Image.new("RGB", (760, 560), SAND)
    pen = ImageDraw.Draw(image)
    for index in range(6):
        draw_page(pen, 30 + 250 * (index % 3), 30 + 190 * (index // 3), index + 1, figure=index == 4)
    pen.ellipse((34, 424, 64, 454), fill=RUST)
    pen.text((84, 422), "seen on 6 of 6 pages: logo", fill=INK, font=letters(31))
    pen.rectangle((30, 486, 70, 512), fill=LEAF, outline=INK, width=3)
    pen.text((84, 482), "seen on 1 of 6 pages: figure", fill=INK, font=letters(31))
    return image


def draw_strip(pen: ImageDraw.ImageDraw, top: int) -> None:
    """Draw six entries of lecture A and four entries of lecture B as a strip of boxes."""
    for index, name in enumerate(("A1", "A2", "A3", "A4", "A5", "A6", "B1", "B2", "B3", "B4")):
        left = 30 + 92 * index
        pen.rectangle((left, top, left + 76, top + 80), fill=PAPER if name < "B" else LEAF, outline=INK, width=3)
        pen.text((left + 38, top + 40), name, fill=INK, font=letters(34), anchor="mm")


def draw_windows() -> Image.Image:
    """Draw two allowed windows of four entries, and a forbidden one that touches two lectures."""
    image = Image.new("RGB", (970, 600), SAND)
    pen = ImageDraw.Draw(image)
    pen.text((30, 24), "allowed: four entries of one lecture", fill=INK, font=letters(36))
    draw_strip(pen, 110)
    for left in (20, 572):
        pen.rounded_rectangle((left, 94, left + 372, 206), 18, outline="#0b5c6b", width=9)
    pen.text((30, 304), "forbidden: entries of two lectures", fill=INK, font=letters(36))
    draw_strip(pen, 390)
    pen.rounded_rectangle((388, 374, 760, 486), 18, outline="#8c1c2e", width=9)
    pen.line((524, 500, 624, 580), fill="#8c1c2e", width=14)
    pen.line((624, 500, 524, 580), fill="#8c1c2e", width=14)
    return image


def draw_gains() -> Image.Image:
    """Draw the gains of the own exam and of the control as bars, with what is left as knowledge."""
    image = Image.new("RGB", (860, 640), PAPER)
    pen = ImageDraw.Draw(image)
    bars = (("own exam", 0.53, LEAF), ("control", 0.27, SAND), ("knowledge", 0.26, RUST))
    pen.text((30, 14), "gain in nats per token", fill=INK, font=letters(36))
    for index, (name, gain, colour) in enumerate(bars):
        left, top = 60 + 265 * index, round(540 - gain * 780)
        pen.rectangle((left, top, left + 190, 540), fill=colour, outline=INK, width=3)
        pen.text((left + 58, top - 50), f"{gain:.2f}", fill=INK, font=letters(38))
        pen.text((left + 95, 582), name, fill=INK, font=letters(38), anchor="mm")
    pen.line((30, 540, 830, 540), fill=INK, width=4)
    return image


def draw_figures() -> None:
    """Save the bitmaps that the slides show."""
    drawings = {
        "logo": draw_logo(),
        "logo-rule": draw_logo_rule(),
        "windows": draw_windows(),
        "gains": draw_gains(),
    }
    for name, image in drawings.items():
        image.save(SOURCES / f"{name}.png", optimize=True)


# Lectures


def render_slides(source: Path) -> None:
    """Compile one Typst deck to a PDF, with the fonts that Typst brings along."""
    pdf = typst.compile(source, format="pdf", ignore_system_fonts=True, timestamp=int(MOMENT.timestamp()))
    (LECTURES / f"{source.stem}.pdf").write_bytes(pdf)


def scan(page: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Make a page look scanned: a little askew, a little grey, a little grainy."""
    angle = rng.uniform(0.3, 0.8) * rng.choice([-1, 1])
    askew = page.convert("L").rotate(angle, Image.Resampling.BICUBIC, fillcolor=255)
    grey = np.asarray(askew, dtype=np.float32) * (232 / 255) + 12
    grain = rng.normal(0, 2.5, grey.shape)
    return Image.fromarray((grey + grain).clip(0, 255).astype(np.uint8))


def render_scan(source: Path) -> None:
    """Compile one Typst deck to a PDF of scanned pages, which holds images and no text at all."""
    pngs = typst.compile(source, format="png", ppi=SCAN_DPI, ignore_system_fonts=True)
    pages = cast("list[bytes]", pngs)  # one for each page, although Typst's types promise only one
    rng = np.random.default_rng(4)
    first, *others = [scan(Image.open(io.BytesIO(page)), rng) for page in pages]
    moment = time.gmtime(MOMENT.timestamp())
    first.save(
        LECTURES / f"{source.stem}.pdf",
        save_all=True,
        append_images=others,
        resolution=SCAN_DPI,
        quality=JPEG_QUALITY,
        creationDate=moment,
        modDate=moment,
    )


def render_lectures() -> None:
    """Render every deck among the sources."""
    for source in sorted(SOURCES.glob("0*.typ")):
        if source.stem == SCANNED:
            render_scan(source)
        else:
            render_slides(source)


# Cards


def read_cards(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the front and the back of every card in a table of two columns."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            front, back = line.split("\t")
            yield front, back


def repack(package: Path, target: Path) -> None:
    """Copy a zip file without the times of day that its members carry."""
    with zipfile.ZipFile(package) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in sorted(old.namelist()):
            member = zipfile.ZipInfo(name, MOMENT.timetuple()[:6])
            member.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(member, old.read(name))


def render_anki(stem: str, deck_id: int) -> None:
    """Write one Anki deck from its table."""
    deck = genanki.Deck(deck_id, stem)
    for front, back in read_cards(SOURCES / f"{stem}.tsv"):
        deck.add_note(genanki.Note(genanki.BASIC_MODEL, [front, back], guid=genanki.guid_for(stem, front)))
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "deck.apkg"
        genanki.Package(deck).write_to_file(package, timestamp=MOMENT.timestamp())
        repack(package, CARDS / f"{stem}.apkg")


def render_cards() -> None:
    """Write every Anki deck; the other cards are kept in the form in which people write them."""
    for stem, deck_id in ANKI_DECKS.items():
        render_anki(stem, deck_id)


def main() -> None:
    """Render everything."""
    for folder in (LECTURES, CARDS):
        folder.mkdir(parents=True, exist_ok=True)
    draw_figures()
    render_lectures()
    render_cards()


if __name__ == "__main__":
    main()
