"""Passwords are masked wherever they could be seen, and come from files where one asks for it."""

import subprocess
import sys
from pathlib import Path

import pytest

from sweep.errors import BadInput
from sweep.secrets import masked, optuna_url, refuse_in_arguments, take_up_files


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:s3cret@db/almkd", "postgresql://me:***@db/almkd"),
        ("postgresql+psycopg://me:a%2Fb:c@db:5432/x", "postgresql+psycopg://me:***@db:5432/x"),
        (
            "cannot open http://u:p@h/ or http://v:q@i/",
            "cannot open http://u:***@h/ or http://v:***@i/",
        ),
        ("redis://:only@h", "redis://:***@h"),
        ("postgresql://me:s/3@cr@db/almkd", "postgresql://me:***@db/almkd"),
        ("http://me@host:5000/a", "http://me@host:5000/a"),
        ("http://host:5000/a@b", "http://host:5000/a@b"),
        ("sqlite:////tmp/a:b@c", "sqlite:////tmp/a:b@c"),
    ],
)
def test_only_passwords_are_masked(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_no_copy_of_memory_is_left_by_a_command_or_what_it_starts() -> None:
    """With the passwords in it."""
    look = "import resource; print(resource.getrlimit(resource.RLIMIT_CORE)[0])"
    raised = (
        "import resource, subprocess, sys; from sweep import cli\n"
        "most = resource.getrlimit(resource.RLIMIT_CORE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (most, most))\n"
        "sys.argv = ['almkd', 'presets']\n"
        "try:\n    cli.main()\n"
        f"finally:\n    subprocess.run([sys.executable, '-c', {look!r}], check=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", raised], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "0", done.stderr


def test_a_traceback_shows_no_variables() -> None:
    """Where something went wrong that nobody thought of."""
    broken = (
        "import sys\nfrom sweep import cli\nfrom sweep.commands import catalogue\n"
        "def broken(password: str = 's3cr' + 'et') -> None:\n    1 / 0\n"
        "cli.COMMANDS = (('presets', broken), ('tasks', broken))\n"
        "sys.argv = ['almkd', 'presets']\ncli.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", broken], capture_output=True, text=True)
    assert "ZeroDivisionError" in done.stderr
    assert "s3cret" not in done.stderr


def test_a_password_among_the_arguments_is_refused_without_being_repeated() -> None:
    with pytest.raises(BadInput) as caught:
        refuse_in_arguments(["list", "--tracking-uri=http://me:s3cret@host"])
    assert "s3cret" not in str(caught.value)
    assert "MLFLOW_TRACKING_PASSWORD" in str(caught.value)
    refuse_in_arguments(["list", "--tracking-uri", "http://host:5000"])


@pytest.mark.parametrize(
    "name", ["MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"]
)
def test_what_mlflow_reads_may_stand_in_a_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    environment = {f"{name}_FILE": str(tmp_path / "secret"), "OTHER": "1"}
    take_up_files(environment)
    assert environment == {name: "s3cret", "OTHER": "1"}
    # As for a process that is started with what is there now.
    take_up_files(environment)


def test_the_database_of_the_studies_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(" postgresql://me:s3cret@db/optuna\n")
    environment = {"ALMKD_OPTUNA_URL_FILE": str(tmp_path / "url")}
    take_up_files(environment)
    # Not in the environment, which the processes that train may see.
    assert "ALMKD_OPTUNA_URL" not in environment
    assert optuna_url(environment) == "postgresql://me:s3cret@db/optuna"
    assert optuna_url({"ALMKD_OPTUNA_URL": "sqlite:///x"}) == "sqlite:///x"
    assert optuna_url({}) is None


@pytest.mark.parametrize("name", ["MLFLOW_TRACKING_PASSWORD", "ALMKD_OPTUNA_URL"])
@pytest.mark.parametrize(
    ("content", "value", "message"),
    [
        (None, None, "cannot be read"),
        (b" \n", None, "is empty"),
        (b"\xff\xfe", None, "cannot be read"),
        (b"s3cret", "other", "are both set"),
    ],
)
def test_a_secret_that_cannot_be_had_is_told_without_its_content(
    tmp_path: Path, name: str, content: bytes | None, value: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    environment = {f"{name}_FILE": str(tmp_path / "secret")}
    if value is not None:
        environment[name] = value
    with pytest.raises(BadInput, match=message) as caught:
        take_up_files(environment)
    assert name in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert "other" not in str(caught.value).replace("another", "")
