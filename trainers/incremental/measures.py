"""What is measured of classes that came task by task.

L lanes, N examples, C classes, T tasks, z logits (L, N, C) in which classes not seen yet are minus
infinity, y labels (L, N), `task` of each example (L, N), A[s, u] the accuracy on the classes of
task u after task s, among all classes seen by then.
"""

import torch
from torch import Tensor

from trainers.classes.metrics import guesses

# Metrics that read what the student was at the end of earlier tasks.
OF_MATRIX = ("average_incremental_accuracy", "forgetting")


def by_task(right: Tensor, task: Tensor, tasks: int) -> Tensor:
    """The share of ``right`` (L, N) in the examples of each task, percent: (L, T); NaN where it
    has none."""
    zeros = torch.zeros(len(right), tasks, dtype=torch.float64, device=right.device)
    count = zeros.scatter_add(1, task, torch.ones_like(right, dtype=torch.float64))
    return 100.0 * zeros.scatter_add(1, task, right.to(torch.float64)) / count


def accuracy_by_task(z: Tensor, y: Tensor, task: Tensor, tasks: int) -> Tensor:
    """Among all classes seen so far, (L, T): a row of A."""
    return by_task(guesses(z) == y, task, tasks)


def accuracy_within_task(z: Tensor, y: Tensor, task: Tensor, task_of: Tensor, tasks: int) -> Tensor:
    """Among the classes of each example's own task, (L, T). ``task_of`` (L, C): that of each
    class."""
    others = task_of.unsqueeze(1) != task.unsqueeze(2)
    return by_task(guesses(z.masked_fill(others, -torch.inf)) == y, task, tasks)


def average_incremental(matrix: Tensor) -> Tensor:
    """The mean over tasks s of the mean over u <= s of A (L, S, T), its rows so far: (L,)."""
    means = [matrix[:, s, : s + 1].mean(1) for s in range(matrix.shape[1])]
    return torch.stack(means).mean(0)


def forgetting(matrix: Tensor) -> Tensor:
    """The mean over the tasks before the last of A (L, S, T) of how far the best that was reached
    on one before stands above what is left: (L,); NaN of a single task. May be negative."""
    last = matrix.shape[1] - 1
    if not last:
        return matrix.new_full((len(matrix),), torch.nan)
    # Only what a task had reached since it came.
    best = [matrix[:, u:last, u].max(1).values for u in range(last)]
    return (torch.stack(best, dim=1) - matrix[:, last, :last]).mean(1)
