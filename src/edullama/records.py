"""The nouns that stages hand to each other. Frozen; one JSON line each, keys in field order."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Method = Literal["text", "ocr", "vision", "translated"]
BlockKind = Literal["text", "code", "formula", "table", "figure", "note"]
SlideKind = Literal["content", "title", "outline", "section", "exercise", "questions", "references", "blank"]
PageMethod = Literal["text", "ocr", "mixed", "blank"]
LeakKind = Literal["answer in entry", "answer in catalogue", "question in catalogue"]
Contender = Literal["base", "teacher", "shrunk", "student"]
CONTENDERS: tuple[Contender, ...] = ("base", "teacher", "shrunk", "student")
Box = tuple[float, float, float, float]  # left, top, right, bottom in PDF points from the top left corner


def stable_id(*parts: str) -> str:
    """Return 12 hex digits that depend on the given texts alone, never on their place in a list."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, heading, formula or figure of a slide, with where it stands and how it was read."""

    text: str
    method: Method
    page: int  # 1-based
    box: Box
    kind: BlockKind = "text"
    language: str = ""  # ISO 639-1, or "" where there is too little text to tell
    original: str = ""  # what was translated


@dataclass(frozen=True, slots=True)
class Slide:
    """What one slide says."""

    lecture: str
    pages: tuple[int, ...]  # 1-based pages of the PDF that this slide was read from
    title: str
    blocks: tuple[Block, ...]
    language: str  # ISO 639-1, or "" where there is no text to tell from
    kind: SlideKind
    reason: str  # why its last page was read as text, by OCR, or not at all
    hidden: bool = False  # a PPTX slide that is not shown

    @property
    def text(self) -> str:
        """All blocks in reading order, one a line."""
        return "\n".join(block.text for block in self.blocks)


@dataclass(frozen=True, slots=True)
class Removed:
    """Text that was read and is no part of any slide, and why."""

    lecture: str
    page: int  # 1-based
    reason: str
    text: str
    box: Box


@dataclass(frozen=True, slots=True)
class Reading:
    """How one page was read, and which slide it became part of."""

    lecture: str
    page: int  # 1-based
    slide: int | None  # the slide's first page; None: the page's slide was left out
    kind: SlideKind
    method: PageMethod
    reason: str  # with the numbers that decided
    language: str
    title: str


@dataclass(frozen=True, slots=True)
class Balance:
    """Where a lecture's characters went, white space aside: extracted + repaired = kept + all that was removed."""

    lecture: str
    extracted: int  # from the text layer, by OCR and by description
    repaired: int  # more characters (or, below 0, fewer) through ligatures taken apart, accents set and the like
    kept: int
    removed: dict[str, int]  # by reason
    failed: int  # that stand for no letter
    difference: int  # 0, or something was lost


@dataclass(frozen=True, slots=True)
class Failure:
    """A file, or one page of it, that could not be read."""

    file: str
    page: int | None  # 1-based; None: the whole file
    problem: str
    advice: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One unit of training text: a slide, or a piece of an oversize one."""

    id: str
    lecture: str
    text: str  # begins with the slide's title
    slides: tuple[int, ...]  # 1-based pages


@dataclass(frozen=True, slots=True)
class Window:
    """Consecutive entries of one lecture that are trained on as one input."""

    id: str
    lecture: str
    text: str
    entries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """How many tokens the training texts have, counted with one model's tokenizer; an end token is counted for each."""

    model: str
    entries: tuple[int, ...]
    windows: tuple[int, ...]
    pairs: tuple[int, ...]  # prompt and text


@dataclass(frozen=True, slots=True)
class Question:
    """A question without its answer: all that distillation ever sees of a card."""

    id: str
    lecture: str
    text: str
    source: str = ""  # the file it came from, or who drafted it; "" where that is not known


@dataclass(frozen=True, slots=True)
class Card:
    """A flashcard: a question and the reference answer to it."""

    id: str
    lecture: str
    question: str
    reference: str
    source: str  # the file it came from

    def ask(self) -> Question:
        """Return the question alone."""
        return Question(self.id, self.lecture, self.question, self.source)


DraftKind = Literal["definition", "why", "how", "compare", "apply", "list"]


@dataclass(frozen=True, slots=True)
class Draft:
    """A question drafted from slides, with a reference answer that they hold."""

    question: Card  # its source says who drafted it
    slides: tuple[str, ...]  # "lecture:page", the first page of each
    kind: DraftKind
    span: str  # stands on the slide as it is, white space aside, and answers the question


@dataclass(frozen=True, slots=True)
class Flag:
    """A card that could not be rewritten, and why."""

    card_id: str
    problem: str
    text: str  # what came instead


PairKind = Literal["explanation", "statement", "question"]


@dataclass(frozen=True, slots=True)
class Pair:
    """A prompt and the text that a model learns to answer it with."""

    id: str
    kind: PairKind
    lecture: str
    prompt: str
    text: str
    slides: tuple[str, ...]  # "lecture:page", the first page of each


