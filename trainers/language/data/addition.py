"""Sums of whole numbers, made up: a prompt such as ``37+85``; as its response the digits of the sum
from the last to the first, so that a digit depends on those before it alone.
"""

import numpy as np

from trainers.data.errors import DataError
from trainers.language.data.dataset import Lengths, SequenceDataset, of_texts
from trainers.language.data.vocabulary import Symbols

# Always the same sums, whatever the seed of a sweep.
SEED = 0
SYMBOLS = "+0123456789"


def addition(digits: int, sums: int) -> SequenceDataset:
    """``sums`` different sums of two numbers of at most ``digits`` digits each; DataError where
    there are not so many."""
    numbers = 10**digits
    if sums > numbers**2:
        raise DataError(
            f"data.sums: there are {numbers**2} sums of numbers of {digits} digits; lower it to "
            "that, or raise data.digits"
        )
    rng = np.random.default_rng(SEED)
    chosen = rng.choice(numbers**2, size=sums, replace=False)
    pairs = [divmod(int(pair), numbers) for pair in chosen]
    prompts = [f"{a}+{b}" for a, b in pairs]
    responses = [str(a + b)[::-1] for a, b in pairs]
    symbols = Symbols.of((), (), more=SYMBOLS)
    return of_texts("addition", prompts, responses, symbols, Lengths(*longest(digits)))


def longest(digits: int) -> tuple[int, int]:
    """Columns of prompts, with a plus sign and what ends a prompt, and of responses, with a carry
    and an end."""
    return 2 * digits + 2, digits + 2
