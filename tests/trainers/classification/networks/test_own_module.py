"""A torch module of the user's own, by path."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.trainers.cases import Diary, Trial, weights
from tests.trainers.image_cases import image_cohort
from trainers.classes.losses import cross_entropy
from trainers.classification.networks.build import build_model
from trainers.lanes.network import LaneNetwork
from trainers.lanes.optim import LaneSGD
from trainers.settings import ModelSpec

C, SHAPE = 4, (2, 8, 8)


class Net(nn.Module):
    """What a user would write: a convolution, normalisation, dropout, a linear last layer."""

    def __init__(self, classes: int = C, dropout: float = 0.0, channels: int = 2) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(channels, 5, 3), nn.BatchNorm2d(5), nn.ReLU())
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(5, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.dropout(self.body(x).mean((2, 3))))


class Counting(Net):
    """Puts a new tensor in the place of its buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls = self.calls + 1
        return super().forward(x)


class Frozen(Net):
    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.requires_grad_(False)


class Softmaxed(Net):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).softmax(-1)


class Pair(Net):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return super().forward(x), x


class Idle(Net):
    def __init__(self) -> None:
        super().__init__()
        self.spare = nn.Linear(2, 2)


def no_module() -> int:
    return 3


def _spec(name: str, **fields: object) -> ModelSpec:
    return ModelSpec("module", {"path": f"{__name__}:{name}", **fields})


def _build(spec: ModelSpec, *seeds: int) -> LaneNetwork:
    return build_model(spec, SHAPE, C, [torch.Generator().manual_seed(s) for s in seeds])


def _x(seed: int = 0) -> Tensor:
    return torch.randn(1, 6, *SHAPE, generator=torch.Generator().manual_seed(seed))


@pytest.mark.usefixtures("double_precision")
def test_it_trains_as_it_would_by_torch_alone() -> None:
    model = _build(_spec("Net"), 1)
    twin = Net()
    state = {name.partition(".")[2]: t[0] for name, t in model.state_dict().items()}
    twin.load_state_dict(state)
    ours = LaneSGD(model, torch.tensor([0.01]), 0.9, nesterov=True)
    sgd = torch.optim.SGD(twin.parameters(), 0.1, 0.9, weight_decay=0.01, nesterov=True)
    for step in range(4):
        x, y = _x(step), torch.arange(6).remainder(C).unsqueeze(0)
        ours.step(cross_entropy(model(x).logits, y), torch.tensor([0.1]))
        sgd.zero_grad()
        F.cross_entropy(twin(x[0]), y[0]).backward()
        sgd.step()
    features, logits = model.eval()(_x(9))
    torch.testing.assert_close(logits[0], twin.eval()(_x(9)[0]))
    torch.testing.assert_close(twin.head(features[0]), logits[0])
    for name, tensor in twin.state_dict().items():
        torch.testing.assert_close(model.state_dict()[f"module.{name}"][0], tensor)


def test_buffers_that_are_replaced_are_kept() -> None:
    model = _build(_spec("Counting"), 1)
    before = model.state_dict()["module.calls"].item()
    model(_x())
    assert model.state_dict()["module.calls"].item() == before + 1


def test_random_numbers_come_from_the_lanes_seed_alone() -> None:
    spec = _spec("Net", arguments={"dropout": 0.5})

    def run(seed: int) -> list[Tensor]:
        torch.manual_seed(int(torch.randint(1000, ())))
        model = _build(spec, seed)
        return [model(_x()).logits, model(_x()).logits]

    first, again, other = run(1), run(1), run(2)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[0], other[0])


def test_torchs_global_random_numbers_are_left_as_they_were() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    _build(_spec("Net", arguments={"dropout": 0.5}), 1)(_x())
    assert torch.equal(torch.rand(2), expected)


