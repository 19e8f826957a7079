"""What the scripts of docker/ refuse, and what make-secrets.sh makes; run as they are."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rehearsal.compose import ROOT, read

DOCKER = ROOT / "docker"


def run(script: str, *arguments: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A script with this environment and no other."""
    return subprocess.run(
        [DOCKER / script, *arguments],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], **environment},
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("script", ["postgres.sh", "mlflow.sh"])
def test_a_server_does_not_start_without_its_passwords(script: str, tmp_path: Path) -> None:
    secrets, data = tmp_path / "secrets", tmp_path / "data"
    secrets.mkdir()
    done = run(script, ALMKD_SECRETS=str(secrets), PGDATA=str(data))
    assert done.returncode == 2
    assert f"{script}: {secrets}/" in done.stderr
    assert "make-secrets.sh" in done.stderr
    # An empty file is no password either.
    run("make-secrets.sh", secrets)
    for secret in secrets.iterdir():
        secret.unlink()
        secret.touch()
    done = run(script, ALMKD_SECRETS=str(secrets), PGDATA=str(data))
    assert done.returncode == 2
    assert not data.exists()


@pytest.mark.parametrize("script", ["ray-head.sh", "ray-worker.sh"])
def test_a_node_does_not_start_without_its_token(script: str, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    done = run(script, RAY_AUTH_TOKEN_PATH=str(tmp_path / "none"), ALMKD_RUNS=str(runs))
    assert done.returncode == 2
    assert f"{script}: no token in {tmp_path / 'none'}" in done.stderr
    assert not runs.exists()


def test_secrets_are_made_for_their_owner_and_kept(tmp_path: Path) -> None:
    place = tmp_path / "secrets"
    assert run("make-secrets.sh", place).returncode == 0
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    made = {path.name: path.read_text() for path in place.iterdir()}
    assert set(made) == set(read()["secrets"])
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o444 for path in place.iterdir())
    plain = [text for name, text in made.items() if name != "optuna_url"]
    assert all(len(text) == 64 and set(text) <= set("0123456789abcdef") for text in plain)
    assert len(set(plain)) == len(plain)
    password = made["optuna_db_password"]
    assert made["optuna_url"] == f"postgresql+psycopg://optuna:{password}@postgres:5432/optuna"

    (place / "ray_token").unlink()
    again = run("make-secrets.sh", place)
    assert again.stdout == f"made {place}/ray_token\n"
    del made["ray_token"]
    assert all((place / name).read_text() == text for name, text in made.items())


def test_a_restore_without_its_files_touches_nothing(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    run("make-secrets.sh", secrets)
    done = run("restore.sh", tmp_path, ALMKD_SECRETS=str(secrets))
    assert done.returncode == 2
    assert f"{tmp_path}/mlflow.dump is missing or empty" in done.stderr


def test_what_the_image_installs_is_what_the_project_asks_for() -> None:
    done = subprocess.run(
        [sys.executable, DOCKER / "dependencies.py", "cluster"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    asked = done.stdout.splitlines()
    for start in ("torch>=", "mlflow>=", "mlflow[auth]>=", "psycopg[binary]", "ray[default]"):
        assert sum(line.startswith(start) for line in asked) == 1
