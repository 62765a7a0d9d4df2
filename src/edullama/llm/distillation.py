"""Distillation from questions alone: the student learns all token probabilities of the teacher's answers.

`DistillationTrainer` is a `transformers.Trainer` that needs nothing else of ours:

    trainer = DistillationTrainer(
        model=student, teacher=teacher, args=DistillationArguments("out", num_train_epochs=4),
        train_dataset=["What is a window?", ...], processing_class=tokenizer,
    )
    trainer.train()
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import torch
from peft import PeftModel
from torch import Tensor
from transformers import LlamaForCausalLM, Trainer, TrainerControl, TrainingArguments

from edullama.errors import InputError
from edullama.files import PartialLog
from edullama.health import answers_health
from edullama.llm.batches import IGNORED, SideBySide
from edullama.llm.divergences import DivergenceName
from edullama.llm.fast_llama import predict_plainly
from edullama.llm.generate import Sampling, answer_all
from edullama.llm.lessons import Lessons, Mode, Reading
from edullama.llm.losses import Objective, ScheduleShape, temperature_at
from edullama.llm.models import Tokenizer
from edullama.llm.student_loss import Comparison, Lesson, give_lessons
from edullama.llm.target_formats import Best, Format, Hidden
from edullama.llm.targets import KeptTargets
from edullama.llm.teaching import Taught, as_questions, ask_teacher
from edullama.records import Answer, Question

OWN = ("parallel", "onpolicy", "mixed")  # modes in which the student answers as well
SCORED = ("onpolicy", "mixed")  # and the teacher reads its answers
Questions = Sequence[str | Question | Mapping[str, str]]


@dataclass
class DistillationArguments(TrainingArguments):
    """Settings of a distillation, beside those of every Trainer. Raises ValueError where they contradict each other."""

    mode: Mode = "teacher"  # whose answers the student reads: see `Lessons`
    divergence: DivergenceName = "forward_kl"
    beta: float = 0.5  # of jsd: the teacher's share in the mixture
    alpha: float = 0.1  # of the skewed KLs
    temperature: float = 2.0  # of the loss, on both sides
    final_temperature: float | None = None  # where a schedule ends
    temperature_schedule: ScheduleShape = "constant"
    times_squared_temperature: bool = True
    hard_share: float = 0.0  # of the loss: cross entropy of the tokens that are read
    state_share: float = 0.0  # of the loss: squared difference of the last hidden states
    targets: Literal["hidden", "topk", "live"] = "hidden"  # how the teacher's probabilities are kept
    top_k: int = 64
    answers_per_question: int = 1  # of the teacher
    sampling_temperature: float = 0.0  # of the teacher's and the student's answers; 0: greedy
    max_new_tokens: int = 80  # of an answer
    student_share: float = 0.5  # of "mixed": questions for which the student's own answer is read
    final_student_share: float | None = None  # what that moves to, evenly
    refresh_epochs: int = 1  # after so many epochs the student answers anew, where its answers are read
    rounds_kept: int = 2  # of the student's answers
    health_questions: int = 16  # that the student answers freely at every evaluation

    def __post_init__(self) -> None:
        super().__post_init__()
        self.remove_unused_columns = False
        self.objective(0.0)
        if self.state_share and self.targets == "topk":
            raise ValueError('hidden states are matched with targets="hidden" or "live"')
        if self.targets == "topk" and self.temperature_schedule != "constant":
            raise ValueError('a temperature that moves needs targets="hidden" or "live"')

    def objective(self, done: float) -> Objective:
        """Return what is minimised when a share `done` (0 to 1) of the training is over."""
        end = self.temperature if self.final_temperature is None else self.final_temperature
        temperature = temperature_at(done, self.temperature, end, self.temperature_schedule)
        return Objective(
            self.divergence, temperature, self.beta, self.alpha, self.times_squared_temperature, self.hard_share
        )

    def share_read(self, done: float) -> float:
        """Return the share of the student's own answers in mode "mixed" when a share of the training is over."""
        end = self.student_share if self.final_student_share is None else self.final_student_share
        return self.student_share + (end - self.student_share) * done

    @property
    def sampling(self) -> Sampling:
        return Sampling(self.sampling_temperature, self.answers_per_question, self.seed)

    @property
    def form(self) -> Format | None:
        """Return how targets are kept; None: they are not, the teacher stays in memory."""
        if self.targets == "topk":
            return Best(self.top_k, tuple(sorted({1.0, self.temperature})))
        return Hidden() if self.targets == "hidden" else None


