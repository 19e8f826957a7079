"""Networks of utterances against torch's own layers, and what may not change what they say."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, jvp
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils.flop_counter import FlopCounterMode

from tests.trainers.ctc.cases import ORACLE, lines, network, shown
from trainers.ctc.data.dataset import output_frames
from trainers.ctc.data.lanes import facts_of
from trainers.ctc.networks.gru import Gru, Recurrent
from trainers.ctc.networks.layers import Convolution
from trainers.ctc.networks.network import Shown, UtteranceNetwork
from trainers.ctc.networks.table import NETWORKS
from trainers.settings import ModelSpec

CONV = ModelSpec("conv", {"width": 6, "layers": 3, "kernel": 5})
GRU = ModelSpec("gru", {"width": 5, "layers": 2, "kernel": 3})
EVERY = pytest.mark.parametrize("model", [CONV, GRU, ORACLE], ids=lambda model: model.name)
FACTS = facts_of(lines())

pytestmark = pytest.mark.usefixtures("double_precision")


def _made(model: ModelSpec, seeds: tuple[int, ...] = (0, 1), more: int = 0) -> UtteranceNetwork:
    """In evaluation; biases are not 0, so that padding would be something."""
    facts = replace(FACTS, frames=FACTS.frames + more)
    made = network(facts, model, seeds).eval()
    for lane, seed in enumerate(seeds):
        drawn = torch.Generator().manual_seed(seed)
        for parameter in made.parameters():
            if model.name != "oracle":
                parameter.data[lane] += 0.1 * torch.randn(parameter.shape[1:], generator=drawn)
    return made


def _there(x: Shown) -> Tensor:
    """Which frames of output there are, (L, B, T')."""
    return torch.arange(output_frames(x.frames.shape[2])) < output_frames(x.lengths).unsqueeze(2)


@EVERY
def test_more_padding_changes_nothing_that_is_said(model: ModelSpec) -> None:
    x, more = shown(lines(), 2), 6
    padded = x._replace(frames=nn.functional.pad(x.frames, (0, 0, 0, more)))
    found, wanted = (_made(model, more=more)(given).logits for given in (padded, x))
    there = _there(x)
    cut = found[:, :, : there.shape[2]]
    torch.testing.assert_close(cut[there], wanted[there], rtol=0, atol=1e-12)


@EVERY
def test_utterances_in_another_order_are_heard_in_that_order(model: ModelSpec) -> None:
    made, x = _made(model), shown(lines(), 2)
    order = torch.randperm(len(lines()), generator=torch.Generator().manual_seed(0))
    turned = Shown(*(t[:, order] for t in x))
    torch.testing.assert_close(made(turned).logits, made(x).logits[:, order], rtol=0, atol=1e-12)


@EVERY
def test_a_lane_is_the_network_alone_bit_for_bit(model: ModelSpec) -> None:
    torch.set_default_dtype(torch.float32)  # as in training
    x, seeds = shown(lines(), 3), (5, 6, 7)
    together = _made(model, seeds)(x)
    for lane, seed in enumerate(seeds):
        alone = _made(model, (seed,))(Shown(*(t[lane : lane + 1] for t in x)))
        assert torch.equal(together.logits[lane], alone.logits[0])
        assert together.features is not None
        assert alone.features is not None
        assert torch.equal(together.features[lane], alone.features[0])


@EVERY
def test_the_last_layer_makes_the_logits_of_the_features(model: ModelSpec) -> None:
    made = _made(model)
    features, logits = made(shown(lines(), 2))
    assert features is not None
    (weight,) = made.last_layer
    bias = made.head.bias.view(2, 1, 1, -1)
    wanted = torch.einsum("lbth,lch->lbtc", features, weight) + bias
    torch.testing.assert_close(logits, wanted)


@EVERY
def test_a_frame_changes_no_other_utterance(model: ModelSpec) -> None:
    made, x = _made(model), shown(lines(), 2)
    frames = x.frames.clone()
    frames[:, 3, 0] += 1
    changed = (made(x).logits != made(x._replace(frames=frames)).logits).flatten(2).any(2)
    assert changed.nonzero()[:, 1].tolist() == [3, 3]


@pytest.mark.parametrize(
    ("kernel", "stride", "frames"), [(1, 1, 7), (3, 2, 7), (5, 2, 8), (5, 1, 2)]
)
def test_a_convolution_is_torchs(kernel: int, stride: int, frames: int) -> None:
    generators = [torch.Generator().manual_seed(seed) for seed in (0, 1)]
    made = Convolution(3, 4, kernel, generators, stride)
    nn.init.normal_(made.bias, generator=torch.Generator().manual_seed(2))
    x = torch.randn(2, 5, frames, 3, generator=torch.Generator().manual_seed(3))
    found = made(x)
    for lane in range(2):
        weight = made.weight[lane].view(4, kernel, 3).transpose(1, 2)
        wanted = nn.functional.conv1d(
            x[lane].mT, weight, made.bias[lane], stride, padding=kernel // 2
        )
        torch.testing.assert_close(found[lane], wanted.mT)


def _torch_gru(forwards: Recurrent, backwards: Recurrent, lane: int) -> nn.GRU:
    width = forwards.weight_hh.shape[2]
    made = nn.GRU(width, width, batch_first=True, bidirectional=True)
    with torch.no_grad():
        for own, ending in ((forwards, "_l0"), (backwards, "_l0_reverse")):
            for name, parameter in own.named_parameters():
                getattr(made, name + ending).copy_(parameter[lane])
    return made


def test_recurrent_units_are_torchs_in_each_direction() -> None:
    width = 4
    generators = [torch.Generator().manual_seed(seed) for seed in (0, 1)]
    one, other = (Recurrent(width, generators) for _ in range(2))
    x = torch.randn(2, 5, 6, width, generator=torch.Generator().manual_seed(3))
    for lane in range(2):
        wanted, _ = _torch_gru(one, other, lane)(x[lane])
        torch.testing.assert_close(one(x)[lane], wanted[..., :width])
        torch.testing.assert_close(other(x.flip(2)).flip(2)[lane], wanted[..., width:])


def test_both_directions_are_torchs_over_utterances_of_any_length() -> None:
    made, x = _made(GRU), shown(lines(), 2)
    assert isinstance(made, Gru)
    heard: list[Tensor] = []
    handle = made.forwards.register_forward_pre_hook(lambda _, given: heard.append(given[0]))
    features = made(x).features
    handle.remove()
    assert features is not None
    (h,) = heard
    lengths, there = output_frames(x.lengths), _there(x)
    for lane in range(2):
        packed = pack_padded_sequence(h[lane], lengths[lane], True, enforce_sorted=False)
        both, _ = _torch_gru(made.forwards, made.backwards, lane)(packed)
        padded, _ = pad_packed_sequence(both, batch_first=True, total_length=h.shape[2])
        wanted = padded.unflatten(2, (2, -1)).sum(2)
        torch.testing.assert_close(features[lane][there[lane]], wanted[there[lane]])


@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")
@pytest.mark.parametrize(("name", "tolerance"), [("conv", 0.0), ("gru", 0.0), ("oracle", 0.2)])
def test_work_is_all_but_the_last_layer_and_what_is_made_of_labels(
    name: str, tolerance: float
) -> None:
    row = NETWORKS[name]
    model = row.complete(ModelSpec(name))
    made = network(FACTS, model, (0,)).eval()
    x = Shown(*(t[:, :1] for t in shown(lines())))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        made(x)
    width, frames = model.sizes["width"], output_frames(FACTS.frames)
    counted = counter.get_total_flops() // 2 - frames * width * FACTS.symbols
    assert row.work is not None
    assert row.work(model, (FACTS.frames, FACTS.numbers)) == pytest.approx(counted, rel=tolerance)


@EVERY
def test_forward_mode_goes_through(model: ModelSpec) -> None:
    """As the whole look-ahead of ALM-KD asks for it."""
    made, x = _made(model), shown(lines(20), 2)
    theta = {name: p.detach() for name, p in made.named_parameters()}
    drawn = torch.Generator().manual_seed(4)
    along = {name: torch.randn(p.shape, generator=drawn) for name, p in theta.items()}

    def logits(parameters: dict[str, Tensor]) -> Tensor:
        out: Tensor = functional_call(made, parameters, (x,)).logits
        return out

    _, found = jvp(logits, (theta,), (along,))
    step = 1e-6
    ahead, behind = (
        logits({name: p + sign * step * along[name] for name, p in theta.items()})
        for sign in (1, -1)
    )
    torch.testing.assert_close(found, (ahead - behind) / (2 * step), rtol=1e-6, atol=1e-6)
