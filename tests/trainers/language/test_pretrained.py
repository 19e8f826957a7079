"""Models of a folder: that they say what transformers says, are written on with, and train."""

import copy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.trainers.language.cases import CPU
from tests.trainers.language.folders import (
    KNOWN,
    PROMPT,
    RESPONSE,
    SYMBOLS,
    TRAINING,
    cohort_of,
    model,
    network,
    sources,
    spec_of,
    sums,
    tokenizer,
)
from trainers.data.errors import DataError
from trainers.data.tokenizer import PADDING
from trainers.lanes.weights import lane_weights, put_weights
from trainers.language.data.dataset import SequenceDataset
from trainers.language.data.tables import end_token
from trainers.language.networks.network import SequenceFacts
from trainers.language.networks.table import NETWORKS
from trainers.language.task import Language
from trainers.language.writing import write
from trainers.loop.cohort import Cohort, Metrics
from trainers.loop.teachers import train_teachers
from trainers.settings import (
    CohortSpec,
    Lane,
    ModelSpec,
    Selection,
)
from trainers.student_files import load_student, plain_weights, write_student

transformers = pytest.importorskip("transformers", reason="transformers is not installed")
# After it, as it loads the library.
from trainers.language.networks.pretrained import PretrainedDecoder  # noqa: E402

FACTS = SequenceFacts(PROMPT, RESPONSE, len(SYMBOLS), 0)
KINDS = ("gpt2", "llama")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("models")
    for seed, kind in enumerate(KINDS):
        model(place / kind, kind, seed)
    model(place / "tied", "llama", 5, tie_word_embeddings=True, num_hidden_layers=1)
    return place


@pytest.fixture(scope="module")
def data_set(folders: Path) -> SequenceDataset:
    return sums(folders / "gpt2")


def _network(folder: Path, **sizes: str) -> PretrainedDecoder:
    spec = NETWORKS["pretrained"].complete(network(folder, **sizes))
    return PretrainedDecoder(spec, FACTS, [torch.Generator()])


def _theirs(folder: Path) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.get_default_dtype()
    ).eval()


def _ids(examples: int = 6) -> Tensor:
    rng = torch.Generator().manual_seed(3)
    ids = torch.randint(2, len(SYMBOLS), (1, examples, PROMPT + RESPONSE), generator=rng)
    for row in range(examples):
        ids[0, row, : row % PROMPT] = PADDING
        ids[0, row, PROMPT + 1 + row % RESPONSE :] = PADDING
    return ids


def _there(ids: Tensor) -> Tensor:
    return ids[:, :, PROMPT:] != PADDING


def _close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", [*KINDS, "tied"])
def test_it_says_what_the_model_says_of_each_sequence_without_padding(
    folders: Path, kind: str
) -> None:
    ours, theirs, ids = _network(folders / kind), _theirs(folders / kind), _ids()
    output = ours(ids)
    assert output.logits.shape == (1, 6, RESPONSE, len(SYMBOLS))
    for row, there in zip(range(6), _there(ids)[0], strict=True):
        tokens = ids[0, row][ids[0, row] != PADDING].unsqueeze(0)
        with torch.no_grad():
            said = theirs(tokens, output_hidden_states=True)
        length = int(there.sum())
        at = slice(-length - 1, -1)
        _close(output.logits[0, row, :length], said.logits[0, at, : len(SYMBOLS)])
        assert output.features is not None
        _close(output.features[0, row, :length], said.hidden_states[-1][0, at])
    assert theirs.config.vocab_size == KNOWN > len(SYMBOLS)
    weight, *bias = ours.last_layer
    assert not bias
    _close(output.features @ weight.mT.unsqueeze(1), output.logits)


@pytest.mark.parametrize("kind", KINDS)
def test_steps_with_the_cache_say_what_the_whole_says(folders: Path, kind: str) -> None:
    ours, ids = _network(folders / kind), _ids()
    whole, there = ours(ids).logits, _there(ids)
    logits, cache = ours.begin(ids[:, :, :PROMPT])
    for column in range(RESPONSE):
        at = there[:, :, column]
        _close(logits[at], whole[:, :, column][at])
        if column + 1 < RESPONSE:
            logits = ours.step(ids[:, :, PROMPT + column].clamp(min=0), cache)


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_writing_is_that_of_generate(folders: Path, kind: str) -> None:
    ours, theirs = _network(folders / kind), _theirs(folders / kind)
    prompts = _ids()[:, :, :PROMPT]
    written = write(ours, prompts, torch.zeros(1))[0]
    beyond = list(range(len(SYMBOLS), KNOWN))
    for prompt, response in zip(prompts[0], written, strict=True):
        said = theirs.generate(
            prompt[prompt != PADDING].unsqueeze(0), do_sample=False, max_new_tokens=RESPONSE,
            suppress_tokens=beyond, eos_token_id=0, pad_token_id=1,
        )  # fmt: skip
        own = said[0, int((prompt != PADDING).sum()) :].tolist()
        assert response[response != PADDING].tolist() == own


