"""What installed packages add to the tables, and what becomes of that which cannot be had."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from trainers import registry
from trainers.entries import ALMKD
from trainers.registry import Found

ROWS = """
from trainers.entries import DatasetEntry, MethodEntry, NetworkEntry
from trainers.fields import Field

BETA = Field("beta", "float", 1.0, "weight of the distance", "own", low=0.0)
SQUARED = MethodEntry(
    implementation="{module}.code:Squared", summary="squared distance", source="own",
    teachers="one", hyperparameters=(BETA,), tasks=("classification",),
    space={{"beta": {{"low": 0.1, "high": 10.0, "log": True}}}},
)
TWICE = MethodEntry(
    implementation="{module}.code:Squared", summary="", source="own", teachers="one",
    hyperparameters=(BETA, BETA),
)
ASTRAY = MethodEntry(
    implementation="{module}.code:Squared", summary="", source="own", teachers="one",
    hyperparameters=(BETA,), asks_held_out=({{"gamma": 1.0}},),
)
NOWHERE = MethodEntry(summary="", source="own", teachers="one", hyperparameters=())
NETWORK = NetworkEntry(
    implementation="tests.sweep.own_parts:Narrow", summary="narrow", source="own",
    together=("cpu", "cuda"), fields=(Field("width", "int", 6, "units", "own", low=1),),
)
def stripes():
    from tests.sweep.own_parts import stripes
    return stripes(3)
DATASET = DatasetEntry(load=stripes, summary="stripes", source="own", task="classification")
SORTING = DatasetEntry(load=stripes, summary="stripes", source="own", task="sorting")
"""
CODE = "from tests.sweep.own_methods import Squared\n"
Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Makes a package that names some of these rows as entry points, and has it found."""

    def install(name: str, points: Mapping[str, str]) -> Path:
        module = name.replace("-", "_")
        (tmp_path / module).mkdir()
        (tmp_path / module / "__init__.py").touch()
        (tmp_path / module / "rows.py").write_text(ROWS.format(module=module))
        (tmp_path / module / "code.py").write_text(CODE)
        info = tmp_path / f"{module}-0.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n")
        lines = [
            f"[almkd.{where.split('.')[0]}]\n{where.split('.')[1]} = {module}.rows:{row}\n"
            for where, row in points.items()
        ]
        (info / "entry_points.txt").write_text("\n".join(lines))
        monkeypatch.syspath_prepend(tmp_path)
        return tmp_path

    return install


def _classification(found: Found) -> tuple[set[str], set[str], set[str]]:
    task = found.tasks["classification"]
    return set(task.methods), set(task.datasets), set(task.networks)


def test_without_packages_there_are_almkds_rows_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    # Other tests of this process may have packages on the path.
    monkeypatch.setattr(registry, "entry_points", lambda group: ())
    found = registry.found()
    assert (found.problems, found.left_out) == ([], [])
    for task in found.tasks.values():
        rows = [*task.methods.values(), *task.datasets.values(), *task.networks.values()]
        assert {row.origin for row in rows} == {ALMKD}


def test_a_package_adds_rows_that_say_whose_they_are(install: Install) -> None:
    before = _classification(registry.found())
    install(
        "some-kd",
        {"methods.squared": "SQUARED", "datasets.stripes": "DATASET", "networks.narrow": "NETWORK"},
    )
    found = registry.found()
    assert (found.problems, found.left_out) == ([], [])
    after = _classification(found)
    assert [a - b for a, b in zip(after, before, strict=True)] == [
        {"squared"}, {"stripes"}, {"narrow"}
    ]  # fmt: skip
    task = found.tasks["classification"]
    row = task.methods["squared"]
    assert [h.name for h in row.hyperparameters] == ["lr", "weight_decay", "temperature", "beta"]
    assert {row.origin, task.datasets["stripes"].origin, task.networks["narrow"].origin} == {
        "some-kd 0.1"
    }


