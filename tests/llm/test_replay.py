"""General text that a model writes for itself, so as to forget less."""

from pathlib import Path

from edullama.llm.models import load_tokenizer
from edullama.llm.qlora import tokenize_text
from edullama.llm.replay import LENGTH, as_windows, replay_for, write_replay
from edullama.recipe import Finetune
from edullama.records import Window

COURSE = [Window(str(n), "week1", "A window is four entries of one lecture. " * 20, ()) for n in range(40)]


def test_replay_is_about_the_wanted_share_of_the_courses_tokens(llama_folder: Path) -> None:
    tokenizer = load_tokenizer(str(llama_folder))
    own = sum(len(row["answer"]) for text in COURSE for row in tokenize_text(tokenizer, text, 512))
    replay = replay_for(str(llama_folder), COURSE, Finetune(replay=0.25, max_tokens=512), 0)
    assert len(replay) == round(0.25 * own / LENGTH) > 4
    assert {text.lecture for text in replay} == {"general"}
    assert replay_for(str(llama_folder), COURSE, Finetune(replay=0.0), 0) == []


def test_the_same_seed_writes_the_same_and_another_seed_other_text(llama_folder: Path) -> None:
    first, again, other = (write_replay(str(llama_folder), 3, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert len({text.text for text in first}) == 3


def test_what_says_nothing_is_no_text(llama_folder: Path) -> None:
    tokenizer = load_tokenizer(str(llama_folder))
    (only,) = as_windows(tokenizer, [[0, 0], [*tokenizer("Trees have leaves.")["input_ids"], 0]])
    assert only.text == "Trees have leaves."
