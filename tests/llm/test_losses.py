import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from edullama.errors import InputError
from edullama.llm.divergences import DivergenceName
from edullama.llm.losses import (
    Objective,
    TopK,
    divergence,
    loss_and_gradient_,
    states_distance,
    temperature_at,
    top_k,
)

RNG = np.random.default_rng(0)
STUDENT, TEACHER = RNG.normal(size=(2, 5, 7)) * 3
LABELS = torch.tensor([0, 6, 3, 3, 1])
EXTREME = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4], [0.0, 0.0, -1e4], [1e4, 1e4, 1e4], [-1.0, 1e4, 2.0]])
OTHERS = np.array([[-1e4, 1e4, 0.0], [1e4, -1e4, -1e4], [0.0, -1e4, 0.0], [-1e4, 1e4, 0.0], [3.0, 0.0, 2.0]])
FORMS: tuple[DivergenceName, ...] = ("forward_kl", "reverse_kl", "jsd", "skew_kl", "skew_reverse_kl", "total_variation")
Floats = NDArray[np.float64]
Formula = Callable[[Tensor, Tensor], Tensor]

# The oracle: each divergence as its paper writes it, of the teacher's log-probabilities p and the student's q, both
# (n, vocab) in float64, with torch's own gradient.


def kl(p: Tensor, q: Tensor) -> Tensor:
    return (p.exp() * (p - q)).sum(-1)


def mix(p: Tensor, q: Tensor, share_of_p: float) -> Tensor:
    return torch.logaddexp(p + math.log(share_of_p), q + math.log(1 - share_of_p))


def jsd(beta: float) -> Formula:
    return lambda p, q: beta * kl(p, mix(p, q, beta)) + (1 - beta) * kl(q, mix(p, q, beta))


KL_FAMILY: list[tuple[Objective, Formula]] = [
    (Objective("forward_kl"), kl),
    (Objective("reverse_kl"), lambda p, q: kl(q, p)),
    (Objective("jsd"), jsd(0.5)),
    (Objective("jsd", beta=0.1), jsd(0.1)),
    (Objective("jsd", beta=0.9), jsd(0.9)),
    (Objective("jsd", beta=0.0), kl),
    (Objective("jsd", beta=1.0), lambda p, q: kl(q, p)),
    (Objective("skew_kl"), lambda p, q: kl(p, mix(p, q, 0.1))),
    (Objective("skew_kl", alpha=0.7), lambda p, q: kl(p, mix(p, q, 0.7))),
    (Objective("skew_kl", alpha=0.0), kl),
    (Objective("skew_reverse_kl"), lambda p, q: kl(q, mix(p, q, 0.9))),
    (Objective("skew_reverse_kl", alpha=0.7), lambda p, q: kl(q, mix(p, q, 0.3))),
    (Objective("skew_reverse_kl", alpha=0.0), lambda p, q: kl(q, p)),
]
TOTAL_VARIATION = Objective("total_variation"), lambda p, q: (p.exp() - q.exp()).abs().sum(-1) / 2


def expected(
    formula: Formula, temperature: float, scale: float, student: Floats = STUDENT, teacher: Floats = TEACHER
) -> tuple[Floats, Floats]:
    """Return losses (n,) and gradients (n, vocab)."""
    logits = torch.tensor(student, requires_grad=True)
    p = (torch.tensor(teacher) / temperature).log_softmax(-1)
    loss = formula(p, (logits / temperature).log_softmax(-1)) * scale
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    return loss.detach().numpy(), gradient.numpy()


def ours(
    objective: Objective, student: Floats = STUDENT, teacher: Floats = TEACHER, dtype: torch.dtype = torch.float64
) -> tuple[Floats, Floats]:
    logits = torch.tensor(student, dtype=dtype, requires_grad=True)
    loss = divergence(logits, torch.tensor(teacher, dtype=dtype), objective)
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    return loss.detach().double().numpy(), gradient.double().numpy()


def assert_close(got: tuple[Floats, Floats], wanted: tuple[Floats, Floats], relative: float, absolute: float) -> None:
    np.testing.assert_allclose(got[0], wanted[0], rtol=relative, atol=absolute)
    np.testing.assert_allclose(got[1], wanted[1], rtol=relative, atol=absolute)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("objective, formula", KL_FAMILY)
