"""The report's plots, each as SVG for people and CSV for machines. The same input gives the same bytes.

Every contender keeps its colour and its marker in all of them, told apart by people who see few colours or none.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edullama.evaluation.estimates import CHANGED, gain, tabulate
from edullama.records import CONTENDERS, Contender, Estimate, ReferenceLoss

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS: dict[Contender, str] = {"base": "#5a5a5a", "teacher": "#0072b2", "shrunk": "#d98a00", "student": "#009e73"}
MARKERS: dict[Contender, str] = {"base": "o", "teacher": "s", "shrunk": "^", "student": "D"}
CURVES: dict[str, Contender] = {"finetune": "teacher", "distill": "student"}  # whose weights the stage trains
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
) -> dict[str, Plot]:
    """Return every plot that there are numbers for, by file name without suffix: gains, levels, questions, training.

    `steps` holds the step records of the training stages under "finetune" and "distill".
    """
    made = {
        "gains": plot_gains(estimates),
        "levels": plot_levels(losses),
        "questions": plot_questions(losses),
        "training": plot_training(steps),
    }
    return {name: plot for name, plot in made.items() if plot is not None}


def plot_gains(estimates: Sequence[Estimate]) -> Plot | None:
    """Forest plot: each contender's gain over the base, on its own exam (filled) and on control cards (hollow)."""
    figures = {estimate.name: estimate for estimate in estimates}
    rows = [
        (contender, cards, gain(figures[name]))
        for contender in CHANGED
        for cards, name in (("exam", f"reference_loss.{contender}-base"), ("control", f"control_loss.{contender}-base"))
        if name in figures and figures[name].mean is not None
    ]
    if not rows:
        return None
    with _axes("gains", height=0.9 + 0.36 * len(rows)) as (figure, axes):
        for place, (contender, cards, row) in enumerate(rows):
            _whisker(axes, place, contender, row, filled=cards == "exam")
        labels = [f"{contender}, {'own exam' if cards == 'exam' else 'control cards'}" for contender, cards, _ in rows]
        axes.set_yticks(range(len(rows)), labels)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.axvline(0, color=INK, linewidth=1)
        axes.set_xlabel(f"gain over base, {NATS}  (right is better)")
        svg = _svg(figure, "gains")
    table = ((contender, cards, row.mean, row.low, row.high, row.n, row.missing) for contender, cards, row in rows)
    return Plot(svg, _csv(("contender", "cards", "gain_nats", "low", "high", "n", "missing"), table))


def plot_levels(losses: Sequence[ReferenceLoss]) -> Plot | None:
    """Every question's loss under every contender, with the middle half boxed and the median marked."""
    columns = tabulate(losses, lambda loss: loss.nats)
    present = [contender for contender in CONTENDERS if columns.get(contender)]
    if not present:
        return None
    with _axes("levels", height=0.9 + 0.5 * len(present)) as (figure, axes):
        for place, contender in enumerate(present):
            _strip(axes, place, contender, list(columns[contender].values()))
        axes.set_yticks(range(len(present)), present)
        axes.set_ylim(len(present) - 0.5, -0.5)
        axes.set_xlabel(f"loss, {NATS}  (left is better)")
        svg = _svg(figure, "levels")
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
            axes.plot(base[question], teacher[question], **_marker("teacher", filled=True), alpha=0.75)
        axes.set(xlim=(0, top), ylim=(0, top), aspect="equal", xlabel="loss under base, nats per token")
        axes.set_ylabel("loss under teacher, nats per token")
        axes.text(top * 0.97, top * 0.05, "teacher better", ha="right", color="#5b626b")
        axes.text(top * 0.03, top * 0.93, "base better", ha="left", color="#5b626b")
        svg = _svg(figure, "questions")
    return Plot(svg, _csv(("question_id", "base_nats", "teacher_nats"), ((q, base[q], teacher[q]) for q in shared)))


def plot_training(steps: Mapping[str, Sequence[Mapping[str, Any]]]) -> Plot | None:
    """The training loss over steps, one panel a stage; records without a loss are passed over."""
    curves = {
        stage: [(int(record["step"]), float(record["loss"])) for record in steps.get(stage, ()) if "loss" in record]
        for stage in CURVES
    }
    curves = {stage: curve for stage, curve in curves.items() if curve}
    if not curves:
        return None
    with _figure("training", height=2.6) as figure:
        panels = figure.subplots(1, len(curves), squeeze=False)[0]
        for axes, (stage, curve) in zip(panels, curves.items(), strict=True):
            _curve(axes, curve, COLOURS[CURVES[stage]])
            axes.set(title=stage, xlabel="step")
        panels[0].set_ylabel("training loss")
        svg = _svg(figure, "training")
    table = ((stage, step, loss) for stage, curve in curves.items() for step, loss in curve)
    return Plot(svg, _csv(("stage", "step", "loss"), table))


def _whisker(axes: "Axes", place: int, contender: Contender, figure: Estimate, *, filled: bool) -> None:
    """Draw a gain as a marker with its interval; one that has no interval stands alone."""
    if figure.low is not None and figure.high is not None:
        axes.plot(
            [figure.low, figure.high], [place, place], color=COLOURS[contender], linewidth=2, solid_capstyle="round"
        )
    assert figure.mean is not None  # rows without a figure are not drawn
    axes.plot([figure.mean], [place], **_marker(contender, filled=filled), markersize=8)


def _strip(axes: "Axes", place: int, contender: Contender, values: Sequence[float]) -> None:
    """Draw values as dots in a row, jittered across it, under a box of the middle half with the median."""
    import numpy as np

    heights = [place - 0.3 + 0.6 * ((index * GOLDEN) % 1) for index in range(len(values))]
    axes.plot(values, heights, linestyle="", **_marker(contender, filled=True), markersize=4.5, alpha=0.45)
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


def _marker(contender: Contender, *, filled: bool) -> dict[str, Any]:
    colour = COLOURS[contender]
    return {
        "marker": MARKERS[contender],
        "color": colour,
        "markerfacecolor": colour if filled else "white",
        "markeredgewidth": 1.6 if not filled else 0,
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
