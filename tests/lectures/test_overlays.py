from dataclasses import replace
from pathlib import Path

import pytest

from edullama.errors import InputError
from edullama.lectures.overlays import (
    Steps,
    group_steps,
    join_steps,
    list_steps,
    merge_steps,
    read_step_decisions,
    write_steps,
)
from edullama.lectures.pages import Fragment, Page, Picture, count_characters
from edullama.lectures.pdf import count_pages, read_pages

HEAP = "Ein Heap ist ein Baum, in dem jeder Knoten kleiner ist als seine Kinder"
ARRAY = "Er liegt in einem Array, die Kinder von i auf 2i und 2i + 1"
QUEUE = "Eine Vorrangwarteschlange braucht nicht mehr als das"
LIST = "Eine verkettete Liste dagegen findet das kleinste Element nur langsam"


def page(*lines: str, title: str = "Heaps", label: str = "", pictures: tuple[str, ...] = ()) -> Page:
    """A page of 200 by 100 points with a large title and below it one text a line, each at its own height."""
    texts = [Fragment(title, (10, 5, 60, 13), 8)] if title else []
    texts += [Fragment(text, (10, 25 + 8 * row, 150, 30 + 8 * row), 5) for row, text in enumerate(lines) if text]
    shown = tuple(Picture(name, "bitmap", 10, 10, (100, 30, 150, 80), 0.1) for name in pictures)
    return Page("a", 0, label, 200, 100, tuple(texts), shown, (), (), 0, 0, 0, 0, "pymupdf")


def deck(*pages: Page) -> list[Page]:
    return [replace(page, number=number) for number, page in enumerate(pages, 1)]


def other(label: str = "") -> Page:
    return page("Zahlen sortiert man am besten in n log n", title=f"Sortieren {label}", label=label)


def kept(*pages: Page) -> list[tuple[int, str]]:
    return [(number, fragment.text) for number, fragment in merge_steps(pages)[0]]


def lost(*pages: Page) -> list[tuple[int, str, str]]:
    return [(number, loss.text, loss.reason) for number, loss in merge_steps(pages)[1]]


def test_pages_with_one_label_are_one_slide_even_if_half_of_the_text_is_replaced() -> None:
    steps = [page(HEAP, ARRAY, label="2"), page(HEAP, QUEUE, label="2")]
    assert group_steps(deck(other("1"), *steps, other("3"))) == [[0], [1, 2], [3]]
    assert group_steps(deck(other(), *(replace(step, label="") for step in steps), other())) == [[0], [1], [2], [3]]


def test_a_label_that_other_frames_bear_as_well_does_not_join_them() -> None:
    frames = [
        page(HEAP, title="Heaps", label="7"),
        page(LIST, title="Anhang", label="7"),
        page(label="7", title="Ende"),
    ]
    assert group_steps(deck(other("1"), other("2"), other("3"), other("4"), *frames)) == [
        [0],
        [1],
        [2],
        [3],
        [4],
        [5],
        [6],
    ]


def test_one_label_on_most_pages_says_nothing() -> None:
    frames = [page(text, label="1") for text in ("Erzeuger", "Prüfer", "Verbraucher", "Händler")]
    assert group_steps(deck(*frames, other("2"))) == [[0], [1], [2], [3], [4]]
    assert group_steps(deck(*frames[:2], other("2"))) == [[0, 1], [2]]


def test_without_labels_a_page_that_repeats_the_one_before_is_its_next_step() -> None:
    assert group_steps(deck(other(), page(HEAP), page(HEAP, ARRAY), page(HEAP, ARRAY, QUEUE), other())) == [
        [0], [1, 2, 3], [4],
    ]  # fmt: skip


def test_what_is_shown_for_a_while_and_then_replaced_ends_no_slide() -> None:
    assert group_steps(deck(page(HEAP), page(HEAP, ARRAY, LIST), page(HEAP, "", QUEUE))) == [[0, 1, 2]]


def test_a_title_that_more_slides_share_joins_none() -> None:
    assert group_steps(deck(page(HEAP), page(LIST), page(QUEUE, ARRAY))) == [[0], [1], [2]]
    assert group_steps(deck(page(HEAP, title="Beispiel 1"), page(HEAP, title="Beispiel 2"))) == [[0], [1]]


def test_exercises_that_differ_in_their_formula_alone_stay_apart() -> None:
    pages = [page("Beweise oder widerlege:", formula) for formula in ("2n ∈ O(3n)", "−3n2 ∈ O(n2)", "√n ∈ O(log n)")]
    assert group_steps(deck(*pages)) == [[0], [1], [2]]