class DistillationTrainer(Trainer):
    """Trains a student (`model`) on the teacher's answers to questions, and on its probabilities of every token.

    `teacher` is a model of the same vocabulary, which is asked when the trainer is made, or what `ask_teacher` left of
    one that may be gone. `train_dataset` and `eval_dataset` are questions: texts, records, or rows with a "question";
    `processing_class` is the tokenizer. The loss is a mean over the answer tokens of the whole accumulated batch, on
    all processes. `evaluate` gives `eval_loss`, `eval_kl` (nats a token, forward, temperature 1), `eval_agreement`
    (share of tokens) and the health of free answers. Raises InputError where a mode needs a teacher that is gone.
    """

    loss_is_scaled_for_ga = True

    def __init__(
        self,
        model: LlamaForCausalLM | PeftModel,
        teacher: LlamaForCausalLM | Taught,
        args: DistillationArguments,
        train_dataset: Questions,
        processing_class: Tokenizer,
        eval_dataset: Questions = (),
        **settings: Any,
    ) -> None:
        learnt, self.held_out = as_questions(train_dataset), as_questions(eval_dataset)
        with args.main_process_first():
            self.taught = teacher if isinstance(teacher, Taught) else ask_teacher(
                teacher, processing_class, [*learnt, *self.held_out], args.max_new_tokens, args.sampling, args.form,
                Path(str(args.output_dir)) / "teacher",
            )  # fmt: skip
        if args.mode in SCORED and self.taught.teacher is None:
            raise InputError(f"Mode '{args.mode}' needs the teacher in memory, to score what the student answers.")
        self.questions = {question.id: question for question in learnt}
        self.lessons = Lessons(args.mode, self.taught.answers, args.rounds_kept, args.seed)
        self.round = -1  # of the student's own answers
        give_lessons(model, states_of(model))
        super().__init__(
            model=model, args=args, train_dataset=list(self.questions), eval_dataset=self.held_out or None,
            processing_class=processing_class, data_collator=list, **settings,
        )  # fmt: skip

    def get_batch_samples(
        self, epoch_iterator: Iterator[list[str]], num_batches: int, device: torch.device
    ) -> tuple[list[dict[str, Any]], Tensor]:
        """Return what the steps of an accumulated batch read, and how many answer tokens all of them have together."""
        epoch = int(self.state.epoch or 0)
        if self.args.mode in OWN and epoch // self.args.refresh_epochs > self.round:
            with self.args.main_process_first():
                self._renew_own_answers(epoch // self.args.refresh_epochs)
        share = self.args.share_read(self._done())
        batches = [
            self._batch(self.lessons.choose(questions, self.state.global_step, epoch, share))
            for questions in islice(epoch_iterator, num_batches)
        ]
        count = torch.tensor(sum(batch["count"] for batch in batches), device=device)
        return batches, self.accelerator.gather(count).sum() if self.args.world_size > 1 else count

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Return the loss of one batch, by its share of the tokens of all batches that one step is made of."""
        outputs = model(**inputs["texts"], lesson=self._lesson(inputs["readings"]))
        loss = outputs.loss / (num_items_in_batch or inputs["count"]) * self.accelerator.num_processes
        return (loss, outputs) if return_outputs else loss

    def evaluate(self, *_: Any, metric_key_prefix: str = "eval", **__: Any) -> dict[str, float]:
        """Return how close the student is to the teacher's answers on held-out questions, and how sound its own are."""
        model = self.model_wrapped if self.is_fsdp_enabled else self.model
        lessons = Lessons("teacher", self.taught.answers, 1, 0)
        model.eval()
        with torch.no_grad():
            found = [
                model(**self._prepare_inputs(batch["texts"]), lesson=self._lesson(batch["readings"]))
                for start in range(0, len(self.held_out), self.args.eval_batch_size)
                for chosen in [self.held_out[start : start + self.args.eval_batch_size]]
                for batch in [self._batch(lessons.choose([question.id for question in chosen], 0, 0, 0.0))]
            ]
        figures = {**_means(found), **self._health()}
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in figures.items()}
        self.log(metrics)
        self.control: TrainerControl = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _done(self) -> float:
        """Return the share of the training that is over."""
        return self.state.global_step / max(1, self.state.max_steps)

    def _batch(self, readings: Sequence[Reading]) -> dict[str, Any]:
        rows = [{"prompt": self.taught.prompts[one.question], "answer": one.read} for one in readings]
        texts = SideBySide()(rows)
        return {"texts": texts, "readings": readings, "count": int((texts["labels"] != IGNORED).sum())}

    def _lesson(self, readings: Sequence[Reading]) -> Lesson:
        answered = [(self.taught.prompts[one.question], one.scored) for one in readings]
        lengths = [len(one.read) for one in readings]
        matched = self.args.state_share > 0
        return Lesson(
            self.taught.targets.teacher(answered, lengths),
            self.args.objective(self._done()),
            self.taught.targets.states(answered, lengths) if matched else None,
            self.args.state_share,
        )

    def _renew_own_answers(self, number: int) -> None:
        """Take in the student's answers up to this round: those that an interrupted run left, else what it answers now.

        In modes where the teacher scores them, it does so at once.
        """
        folder = Path(str(self.args.output_dir)) / "own"
        if self.state.global_step == 0 and self.is_world_process_zero():
            shutil.rmtree(folder, ignore_errors=True)  # of another run
        for earlier in range(self.round + 1, number + 1):
            log = PartialLog(folder / f"round-{earlier}.jsonl", Answer)
            own = log.read()
            if not own and earlier == number:
                own = self._answer(list(self.questions.values()), replace(self.args.sampling, answers=1, seed=number))
                log.append(own)
            self.lessons.add_round({answer.question_id: answer for answer in own})
            self._score(own)
        self.round = number

    def _score(self, own: Sequence[Answer]) -> None:
        """Let the teacher read the student's answers, where its targets are kept; a live one reads each batch."""
        if self.args.mode in SCORED and isinstance(self.taught.targets, KeptTargets):
            answered = [(self.taught.prompts[answer.question_id], answer.tokens) for answer in own]
            self.taught.targets.complete(self.taught.teacher, answered, self.processing_class.pad_token_id)

    def _answer(self, questions: Sequence[Question], sampling: Sampling) -> list[Answer]:
        """Return the student's own answers. Raises InputError under FSDP, where no process has it whole."""
        if self.is_fsdp_enabled:
            raise InputError("Under FSDP the student cannot answer: use mode 'teacher', and health_questions=0.")
        model = self.accelerator.unwrap_model(self.model).eval()
        caps = [self.args.max_new_tokens] * len(questions)
        return answer_all(model, self.processing_class, questions, caps, "student", sampling=sampling)

    def _health(self) -> dict[str, float]:
        """Return how sound the student's free answers to some held-out questions are."""
        asked = self.held_out[: self.args.health_questions]
        return answers_health(self._answer(asked, Sampling())) if asked else {}


def states_of(model: Any) -> Any:
    """Return what gives a model's last hidden states at the positions that predict answer tokens, and these tokens."""
    llama = model.get_base_model() if isinstance(model, PeftModel) else model
    return lambda labels, **batch: predict_plainly(llama, labels, batch)


def _means(found: Sequence[Comparison]) -> dict[str, float]:
    """Return means over all tokens."""
    totals = [[float(value) for value in (one.tokens, one.loss, one.kl, one.agreed)] for one in found]  # type: ignore[arg-type]
    tokens, *sums = (sum(column) for column in zip(*totals, strict=True))
    return {name: total / tokens for name, total in zip(("loss", "kl", "agreement"), sums, strict=True)}
