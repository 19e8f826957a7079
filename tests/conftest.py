"""What holds for every test."""

# First of all imports: MKL reads the environment variable that `trainers` sets when torch makes its
# first call to it, and without it a lane differs in the last bits from the same trial alone.
import trainers  # noqa: F401, I001

import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from sweep.places import Places, open_store
from tests.known_skips import refuse_unknown
from tests.sweep.stage import close_studies

# As where cohorts train: several threads divide a product by the shape of the whole stack, and a
# lane would differ in the last bits from the same trial alone.
torch.set_num_threads(1)

# The same examples on every run; a slow machine fails no test.
settings.register_profile("almkd", derandomize=True, deadline=None, max_examples=20)
settings.load_profile("almkd")


@pytest.fixture(autouse=True)
def _studies_are_closed() -> Iterator[None]:
    """No test leaves a journal open to the next."""
    yield
    close_studies()


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow store without sweeps; its schema takes seconds to make."""
    runs = tmp_path_factory.mktemp("store")
    open_store(Places(runs))
    return runs / "mlflow.db"


@pytest.fixture
def places(empty_store: Path, tmp_path: Path) -> Places:
    """A runs directory of the test's own, with a store in it."""
    runs = tmp_path / "runs"
    runs.mkdir()
    shutil.copy(empty_store, runs)
    return Places(runs)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """MLflow puts the store it last used into the environment, where launches would find it."""
    os.environ.pop("MLFLOW_TRACKING_URI", None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """No test is skipped that nobody knows of."""
    report = yield
    refuse_unknown(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Nor is a file of them."""
    report = yield
    refuse_unknown(report)
    return report


# Tests that start processes of their own: the longest, with which the workers begin.
WITH_PROCESSES = ("faults", "end_to_end")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long tests first, otherwise in the order of the files."""
    tests = Path(__file__).parent
    items.sort(key=lambda item: item.path.relative_to(tests).parts[0] not in WITH_PROCESSES)
