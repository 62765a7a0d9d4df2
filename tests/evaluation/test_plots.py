"""Plots: the same numbers give the same bytes, and the CSV holds what the picture shows."""

import csv
import re
from typing import Any, get_args
from xml.etree import ElementTree

from edullama.evaluation.plots import CHOICES, COLOURS, MARKERS, Cut, plot_all, plot_cuts
from edullama.recipe import LayerChoice
from edullama.records import Estimate, ReferenceLoss

ESTIMATES = [
    Estimate("reference_loss.teacher-base", -0.5, -0.7, -0.2, 9, 1),
    Estimate("control_loss.teacher-base", -0.1, None, None, 1, 0),
    Estimate("reference_loss.student-base", None, None, None, 0, 9),
]
LOSSES = [
    ReferenceLoss(question, name, nats, 5)
    for question, base, teacher in (("a", 3.0, 2.0), ("b", 2.5, 2.6), ("c", 4.0, 3.1))
    for name, nats in (("base", base), ("teacher", teacher))
]
STEPS = {
    "finetune": [{"step": step, "loss": 3 / step, "learning_rate": 1e-4} for step in range(1, 50)] + [{"step": 50}],
    "distill": [{"step": 1, "loss": 1.5}, {"step": 2, "loss": 1.0}],
}


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def test_the_same_numbers_give_the_same_bytes_without_a_date() -> None:
    first, second = plot_all(ESTIMATES, LOSSES, STEPS), plot_all(ESTIMATES, LOSSES, STEPS)
    assert first == second
    assert list(first) == ["gains", "levels", "questions", "training"]
    assert all("dc:date" not in plot.svg for plot in first.values())


def test_every_plot_is_a_whole_svg_element_whose_ids_meet_no_other_plots() -> None:
    found: set[str] = set()
    for name, plot in plot_all(ESTIMATES, LOSSES, STEPS).items():
        assert ElementTree.fromstring(plot.svg).tag == "{http://www.w3.org/2000/svg}svg"
        ids = set(re.findall(r'\bid="([^"]+)"', plot.svg))
        links = set(re.findall(r'(?:href="|url\()#([^")]+)', plot.svg))
        assert links <= ids, f"{name}: every reference leads somewhere"
        assert not ids & found
        found |= ids


def test_a_gain_is_plotted_with_better_to_the_right_and_absent_figures_are_left_out() -> None:
    gains = rows(plot_all(ESTIMATES, LOSSES, STEPS)["gains"].csv)
    assert [(row["contender"], row["cards"]) for row in gains] == [("teacher", "exam"), ("teacher", "control")]
    assert (gains[0]["gain_nats"], gains[0]["low"], gains[0]["high"]) == ("0.5", "0.2", "0.7")
    assert (gains[1]["low"], gains[1]["n"]) == ("", "1")


def test_the_tables_hold_what_the_pictures_show() -> None:
    plots = plot_all(ESTIMATES, LOSSES, STEPS)
    assert rows(plots["questions"].csv)[1] == {"question_id": "b", "base_nats": "2.5", "teacher_nats": "2.6"}
    assert len(rows(plots["levels"].csv)) == 6
    assert len(rows(plots["training"].csv)) == 49 + 2, "a record without a loss is passed over"


def test_looks_at_a_training_run_stand_beside_its_loss() -> None:
    looks: list[dict[str, Any]] = [
        {"step": 0, "held_out": 3.5, "general": 3.1},
        {"step": 48, "held_out": None, "general": 3.2},
    ]
    plot = plot_all([], [], {**STEPS, "finetune watch": looks})["training"]
    watched = [row for row in rows(plot.csv) if row["loss_of"] != "learnt"]
    assert [tuple(row.values()) for row in watched] == [
        ("finetune", "held_out", "0", "3.5"),
        ("finetune", "general", "0", "3.1"),
        ("finetune", "general", "48", "3.2"),
    ]
    assert "held out" in plot.svg and "general prose" in plot.svg


def test_questions_that_the_slides_cannot_answer_have_a_row_and_a_plot_of_their_own() -> None:
    apart = Estimate("unanswerable.reference_loss.teacher-base", 0.1, -0.1, 0.3, 5, 0)
    plots = plot_all([*ESTIMATES, apart], LOSSES, STEPS, [ReferenceLoss("z", "base", 3.0, 5)])
    gains = rows(plots["gains"].csv)
    assert [(row["cards"], row["gain_nats"]) for row in gains] == [
        ("exam", "0.5"), ("unanswerable", "-0.1"), ("control", "0.1"),
    ]  # fmt: skip
    assert "teacher, not on the slides" in plots["gains"].svg
    assert rows(plots["unanswerable"].csv) == [{"contender": "base", "question_id": "z", "loss_nats": "3.0"}]
    assert "z" not in {row["question_id"] for row in rows(plots["levels"].csv)}


def test_axes_are_labelled_with_units() -> None:
    plots = plot_all(ESTIMATES, LOSSES, STEPS)
    assert "gain over base, nats per token of the reference answer" in plots["gains"].svg
    assert "loss, nats per token of the reference answer" in plots["levels"].svg
    assert "step" in plots["training"].svg


def test_a_plot_without_numbers_is_not_made() -> None:
    assert plot_all([], [], {}) == {}
    only_base = [loss for loss in LOSSES if loss.model == "base"]
    assert list(plot_all([], only_base, {})) == ["levels"]


def test_every_contender_has_a_colour_and_a_marker_of_its_own() -> None:
    assert len(set(COLOURS.values())) == len(set(MARKERS.values())) == 4


def test_a_sweep_draws_a_line_for_each_choice_over_weights_and_says_which_layers() -> None:
    cuts = [
        Cut(choice, layers, 1_000_000 * len(layers), Estimate("answer_kl", kl, kl / 2, 2 * kl, 4, 0))
        for choice in ("even", "greedy")
        for layers, kl in (([0, 1, 3], 0.5), ([0, 3], 2.0))
    ]
    plot = plot_cuts(cuts)
    rows = list(csv.DictReader(plot.csv.splitlines()))
    assert rows[1] == {
        "choice": "even", "layers": "2", "parameters": "2000000", "kl_nats": "2.0", "low": "1.0", "high": "4.0",
        "n": "4", "which": "0 3",
    }  # fmt: skip
    assert "nats per answer token" in plot.svg and ">greedy<" in plot.svg and ">influence<" not in plot.svg


def test_every_way_to_choose_layers_has_a_colour_and_a_marker_of_its_own() -> None:
    assert set(CHOICES) == set(get_args(LayerChoice))
    assert len({colour for colour, _ in CHOICES.values()}) == len({marker for _, marker in CHOICES.values()}) == 5
