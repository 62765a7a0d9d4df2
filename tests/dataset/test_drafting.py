"""Questions from slides: what the rules take and leave, and what is checked of an endpoint's."""

import json
from collections.abc import Sequence

import pytest

from edullama.dataset.drafting import SCHEMA, draft_by_endpoint, draft_by_rules
from edullama.endpoint.structured import read_structured
from edullama.records import Block, BlockKind, Complete, Draft, Prompt, Rejection, Reply, Slide, SlideKind

STACK = "A stack is a list that grows at one end only."
QUEUE = "A queue returns the oldest of its 12 elements first, because elements leave it in the order of their arrival."
RIGHT = {"kind": "why", "question": "Why does a queue return its oldest element first?", "answer": QUEUE, "span": QUEUE}


def block(text: str, kind: BlockKind = "text", language: str = "en") -> Block:
    return Block(text, "text", 1, (0, 0, 100, 20), kind, language)


def slide(
    *texts: str | Block, title: str = "Stacks", language: str = "en", kind: SlideKind = "content", page: int = 7
) -> Slide:
    blocks = [text if isinstance(text, Block) else block(text, language=language) for text in (title, *texts)]
    return Slide("lists", (page,), title, tuple(blocks), language, kind, "text: 99 letters")


def drafted(*texts: str | Block, title: str = "Stacks", language: str = "en") -> list[str]:
    return [draft.question.question for draft in draft_by_rules([slide(*texts, title=title, language=language)])]


def by_endpoint(*items: dict[str, str], per_slide: int = 1) -> tuple[list[Draft], list[Rejection]]:
    return draft_by_endpoint([slide(QUEUE, title="Queues")], replying(json.dumps({"questions": items})), per_slide)


def replying(text: str | None) -> Complete:
    return lambda prompts: [Reply(text, "" if text else "the server is busy") for _ in prompts]


@pytest.mark.parametrize(
    ("sentence", "question"),
    [
        (STACK, "What is a stack?"),
        ("Linked lists are chains of cells that point to each other.", "What are linked lists?"),
        ("The reference loss is measured in nats per token.", "How is the reference loss measured?"),
        ("A full binary tree consists of nodes with two children.", "What does a full binary tree consist of?"),
        ("Hash tables are used to find keys in constant time.", "What are hash tables used for?"),
        ("A reply without a verdict is called unparsed.", "What is a reply without a verdict called?"),
        ("The record Estimate has six fields: name, mean, low, high, n and missing.",
         "Which six fields does the record Estimate have?"),
        ("Linear search is slow, because it looks at every element.", "Why is linear search slow?"),
        ("Regularization increases bias because it adds a constraint.", "Why does regularization increase bias?"),
    ],
)  # fmt: skip
def test_english_sentences_are_turned_into_questions(sentence: str, question: str) -> None:
    assert drafted(sentence, "We use linked lists and hash tables, linear search and regularization") == [question]


@pytest.mark.parametrize(
    ("sentence", "question"),
    [
        ("Ein Stapel ist eine Liste, die nur an einem Ende wächst.", "Was ist ein Stapel?"),
        ("Unter Rekursion versteht man den Aufruf seiner selbst.", "Was versteht man unter Rekursion?"),
        ("Das Protokoll des Trainings heißt steps.jsonl und ist kurz.", "Wie heißt das Protokoll des Trainings?"),
        ("Ein Binärbaum besteht aus Knoten und höchstens zwei Kindern.", "Woraus besteht ein Binärbaum?"),
        ("LoRA-Dropout kostet auf der CPU den Faktor 1,4, weil ein einziger Thread die Masken zieht.",
         "Warum kostet LoRA-Dropout auf der CPU den Faktor 1,4?"),
        ("Ein Iterator dient dazu, alle Elemente zu besuchen.", "Wozu dient ein Iterator?"),
    ],
)  # fmt: skip
def test_german_sentences_are_turned_into_questions(sentence: str, question: str) -> None:
    assert drafted(sentence, title="Stapel", language="de") == [question]


@pytest.mark.parametrize(
    "sentence",
    [
        "This is a list that grows at one end only.",
        "The file is a list that somebody has written.",
        "Adam is a reasonable choice for a start.",
        "A result is that f(x) = 2 for every number.",
        "In the next slides we will see a stack that grows.",
        "The drawing on the right is a stack of plates.",
        "Goals are lists that a student should reach.",
        "Note: the exam is a list of easy questions",
        "A stack is fast.",
    ],
)
def test_what_cannot_be_asked_without_its_slide_is_left(sentence: str) -> None:
    assert drafted(sentence) == []


