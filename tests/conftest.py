"""What holds for every test."""

# First of all imports: MKL reads the environment variable that `trainers` sets when torch makes its
# first call to it, and without it a lane differs in the last bits from the same trial alone.
import trainers  # noqa: F401, I001

import torch
from hypothesis import settings

# As where cohorts train: several threads divide a product by the shape of the whole stack, and a
# lane would differ in the last bits from the same trial alone.
torch.set_num_threads(1)

# The same examples on every run; a slow machine fails no test.
settings.register_profile("almkd", derandomize=True, deadline=None, max_examples=20)
settings.load_profile("almkd")