def test_the_kl_family_is_as_published_times_the_squared_temperature(
    objective: Objective, formula: Formula, temperature: float
) -> None:
    wanted = expected(formula, temperature, temperature**2)
    objective = replace(objective, temperature=temperature)
    assert_close(ours(objective), wanted, 1e-12, 1e-13)
    assert_close(ours(objective, dtype=torch.float32), wanted, 1e-4, 2e-6)


@pytest.mark.parametrize("objective, formula", KL_FAMILY)
def test_the_squared_temperature_can_be_left_out(objective: Objective, formula: Formula) -> None:
    objective = replace(objective, temperature=2.0, times_squared_temperature=False)
    assert_close(ours(objective), expected(formula, 2.0, 1.0), 1e-12, 1e-13)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 4.0])
def test_total_variation_is_half_the_distance_of_softened_probabilities(temperature: float) -> None:
    objective, formula = TOTAL_VARIATION
    wanted = expected(formula, temperature, 1.0)
    assert_close(ours(replace(objective, temperature=temperature)), wanted, 1e-12, 1e-13)


def test_mse_is_of_the_logits_that_both_sides_divide_by_the_temperature() -> None:
    loss, gradient = ours(Objective("mse", temperature=2.0), np.array([[4.0, 0.0]]), np.array([[0.0, 6.0]]))
    assert loss.tolist() == [(2.0**2 + 3.0**2) / 2]
    assert gradient.tolist() == [[2 * 2.0 / 2 / 2, 2 * -3.0 / 2 / 2]]  # twice the difference, by words and by T


def test_the_divergences_of_two_words_by_hand() -> None:
    student, teacher = np.log([[0.5, 0.5]]), np.log([[0.9, 0.1]])
    by_hand = {
        "forward_kl": 0.9 * math.log(1.8) + 0.1 * math.log(0.2),
        "reverse_kl": 0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(5),
        "jsd": (0.9 * math.log(0.9 / 0.7) + 0.1 * math.log(0.1 / 0.3)) / 2
        + (0.5 * math.log(0.5 / 0.7) + 0.5 * math.log(0.5 / 0.3)) / 2,
        "skew_kl": 0.9 * math.log(0.9 / 0.54) + 0.1 * math.log(0.1 / 0.46),
        "skew_reverse_kl": 0.5 * math.log(0.5 / 0.86) + 0.5 * math.log(0.5 / 0.14),
        "total_variation": 0.4,
    }
    for name in FORMS:
        assert ours(Objective(name), student, teacher)[0] == pytest.approx([by_hand[name]], rel=1e-12)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("name", [*FORMS, "mse"])
def test_gradients_are_those_of_finite_differences(name: DivergenceName, temperature: float) -> None:
    objective, teacher = Objective(name, temperature, hard_share=0.25), torch.tensor(TEACHER)
    student = torch.tensor(STUDENT, requires_grad=True)
    assert torch.autograd.gradcheck(lambda logits: divergence(logits, teacher, objective, LABELS), student)


@pytest.mark.parametrize("name", [*FORMS, "mse"])
def test_equal_models_have_neither_loss_nor_gradient(name: DivergenceName) -> None:
    nothing = np.zeros(5), np.zeros((5, 7))
    assert_close(ours(Objective(name, 2.0), TEACHER, TEACHER, torch.float32), nothing, 0, 1e-6)


@pytest.mark.parametrize("name", FORMS)
def test_a_constant_added_to_all_logits_of_a_token_changes_nothing(name: DivergenceName) -> None:
    assert_close(ours(Objective(name), STUDENT + 1000, TEACHER - 50), ours(Objective(name)), 1e-9, 1e-10)


@pytest.mark.parametrize("teacher", [OTHERS, EXTREME], ids=["others", "itself"])
@pytest.mark.parametrize("objective, formula", [*KL_FAMILY, TOTAL_VARIATION])
def test_extreme_logits_overflow_nowhere(objective: Objective, formula: Formula, teacher: Floats) -> None:
    for student, other in ((EXTREME, teacher), (teacher, EXTREME)):
        wanted = expected(formula, 1.0, 1.0, student, other)
        assert np.isfinite(wanted[0]).all() and np.isfinite(wanted[1]).all()
        assert_close(ours(objective, student, other), wanted, 1e-11, 1e-11)
        assert_close(ours(objective, student, other, torch.float32), wanted, 1e-5, 2e-3)


