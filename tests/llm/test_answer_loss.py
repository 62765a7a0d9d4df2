from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from edullama.errors import InputError
from edullama.llm.answer_loss import Teacher, answer_loss
from edullama.llm.losses import Objective, divergence, top_k
from tests.llm.tiny import make_llama

N, HIDDEN, VOCAB = 13, 6, 40
GENERATOR = torch.Generator().manual_seed(0)
STATES, OTHERS = torch.randn(2, N, HIDDEN, generator=GENERATOR, dtype=torch.float64)
HEAD = torch.randn(VOCAB, HIDDEN, generator=GENERATOR, dtype=torch.float64)
LABELS = torch.randint(0, VOCAB, (N,), generator=GENERATOR)
OBJECTIVES = [
    Objective(temperature=2.0),
    Objective("jsd", temperature=2.0, hard_share=0.3),
    Objective("reverse_kl"),
    Objective("mse"),
]
FOUR_ROWS, ALL_ROWS = 2 * 4 * VOCAB * 8, 2**30  # bytes, of two sides in fp64


def teacher(rows: slice) -> Tensor:
    return OTHERS[rows] @ HEAD.T


def plain(states: Tensor, head: Tensor, objective: Objective) -> Tensor:
    """The oracle: all logits at once, and autograd through them."""
    return divergence(states @ head.T, OTHERS.to(head.dtype) @ HEAD.to(head.dtype).T, objective, LABELS).sum()


def gradients(loss_of: Callable[[Tensor, Tensor], Tensor], dtype: torch.dtype = torch.float64) -> list[Any]:
    """Return the loss and the gradients of states and head."""
    states, head = (one.to(dtype).clone().requires_grad_() for one in (STATES, HEAD))
    loss = loss_of(states, head)
    (loss / 7).backward()
    return [loss.detach(), states.grad, head.grad]


