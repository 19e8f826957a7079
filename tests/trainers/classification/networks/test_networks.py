"""Every network of the table: its lanes, its training, what it cannot take."""

import re

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from tests.trainers.cases import Diary, Trial, weights
from tests.trainers.image_cases import image_cohort
from trainers.classes.losses import cross_entropy
from trainers.classification.networks.build import build_model
from trainers.classification.networks.bytes import convolutions
from trainers.classification.networks.classifier import ImageClassifier
from trainers.classification.networks.table import NETWORKS
from trainers.entries import load
from trainers.lanes.layers import BatchNorm2d, Conv2d
from trainers.lanes.network import LaneNetwork
from trainers.lanes.optim import LaneSGD
from trainers.settings import ModelSpec

C, SHAPE = 10, (3, 32, 32)
# One small network of every family, and of every branch in it.
SMALL = (
    ModelSpec("mlp", {"hidden": (5,)}),
    ModelSpec("resnet8"),
    ModelSpec("resnet8", {"shortcut": "projection"}),
    ModelSpec("wrn", {"depth": 10, "width": 2}),
    ModelSpec("plain_cnn", {"depth": 2}),
    ModelSpec("plain_cnn", {"depth": 8, "width": 3}),
    ModelSpec("densenet", {"depth": 10, "growth": 3}),
)
EVERY_SMALL = pytest.mark.parametrize(
    "spec", SMALL, ids=lambda s: "-".join(map(str, (s.name, *s.sizes.values())))
)
CONVOLUTIONAL = [spec for spec in SMALL if spec.name != "mlp"]


def complete(spec: ModelSpec) -> ModelSpec:
    return NETWORKS[spec.name].complete(spec)


def _build(spec: ModelSpec, shape: tuple[int, ...], *seeds: int) -> LaneNetwork:
    return build_model(spec, shape, C, [torch.Generator().manual_seed(seed) for seed in seeds])


def _batch(lanes: int, seed: int = 0, size: int = 8, channels: int = 1) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(lanes, 6, channels, size, size, generator=g)
    return x, torch.randint(C, (lanes, 6), generator=g)


@pytest.mark.parametrize("spec", CONVOLUTIONAL, ids=lambda s: s.name)
def test_listed_convolutions_are_those_of_the_network(spec: ModelSpec) -> None:
    listed = sorted((c.outputs, c.inputs, c.kernel) for c in convolutions(complete(spec), SHAPE))
    built = _build(spec, SHAPE, 0).modules()
    shapes = [m.weight.shape for m in built if isinstance(m, Conv2d)]
    assert listed == sorted((k, c, side) for _, k, c, side, _ in shapes)


@EVERY_SMALL
@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 11, 9)])
def test_networks_take_small_and_odd_images(spec: ModelSpec, shape: tuple[int, ...]) -> None:
    model = _build(spec, shape, 1, 2)
    features, logits = model(torch.randn(2, 3, *shape))
    assert logits.shape == (2, 3, C)
    assert features.shape == (2, 3, model.head.weight.shape[2])
    torch.testing.assert_close(model.head(features.mT).mT, logits)


@EVERY_SMALL
def test_nothing_is_wider_than_a_network_says(spec: ModelSpec) -> None:
    model, widest = _build(spec, (1, 8, 8), 1), []
    for module in model.modules():
        module.register_forward_hook(
            lambda _m, _x, y: widest.append(y.numel()) if isinstance(y, Tensor) else None
        )
    x, _ = _batch(1)
    model(x)
    assert max(*widest, x.numel()) == len(x[0]) * model.widest


@EVERY_SMALL
def test_a_lane_has_the_bits_that_it_has_alone(spec: ModelSpec) -> None:
    """Stacked or in turn, as a cohort trains the network on a CPU."""
    settings = ((0.1, 5e-4), (0.03, 0.0))
    trials = [
        Trial(f"trial-{i}", seed=5 + i, values={"lr": lr, "weight_decay": decay})
        for i, (lr, decay) in enumerate(settings)
    ]
    together = image_cohort(trials, epochs=2, model=spec)
    together.train(Diary())
    assert len(together.stacks) == (1 if "cpu" in NETWORKS[spec.name].together else 2)
    for trial in trials:
        alone = image_cohort([trial], epochs=2, model=spec)
        before = weights(alone, trial.name)
        alone.train(Diary())
        found, expected = weights(together, trial.name), weights(alone, trial.name)
        assert list(found) == list(expected)
        for name, tensor in expected.items():
            assert torch.equal(tensor, found[name]), name
            assert not torch.equal(tensor, before[name]), name


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("spec", CONVOLUTIONAL, ids=lambda s: s.name)
def test_lanes_computed_together_have_the_numbers_of_each_alone(spec: ModelSpec) -> None:
    """Grouped convolutions are for GPUs; here they show that they compute the same."""
    seeds = (1, 2)
    model = _build(spec, (1, 8, 8), *seeds)
    assert isinstance(model, ImageClassifier)
    x, _ = _batch(2)
    together = model(x)
    for lane, seed in enumerate(seeds):
        alone = _build(spec, (1, 8, 8), seed)
        output = alone(x[lane : lane + 1])
        torch.testing.assert_close(together.features[lane], output.features[0])
        torch.testing.assert_close(together.logits[lane], output.logits[0])
        for (name, a), b in zip(model.named_buffers(), alone.buffers(), strict=True):
            torch.testing.assert_close(a[lane], b[0], msg=name)
    for _, buffer in model.named_buffers():
        assert not torch.equal(buffer[0], buffer[1])


