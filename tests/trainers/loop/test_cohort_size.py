import pytest

from trainers.classification.networks.table import NETWORKS
from trainers.entries import Device, Shape
from trainers.loop import cohort_size
from trainers.settings import ModelSpec

GIB = 2**30
MLP, RESNET = ModelSpec("mlp", {"hidden": (16,)}), ModelSpec("resnet8")


def lanes_that_pay(
    spec: ModelSpec, device: Device, memory: int, batch_size: int, shape: Shape
) -> int:
    network = NETWORKS[spec.name]
    model = network.complete(spec)
    return cohort_size.lanes_that_pay(network, model, device, memory, batch_size, shape)


def lane_bytes(spec: ModelSpec, batch_size: int, shape: Shape) -> int:
    network = NETWORKS[spec.name]
    assert network.lane_bytes is not None
    return network.lane_bytes(network.complete(spec), batch_size, shape)


def test_small_students_share_a_cpu_and_large_ones_less() -> None:
    sizes = [
        lanes_that_pay(ModelSpec("mlp", {"hidden": hidden}), "cpu", 4 * GIB, 64, (64,))
        for hidden in ((16,), (60,), (256, 256), (4000, 4000))
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert 32 <= sizes[0] <= 128
    assert sizes[-1] == 1


@pytest.mark.parametrize(
    "spec",
    [
        RESNET,
        ModelSpec("wrn", {"depth": 16, "width": 1}),
        ModelSpec("plain_cnn", {"depth": 2}),
        ModelSpec("densenet"),
        ModelSpec("module", {"path": "a:B"}),
    ],
)
def test_convolutions_train_alone_on_a_cpu(spec: ModelSpec) -> None:
    assert lanes_that_pay(spec, "cpu", 1000 * GIB, 1, (3, 32, 32)) == 1


def test_a_module_of_the_users_trains_alone_everywhere() -> None:
    assert NETWORKS["module"].together == ()
    module = ModelSpec("module", {"path": "a:B"})
    assert lanes_that_pay(module, "cuda", 1000 * GIB, 1, (3, 8, 8)) == 1


def test_a_gpu_holds_as_many_as_half_its_memory() -> None:
    lane = lane_bytes(RESNET, 128, (3, 32, 32))
    assert lanes_that_pay(RESNET, "cuda", 100 * lane, 128, (3, 32, 32)) == 50
    assert lanes_that_pay(RESNET, "cuda", lane, 128, (3, 32, 32)) == 1
    assert lanes_that_pay(MLP, "cuda", 1000 * GIB, 64, (64,)) == 1024


def test_bytes_of_a_lane_by_hand() -> None:
    parameters = 64 * 16 + 16
    assert lane_bytes(MLP, 10, (1, 8, 8)) == 4 * (5 * parameters + 10 * (64 + 3 * 16))
    cnn = ModelSpec("plain_cnn", {"depth": 2, "width": 4})
    weights = 9 * (1 * 4 + 4 * 4)
    given = 4 * 64 + 4 * 16
    assert lane_bytes(cnn, 10, (1, 8, 8)) == 4 * (5 * weights + 10 * (64 + 3 * given))
    assert lane_bytes(ModelSpec("densenet"), 1, (3, 32, 32)) > lane_bytes(RESNET, 1, (3, 32, 32))


def test_lanes_fit_in_little_memory() -> None:
    lane = lane_bytes(MLP, 64, (64,))
    assert lanes_that_pay(MLP, "cpu", 3 * lane, 64, (64,)) == 3
