from pathlib import Path

import pytest

from edullama.errors import InputError
from tests.dataset.reading import read_text, reasons, sides


def test_flashcards_of_the_class_are_read(tmp_path: Path) -> None:
    text = r"""\documentclass[avery5371]{flashcards}
\newcommand{\R}{\mathbb{R}}
\begin{document}
% \begin{flashcard}{What is a comment?} Not a card. \end{flashcard}
\begin{flashcard}[Topology]{What is a \emph{compact} set?}
  \vspace*{\stretch{1}}
  A set whose open covers all have a \textbf{finite} subcover, in 100\% of cases.  % a remark
  \vspace*{\stretch{1}}
\end{flashcard}
\begin{flashcard}[Definition]{Norm of $x \in \mathbb{R}^{n}$}
  \begin{itemize} \item $\|x\| \geq 0$ \item[--] \[ \|x\|_2 = \sqrt{\sum_{i} x_i^2} \] \end{itemize}
\end{flashcard}
\begin{flashcard}{}\end{flashcard}
\end{document}
"""
    assert sides(read_text(tmp_path, "cards.tex", text)[0]) == [
        ("What is a compact set?", "A set whose open covers all have a finite subcover, in 100% of cases."),
        ("Definition: Norm of x ∈ R^n", "- ‖x‖ ≥ 0 - ‖x‖_2 = √(∑_i x_i^2)"),
    ]


def test_cards_that_are_commands_are_read(tmp_path: Path) -> None:
    text = r"""\card{Was hei\ss{}t \glqq{}Gr\"o\ss e\grqq?}{Ma\ss{} --- bis auf $O(n)$}
\card
  {Where is {\bf this}?}
  {Here\\[2mm] and ``there''}
\begin{karte}[Fach]{Wann gilt $a<b$?}[Titel] Wenn~$b > a$. \end{karte}
"""
    assert sides(read_text(tmp_path, "cards.tex", text)[0]) == [
        ("Was heißt „Größe“?", "Maß — bis auf O(n)"), ("Where is this?", "Here and “there”"),
        ("Wann gilt a<b?", "Wenn b > a."),
    ]  # fmt: skip


def test_images_of_cards_are_noticed(tmp_path: Path) -> None:
    text = r"""\card{Draw a tree}{\includegraphics[width=2cm]{tree}}
\card{What is a tree?}{\begin{tikzpicture} \draw (0,0); \end{tikzpicture} A graph}
"""
    cards, dropped = read_text(tmp_path, "cards.tex", text)
    assert (sides(cards), reasons(dropped)) == (
        [("What is a tree?", "A graph")], ["the answer is only an image or a sound"],
    )  # fmt: skip


@pytest.mark.parametrize("text", ["", "\\section{Intro} Prose.", "\\newcommand{\\card}[2]{#1}"])
def test_latex_without_cards_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"lecture\.tex: no flashcard found"):
        read_text(tmp_path, "lecture.tex", text)


@pytest.mark.parametrize("text", ["\\begin{flashcard}{What is a?} A letter", "\\card{What is a?}{A letter"])
def test_a_card_that_never_ends_ends_with_the_file(tmp_path: Path, text: str) -> None:
    assert sides(read_text(tmp_path, "cards.tex", text)[0]) == [("What is a?", "A letter")]
