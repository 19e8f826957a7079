"""Several teachers with equal weights: w_im = 1 / M.

The baseline of the literature on several teachers; the same as fixed_kd with several of them.

Source: You et al. 2017 (KDD, "Learning from multiple teacher networks"), as in the public code of
CA-MKD.
"""

import torch
from torch import Tensor

from trainers.method import Step
from trainers.mixing.several_teachers import SeveralTeachers


class Aver(SeveralTeachers):
    """The mean of the teachers' losses."""

    def teacher_weights(self, step: Step) -> Tensor:
        teachers = step.terms.teachers
        return torch.full_like(teachers, 1 / teachers.shape[1])