@pytest.mark.parametrize(
    ("point", "said"),
    [
        ({"methods.squared": "GONE"}, "it cannot be loaded: AttributeError: "),
        ({"methods.squared": "BETA"}, "it is no trainers.entries.MethodEntry but Field("),
        ({"methods.squared": "NETWORK"}, "it is no trainers.entries.MethodEntry but NetworkEntry("),
        ({"methods.squared": "TWICE"}, "it declares 'beta' twice; name each once"),
        ({"methods.squared": "ASTRAY"}, "it names 'gamma' and does not declare it; correct the"),
        ({"methods.squared": "NOWHERE"}, "it has the implementation ''; write it as package."),
        ({"datasets.squared": "SORTING"}, "it is of no task there is; they are classification"),
    ],
)
def test_what_cannot_be_had_is_named_and_left_out(
    install: Install, point: dict[str, str], said: str
) -> None:
    before = _classification(registry.found())
    install("some-kd", point)
    found = registry.found()
    assert _classification(found) == before
    assert found.problems == []
    (line,) = found.left_out
    assert line.startswith("the ")
    assert " squared of some-kd 0.1 is left out: " in line
    assert said in line


def test_two_of_one_name_are_refused(install: Install) -> None:
    install("some-kd", {"methods.squared": "SQUARED", "networks.mlp": "NETWORK"})
    install("other-kd", {"methods.squared": "SQUARED"})
    problems = sorted(registry.found().problems)
    assert len(problems) == 2
    assert "the method squared of " in problems[0]
    assert "classification has one of that name already, of " in problems[0]
    assert {word in problems[0] for word in ("some-kd 0.1", "other-kd 0.1")} == {True}
    assert problems[1] == (
        "the network mlp of some-kd 0.1: classification, incremental have one of that name "
        "already, of almkd; "
        "uninstall one"
    )


def _almkd(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(place), str(Path(__file__).parents[2])])
    command = [sys.executable, "-c", "from sweep.cli import main; main()", *words]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=place,
        env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip


SPEC = """
name: packaged
data: {dataset: stripes}
teacher: {model: {name: narrow, width: 9}, training: {epochs: 2}}
student: {model: {name: narrow}, training: {epochs: 2}}
methods: [{method: squared}, {method: fixed_kd, baseline: true}]
"""


def test_commands_list_what_a_package_adds_train_it_and_name_what_is_left_out(
    install: Install,
) -> None:
    place = install(
        "some-kd",
        {
            "methods.squared": "SQUARED", "datasets.stripes": "DATASET",
            "networks.narrow": "NETWORK", "methods.twice": "TWICE",
        },
    )  # fmt: skip
    left_out = "almkd: the method twice of some-kd 0.1 is left out: it declares 'beta' twice"
    listed = _almkd(place, "methods")
    assert listed.returncode == 0, listed.stderr
    lines = [line for line in listed.stdout.splitlines() if line.split()[1] == "squared"]
    assert [line.split()[0] for line in lines] == ["classification"]
    assert all(line.rstrip().endswith("some-kd 0.1") for line in lines)
    assert listed.stderr.startswith(left_out)
    spaces = _almkd(place, "spaces").stdout
    lines = [line for line in spaces.splitlines() if line.split()[1] == "squared"]
    assert sum("[0.1, 10] log" in line for line in lines) == 1
    (place / "packaged.yaml").write_text(SPEC)
    trained = _almkd(place, "train", "packaged.yaml", "--cell", "symmetric-0-noisy/squared")
    assert trained.returncode == 0, trained.stderr
    assert trained.stdout.splitlines()[-1].startswith("validation at epoch ")


def test_commands_end_where_a_name_is_taken(install: Install) -> None:
    done = _almkd(install("some-kd", {"networks.mlp": "NETWORK"}), "networks")
    assert done.returncode == 2
    assert done.stderr.startswith("almkd: the network mlp of some-kd 0.1: classification, ")
