from edullama.dataset.held_out import covered, general_texts, hold_out
from edullama.records import Pair, Window


def windows(count: int) -> list[Window]:
    return [Window(f"l:{n}", "l", f"text {n}", (f"l:{4 * n + 1}", f"l:{4 * n + 2}-2")) for n in range(count)]


def explanations(count: int) -> list[Pair]:
    return [Pair(f"e{n}", "explanation", "l", "Explain", f"text {n}", (f"l:{4 * n + 1}",)) for n in range(count)]


def test_a_share_is_held_out_and_the_rest_is_learnt() -> None:
    learnt, watched = hold_out(windows(100), 0.05)
    assert (len(learnt), len(watched)) == (95, 5)
    assert not {text.id for text in learnt} & {text.id for text in watched}
    assert learnt == [text for text in windows(100) if text in learnt]  # in their order


def test_a_small_course_learns_everything() -> None:
    assert hold_out(windows(39), 0.05) == (windows(39), [])
    assert len(hold_out(windows(40), 0.01)[1]) == 2
    assert hold_out(windows(100), 0.0) == (windows(100), [])


def test_what_is_held_out_depends_on_ids_alone() -> None:
    assert {text.id for text in hold_out(windows(100)[::-1], 0.05)[1]} == {
        text.id for text in hold_out(windows(100), 0.05)[1]
    }


def test_a_slide_that_is_held_out_is_learnt_in_no_other_form() -> None:
    learnt, watched = hold_out([*windows(40), *explanations(40)], 0.1)
    slides = {slide for text in watched for slide in covered(text)}
    assert not any(slides & covered(text) for text in learnt)
    assert len(learnt) + len(watched) == 80  # an explanation goes with its window


def test_what_holds_slides_of_both_sides_is_neither_learnt_nor_watched() -> None:
    overlapping = [Window(f"l:{n}", "l", "", tuple(f"l:{n + step}" for step in range(4))) for n in range(60)]
    learnt, watched = hold_out(overlapping, 0.1)
    assert 0 < len(watched) < 6 and 40 < len(learnt) < 60
    slides = {slide for text in watched for slide in covered(text)}
    assert not any(slides & covered(text) for text in learnt)


def test_a_piece_of_a_slide_counts_as_the_slide() -> None:
    assert covered(Window("w", "week-1", "", ("week-1:7-2", "week-1:8"))) == {"week-1:7", "week-1:8"}
    assert covered(Window("w", "l", "", ())) == {"w"}


def test_the_general_texts_are_paragraphs_without_line_breaks() -> None:
    texts = general_texts()
    assert len(texts) >= 20
    assert all(len(text.split()) > 20 and "\n" not in text for text in texts)
