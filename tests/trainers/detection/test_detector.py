"""The detector: places of its outputs, normalisation, lanes, the map that is shown beside."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from tests.trainers.detection.cases import CPU, network
from trainers.detection.data.dataset import places
from trainers.detection.networks.detector import Detector
from trainers.detection.networks.layers import GroupNorm
from trainers.detection.networks.network import PictureFacts, PictureNetwork
from trainers.detection.networks.table import NETWORKS
from trainers.detection.places import grid
from trainers.lanes.layers import Conv2d
from trainers.lanes.weights import lane_weights
from trainers.settings import ModelSpec

SIZES = pytest.mark.parametrize(
    ("height", "width"), [(16, 16), (48, 20), (18, 23), (160, 136), (129, 33)]
)
MODEL = ModelSpec("detector", {"width": 3, "layers": 2, "tower": 1})


# Of the counter.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")


def _facts(height: int, width: int) -> PictureFacts:
    return PictureFacts(2, height, width, 3)


@SIZES
def test_it_says_something_of_every_place(height: int, width: int) -> None:
    made = network(_facts(height, width), MODEL, (1, 2))
    shown = made(torch.randn(2, 3, 2, height, width))
    assert shown.logits.shape == (2, 3, places(height, width), 3 + 4)
    assert shown.features is not None
    assert shown.features.shape == (2, 3, places(height, width), 6)


@SIZES
def test_its_outputs_are_the_last_layer_of_its_features(height: int, width: int) -> None:
    made = network(_facts(height, width), MODEL, (1, 2))
    assert isinstance(made, Detector)
    made.look_beside(5, [torch.Generator().manual_seed(s) for s in (1, 2)])
    h, z = made(torch.randn(2, 3, 2, height, width))
    assert h is not None
    assert made.aligned is not None
    weight, bias = made.head.weight, made.head.bias
    wanted = torch.einsum("lbth,lch->lbtc", h, weight) + bias.view(2, 1, 1, -1)
    torch.testing.assert_close(z[..., :7], wanted)
    beside = torch.einsum("lbth,lch->lbtc", h, made.aligned.weight) + made.aligned.bias.view(
        2, 1, 1, -1
    )
    torch.testing.assert_close(z[..., 7:], beside)


@pytest.mark.parametrize(("height", "width"), [(48, 44), (50, 61), (330, 300)])
def test_an_output_sees_the_picture_around_its_place(
    height: int, width: int, double_precision: None
) -> None:
    """The middle of the pixels that move it is within its square or half of one beside it.

    Without group normalisation, which sees all of a picture; and a level at a time, as a finer one
    is told what the coarser say. At an edge, where a part is cut off, the middle moves inward.
    """
    of = grid(height, width, CPU, torch.float64)
    strides = of.stride.unique().tolist()
    for level, stride in enumerate(strides):
        made = _seeing(_facts(height, width), level)
        x = torch.rand(1, 1, 2, height, width, requires_grad=True)
        z = made(x).logits
        room = torch.minimum(of.middle, torch.tensor([width, height]) - of.middle).amin(1)
        far = ((of.stride == stride) & (room >= 3 * stride)).nonzero().flatten().tolist()
        assert len(far) > 2
        for t in far[:: max(1, len(far) // 10)]:
            (gradient,) = torch.autograd.grad(z[0, 0, t, 0], x, retain_graph=True)
            seen = gradient[0, 0].abs().sum(0)
            middle_x = (seen.sum(0) * (torch.arange(width) + 0.5)).sum() / seen.sum()
            middle_y = (seen.sum(1) * (torch.arange(height) + 0.5)).sum() / seen.sum()
            off = torch.stack([middle_x, middle_y]) - of.middle[t]
            assert off.abs().max() < 0.75 * stride


def _seeing(facts: PictureFacts, level: int) -> PictureNetwork:
    """Whose weights are positive, so that nothing that is seen takes away from another."""
    made = network(facts, MODEL, (1,))
    with torch.no_grad():
        for layer in made.modules():
            if isinstance(layer, GroupNorm):
                layer.forward = lambda x: x  # type: ignore[method-assign]
            elif isinstance(layer, Conv2d):
                layer.weight.abs_()
        assert isinstance(made, Detector)
        for other, lateral in enumerate(made.laterals):
            if other != level:
                assert isinstance(lateral, Conv2d)
                lateral.weight.zero_()
    return made


@pytest.mark.parametrize("channels", [1, 3, 8, 12, 16])
def test_normalisation_is_torchs_lane_by_lane(channels: int) -> None:
    drawn = torch.Generator().manual_seed(0)
    norm = GroupNorm(channels, 2)
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter.normal_(generator=drawn)
    x = torch.randn(4, 2 * channels, 5, 6, generator=drawn)
    found = norm(x).view(4, 2, channels, 5, 6)
    for lane in range(2):
        torchs = nn.GroupNorm(norm.groups, channels)
        with torch.no_grad():
            torchs.weight.copy_(norm.weight[lane])
            torchs.bias.copy_(norm.bias[lane])
        own = x.view(4, 2, channels, 5, 6)[:, lane]
        torch.testing.assert_close(found[:, lane], torchs(own))
    assert channels % norm.groups == 0
    assert channels // norm.groups <= 8


def test_normalisation_has_a_forward_mode_derivative_in_every_order_of_memory() -> None:
    """A look-ahead through the whole network takes one."""
    norm = GroupNorm(4, 2).eval()
    x = torch.randn(3, 8, 5, 6).contiguous(memory_format=torch.channels_last)
    v = torch.randn_like(x)
    _, along = torch.func.jvp(norm, (x,), (v,))
    a, b = (norm(x + step * v) for step in (1e-2, -1e-2))
    torch.testing.assert_close(along, (a - b) / 2e-2, atol=1e-3, rtol=1e-3)


@SIZES
def test_a_lane_says_what_it_says_beside_another(
    height: int, width: int, double_precision: None
) -> None:
    """To rounding: a grouped convolution adds in another order."""
    x = torch.randn(2, 3, 2, height, width)
    both = network(_facts(height, width), MODEL, (1, 2))(x)
    for lane, seed in enumerate((1, 2)):
        alone = network(_facts(height, width), MODEL, (seed,))(x[lane : lane + 1])
        for mine, theirs in zip(alone, both, strict=True):
            assert mine is not None
            assert theirs is not None
            torch.testing.assert_close(mine[0], theirs[lane], rtol=1e-10, atol=1e-10)


def test_a_picture_says_what_it_says_beside_others() -> None:
    made = network(_facts(24, 24), MODEL, (1,)).eval()
    x = torch.randn(1, 5, 2, 24, 24)
    whole = made(x).logits
    for b in range(5):
        torch.testing.assert_close(made(x[:, b : b + 1]).logits, whole[:, b : b + 1])


def test_what_is_shown_beside_changes_nothing_and_is_no_part_of_a_student() -> None:
    made = network(_facts(24, 24), MODEL, (1, 2))
    x = torch.randn(2, 3, 2, 24, 24)
    before, names = made(x), set(made.held())
    made.look_beside(5, [torch.Generator().manual_seed(s) for s in (8, 9)])
    after = made(x)
    assert torch.equal(after.logits[..., :7], before.logits)
    assert after.logits.shape[3] == 7 + 5
    assert set(made.held()) - names == {"aligned.weight", "aligned.bias"}
    assert set(made.alone(lane_weights(made, 0))) == names


def test_a_lane_s_map_is_drawn_from_its_own_seed() -> None:
    both, alone = (network(_facts(16, 16), MODEL, (0,) * n) for n in (2, 1))
    both.look_beside(4, [torch.Generator().manual_seed(s) for s in (8, 9)])
    alone.look_beside(4, [torch.Generator().manual_seed(9)])
    assert isinstance(both, Detector)
    assert isinstance(alone, Detector)
    assert both.aligned is not None
    assert alone.aligned is not None
    assert torch.equal(both.aligned.weight[1], alone.aligned.weight[0])


def test_at_first_nothing_is_said_to_be_anywhere() -> None:
    made = network(_facts(24, 24), MODEL, (1,)).eval()
    with torch.no_grad():
        scores = torch.sigmoid(made(torch.randn(1, 4, 2, 24, 24)).logits[..., :3])
    assert 0.002 < float(scores.mean()) < 0.05


@pytest.mark.parametrize("size", [(64, 64), (160, 136)])
def test_the_work_of_a_picture_is_counted(size: tuple[int, int]) -> None:
    model = NETWORKS["detector"].complete(ModelSpec("detector"))
    made = network(_facts(*size), model, (1,))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        made(torch.randn(1, 1, 2, *size))
    work = NETWORKS["detector"].work
    assert work is not None
    assert work(model, (2, *size)) == pytest.approx(counter.get_total_flops() / 2, rel=0.03)
