from edullama.lectures.layout import arrange, find_title
from edullama.lectures.pages import HYPHEN, Fragment, Line, count_characters


def line(text: str, left: float, top: float, *, size: float = 10.0, mono: bool = False) -> Line:
    """A line whose letters are half as wide as high."""
    return Line(text, (left, top, left + len(text) * size / 2, top + size), size, mono, bold=False)


def texts(*blocks: list[Line]) -> list[str]:
    return [fragment.text for fragment in arrange(blocks).fragments]


def test_wrapped_lines_become_one() -> None:
    block = [line("Gradient descent follows the", 0, 0), line("negative gradient downhill.", 0, 12)]
    assert texts(block) == ["Gradient descent follows the negative gradient downhill."]


def test_bullets_keep_their_lines() -> None:
    block = [line("• one is the first of all", 0, 0), line("• two is the next of them", 0, 12)]
    assert texts(block) == ["• one is the first of all\n• two is the next of them"]


def test_a_bullet_on_its_own_joins_the_text_on_its_row() -> None:
    assert texts([line("•", 0, 0)], [line("Breadth first", 40, 0)]) == ["• Breadth first"]


def test_all_bullets_look_the_same() -> None:
    assert texts([line("▶Breitensuche", 0, 0)]) == ["• Breitensuche"]


def test_a_wider_gap_ends_a_paragraph() -> None:
    block = [line("The first paragraph goes on", 0, 0), line("to its second line of text", 0, 10),
             line("and the second one is here", 0, 24)]  # fmt: skip
    assert texts(block) == ["The first paragraph goes on to its second line of text\nand the second one is here"]


def test_a_hyphen_at_the_end_of_a_line_is_marked() -> None:
    assert texts([line("we classify dense pixel-", 0, 0), line("wise with a network of it", 0, 12)]) == [
        f"we classify dense pixel{HYPHEN}wise with a network of it"
    ]


def test_a_hyphen_joins_even_where_the_half_word_below_would_have_fitted() -> None:
    block = [line("subject to all of the con-", 0, 0), line("straints. And a line that is much longer", 0, 12)]
    assert texts(block) == [f"subject to all of the con{HYPHEN}straints. And a line that is much longer"]


def test_a_suspended_hyphen_keeps_its_space() -> None:
    assert texts([line("Verfahren zur Ein-", 0, 0), line("und Ausgabe von Daten", 0, 12)]) == [
        "Verfahren zur Ein- und Ausgabe von Daten"
    ]


def test_code_keeps_lines_and_indentation_across_blocks() -> None:
    first = [line("for x in y:", 0, 0, mono=True)]
    second = [line("print(x)", 20, 12, mono=True)]
    assert texts(first, second) == ["for x in y:\n    print(x)"]


def test_code_in_another_font_keeps_its_lines() -> None:
    block = [line("if (a > b) {", 0, 0), line("return f(a);", 20, 12), line("}", 0, 24)]
    assert texts(block) == ["if (a > b) {\n    return f(a);\n}"]


def test_a_sentence_goes_on_in_the_block_of_another_font() -> None:
    first = [line("Attribute sind", 0, 0)]
    assert texts(first, [line("final", 75, 0, mono=True), line("(immer)", 105, 0)]) == ["Attribute sind final (immer)"]


def test_no_space_comes_between_a_bracket_and_what_it_holds() -> None:
    assert texts([line("Fehler (", 0, 0)], [line("throws", 45, 0, mono=True)], [line(")", 80, 0)]) == [
        "Fehler (throws)"
    ]


def test_what_overlaps_as_in_a_fraction_does_not_become_one_number() -> None:
    assert texts([line("h(X) = 1", 0, 0)], [line("2 log(2)", 36, 3)]) == ["h(X) = 1 2 log(2)"]


def test_pieces_of_one_formula_become_one() -> None:
    pieces = [[line("∑", 0, 10)], [line("i=1", 0, 21, size=6)], [line("n", 0, 2, size=6)]]
    assert [(f.text, f.kind) for f in arrange(pieces).fragments] == [("n\n∑\ni=1", "formula")]


def test_two_columns_are_read_one_after_the_other() -> None:
    title = [line("A title over the whole of both columns, from left to right", 0, 0)]
    left = [[line("left column says a lot", 0, top)] for top in (20, 40)]
    right = [[line("right column says more", 200, top)] for top in (20, 40)]
    assert texts(title, *left, *right)[1:] == ["left column says a lot"] * 2 + ["right column says more"] * 2


def test_a_table_is_read_row_by_row() -> None:
    cells = [[line(text, left, top)] for text, left, top in
             (("rank", 0, 0), ("loss", 200, 0), ("8", 0, 20), ("1.2", 200, 20))]  # fmt: skip
    assert texts(*cells) == ["rank", "loss", "8", "1.2"]


def test_cells_of_a_row_stay_together_from_left_to_right() -> None:
    block = [line("rank", 0, 0), line("loss", 100, 0), line("a row that spans both of the columns", 0, 12),
             line("eight", 0, 25), line("1.2 nats", 100, 24)]  # fmt: skip
    assert texts(block) == ["rank loss\na row that spans both of the columns\neight 1.2 nats"]


def test_a_paragraph_goes_on_in_the_block_below() -> None:
    first = [line("• The folder of the first stage bears the name", 0, 0)]
    assert texts(first, [line("1-ingest and no other.", 10, 12)]) == [
        "• The folder of the first stage bears the name 1-ingest and no other."
    ]


def test_what_is_printed_twice_for_a_shadow_is_read_once() -> None:
    arranged = arrange([[line("Attention", 0, 0)], [line("Attention", 1.6, 0.5)]])
    assert [fragment.text for fragment in arranged.fragments] == ["Attention"]
    assert [(loss.text, loss.reason) for loss in arranged.lost] == [("Attention", "printed twice at one place")]


def test_no_character_is_lost() -> None:
    lines = [line("• one (", 0, 0), line("f", 36, 0, mono=True), line("x = 2", 0, 40), line("x = 2", 1, 41)]
    arranged = arrange([[line] for line in lines])
    texts = [fragment.text for fragment in arranged.fragments] + [loss.text for loss in arranged.lost]
    assert sum(map(count_characters, texts)) == sum(count_characters(line.text) for line in lines) + arranged.added


def test_a_title_may_be_a_little_smaller_than_the_text_below() -> None:
    title, body = Fragment("Loss functions", (0, 12, 90, 26), 14), Fragment("Recap of loss", (0, 30, 90, 46), 16)
    assert find_title([body, title], 200) is title


def test_the_title_is_the_largest_text_near_the_top() -> None:
    head = Fragment("Chapter 3", (0, 2, 50, 8), 6)
    title = Fragment("Loss functions", (0, 12, 90, 26), 14)
    body = Fragment("HUGE LABEL", (0, 90, 90, 130), 40)
    assert find_title([head, title, body], 200) is title


def test_a_formula_is_no_title() -> None:
    formula = Fragment("1 ax = 1 + x", (200, 5, 300, 30), 20)
    title = Fragment("Sigmoid", (0, 5, 60, 19), 14)
    assert find_title([formula, title], 200) is title


def test_code_is_no_title() -> None:
    code = Fragment("class Studi {}", (0, 5, 60, 25), 20, "code")
    title = Fragment("Klassen", (0, 5, 60, 19), 14)
    assert find_title([code, title], 200) is title
