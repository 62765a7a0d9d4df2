import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from edullama.llm.losses import forward_kl

RNG = np.random.default_rng(0)
STUDENT, TEACHER = RNG.normal(size=(2, 5, 7)) * 3


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(-1, keepdims=True))


@pytest.mark.parametrize("temperature", [1.0, 2.0, 4.0])
def test_forward_kl_agrees_with_float64(temperature: float) -> None:
    p, q = softmax(TEACHER / temperature), softmax(STUDENT / temperature)
    expected = (p * np.log(p / q)).sum(-1) * temperature**2
    got = forward_kl(torch.tensor(STUDENT).float(), torch.tensor(TEACHER).float(), temperature)
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-5)


def test_its_gradient_is_the_difference_of_probabilities_times_the_temperature() -> None:
    student = torch.tensor(STUDENT, requires_grad=True)
    forward_kl(student, torch.tensor(TEACHER), 2.0).sum().backward()
    expected = (softmax(STUDENT / 2) - softmax(TEACHER / 2)) * 2  # T² / T
    assert student.grad is not None
    np.testing.assert_allclose(student.grad.numpy(), expected, atol=1e-6)


def test_equal_models_have_no_loss() -> None:
    logits = torch.tensor(TEACHER)
    assert forward_kl(logits, logits, 2.0).abs().max() < 1e-6