def test_a_module_that_learns_nothing_is_no_student() -> None:
    own = _spec("Frozen", arguments={"channels": 1, "classes": 3})
    trial, diary = Trial("a", noise_rate=0.0, values={"lr": 0.05}), Diary()
    cohort = image_cohort([trial], epochs=4, method="labels_only", model=own)
    assert not cohort.learns
    with pytest.raises(ValueError, match="has no parameter with requires_grad, so it cannot be"):
        cohort.train(diary)


def test_it_trains_in_a_cohort_and_is_tested_at_its_best_epoch() -> None:
    own = _spec("Net", arguments={"channels": 1, "classes": 3})
    trial, diary = Trial("a", noise_rate=0.0, values={"lr": 0.05}), Diary()
    cohort = image_cohort([trial], epochs=4, method="alm_kd", model=own)
    result = cohort.train(diary)["a"]
    cohort.test()
    assert diary.rows["a"][-1]["train_loss"] < diary.rows["a"][0]["train_loss"]
    assert result.test


def test_lanes_of_a_cohort_train_in_turn_and_as_each_alone() -> None:
    arguments = {"channels": 1, "classes": 3, "dropout": 0.3}
    own = _spec("Net", arguments=arguments)
    trials = [Trial(f"trial-{i}", seed=i, values={"lr": 0.05}) for i in range(3)]
    together = Diary({"trial-0": 1})
    cohort = image_cohort(trials, model=own)
    cohort.train(together)
    assert [stack.names for stack in cohort.stacks] == [["trial-1"], ["trial-2"]]
    for trial in trials[1:]:
        diary, alone = Diary(), image_cohort([trial], model=own)
        alone.train(diary)
        assert together.rows[trial.name] == diary.rows[trial.name]
        found = weights(cohort, trial.name)
        assert all(torch.equal(found[k], t) for k, t in weights(alone, trial.name).items())


def test_it_has_one_lane() -> None:
    with pytest.raises(ValueError, match=r"Net trains one lane .* not 2; .*max_lanes: 1"):
        _build(_spec("Net"), 1, 2)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (ModelSpec("module", {"path": "no.such:Net"}), "no.such:Net cannot be loaded: No module"),
        (_spec("Missing"), "Missing cannot be loaded: .* has no attribute"),
        (_spec("C"), "C is no class"),
        (_spec("no_module"), "gives a int; it must give a torch.nn.Module"),
        (_spec("Net", arguments={"x": 1}), r"unexpected keyword argument 'x'; .*model\.arguments"),
        (_spec("Net", arguments={"classes": 7}), r"gives \(2, 7\) .* \(2, 4\), one for each class"),
        (_spec("Pair"), r"gives a tuple for 2 examples; it must give logits"),
        (_spec("Net", head="body.0"), r"no torch.nn.Linear called 'body.0' .* \(it has head\)"),
        (_spec("Net", head="fc"), r"no torch.nn.Linear called 'fc' .* \(it has head\)"),
        (_spec("Softmaxed"), "its logits are not what the layer 'head' makes of features"),
        (_spec("Idle"), "its logits do not depend on spare.weight, spare.bias; drop these"),
    ],
)
def test_wrong_modules_are_refused_with_the_remedy(spec: ModelSpec, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _build(spec, 1)


def test_a_shape_that_it_cannot_take_is_named() -> None:
    with pytest.raises(ValueError, match="Net cannot take inputs of 3x8x8: "):
        build_model(_spec("Net"), (3, 8, 8), C, [torch.Generator()])


def test_a_last_layer_without_a_bias_is_known_as_such() -> None:
    """By its parameter, and to look-aheads, which would move it."""
    for bias in (True, False):
        sizes = {"path": f"{__name__}:Headless", "head": "head", "arguments": {"bias": bias}}
        network = build_model(ModelSpec("module", sizes), SHAPE, C, [torch.Generator()])
        assert network.last_layer_has_bias == bias
        assert (network.last_bias is not None) == bias
        if network.last_bias is not None:
            assert network.last_bias.shape == (1, C)


class Headless(Net):
    """With a bias of its last layer, or without."""

    def __init__(self, bias: bool) -> None:
        super().__init__()
        self.head = nn.Linear(5, C, bias=bias)