def test_a_list_of_which_one_point_at_a_time_is_explained_is_one_slide() -> None:
    def maze(first: str = "", second: str = "") -> Page:
        return page("Maze example with a table", "Environment", first, "Action of the agent", second, "Reward")

    assert group_steps(
        deck(maze("Start, end and walls of a labyrinth"), maze(second="Left, right, up and down, or none"))
    ) == [[0, 1]]


def grey(one: Page, *texts: str) -> Page:
    """Set some of a page's texts in light grey."""
    return replace(one, fragments=tuple(replace(f, faded=f.text in texts) for f in one.fragments))


def test_points_that_are_grey_on_one_page_and_live_on_the_other_are_one_list() -> None:
    first = grey(page("Heap", HEAP, ARRAY, "Liste", "Baum"), "Liste", "Baum")
    second = grey(page("Heap", "Liste", LIST, QUEUE, "Baum"), "Heap", "Baum")
    assert group_steps(deck(first, second)) == group_steps(deck(second, first)) == [[0, 1]]
    assert group_steps(deck(first, grey(second))) == group_steps(deck(grey(first), second)) == [[0], [1]]
    labelled = [replace(one, label=label) for one, label in ((first, "1"), (second, "2"))]
    assert group_steps(deck(*labelled)) == [[0], [1]]


def test_a_grey_point_that_does_not_stand_on_the_other_page_tells_two_lists() -> None:
    first = grey(page("Heap", HEAP, ARRAY, "Liste", "Baum"), "Liste", "Baum")
    without = grey(page("Heap", "Liste", LIST, QUEUE), "Heap")
    assert group_steps(deck(first, without)) == group_steps(deck(without, first)) == [[0], [1]]


def test_slides_that_fill_in_the_same_form_stay_apart() -> None:
    def dataset(about: str, size: str, metric: str) -> Page:
        return page("Images with labels of each", about, "Number of samples", size, "Metric of the benchmark", metric)

    driving = dataset("Street scenes of cities", "Thirty thousand fine ones", "Mean intersection over union")
    assert group_steps(deck(driving, dataset("Cells of fish", "Two thousand", "Dice coefficient"))) == [[0], [1]]


def test_few_words_are_a_step_of_those_that_stand_where_they_stood() -> None:
    assert group_steps(deck(page("Erzeuger"), page("Erzeuger", "Prüfer"))) == [[0, 1]]
    assert group_steps(deck(page("Erzeuger"), page("", "", "Erzeuger", "Prüfer"))) == [[0], [1]]


def test_pages_with_nothing_but_a_title_are_one_slide_only_if_their_pictures_are() -> None:
    assert group_steps(deck(page(pictures=("a",)), page(pictures=("a", "b")), page(pictures=("c",)))) == [[0, 1], [2]]
    assert group_steps(deck(page(), page())) == [[0], [1]]


def test_a_title_alone_is_a_first_step_where_no_labels_say_otherwise() -> None:
    assert group_steps(deck(page(), page(HEAP))) == [[0, 1]]
    assert group_steps(deck(page(label="1"), page(HEAP, label="2"))) == [[0], [1]]


def test_an_outline_with_another_line_marked_is_another_slide() -> None:
    outline = page("Bäume und binäre Suchbäume", "Sortieren durch Mischen", "Kürzeste Wege in Graphen", title="Agenda")
    assert group_steps(deck(outline, outline)) == [[0], [1]]


def test_no_page_is_no_slide() -> None:
    assert group_steps([]) == []
    assert merge_steps([]) == ([], [])


def test_what_a_later_page_says_again_is_lost_with_that_pages_number() -> None:
    pages = deck(page(HEAP), page(HEAP, ARRAY))
    assert kept(*pages) == [(2, "Heaps"), (2, HEAP), (2, ARRAY)]
    assert lost(*pages) == [(1, "Heaps", "said again on page 2"), (1, HEAP, "said again on page 2")]


def test_what_vanished_stays_behind_what_stood_before_it() -> None:
    pages = deck(page(HEAP, ARRAY, QUEUE), page(HEAP, LIST, QUEUE), page(HEAP, "", QUEUE))
    assert kept(*pages) == [(3, "Heaps"), (3, HEAP), (1, ARRAY), (2, LIST), (3, QUEUE)]


def test_a_line_that_went_and_came_back_is_kept_once() -> None:
    pages = deck(page(HEAP, LIST), page(HEAP), page(HEAP, LIST))
    assert kept(*pages) == [(3, "Heaps"), (3, HEAP), (3, LIST)]
    assert (1, LIST, "said again on page 3") in lost(*pages)


def test_a_line_that_has_grown_is_said_again() -> None:
    assert kept(*deck(page("• " + HEAP + "."), page(f"{HEAP}\n{ARRAY}"))) == [(2, "Heaps"), (2, f"{HEAP}\n{ARRAY}")]


