import pytest

from edullama.lectures.block_kinds import tell_kind
from edullama.lectures.pages import Line
from edullama.records import BlockKind


def tell(text: str, *, mono: bool = False, maths: float = 0.0) -> BlockKind:
    lines = [Line(line, (0, 0, 9, 9), 9, mono, False, maths) for line in text.split("\n")]
    return tell_kind(lines, text)


@pytest.mark.parametrize(
    "text",
    [
        "public class Studi {\n    private int credits = 0;\n}",
        "List<Studi> sl = new ArrayList<>();",
        "sl.sort(???); // Parameter: java.util.Comparator<Studi>",
        "for i in range(n):\n    total += values[i]\nprint(total)",
        "def fit(x, y):\n    return model.fit(x, y)",
        "from sklearn.svm import SVC",
        "import numpy as np",
        "#include <stdio.h>\nint main(void) {\n    return 0;\n}",
        "while Q not empty do\n    u := Q.pop()\nend while",
        "procedure BFS(G, s)\n    for each v in G do\n        dist[v] ← ∞\n    end for",
        "$ git merge wuppie",
        "git checkout -b fix",
        ">>> x = 3",
        "pip install torch",
        "sudo apt-get install tesseract-ocr",
        "learning_rate = 10 ** uniform(-6, 1)",
        "(Studi s) -> s.getCredits() > 300",
        "@Override",
        "lasso <- function(X, y, lambda, N){",
    ],
)
def test_code_is_known_by_its_shape(text: str) -> None:
    assert tell(text) == "code"


@pytest.mark.parametrize("text", ["git status", "A---B---C master", "X{n,m}", "}", "fn find(i: index): index"])
def test_code_is_known_by_its_font(text: str) -> None:
    assert tell(text, mono=True) == "code"


@pytest.mark.parametrize(
    "text",
    [
        "H(X, Y) = −E [log p(X, Y)] .", "n", "i=1", "2 σ²", "p(x)p(y)", "x∈X", "∑", "(", "0 0 1 0\n1 1 0 0", "-4 -4 0",
        "0.47", "43 %", "w1", "O(n log k)", "MSE = Bias2(f(x)) + Var(f(x)) + σ2", "ˆθ = arg minθ Rreg(θ)",
        "y = 0.2x1 + 0.2x2 + ϵ", "f (n) = n + 3 · f (n", "{x | x ∈ V}", "T(n) =", "c = med[y]", "1{y(i)=j}",
    ],
)  # fmt: skip
def test_formulas_and_their_pieces_are_known(text: str) -> None:
    assert tell(text) == "formula"


def test_a_font_for_formulas_makes_up_for_words_between_signs() -> None:
    assert tell("ŷi = max Recall − xi", maths=1.0) == "formula"
    assert tell("ŷi = max Recall − xi") == "text"


@pytest.mark.parametrize(
    "text",
    [
        "Die Methode foo() gibt den Wert zurück.",
        "Use Optional.of() to wrap a value",
        "Furthermore, if H(X|Y) = 0, then X is a function of Y, so for all y with p(y) > 0",
        "Proof: I(X; Y) = DKL(p(x, y)∥p(x)p(y)) ≥ 0, with equality if and only if X and Y are independent.",
        "• Suchen: O(log n)",
        "• Füge ein: 17, 4, 3, 5, 11, 8, 6, 23, 42, 37, 18",
        "• the bias-variance trade-off;",
        "6. Vermeiden Sie if (opt.isPresent()) { T v = opt.get(); ... }.",
        "git status and git add are the commands that you need most",
        "for example:",
        "with the following properties:",
        "https://arxiv.org/abs/1512.02325",
        "mark.schutera@kit.edu",
        "1995 2013 2016 2019",
        "18. Juni 2014",
        "[12]",
        "(a)",
        "TP FP FN",
        "Loss",
        "und",
        "In C++: std::vector",
        "java.util.logging (JDK), log4j (Apache), SLF4J, Logback, . . .",
        "Studi{2} passt nicht auf “StudiStudi” (!)",
        "y (pres)",
    ],
)
def test_what_says_something_in_words_is_text(text: str) -> None:
    assert tell(text) == "text"


def test_sentences_and_links_in_a_typewriters_font_are_text() -> None:
    assert tell("More detailed explanatory text, if necessary. Wrap it to about\n72 characters", mono=True) == "text"
    assert tell("https://github.com/schutera", mono=True) == "text"


def test_an_endless_line_takes_no_time() -> None:
    assert tell("x" + "_" * 100_000 + "{") in ("text", "formula", "code")
