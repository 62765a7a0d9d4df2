"""Where the ingest stage asks other programs: each is asked once, and what it does not answer stays as it was."""

import os
import random
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pymupdf
import pytest
from PIL import Image
from pptx import Presentation

from edullama.errors import EndpointError
from edullama.recipe import Endpoint, Ingest, LectureCleaning
from tests.endpoint.test_client import chat, serve
from tests.lectures.decks import add_slide, add_text, add_xml
from tests.test_ingest_inputs import TEXT_LAYER, failures, read, run, texts, write_pages

mupdf: Any = pymupdf  # its functions have no types
DESCRIBED = Ingest(describe="endpoint", describer="model", ocr="never")
TRANSLATED = replace(TEXT_LAYER, translate_to="en", translator="model")
NUMBERED = re.compile(r"^\[(\d+)\] (.*)$", re.MULTILINE)
ENGLISH = {
    "Der Stapel": "The stack",
    "Der Stapel gibt in 2 Schritten das letzte Element zurück": "The stack returns the last element in 2 steps",
    "Die Schlange": "The queue",
    "Die Schlange gibt nach 15 Minuten das erste Element her": "The queue gives its first element after 15 minutes",
}
CODE = "int tiefe = stapel.size();"


def endpoint(url: str) -> dict[str, Endpoint]:
    return {"model": Endpoint(base_url=url, model="m", concurrency=1)}


def draw_figure(seed: int, mode: str = "RGB") -> bytes:
    """Return a picture that looks like no other."""
    file = BytesIO()
    Image.frombytes("L", (12, 9), random.Random(seed).randbytes(108)).convert(mode).resize((360, 270)).save(file, "PNG")
    return file.getvalue()


def write_figures(path: Path, figures: Mapping[str, int]) -> None:
    """Write a PDF with a page for each title, which shows the figure of that number."""
    write_pages(path, *([title, f"What {title.casefold()} are for"] for title in figures))
    with mupdf.open(path) as document:
        for page, seed in zip(document, figures.values(), strict=True):
            page.insert_image((120, 130, 280, 250), stream=draw_figure(seed))
        document.saveIncr()


