"""What the terminal shows of a course."""

from edullama.records import TokenCounts
from edullama.summary import show_tokens


def test_tokens_are_told_by_kind_with_a_bar_for_each_length_of_windows() -> None:
    counts = TokenCounts("m", (100, 20), (10, 15, 16, 100, 1000, 1025), (7,))
    assert list(show_tokens(counts, 1024)) == [
        "tokens of m: 120 in 2 entries, 2,166 in 6 windows, 7 in 1 pairs",
        "       0 to 255 tokens      4 ████████████████████████████████████████",
        "     256 to 511 tokens      0",
        "     512 to 767 tokens      0",
        "   768 to 1,023 tokens      1 ██████████",
        " 1,024 to 1,279 tokens      1 ██████████",
        "1 of 6 windows are longer than finetune.max_tokens, 1,024, and are split",
    ]


def test_a_course_without_windows_has_no_bars() -> None:
    assert list(show_tokens(TokenCounts("m", (), (), ()), 1024)) == [
        "tokens of m: 0 in 0 entries, 0 in 0 windows, 0 in 0 pairs"
    ]
