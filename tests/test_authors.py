"""Which models are recorded as authors of what a course is learnt from."""

from typing import Any

from edullama.recipe import Recipe
from edullama.recipe_file import parse_recipe
from edullama.records import Author, Block, BlockKind, Card, Draft, Method, Slide
from edullama.stages.authors import list_authors, warn_of_relatives

CARD = Card("q", "a", "What is a fact?", "A thing that is so.", "cards/a.tsv")
DRAFT = Draft(CARD, ("a:1",), "definition", "A thing that is so.")
MODELS = {
    "seer": {"base_url": "http://localhost/v1", "model": "gpt-4o"},
    "writer": {"base_url": "http://localhost/v1", "model": "qwen3:8b"},
    "judge": {"base_url": "http://localhost/v1", "model": "gpt-5"},
}


def recipe(**sections: Any) -> Recipe:
    return parse_recipe({**sections, "endpoint": MODELS}, "")


def slides(method: Method, kind: BlockKind = "text") -> list[Slide]:
    blocks = (Block("Words", "text", 1, (0, 0, 1, 1)), Block("More", method, 1, (0, 0, 1, 1), kind))
    return [Slide("a", (1,), "", blocks, "en", "content", "text")]


def test_rules_are_no_authors() -> None:
    assert list_authors(recipe(), slides("ocr"), [CARD], [DRAFT]) == []


def test_models_that_rewrote_cards_or_drafted_questions_are_recorded() -> None:
    settings = {"normalise": "endpoint", "normaliser": "writer", "draft": "endpoint", "drafter": "seer"}
    authors = list_authors(recipe(prepare=settings), slides("text"), [CARD], [DRAFT])
    assert authors == [
        Author("questions and references (rewritten)", "qwen3:8b"),
        Author("drafted questions", "gpt-4o"),
    ]


def test_a_model_that_was_named_and_had_nothing_to_do_is_no_author() -> None:
    settings = {"normalise": "endpoint", "normaliser": "writer", "draft": "endpoint", "drafter": "seer"}
    ingest = {"describer": "seer", "translate_to": "en", "translator": "writer"}
    assert list_authors(recipe(prepare=settings, ingest=ingest), slides("text"), [], []) == []


def test_describer_and_translator_are_authors_of_training_text() -> None:
    settings = recipe(ingest={"describer": "seer", "translate_to": "en", "translator": "writer"})
    described = Author("training text (figures and formulas described)", "gpt-4o")
    translated = Author("training text (slides translated)", "qwen3:8b")
    assert list_authors(settings, slides("vision", "formula"), [], []) == [described]
    assert list_authors(settings, slides("translated"), [], []) == [translated]
    assert list_authors(settings, slides("translated", "figure"), [], []) == [described, translated]


def test_an_offline_translator_is_known_by_its_folder_and_one_that_is_not_named_is_unknown() -> None:
    offline = recipe(ingest={"translate_to": "en", "translator": "/home/me/opus-mt-de-en/"})
    assert list_authors(offline, slides("translated"), [], [])[0].model == "opus-mt-de-en"
    assert list_authors(recipe(), slides("translated"), [], []) == [Author("training text (slides translated)", "")]


def test_a_judge_is_warned_of_when_it_is_a_relative_of_an_author() -> None:
    authors = [Author("training text (slides translated)", "gpt-4o")]
    (warning,) = warn_of_relatives(recipe(evaluate={"judge": "judge"}), authors)
    assert warning.startswith("gpt-4o wrote training text (slides translated) and is of the same family as the judge g")
    assert warn_of_relatives(recipe(evaluate={"judge": "writer"}), authors) == []
    assert warn_of_relatives(recipe(), authors) == [], "there is no judge"
