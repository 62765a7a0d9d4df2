from edullama.evaluation.watching import warn_of_training
from edullama.records import Watch

FINE = [Watch(0, 3.0, 3.0), Watch(5, 2.5, 3.02), Watch(10, 2.4, 3.05)]
BY_HEART = [Watch(0, 3.0, 3.0), Watch(5, 2.4, 3.0), Watch(10, 2.6, 3.0)]
FORGOT = [Watch(0, 3.0, 3.0), Watch(5, 2.5, 3.1), Watch(10, 2.4, 3.3)]


def test_a_run_that_gets_better_to_its_end_gives_no_warning() -> None:
    assert warn_of_training(FINE, best_is_kept=False) == []
    assert warn_of_training([], best_is_kept=False) == []


def test_held_out_slides_that_get_worse_at_the_end_are_told_with_both_losses() -> None:
    (warning,) = warn_of_training(BY_HEART, best_is_kept=False)
    assert "step 5 (2.40 nats per token)" in warning and "step 10 (2.60)" in warning


def test_with_the_best_adapter_kept_what_came_after_it_counts_for_nothing() -> None:
    assert warn_of_training(BY_HEART, best_is_kept=True) == []
    late = [Watch(0, 3.0, 3.0), Watch(5, 2.4, 3.0), Watch(10, 2.6, 9.0)]
    assert warn_of_training(late, best_is_kept=True) == []


def test_more_than_three_percent_worse_on_general_prose_is_told() -> None:
    (warning,) = warn_of_training(FORGOT, best_is_kept=False)
    assert "rose by 10%, from 3.00 to 3.30" in warning


def test_a_course_without_held_out_slides_is_still_watched_for_what_it_forgets() -> None:
    looks = [Watch(0, None, 3.0), Watch(5, None, 3.2)]
    assert len(warn_of_training(looks, best_is_kept=True)) == 1
