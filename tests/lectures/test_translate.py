"""Translation: what is sent, what is accepted, what stays as it was and why."""

import io
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edullama.errors import InputError
from edullama.lectures.translate import (
    Term,
    offline_engine,
    read_glossary,
    translate_offline,
    translate_slides,
    write_glossary,
)
from edullama.records import Block, BlockKind, Prompt, Rejection, Reply, Slide

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor

SIZES = {"layers": 1, "attention_heads": 2, "ffn_dim": 128}  # of a tiny translator
NUMBERED = re.compile(r"^\[(\d+)\] (.*(?:\n(?!\[|\n).*)*)", re.MULTILINE)
STACK = "Der Stapel gibt das letzte Element zuerst zurück"
STACK_EN = "The stack returns the last element first"


def block(text: str, language: str = "de", kind: BlockKind = "text") -> Block:
    return Block(text, "text", 7, (0, 0, 100, 20), kind, language)


def slide(*blocks: Block, title: str = "", lecture: str = "stapel", page: int = 7) -> Slide:
    return Slide(lecture, (page,), title, blocks, "de", "content", "text: 99 letters")


class Translator:
    """Answers a prompt's numbered blocks, and its words, from lists; one list after the other where a text has more."""

    def __init__(self, texts: Mapping[str, str | Sequence[str]], terms: str = "") -> None:
        self.texts = {source: [said] if isinstance(said, str) else list(said) for source, said in texts.items()}
        self.terms, self.prompts, self.term_prompts = terms, list[Prompt](), list[Prompt]()

    def __call__(self, prompts: Sequence[Prompt]) -> list[Reply]:
        return [self._answer(prompt) for prompt in prompts]

    def _answer(self, prompt: Prompt) -> Reply:
        if prompt.system.startswith("These words"):
            self.term_prompts.append(prompt)
            return Reply(self.terms)
        self.prompts.append(prompt)
        found = [f"[{number}] {self._say(text)}" for number, text in NUMBERED.findall(prompt.text)]
        return Reply("\n".join([*found, "[end]"]))

    def _say(self, text: str) -> str:
        said = self.texts[text]
        return said.pop(0) if len(said) > 1 else said[0]


def translated(text: str, *said: str) -> tuple[str, list[str]]:
    """Return the block after a translator has said this of it, and the reasons why it stayed."""
    result = translate_slides([slide(block(text))], Translator({text: said}))
    return result.slides[0].blocks[0].text, [left.reason for left in result.left]


def test_what_is_german_is_translated_and_keeps_its_source() -> None:
    before = slide(block("Ein Stapel"), block(STACK), title="Ein Stapel")
    result = translate_slides([before], Translator({"Ein Stapel": "A stack", STACK: STACK_EN}))
    (after,) = result.slides
    assert after.blocks[1] == Block(STACK_EN, "translated", 7, (0, 0, 100, 20), "text", "en", STACK)
    assert (after.title, after.blocks[0].text, after.language) == ("A stack", "A stack", "en")
    assert (after.lecture, after.pages, after.kind, after.reason) == ("stapel", (7,), "content", "text: 99 letters")
    assert (result.left, result.blocks) == ([], 2)


def test_english_code_formulas_and_what_is_too_short_to_tell_stay() -> None:
    kept = (
        block("A stack is a list", "en"),
        block("Stapel", ""),
        block("int tiefe = stapel.size(); // wie tief er ist", kind="code"),
        block("Summe = a + b", kind="formula"),
        block("NullPointerException, `pop()`, https://example.org/stapel"),
    )
    result = translate_slides([slide(*kept)], Translator({}))
    assert (result.slides, result.left, result.blocks) == ([slide(*kept)], [], 0)


def test_a_title_that_no_block_says_is_translated_by_itself() -> None:
    translator = Translator({"Stapel und Schlangen": "Stacks and queues", STACK: STACK_EN})
    result = translate_slides([slide(block(STACK), title="Stapel und Schlangen")], translator)
    assert (result.slides[0].title, result.slides[0].text) == ("Stacks and queues", STACK_EN)


def test_a_title_over_two_lines_is_one_line_in_both_languages() -> None:
    before = slide(block("Stapel und\nSchlangen"), title="Stapel und Schlangen")
    result = translate_slides([before], Translator({"Stapel und\nSchlangen": "Stacks and\nqueues"}))
    assert (result.slides[0].title, result.slides[0].text) == ("Stacks and queues", "Stacks and\nqueues")


def test_what_is_translated_is_not_translated_again() -> None:
    once = translate_slides([slide(block(STACK))], Translator({STACK: STACK_EN})).slides
    assert translate_slides(once, Translator({})).slides == once


