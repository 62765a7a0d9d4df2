"""The report's plots, each as SVG for people and CSV for machines. The same input gives the same bytes.

Every contender keeps its colour and its marker in all of them, told apart by people who see few colours or none.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from edullama.evaluation.estimates import APART, CHANGED, gain, tabulate
from edullama.records import CONTENDERS, Contender, Estimate, ReferenceLoss

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS: dict[Contender, str] = {"base": "#5a5a5a", "teacher": "#0072b2", "shrunk": "#d98a00", "student": "#009e73"}
MARKERS: dict[Contender, str] = {"base": "o", "teacher": "s", "shrunk": "^", "student": "D"}
Fill = Literal["full", "left", "none"]  # of a marker
GAINS: dict[str, tuple[str, Fill]] = {  # questions: whose figure, and how it is drawn
    "exam": ("reference_loss.{}-base", "full"),
    "unanswerable": (APART + "reference_loss.{}-base", "left"),
    "control": ("control_loss.{}-base", "none"),
}
CURVES: dict[str, Contender] = {"finetune": "teacher", "distill": "student"}  # whose weights the stage trains
WATCHED = {"held_out": ("held out", "o", "-"), "general": ("general prose", "x", "--")}  # fields of Watch
FORMS = (("#b0468b", "v"), ("#0072b2", "s"))  # half slides, four slides
CHOICES = {  # of layers: colour and marker
    "greedy": ("#0072b2", "o"),
    "influence": ("#d98a00", "^"),
    "angle": ("#009e73", "s"),
    "even": ("#5a5a5a", "D"),
    "ends": ("#b0468b", "v"),
}
NATS = "nats per token of the reference answer"
WIDTH = 7.4  # inches; the report's column
INK, FAINT = "#22262b", "#d9dce0"
GOLDEN = 0.618033988749895  # its multiples spread evenly, which makes jitter that is the same every time
MEASURED_FONT = "DejaVu Sans"  # comes with matplotlib and is wide: what fits in it fits in what a reader has
SHOWN_FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
SMOOTH_OVER = 40  # points: above, a running mean is drawn over a curve
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": MEASURED_FONT,
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#8a9099",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": "#5b626b",
    "ytick.color": "#5b626b",
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.axisbelow": True,
    "legend.frameon": False,
}


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot, and the numbers in it."""

    svg: str
    csv: str


def plot_all(
    estimates: Sequence[Estimate],
    losses: Sequence[ReferenceLoss],
    steps: Mapping[str, Sequence[Mapping[str, Any]]],
    apart: Sequence[ReferenceLoss] = (),
) -> dict[str, Plot]:
    """Return every plot that there are numbers for, by file name without suffix.

    They are gains, levels, questions, training, and unanswerable, which are the levels of `apart`: the losses of
    questions that the slides cannot answer. `steps` holds the step records of the training stages under "finetune"
    and "distill", and the looks at them under "finetune watch" and "distill watch".
    """
    made = {
        "gains": plot_gains(estimates),
        "levels": plot_levels(losses),
        "questions": plot_questions(losses),
        "training": plot_training(steps),
        "unanswerable": plot_levels(apart, "unanswerable"),
    }
    return {name: plot for name, plot in made.items() if plot is not None}


