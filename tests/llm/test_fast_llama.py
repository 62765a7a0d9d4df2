"""The fast way through a Llama against the plain one, which is transformers' and PEFT's own."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from bitsandbytes.nn.modules import Linear4bit
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from torch import Tensor, nn
from torch.nn import functional
from transformers import LlamaForCausalLM

from edullama.llm.batches import Collator, Row, SideBySide
from edullama.llm.fast_llama import speed_up
from edullama.llm.lora_functions import HeadLoss, Linears, draw_dropped, linears_backward, linears_forward
from edullama.llm.qlora import load_frozen_base
from tests.llm.tiny import make_llama

ROWS: list[Row] = [
    {"prompt": [], "answer": [7, 5, 3, 8, 9, 11, 2, 6, 4] * 9},
    {"prompt": [5, 6, 7], "answer": [12, 13, 0]},
    {"prompt": [9] * 70, "answer": [1, 2, 3, 4]},
]
ROPES: list[dict[str, Any]] = [
    {"rope_type": "default", "rope_theta": 500.0},
    {"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0},
    {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 256, "rope_theta": 10000.0,
    },
    {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 256, "rope_theta": 10000.0},
]  # fmt: skip


def adapted(base: LlamaForCausalLM, dropout: float = 0.0, targets: Any = "all-linear", **options: Any) -> PeftModel:
    """Put the same random adapter, B included, on a base."""
    torch.manual_seed(1)
    config = LoraConfig(
        r=4, lora_alpha=8, lora_dropout=dropout, target_modules=targets, task_type="CAUSAL_LM", **options
    )
    model = get_peft_model(base, config)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.1)
    return model.train()


def gradients(model: PeftModel, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    loss = model(**batch).loss
    loss.backward()
    return loss.detach(), {name: part.grad for name, part in model.named_parameters() if part.grad is not None}


def assert_alike(plain: PeftModel, fast: PeftModel, batch: dict[str, Tensor], tolerance: float) -> None:
    expected, expected_gradients = gradients(plain, batch)
    loss, found = gradients(fast, batch)
    assert abs(float(loss - expected)) < tolerance
    assert found.keys() == expected_gradients.keys()
    for name, gradient in expected_gradients.items():
        torch.testing.assert_close(found[name], gradient, rtol=tolerance, atol=tolerance * float(gradient.abs().max()))


@pytest.mark.parametrize("rope", ROPES, ids=lambda rope: str(rope["rope_type"]))
@pytest.mark.parametrize("shape", [{}, {"tie_word_embeddings": False, "num_key_value_heads": 4, "head_dim": 24}])
def test_loss_and_gradients_are_those_of_transformers_and_peft(rope: dict[str, Any], shape: dict[str, Any]) -> None:
    """In float64; what is left of a difference comes from transformers' norms, which compute in fp32."""
    plain, fast = (adapted(make_llama(rope_parameters=rope, **shape).double()).double() for _ in range(2))
    assert speed_up(fast, torch.float64) is None
    assert_alike(plain, fast, Collator(0)(ROWS), 1e-5)


@pytest.mark.parametrize("targets", [["q_proj", "v_proj"], ["o_proj", "up_proj"], ["down_proj", "k_proj"]])
def test_adapters_may_lie_on_a_chosen_few(targets: list[str]) -> None:
    plain, fast = (adapted(make_llama(), targets=targets) for _ in range(2))
    assert speed_up(fast) is None
    assert_alike(plain, fast, Collator(0)(ROWS), 1e-4)


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("quantize", ["none", "nf4"])
def test_loss_curves_are_those_of_the_plain_way(llama_folder: Any, quantize: str, checkpointing: bool) -> None:
    plain, fast = (adapted(load_frozen_base(str(llama_folder), quantize)) for _ in range(2))
    assert isinstance(fast.get_base_model().model.layers[0].mlp.up_proj.get_base_layer(), Linear4bit) == (
        quantize == "nf4"
    )
    if checkpointing:
        for model in (plain, fast):
            model.enable_input_require_grads()
            model.gradient_checkpointing_enable()
    assert speed_up(fast) is None
    curves = [loss_curve(model, Collator(0)(ROWS)) for model in (plain, fast)]
    assert curves[0][-1] < curves[0][0] - 0.5
    torch.testing.assert_close(torch.tensor(curves[1]), torch.tensor(curves[0]), rtol=0, atol=1e-3)


def loss_curve(model: PeftModel, batch: dict[str, Tensor], steps: int = 12) -> list[float]:
    optimizer = torch.optim.AdamW([part for part in model.parameters() if part.requires_grad], lr=1e-2)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


@pytest.mark.parametrize("plain_way", [{}, {"attention_bias": True}])
def test_texts_side_by_side_do_not_see_each_other(plain_way: dict[str, Any]) -> None:
    """Their summed loss is that of the texts one by one, as transformers computes it, by both ways through a model."""
    model = adapted(make_llama(**plain_way))
    apart = [model(**Collator(0)([row])).loss * labelled([row]) for row in ROWS]
    assert bool(speed_up(model)) == bool(plain_way)
    together = model(**SideBySide()(ROWS)).loss * labelled(ROWS)
    assert abs(float(together) - float(sum(apart))) / labelled(ROWS) < 1e-5


def labelled(rows: Sequence[Row]) -> int:
    """Count what is predicted: answers, but for a first token that nothing stands before."""
    return sum(len(row["answer"]) - (not row["prompt"]) for row in rows)


def test_the_second_text_is_not_changed_by_the_first() -> None:
    model = adapted(make_llama())
    assert speed_up(model) is None
    one, other = ({"prompt": [token] * 30, "answer": [3, 4]} for token in (5, 6))
    scored = {"prompt": [8, 9], "answer": [10, 11, 12]}
    batches = [SideBySide()([row, scored]) for row in (one, other)]
    for batch in batches:
        batch["labels"][0, :32] = -100
    losses = [float(model(**batch).loss) for batch in batches]
    assert losses[0] == losses[1]


