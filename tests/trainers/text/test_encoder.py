"""The encoder over lanes: what it computes."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.func import functional_call, jvp

from tests.trainers.cases import Diary, Trial
from tests.trainers.text.bert import HEADS, WIDE, WIDTH, WORDS, bert
from tests.trainers.text.cases import LENGTH, SMALL, made_up_texts, make_cohort
from trainers.lanes.network import LaneNetwork
from trainers.lanes.weights import lane_weights, put_weights
from trainers.settings import ModelSpec
from trainers.text.data.pretrained import Pretrained
from trainers.text.facts import TextFacts, facts_of, of_dataset, of_facts
from trainers.text.networks.encoder import Transformer
from trainers.text.networks.pretrained import PretrainedEncoder, _FrozenBody
from trainers.text.networks.table import NETWORKS
from trainers.text.networks.tokens import as_tokens

NEW = ModelSpec("pretrained", {"train": "all", "head": "new"})
NAMES = ("class 0", "class 1", "class 2")


def _facts(folder: Path | None = None) -> TextFacts:
    given = Pretrained.at(str(folder)).given(str(folder)) if folder else None
    return TextFacts(LENGTH, WORDS, NAMES, given)


def _starts(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def _pretrained(
    folder: Path, train: str = "all", lanes: int = 1, head: str = "new"
) -> PretrainedEncoder:
    spec = ModelSpec("pretrained", {"train": train, "head": head})
    return PretrainedEncoder(spec, _facts(folder), _starts(*range(lanes)))


def _ids(lanes: int = 1, texts: int = 5) -> torch.Tensor:
    rng = torch.Generator().manual_seed(4)
    ids = torch.randint(0, WORDS, (lanes, texts, LENGTH), generator=rng)
    lengths = torch.randint(1, LENGTH + 1, (lanes, texts, 1), generator=rng)
    return torch.where(torch.arange(LENGTH) < lengths, ids, -1)


@pytest.mark.parametrize("prefix", ["", "bert."])
def test_it_is_the_bert_of_transformers(tmp_path: Path, prefix: str) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    folder = bert(tmp_path / "bert", prefix)
    theirs = transformers.BertModel.from_pretrained(bert(tmp_path / "plain")).eval()
    ids = _ids()[0]
    there = (ids >= 0).long()
    with torch.no_grad():
        hidden = theirs(input_ids=ids.clamp(min=0), attention_mask=there).last_hidden_state
        mean = (hidden * there[:, :, None]).sum(1) / there.sum(1, keepdim=True)
        ours = _pretrained(folder)(ids.unsqueeze(0)).features
    assert ours is not None
    torch.testing.assert_close(ours[0], mean, rtol=0, atol=1e-5)


@pytest.mark.parametrize("train", ["all", "last_layer", "nothing"])
def test_a_classifier_is_that_of_transformers(tmp_path: Path, train: str) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    folder = bert(tmp_path / "bert", "bert.", NAMES)
    theirs = transformers.BertForSequenceClassification.from_pretrained(folder).eval()
    ids = _ids()[0]
    with torch.no_grad():
        expected = theirs(input_ids=ids.clamp(min=0), attention_mask=(ids >= 0).long()).logits
        ours = _pretrained(folder, train, head="given")(ids.unsqueeze(0)).logits
    torch.testing.assert_close(ours[0], expected, rtol=0, atol=1e-5)


def test_a_classifier_reads_the_first_place_alone(tmp_path: Path) -> None:
    """As BERT's: tanh of a map of it, then a map to the classes."""
    folder = bert(tmp_path / "bert", "bert.", NAMES)
    network, ids = _pretrained(folder, head="given"), _ids()
    arrays = load_file(folder / "model.safetensors")
    places = []
    network.body.layers[-1].register_forward_hook(lambda _, __, made: places.append(made))
    logits = network(ids).logits[0]
    pooled = torch.tanh(
        places[0][0, :, 0] @ arrays["bert.pooler.dense.weight"].T + arrays["bert.pooler.dense.bias"]
    )
    expected = pooled @ arrays["classifier.weight"].T + arrays["classifier.bias"]
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5)


def test_a_tuned_network_has_its_classes_in_the_order_of_the_data(tmp_path: Path) -> None:
    turned = ("class 2", "class 0", "class 1")
    own, other = (
        _pretrained(bert(tmp_path / name, labels=labels), "nothing", head="given")(_ids()).logits
        for name, labels in (("own", NAMES), ("turned", turned))
    )
    assert torch.equal(own[..., [1, 2, 0]], other)
    nameless = bert(tmp_path / "nameless", labels=("LABEL_0", "LABEL_1", "LABEL_2"))
    assert torch.equal(_pretrained(nameless, "nothing", head="given")(_ids()).logits, own)


