import copy
import math
from collections.abc import Sequence

import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from edullama.errors import InputError, ModelError
from edullama.llm.blocks import Texts, lay_out
from edullama.llm.greedy_layers import greedy_removals
from edullama.llm.layer_choice import (
    Removal,
    check_count,
    check_layers,
    end_layers,
    even_layers,
    influential_layers,
    layers_around_smallest_angle,
    layers_left,
)
from edullama.llm.layer_scores import answer_kls, block_angles, block_influences, make_targets
from edullama.llm.layers import build_student
from edullama.llm.rendering import render_prompt
from edullama.records import Answer, Question
from tests.llm.tiny import make_llama

QUESTIONS = [Question(f"q{n}", "one", f"What is {'really ' * n}a window?", "card") for n in range(5)]
ANSWERS = [Answer(f"q{n}", "teacher", "", (30 + n, 7, 200 - n, 9, 41, 0)[: n + 2], "stop") for n in range(5)]


@pytest.fixture
def deep() -> LlamaForCausalLM:
    """Seven layers, of which the third writes nothing to the hidden state."""
    model = make_llama(num_hidden_layers=7)
    with torch.no_grad():
        model.model.layers[2].self_attn.o_proj.weight.zero_()
        model.model.layers[2].mlp.down_proj.weight.zero_()
    return model


@pytest.fixture
def texts(tokenizer: PreTrainedTokenizerFast) -> list[Texts]:
    return lay_out(tokenizer, QUESTIONS, ANSWERS)


def logprobs(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, number: int) -> torch.Tensor:
    """Log-probabilities (answer token, vocab) as transformers computes them for one text alone, in fp64."""
    prompt, answer = render_prompt(tokenizer, QUESTIONS[number].text), list(ANSWERS[number].tokens)
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([prompt + answer]), use_cache=False).logits[0]
    return logits[len(prompt) - 1 : -1].double().log_softmax(-1)


def plain_kl(
    teacher: LlamaForCausalLM, student: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, number: int
) -> float:
    p, q = logprobs(teacher, tokenizer, number), logprobs(student, tokenizer, number)
    return float((p.exp() * (p - q)).sum(-1).mean())


def test_eleven_of_thirty_two_layers_are_the_originals_even_spread() -> None:
    assert even_layers(32, 11) == [0, 3, 6, 9, 12, 16, 19, 22, 25, 28, 31]


def test_first_and_last_layer_are_kept_by_an_even_spread() -> None:
    assert even_layers(30, 20)[0] == 0
    assert even_layers(30, 20)[-1] == 29
    assert len(set(even_layers(30, 20))) == 20


def test_ends_are_the_first_layers_and_the_last_ones() -> None:
    assert end_layers(10, 6, 2) == [0, 1, 2, 3, 8, 9]
    assert end_layers(10, 2, 3) == [8, 9]


def test_more_layers_than_the_teacher_has_are_refused_with_the_number_there_are() -> None:
    with pytest.raises(InputError, match="4 layers"):
        check_count(5, 4)


@pytest.mark.parametrize("layers", [(2, 1), (1, 1), (3, 4), ()])
def test_a_list_that_is_not_ascending_or_not_of_the_teacher_is_refused(layers: Sequence[int]) -> None:
    with pytest.raises(InputError, match="ascending"):
        check_layers(layers, 4)


def test_the_most_influential_layers_stay_in_their_order() -> None:
    assert influential_layers([0.1, 0.9, 0.2, 0.8], 2) == [1, 3]
    assert influential_layers([0.5, 0.5, 0.5], 2) == [0, 1]


def test_the_run_of_neighbours_with_the_smallest_angle_goes() -> None:
    angles = [[0.3, 0.1, 0.2, 0.4], [0.3, 0.2, 0.4], [0.5, 0.6], [0.9]]
    assert layers_around_smallest_angle(angles, 3) == [0, 2, 3]
    assert layers_around_smallest_angle(angles, 2) == [0, 3]
    assert layers_around_smallest_angle(angles, 1) == [3]
    assert layers_around_smallest_angle(angles, 4) == [0, 1, 2, 3]


def test_one_order_of_removals_gives_students_of_every_size() -> None:
    order = [Removal(layer, 0.1, {}) for layer in (2, 0, 3)]
    assert [layers_left(order, 4, count) for count in (4, 3, 2, 1)] == [[0, 1, 2, 3], [0, 1, 3], [1, 3], [1]]


def test_answer_kl_is_what_transformers_own_logits_give_text_by_text(
    deep: LlamaForCausalLM, texts: list[Texts], tokenizer: PreTrainedTokenizerFast
) -> None:
    student = build_student(deep, [0, 1, 4, 6])
    found = answer_kls(student, texts, make_targets(deep, texts))
    expected = {f"q{number}": plain_kl(deep, student, tokenizer, number) for number in range(5)}
    assert found == pytest.approx(expected, rel=1e-4)
    assert min(expected.values()) > 0.01


def test_passing_some_layers_is_being_the_student_of_these(deep: LlamaForCausalLM, texts: list[Texts]) -> None:
    targets = make_targets(deep, texts)
    skipped = answer_kls(deep, texts, targets, layers=[0, 1, 4, 6])
    assert skipped == pytest.approx(answer_kls(build_student(deep, [0, 1, 4, 6]), texts, targets), rel=1e-5)


def test_the_teacher_differs_from_itself_by_nothing(deep: LlamaForCausalLM, texts: list[Texts]) -> None:
    assert max(answer_kls(deep, texts, make_targets(deep, texts)).values()) < 1e-5


