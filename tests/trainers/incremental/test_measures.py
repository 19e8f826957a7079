"""Accuracy over tasks and forgetting, on matrices written by hand."""

import math

import torch

from trainers.incremental.measures import (
    accuracy_by_task,
    accuracy_within_task,
    average_incremental,
    forgetting,
)

# Of one lane: after each of three tasks, on the classes of each.
A = torch.tensor([[[90.0, math.nan, math.nan], [60.0, 80.0, math.nan], [40.0, 85.0, 70.0]]])


def test_average_incremental_accuracy_is_a_mean_of_means() -> None:
    expected = (90 + (60 + 80) / 2 + (40 + 85 + 70) / 3) / 3
    torch.testing.assert_close(average_incremental(A), torch.tensor([expected]))


def test_forgetting_is_measured_from_the_best_before_the_last_task() -> None:
    # Of the first task 90 was reached and 40 is left, of the second 80 and 85: it got better.
    torch.testing.assert_close(forgetting(A), torch.tensor([((90 - 40) + (80 - 85)) / 2]))


def test_one_task_forgets_nothing_that_could_be_told() -> None:
    assert forgetting(A[:, :1]).isnan().all()


def test_tasks_are_told_apart_or_not() -> None:
    """Four classes in two tasks; the fourth example is taken for a class of the other task."""
    z = torch.tensor([[[3.0, 0, 0, 0], [0, 3, 0, 0], [0, 0, 3, 0], [3, 0, 0, 2]]])
    y, task_of = torch.tensor([[0, 0, 2, 3]]), torch.tensor([[0, 0, 1, 1]])
    task = task_of.gather(1, y)
    expected = torch.tensor([[50.0, 50.0]], dtype=torch.float64)
    assert torch.equal(accuracy_by_task(z, y, task, 2), expected)
    within = torch.tensor([[50.0, 100.0]], dtype=torch.float64)
    assert torch.equal(accuracy_within_task(z, y, task, task_of, 2), within)
