"""What variants of ALM-KD have where a hyperparameter does not say, free of torch.

Source: arXiv 2202.03250, its versions, and the history of its authors' public code.
"""

from collections.abc import Mapping

# Updates per group of batches.
INNER_REPEATS: Mapping[str, int] = {"convex": 10, "max": 5, "softmax": 10, "box": 5}
# Share of the held-out mini-batch in the loss that the weights lower.
HELD_OUT: Mapping[str, float] = {"convex": 0.75, "max": 0.9, "softmax": 0.75, "box": 1.0}
