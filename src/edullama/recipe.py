"""The recipe: every setting of a course, typed and explained. One section a stage; `recipe_file` reads it."""

from dataclasses import asdict, dataclass, field, fields, is_dataclass
from hashlib import sha256
from typing import Any, Literal

BUILTIN = "builtin:smollm2-135m-instruct"
WITHOUT_EFFECT = {"report_to"}  # settings that change nothing of what a stage makes


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    title: str = "My course"
    model: str = BUILTIN  # Hub id, local folder, .gguf file, or the builtin
    seed: int = 0


DroppableKind = Literal["title", "outline", "outline repeat", "section", "exercise", "questions", "references"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaning:
    """How one lecture is read; a lecture's own section may set some of it differently."""

    ocr: Literal["auto", "never"] = "auto"  # auto: where the text layer does not tell what a page shows
    describe: Literal["ocr", "endpoint", "none"] = "ocr"  # figures: by the words in them, by a vision model, not at all
    overlays: bool = True  # the steps in which one slide is built up become one slide
    code: Literal["keep", "tag", "drop"] = "keep"  # tag: between lines of ```
    formulas: Literal["keep", "tag", "describe", "drop"] = "keep"  # describe: in words, by the describer
    drop: tuple[DroppableKind, ...] = ("outline repeat", "questions", "references")  # slides that teach nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class LectureCleaning:
    """What a lecture of that name does differently; what is not set is as for all."""

    ocr: Literal["auto", "never"] | None = None
    describe: Literal["ocr", "endpoint", "none"] | None = None
    overlays: bool | None = None
    code: Literal["keep", "tag", "drop"] | None = None
    formulas: Literal["keep", "tag", "describe", "drop"] | None = None
    drop: tuple[DroppableKind, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingest(Cleaning):
    ocr_languages: str = "eng+deu"  # Tesseract's names, joined by +
    workers: int = 2  # pages read at a time
    describer: str | None = None  # name of an endpoint with a vision model
    translate_to: str | None = None  # ISO 639-1; slides in other languages are translated into it
    translator: str | None = None  # name of an endpoint, or folder of an OPUS-MT model for CTranslate2
    passwords: dict[str, str] = field(default_factory=dict)  # by lecture; written nowhere else
    lecture: dict[str, LectureCleaning] = field(default_factory=dict)

    @property
    def password_marks(self) -> dict[str, str]:
        """Return what tells that a password is another one, and hardly more, by lecture."""
        return {lecture: sha256(word.encode()).hexdigest()[:4] for lecture, word in self.passwords.items()}

    def cleaning(self, lecture: str) -> Cleaning:
        """Return how a lecture is read: its own settings where it has them."""
        own = self.lecture.get(lecture, LectureCleaning())
        chosen = {item.name: getattr(own, item.name) for item in fields(Cleaning)}
        common = {item.name: getattr(self, item.name) for item in fields(Cleaning)}
        return Cleaning(**(common | {name: value for name, value in chosen.items() if value is not None}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Where a table keeps its cards: a column's name, or its number from 1; None: guess."""

    question: str | int | None = None
    reference: str | int | None = None
    lecture: str | int | None = None
    separator: str | None = None  # of text files: a sign, or "tab", "comma", "semicolon", "pipe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepare:
    window: int | float = 4  # consecutive slides to one training input; 0.5: half a slide
    stride: int = 4  # slides from one window's start to the next
    exam_share: float = 0.3  # of the cards; the others' questions make the catalogue
    normalise: Literal["rules", "endpoint", "none"] = "rules"  # cards as whole questions and sentences
    normaliser: str | None = None  # name of an endpoint
    draft: Literal["rules", "endpoint", "none"] = "rules"  # questions from slides, where the cards give few
    drafter: str | None = None  # name of an endpoint
    draft_below: int = 30  # questions in the catalogue
    drafts_per_slide: int = 2  # through an endpoint
    columns: dict[str, Columns] = field(default_factory=dict)  # by card file, such as "cards/week1.csv"


TextKind = Literal["window", "explanation", "statement", "question"]


Tracker = Literal["wandb", "trackio", "tensorboard"]


Linear = Literal["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finetune:
    train: Literal["lora", "full"] = "lora"  # an adapter on a frozen base, or every weight
    learn: tuple[TextKind, ...] = ("explanation", "statement")  # window: plain slides; the others: pairs
    quantize: Literal["nf4", "none"] = "nf4"  # how the frozen base is held; none: in full precision
    checkpointing: Literal["auto", "always", "never"] = "auto"  # compute activations twice; auto: on GPUs, or if short
    rank: int = 32  # of the LoRA adapter
    alpha: int = 64  # the adapter's update is scaled by alpha / rank
    targets: tuple[Linear, ...] | None = None  # linear layers with an adapter; none: all of the blocks'
    dropout: float = 0.0
    optimizer: Literal["auto", "adamw", "paged_adamw_8bit", "paged_adamw_32bit"] = "auto"
    learning_rate: float = 5e-4
    epochs: int = 2
    batch_size: int = 4  # texts a step
    max_tokens: int = 1024  # of one window; longer ones are split
    pack: bool = True  # a step's texts in one row without padding, none seeing another
    max_steps: int | None = None  # stop early: for trial runs
    replay: float = 0.15  # general text that the base writes and goes on reading, as a share of the course's tokens
    held_out: float = 0.05  # share of the texts that is not learnt but watched, where there are 40 or more
    looks: int = 4  # how often the loss of those and of general prose is measured in training; 0: never
    patience: int | None = None  # stop after so many looks without a lower held-out loss, and keep the best adapter
    report_to: tuple[Tracker, ...] = ()


# what goes: the layers without which answers change least, one after the other; those that change hidden states least;
# the run of neighbours that turns them least; none more than others; those before the last few
LayerChoice = Literal["greedy", "influence", "angle", "even", "ends"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrink:
    layers: int | tuple[int, ...] = 20  # how many the student keeps, or which (0-based)
    choose: LayerChoice = "greedy"  # which, where `layers` says how many
    last: int | None = None  # of the layers that "ends" keeps: how many at the end; none: half of them
    ffn: float = 1.0  # share of every FFN's width that is kept
    questions: int = 32  # that the teacher answers: half to choose by, half to measure the choice


Divergence = Literal["forward_kl", "reverse_kl", "jsd", "skew_kl", "skew_reverse_kl", "total_variation", "mse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distill:
    mode: Literal["teacher", "parallel", "onpolicy", "mixed"] = "teacher"  # whose answers the student reads
    train: Literal["full", "lora", "last"] = "full"  # every weight; an adapter; the last layers with norms and head
    last_layers: int = 3  # of train = "last"
    epochs: int = 4
    learning_rate: float = 5e-4
    batch_size: int = 8  # questions a step
    divergence: Divergence = "forward_kl"
    beta: float = 0.5  # of jsd: the teacher's share in the mixture
    alpha: float = 0.1  # of the skewed KLs
    temperature: float = 2.0  # softens both distributions before they are compared
    final_temperature: float | None = None  # what the temperature moves to
    temperature_schedule: Literal["constant", "linear", "cosine"] = "constant"
    hard_share: float = 0.0  # of the loss: cross entropy of the tokens that are read
    state_share: float = 0.0  # of the loss: squared difference of the last hidden states
    targets: Literal["hidden", "topk", "live"] = "hidden"  # how the teacher's probabilities are kept
    top_k: int = 64  # of targets = "topk"
    answers_per_question: int = 1  # of the teacher; more than one need a sampling temperature
    sampling_temperature: float = 0.0  # of answers; 0: the likeliest token each time
    max_new_tokens: int = 80  # of an answer
    student_share: float = 0.5  # of mode "mixed": questions for which the student's own answer is read
    final_student_share: float | None = None  # what that moves to
    recover_epochs: int = 0  # of QLoRA on the shrunk student before it is distilled, as the original did
    held_out: float = 0.1  # share of the questions that is not learnt but watched, where there are 20 or more
    looks: int = 4  # how often the student is compared on those in training; 0: never
    patience: int | None = None  # stop after so many looks without a lower KL, and keep the best student
    max_questions: int | None = None  # of the catalogue: for trial runs
    max_steps: int | None = None
    report_to: tuple[Tracker, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluate:
    max_questions: int | None = None  # of the exam and of the controls, each: for trial runs
    judge: str | None = None  # name of an [endpoint.NAME] section
    pairs: tuple[tuple[str, str], ...] = (("teacher", "base"), ("student", "base"), ("student", "teacher"))  # judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    models: tuple[Literal["teacher", "student"], ...] = ("teacher", "student")
    gguf: Literal["q8_0", "f16", "f32"] = "q8_0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    base_url: str  # of an OpenAI-compatible server, usually ending in /v1
    model: str
    api_key_env: str | None = None  # the environment variable that holds the key
    api_key_keyring: str | None = None  # where the system's keyring holds it: service/name
    concurrency: int = 4  # requests at a time
    timeout: float = 120.0  # seconds
    max_tokens: int = 512  # of a reply, where the prompt does not say
    temperature: float = 0.0
    price_in: float = 0.0  # of a million tokens sent, in any currency
    price_out: float = 0.0  # of a million tokens received
    max_cost: float | None = None  # of all calls that the stage's log tells of; the rest is not asked
    max_total_tokens: int | None = None  # sent and received, likewise
    dry_run: bool = False  # say what would be sent and what it would cost, and send nothing

    @property
    def decisive(self) -> dict[str, Any]:
        """Return what replies, and how many there may be, depend on: a stage is out of date when it changes."""
        names = ("base_url", "model", "max_tokens", "temperature", "max_cost", "max_total_tokens")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    course: Course = field(default_factory=Course)
    ingest: Ingest = field(default_factory=Ingest)
    prepare: Prepare = field(default_factory=Prepare)
    finetune: Finetune = field(default_factory=Finetune)
    shrink: Shrink = field(default_factory=Shrink)
    distill: Distill = field(default_factory=Distill)
    evaluate: Evaluate = field(default_factory=Evaluate)
    export: Export = field(default_factory=Export)
    endpoint: dict[str, Endpoint] = field(default_factory=dict)

    def values(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Return the named sections ("finetune") and single settings ("course.seed") as plain values."""
        return {name: _plain(_look_up(self, name)) for name in names}


def _look_up(recipe: Recipe, name: str) -> Any:
    value: Any = recipe
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _plain(value: Any) -> Any:
    """Return dataclasses and tuples as what JSON would give back, so that settings compare equal after a round trip."""
    if isinstance(value, Endpoint):
        value = value.decisive
    if is_dataclass(value) and not isinstance(value, type):
        value = {name: item for name, item in asdict(value).items() if name not in WITHOUT_EFFECT}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