def test_the_prompt_shows_the_whole_slide_and_numbers_what_is_to_be_translated() -> None:
    blocks = (
        block("Der Stapel"),
        block("pop(); // [1] holt\n[2]", kind="code"),
        block("Er wächst mit `push`\nnach oben"),
    )
    replies = {"Der Stapel": "The stack", "Er wächst mit ⟦1⟧\nnach oben": "It grows upwards\nwith ⟦1⟧"}
    translator = Translator(replies)
    result = translate_slides([slide(*blocks, title="Der Stapel")], translator, [Term("Stapel", "stack")])
    assert result.slides[0].blocks[2].text == "It grows upwards\nwith `push`"
    assert [prompt.text for prompt in translator.prompts] == [
        "Lecture: stapel\nSlide: Der Stapel\n\n"
        "Terms:\nStapel = stack\n\n"
        "[1] Der Stapel\n[-] pop(); // [1] holt\n(2) \n[2] Er wächst mit ⟦1⟧\nnach oben"
    ]
    assert "into English" in translator.prompts[0].system


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("Rufe `pop` auf", "Rufe ⟦1⟧ auf"),
        ("Die Methode push_back(x) ruft resize() auf", "Die Methode ⟦1⟧ ruft ⟦2⟧ auf"),
        ("java.util.List, std::vector<int> und tryLock", "⟦1⟧, ⟦2⟧ und ⟦3⟧"),
        ("Eine IOException trotz @Test(timeout = 5)", "Eine ⟦1⟧ trotz ⟦2⟧"),
        ("In README.md und MAX_SIZE", "In ⟦1⟧ und ⟦2⟧"),
        ("Einfügen in O(n log n), Zugriff in O(1)", "Einfügen in ⟦1⟧, Zugriff in ⟦2⟧"),
        ("Es gilt f(n) = 2n + 1 für alle n ≤ 10.", "Es gilt ⟦1⟧ für alle ⟦2⟧."),
        ("Ist λ groß, wächst $x^2$", "Ist ⟦1⟧ groß, wächst ⟦2⟧"),
        ("Siehe https://example.org/a?b=1, Fragen an a.b@example.org.", "Siehe ⟦1⟧, Fragen an ⟦2⟧."),
        ("[1] Ein Buch", "⟦1⟧ Ein Buch"),
        ("In C++ und C# steht ⟦1⟧", "In ⟦1⟧ und ⟦2⟧ steht ⟦3⟧"),
        ("Die Klasse(n), d.h. z.B. alle StudentInnen und/oder GutachterInnen", None),
        ("Checked = erwartbare Fehler, 5 % von 20 €", None),
        ("a) n-te E-Mail an den U-Bahn-Chef", None),
    ],
)
def test_code_links_and_formulas_are_hidden_from_the_translator(text: str, sent: str | None) -> None:
    sent = sent or text
    translator = Translator({sent: f"{sent}, indeed"})
    result = translate_slides([slide(block(text))], translator)
    assert NUMBERED.findall(translator.prompts[0].text) == [("1", sent)]
    assert result.slides[0].text == f"{text}, indeed"


def test_placeholders_may_change_places() -> None:
    text = "Mit ⟦1⟧ wird ⟦2⟧ aufgerufen"
    translator = Translator({text: "⟦2⟧ is called by ⟦1⟧"})
    result = translate_slides([slide(block("Mit `run` wird `main` aufgerufen"))], translator)
    assert result.slides[0].text == "`main` is called by `run`"


def test_numbers_may_change_their_signs_and_nothing_else() -> None:
    assert translated("Rund 1.250.000 Zeilen in 3,5 Sekunden", "About 1,250,000 lines in 3.5 seconds")[1] == []
    assert translated("Rund 1.250.000 Zeilen in 3,5 Sekunden", "About 1,250,000 lines in 35 seconds")[1] == [
        "its numbers are ['1250000', '35'] and must be ['1250000', '3.5']"
    ]


