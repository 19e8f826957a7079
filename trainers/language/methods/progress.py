"""How far training has come, for methods that go by it."""

from trainers.lanes.batches import batch_sizes
from trainers.settings import Training


class Progress:
    """The share of all steps that are done, in [0, 1]."""

    def __init__(self, training: Training, examples: int) -> None:
        """``examples``: of the training split."""
        self._of_epoch = training.steps or len(batch_sizes(examples, training.batch_size))
        self._steps = self._of_epoch * training.epochs
        self._done = 0

    @property
    def share(self) -> float:
        return self._done / self._steps

    def begin_epoch(self, epoch: int) -> None:
        """Stand before epoch 1, 2, ..."""
        self._done = (epoch - 1) * self._of_epoch

    def end_step(self) -> None:
        """One more is done."""
        self._done += 1
