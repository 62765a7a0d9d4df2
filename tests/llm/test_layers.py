from typing import Any

import pytest
import torch

from edullama.errors import InputError, ModelError
from edullama.llm.layers import build_student, check_choice, check_student, even_layers
from tests.llm.tiny import make_llama


def test_eleven_of_thirty_two_layers_are_the_originals_even_spread() -> None:
    assert even_layers(32, 11) == [0, 3, 6, 9, 12, 16, 19, 22, 25, 28, 31]


def test_first_and_last_layer_are_kept() -> None:
    assert even_layers(30, 20)[0] == 0
    assert even_layers(30, 20)[-1] == 29
    assert len(set(even_layers(30, 20))) == 20


def test_more_layers_than_the_teacher_has_are_refused_with_the_number_there_are() -> None:
    with pytest.raises(InputError, match="4 layers"):
        even_layers(4, 5)


def test_a_list_that_is_not_ascending_is_refused() -> None:
    with pytest.raises(InputError, match="ascending"):
        check_choice((2, 1), 4)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tie_word_embeddings": False},
        {"num_key_value_heads": 4},
        {"num_key_value_heads": 1},
        {"attention_bias": True, "mlp_bias": True},
        {
            "rope_parameters": {
                "rope_type": "llama3",
                "rope_theta": 10000.0,
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 64,
            }
        },
    ],
    ids=["tied", "untied", "all heads", "one kv head", "biases", "llama3 rope"],
)
def test_a_student_of_chosen_layers_passes_its_checks(changes: dict[str, Any]) -> None:
    student = build_student(make_llama(**changes), [0, 2, 3])
    differences = check_student(student, [0, 2, 3])
    assert max(differences.values()) < 1e-4


def test_a_student_of_all_layers_is_its_teacher() -> None:
    teacher = make_llama()
    tokens = torch.arange(20).reshape(2, 10)
    assert torch.equal(build_student(teacher, range(4))(tokens).logits, teacher(tokens).logits)


def test_a_student_computes_what_the_teacher_would_without_the_other_layers() -> None:
    teacher = make_llama()
    student = build_student(teacher, [1, 3])
    teacher.model.layers = torch.nn.ModuleList([teacher.model.layers[1], teacher.model.layers[3]])
    teacher.config.num_hidden_layers = 2
    tokens = torch.arange(20).reshape(2, 10)
    assert torch.equal(student(tokens).logits, teacher(tokens, use_cache=False).logits)


def test_training_the_student_leaves_the_teacher_alone() -> None:
    teacher = make_llama()
    before = teacher.model.layers[0].mlp.up_proj.weight.clone()
    student = build_student(teacher, [0])
    with torch.no_grad():
        student.model.layers[0].mlp.up_proj.weight.add_(1)
    assert torch.equal(teacher.model.layers[0].mlp.up_proj.weight, before)


def test_layers_deleted_the_wrong_way_are_found_out() -> None:
    broken = make_llama()
    del broken.model.layers[1]
    with pytest.raises(ModelError, match="indices"):
        check_student(broken, [0, 2, 3])


def test_the_config_remembers_where_the_layers_came_from() -> None:
    assert build_student(make_llama(), [0, 3]).config.edullama_layers == [0, 3]