@pytest.mark.parametrize(
    ("text", "said", "reason"),
    [
        ("Der Baum hat zwei Kinder", "The tree has 2 children", "its numbers are ['2'] and must be []"),
        ("• Der Baum\n• Die Liste", "• The tree and the list", "its lines and bullets are not those of the source"),
        ("• Der Baum\n• Die Liste", "The tree\n• The list", "its lines and bullets are not those of the source"),
        ("Der Baum wächst", "der Baum  wächst", "it is the same as the source"),
        ("Der Baum wächst", "The tree grows. " * 6, "it is far longer than the source"),
        ("Ein Baum ist ein Graph ohne Kreise", "A tree", "it is far shorter than the source"),
        (
            "Der Baum wächst",
            "",
            "the reply gives no text for it, or more than one, or broke off before [end]",
        ),
    ],
)
def test_a_block_that_fails_twice_stays_and_says_why(text: str, said: str, reason: str) -> None:
    before = slide(block(text), block("Die Blätter sind außen"))
    result = translate_slides([before], Translator({text: said, "Die Blätter sind außen": "The leaves are outside"}))
    assert result.slides[0].blocks[0] == before.blocks[0]
    assert result.slides[0].blocks[1].text == "The leaves are outside"
    assert result.left == [Rejection("stapel:7", reason, text)]
    assert result.blocks == 1


@pytest.mark.parametrize("said", ["The method runs", "The method ⟦1⟧⟦1⟧ runs", "The method ⟦2⟧ runs ⟦1⟧"])
def test_a_placeholder_that_is_lost_doubled_or_made_up_is_noticed(said: str) -> None:
    result = translate_slides([slide(block("Die Methode `run` läuft"))], Translator({"Die Methode ⟦1⟧ läuft": said}))
    assert result.slides[0].text == "Die Methode `run` läuft"
    assert result.left[0].reason.startswith("each placeholder must stand there once; wrong: ⟦")


def test_a_block_that_fails_is_asked_for_again_by_itself_with_the_complaint() -> None:
    replies = {STACK: STACK_EN, "Er hat 5 Elemente": ["It has five elements", "It has 5 elements"]}
    translator = Translator(replies)
    result = translate_slides([slide(block(STACK), block("Er hat 5 Elemente"))], translator)
    assert (result.slides[0].text, result.left) == (f"{STACK_EN}\nIt has 5 elements", [])
    assert translator.prompts[1].text == (
        f"Lecture: stapel\nSlide: \n\n[-] {STACK}\n[1] Er hat 5 Elemente\n\n"
        "An earlier translation of [1] was not accepted: its numbers are [] and must be ['5']."
    )


def test_a_name_may_stay_as_it_is() -> None:
    assert translated("Donald Knuth", "Donald Knuth") == ("Donald Knuth", [])


def test_no_reply_is_a_reason_and_no_cause_to_ask_again() -> None:
    asked: list[Prompt] = []

    def broken(prompts: Sequence[Prompt]) -> list[Reply]:
        asked.extend(prompts)
        return [Reply(None, "the server refused the key")] * len(prompts)

    result = translate_slides([slide(block(STACK), block("Er wächst"))], broken)
    assert [left.reason for left in result.left] == ["the server refused the key"] * 2
    assert (result.slides, len(asked)) == ([slide(block(STACK), block("Er wächst"))], 1)


def test_the_last_block_of_a_reply_that_broke_off_is_not_trusted() -> None:
    def breaks_off(prompts: Sequence[Prompt]) -> list[Reply]:
        return [Reply(f"[1] {STACK_EN}\n[2] It grows up" if "[2]" in prompt.text else "[1] It") for prompt in prompts]

    result = translate_slides([slide(block(STACK), block("Er wächst nach oben"))], breaks_off)
    assert result.slides[0].text == f"{STACK_EN}\nEr wächst nach oben"


def test_a_reply_that_translates_a_block_in_two_ways_is_not_understood() -> None:
    result = translate_slides([slide(block(STACK))], lambda prompts: [Reply("[1] A\n[1] B\n[end]") for _ in prompts])
    assert result.left[0].reason.startswith("the reply gives no text for it, or more than one")


COURSE = [
    slide(block("Hier sieht man die Vererbung von Klassen"), page=1),
    slide(block("Wegen der Vererbung gilt das auch für Ihnen bekannte Klassen"), page=2),
    slide(block("Vererbung ist eine Beziehung der Klassen"), block("class Vererbung {}", kind="code"), page=3),
    slide(block("Die Beziehung ist eine andere"), page=4),
]
COURSE_EN = {
    "Hier sieht man die Vererbung von Klassen": "Here we see inheritance of classes",
    "Wegen der Vererbung gilt das auch für Ihnen bekannte Klassen": "By inheritance this holds for known classes",
    "Vererbung ist eine Beziehung der Klassen": "Heredity is a relation of classes",
    "Die Beziehung ist eine andere": "The relation is another one",
}


def test_the_same_slides_give_the_same_prompts() -> None:
    once, again = Translator(COURSE_EN), Translator(COURSE_EN)
    translate_slides(COURSE, once)
    translate_slides(COURSE, again)
    assert once.term_prompts + once.prompts == again.term_prompts + again.prompts
    assert len(once.prompts) == 4