def test_a_layer_that_writes_nothing_has_no_influence_turns_nothing_and_goes_first(
    deep: LlamaForCausalLM, texts: list[Texts]
) -> None:
    influences, angles = block_influences(deep, texts), block_angles(deep, texts)
    assert influences[2] == pytest.approx(0, abs=1e-9)
    assert min(influences[:2] + influences[3:]) > 1e-4
    assert min(range(7), key=angles[0].__getitem__) == 2
    assert greedy_removals(deep, texts, make_targets(deep, texts), 1)[0].layer == 2


def test_influences_and_angles_are_those_of_the_hidden_states_that_transformers_gives(
    deep: LlamaForCausalLM, texts: list[Texts], tokenizer: PreTrainedTokenizerFast
) -> None:
    parts: dict[int, list[torch.Tensor]] = {3: [], 4: [], 6: []}  # by the layer they come before
    for question, answer in zip(QUESTIONS, ANSWERS, strict=True):
        prompt = render_prompt(tokenizer, question.text)
        tokens = torch.tensor([[*prompt, *answer.tokens]])
        with torch.inference_mode():
            states = deep.model(input_ids=tokens, output_hidden_states=True).hidden_states
        for layer, part in parts.items():
            part.append(states[layer][0, len(prompt) - 1 : -1].double())
    before, after, further = (torch.cat(part) for part in parts.values())
    influence = 1 - torch.cosine_similarity(before, after).mean()
    angle = torch.cosine_similarity(before, further).arccos().mean() / math.pi
    assert block_influences(deep, texts)[3] == pytest.approx(float(influence), rel=1e-4)
    assert block_angles(deep, texts)[2][3] == pytest.approx(float(angle), rel=1e-4)


def greedy_by_trying_all(
    teacher: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, count: int
) -> list[tuple[int, float]]:
    """The plain way: build every student anew, and compute all its answers' KL with transformers, token by token."""
    left, order = list(range(len(teacher.model.layers))), []
    tokens = [len(answer.tokens) for answer in ANSWERS]
    for _ in range(count):
        costs = {}
        for layer in left:
            student = build_student(teacher, [other for other in left if other != layer])
            kls = [plain_kl(teacher, student, tokenizer, number) for number in range(5)]
            costs[layer] = sum(kl * n for kl, n in zip(kls, tokens, strict=True)) / sum(tokens)
        best = min(costs, key=costs.__getitem__)
        order.append((best, costs[best]))
        left.remove(best)
    return order


def test_the_greedy_search_finds_what_trying_every_student_finds(
    deep: LlamaForCausalLM, texts: list[Texts], tokenizer: PreTrainedTokenizerFast
) -> None:
    found = greedy_removals(deep, texts, make_targets(deep, texts), 5)
    expected = greedy_by_trying_all(deep, tokenizer, 5)
    assert [removal.layer for removal in found] == [layer for layer, _ in expected]
    assert [removal.kl for removal in found] == pytest.approx([kl for _, kl in expected], rel=1e-3, abs=1e-5)


def test_a_search_that_was_interrupted_goes_on_to_the_same_end(deep: LlamaForCausalLM, texts: list[Texts]) -> None:
    targets = make_targets(deep, texts)
    kept: list[list[Removal]] = []
    whole = greedy_removals(deep, texts, targets, 4, keep=lambda removals: kept.append(list(removals)))
    assert kept == [whole[:n] for n in (1, 2, 3, 4)]
    assert greedy_removals(deep, texts, targets, 4, done=whole[:2]) == whole
    assert greedy_removals(deep, texts, targets, 3, done=whole) == whole[:3]


def test_the_next_layers_of_a_trained_student_are_chosen_by_the_teachers_targets(
    deep: LlamaForCausalLM, texts: list[Texts]
) -> None:
    targets = make_targets(deep, texts)
    student = build_student(deep, [0, 1, 3, 5, 6])
    with torch.no_grad():
        student.model.layers[3].mlp.down_proj.weight.zero_()
        student.model.layers[3].self_attn.o_proj.weight.zero_()
    removal = greedy_removals(student, texts, targets, 1)[0]
    without = {
        layer: answer_kls(student, texts, targets, [other for other in range(5) if other != layer])
        for layer in range(5)
    }
    lengths = {answer.question_id: len(answer.tokens) for answer in ANSWERS}
    nats = {layer: sum(kl * lengths[own] for own, kl in kls.items()) / 20 for layer, kls in without.items()}
    assert removal.layer == min(nats, key=nats.__getitem__)
    assert removal.kl == pytest.approx(min(nats.values()), rel=1e-4)


def test_a_teacher_that_is_not_a_number_is_said_to_be_broken(deep: LlamaForCausalLM, texts: list[Texts]) -> None:
    with torch.no_grad():
        deep.model.norm.weight[0] = float("nan")
    with pytest.raises(ModelError, match="broken"):
        greedy_removals(deep, texts, make_targets(deep, texts), 1)


def test_answers_without_a_token_are_left_out(tokenizer: PreTrainedTokenizerFast) -> None:
    silent = [*ANSWERS[:4], Answer("q4", "teacher", "", (), "length")]
    ids = [own for texts in lay_out(tokenizer, QUESTIONS, silent) for own in texts.ids]
    assert sorted(ids) == ["q0", "q1", "q2", "q3"]


def test_scoring_leaves_the_model_as_it_was(deep: LlamaForCausalLM, texts: list[Texts]) -> None:
    before = copy.deepcopy(deep.state_dict())
    greedy_removals(deep, texts, make_targets(deep, texts), 3)
    assert all(torch.equal(weight, before[name]) for name, weight in deep.state_dict().items())
    assert len(deep.model.layers) == 7
