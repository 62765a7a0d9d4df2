"""What the figures say in words, and what to beware of. No sentence claims more than its interval allows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edullama.evaluation.answerable import count, too_few
from edullama.evaluation.estimates import CHANGED, gain
from edullama.records import Estimate

SMALL_EXAM = 30  # questions: below, an interval says little and a percentile interval is a little too narrow
CUT_OFF_LIMIT = 0.1  # of the answers
REPETITION_LIMIT = 0.3  # of an answer's 4-grams
DICTIONARY_LIMIT = 0.9  # of the share of dictionary words in the base's answers
LAYERS_LIMIT = 1 / 3  # removing more than this share is known to need long healing
NO_BREAK = "\u00a0"  # a space at which no line ends
MISSING = Estimate("", None, None, None, 0, 0)


@dataclass(frozen=True, slots=True)
class Contestant:
    """What a contender is made of."""

    name: str
    parameters: int  # real ones, counted one by one, whatever they are packed into
    layers: int
    note: str = ""  # "NF4 + LoRA r=16"; shown under the name


def headline(estimates: Sequence[Estimate]) -> str:
    """Say in one or two sentences whether the teacher knows the course."""
    figures = index(estimates)
    found = _gain_found(figures)
    if not too_few(figures.get("answerable", MISSING)):
        return found
    return f"{_few(figures['answerable'])}: whether the teacher knows this course cannot be told. {found}"


def basis(estimates: Sequence[Estimate]) -> str:
    """Say which exam questions the main figures rest on; nothing where that was not recorded."""
    figure = index(estimates).get("answerable", MISSING)
    held, lacking, unknown = count(figure)
    if not held + lacking:
        return "It is not known which exam questions the slides can answer, so all of them count." if unknown else ""
    if too_few(figure):
        return f"{_few(figure)}, so the figures rest on all {held + lacking + unknown}."
    if not lacking and not unknown:
        return f"The slides can answer all {held} exam questions."
    apart = f"; the {lacking} that they cannot answer are shown apart" if lacking else ""
    unsure = f" Of {unknown} more it is not known; they count too." if unknown else ""
    return f"The figures rest on the {held} exam questions that the slides can answer{apart}.{unsure}"


def standfirst(estimates: Sequence[Estimate]) -> str:
    """Say in one or two sentences what became of the student; empty where there is none."""
    figures = index(estimates)
    own = gain(figures.get("reference_loss.student-base", MISSING))
    if own.mean is None or own.low is None or own.high is None:
        return ""
    if own.low > 0:
        verdict = "is better than the base it came from"
    elif own.high < 0:
        verdict = "is still behind the base it came from"
    else:
        verdict = "cannot be told apart from the base it came from"
    return f"The student {verdict}: gain {with_interval(own)}.{_healing(figures)}"


def cautions(
    estimates: Sequence[Estimate], contestants: Sequence[Contestant], questions: int, controls: int
) -> list[str]:
    """List what a reader should know before trusting the figures, which rest on so many questions and controls."""
    figures = index(estimates)
    found = _doubtful_basis(figures.get("answerable", MISSING))
    if questions < SMALL_EXAM:
        found.append(
            f"The figures rest on only {questions} questions. Below {SMALL_EXAM}, intervals are wide and still a "
            "little too narrow: add flashcards."
        )
    if not controls:
        found.append(
            "There are no control cards, so a gain cannot be told apart from having learnt the style of slides. "
            "Put cards of another subject into controls/."
        )
    found += _missing(figures)
    found += _unhealthy(figures)
    found += _removed_layers({contestant.name: contestant for contestant in contestants})
    return found


def telling(estimates: Iterable[Estimate]) -> list[Estimate]:
    """Leave out the knowledge of models that lost on their own exam: it would say only that they lost less there."""
    figures = index(estimates)

    def says_something(name: str) -> bool:
        kind, _, contender = name.partition(".")
        own = figures.get(f"reference_loss.{contender}-base", MISSING)
        return kind != "knowledge" or (own.mean is not None and own.mean < 0)

    return [figure for name, figure in figures.items() if says_something(name)]


def index(estimates: Iterable[Estimate]) -> dict[str, Estimate]:
    """Return the figures by name."""
    return {estimate.name: estimate for estimate in estimates}


def with_interval(figure: Estimate, digits: int = 2) -> str:
    """Write a figure with its interval: "0.53 [0.41, 0.66]", with true minus signs, the interval on one line."""
    if figure.mean is None:
        return "not measured"
    if figure.low is None or figure.high is None:
        return f"{number(figure.mean, digits)} [no interval]"
    low, high = number(figure.low, digits), number(figure.high, digits)
    return f"{number(figure.mean, digits)} [{low},{NO_BREAK}{high}]"


def number(value: float, digits: int = 2) -> str:
    """Write a number with a true minus sign, and never a minus before zero."""
    text = f"{value:.{digits}f}"
    return f"{0:.{digits}f}" if float(text) == 0 else text.replace("-", "−")


def percent(figure: Estimate) -> str:
    """Write a share as a percentage."""
    return "not measured" if figure.mean is None else f"{100 * figure.mean:.0f}{NO_BREAK}%"


def _gain_found(figures: Mapping[str, Estimate]) -> str:
    """Say what the teacher gained on the questions that the figures rest on."""
    own = gain(figures.get("reference_loss.teacher-base", MISSING))
    if own.mean is None:
        return "Nothing can be said yet: the teacher and the base share no exam question with a measured loss."
    if own.low is None or own.high is None:
        return "Nothing can be said yet: one exam question is too few for an interval."
    if own.high < 0:
        return f"The teacher is worse than the base: it loses {with_interval(gain(own))} nats per token on the exam."
    if own.low <= 0:
        return (
            "No difference beyond chance was found between teacher and base: the gain on the exam is "
            f"{with_interval(own)} nats per token."
        )
    of_course = not too_few(figures.get("answerable", MISSING))
    return _better(own, figures.get("knowledge.teacher", MISSING), of_course)


def _better(own: Estimate, knowledge: Estimate, of_course: bool) -> str:
    """Say what a gain beyond chance means beside that on control cards; `of_course`: the slides hold the answers."""
    easier = f"{with_interval(own)} nats per token better than the base"
    if knowledge.low is None:
        return f"The teacher is {easier} on the exam; without control cards this may be style as well as knowledge."
    if knowledge.low > 0:
        more = f"{with_interval(knowledge)} more than on control cards"
        return f"The teacher {'knows this course: it ' if of_course else ''}is {easier} on the exam, {more}."
    return (
        f"The teacher is {easier} on the exam, but not clearly more so than on control cards of another subject "
        f"(difference {with_interval(knowledge)}): style was learnt, knowledge was not shown."
    )


def _few(answerable: Estimate) -> str:
    held, lacking, _ = count(answerable)
    some = f"Only {held}" if held else "None"
    return f"{some} of the {held + lacking} exam questions can be answered from the slides"


def _doubtful_basis(answerable: Estimate) -> list[str]:
    """Say where figures rest on questions that the slides may not answer."""
    _, _, unknown = count(answerable)
    found = []
    if too_few(answerable):
        found.append(
            "The figures rest on questions that the slides cannot answer. What slides do not hold they cannot teach: "
            "add flashcards on what they do."
        )
    if unknown:
        found.append(
            f"It is not known of {unknown} exam questions whether the slides can answer them, and they count all the "
            "same: 2-prepare/support.jsonl does not tell."
        )
    return found


def _healing(figures: Mapping[str, Estimate]) -> str:
    """Say what distillation gave the student that cutting layers had cost it."""
    healed = gain(figures.get("reference_loss.student-shrunk", MISSING))
    if healed.low is None or healed.low <= 0:
        return ""
    return f" Distillation won it {with_interval(healed)} over the untrained, shrunk model."


def _missing(figures: Mapping[str, Estimate]) -> list[str]:
    lost = {name: figures.get(f"reference_loss.{name}-base", MISSING).missing for name in CHANGED}
    words = [f"{name} {count}" for name, count in lost.items() if count]
    return [f"Questions that could not be counted against the base: {', '.join(words)}."] if words else []


def _unhealthy(figures: Mapping[str, Estimate]) -> list[str]:
    found = []
    for name in ("teacher", "student"):
        cut = figures.get(f"cut_off.{name}", MISSING)
        repeated = figures.get(f"repetition.{name}", MISSING)
        if (cut.mean or 0) > CUT_OFF_LIMIT:
            found.append(f"{percent(cut)} of the {name}'s answers were cut off at the length limit.")
        if (repeated.mean or 0) > REPETITION_LIMIT:
            found.append(f"The {name} repeats itself: {percent(repeated)} of its four-word sequences were said before.")
        real, sound = figures.get(f"dictionary.{name}", MISSING), figures.get("dictionary.base", MISSING)
        if real.mean is not None and real.mean < DICTIONARY_LIMIT * (sound.mean or 0):
            found.append(
                f"Only {percent(real)} of the {name}'s words stand in a dictionary, {percent(sound)} of the base's."
            )
    return found


def _removed_layers(contestants: Mapping[str, Contestant]) -> list[str]:
    if "base" not in contestants or "student" not in contestants:
        return []
    before, after = contestants["base"].layers, contestants["student"].layers
    if before - after <= before * LAYERS_LIMIT:
        return []
    return [
        f"The student keeps {after} of {before} layers. When more than a third goes, a model needs far more training "
        "than a course's questions give: set shrink.layers higher if it answers badly."
    ]