def test_words_of_three_slides_are_asked_for_once_and_given_where_they_occur() -> None:
    translator = Translator(COURSE_EN, terms="Vererbung = inheritance\nKlassen = classes\nBeziehung = relation")
    result = translate_slides(COURSE, translator)
    assert [prompt.text for prompt in translator.term_prompts] == ["Lectures: stapel\n\nKlassen\nVererbung"]
    assert result.glossary == [Term("Klassen", "classes"), Term("Vererbung", "inheritance")]
    assert "Terms:\nKlassen = classes\nVererbung = inheritance\n\n" in translator.prompts[0].text
    assert "Terms:" not in translator.prompts[3].text


def test_a_translation_other_than_the_agreed_one_is_counted() -> None:
    result = translate_slides(COURSE, Translator(COURSE_EN, terms="Vererbung = inheritance\nKlassen = classes"))
    assert (result.departures, result.left) == ({"Vererbung": 1}, [])


def test_the_glossary_of_a_person_wins_and_is_not_asked_about() -> None:
    glossary = [Term("Vererbung", "heredity"), Term("Klassen", "", "no"), Term("Blatt", "")]
    translator = Translator(COURSE_EN)
    result = translate_slides(COURSE, translator, glossary)
    assert (translator.term_prompts, result.glossary) == ([], glossary)
    assert "Terms:\nVererbung = heredity\n\n" in translator.prompts[0].text


@pytest.mark.parametrize(
    "reply",
    ["", "Klassen: classes", "Klassen = a = b", "Klassen = classes\nKlassen = grades", "Klassen =", "Art = art"],
)
def test_a_word_that_is_not_clearly_translated_is_listed_without_translation(reply: str) -> None:
    result = translate_slides(COURSE, Translator(COURSE_EN, terms=f"Vererbung = inheritance\n{reply}"))
    assert result.glossary == [Term("Klassen", ""), Term("Vererbung", "inheritance")]


def test_a_glossary_survives_a_spreadsheet(tmp_path: Path) -> None:
    path = tmp_path / "glossary.csv"
    terms = [Term("Klasse", "class"), Term("Ring", "", "no"), Term("Und-Tor", "AND gate, gate")]
    assert read_glossary(path) == []
    path.write_text(write_glossary(terms), encoding="utf-8")
    assert path.read_text(encoding="utf-8").splitlines()[:2] == ["source,translation,use", "Klasse,class,yes"]
    assert read_glossary(path) == terms
    path.write_bytes("\ufeffsource;translation;use\r\n Körper; field ; YES\r\n;;\r\n".encode())
    assert read_glossary(path) == [Term("Körper", "field")]


def test_a_glossary_that_cannot_be_read_is_an_error_that_says_where(tmp_path: Path) -> None:
    path = tmp_path / "glossary.csv"
    path.write_text("source,translation,use\nKlasse,class,maybe\n")
    with pytest.raises(InputError, match=r"glossary\.csv:2: use is 'maybe'\. Write yes or no\."):
        read_glossary(path)
    path.write_text("source,use\nKlasse,yes\n")
    with pytest.raises(InputError, match="no column translation"):
        read_glossary(path)


def test_offline_each_line_is_translated_by_itself_and_single_words_never() -> None:
    sent: list[str] = []

    def engine(lines: Sequence[str]) -> list[str]:
        sent.extend(lines)
        said = {"Der Stapel wächst": "The stack grows", "Rufe X1 auf": "Call X1", "Ohne Ende": "Endless"}
        return [said[line] for line in lines]

    text = "• Der Stapel wächst:\n  ▶Rufe `pop()` auf\n• Vererbung\n• Schlange"
    result = translate_offline([slide(block(text), block("Ohne Ende"))], engine, [Term("Vererbung", "inheritance")])
    assert sent == ["Der Stapel wächst", "Ohne Ende", "Rufe X1 auf"]
    assert result.slides[0].text == "• The stack grows:\n  ▶Call `pop()`\n• inheritance\n• Schlange\nEndless"


def test_offline_a_single_word_that_no_glossary_has_stays() -> None:
    result = translate_offline([slide(block("Vererbungshierarchien"))], list)
    assert result.left == [
        Rejection("stapel:7", "neither engine nor glossary changed it", "Vererbungshierarchien"),
    ]
    assert result.slides == [slide(block("Vererbungshierarchien"))]


def test_offline_the_same_checks_apply() -> None:
    result = translate_offline([slide(block("Rufe `pop` auf"))], lambda lines: ["Call it"])
    assert [left.reason for left in result.left] == ["each placeholder must stand there once; wrong: ⟦1⟧"]