def test_a_reference_is_taken_word_by_word_and_knows_its_slide() -> None:
    (draft,) = draft_by_rules([slide(f"Stacks are simple. {STACK}\nThey are everywhere.")])
    assert (draft.question.reference, draft.span, draft.kind) == (STACK, STACK, "definition")
    assert (draft.question.lecture, draft.question.source) == ("lists", "drafted by rules")
    assert draft.slides == ("lists:7",)


def test_terms_before_a_colon_are_asked_for_where_the_course_uses_them() -> None:
    lines = (
        "• Commit: snapshot of all changes at one time\n• Wuppie: nothing of any use to students\n• The commit counts"
    )
    assert drafted(lines) == ["What is meant by “Commit”?"]
    german = "• Repository: Datenbank mit allen Versionen\n• Statt: Klasse mit allen Versionen statt im Repository"
    assert drafted(german, title="Git", language="de") == ["Was versteht man unter „Repository“?"]


def test_abbreviations_and_commands_have_questions_of_their_own() -> None:
    assert drafted("YOLO: You Only Look Once", title="Detectors") == ["What does YOLO stand for?"]
    command = "• Lokalen Branch auffrischen: git merge <branch>"
    assert drafted(command, title="Git", language="de") == ["Mit welchem Befehl kann man lokalen Branch auffrischen?"]


def test_a_question_that_a_slide_asks_and_answers_is_taken() -> None:
    reasons = ("• They generalise better", "• Features need not be designed by hand")
    assert draft_by_rules([slide(*reasons, title="Why do we use neural networks?")]) == []  # who is "we"?
    (draft,) = draft_by_rules([slide("Some remarks", "Why segmentation by neural networks?", *reasons)])
    assert (draft.question.question, draft.kind) == ("Why segmentation by neural networks?", "why")
    assert draft.question.reference == "They generalise better; Features need not be designed by hand"
    assert draft.span == "• They generalise better\n• Features need not be designed by hand"


def test_lists_under_a_title_are_asked_for() -> None:
    points = ("• It needs no further memory", "• It is slow where the table is full", "• It keeps elements together")
    assert drafted(*points, title="ADVANTAGES OF LINEAR PROBING") == ["What are the advantages of linear probing?"]
    assert drafted(*points, title="Arrays vs. linked lists") == ["How do Arrays and linked lists differ?"]
    german = ("• Braucht keinen weiteren Speicher", "• Wird langsam bei hohem Füllstand", "• Hält Elemente zusammen")
    assert drafted(*german, title="Regeln für Optional", language="de") == [
        "Welche Regeln für Optional nennt die Vorlesung?"
    ]


def test_a_topic_is_asked_for_only_where_its_words_are_told_and_whole() -> None:
    points = ("• Probing needs no further memory", "• A linear search follows the hash", "• It keeps elements together")
    assert drafted(*points, title="Linear probing") == ["What are the main points about “Linear probing”?"]
    assert drafted(*points, title="Time machine") == []
    assert drafted(*points, "as shown above", title="Linear probing") == []
    assert drafted(*points, block("int i = 0;", "code"), block("a = b", "formula"), title="Linear probing") == []


@pytest.mark.parametrize("kind", ["outline", "title", "section", "exercise", "questions", "references", "blank"])
def test_only_slides_that_teach_are_asked_about(kind: SlideKind) -> None:
    assert draft_by_rules([slide(STACK, kind=kind)]) == []


def test_nothing_is_asked_about_how_the_course_is_run() -> None:
    assert drafted(STACK, title="Klausur") == []
    section = slide(title="Organisatorisches", kind="section", page=1)
    assert draft_by_rules([section, slide(STACK), slide(title="Trees", kind="section"), slide(STACK, page=9)])[
        0
    ].slides == ("lists:9",)


def test_of_questions_that_ask_nearly_the_same_the_first_is_kept() -> None:
    again = slide("The stack is a pile of things with one open end.", title="The stack", page=8)
    assert [draft.slides for draft in draft_by_rules([slide(STACK), again])] == [("lists:7",)]


def test_slides_in_other_languages_are_left() -> None:
    assert drafted("Une pile est a list that grows at one end only.", language="fr") == []


def test_an_endpoints_question_is_kept_with_its_ground() -> None:
    ((draft,), rejected) = by_endpoint(RIGHT)
    assert (draft.question.question, draft.question.reference) == (RIGHT["question"], QUEUE)
    assert (draft.kind, draft.span, draft.slides, rejected) == ("why", QUEUE, ("lists:7",), [])
    assert (draft.question.lecture, draft.question.source) == ("lists", "drafted by an endpoint")


