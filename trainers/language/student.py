"""A student of language by itself, without lanes, sweep or data set.

B prompts of P tokens, R tokens of a response.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainers.data.tokenizer import PADDING
from trainers.language.data.vocabulary import vocabulary_of
from trainers.task import StudentModule


class Responder(StudentModule):
    """Takes numbers of tokens ``(B, P)``, -1 before the beginning of a prompt, and gives those of
    the response that it holds for likeliest token by token, ``(B, R)``, -1 behind its end.

    `encode` makes tokens of prompts, by the vocabulary that training had.
    """

    input_dtype = torch.int64
    takes_texts = True

    def __init__(self, network: nn.Module, facts: Mapping[str, Any]) -> None:
        """``facts``: as `trainers.language.task.Language.facts` has them; ``network``: of a prompt
        and its response (B, P + R) the logits (B, R, V)."""
        super().__init__()
        self.network = network
        self.shape = (int(facts["prompts"]),)
        self.columns = tuple(facts["columns"])
        self._responses = int(facts["responses"])
        self._vocabulary = vocabulary_of(facts["vocabulary"])
        self.example_text = facts["example"]
        self.requirement = self._vocabulary.requirement

    def encode(self, texts: Sequence[str]) -> Tensor:
        """DataError where a prompt has a symbol that training never had."""
        (columns,) = self.shape
        ids = torch.full((len(texts), columns), PADDING)
        for row, text in enumerate(texts):
            tokens = self._vocabulary.prompt(text)[-columns:]
            ids[row, columns - len(tokens) :] = torch.tensor(tokens)
        return ids

    def forward(self, x: Tensor) -> Tensor:
        end = self._vocabulary.end
        written = torch.full_like(x[:, :1], PADDING).repeat(1, self._responses)
        over = torch.zeros_like(x[:, 0], dtype=torch.bool)
        for column in range(self._responses):
            logits = self.network(torch.cat([x, written], dim=1))[:, column]
            token = logits.argmax(-1).masked_fill(over, PADDING)
            places = torch.arange(self._responses, device=x.device)
            written = torch.where(places == column, token.unsqueeze(1), written)
            over = over | (token == end)
        return written

    def table(self, outputs: Tensor) -> dict[str, NDArray[Any]]:
        texts = [self._vocabulary.text(row) for row in outputs.tolist()]
        return {"response": np.array(texts, dtype=object)}