class _Twin(nn.Module):
    """ResNet-8 of ordinary torch layers, written anew."""

    def __init__(self) -> None:
        super().__init__()
        widths = [(1, 16, 1), (16, 16, 1), (16, 16, 1), (16, 32, 2), (32, 32, 1), (32, 64, 2),
                  (64, 64, 1)]  # fmt: skip
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, s, 1, bias=False) for a, b, s in widths)
        self.norms = nn.ModuleList(nn.BatchNorm2d(b) for _, b, _ in widths)
        self.head = nn.Linear(64, C)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norms[0](self.convs[0](x)))
        for i in (1, 3, 5):
            y = F.relu(self.norms[i](self.convs[i](x)))
            y = self.norms[i + 1](self.convs[i + 1](y))
            if y.shape != x.shape:
                x = x[:, :, ::2, ::2]
                x = torch.cat([x, torch.zeros_like(y)[:, x.shape[1] :]], 1)
            x = F.relu(x + y)
        return self.head(x.mean((2, 3)))

    def take(self, model: LaneNetwork, lane: int) -> None:
        """The first weights of a lane."""
        ours = list(model.modules())
        convs = [m for m in ours if isinstance(m, Conv2d)]
        norms = [m for m in ours if isinstance(m, BatchNorm2d)]
        pairs = [*zip(self.convs, convs, strict=True), *zip(self.norms, norms, strict=True)]
        for mine, its in [*pairs, (self.head, model.head)]:
            mine.weight.data.copy_(its.weight[lane])
            if mine.bias is not None:
                mine.bias.data.copy_(its.bias[lane])


@pytest.mark.usefixtures("double_precision")
def test_a_lane_trains_as_an_ordinary_torch_model() -> None:
    model = _build(ModelSpec("resnet8"), (1, 8, 8), 1, 2)
    lr, decay = torch.tensor([0.1, 0.02]), torch.tensor([5e-4, 0.1])
    twins = [_Twin(), _Twin()]
    sgds = []
    for lane, twin in enumerate(twins):
        twin.take(model, lane)
        sgds.append(
            torch.optim.SGD(
                twin.parameters(), lr[lane].item(), 0.9, weight_decay=decay[lane].item(),
                nesterov=True,
            )
        )  # fmt: skip
    ours = LaneSGD(model, decay, 0.9, nesterov=True)
    for step in range(5):
        x, y = _batch(2, seed=step)
        ours.step(cross_entropy(model(x).logits, y), lr)
        for lane, (twin, sgd) in enumerate(zip(twins, sgds, strict=True)):
            sgd.zero_grad()
            F.cross_entropy(twin(x[lane]), y[lane]).backward()
            sgd.step()
    model.eval()
    x, _ = _batch(2, seed=9)
    for lane, twin in enumerate(twins):
        torch.testing.assert_close(model(x).logits[lane], twin.eval()(x[lane]), rtol=0, atol=1e-6)
        torch.testing.assert_close(model.head.weight[lane], twin.head.weight, rtol=0, atol=1e-6)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("spec", SMALL[1::2], ids=lambda s: s.name)