def test_a_tuned_network_learns_what_it_is_told_to(tmp_path: Path) -> None:
    folder = bert(tmp_path / "bert", labels=NAMES)
    learns = {
        train: {
            name.split(".")[0]
            for name, p in _pretrained(folder, train, 2, "given").named_parameters()
            if p.requires_grad
        }
        for train in ("all", "last_layer", "nothing")
    }
    assert learns == {"all": {"body", "head"}, "last_layer": {"head"}, "nothing": set()}


def test_a_classifier_of_other_classes_is_refused(tmp_path: Path) -> None:
    refused = {
        "has no classifier; head: new": bert(tmp_path / "none"),
        "tells class 0, ham apart, the data class 0, class 1, class 2": bert(
            tmp_path / "ham", labels=("class 0", "ham")
        ),
    }
    for message, folder in refused.items():
        with pytest.raises(ValueError, match=message):
            _pretrained(folder, "nothing", head="given")


def test_attention_and_layers_are_those_of_torch(tmp_path: Path) -> None:
    """As torch's own encoder layer computes them, with the weights of a file."""
    network = _pretrained(bert(tmp_path / "bert")).double()
    ids, body = _ids(), network.body
    there = ids[0] >= 0
    x = body.words.weight[0][ids[0].clamp(min=0)] + body.positions.weight[0][:LENGTH]
    x = torch.nn.functional.layer_norm(
        x, (WIDTH,), body.embedded.weight[0], body.embedded.bias[0], 1e-12
    )
    for layer in body.layers:
        theirs = torch.nn.TransformerEncoderLayer(
            WIDTH, HEADS, WIDE, 0.0, "gelu", 1e-12, batch_first=True, dtype=torch.float64
        )
        attention = layer.attention
        packed = [attention.query, attention.key, attention.value]
        theirs.self_attn.in_proj_weight.data = torch.cat([m.weight.data[0] for m in packed])
        theirs.self_attn.in_proj_bias.data = torch.cat([m.bias.data[0] for m in packed])
        for own, its in (
            (attention.output, theirs.self_attn.out_proj), (layer.attended, theirs.norm1),
            (layer.widen, theirs.linear1), (layer.narrow, theirs.linear2),
            (layer.mapped, theirs.norm2),
        ):  # fmt: skip
            its.weight.data, its.bias.data = own.weight.data[0], own.bias.data[0]
        # In training mode, for in the other torch takes a way of its own; there is no dropout.
        x = theirs(x, src_key_padding_mask=~there)
    mean = (x * there[:, :, None]).sum(1) / there.sum(1, keepdim=True)
    features = network(ids).features
    assert features is not None
    torch.testing.assert_close(features[0], mean, rtol=0, atol=1e-10)


def test_padding_changes_nothing(tmp_path: Path) -> None:
    network = _pretrained(bert(tmp_path / "bert"))
    short = _ids()[:, :, :4]
    short[:, :, 0] = 1
    padded = torch.nn.functional.pad(short, (0, 3), value=-1)
    torch.testing.assert_close(network(short).logits, network(padded).logits, rtol=0, atol=1e-5)


def test_texts_do_not_look_at_each_other() -> None:
    network, ids = Transformer(_complete(), _facts(), _starts(1)), _ids()
    order = torch.tensor([3, 0, 4, 2, 1])
    torch.testing.assert_close(
        network(ids).logits[:, order], network(ids[:, order]).logits, rtol=0, atol=1e-6
    )


def _complete(**sizes: object) -> ModelSpec:
    return NETWORKS["transformer"].complete(ModelSpec("transformer", {**SMALL.sizes, **sizes}))


def test_forward_mode_goes_through_it() -> None:
    network = Transformer(_complete(), _facts(), _starts(1, 2)).double()
    ids = _ids(2)
    held = dict(network.named_parameters())
    along = {name: torch.randn_like(t, generator=None) for name, t in held.items()}

    def logits(parameters: dict[str, torch.Tensor]) -> torch.Tensor:
        output: torch.Tensor = functional_call(network, parameters, (ids,)).logits
        return output

    _, found = jvp(logits, (held,), (along,))
    step = 1e-6
    ahead, behind = (
        logits({n: held[n] + sign * step * along[n] for n in held}) for sign in (1, -1)
    )
    torch.testing.assert_close(found, (ahead - behind) / (2 * step), rtol=1e-5, atol=1e-6)


def test_with_the_exact_hypergradient_it_trains() -> None:
    values = {"hypergradient": "full", "warmup_epochs": 1, "update_every": 1}
    diary = Diary()
    make_cohort("alm_kd", [Trial("a", 3, values=values)]).train(diary)
    assert len(diary.rows["a"]) == 3