def test_white_space_in_a_span_does_not_matter() -> None:
    assert len(by_endpoint(RIGHT | {"span": QUEUE.replace(" of ", "\n of  ")})[0]) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"question": "Explain a queue."}, "it is not a question with a question mark at its end"),
        ({"question": "Is a queue a list?"}, "it is answered by yes or no"),
        ({"answer": f"Yes. {QUEUE}"}, "it is answered by yes or no"),
        ({"question": "What does the slide say of queues?"}, "it cannot be understood without its slide"),
        ({"span": "A queue returns the newest"}, "its span does not stand on the slide"),
        ({"span": "A queue"}, "its span does not stand on the slide"),
        ({"answer": f"{QUEUE} That takes 13 steps."}, "it brings in the number 13"),
        ({"answer": "Bananas ripen faster beside apples."}, "its answer is not what the slide says"),
        ({"question": "Warum ist das so und was ist eine Queue?", "answer": "Weil die Elemente in der Reihe stehen."},
         "it is not in English"),
    ],
)  # fmt: skip
def test_what_fails_a_check_is_told_with_the_reason(change: dict[str, str], reason: str) -> None:
    item = RIGHT | change
    assert by_endpoint(item) == (
        [],
        [
            Rejection("lists:7", reason, item["question"]),
            Rejection("lists:7", "0 of 1 questions", json.dumps({"questions": [item]})),
        ],
    )


def test_questions_like_earlier_ones_and_more_than_were_asked_for_are_told() -> None:
    twin = RIGHT | {"question": "Why does the queue return its oldest element first?"}
    drafts, rejected = by_endpoint(RIGHT, twin)
    assert (len(drafts), [left.reason for left in rejected]) == (1, ["more than were asked for"])
    text = json.dumps({"questions": [RIGHT]})
    both = [slide(QUEUE, title="Queues"), slide(QUEUE, title="Queues again", page=8)]
    drafts, rejected = draft_by_endpoint(both, replying(text), 1)
    assert [draft.slides for draft in drafts] == [("lists:7",)]
    assert rejected == [Rejection("lists:8", f"asks nearly the same as: {RIGHT['question']}", RIGHT["question"])]


def test_the_schema_takes_the_six_kinds_and_no_others() -> None:
    for kind in ("definition", "why", "how", "compare", "apply", "list"):
        assert read_structured(json.dumps({"questions": [RIGHT | {"kind": kind}]}), SCHEMA)[0]
    text, complaint, _ = read_structured(json.dumps({"questions": [RIGHT | {"kind": "riddle"}]}), SCHEMA)
    assert text is None and complaint.startswith('/questions/0/kind "riddle" is not one of')


def test_every_slide_has_a_quota_and_one_without_questions_is_told() -> None:
    none = json.dumps({"questions": []})
    seen: list[Prompt] = []

    def busy(prompts: Sequence[Prompt]) -> list[Reply]:
        seen.extend(prompts)
        return [Reply(none), Reply(None, "the server is busy")]

    tree = "Ein Baum ist ein Graph ohne Kreise, und jeder Knoten außer der Wurzel hat genau einen Elternknoten."
    german = slide(tree, title="Bäume", language="de", page=9)
    slides = [slide(f"{STACK} {QUEUE}"), slide("Too short", page=8), german, slide(QUEUE, kind="outline")]
    drafts, rejected = draft_by_endpoint(slides, busy, 3)
    assert [prompt.text.rsplit("\n", 1)[1] for prompt in seen] == [
        "Write 2 questions in English.",
        "Write 1 question in German.",
    ]
    assert seen[0].text.startswith("Lecture: lists\nSlide:\nStacks\nA stack is")
    assert json.loads(seen[0].schema)["required"] == ["questions"]
    assert (drafts, rejected) == (
        [],
        [Rejection("lists:7", "0 of 2 questions", none), Rejection("lists:9", "the server is busy", "")],
    )


def test_every_span_of_the_rules_stands_on_its_slide() -> None:
    text = (
        "The column rule holds what the program proposes. The column use is the one that a person may edit.",
        "In the second row the lecturer\nhas changed use from yes to no.",
    )
    drafts = draft_by_rules([slide(*text, title="The columns rule and use")])
    assert [draft.question.question for draft in drafts] == [
        "What does the column rule hold?",
        "What is the column use?",
        "What are the main points about “The columns rule and use”?",
    ]
    assert all(" ".join(draft.span.split()) in " ".join("\n".join(text).split()) for draft in drafts)
