"""The network that is shown its targets: closed, hidden, open, and in training."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from scipy.stats import binom
from torch import Tensor

from sweep.errors import BadInput
from sweep.spec.reader import check_spec
from tests.sweep.specs import small_data
from tests.trainers.cases import Diary, Trial, only, weights
from tests.trainers.ctc.cases import ORACLE, lanes, lines, network, shown
from trainers.ctc.data.lanes import facts_of
from trainers.ctc.entry import CTC
from trainers.ctc.networks.conv import Conv
from trainers.ctc.networks.layers import frames_there
from trainers.ctc.networks.network import Shown
from trainers.ctc.networks.oracle import Oracle
from trainers.ctc.networks.table import NETWORKS
from trainers.data.tokenizer import PADDING
from trainers.loop.checkpoint import from_bytes, to_bytes
from trainers.loop.cohort import Cohort
from trainers.settings import CohortSpec, Lane, ModelSpec, Selection, Training

SEEDS = (3, 4)
VALUES = {"lr": 0.01, "weight_decay": 0.0}
FACTS = facts_of(lines())


def _oracle(seeds: tuple[int, ...] = SEEDS, **sizes: float) -> Oracle:
    made = network(FACTS, _model(**sizes), seeds)
    assert isinstance(made, Oracle)
    return made


def _model(**sizes: float) -> ModelSpec:
    return ModelSpec("oracle", {**ORACLE.sizes, **sizes})


def _conv_of(oracle: Oracle) -> Conv:
    """The network that it is with its target closed."""
    sizes = {name: ORACLE.sizes[name] for name in ("width", "layers", "kernel")}
    model = NETWORKS["conv"].complete(ModelSpec("conv", sizes))
    made = Conv(model, FACTS, [torch.Generator() for _ in SEEDS])
    own = dict(oracle.named_parameters())
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            parameter.copy_(own[name])
    return made


def _relabelled(x: Shown, by: int = 1) -> Shown:
    """Every label another one; as many of them."""
    other = 1 + (x.labels - 1 + by) % 10
    return x._replace(labels=x.labels.where(x.labels == PADDING, other))


def test_closed_it_is_the_network_of_the_same_weights_bit_for_bit() -> None:
    oracle, x = _oracle(target_delay=0.5), shown(lines(), 2)
    wanted = _conv_of(oracle)(x).logits
    oracle.eval()
    assert not torch.equal(oracle(x).logits, wanted)
    oracle.closed = True
    assert torch.equal(oracle(x).logits, wanted)
    oracle.closed = False
    # In training for the first half.
    oracle.train()
    oracle.begin_epoch(0.4)
    assert torch.equal(oracle(x).logits, wanted)
    oracle.begin_epoch(0.5)
    assert not torch.equal(oracle(x).logits, wanted)


def test_hidden_it_knows_how_many_labels_there_are_and_no_more() -> None:
    oracle, x = _oracle().eval(), shown(lines(), 2)
    oracle.hidden = True
    found = oracle(x).logits
    assert torch.equal(oracle(_relabelled(x)).logits, found)
    longer = x.labels.clone()
    longer[:, :, 2] = 1
    assert not torch.equal(oracle(x._replace(labels=longer)).logits, found)


def test_open_it_depends_on_every_label() -> None:
    oracle, x = _oracle().eval(), shown(lines(), 2)
    found = oracle(x).logits
    assert (oracle(_relabelled(x)).logits != found).flatten(2).any(2).all()
    (gradient,) = torch.autograd.grad(found.square().sum(), oracle.symbols.weight)
    # Of the symbols that are said; neither the blank's nor what hides one is read.
    said = gradient.abs().sum(2) > 0
    assert said[:, 1:-1].all()
    assert not said[:, [0, -1]].any()


@pytest.mark.usefixtures("double_precision")
def test_it_depends_on_no_column_behind_the_end_of_a_target() -> None:
    oracle, x = _oracle().eval(), shown(lines(), 2)
    found = oracle(x).logits
    fewer = oracle(x._replace(labels=x.labels[:, :, :2])).logits
    torch.testing.assert_close(fewer, found, rtol=0, atol=1e-12)


def test_a_label_changes_no_other_utterance() -> None:
    oracle, x = _oracle().eval(), shown(lines(), 2)
    found, labels = oracle(x).logits, x.labels.clone()
    labels[:, 5] = _relabelled(x).labels[:, 5]
    changed = (oracle(x._replace(labels=labels)).logits != found).flatten(2).any(2)
    assert changed.nonzero()[:, 1].tolist() == [5, 5]


def test_the_share_of_labels_that_is_hidden_is_the_mask() -> None:
    mask, columns, examples = 0.3, 4, 2000
    oracle = _oracle(target_mask=mask).train()
    labels = torch.ones(2, examples, columns, dtype=torch.int64)
    each = torch.stack([oracle._hides(labels) for _ in range(3)])
    n = each[:, 0].numel()
    low, high = binom.interval(0.9999, n, mask)
    for hidden in each.transpose(0, 1):
        assert low < int(hidden.sum()) < high
        # Of every column, and of every step.
        for part in (*hidden.unbind(2), *hidden.unbind(0)):
            least, most = binom.interval(0.9999, part.numel(), mask)
            assert least < int(part.sum()) < most
    # Other steps and other lanes hide others.
    assert (each[0] != each[1]).any()
    assert (each[:, 0] != each[:, 1]).any()
    for all_or_none in (0.0, 1.0):
        hidden = _oracle(target_mask=all_or_none).train()._hides(labels)
        assert hidden.all() if all_or_none else not hidden.any()


def test_what_is_hidden_is_a_function_of_seed_and_step() -> None:
    labels = torch.ones(2, 6, 4, dtype=torch.int64)
    both = _oracle().train()
    steps = [both._hides(labels) for _ in range(3)]
    for lane, seed in enumerate(SEEDS):
        alone = _oracle((seed,)).train()
        for hidden in steps:
            assert torch.equal(alone._hides(labels[:1])[0], hidden[lane])
    resumed = _oracle().train()
    resumed.load_own_state({"steps": 2})
    assert torch.equal(resumed._hides(labels), steps[2])


# In training.


def _cohort(seeds: tuple[int, ...] = SEEDS, epochs: int = 4, **sizes: float) -> Cohort:
    trials = [Trial(f"lane-{seed}", seed, teachers=(), values=VALUES) for seed in seeds]
    spec = CohortSpec(
        "labels_only", _model(**sizes), Training(epochs, 17, optimizer="adamw"),
        Selection("loss", False), task="ctc",
    )  # fmt: skip
    made = [Lane(t.name, t.seed, t.values) for t in trials]
    return Cohort(spec, made, lanes(trials))


def _left(cohort: Cohort) -> dict[str, dict[str, Tensor]]:
    return {name: weights(cohort, name) for name in cohort.names}


def _assert_same(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert found.keys() == wanted.keys()
    for name, own in wanted.items():
        assert all(torch.equal(found[name][key], tensor) for key, tensor in own.items())


def test_a_lane_trains_as_it_does_alone() -> None:
    together, diary = _cohort(), Diary()
    together.train(diary)
    for seed in SEEDS:
        alone, own = _cohort((seed,)), Diary()
        alone.train(own)
        name = f"lane-{seed}"
        assert own.rows[name] == diary.rows[name]
        _assert_same(_left(alone), {name: _left(together)[name]})


@pytest.mark.parametrize("broken_off", [1, 3])
def test_it_goes_on_from_a_checkpoint_bit_for_bit(broken_off: int) -> None:
    """With its target closed still, and open."""
    straight, diary, kept = _cohort(), Diary(), []
    straight.train(diary, lambda: kept.append(to_bytes(straight.state())))
    cohort, own = _cohort(), Diary()
    assert cohort.go_on(from_bytes(kept[broken_off - 1]), own)
    cohort.train(own)
    assert own.rows == diary.rows
    _assert_same(_left(cohort), _left(straight))


def test_the_target_is_read_once_the_delay_is_over() -> None:
    seen: list[bool] = []
    cohort = _cohort(epochs=4, target_delay=0.5)
    oracle = only(cohort).model
    first = oracle.symbols.weight.detach().clone()

    def between() -> None:
        seen.append(torch.equal(oracle.symbols.weight, first))

    cohort.train(Diary(), between)
    assert seen == [True, True, False]


def _source_of(oracle: Oracle, x: Shown) -> Tensor:
    """What the other head makes of the first half of the layers, (L, B, T', C)."""
    there, h = frames_there(x.lengths, x.frames.shape[2], x.frames), x.frames
    for layer in oracle.layers[: len(oracle.layers) // 2]:
        h = layer(h, there)
    weight, bias = oracle.source_head.weight, oracle.source_head.bias
    return torch.einsum("lbth,lch->lbtc", h, weight) + bias.view(len(h), 1, 1, -1)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("weight", [0.0, 0.5, 2.0])
def test_the_loss_of_the_source_is_added_with_its_weight(weight: float) -> None:
    stack = only(_cohort(source_weight=weight))
    oracle, data, values = stack.model.train(), stack.data, stack.method.values
    assert isinstance(oracle, Oracle)
    batch = data.training_batch(torch.arange(9).expand(2, -1))
    output = oracle(batch.inputs)
    label = data.terms(batch.targets, output, values).label
    found = stack._with_other_head(label, batch)
    source = output._replace(logits=_source_of(oracle, batch.inputs))
    own = data.terms(batch.targets, source, values).label
    assert (own > 1).all()
    torch.testing.assert_close(found, label + weight * own)
    gradients = torch.autograd.grad(found.sum(), [*oracle.source_head.parameters()])
    assert all(bool(gradient.any()) == (weight > 0) for gradient in gradients)


def test_after_a_step_it_holds_on_to_nothing_that_led_there() -> None:
    cohort = _cohort(epochs=1)
    cohort.train(Diary())
    oracle = only(cohort).model
    assert torch.equal(deepcopy(oracle).head.weight, oracle.head.weight)


def test_it_can_be_no_student() -> None:
    model = {"name": "oracle", "width": 8}
    data = small_data(
        {
            "task": "ctc", "data": {"dataset": "digit_lines"},
            "conditions.noise_kind": ["substitute"],
            "methods": [{"method": "fixed_kd", "baseline": True}],
            "teacher.model": model, "student.model": {"name": "conv"},
        }
    )  # fmt: skip
    assert check_spec(data, "small").teacher
    data["student"]["model"] = model
    with pytest.raises(BadInput, match=r"student\.model: oracle is shown what it has to tell"):
        check_spec(data, "small")
    assert [name for name, row in CTC.networks.items() if row.reads_targets] == ["oracle"]