def test_a_loss_after_a_step_can_be_derived_by_weights_before_it(spec: ModelSpec) -> None:
    """Through the whole network, by `functional_call`, as a look-ahead needs it."""
    model = _build(spec, (1, 8, 8), 1, 2).eval()
    (x, y), (held_out, its_y) = _batch(2), _batch(2, seed=1)
    parameters = {name: p.detach().clone() for name, p in model.named_parameters()}

    def after_a_step(weights: Tensor) -> Tensor:
        first = {name: p.requires_grad_() for name, p in parameters.items()}
        losses = cross_entropy(functional_call(model, first, x).logits, y)
        loss = (weights * losses).mean(1).sum()
        gradients = torch.autograd.grad(loss, list(first.values()), create_graph=True)
        moved = {k: p - 0.1 * g for (k, p), g in zip(first.items(), gradients, strict=True)}
        return cross_entropy(functional_call(model, moved, held_out).logits, its_y).mean()

    weights = torch.rand(2, 6, generator=torch.Generator().manual_seed(3)).requires_grad_()
    (found,) = torch.autograd.grad(after_a_step(weights), weights)
    nudge = torch.zeros(2, 6)
    nudge[1, 2] = 1e-5
    with torch.enable_grad():
        numeric = (after_a_step(weights + nudge) - after_a_step(weights - nudge)) / 2e-5
    assert found[1, 2].item() == pytest.approx(numeric.item(), rel=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_row_says_what_the_network_is(name: str) -> None:
    network = NETWORKS[name]
    assert issubclass(load(network.implementation), LaneNetwork)
    assert network.summary
    assert network.source
    # Whoever gains from lanes side by side says how many bytes one of them touches.
    assert bool(network.together) == (network.lane_bytes is not None)
    assert not set(network.fixed) & {field.name for field in network.fields}


@pytest.mark.parametrize("shape", [(64,), (1, 7, 8), (3, 32), (2, 8, 8, 8)])
def test_shapes_that_are_no_images_are_refused(shape: tuple[int, ...]) -> None:
    message = r"resnet8 takes images .* 8x8 .* take mlp"
    assert re.match(message, NETWORKS["resnet8"].shape_problem("resnet8", shape) or "")
    with pytest.raises(ValueError, match=message):
        _build(ModelSpec("resnet8"), shape, 1)
    assert NETWORKS["mlp"].shape_problem("mlp", shape) is None


def test_mlp_flattens_whatever_it_is_given() -> None:
    flat, image = _build(SMALL[0], (64,), 1), _build(SMALL[0], (1, 8, 8), 1)
    x, _ = _batch(1)
    assert torch.equal(image(x).logits, flat(x.flatten(2)).logits)


@pytest.mark.parametrize(
    ("spec", "field", "message"),
    [
        (
            ModelSpec("resnet8", {"hidden": (16,)}),
            "hidden",
            r"resnet8 does not take this field; remove it \(it takes shortcut\)",
        ),
        (ModelSpec("resnet8", {"depth": 20}), "depth", "resnet8 has depth 8; drop depth"),
        (ModelSpec("resnet8", {"shortcut": "a"}), "shortcut", "'a' must be one of pad, projection"),
        (ModelSpec("mlp"), "hidden", r"is missing; mlp needs it, add it, e.g. hidden: \[16\]"),
        (ModelSpec("mlp", {"hidden": (16,), "depth": 2}), "depth", "mlp does not take this field"),
        (ModelSpec("wrn", {"depth": 16}), "width", "is missing; wrn needs it"),
        (
            ModelSpec("wrn", {"depth": 17, "width": 1}),
            "",
            "depth is 17; .* 10 or a multiple of 6 more",
        ),
        (ModelSpec("wrn", {"depth": 4, "width": 1}), "", "depth is 4; .* e.g. 10 or 16"),
        (ModelSpec("plain_cnn", {"depth": 3}), "", "depth is 3; .* one of 2, 4, 6, 8, 10"),
        (ModelSpec("densenet", {"depth": 41}), "", "depth is 41; .* e.g. 40 or 43"),
        (ModelSpec("module"), "path", "is missing; module needs it"),
        (ModelSpec("module", {"path": "a.b.C"}), "", "'a.b.C'; write it as package.module:Class"),
    ],
)
def test_sizes_that_a_network_has_not_are_refused(
    spec: ModelSpec, field: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        complete(spec)
    assert getattr(caught.value, "field", "") == field


def test_sizes_that_are_not_given_are_filled_in() -> None:
    assert complete(ModelSpec("densenet")) == ModelSpec("densenet", {"depth": 40, "growth": 12})
    assert complete(ModelSpec("resnet20")) == ModelSpec(
        "resnet20", {"depth": 20, "shortcut": "pad"}
    )
    assert complete(complete(ModelSpec("resnet20"))) == complete(ModelSpec("resnet20"))
    assert complete(ModelSpec("plain_cnn", {"depth": 10})).sizes["width"] == 32
    assert complete(ModelSpec("plain_cnn", {"depth": 8})).sizes["width"] == 16
