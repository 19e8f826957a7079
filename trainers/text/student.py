"""A classifier of texts by itself, without lanes, sweep or data set.

B texts, S tokens, C classes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainers.task import StudentModule
from trainers.text.data.pretrained import TOKENIZER
from trainers.text.data.tokenizer import Tokenizer


class TextClassifier(StudentModule):
    """Numbers of tokens ``(B, S)`` to logits ``(B, C)``; one text alone, ``(S,)``, to ``(C,)``.

    `encode` makes tokens of texts, by the tokenizer that training had; behind the end of a text
    stands -1. ``class_names``: the classes in the order of the logits.
    """

    input_dtype = torch.int64
    takes_texts = True

    def __init__(self, network: nn.Module, facts: Mapping[str, Any]) -> None:
        """``facts``: as `trainers.text.facts.facts_of` has them."""
        super().__init__()
        self.shape = tuple(facts["shape"])
        self.class_names: tuple[str, ...] = tuple(facts["class_names"])
        self.network = network
        self.columns = tuple(facts["columns"])
        self.files = {TOKENIZER: str(facts["tokenizer"])}

    def encode(self, texts: Sequence[str]) -> Tensor:
        """DataError where the library ``tokenizers`` is not there."""
        ids = Tokenizer(self.files[TOKENIZER]).encode(texts, self.shape[0]).ids
        return torch.as_tensor(ids, dtype=torch.int64)

    def forward(self, inputs: Tensor) -> Tensor:
        alone = inputs.dim() == len(self.shape)
        batch = inputs.unsqueeze(0) if alone else inputs
        logits: Tensor = self.network(batch)
        return logits.squeeze(0) if alone else logits

    def table(self, outputs: Tensor) -> dict[str, NDArray[Any]]:
        """``prediction``, the name of the class with the largest logit; its ``probability``; the
        logits, ``logit_0`` and so on, in the order of ``class_names``."""
        probability, best = outputs.softmax(-1).max(-1)
        logits = {f"logit_{c}": column.numpy() for c, column in enumerate(outputs.unbind(-1))}
        prediction = np.array(self.class_names, dtype=object)[best.numpy()]
        return {"prediction": prediction, "probability": probability.numpy(), **logits}