def test_in_bfloat16_it_says_about_the_same_and_learns_in_single_precision(folders: Path) -> None:
    for kind in KINDS:
        half, whole = _network(folders / kind, dtype="bfloat16"), _network(folders / kind)
        ids = _ids()
        there = _there(ids)
        output = half(ids)
        assert output.logits.dtype == torch.float32
        torch.testing.assert_close(
            output.logits[there], whole(ids).logits[there], atol=0.15, rtol=0.05
        )
        assert not torch.equal(output.logits[there], whole(ids).logits[there])
        assert {p.dtype for p in half.parameters()} == {torch.float32}
        gradients = torch.autograd.grad(output.logits[there].sum(), list(half.parameters()))
        assert all(g.dtype == torch.float32 and g.isfinite().all() for g in gradients)
        still = _network(folders / kind, dtype="bfloat16", train="nothing")
        assert {p.dtype for p in still.parameters()} == {torch.bfloat16}
        torch.testing.assert_close(
            still(ids).logits[there], output.logits[there], atol=0.1, rtol=0.1
        )


def test_a_model_that_does_not_learn_is_there_once(folders: Path) -> None:
    one, two = (_network(folders / "gpt2", train="nothing") for _ in range(2))
    assert one.module is two.module
    assert copy.deepcopy(one).module is one.module
    assert lane_weights(one, 0) == {}
    put_weights(one, {})
    assert one.module is two.module
    given = {name: p[0].detach().numpy() + 1 for name, p in two.module.named_parameters()}
    put_weights(one, given)
    assert not torch.equal(one(_ids()).logits, two(_ids()).logits)


def test_it_has_the_weights_of_its_folder_and_takes_others(folders: Path) -> None:
    one, other = _network(folders / "tied"), _network(folders / "tied")
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(1.5)
    assert not torch.equal(one(_ids()).logits, other(_ids()).logits)
    weights = {
        name.removeprefix("module."): t.numpy() for name, t in lane_weights(other, 0).items()
    }
    put_weights(one, weights)
    assert torch.equal(one(_ids()).logits, other(_ids()).logits)


def test_tied_embeddings_are_one_parameter_and_stay_tied(
    folders: Path, data_set: SequenceDataset
) -> None:
    cohort = cohort_of("labels_only", folders / "tied", data_set)
    (stack,) = cohort.stacks
    assert isinstance(stack.model, PretrainedDecoder)
    names = [name for name, _ in stack.model.named_parameters()]
    assert len([name for name in names if "embed_tokens" in name or "lm_head" in name]) == 1
    cohort.train(_report)
    module = stack.model.module
    embedding, head = module.get_input_embeddings(), module.get_output_embeddings()
    assert embedding.weight is head.weight
    assert not torch.equal(head.weight[0].detach(), _theirs(folders / "tied").lm_head.weight)


def _report(epoch: int, names: Sequence[str], rows: Sequence[Metrics]) -> list[bool]:
    _report.rows.append(rows[0])  # type: ignore[attr-defined]
    return [True] * len(names)


_report.rows = []  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("method", "values"),
    [
        ("fixed_kd", {}),
        ("seq_kd", {}),
        ("gkd", {"on_policy": 0.5}),
        ("skd", {"top_k": 2}),
        ("okd", {}),
        ("alm_kd", {"warmup_epochs": 0, "update_every": 1}),
        ("alm_kd", {"warmup_epochs": 0, "update_every": 1, "hypergradient": "full"}),
        ("bikd", {}),
    ],
)
def test_methods_train_it_from_a_teacher_of_another_folder(
    folders: Path, data_set: SequenceDataset, method: str, values: dict[str, Any]
) -> None:
    cohort = cohort_of(method, folders / "llama", data_set, folders / "gpt2", **values)
    (stack,) = cohort.stacks
    before = float(stack.evaluate("validation", ())["validation_loss"])
    taught = [p.clone() for p in _theirs(folders / "gpt2").parameters()]
    _report.rows.clear()  # type: ignore[attr-defined]
    cohort.train(_report)
    cohort.test()
    rows = _report.rows  # type: ignore[attr-defined]
    assert all(torch.isfinite(p).all() for p in stack.model.parameters())
    after = float(stack.evaluate("validation", ())["validation_loss"])
    assert after != before
    assert len(rows) == TRAINING.epochs
    if method == "fixed_kd":
        assert after < before
    still = _network(folders / "gpt2", train="nothing").module.parameters()
    assert all(torch.equal(p[0], q) for p, q in zip(still, taught, strict=True))


def test_a_teacher_that_nobody_trains_is_taken_as_it_is(
    folders: Path, data_set: SequenceDataset
) -> None:
    task = Language()
    data = task.data(data_set, spec_of(), sources(()), {}, CPU)
    spec = network(folders / "gpt2", train="nothing")
    told = CohortSpec(
        "labels_only", spec, TRAINING, Selection("token_error_rate", False), "language"
    )
    cohort = Cohort(told, [Lane("a", 3, {"lr": 1e-3, "weight_decay": 0.0})], data)
    results, teachers = train_teachers(cohort, _report)
    assert results["a"].epochs == 0
    assert teachers["a"].parameters == {}
    assert "validation_token_error_rate" in results["a"].best
    student = Cohort(
        CohortSpec("labels_only", spec, TRAINING, told.selection, "language"),
        [Lane("a", 3, {"lr": 1e-3, "weight_decay": 0.0})],
        data,
    )
    with pytest.raises(ValueError, match="cannot be trained"):
        student.train(_report)