@dataclass(frozen=True, slots=True)
class Rejection:
    """Something that was left out, and why."""

    id: str
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Support:
    """What the slides hold of the answer to an exam question."""

    question_id: str
    slides: tuple[str, ...]  # the best of them, best first: lecture and first page, as in the ids of entries
    words: float  # share of the reference's words that stand there, each weighted by how rare it is in the course
    cosine: float  # of question and reference to the nearest of these slides
    answerable: bool


@dataclass(frozen=True, slots=True)
class Author:
    """A model that wrote a part of what others learn from or are examined with."""

    wrote: str  # such as "drafted questions"
    model: str  # its name; "" where that is not known


@dataclass(frozen=True, slots=True)
class NearPair:
    """Two cards that ask nearly the same, or are answered with nearly the same words."""

    kind: Literal["question", "answer"]
    one: str  # ids of the cards
    other: str
    one_text: str
    other_text: str
    similarity: float  # share of their words that both have


@dataclass(frozen=True, slots=True)
class Leak:
    """Words of the exam that the models see in training."""

    kind: LeakKind
    question_id: str
    where: str  # the entry's or the question's id
    text: str  # the exam's
    passage: str  # what of it stands there, word for word


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered to one question."""

    question_id: str
    model: str
    text: str
    tokens: tuple[int, ...]  # token ids, the end token included where the model wrote it
    finish: Literal["stop", "length"]
    sample: int = 0  # which of several answers to the same question
    key: str = ""  # what it rests on: hashes of weights, tokenizer, template, settings and prompt; empty: not recorded


@dataclass(frozen=True, slots=True)
class Prompt:
    """One question to a model, with the system text it is asked under and the pictures it is about."""

    text: str
    system: str = ""
    images: tuple[bytes, ...] = ()  # PNG
    schema: str = ""  # JSON Schema, as JSON, that the reply has to fit; its text is then JSON and nothing else
    max_tokens: int | None = None  # of the reply, where the model's own limit will not do


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for a prompt; `text` is None where nothing usable came."""

    text: str | None
    problem: str = ""
    cut: bool = False  # the text broke off at the limit of tokens
    later: bool = False  # nothing came for a reason that may pass: the next run is worth asking again


Complete: TypeAlias = Callable[[Sequence[Prompt]], list[Reply]]
"""A local model, a remote one and a plain function are all this: as many replies as prompts, in their order."""

Embed: TypeAlias = "Callable[[Sequence[str]], NDArray[np.float32]]"
"""(texts) -> (texts, dimensions), rows of unit length; a text with nothing to embed may give a row of zeros."""


class Winner(StrEnum):
    """Outcome of one comparison; the last two are no outcome at all and never count as a tie."""

    A = "A"
    B = "B"
    TIE = "tie"
    INCONSISTENT = "inconsistent"  # the two orders contradict each other
    UNPARSED = "unparsed"  # the judge gave no usable verdict


@dataclass(frozen=True, slots=True)
class Verdict:
    """One judge's comparison of two answers to one question, shown in one order."""

    question_id: str
    pair: tuple[str, str]  # contenders A and B
    order: tuple[str, str]  # the same two as shown: first, second
    winner: Winner
    reason: str  # the judge's words, kept whole
    judge: str
    date: str  # ISO 8601


@dataclass(frozen=True, slots=True)
class ReferenceLoss:
    """Mean loss of a card's reference answer under a model, given the question."""

    question_id: str
    model: str
    nats: float  # per token of the reference
    tokens: int


@dataclass(frozen=True, slots=True)
class CrossLoss:
    """Mean loss of one card's reference answer after another's question, its own, or a prompt that asks nothing."""

    question_id: str  # "": the prompt that asks nothing
    reference_id: str
    model: str
    nats: float  # per token of the reference
    tokens: int


@dataclass(frozen=True, slots=True)
class Similarity:
    """Cosine between the embeddings of an answer and of the reference."""

    question_id: str
    model: str
    cosine: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval: a number never travels without it."""

    name: str
    mean: float | None  # None where there was nothing to measure
    low: float | None
    high: float | None
    n: int  # questions it rests on
    missing: int  # questions that should have counted and could not


@dataclass(frozen=True, slots=True)
class Step:
    """One optimizer step of a training run."""

    step: int  # from 1
    epoch: float
    loss: float  # nats per token; distillation's is multiplied by T²
    learning_rate: float


@dataclass(frozen=True, slots=True)
class Watch:
    """How a model in training reads texts that it does not learn."""

    step: int  # 0: before training
    held_out: float | None  # nats per token of slides of the course that were held out; None: there are none
    general: float  # the same of prose on other things


@dataclass(frozen=True, slots=True)
class StudentWatch:
    """How close a student in training is to the teacher on held-out questions, and how sound its own answers are."""

    step: int  # 0: before training
    loss: float  # as it is trained
    kl: float  # forward KL at temperature 1, nats per token of the teacher's answers
    agreement: float  # share of these tokens whose likeliest word is the teacher's
    words: float  # of a free answer
    repetition: float  # share of its four-word sequences that it has said before
    dictionary: float  # share of its words that a dictionary has
    distinct: float  # share of all answers' four-word sequences that differ
    stopped: float  # share of answers that end by themselves
