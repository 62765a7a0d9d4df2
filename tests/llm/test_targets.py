from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from edullama.errors import InputError
from edullama.llm.answer_loss import Teacher
from edullama.llm.batches import Answered
from edullama.llm.generate import answer_all, answering_key
from edullama.llm.losses import Objective, TopK, divergence, top_k
from edullama.llm.rendering import render_prompt
from edullama.llm.target_formats import Best, Format, Hidden
from edullama.llm.targets import KeptTargets, LiveTargets, begin_targets, open_targets
from edullama.records import Question
from tests.llm.tiny import make_llama

QUESTIONS = [Question(str(n), "lecture", f"What is entry {n}{' of this lecture' * (n % 3)}?") for n in range(40)]
SOURCE = "weights:1 tokenizer:2 template:3 settings:4"
FORMATS: dict[str, Format] = {"hidden": Hidden(), "topk": Best(16, (1.0, 2.0))}


@pytest.fixture
def answered(llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> list[Answered]:
    answers = answer_all(llama, tokenizer, QUESTIONS, [8] * len(QUESTIONS), "teacher")
    return [
        (render_prompt(tokenizer, question.text), list(answer.tokens))
        for question, answer in zip(QUESTIONS, answers, strict=True)
    ]


def live_logits(model: LlamaForCausalLM, answered: list[Answered]) -> Tensor:
    """Text by text, without padding: (answer tokens, vocab)."""
    rows = []
    for prompt, answer in answered:
        logits = model(torch.tensor([[*prompt, *answer]])).logits[0, len(prompt) - 1 : -1]
        rows.append(logits.detach())
    return torch.cat(rows)


def complete(model: LlamaForCausalLM, answered: list[Answered], folder: Path, form: Format) -> KeptTargets:
    kept = begin_targets(folder, model, form, SOURCE)
    kept.complete(model, answered, pad_token_id=0)
    return kept


def losses_of(student: Tensor, store: KeptTargets, answered: list[Answered]) -> Tensor:
    teacher = store.teacher(answered)
    return divergence(student, teacher if isinstance(teacher, TopK) else teacher(slice(0, len(student))), Objective())


def all_logits(teacher: Teacher, count: int) -> Tensor:
    assert not isinstance(teacher, TopK)
    return torch.cat([teacher(slice(start, start + 7)) for start in range(0, count, 7)])


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_kept_states_give_back_all_probabilities_of_every_answer_token(
    llama: LlamaForCausalLM, answered: list[Answered], tmp_path: Path, temperature: float
) -> None:
    complete(llama, answered, tmp_path, Hidden())
    some = [answered[5], answered[0], answered[33]]
    live = live_logits(llama, some)
    kept = all_logits(open_targets(tmp_path).teacher(some), len(live))
    losses = divergence(kept, live, Objective(temperature=temperature, times_squared_temperature=False))
    assert losses.max() < 1e-5  # what fp16 costs


def test_a_teacher_in_memory_gives_its_very_logits(llama: LlamaForCausalLM, answered: list[Answered]) -> None:
    some = [answered[5], answered[0], answered[33]]
    live = live_logits(llama, some)
    teacher = LiveTargets(llama, pad_token_id=0).teacher(some)
    torch.testing.assert_close(all_logits(teacher, len(live)), live, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_the_likeliest_words_give_the_loss_that_they_give_before_they_are_rounded(
    llama: LlamaForCausalLM, answered: list[Answered], tmp_path: Path, temperature: float
) -> None:
    complete(llama, answered, tmp_path, Best(16, (1.0, 2.0)))
    kept = open_targets(tmp_path).teacher(answered)
    assert isinstance(kept, TopK)
    live, objective = live_logits(llama, answered), Objective(temperature=temperature)
    student = live_logits(make_llama(initializer_range=0.08), answered)
    exact = divergence(student, top_k(live, 16, [temperature]), objective)
    torch.testing.assert_close(divergence(student, kept, objective), exact, rtol=2e-3, atol=1e-4)


def test_the_mass_of_all_other_words_is_kept_as_it_is(
    llama: LlamaForCausalLM, answered: list[Answered], tmp_path: Path
) -> None:
    complete(llama, answered, tmp_path, Best(4, (1.0, 3.0)))
    kept = open_targets(tmp_path).teacher(answered)
    assert isinstance(kept, TopK)
    for temperature in (1.0, 3.0):
        likely = (live_logits(llama, answered).double() / temperature).softmax(1).topk(4).values
        own = (kept.logits.double() / temperature - kept.log_sum_exp[temperature][:, None].double()).exp()
        torch.testing.assert_close(1 - own.sum(1), 1 - likely.sum(1), rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(own, likely, rtol=5e-3, atol=1e-6)


def test_all_words_kept_are_all_of_the_distribution(
    llama: LlamaForCausalLM, answered: list[Answered], tmp_path: Path
) -> None:
    complete(llama, answered, tmp_path, Best(320, (1.0,)))
    kept = open_targets(tmp_path).teacher(answered[:5])
    live = live_logits(llama, answered[:5])
    assert isinstance(kept, TopK)
    assert divergence(live, kept, Objective()).abs().max() < 1e-4


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_states_from_answering_are_as_good_as_those_from_reading_again(
    llama: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    answered: list[Answered],
    tmp_path: Path,
    form: Format,
) -> None:
    kept = begin_targets(tmp_path / "answering", llama, form, SOURCE)
    answer_all(llama, tokenizer, QUESTIONS, [8] * len(QUESTIONS), "teacher", keep_states=kept.add)
    assert all(own in kept for own in answered)
    before = sorted((tmp_path / "answering").iterdir())
    kept.complete(llama, answered, pad_token_id=0)  # nothing is left to do
    assert sorted((tmp_path / "answering").iterdir()) == before
    again = complete(llama, answered, tmp_path / "reading", form)
    student = live_logits(make_llama(initializer_range=0.08), answered)
    one, other = (losses_of(student, store, answered) for store in (kept, again))
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_a_token_takes_two_bytes_a_dimension_or_four_a_likely_word(
    llama: LlamaForCausalLM, answered: list[Answered], tmp_path: Path
) -> None:
    tokens = sum(len(answer) for _, answer in answered)
    for name, form, each in (("hidden", Hidden(), 2 * 64), ("topk", Best(16, (1.0, 2.0)), 16 * 4 + 2 * 4)):
        report = complete(llama, answered, tmp_path / name, form).report()
        assert (report.answers, report.tokens) == (40, tokens)
        assert each * tokens < report.bytes < each * tokens + 40 * 600  # names and places of 40 answers beside them
        assert report.head_bytes > 320 * 64 * 4


def test_what_keeping_costs_is_measured_on_some_tokens(
    llama: LlamaForCausalLM, answered: list[Answered], tmp_path: Path
) -> None:
    hidden = complete(llama, answered, tmp_path / "hidden", Hidden()).report()
    coarse = complete(llama, answered, tmp_path / "coarse", Hidden("bfloat16")).report()
    assert 0 < hidden.mean_kl[1.0] < hidden.max_kl[1.0] < 1e-6
    assert 10 * hidden.mean_kl[1.0] < coarse.mean_kl[1.0] < 1e-3
    few, many = (complete(llama, answered, tmp_path / str(k), Best(k, (1.0, 2.0))).report() for k in (2, 64))
    assert many.mean_kl[1.0] < few.mean_kl[1.0]
    assert few.measured >= few.tokens // 64


def test_an_interrupted_run_goes_on_shard_by_shard(
    llama: LlamaForCausalLM, answered: list[Answered], tmp_path: Path
) -> None:
    complete(llama, answered, tmp_path, Hidden())
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert len(before) == 5  # three shards of at most 16 answers, the head, and what they are
    (tmp_path / "targets-00001.safetensors").unlink()
    (tmp_path / "targets-00001.writing").write_bytes(b"torn")
    again = complete(llama, answered, tmp_path, Hidden())
    assert all(own in again for own in answered)
    after = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert after.keys() == before.keys()
    assert [name for name in after if after[name] != before[name]] == ["targets-00001.safetensors"]


def test_a_shorter_part_of_each_answer_can_be_asked_for(
    llama: LlamaForCausalLM, answered: list[Answered], tmp_path: Path
) -> None:
    kept, some = complete(llama, answered, tmp_path, Hidden()), answered[:3]
    expected = torch.cat([live_logits(llama, [own])[:2] for own in some])
    for store in (kept, LiveTargets(llama, pad_token_id=0)):
        torch.testing.assert_close(all_logits(store.teacher(some, [2, 2, 2]), 6), expected, rtol=1e-2, atol=1e-2)
        assert store.states(some, [2, 2, 2]).shape == (6, 64)


def test_an_answer_that_is_not_the_teachers_has_no_targets(
    llama: LlamaForCausalLM, answered: list[Answered], tmp_path: Path
) -> None:
    kept = complete(llama, answered, tmp_path, Hidden())
    prompt, answer = answered[0]
    with pytest.raises(InputError, match="no targets for this answer"):
        kept.teacher([(prompt, [*answer[:-1], answer[-1] + 1])])
    with pytest.raises(InputError, match="no targets for this answer"):
        kept.teacher([([*prompt, answer[0]], answer[1:])])  # the same tokens, otherwise parted


def test_targets_of_another_teacher_are_refused(
    llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, answered: list[Answered], tmp_path: Path
) -> None:
    source = answering_key(llama, tokenizer)
    begin_targets(tmp_path, llama, Hidden(), source)
    begin_targets(tmp_path, llama, Hidden(), source)
    other = answering_key(make_llama(initializer_range=0.08), tokenizer)
    with pytest.raises(InputError, match=r"was made with other weights than now, and is not used"):
        begin_targets(tmp_path, llama, Hidden(), other)
    with pytest.raises(InputError, match="other weights"):
        open_targets(tmp_path, other)
    assert open_targets(tmp_path, source).format == Hidden()


def test_targets_in_another_form_are_refused(llama: LlamaForCausalLM, tmp_path: Path) -> None:
    begin_targets(tmp_path, llama, Best(16, (1.0, 2.0)), SOURCE)
    assert open_targets(tmp_path).format == Best(16, (1.0, 2.0))
    for form in (Hidden(), Best(8, (1.0, 2.0)), Best(16, (1.0,))):
        with pytest.raises(InputError, match="another form"):
            begin_targets(tmp_path, llama, form, SOURCE)


def test_an_empty_folder_is_no_targets(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no targets there"):
        open_targets(tmp_path)


def test_states_beyond_fp16_are_refused(tmp_path: Path) -> None:
    broken = make_llama()
    with torch.no_grad():
        broken.model.norm.weight.fill_(1e6)
    with pytest.raises(InputError, match="fp16"):
        complete(broken, [([3, 4], [5, 6])], tmp_path, Hidden())


def test_the_likeliest_words_hold_no_states(llama: LlamaForCausalLM, answered: list[Answered], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not hidden states"):
        complete(llama, answered, tmp_path, Best(16, (1.0,))).states(answered)