def test_side_by_side_has_no_padding_and_labels_answers_only() -> None:
    batch = SideBySide()([{"prompt": [5], "answer": [6, 7]}, {"prompt": [], "answer": [8, 9]}])
    assert batch["input_ids"].tolist() == [[5, 6, 7, 8, 9]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 0, 1]]
    assert batch["labels"].tolist() == [[-100, 6, 7, -100, 9]]


def test_checkpointing_draws_the_same_dropout_twice() -> None:
    found = []
    for checkpointing in (False, True):
        model = adapted(make_llama(), dropout=0.3)
        if checkpointing:
            model.gradient_checkpointing_enable()
        assert speed_up(model) is None
        torch.manual_seed(5)
        found.append(gradients(model, SideBySide()(ROWS)))
    assert found[0][0] == found[1][0]
    for name, gradient in found[0][1].items():
        torch.testing.assert_close(found[1][1][name], gradient)


def test_dropout_drops_its_share_independently_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    count, share = 1_000_000, 0.05
    dropped = torch.zeros(count)
    dropped[draw_dropped(count, share)] = 1
    assert abs(float(dropped.mean()) - share) < 4 * (share * (1 - share) / count) ** 0.5
    both = float((dropped[1:] * dropped[:-1]).mean())
    assert abs(both - share**2) < 4 * (share**2 / count) ** 0.5
    assert abs(float(dropped[-1000:].mean()) - share) < 0.03  # up to the end


def test_gradients_with_dropout_are_those_of_the_written_out_formula() -> None:
    torch.manual_seed(0)
    x, weight, a, b = (torch.randn(*shape, dtype=torch.float64) for shape in ((40, 8), (6, 8), (3, 8), (6, 3)))
    linears = Linears(lambda: weight, (slice(0, 6),), 2.0, 0.25)
    y, low, dropped = linears_forward(x, linears, (a, b))
    assert dropped is not None
    kept = torch.ones(40 * 8, dtype=torch.float64).index_fill(0, dropped, 0).view(40, 8)
    leaves = [part.clone().requires_grad_() for part in (x, a, b)]
    own_x, own_a, own_b = leaves
    expected = own_x @ weight.T + 2.0 * (own_x * kept / 0.75) @ own_a.T @ own_b.T
    torch.testing.assert_close(y, expected)
    grad = torch.randn_like(y)
    grad_x, (grad_a, grad_b) = linears_backward(grad, x, linears, (a, b), low, dropped)
    for found, wanted in zip((grad_x, grad_a, grad_b), torch.autograd.grad(expected, leaves, grad), strict=True):
        torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("frozen", [True, False])
def test_the_loss_without_logits_is_cross_entropy(frozen: bool) -> None:
    torch.manual_seed(0)
    hidden = torch.randn(600, 16, dtype=torch.float64, requires_grad=True)  # several pieces
    head = torch.randn(50, 16, dtype=torch.float64, requires_grad=not frozen)
    targets = torch.randint(0, 50, (600,))
    inputs = [hidden] if frozen else [hidden, head]
    expected = functional.cross_entropy(hidden @ head.T, targets, reduction="sum")
    loss = HeadLoss.apply(hidden, head, targets)
    torch.testing.assert_close(loss, expected)
    for found, wanted in zip(
        torch.autograd.grad(loss * 0.5, inputs), torch.autograd.grad(expected * 0.5, inputs), strict=True
    ):
        torch.testing.assert_close(found, wanted)


def test_products_in_bf16_stay_near_those_in_fp32() -> None:
    plain, fast = (adapted(make_llama()) for _ in range(2))
    assert speed_up(fast, torch.bfloat16) is None
    assert abs(float(gradients(fast, SideBySide()(ROWS))[0] - gradients(plain, Collator(0)(ROWS))[0])) < 0.05


@pytest.mark.parametrize(
    ("base", "options", "reason"),
    [
        ({"attention_bias": True}, {}, "biases"),
        ({"hidden_act": "gelu"}, {}, "gelu"),
        ({"attention_dropout": 0.1}, {}, "drops attention"),
        ({}, {"use_dora": True}, "no plain LoRA"),
    ],
)
def test_what_the_fast_way_does_not_know_goes_the_plain_one(
    base: dict[str, Any], options: dict[str, Any], reason: str
) -> None:
    plain, other = (adapted(make_llama(**base), **options) for _ in range(2))
    assert reason in str(speed_up(other))
    torch.manual_seed(2)
    expected = gradients(plain, Collator(0)(ROWS))[0]
    torch.manual_seed(2)
    assert abs(float(gradients(other, Collator(0)(ROWS))[0] - expected)) < 1e-5


def test_names_files_and_answers_stay_those_of_a_stock_model(tmp_path: Any) -> None:
    model, stock = adapted(make_llama()), adapted(make_llama())
    names = list(model.state_dict())
    assert speed_up(model) is None
    assert list(model.state_dict()) == names
    model.save_pretrained(str(tmp_path))
    opened = PeftModel.from_pretrained(make_llama(), str(tmp_path)).eval()
    tokens = torch.arange(40).reshape(2, 20)
    with torch.inference_mode():
        expected = stock.eval()(tokens).logits
        torch.testing.assert_close(opened(tokens).logits, expected)
        torch.testing.assert_close(model.eval()(tokens).logits, expected)
        assert model.generate(tokens, max_new_tokens=5).tolist() == stock.generate(tokens, max_new_tokens=5).tolist()
    assert get_peft_model_state_dict(model).keys() == get_peft_model_state_dict(opened).keys()
