"""A classifier of texts by itself, without lanes, sweep or data set.

B texts, S tokens.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from trainers.classes.student import ClassStudent
from trainers.data.tokenizer import TOKENIZER, Tokenizer


class TextClassifier(ClassStudent):
    """Takes numbers of tokens ``(B, S)``; behind the end of a text stands -1.

    `encode` makes tokens of texts, by the tokenizer that training had.
    """

    input_dtype = torch.int64
    takes_texts = True
    requirement = "almkd[text]"

    def __init__(self, network: nn.Module, facts: Mapping[str, Any]) -> None:
        """``facts``: as `trainers.text.facts.facts_of` has them."""
        super().__init__(network, facts)
        self.files = {TOKENIZER: str(facts["tokenizer"])}

    def encode(self, texts: Sequence[str]) -> Tensor:
        """DataError where the library ``tokenizers`` is not there."""
        ids = Tokenizer(self.files[TOKENIZER]).encode(texts, self.shape[0]).ids
        return torch.as_tensor(ids, dtype=torch.int64)

    def prepared(self, inputs: Tensor) -> Tensor:
        return inputs
