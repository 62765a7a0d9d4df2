import pytest

from edullama.dataset.windows import make_windows
from edullama.records import Entry


def entries(lecture: str, count: int) -> list[Entry]:
    return [Entry(f"{lecture}:{n}", lecture, f"text {lecture}{n}", (n,)) for n in range(1, count + 1)]


def members(*args: int, lectures: list[Entry]) -> list[tuple[str, ...]]:
    return [window.entries for window in make_windows(lectures, *args)]


def test_windows_never_cross_lectures_and_the_last_may_be_shorter() -> None:
    assert members(4, 4, lectures=entries("a", 6) + entries("b", 2)) == [
        ("a:1", "a:2", "a:3", "a:4"), ("a:5", "a:6"), ("b:1", "b:2"),
    ]  # fmt: skip


def test_a_stride_below_the_size_makes_windows_overlap() -> None:
    assert members(4, 2, lectures=entries("a", 6)) == [("a:1", "a:2", "a:3", "a:4"), ("a:3", "a:4", "a:5", "a:6")]


def test_the_texts_of_a_window_are_parted_by_blank_lines() -> None:
    (window,) = make_windows(entries("a", 2), 4, 4)
    assert (window.id, window.text) == ("a:1", "text a1\n\ntext a2")


@pytest.mark.parametrize(
    ("text", "halves"),
    [
        ("Stacks\npush puts on top\npop takes it off again", ["Stacks\npush puts on top", "pop takes it off again"]),
        ("Stacks\nOne grows. It grows at one end only.", ["Stacks\nOne grows.", "It grows at one end only."]),
        ("One sentence that nobody can part", ["One sentence that nobody can part"]),
    ],
)
def test_half_a_slide_ends_with_a_line_or_a_sentence_near_the_middle(text: str, halves: list[str]) -> None:
    windows = make_windows([Entry("a:3", "a", text, (3,))], 0.5, 4)
    assert [window.text for window in windows] == halves
    assert [(window.id, window.entries) for window in windows] == [
        (f"a:3/{number}", ("a:3",)) for number in range(1, len(halves) + 1)
    ]
