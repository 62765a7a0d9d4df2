from pathlib import Path

import pytest

from edullama.errors import InputError
from tests.dataset.reading import read_text, reasons, sides

LEAF = ("What is a leaf?", "An end node.")
TREE = ("Why plant a tree?", "It gives shade.")


@pytest.mark.parametrize(
    "text",
    [
        "# W1\n\n## What is a leaf?\n\nAn end **node**.\n\n---\n\n## 2. Why plant a tree?\n\nIt gives\n[shade](x).\n",
        "**What is a leaf? 👶**\n\nAn end node.\n\n<br/>\n\n## More\n\n**Why plant a tree? ‍⭐️**\n\nIt gives shade.\n",
        "1. **What is a leaf?**\n   An end node.\n2. __Why plant a tree?__\n   It gives shade.\n",
        "Q: What is a leaf?\nA: An end\nnode.\n\nQ: Why plant a tree?\nA: It gives shade.\n",
        "**Q1: What is a leaf?**\n\n**A:** An end node.\n\n**Q2:** Why plant a tree?\n**A2:** It gives shade.\n",
        "- Question 1. What is a leaf?\n- Answer: An end node.\n## Frage: Why plant\na tree?\nA: It gives shade.\n",
        "<details>\n<summary><b>What is a leaf?</b></summary>\n\nAn end node.\n</details>\n\n"
        "<details open><summary>Why plant a tree?</summary>It gives <b>shade</b>.</details>\n",
        "### 1. What is a leaf?\n<details><summary>Show answer</summary>\n<p>An end node.</p>\n</details>\n\n"
        "### 2. Why plant a tree?\n<details><summary>Answer</summary>It gives shade.</details>\n",
        "Intro.\n\nWhat is a leaf?\n\n<details><summary>Lösung</summary>An end node.</details>\n\n"
        "Why plant a tree?\n<details><summary>**Solution**</summary>It gives shade.</details>\n",
        "#flashcards\n\nWhat is a leaf?::An end node.\n<!--SR:!2024-->\nWhy plant a tree?::It gives [[x|shade]].\n",
        "- What is a leaf? :: An end node.\n- Why plant a tree? :: It gives shade.\n",
        "What is a leaf?\n?\nAn end\nnode.\n\nWhy plant a tree?\n?\nIt gives shade.\n",
        "| Deck | Question | Answer |\n|---|:---:|---|\n| x | What is a leaf? | An end node. |\n"
        "| x | Why plant a tree? | It gives shade. |\n",
        "---\ntags: x\n---\n## What is a leaf?\n\n### An\n\nend node.\n\n## Why plant a tree?\nIt gives shade.\n",
    ],
)  # fmt: skip
def test_cards_in_markdown_of_many_kinds(tmp_path: Path, text: str) -> None:
    cards, _ = read_text(tmp_path, "week1.md", text)
    assert sides(cards) == [LEAF, TREE]


def test_text_files_have_labels_too(tmp_path: Path) -> None:
    text = "Frage: What is a leaf?\nAntwort: An end node.\n\nFrage: Why plant a tree?\nAntwort: It gives shade.\n"
    assert sides(read_text(tmp_path, "week1.txt", text)[0]) == [LEAF, TREE]


def test_headings_that_do_not_ask_are_no_cards(tmp_path: Path) -> None:
    text = (
        "# Notes\n\n## Table of contents\n\n* x\n\n## What is LoRA?\n\nA *low-rank* update.\n\n## Links\n\nhttp://x\n"
    )
    cards, dropped = read_text(tmp_path, "notes.md", text)
    assert sides(cards) == [("What is LoRA?", "A *low-rank* update.")]
    assert [(drop.reason, drop.text) for drop in dropped] == [
        ("a heading, not a question", "Table of contents"), ("a heading, not a question", "Links"),
    ]  # fmt: skip


def test_code_in_answers_is_kept_as_it_is(tmp_path: Path) -> None:
    text = "## What is this?\n\n```html\n# <b>x</b>\n**a?**\n```\n\nA `<b>` tag.\n\n"
    text += "## And `<i>`?\n\n![logo](x.png) It is italic.\n"
    assert sides(read_text(tmp_path, "code.md", text)[0]) == [
        ("What is this?", "# <b>x</b> **a?** A `<b>` tag."), ("And `<i>`?", "It is italic."),
    ]  # fmt: skip


def test_double_colons_of_code_are_no_cards(tmp_path: Path) -> None:
    text = "## What is `std::vector`?\n\nUse `std::vector` like Foo::bar in A::b.\n"
    assert sides(read_text(tmp_path, "cpp.md", text)[0]) == [
        ("What is `std::vector`?", "Use `std::vector` like Foo::bar in A::b.")
    ]


def test_cards_that_go_both_ways_ask_back_only_with_a_question(tmp_path: Path) -> None:
    text = "Speed of light ::: How fast is nothing else?\n\nLargest prime\n??\nThere is none\n"
    cards, dropped = read_text(tmp_path, "cards.md", text)
    assert sides(cards) == [("How fast is nothing else?", "Speed of light"), ("Largest prime", "There is none")]
    assert reasons(dropped) == ["the answer is a question", "the reversed side is no question"]


def test_a_question_with_choices_and_code_is_kept_whole(tmp_path: Path) -> None:
    text = "###### 1. What's the output?\n\n```js\nlog(1);\n```\n\n- A: `1`\n- B: `2`\n\n"
    text += "<details><summary><b>Answer</b></summary>\n\n#### Answer: A\n\nIt logs one.\n\n</details>\n"
    cards, _ = read_text(tmp_path, "js.md", text)
    assert sides(cards) == [("What's the output? log(1); - A: `1` - B: `2`", "Answer: A It logs one.")]


@pytest.mark.parametrize("text", ["", "# Notes\n\nProse.\n", "## Links\n\nhttp://x\n", "**Bold**\n\nText, is it?\n"])
def test_markdown_without_cards_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"notes\.md: no flashcard found"):
        read_text(tmp_path, "notes.md", text)