@pytest.mark.parametrize("kind", ["gpt2", "tied"])
def test_a_student_by_itself_has_the_names_of_its_folder(
    folders: Path, kind: str, data_set: SequenceDataset, tmp_path: Path
) -> None:
    cohort = cohort_of("labels_only", folders / kind, data_set)
    cohort.train(_report)
    (stack,) = cohort.stacks
    weights = plain_weights(stack.student_weights(0), stack.model.inside)
    assert weights.keys() <= _theirs(folders / kind).state_dict().keys()
    facts = Language().facts(data_set)
    sizes = {"folder": str(folders / kind), "dtype": "float32", "train": "all"}
    description = {"task": "language", "network": {"name": "pretrained", "sizes": sizes}, **facts}
    write_student(tmp_path, weights, description)
    student = load_student(tmp_path)
    (said,) = stack.predictions("test")
    prompts = torch.as_tensor(data_set.prompts[said["row"]], dtype=torch.int64)
    assert student.table(student(prompts))["response"].tolist() == said["response"].tolist()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("gone", "there is no folder"),
        ("config", "config.json: cannot be read"),
        ("kind", "is a BertForMaskedLM, no causal language model; name a folder"),
        ("weights", "has no weights"),
        ("vocabulary", f"knows 7 tokens, and the data's tokenizer has {len(SYMBOLS)}; take the"),
        ("tokenizer", "has other tokens than data.tokenizer; teacher, student and data need"),
        (
            "columns",
            f"takes 8 tokens, and a prompt with its response has up to {PROMPT + RESPONSE}",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_the_remedy(
    tmp_path: Path, data_set: SequenceDataset, change: str, said: str
) -> None:
    place = model(tmp_path / "model")
    if change == "gone":
        place = tmp_path / "nowhere"
    elif change == "config":
        (place / "config.json").unlink()
    elif change == "kind":
        text = (place / "config.json").read_text().replace("GPT2LMHeadModel", "BertForMaskedLM")
        (place / "config.json").write_text(text)
    elif change == "weights":
        (place / "model.safetensors").unlink()
    elif change == "vocabulary":
        place = model(tmp_path / "small", vocab_size=7)
    elif change == "tokenizer":
        tokenizer(place, (*SYMBOLS[:2], *SYMBOLS[:1:-1]))
    else:
        place = model(tmp_path / "short", n_positions=8)
    problem = NETWORKS["pretrained"].data_problem({"folder": str(place)}, data_set)
    assert problem is not None
    assert said in problem


def test_a_model_that_fits_is_not_refused(folders: Path, data_set: SequenceDataset) -> None:
    for kind in KINDS:
        row = NETWORKS["pretrained"]
        assert row.data_problem({"folder": str(folders / kind)}, data_set) is None
        whole = row.complete(network(folders / kind))
        parameters = sum(p.numel() for p in _theirs(folders / kind).parameters())
        assert row.lane_bytes is not None
        assert row.lane_bytes(whole, 0, data_set.shape) == 5 * 4 * parameters
    gone = ModelSpec("pretrained", {"folder": "/nowhere"})
    assert row.lane_bytes(gone, 4, data_set.shape) == 0


def test_data_without_a_tokenizer_is_refused(folders: Path) -> None:
    from tests.trainers.language.cases import sums as plain

    problem = NETWORKS["pretrained"].data_problem({"folder": str(folders / "gpt2")}, plain())
    assert problem is not None
    assert "take a data set with a tokenizer" in problem


def test_weights_that_are_not_whole_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    place = model(tmp_path / "model")
    weights = load_file(place / "model.safetensors")
    weights.pop("transformer.h.1.attn.c_attn.weight")
    save_file(weights, place / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"its files lack transformer\.h\.1\.attn\.c_attn\.weight"):
        _network(place)


@pytest.fixture
def without_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)


def test_without_the_library_it_is_said_what_to_install(
    folders: Path, without_transformers: None
) -> None:
    with pytest.raises(ValueError, match=r"install almkd\[language\]"):
        _network(folders / "gpt2")


def test_the_end_is_what_the_folder_names(tmp_path: Path, folders: Path) -> None:
    assert end_token(str(folders / "gpt2")) == "</s>"
    assert end_token(str(folders / "gpt2" / "tokenizer.json")) == "</s>"
    place = tokenizer(tmp_path / "tokenizer")
    (place / "tokenizer_config.json").unlink()
    with pytest.raises(DataError, match=r"name it as data\.end_token"):
        end_token(str(place))
    (place / "config.json").write_text('{"eos_token_id": [3, 4]}')
    assert end_token(str(place)) == SYMBOLS[3]
    (place / "special_tokens_map.json").write_text('{"eos_token": {"content": "<pad>"}}')
    assert end_token(str(place)) == "<pad>"