def test_offline_words_that_recur_are_listed_for_a_person_to_translate() -> None:
    result = translate_offline(COURSE, lambda lines: ["It is said in some other way"] * len(lines))
    assert result.glossary == [Term("Klassen", ""), Term("Vererbung", "")]


def test_the_engine_says_how_to_make_its_folder(tmp_path: Path) -> None:
    (tmp_path / "source.spm").touch()
    with pytest.raises(InputError, match=r"no model\.bin, target\.spm\. .*ct2-transformers-converter --model Helsinki"):
        offline_engine(tmp_path)


def test_the_engine_says_which_extra_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    with pytest.raises(InputError, match=r"needs ctranslate2\. Run: pip install 'edullama\[translate\]'"):
        offline_engine(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no model"])
def test_a_broken_model_is_an_error_that_names_its_folder(tmp_path: Path, content: bytes) -> None:
    for name in ("model.bin", "source.spm", "target.spm"):
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{tmp_path.name}: .*Delete the folder"):
        offline_engine(tmp_path)


@pytest.mark.slow
def test_the_folder_is_made_as_the_engine_says_and_translates(tmp_path: Path) -> None:
    pairs = {
        "Der Stapel wächst": "The stack grows",
        "Die Methode X1 wirft eine Ausnahme": "Method X1 throws an exception",
    }
    make_marian(tmp_path / "marian", pairs)
    folder = tmp_path / "opus-mt-de-en"
    with pytest.raises(InputError) as caught:
        offline_engine(folder)
    command = str(caught.value).split("by: ")[1].replace("Helsinki-NLP/opus-mt-de-en", str(tmp_path / "marian"))
    program, *arguments = shlex.split(command)
    subprocess.run([Path(sys.executable).with_name(program), *arguments], check=True, capture_output=True)
    result = translate_offline(
        [slide(block("Der Stapel wächst\nDie Methode `pop` wirft eine Ausnahme"))], offline_engine(folder)
    )
    assert result.slides[0].text == "The stack grows\nMethod `pop` throws an exception"
    assert offline_engine(folder)([]) == []


def make_marian(folder: Path, pairs: Mapping[str, str]) -> None:
    """Save a tiny translator of the OPUS-MT kind that knows these lines by heart."""
    folder.mkdir()
    sides = {"source": train_pieces(list(pairs)), "target": train_pieces(list(pairs.values()))}
    pieces = [side.id_to_piece(number) for side in sides.values() for number in range(side.get_piece_size())]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(["</s>", "<unk>", *pieces, "<pad>"]))}
    for name, side in sides.items():
        (folder / f"{name}.spm").write_bytes(side.serialized_model_proto())
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    tokenizer = {"source_lang": "deu", "target_lang": "eng", "tokenizer_class": "MarianTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))

    def encode(side: str, text: str) -> list[int]:
        return [vocabulary[piece] for piece in [*sides[side].encode(text, out_type=str), "</s>"]]

    learn_by_heart([(encode("source", de), encode("target", en)) for de, en in pairs.items()], len(vocabulary), folder)


def train_pieces(lines: Sequence[str]) -> "SentencePieceProcessor":
    """Return a sentencepiece model of a few lines, with the special tokens that Marian's have."""
    from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

    file = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=file,
        vocab_size=200,
        hard_vocab_limit=False,
        bos_id=-1,
        eos_id=0,
        unk_id=1,
    )
    return SentencePieceProcessor(model_proto=file.getvalue())


def learn_by_heart(pairs: Sequence[tuple[list[int], list[int]]], vocabulary: int, folder: Path) -> None:
    """Train a Marian model of one small layer on a few lines until it repeats them."""
    import torch
    from transformers import MarianConfig, MarianMTModel

    config = MarianConfig(
        **{f"{side}_{size}": n for side in ("encoder", "decoder") for size, n in SIZES.items()},
        vocab_size=vocabulary,
        pad_token_id=vocabulary - 1,
        decoder_start_token_id=vocabulary - 1,
        eos_token_id=0,
        forced_eos_token_id=0,
        d_model=64,
        max_position_embeddings=64,
        scale_embedding=True,
        activation_function="swish",
    )
    torch.manual_seed(0)
    model = MarianMTModel(config).eval()
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # more cost so small a model more than they bring
    for _ in range(80):
        losses = [model(input_ids=torch.tensor([de]), labels=torch.tensor([en])).loss for de, en in pairs]
        optimizer.zero_grad()
        torch.stack(losses).sum().backward()
        optimizer.step()
    torch.set_num_threads(threads)
    model.save_pretrained(folder)