def test_opposite_certainties_by_hand() -> None:
    by_hand = {"forward_kl": 2e4, "reverse_kl": 2e4, "jsd": math.log(2), "total_variation": 1.0}
    by_hand |= {"skew_kl": math.log(10), "skew_reverse_kl": math.log(10)}
    for name in FORMS:
        loss, _ = ours(Objective(name), EXTREME[:1], OTHERS[:1], torch.float32)
        assert loss == pytest.approx([by_hand[name]], rel=1e-6)
    assert ours(Objective("mse"), EXTREME[:1], OTHERS[:1], torch.float32)[0] == pytest.approx([8e8 / 3])


def test_jsd_divided_by_beta_tends_to_its_exact_ends() -> None:
    near_forward = ours(Objective("jsd", beta=1e-7))[0] / 1e-7
    near_reverse = ours(Objective("jsd", beta=1 - 1e-7))[0] / 1e-7
    np.testing.assert_allclose(near_forward, ours(Objective("jsd", beta=0.0))[0], rtol=1e-3)
    np.testing.assert_allclose(near_reverse, ours(Objective("jsd", beta=1.0))[0], rtol=1e-3)


def test_losses_of_bf16_logits_are_computed_in_fp32() -> None:
    student, teacher = (torch.tensor(logits).bfloat16().requires_grad_() for logits in (STUDENT, TEACHER))
    loss = divergence(student, teacher, Objective(temperature=2.0))
    loss.sum().backward()
    wanted = expected(kl, 2.0, 4.0, student.detach().double().numpy(), teacher.detach().double().numpy())
    assert (loss.dtype, student.grad is not None and student.grad.dtype) == (torch.float32, torch.bfloat16)
    np.testing.assert_allclose(loss.detach().numpy(), wanted[0], rtol=1e-5)
    assert teacher.grad is None


def test_targets_are_left_as_they_are() -> None:
    for name in FORMS:
        teacher = torch.tensor(TEACHER)
        loss_and_gradient_(torch.tensor(STUDENT), teacher, Objective(name))
        assert teacher.tolist() == TEACHER.tolist()


def test_the_hard_share_is_cross_entropy_of_the_teachers_tokens_at_temperature_one() -> None:
    objective = Objective(temperature=2.0, hard_share=0.25)
    logits = torch.tensor(STUDENT, requires_grad=True)
    got = divergence(logits, torch.tensor(TEACHER), objective, LABELS)
    hard = torch.nn.functional.cross_entropy(torch.tensor(STUDENT), LABELS, reduction="none").numpy()
    np.testing.assert_allclose(got.detach().numpy(), 0.75 * expected(kl, 2.0, 4.0)[0] + 0.25 * hard, rtol=1e-12)


def test_a_hard_share_without_labels_is_refused() -> None:
    with pytest.raises(ValueError, match="labels"):
        divergence(torch.tensor(STUDENT), torch.tensor(TEACHER), Objective(hard_share=0.5))


