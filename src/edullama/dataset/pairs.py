"""Prompts with the texts that a model learns to answer them with: slides to be explained, statements to be recalled,
questions to be answered."""

import re
from collections.abc import Sequence

from edullama.dataset.drafting import choose_slides
from edullama.dataset.entries import count_words, slide_id
from edullama.dataset.normalise import words_inside
from edullama.dataset.phrases import GENERIC, RECAP
from edullama.dataset.sentences import split_sentences
from edullama.dataset.slide_questions import plain_title, recase, told_language
from edullama.records import Block, Draft, Pair, Slide, stable_id

EXPLAIN = {"en": "Explain: {}", "de": "Erkläre: {}"}
RECALL = {"en": "What does the lecture say about {}?", "de": "Was sagt die Vorlesung über {}?"}
FEWEST_STATED = 6  # words of a sentence that states something
FEWEST_LETTERS = 5  # of the word that a statement is asked for by
FEWEST_WORDS = 8  # that explain something
MOST_WORDS = 250  # of slides with one title together
CODE_SIGNS = re.compile(r"[{}();=<>\[\]|\\@_]|::|->")
BULLETS = " \t•▪▶–-"
LONG_WORD = re.compile(r"[^\W\d_](?:[^\W_]|-)*")
WORD = re.compile(r"[^\W\d_]{3,}")


def explanation_pairs(slides: Sequence[Slide]) -> list[Pair]:
    """Pair what explains something with the request to explain its title; slides of one title are told as one."""
    seen = words_inside(block.text for slide in slides for block in slide.blocks if block.text != slide.title)
    groups: dict[tuple[str, str], list[Slide]] = {}
    for slide in choose_slides(slides):
        prompt = _prompt(recase(clean_title(slide.title), seen), told_language(slide))
        if prompt:
            groups.setdefault((slide.lecture, prompt), []).append(slide)
    pairs = [_explain(lecture, prompt, group) for (lecture, prompt), group in groups.items()]
    return [pair for pair in pairs if count_words(pair.text) >= FEWEST_WORDS]


def statement_pairs(slides: Sequence[Slide]) -> list[Pair]:
    """Pair each sentence of a slide with the question what the lecture says about its longest word, under its title.

    Lectures in other languages than ours are asked in English, so that nothing of them is lost.
    """
    return [
        _recall(slide, sentence, word)
        for slide in slides
        if slide.kind == "content"
        for sentence in _sentences(slide)
        if (word := _longest_word(sentence))
    ]


def question_pairs(drafts: Sequence[Draft]) -> list[Pair]:
    """Pair drafted questions with their reference answers."""
    return [
        Pair(card.id, "question", card.lecture, card.question, card.reference, draft.slides)
        for draft in drafts
        for card in (draft.question,)
    ]


def _prompt(title: str, language: str) -> str:
    """Return the request to explain a title, a title that asks as it is, or "" where it cannot stand alone."""
    is_generic = RECAP.fullmatch(title) or (GENERIC.fullmatch(title) and len(title.split()) == 1)
    if not title or is_generic or language not in EXPLAIN:
        return ""
    return title if title.endswith("?") else EXPLAIN[language].format(title)


def clean_title(title: str) -> str:
    """Return a title without numbers around it, or "" where it is code or says nothing."""
    plain = plain_title(title)
    return "" if CODE_SIGNS.search(plain) or not WORD.search(plain) else plain


def _explain(lecture: str, prompt: str, slides: Sequence[Slide]) -> Pair:
    """Put slides of one title together as far as they fit; the first is taken whole."""
    texts: list[str] = []
    told: list[str] = []
    for slide in slides:
        text = _text(slide)
        if texts and count_words("\n".join([*texts, text])) > MOST_WORDS:
            break
        if text and text not in texts:
            texts.append(text)
            told.append(slide_id(slide))
    return Pair(stable_id(lecture, prompt), "explanation", lecture, prompt, "\n".join(texts), tuple(told))


def _recall(slide: Slide, sentence: str, word: str) -> Pair:
    about = f"{word} ({slide.title})" if slide.title else word
    prompt = RECALL.get(slide.language, RECALL["en"]).format(about)
    id = stable_id(slide_id(slide), prompt, sentence)
    return Pair(id, "statement", slide.lecture, prompt, sentence, (slide_id(slide),))


def _sentences(slide: Slide) -> list[str]:
    """Return what a slide states below its title, each sentence once; a line of a list is one."""
    blocks = (block for block in slide.blocks if block.kind not in ("code", "table", "formula"))
    told = (block for block in blocks if " ".join(block.text.split()) != slide.title)
    lines = (line for block in told for line in block.text.splitlines())
    sentences = (sentence.strip(BULLETS) for line in lines for sentence in split_sentences(line))
    return list(dict.fromkeys(sentence for sentence in sentences if count_words(sentence) >= FEWEST_STATED))


def _longest_word(sentence: str) -> str:
    """Return the first of the longest words, or "" where none can tell what a sentence is about."""
    words = (word for word in LONG_WORD.findall(sentence) if len(word) >= FEWEST_LETTERS)
    return max(words, key=len, default="")


def _text(slide: Slide) -> str:
    """Return what a slide says below its title in words, code and tables."""
    return "\n".join(block.text for block in slide.blocks if _says_something(block, slide.title))


def _says_something(block: Block, title: str) -> bool:
    is_title = " ".join(block.text.split()) == title
    return not is_title and (block.kind in ("code", "table") or WORD.search(block.text) is not None)
