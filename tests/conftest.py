"""What tests of several folders share."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def data() -> Path:
    """Real lectures and cards beside the checkout; not part of the project."""
    if not DATA.is_dir():
        pytest.skip(f"real lectures are not there: {DATA}")
    return DATA


@pytest.fixture(scope="session")
def builtin_gguf() -> Path:
    """The builtin model as a GGUF file, fetched once into the user's cache."""
    from edullama.llm.builtin import fetch_gguf

    return fetch_gguf()


@pytest.fixture(scope="session")
def tokenizer() -> "PreTrainedTokenizerFast":
    """The tiny Llama's tokenizer: 320 tokens, no chat template."""
    from tests.llm.tiny import make_tokenizer

    return make_tokenizer()


@pytest.fixture(scope="session")
def llama_folder(tmp_path_factory: pytest.TempPathFactory, tokenizer: "PreTrainedTokenizerFast") -> Path:
    """The tiny Llama as a checkpoint folder, as a user would name it in a recipe."""
    from tests.llm.tiny import make_llama

    folder = tmp_path_factory.mktemp("tiny-llama")
    make_llama().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def ctrl_c_works() -> Iterator[None]:
    """A program started in the background inherits that Ctrl-C is ignored; a shell's user has it work."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