@pytest.mark.parametrize("train", ["all", "last_layer"])
def test_the_weights_of_a_folder_are_where_it_starts(tmp_path: Path, train: str) -> None:
    folder = bert(tmp_path / "bert")
    whole, given = _pretrained(folder, "all", 2), _pretrained(folder, train, 2)
    ids = _ids(2)
    for _ in range(2):  # also where they are remembered
        one, other = whole(ids), given(ids)
        assert one.features is not None
        assert other.features is not None
        torch.testing.assert_close(one.features, other.features, rtol=0, atol=1e-6)
        torch.testing.assert_close(one.logits, other.logits, rtol=0, atol=1e-6)
    learns = [name for name, p in given.named_parameters() if p.requires_grad]
    assert (learns == ["head.weight", "head.bias"]) == (train == "last_layer")


def test_what_is_remembered_of_a_text_is_the_same_whatever_it_was_met_with(tmp_path: Path) -> None:
    given = Pretrained.at(str(bert(tmp_path / "bert"))).given("bert")
    ids = _ids(1, 70)
    found = []
    for order in (torch.arange(70), torch.arange(69, -1, -1), torch.randperm(70)):
        body = _FrozenBody(given, pooled=False)
        for some in order.split((5, 1, 40, 24)):
            body.features(as_tokens(ids[:, some], torch.float32))
        found.append(body.features(as_tokens(ids, torch.float32)))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_given_words_stay_and_a_map_of_them_is_learned(tmp_path: Path) -> None:
    folder = bert(tmp_path / "bert")
    network = Transformer(_complete(embeddings="pretrained"), _facts(folder), _starts(1, 2))
    assert "body.words.map.weight" in dict(network.named_parameters())
    vectors = _pretrained(folder).body.words.weight[0]
    ids = _ids(2)
    words = network.body.words
    expected = vectors[ids.clamp(min=0)] @ words.map.weight.mT.unsqueeze(1)
    torch.testing.assert_close(words(ids), expected, rtol=0, atol=1e-6)
    # Not in memory once for each copy.
    assert copy.deepcopy(network).body.words._given is words._given


def test_a_student_by_itself_needs_the_pretrained_network_no_more(tmp_path: Path) -> None:
    folder = bert(tmp_path / "bert")
    facts = _facts(folder)
    network = Transformer(_complete(embeddings="pretrained"), facts, _starts(1, 2))
    weights = network.alone(lane_weights(network, 1))
    assert facts.given is not None
    without = replace(facts, given=replace(facts.given, weights={}))
    (folder / "model.safetensors").unlink()
    alone = Transformer(_complete(embeddings="pretrained"), without, _starts(7))
    plain = alone.single()
    plain.load_state_dict(dict(weights))
    ids = _ids()
    expected = network(ids.expand(2, -1, -1)).logits[1]
    torch.testing.assert_close(plain(ids[0]), expected, rtol=0, atol=1e-6)
    # And as a teacher it is of that form, too.
    network.fit(weights.keys())
    put_weights(network, {name: t.numpy() for name, t in weights.items()})
    torch.testing.assert_close(
        network(ids.expand(2, -1, -1)).logits[0], expected, atol=1e-6, rtol=0
    )


def test_what_cannot_be_had_is_refused() -> None:
    for make in (
        lambda: Transformer(_complete(embeddings="pretrained"), _facts(), _starts(1)),
        lambda: PretrainedEncoder(NEW, _facts(), _starts(1)),
    ):
        with pytest.raises(ValueError, match=r"data\.pretrained names no network"):
            make()
    with pytest.raises(ValueError, match="width 9 is no multiple of heads 2"):
        _complete(width=9)
    with pytest.raises(ValueError, match="train: nothing leaves a new last layer as it was drawn"):
        NETWORKS["pretrained"].complete(ModelSpec("pretrained", {"train": "nothing"}))


def test_a_student_by_itself_says_what_its_lane_said() -> None:
    dataset = made_up_texts()
    facts = facts_of(dataset)
    from trainers.registry import TASKS

    cohort = make_cohort("labels_only", [Trial("a"), Trial("b", 4)])
    cohort.train(Diary())
    (stack,) = cohort.stacks
    student = TASKS["text"].load().student(_complete(), facts)
    student.network.load_state_dict(stack.weights(1))
    ids = torch.as_tensor(dataset.inputs[:9]).long()
    network: LaneNetwork = stack.model
    with torch.no_grad():
        ours = network(ids.expand(2, *ids.shape)).logits[1]
        torch.testing.assert_close(student(ids), ours, rtol=0, atol=1e-6)
        torch.testing.assert_close(student(ids[0]), ours[0], rtol=0, atol=1e-6)
    assert of_facts(facts) == of_dataset(dataset)
