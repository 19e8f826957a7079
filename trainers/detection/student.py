"""A detector by itself, without lanes, sweep or data set.

B pictures of K channels, H x W pixels, T places, C classes.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainers.detection.data.raw_inputs import FOUND
from trainers.detection.found import Found, best_of
from trainers.detection.places import Grid, grid
from trainers.detection.terms import predicted_boxes
from trainers.task import StudentModule

# Boxes of a picture that are told.
TOLD = 20


class BoxFinder(StudentModule):
    """Takes pictures ``(B, K, H, W)`` as their files have them, of any type of number, and gives
    of every place the scores of all classes in (0, 1), and a box in pixels: ``(B, T, C + 4)``.

    `table` leaves the best of boxes that stand for one thing. Boxes are in pixels of the pictures
    that it is given; where these were fitted into its shape, `trainers.detection.data.raw_inputs`
    takes them back to pixels of their files.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, facts: Mapping[str, Any]) -> None:
        """``facts``: as `trainers.detection.task.Detection.facts` has them."""
        super().__init__()
        self.network = network
        self.shape = tuple(facts["shape"])
        self._names = tuple(facts["class_names"])
        told = facts["preprocessing"]
        self._scale = told["scale"]
        for name in ("mean", "std"):
            values = torch.tensor(told[name]).view(-1, 1, 1)
            self.register_buffer(name, values, persistent=False)
        # Buffers, as what is made while a module is traced outlives it nowhere.
        of = grid(*self.shape[1:], torch.device("cpu"), torch.get_default_dtype())
        for name, values in of._asdict().items():
            self.register_buffer(name, values, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        z = self.network((x.float() / self._scale - self.mean) / self.std)
        classes = len(self._names)
        of = Grid(*(self.get_buffer(name) for name in Grid._fields))
        boxes = predicted_boxes(z, classes, of)
        return torch.cat([torch.sigmoid(z[..., :classes]), boxes], dim=-1)

    def table(self, outputs: Tensor) -> dict[str, NDArray[Any]]:
        height, width = self.shape[1:]
        size = torch.tensor([[height, width]]).expand(len(outputs), -1)
        classes = len(self._names)
        own = best_of(outputs[..., classes:], outputs[..., :classes], size)
        told = [json.dumps(of_picture) for of_picture in listed(own, self._names)]
        return {FOUND: np.array(told, dtype=object)}


def listed(own: Found, names: tuple[str, ...]) -> list[list[list[Any]]]:
    """Of every picture the best `TOLD` boxes: class, score, left, top, right, bottom."""
    return [
        [
            [names[of], round(score, 4), *(round(x, 2) for x in box)]
            for box, score, of in zip(boxes[:TOLD], scores, classes, strict=False)
            if score > 0
        ]
        for boxes, scores, classes in zip(
            own.boxes.tolist(), own.scores.tolist(), own.classes.tolist(), strict=True
        )
    ]
