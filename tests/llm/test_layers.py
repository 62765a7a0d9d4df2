from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaForCausalLM

from edullama.errors import ModelError
from edullama.llm.layers import build_student, check_copies, check_student
from edullama.llm.qlora import add_adapter, load_rounded_base, load_teacher, save_teacher
from edullama.recipe import Finetune
from tests.llm.tiny import make_llama

ROPES: dict[str, dict[str, Any]] = {
    "linear": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0},
    "dynamic": {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0},
    "yarn": {
        "rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 256,
    },
    "llama3": {
        "rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    },
}  # fmt: skip
KINDS: dict[str, dict[str, Any]] = {
    "tied head": {},
    "untied head": {"tie_word_embeddings": False},
    "a key head for each query head": {"num_key_value_heads": 4},
    "one key head": {"num_key_value_heads": 1},
    "heads larger than their share": {"head_dim": 32},
    "biases": {"attention_bias": True, "mlp_bias": True},
    "layer types": {"layer_types": ["full_attention"] * 4},
    **{f"{name} rope": {"rope_parameters": rope} for name, rope in ROPES.items()},
}


@pytest.mark.parametrize("changes", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("layers", [[0, 2, 3], [1], [0, 1, 2, 3]], ids=["three", "one", "all"])
def test_a_student_of_any_kind_of_llama_passes_its_checks(changes: dict[str, Any], layers: list[int]) -> None:
    teacher = make_llama(**changes)
    student = build_student(teacher, layers)
    assert check_copies(student, teacher, layers) < 1e-4
    assert max(check_student(student).values()) < 1e-4
    assert torch.equal(student.model.rotary_emb.inv_freq, teacher.model.rotary_emb.inv_freq)


def test_a_student_of_a_teacher_on_an_nf4_base_passes_its_checks(llama_folder: Path, tmp_path: Path) -> None:
    model = add_adapter(load_rounded_base(str(llama_folder), "nf4"), Finetune(rank=4))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.1)
    save_teacher(model, tmp_path / "adapter", str(llama_folder), "nf4")
    teacher = load_teacher(tmp_path / "adapter", str(llama_folder))
    student = build_student(teacher, [0, 2])
    assert check_copies(student, teacher, [0, 2]) < 1e-4
    assert max(check_student(student).values()) < 1e-4
    base = load_rounded_base(str(llama_folder), "nf4")  # the adapter is in the student's weights
    assert not torch.allclose(student.model.layers[1].mlp.up_proj.weight, base.model.layers[2].mlp.up_proj.weight)


def test_layer_types_are_cut_with_their_layers() -> None:
    teacher = make_llama()
    teacher.config.layer_types = ["full_attention", "sliding_attention", "full_attention", "sliding_attention"]
    teacher.config.sliding_window = 1024
    assert build_student(teacher, [1, 2]).config.layer_types == ["sliding_attention", "full_attention"]


def test_a_window_that_the_cache_keeps_and_attention_does_not_is_found_out() -> None:
    """A Llama attends to everything; with a window in its config, transformers' cache forgets all the same."""
    teacher = make_llama(sliding_window=4, layer_types=["sliding_attention"] * 4)
    with pytest.raises(ModelError, match="by way of cache"):
        check_student(build_student(teacher, [0, 2]))


def test_a_tied_head_stays_one_tensor_and_an_untied_one_its_own() -> None:
    tied, untied = (build_student(make_llama(tie_word_embeddings=tie), [0, 1]) for tie in (True, False))
    assert tied.lm_head.weight.data_ptr() == tied.model.embed_tokens.weight.data_ptr()
    assert untied.lm_head.weight.data_ptr() != untied.model.embed_tokens.weight.data_ptr()


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
    broken.config.num_hidden_layers = 3
    with pytest.raises(ModelError, match="indices"):
        check_student(broken)


def test_a_student_of_other_layers_than_it_says_is_found_out() -> None:
    teacher = make_llama()
    with pytest.raises(ModelError, match="the teacher's blocks"):
        check_copies(build_student(teacher, [0, 1]), teacher, [0, 2])


def test_a_student_that_is_not_a_number_is_found_out() -> None:
    student = build_student(make_llama(), [0, 1])
    with torch.no_grad():
        student.model.norm.weight[0] = float("nan")
    with pytest.raises(ModelError, match="nan"):
        check_student(student)


def test_the_config_remembers_where_the_layers_came_from_over_several_cuts(tmp_path: Path) -> None:
    first = build_student(make_llama(num_hidden_layers=6), [0, 2, 3, 5])
    first.save_pretrained(tmp_path)
    second = build_student(LlamaForCausalLM.from_pretrained(tmp_path), [1, 3])
    assert first.config.edullama_layers == [0, 2, 3, 5]
    assert second.config.edullama_layers == [2, 5]