def test_a_list_loses_the_lines_that_are_said_again_and_keeps_the_others_with_their_boxes() -> None:
    pages = deck(page(f"{HEAP}\n{ARRAY}\n{LIST}"), page(HEAP, LIST))
    assert kept(*pages) == [(2, "Heaps"), (2, HEAP), (1, ARRAY), (2, LIST)]
    assert merge_steps(pages)[0][2][1].box == pytest.approx((10, 25 + 5 / 3, 150, 25 + 10 / 3))


def test_a_bracket_goes_with_the_code_that_it_closes() -> None:
    pages = deck(page("if (small) {\n    swap();\n}"), page("while (small) {\n    sink();\n}"))
    assert kept(*pages)[1:] == [(1, "if (small) {\n    swap();\n}"), (2, "while (small) {\n    sink();\n}")]


@pytest.mark.parametrize("course", ["dl_schutera_en", "prog2_hsbi_de", "algo1_kit_de"])
def test_every_character_of_real_steps_is_kept_or_lost(course: str, data: Path) -> None:
    for path in sorted((data / course / "slides").glob("*.pdf"))[:6]:
        count, _ = count_pages(path)
        pages = [page for page, _ in read_pages(path, "a", "", range(1, count + 1))]
        for group in group_steps(pages):
            steps = [pages[index] for index in group]
            kept, lost = merge_steps(steps)
            said = [fragment.text for page in steps for fragment in (*page.fragments, *page.invisible)]
            found = [fragment.text for _, fragment in kept] + [loss.text for _, loss in lost]
            assert sum(map(count_characters, found)) == sum(map(count_characters, said))


def test_steps_are_found_in_a_real_deck_with_labels_and_in_one_without(data: Path) -> None:
    beamer, powerpoint = (
        "algo1_kit_de/slides/tutorium_07_folien.pdf",
        "dl_schutera_en/slides/DHBW22_03_SchuteraHafner.pdf",
    )
    for name, numbers, expected in ((beamer, range(1, 6), [1, 3, 1]), (powerpoint, range(19, 22), [2, 1])):
        pages = [page for page, _ in read_pages(data / name, "a", "", numbers)]
        assert [len(group) for group in group_steps(pages)] == expected


PAGES = deck(other(), page(HEAP), page(HEAP, ARRAY), page(HEAP, QUEUE), other("b"))
LISTED = [Steps("a", "2 to 4", "Heaps", "union", "yes", "yes")]


def test_slides_that_are_built_up_are_listed_with_what_tells_so() -> None:
    assert list_steps(PAGES, {}) == LISTED
    assert list_steps(PAGES[:3], {}) == [Steps("a", "2 to 3", "Heaps", "superset", "yes", "yes")]
    labelled = deck(*(replace(page, label=label) for page, label in zip(PAGES[:4], "1223", strict=True)))
    assert [(row.pages, row.reason) for row in list_steps(labelled[:3], {})] == [("2 to 3", "label")]
    assert join_steps(PAGES, LISTED) == group_steps(PAGES) == [[0], [1, 2, 3], [4]]


def test_a_person_takes_pages_apart_and_joins_others(tmp_path: Path) -> None:
    path = tmp_path / "overlays.csv"
    path.write_text(write_steps(LISTED).replace("yes,yes", "yes,no") + "a,3 - 4,,,,yes\n\n")
    decisions = read_step_decisions(path)
    assert decisions == {"a": {"2 to 4": "no", "3 to 4": "yes"}}
    rows = list_steps(PAGES, decisions["a"])
    assert [(row.pages, row.rule, row.use) for row in rows] == [("2 to 4", "yes", "no"), ("3 to 4", "", "yes")]
    assert join_steps(PAGES, rows) == [[0], [1], [2, 3], [4]]
    path.write_text(write_steps(rows))
    assert read_step_decisions(path) == decisions


def test_a_person_extends_what_the_rule_found() -> None:
    rows = list_steps(PAGES, {"4 to 5": "yes", "90 to 91": "yes"})
    assert join_steps(PAGES, rows) == [[0], [1, 2, 3, 4]]


def test_without_a_list_nothing_was_decided(tmp_path: Path) -> None:
    assert read_step_decisions(tmp_path / "overlays.csv") == {}


@pytest.mark.parametrize("pages", ["7", "6 to 4", "06. Apr"])
def test_other_pages_than_a_run_are_refused_with_their_row(pages: str, tmp_path: Path) -> None:
    path = tmp_path / "overlays.csv"
    path.write_text(f"lecture;pages;title;reason;rule;use\na;{pages};;;;yes\n")
    with pytest.raises(InputError, match=rf"overlays\.csv:2: pages is '{pages}'\. Write the first and the last page"):
        read_step_decisions(path)