@pytest.mark.parametrize("budget", [1, FOUR_ROWS, ALL_ROWS], ids=["row by row", "four rows", "dense"])
@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda objective: objective.divergence)
def test_in_chunks_or_at_once_it_is_the_plain_loss_with_its_gradients(objective: Objective, budget: int) -> None:
    got = gradients(lambda states, head: answer_loss(states, head, teacher, objective, LABELS, budget))
    wanted = gradients(lambda states, head: plain(states, head, objective))
    torch.testing.assert_close(got, wanted, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("budget, rows", [(FOUR_ROWS, [4, 4, 4, 1]), (5 * FOUR_ROWS // 4, [5, 5, 3]), (ALL_ROWS, [13])])
def test_each_row_is_asked_for_once_within_the_budget(budget: int, rows: list[int]) -> None:
    asked: list[slice] = []

    def noting(some: slice) -> Tensor:
        asked.append(some)
        return teacher(some)

    answer_loss(STATES, HEAD, noting, Objective(), None, budget)
    assert [some.stop - some.start for some in asked] == rows
    assert [row for some in asked for row in range(some.start, some.stop)] == list(range(N))


def test_blocks_of_the_cache_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = gradients(lambda states, head: answer_loss(states, head, teacher, OBJECTIVES[1], LABELS))
    monkeypatch.setattr("edullama.llm.answer_loss.CACHE_BYTES", 3 * VOCAB * 8)
    cut = gradients(lambda states, head: answer_loss(states, head, teacher, OBJECTIVES[1], LABELS))
    torch.testing.assert_close(cut, whole, rtol=1e-12, atol=1e-14)


def test_a_frozen_head_gets_no_gradient_and_the_states_the_same() -> None:
    trained = gradients(lambda states, head: answer_loss(states, head, teacher, Objective()))
    frozen = gradients(lambda states, head: answer_loss(states, head.detach(), teacher, Objective()))
    assert frozen[2] is None
    torch.testing.assert_close(frozen[:2], trained[:2], rtol=0, atol=0)


def test_a_frozen_head_costs_no_buffer_of_its_size() -> None:
    states, wide = torch.randn(2, 8, requires_grad=True), torch.randn(50_000, 8)

    def largest(head: Tensor) -> int:
        with torch.profiler.profile(profile_memory=True) as profile:
            answer_loss(states, head, lambda rows: states[rows].detach() @ wide.T, Objective())
        return max(event.self_cpu_memory_usage for event in profile.events())

    assert largest(wide) < wide.nbytes / 2 < wide.nbytes <= largest(wide.clone().requires_grad_())


def test_states_without_a_gradient_train_the_head_alone() -> None:
    head = HEAD.clone().requires_grad_()
    answer_loss(STATES, head, teacher, Objective(), None, FOUR_ROWS).backward()
    assert head.grad is not None
    torch.testing.assert_close(head.grad, gradients(lambda states, head: plain(states, head, Objective()))[2] * 7)


def test_a_tied_head_gets_both_gradients() -> None:
    model = make_llama(vocab_size=VOCAB, hidden_size=64)
    tokens, logits = torch.tensor([[3, 5, 7, 9, 11]]), torch.randn(5, VOCAB, generator=GENERATOR)
    plain_loss = divergence(model(input_ids=tokens).logits[0], logits, Objective(temperature=2.0)).sum()
    wanted = torch.autograd.grad(plain_loss, list(model.parameters()))
    states = model.model(input_ids=tokens).last_hidden_state[0]
    loss = answer_loss(states, model.lm_head.weight, lambda rows: logits[rows], Objective(temperature=2.0), None, 1)
    got = torch.autograd.grad(loss, list(model.parameters()))
    assert model.lm_head.weight is model.model.embed_tokens.weight
    torch.testing.assert_close(loss, plain_loss)
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-6)


def test_the_gradient_of_a_bf16_head_is_summed_in_fp32() -> None:
    row = torch.tensor([[1.0, 0.5]], dtype=torch.bfloat16)
    head = torch.zeros(2, 2, dtype=torch.bfloat16, requires_grad=True)
    certain = torch.tensor([[30.0, 0.0]])
    loss = answer_loss(row.repeat(1000, 1), head, lambda _: certain, Objective(), None, 1)
    loss.backward()
    assert loss.dtype == torch.float32
    assert head.grad is not None and head.grad.tolist() == [[-500.0, -250.0], [500.0, 250.0]]  # bf16 sums stop at 128


@pytest.mark.parametrize("budget", [1, ALL_ROWS])
def test_top_k_targets_serve_in_chunks(budget: int) -> None:
    kept = top_k(teacher(slice(None)), 5, [2.0])
    got = gradients(lambda states, head: answer_loss(states, head, kept, OBJECTIVES[0], None, budget))
    wanted = gradients(lambda states, head: divergence(states @ head.T, kept, OBJECTIVES[0]).sum())
    torch.testing.assert_close(got, wanted, rtol=1e-11, atol=1e-13)


def test_the_loss_alone_needs_no_gradient() -> None:
    states, head = STATES.clone().requires_grad_(), HEAD.clone().requires_grad_()
    with torch.no_grad():
        loss = answer_loss(states, head, teacher, Objective())
    assert not loss.requires_grad
    torch.testing.assert_close(loss, plain(STATES, HEAD, Objective()))


def test_no_tokens_have_no_loss() -> None:
    states = STATES[:0].clone().requires_grad_()
    loss = answer_loss(states, HEAD, teacher, Objective())
    loss.backward()
    assert loss.item() == 0
    assert states.grad is not None and states.grad.shape == (0, HIDDEN)


def test_a_second_backward_pass_is_refused() -> None:
    states = STATES.clone().requires_grad_()
    loss = answer_loss(states, HEAD, teacher, Objective())
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="one backward pass"):
        loss.backward()


def test_a_padded_teacher_is_refused_with_both_lengths() -> None:
    with pytest.raises(InputError, match="40 words, the teacher's 64"):
        answer_loss(STATES, HEAD, lambda rows: torch.zeros(rows.stop - rows.start, 64), Objective())


@pytest.mark.parametrize("given", [lambda rows: teacher(slice(0, 20)), top_k(torch.zeros(12, VOCAB), 3, [1.0])])
def test_a_teacher_with_other_tokens_is_refused(given: Teacher) -> None:
    with pytest.raises(ValueError, match=r"the teacher has \d+ tokens for \d+ of the student's"):
        answer_loss(STATES, HEAD, given, Objective(), None, FOUR_ROWS)
