"""What tests of the models share."""

import pytest
from transformers import LlamaForCausalLM

from tests.llm.tiny import make_llama


@pytest.fixture
def llama() -> LlamaForCausalLM:
    return make_llama()