@pytest.mark.parametrize(
    "settings",
    [{"temperature": 0.0}, {"beta": 1.1}, {"alpha": 1.0}, {"hard_share": -0.1}, {"divergence": "kl"}],
)
def test_impossible_objectives_are_refused_by_name(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        Objective(**settings)  # type: ignore[arg-type]


def test_vocabularies_of_two_lengths_are_refused_with_both_lengths() -> None:
    with pytest.raises(InputError, match=r"7 words, the teacher's 8"):
        divergence(torch.tensor(STUDENT), torch.zeros(5, 8), Objective())
    with pytest.raises(InputError, match=r"7 words, the teacher's 8"):
        divergence(torch.tensor(STUDENT), top_k(torch.zeros(5, 8), 2, [1.0]), Objective())


def test_as_many_tokens_must_be_compared() -> None:
    with pytest.raises(ValueError, match=r"\(5, 7\).*\(1, 7\)"):
        divergence(torch.tensor(STUDENT), torch.tensor(TEACHER[:1]), Objective("mse"))


def test_top_k_of_all_words_is_the_exact_forward_kl() -> None:
    for temperature in (1.0, 2.0):
        kept = top_k(torch.tensor(TEACHER), 7, [1.0, 2.0])
        student = torch.tensor(STUDENT, requires_grad=True)
        loss = divergence(student, kept, Objective(temperature=temperature))
        (gradient,) = torch.autograd.grad(loss.sum(), student)
        wanted = expected(kl, temperature, temperature**2)
        assert_close((loss.detach().numpy(), gradient.numpy()), wanted, 1e-11, 1e-12)


def test_the_words_beyond_the_top_k_count_as_one_by_hand() -> None:
    teacher, student = torch.tensor([[0.6, 0.2, 0.15, 0.05]]).log(), torch.tensor([[0.1, 0.4, 0.2, 0.3]]).log()
    kept = top_k(teacher, 2, [1.0])
    assert kept.indices.tolist() == [[0, 1]]
    loss_here = loss_and_gradient_(student, kept, Objective())
    assert loss_here.item() == pytest.approx(0.6 * math.log(6) + 0.2 * math.log(0.5) + 0.2 * math.log(0.2 / 0.5))
    # The teacher's rest, 0.2, goes to the others by the student's own shares in it: 0.4 and 0.6.
    assert student[0].tolist() == pytest.approx([0.1 - 0.6, 0.4 - 0.2, 0.2 - 0.08, 0.3 - 0.12], abs=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_gradients_of_top_k_targets_are_those_of_finite_differences(temperature: float) -> None:
    kept = top_k(torch.tensor(TEACHER), 3, [1.0, 2.0])
    student = torch.tensor(STUDENT, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: divergence(z, kept, Objective(temperature=temperature)), student)


def test_more_kept_words_bring_top_k_closer_to_the_exact_loss_from_below() -> None:
    student, teacher = torch.tensor(STUDENT), torch.tensor(TEACHER)
    losses = [divergence(student, top_k(teacher, k, [1.0]), Objective()).sum().item() for k in range(1, 8)]
    assert all(fewer <= more + 1e-9 for fewer, more in pairwise(losses))
    assert losses[0] < losses[-1] == pytest.approx(expected(kl, 1.0, 1.0)[0].sum())


def test_rounded_top_k_logits_and_extreme_ones_stay_finite() -> None:
    kept = top_k(torch.tensor(EXTREME).float(), 2, [1.0])
    rounded = TopK(kept.indices.int(), kept.logits.half() + 8, kept.log_sum_exp, kept.vocab)
    for targets in (kept, rounded):
        student = torch.tensor(OTHERS).float()
        assert loss_and_gradient_(student, targets, Objective()).isfinite().all()
        assert student.isfinite().all()
        assert student.sum(-1).abs().max() < 1e-3  # fp32 tells logits of 10,000 apart by 0.001


@pytest.mark.parametrize("name", [name for name in (*FORMS, "mse") if name != "forward_kl"])
def test_top_k_targets_serve_forward_kl_alone(name: DivergenceName) -> None:
    with pytest.raises(InputError, match=f"forward_kl alone: {name}"):
        divergence(torch.tensor(STUDENT), top_k(torch.tensor(TEACHER), 3, [1.0]), Objective(name))


def test_top_k_targets_serve_the_temperatures_they_were_kept_for() -> None:
    with pytest.raises(InputError, match=r"temperatures 1\.0, 2\.0, not for 3\.0"):
        divergence(torch.tensor(STUDENT), top_k(torch.tensor(TEACHER), 3, [1.0, 2.0]), Objective(temperature=3.0))


def test_a_slice_of_top_k_targets_is_that_of_its_tokens() -> None:
    kept, student = top_k(torch.tensor(TEACHER), 3, [2.0]), torch.tensor(STUDENT)
    objective = Objective(temperature=2.0)
    assert kept[1:3].shape == (2, 7)
    assert torch.equal(divergence(student[1:3], kept[1:3], objective), divergence(student, kept, objective)[1:3])


def test_temperatures_go_from_start_to_end_by_hand() -> None:
    at = (0.0, 0.25, 0.5, 1.0)
    assert [temperature_at(done, 4.0, 1.0, "constant") for done in at] == [4.0, 4.0, 4.0, 4.0]
    assert [temperature_at(done, 4.0, 1.0, "linear") for done in at] == [4.0, 3.25, 2.5, 1.0]
    cosine = [4.0, 1 + 3 * (1 + math.sqrt(0.5)) / 2, 2.5, 1.0]
    assert [temperature_at(done, 4.0, 1.0, "cosine") for done in at] == pytest.approx(cosine)


def test_temperatures_end_where_the_training_does() -> None:
    assert temperature_at(1.2, 4.0, 1.0, "linear") == 1.0
    assert temperature_at(-0.1, 4.0, 1.0, "cosine") == 4.0


def test_the_distance_of_states_is_their_mean_squared_difference() -> None:
    student, teacher = torch.tensor([[1.0, 2.0]], requires_grad=True), torch.tensor([[3.0, 2.0]])
    distance = states_distance(student, teacher)
    distance.sum().backward()
    assert (distance.tolist(), student.grad is not None and student.grad.tolist()) == ([2.0], [[-2.0, 0.0]])