def plot_gains(estimates: Sequence[Estimate]) -> Plot | None:
    """Forest plot: each contender's gain over the base, by kind of question; how a marker is filled tells the kind."""
    figures = {estimate.name: estimate for estimate in estimates}
    rows = [
        (contender, questions, gain(figures[name.format(contender)]))
        for contender in CHANGED
        for questions, (name, _) in GAINS.items()
        if name.format(contender) in figures and figures[name.format(contender)].mean is not None
    ]
    if not rows:
        return None
    with _axes("gains", height=0.9 + 0.36 * len(rows)) as (figure, axes):
        for place, (contender, questions, row) in enumerate(rows):
            _whisker(axes, place, contender, row, GAINS[questions][1])
        labels = {"exam": "exam", "unanswerable": "not on the slides", "control": "control cards"}
        axes.set_yticks(range(len(rows)), [f"{contender}, {labels[questions]}" for contender, questions, _ in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.axvline(0, color=INK, linewidth=1)
        axes.set_xlabel(f"gain over base, {NATS}  (right is better)")
        svg = _svg(figure, "gains")
    table = ((contender, asked, row.mean, row.low, row.high, row.n, row.missing) for contender, asked, row in rows)
    return Plot(svg, _csv(("contender", "cards", "gain_nats", "low", "high", "n", "missing"), table))


def plot_levels(losses: Sequence[ReferenceLoss], name: str = "levels") -> Plot | None:
    """Every question's loss under every contender, with the middle half boxed and the median marked."""
    columns = tabulate(losses, lambda loss: loss.nats)
    present = [contender for contender in CONTENDERS if columns.get(contender)]
    if not present:
        return None
    with _axes(name, height=0.9 + 0.5 * len(present)) as (figure, axes):
        for place, contender in enumerate(present):
            _strip(axes, place, contender, list(columns[contender].values()))
        axes.set_yticks(range(len(present)), present)
        axes.set_ylim(len(present) - 0.5, -0.5)
        axes.set_xlabel(f"loss, {NATS}  (left is better)")
        svg = _svg(figure, name)
    table = (
        (contender, question, nats) for contender in present for question, nats in sorted(columns[contender].items())
    )
    return Plot(svg, _csv(("contender", "question_id", "loss_nats"), table))


def plot_questions(losses: Sequence[ReferenceLoss]) -> Plot | None:
    """Each question's loss under base and teacher; below the diagonal the teacher is better."""
    columns = tabulate(losses, lambda loss: loss.nats)
    base, teacher = columns.get("base", {}), columns.get("teacher", {})
    shared = sorted(base.keys() & teacher.keys())
    if not shared:
        return None
    with _axes("questions", height=4.2, width=4.8) as (figure, axes):
        top = max(*(base[q] for q in shared), *(teacher[q] for q in shared)) * 1.06
        axes.grid(axis="y", color=FAINT, linewidth=0.8)
        axes.plot([0, top], [0, top], color="#8a9099", linewidth=1)
        for question in shared:
            axes.plot(base[question], teacher[question], **_marker("teacher"), alpha=0.75)
        axes.set(xlim=(0, top), ylim=(0, top), aspect="equal", xlabel="loss under base, nats per token")
        axes.set_ylabel("loss under teacher, nats per token")
        axes.text(top * 0.97, top * 0.05, "teacher better", ha="right", color="#5b626b")
        axes.text(top * 0.03, top * 0.93, "base better", ha="left", color="#5b626b")
        svg = _svg(figure, "questions")
    return Plot(svg, _csv(("question_id", "base_nats", "teacher_nats"), ((q, base[q], teacher[q]) for q in shared)))


def plot_training(steps: Mapping[str, Sequence[Mapping[str, Any]]]) -> Plot | None:
    """The training loss over steps, one panel a stage, and what `steps` holds of looks at it.

    Records without a loss are passed over.
    """
    curves = {
        stage: [(int(record["step"]), float(record["loss"])) for record in steps.get(stage, ()) if "loss" in record]
        for stage in CURVES
    }
    curves = {stage: curve for stage, curve in curves.items() if curve}
    if not curves:
        return None
    watched = {stage: _watched(steps.get(f"{stage} watch", ())) for stage in curves}
    with _figure("training", height=2.6) as figure:
        panels = figure.subplots(1, len(curves), squeeze=False)[0]
        for axes, (stage, curve) in zip(panels, curves.items(), strict=True):
            _curve(axes, curve, COLOURS[CURVES[stage]])
            axes.set(title=stage, xlabel="step")
            if watched[stage]:
                _looks(axes, watched[stage])
        panels[0].set_ylabel("loss, nats per token")
        svg = _svg(figure, "training")
    learnt = [(stage, "learnt", *point) for stage, curve in curves.items() for point in curve]
    looks = [(stage, kind, *point) for stage, own in watched.items() for kind, curve in own.items() for point in curve]
    return Plot(svg, _csv(("stage", "loss_of", "step", "loss"), learnt + looks))


def _watched(looks: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[int, float]]]:
    """Return the curves of what was not learnt, by kind of text."""
    curves = {
        kind: [(int(look["step"]), float(look[kind])) for look in looks if look.get(kind) is not None]
        for kind in WATCHED
    }
    return {kind: curve for kind, curve in curves.items() if curve}


def _looks(axes: "Axes", watched: Mapping[str, Sequence[tuple[int, float]]]) -> None:
    """Draw the losses of what was not learnt, from before training to its end."""
    for kind, curve in watched.items():
        label, marker, line = WATCHED[kind]
        axes.plot(*zip(*curve, strict=True), color=INK, marker=marker, markersize=4.5, linestyle=line, label=label)
    axes.legend(fontsize=8)


@dataclass(frozen=True, slots=True)
class Learning:
    """How a training run with one form of text went."""

    form: str
    tokens: float  # of a mean step
    learnt: Sequence[tuple[int, float]]  # step, nats per token
    held_out: Sequence[tuple[int, float]]  # the same, of slides that are not learnt


def plot_windows(runs: Sequence[Learning]) -> Plot:
    """Training loss of several forms over steps, and beside it, on the same scale, that of slides held out."""
    with _figure("windows", height=3.2) as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        for run, (colour, marker) in zip(runs, FORMS, strict=True):
            _curve(left, run.learnt, colour)
            steps, losses = zip(*run.held_out, strict=True)
            right.plot(steps, losses, color=colour, marker=marker, markersize=5, linewidth=1.8, label=run.form)
        left.set(title="slides it learns", xlabel="step", ylabel="loss, nats per token")
        right.set(title="slides it does not learn", xlabel="step")
        right.grid(axis="y", color=FAINT, linewidth=0.8)
        right.legend()
        svg = _svg(figure, "windows")
    table = (
        (run.form, kind, step, round(step * run.tokens), loss)
        for run in runs
        for kind, points in (("learnt", run.learnt), ("held out", run.held_out))
        for step, loss in points
    )
    return Plot(svg, _csv(("form", "loss_of", "step", "tokens", "nats"), table))


@dataclass(frozen=True, slots=True)
class Cut:
    """A student that has some of its teacher's layers, before it is trained."""

    choice: str  # of which layers
    layers: Sequence[int]
    parameters: int  # real ones
    kl: Estimate  # KL(teacher || student), nats per token of held-out answers


def plot_cuts(cuts: Sequence[Cut]) -> Plot:
    """Size against answer KL, a line for each way to choose layers, with its interval as a band."""
    sizes = {len(cut.layers): cut.parameters / 1e6 for cut in cuts}
    with _axes("sweep", height=4.2) as (figure, axes):
        for choice in dict.fromkeys(cut.choice for cut in cuts):
            colour, marker = CHOICES[choice]
            own = sorted((cut for cut in cuts if cut.choice == choice), key=lambda cut: cut.parameters)
            places, means, lows, highs = (list(column) for column in zip(*map(_band, own), strict=True))
            axes.plot(places, means, color=colour, marker=marker, markersize=5, label=choice)
            axes.fill_between(places, lows, highs, color=colour, alpha=0.12, linewidth=0)
        axes.set_xticks(list(sizes.values()), [f"{size}\n{millions:,.0f} M" for size, millions in sizes.items()])
        axes.set_ylim(bottom=0)
        axes.set(xlabel="layers, weights", ylabel="KL to the teacher, nats per answer token  (low is better)")
        axes.legend()
        svg = _svg(figure, "sweep")
    table = (
        (cut.choice, len(kept), cut.parameters, kl.mean, kl.low, kl.high, kl.n, " ".join(map(str, kept)))
        for cut, kl, kept in ((cut, cut.kl, cut.layers) for cut in cuts)
    )
    return Plot(svg, _csv(("choice", "layers", "parameters", "kl_nats", "low", "high", "n", "which"), table))


def _band(cut: Cut) -> tuple[float, float, float, float]:
    """Return millions of weights, and the KL with the ends of its interval: itself, where one answer gives none."""
    assert cut.kl.mean is not None  # a sweep has answers to measure with
    low = cut.kl.mean if cut.kl.low is None else cut.kl.low
    return cut.parameters / 1e6, cut.kl.mean, low, cut.kl.mean if cut.kl.high is None else cut.kl.high


def _whisker(axes: "Axes", place: int, contender: Contender, figure: Estimate, fill: Fill) -> None:
    """Draw a gain as a marker with its interval; one that has no interval stands alone."""
    if figure.low is not None and figure.high is not None:
        axes.plot(
            [figure.low, figure.high], [place, place], color=COLOURS[contender], linewidth=2, solid_capstyle="round"
        )
    assert figure.mean is not None  # rows without a figure are not drawn
    axes.plot([figure.mean], [place], **_marker(contender, fill), markersize=8)


def _strip(axes: "Axes", place: int, contender: Contender, values: Sequence[float]) -> None:
    """Draw values as dots in a row, jittered across it, under a box of the middle half with the median."""
    import numpy as np

    heights = [place - 0.3 + 0.6 * ((index * GOLDEN) % 1) for index in range(len(values))]
    axes.plot(values, heights, linestyle="", **_marker(contender), markersize=4.5, alpha=0.45)
    low, median, high = np.percentile(values, (25, 50, 75))
    axes.barh(place, high - low, left=low, height=0.5, fill=False, edgecolor=INK, linewidth=1)
    axes.plot([median, median], [place - 0.25, place + 0.25], color=INK, linewidth=2.5)


def _curve(axes: "Axes", curve: Sequence[tuple[int, float]], colour: str) -> None:
    """Draw a training curve; a long one faint, under its running mean."""
    import numpy as np

    steps, losses = zip(*curve, strict=True)
    long = len(curve) > SMOOTH_OVER
    axes.plot(steps, losses, color=colour, linewidth=1 if long else 1.8, alpha=0.35 if long else 1)
    if long:
        span = len(curve) // 10
        smooth = np.convolve(losses, np.ones(span) / span, mode="valid")
        axes.plot(steps[span // 2 :][: len(smooth)], smooth, color=colour, linewidth=2)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)


def _marker(contender: Contender, fill: Fill = "full") -> dict[str, Any]:
    return {
        "marker": MARKERS[contender],
        "color": COLOURS[contender],
        "fillstyle": "left" if fill == "left" else "full",  # "none" would let the grid show through
        "markerfacecolor": COLOURS[contender] if fill != "none" else "white",
        "markerfacecoloralt": "white",
        "markeredgewidth": 0 if fill == "full" else 1.6,
    }


@contextmanager
def _figure(name: str, height: float, width: float = WIDTH) -> "Iterator[Figure]":
    """Yield an empty figure (inches) under the house style. The salt makes the SVG's ids depend on the name alone."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({**STYLE, "svg.hashsalt": name}):
        yield Figure(figsize=(width, height), layout="constrained")


@contextmanager
def _axes(name: str, height: float, width: float = WIDTH) -> "Iterator[tuple[Figure, Axes]]":
    with _figure(name, height, width) as figure:
        axes = figure.subplots()
        axes.grid(axis="x", color=FAINT, linewidth=0.8)
        yield figure, axes


def _svg(figure: "Figure", name: str) -> str:
    """Return an <svg> element with no date in it, whose ids meet no other plot's when both stand in one page."""
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = file.getvalue().replace(f"'{MEASURED_FONT}'", SHOWN_FONTS)
    text = re.sub(r'\bid="', f'id="{name}-', text[text.index("<svg") :])
    return re.sub(r'(href="|url\()#', rf"\g<1>#{name}-", text)


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return file.getvalue()
