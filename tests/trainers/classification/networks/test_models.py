import pytest
import torch
from torch import nn

from trainers.classification.networks.build import build_model
from trainers.lanes.layers import Linear
from trainers.lanes.network import LaneNetwork
from trainers.settings import ModelSpec

D, HIDDEN, C = 7, (11, 5), 3


def _generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def _mlp(*seeds: int) -> LaneNetwork:
    return build_model(ModelSpec("mlp", {"hidden": HIDDEN}), (D,), C, _generators(*seeds))


def _torch_twin(model: LaneNetwork, lane: int) -> nn.Sequential:
    """The lane as an ordinary torch network."""
    layers: list[nn.Module] = []
    for layer in [*model.body, model.head]:
        twin = nn.Linear(layer.weight.shape[2], layer.weight.shape[1])
        twin.weight.data.copy_(layer.weight[lane])
        twin.bias.data.copy_(layer.bias[lane])
        layers += [twin, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def test_linear_is_torchs_lane_by_lane() -> None:
    layer = Linear(D, C, _generators(1, 2, 3))
    x = torch.randn(3, 5, D, generator=torch.Generator().manual_seed(4))
    for lane in range(3):
        expected = nn.functional.linear(x[lane], layer.weight[lane], layer.bias[lane])
        torch.testing.assert_close(layer(x.mT)[lane].T, expected)


def test_linear_starts_in_torchs_range() -> None:
    weight = Linear(100, 50, _generators(1)).weight
    assert weight.abs().max() <= 0.1
    assert weight.std().item() == pytest.approx(0.1 / 3**0.5, rel=0.05)


def test_mlp_is_torchs_with_gradients() -> None:
    model = _mlp(1, 2)
    x = torch.randn(2, 9, D, generator=torch.Generator().manual_seed(4))
    model(x).logits.square().sum().backward()
    for lane in range(2):
        twin = _torch_twin(model, lane)
        logits = twin(x[lane])
        logits.square().sum().backward()
        torch.testing.assert_close(model(x).logits[lane], logits)
        torch.testing.assert_close(model.body[0].weight.grad[lane], twin[0].weight.grad)


def test_features_are_what_the_head_reads() -> None:
    model = _mlp(1, 2)
    features, logits = model(torch.randn(2, 4, D, generator=torch.Generator().manual_seed(4)))
    assert features.shape == (2, 4, HIDDEN[-1])
    torch.testing.assert_close(model.head(features.mT).mT, logits)


def test_mlp_counts_its_parameters() -> None:
    lanes = 2
    expected = lanes * (D * 11 + 11 + 11 * 5 + 5 + 5 * C + C)
    assert sum(p.numel() for p in _mlp(*range(lanes)).parameters()) == expected


def test_first_weights_come_from_the_lanes_own_generator() -> None:
    alone, among_others = _mlp(7), _mlp(5, 7, 9)
    for a, b in zip(alone.parameters(), among_others.parameters(), strict=True):
        assert torch.equal(a[0], b[1])
        assert not torch.equal(b[0], b[1])
