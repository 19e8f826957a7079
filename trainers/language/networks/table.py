"""NETWORKS: every student and teacher of the task by name, and which sizes each takes.

Free of torch.
"""

from collections.abc import Mapping

from trainers.entries import NetworkEntry
from trainers.fields import Field
from trainers.language.networks.folder import data_problem, step_bytes
from trainers.settings import ModelSpec
from trainers.transformer import bytes_of_step, layer_sizes, problem, wider, work_of_layers

# What a step of all lanes may touch on a CPU: decoders 24 wide, of 6 MiB a lane, take 1.2 to 1.4
# times as many steps a second in fours as alone by bench/language.py, those 64 wide gain nothing.
CPU_BYTES = 26 * 2**20


def _bytes(model: ModelSpec, batch_size: int, shape: tuple[int, ...]) -> int:
    return bytes_of_step(model.sizes, batch_size, sum(shape))


def _work(model: ModelSpec, shape: tuple[int, ...]) -> int:
    """Of the layers: the last layer is left out."""
    return work_of_layers(model.sizes, sum(shape))


def _bytes_of_folder(model: ModelSpec, batch_size: int, shape: tuple[int, ...]) -> int:
    return step_bytes(model.sizes["folder"], batch_size, sum(shape))


NETWORKS: Mapping[str, NetworkEntry] = {
    "decoder": NetworkEntry(
        implementation="trainers.language.networks.decoder:Decoder",
        summary="a decoder with the layers of GPT-2, trained from its start",
        source="Radford et al. 2019, \"Language Models are Unsupervised Multitask Learners\"",
        together=("cpu", "cuda"),
        fields=layer_sizes(width=24, heads=2),
        implied=wider,
        problem=problem,
        lane_bytes=_bytes,
        work=_work,
        cpu_bytes=CPU_BYTES,
    ),
    "pretrained": NetworkEntry(
        implementation="trainers.language.networks.pretrained:PretrainedDecoder",
        summary="a causal language model in a folder in the layout of Hugging Face",
        source="the user's; loaded by transformers",
        fields=(
            Field("folder", "path", None, "where config.json and the weights are", "the user's",
                  required=True, example="~/model"),
            Field("dtype", "choice", "float32", "of products in it; with bfloat16 what learns, "
                  "losses and gradients stay in float32", "own", choices=("float32", "bfloat16")),
            Field("train", "choice", "all", "what learns: all of it, or, of a teacher that is "
                  "taken as it is, nothing", "own", choices=("all", "nothing")),
        ),
        data_problem=data_problem,
        learns=lambda sizes: sizes["train"] != "nothing",
        lane_bytes=_bytes_of_folder,
    ),
}  # fmt: skip