class Model:
    """A server's behaviour: answers every prompt alike, and keeps what it was asked."""

    def __init__(self, answer: Callable[[str], str | None]) -> None:
        self.answer, self.asked = answer, list[str]()

    def __call__(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        content = request["messages"][-1]["content"]
        self.asked.append(content if isinstance(content, str) else content[0]["text"])
        said = self.answer(self.asked[-1])
        return (400, {"error": {"message": "overloaded"}}) if said is None else chat(said)


def translate(prompt: str) -> str:
    return "\n".join([*(f"[{number}] {ENGLISH[text]}" for number, text in NUMBERED.findall(prompt)), "[end]"])


def write_german(root: Path) -> None:
    stack, said, queue, more = ENGLISH
    write_pages(
        root / "lectures/a.pdf", (stack, said, CODE), ("The heap", "The heap returns what is smallest"), (queue, more)
    )


def test_each_figure_is_described_once_with_what_stands_on_its_slide(tmp_path: Path) -> None:
    write_figures(tmp_path / "lectures/a.pdf", {"Trees": 1, "Graphs": 2})
    write_figures(tmp_path / "lectures/b.pdf", {"Trees again": 1})
    model = Model(lambda _: "A root with two leaves below it.")
    with serve(model) as url:
        manifest = run(tmp_path, DESCRIBED, endpoint=endpoint(url))
    assert model.asked == [
        f"Title of the slide: {title}\n\nText on the slide:\n{title}\nWhat {title.casefold()} are for\n\n"
        "Describe the figure in English, or answer NOTHING."
        for title in ("Trees", "Graphs")
    ]
    described = [slide["blocks"][-1] for slide in read(tmp_path, "slides.jsonl")]
    assert [(block["text"], block["kind"], block["method"]) for block in described] == [
        ("A root with two leaves below it.", "figure", "vision")
    ] * 3
    assert (manifest.counts["mixed"], manifest.counts["unaccounted"]) == (3, 0)


def test_decoration_gets_no_words_and_what_a_person_struck_is_not_shown(tmp_path: Path) -> None:
    write_figures(tmp_path / "lectures/a.pdf", {"Trees": 1, "Graphs": 2})
    run(tmp_path)
    listed = tmp_path / "1-ingest/images.csv"
    rows = [row.replace(",yes,yes", ",yes,no") if ",figure,1," in row else row for row in listed.open()]
    listed.write_text("".join(rows))
    model = Model(lambda _: "NOTHING")
    with serve(model) as url:
        run(tmp_path, DESCRIBED, endpoint=endpoint(url))
    assert [prompt.splitlines()[0] for prompt in model.asked] == ["Title of the slide: Graphs"]
    assert texts(tmp_path) == {"a": ["Trees\nWhat trees are for", "Graphs\nWhat graphs are for"]}


def test_a_lecture_without_descriptions_gets_none_though_another_shows_its_figure(tmp_path: Path) -> None:
    write_figures(tmp_path / "lectures/a.pdf", {"Trees": 1})
    write_figures(tmp_path / "lectures/b.pdf", {"Trees again": 1})
    settings = replace(DESCRIBED, lecture={"b": LectureCleaning(describe="none")})
    with serve(Model(lambda _: "A root with two leaves below it.")) as url:
        run(tmp_path, settings, endpoint=endpoint(url))
    assert texts(tmp_path)["b"] == ["Trees again\nWhat trees again are for"]


def test_formulas_are_put_in_words_with_the_formula_kept_beside(tmp_path: Path) -> None:
    write_pages(tmp_path / "lectures/a.pdf", ("Triangles", "Their sides fit together", "a^2 + b^2 = c^2"))
    model = Model(lambda _: "The squares of two sides add up to that of the third.")
    with serve(model) as url:
        manifest = run(tmp_path, replace(TEXT_LAYER, formulas="describe", describer="model"), endpoint=endpoint(url))
    assert len(model.asked) == 1
    assert "Title of the slide: Triangles" in model.asked[0] and "about: a^2 + b^2 = c^2" in model.asked[0]
    block = read(tmp_path, "slides.jsonl")[0]["blocks"][2]
    assert (block["text"], block["original"]) == (model.answer(""), "a^2 + b^2 = c^2")
    assert (block["kind"], block["method"], manifest.counts["unaccounted"]) == ("formula", "vision", 0)


def test_formulas_of_a_pptx_can_be_put_in_words(tmp_path: Path) -> None:
    deck = Presentation()
    box = add_text(add_slide(deck).shapes, "", 40, 40)
    add_xml(box.text_frame.paragraphs[0]._p, "<m:oMath><m:r><m:t>a=b</m:t></m:r></m:oMath>")
    (tmp_path / "lectures").mkdir()
    deck.save(str(tmp_path / "lectures/a.pptx"))
    settings = replace(TEXT_LAYER, formulas="describe", describer="model")
    with serve(Model(lambda _: "Two quantities are the same.")) as url:
        run(tmp_path, settings, endpoint=endpoint(url))
    assert texts(tmp_path)["a"][0] in ("a=b", "Two quantities are the same.")


def test_slides_are_translated_with_numbers_and_code_and_the_original_beside(tmp_path: Path) -> None:
    write_german(tmp_path)
    model = Model(translate)
    with serve(model) as url:
        manifest = run(tmp_path, TRANSLATED, endpoint=endpoint(url))
    stack, said, queue, more = ENGLISH.items()
    first, english, last = read(tmp_path, "slides.jsonl")
    assert [(block["original"], block["text"]) for block in first["blocks"]] == [stack, said, ("", CODE)]
    assert [(block["original"], block["text"]) for block in last["blocks"]] == [queue, more]
    assert [block["method"] for block in first["blocks"]] == ["translated", "translated", "text"]
    assert [block["original"] for block in english["blocks"]] == ["", ""]
    assert (first["title"], first["language"]) == ("The stack", "en")
    assert len(model.asked) == 2  # one slide at a time, the English one never
    assert "4 blocks translated into 'en', 0 left as they were" in manifest.notes
    text = (tmp_path / "1-ingest/text/a.txt").read_text()
    assert text.startswith(f"--- page 1 ---\nThe stack\nThe stack returns the last element in 2 steps\n{CODE}\n")


def test_a_translation_that_fails_leaves_its_blocks_flagged_and_counted(tmp_path: Path) -> None:
    write_german(tmp_path)
    with serve(Model(lambda prompt: translate(prompt) if "Stapel" in prompt else None)) as url:
        manifest = run(tmp_path, TRANSLATED, endpoint=endpoint(url))
    queue, more = list(ENGLISH)[2:]
    assert texts(tmp_path)["a"][2] == f"{queue}\n{more}"
    left = read(tmp_path, "untranslated.jsonl")
    assert [(item["id"], item["text"]) for item in left] == [("a:3", queue), ("a:3", more)]
    assert all("overloaded" in item["reason"] for item in left)
    assert "2 blocks translated into 'en', 2 left as they were" in manifest.notes


def test_without_a_translator_slides_stay_and_the_setting_is_named(tmp_path: Path) -> None:
    write_german(tmp_path)
    manifest = run(tmp_path, replace(TEXT_LAYER, translate_to="en"))
    assert texts(tmp_path)["a"][0] == "\n".join([*list(ENGLISH)[:2], CODE])
    assert "2 slides are not in 'en' and stay as they are: name a translator" in manifest.notes


def test_a_describer_that_fails_later_leaves_slides_as_they_are(tmp_path: Path) -> None:
    write_figures(tmp_path / "lectures/a.pdf", {"Trees": 1, "Graphs": 2})
    with serve(Model(lambda prompt: "A tree." if "Trees" in prompt else None)) as url:
        manifest = run(tmp_path, DESCRIBED, endpoint=endpoint(url))
    assert texts(tmp_path) == {"a": ["Trees\nWhat trees are for\nA tree.", "Graphs\nWhat graphs are for"]}
    assert manifest.counts["mixed"] == 1


def test_figures_that_nobody_described_are_told_and_counted(tmp_path: Path) -> None:
    write_figures(tmp_path / "lectures/a.pdf", {"Trees": 1, "Graphs": 2})
    with serve(Model(lambda prompt: "A tree." if "Trees" in prompt else None)) as url:
        manifest = run(tmp_path, DESCRIBED, endpoint=endpoint(url))
    told = [*manifest.notes, *(problem for _, _, problem in failures(tmp_path))]
    assert any("overloaded" in line or "1 figure" in line for line in told)


def test_an_endpoint_that_is_down_ends_the_run_with_advice_and_loses_nothing(tmp_path: Path) -> None:
    write_figures(tmp_path / "lectures/a.pdf", {"Trees": 1})
    run(tmp_path)
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound and not listening: nobody else can answer there
        url = f"http://127.0.0.1:{held.getsockname()[1]}/v1"
        with pytest.raises(EndpointError, match=r"no server answers there\. .*'endpoint\.model\.base_url'"):
            run(tmp_path, DESCRIBED, endpoint=endpoint(url))
    assert texts(tmp_path) == {"a": ["Trees\nWhat trees are for"]}
    with serve(Model(lambda _: "A tree.")) as url:
        run(tmp_path, DESCRIBED, endpoint=endpoint(url))
    assert texts(tmp_path) == {"a": ["Trees\nWhat trees are for\nA tree."]}


@pytest.fixture
def tesseract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with a line for each picture that Tesseract is given from now on; it fails while `broken` lies beside."""
    folder = tmp_path / "bin"
    folder.mkdir()
    calls = folder / "calls"
    calls.touch()
    script = folder / "tesseract"
    script.write_text(
        f'#!/bin/sh\ncase "$*" in *tsv*) echo read >> {calls}; test -e {folder}/broken && exit 1;; esac\n'
        f'exec {shutil.which("tesseract")} "$@"\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return calls


def write_scan(path: Path) -> None:
    """Write a PDF with a page that is a picture of its words."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with mupdf.open() as picture, mupdf.open() as document:
        picture.new_page(width=400, height=300).insert_text((40, 150), "Attention is all you need", fontsize=24)
        image = picture[0].get_pixmap(dpi=150).tobytes("png")
        document.new_page(width=400, height=300).insert_image((0, 0, 400, 300), stream=image)
        document.save(path)


def test_other_rules_of_cleaning_call_neither_tesseract_nor_the_endpoint_again(tmp_path: Path, tesseract: Path) -> None:
    write_scan(tmp_path / "lectures/scan.pdf")
    write_figures(tmp_path / "lectures/a.pdf", {"Trees": 1, "Graphs": 2})
    write_pages(tmp_path / "lectures/code.pdf", ("Stacks", "They have a size", CODE))
    model, settings = Model(lambda _: "A root with two leaves."), replace(DESCRIBED, ocr="auto")
    with serve(model) as url:
        run(tmp_path, settings, endpoint=endpoint(url))
        calls, asked = tesseract.read_text(), len(model.asked)
        assert calls.startswith("read\n") and asked == 2
        for changed in (
            replace(settings, code="drop", formulas="drop", drop=("title", "section")),
            replace(settings, overlays=False, drop=(), code="tag", workers=1),
            replace(settings, lecture={"scan": LectureCleaning(overlays=False)}),
        ):
            run(tmp_path, changed, endpoint=endpoint(url))
        (tmp_path / "lectures/scan.pdf").rename(tmp_path / "lectures/renamed.pdf")
        run(tmp_path, settings, endpoint=endpoint(url))
    assert (tesseract.read_text(), len(model.asked)) == (calls, asked)
    assert texts(tmp_path)["renamed"] == ["Attention is all you need"]


def test_marking_code_pays_for_no_translation_again(tmp_path: Path) -> None:
    write_german(tmp_path)
    model = Model(translate)
    with serve(model) as url:
        run(tmp_path, TRANSLATED, endpoint=endpoint(url))
        asked = len(model.asked)
        run(tmp_path, replace(TRANSLATED, code="tag"), endpoint=endpoint(url))
    assert len(model.asked) == asked


def test_a_page_that_ocr_failed_on_is_tried_again(tmp_path: Path, tesseract: Path) -> None:
    write_scan(tmp_path / "lectures/scan.pdf")
    broken = tesseract.with_name("broken")
    broken.touch()
    run(tmp_path, Ingest())
    assert [(file, page) for file, page, _ in failures(tmp_path)] == [("lectures/scan.pdf", 1)]
    broken.unlink()
    run(tmp_path, Ingest())
    assert texts(tmp_path)["scan"] == ["Attention is all you need"]


FIGURES, KILLED_AT = 36, 34


def test_a_run_killed_while_it_pays_for_answers_goes_on_with_those_it_has(tmp_path: Path) -> None:
    write_figures(tmp_path / "lectures/a.pdf", {f"Topic {number}": number for number in range(FIGURES)})
    reached = threading.Event()
    model = Model(lambda _: "A picture of squares.")

    def answer(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if len(model.asked) == KILLED_AT:
            reached.set()
        return model(request)

    with serve(answer) as url:
        recipe = f'[endpoint.model]\nbase_url = "{url}"\nmodel = "m"\nconcurrency = 1\n'
        recipe += '[ingest]\nocr = "never"\ndescribe = "endpoint"\ndescriber = "model"\n'
        (tmp_path / "course.toml").write_text(recipe)
        process = subprocess.Popen([sys.executable, "-m", "edullama", "ingest", str(tmp_path)])
        assert reached.wait(timeout=60)
        process.kill()
        process.wait()
        assert not (tmp_path / "1-ingest/manifest.json").exists()
        before = set(model.asked)
        model.asked.clear()
        run(tmp_path, DESCRIBED, endpoint=endpoint(url))
    assert len(before) >= KILLED_AT
    assert 0 < len(model.asked) < FIGURES // 2
    assert len(before | set(model.asked)) == FIGURES
    assert all(text.endswith("\nA picture of squares.") for text in texts(tmp_path)["a"])
