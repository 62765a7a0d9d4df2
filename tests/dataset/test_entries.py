from edullama.dataset.entries import count_words, make_entries
from edullama.records import Block, BlockKind, Entry, Slide


def slide(page: int, title: str, *texts: str, lecture: str = "a") -> Slide:
    blocks = tuple(Block(text, "text", page, (0, 0, 1, 1)) for text in (title, *texts) if text)
    return Slide(lecture, (page,), title, blocks, "en", "content" if blocks else "blank", "text")


def test_an_entry_is_the_title_and_then_the_blocks() -> None:
    text_first = Slide("a", (3,), "Momentum", (
        Block("speeds up gradient descent", "text", 3, (0, 0, 1, 1)), Block("Momentum", "text", 3, (0, 0, 1, 1)),
    ), "en", "content", "text")  # fmt: skip
    (entry,), _ = make_entries([text_first])
    assert (entry.id, entry.text, entry.slides) == ("a:3", "Momentum\nspeeds up gradient descent", (3,))


def test_blank_and_tiny_slides_are_dropped_with_a_reason() -> None:
    _, dropped = make_entries([slide(1, ""), slide(2, "Questions?"), slide(3, "One two three four five")])
    assert [(drop.id, drop.reason) for drop in dropped] == [("a:1", "blank"), ("a:2", "fewer than 5 words")]


def test_an_oversize_slide_is_split_at_blocks_and_each_piece_has_the_title() -> None:
    short = [slide(page, "Short", "one two three four five six seven") for page in range(1, 9)]
    blocks = ["alpha " * 9 + "end.", "beta " * 9 + "end.", "gamma " * 9 + "end."]
    entries, _ = make_entries([*short, slide(9, "Long", *(block.strip() for block in blocks))])
    pieces = [entry for entry in entries if entry.slides == (9,)]
    assert [piece.id for piece in pieces] == ["a:9", "a:9-2", "a:9-3"]
    assert all(piece.text.startswith("Long\n") for piece in pieces)
    assert ["alpha" in pieces[0].text, "beta" in pieces[1].text, "gamma" in pieces[2].text] == [True] * 3


def test_one_long_paragraph_is_split_between_sentences_and_no_word_is_lost() -> None:
    short = [slide(page, "Short", "one two three four five six seven") for page in range(1, 9)]
    text = " ".join(f"Sentence {name} says some more words." for name in ("a", "b", "c", "d", "e", "f", "g", "h"))
    entries, _ = make_entries([*short, slide(9, "Long", text)])
    pieces = [entry.text.removeprefix("Long\n") for entry in entries if entry.slides == (9,)]
    assert len(pieces) > 2
    assert " ".join(pieces).split() == text.split()
    assert all(piece.endswith(".") for piece in pieces)


def long_slide(*blocks: Block) -> list[Entry]:
    """Entries of a slide that stands among eight with nine words each, title included."""
    short = [slide(page, "Short", "one two three four five six seven eight") for page in range(1, 9)]
    long = Slide("a", (9,), "Long", (block("Long"), *blocks), "en", "content", "text")
    return [entry for entry in make_entries([*short, long])[0] if entry.slides == (9,)]


def block(text: str, kind: BlockKind = "text") -> Block:
    return Block(text, "text", 9, (0, 0, 1, 1), kind)


def test_a_sentence_that_runs_over_lines_is_not_parted_at_a_line() -> None:
    sentences = ["One sentence\nruns over two lines of it.", "The next one\nruns over two lines as well."] * 4
    pieces = [entry.text.removeprefix("Long\n") for entry in long_slide(block("\n".join(sentences)))]
    assert len(pieces) > 2
    assert all(piece.split("\n")[-1].endswith(".") for piece in pieces)


def test_a_list_without_full_stops_is_parted_between_its_lines() -> None:
    lines = [f"• point {name} of a long list" for name in "abcdefgh"]
    pieces = [entry.text.removeprefix("Long\n") for entry in long_slide(block("\n".join(lines)))]
    assert [line for piece in pieces for line in piece.split("\n")] == lines


def test_a_sentence_of_about_the_mean_stays_whole_and_an_endless_one_is_cut_between_words() -> None:
    longer = " ".join(["word"] * 17) + "."
    assert [entry.text for entry in long_slide(block(longer), block("and some more words"))] == [
        f"Long\n{longer}\nand some more words"
    ]
    endless = " ".join(f"word{'x' * place}" for place in range(50))
    pieces = [entry.text.removeprefix("Long\n") for entry in long_slide(block(endless))]
    assert " ".join(pieces).split() == endless.split()
    assert [count_words(piece) for piece in pieces] == [13, 13, 13, 11]  # the mean is 13.7


def test_code_is_parted_between_lines_and_never_within_one() -> None:
    lines = [f"String text = new String(value{name}). Length(); // a long line" for name in "abcdef"]
    pieces = [entry.text.removeprefix("Long\n") for entry in long_slide(block("\n".join(lines), "code"))]
    assert len(pieces) > 1
    assert [line for piece in pieces for line in piece.split("\n")] == lines


def test_bullets_and_numbers_are_no_words() -> None:
    assert count_words("• 3 layers, 12 heads – each 64 wide") == 4
