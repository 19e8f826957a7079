"""Scripts, compose.yaml, manifests and the rehearsal say the same of every service."""

import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.rehearsal import __main__ as rehearsal
from tests.rehearsal.compose import ROOT, read, services
from tests.rehearsal.stack import PORTS, PROGRAMS, SINGLE

DOCKER = ROOT / "docker"
SERVERS = [name for name in services() if name != "almkd"]
# A variable that a script reads: ${NAME:-default}, ${NAME:+...}, or "$NAME" with nothing behind it.
READ = re.compile(r"\$\{?([A-Z][A-Z0-9_]+)")
# What the client of the project and the libraries read by themselves, see docs/cluster.md.
OF_DRIVERS = {
    "MLFLOW_TRACKING_URI",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD_FILE",
    "ALMKD_OPTUNA_URL_FILE",
}
OF_LIBRARIES = {"RAY_AUTH_MODE"}


def script_of(service: str) -> Path:
    """What a service runs."""
    (command,) = services()[service].command
    assert command.startswith(f"{PROGRAMS}/")
    return DOCKER / command.removeprefix(f"{PROGRAMS}/")


def pods() -> dict[str, dict[str, Any]]:
    """Every container of the manifests, by the service of compose.yaml that it is."""
    cluster = yaml.safe_load((DOCKER / "kuberay" / "cluster.yaml").read_text())["spec"]
    stores = [
        document["spec"]["template"]
        for document in yaml.safe_load_all((DOCKER / "kuberay" / "stores.yaml").read_text())
        if document["kind"] == "Deployment"
    ]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    templates = [*stores, *(group["template"] for group in groups)]
    containers = [container for t in templates for container in t["spec"]["containers"]]
    return {container["name"]: container for container in containers}


@pytest.mark.parametrize("service", SERVERS)
def test_a_service_runs_a_script_of_this_directory(service: str) -> None:
    script = script_of(service)
    assert script.stat().st_mode & stat.S_IXUSR
    assert script.read_text().startswith("#!/bin/sh\n# ")


@pytest.mark.parametrize("service", SERVERS)
def test_what_compose_sets_is_what_the_script_says_it_reads(service: str) -> None:
    text = script_of(service).read_text()
    if service.startswith("ray"):
        text += (DOCKER / "ray-token.sh").read_text()
    header = re.findall(r"^# ([A-Z][A-Z0-9_]+)\b", text, re.MULTILINE)
    known = {*header, *OF_LIBRARIES, *(OF_DRIVERS if service == "ray-head" else ())}
    assert set(services()[service].environment) <= known


@pytest.mark.parametrize("script", sorted(DOCKER.glob("*.sh")), ids=lambda path: path.name)
def test_a_variable_that_a_script_needs_stands_at_its_head(script: Path) -> None:
    text = script.read_text()
    lines = text.splitlines()
    body = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    own = set(re.findall(r"\b([A-Z][A-Z0-9_]+)=", body))
    defaults = re.findall(r"\$\{([A-Z][A-Z0-9_]+)(?::[-+])", body)
    told = set(re.findall(r"\b[A-Z][A-Z0-9_]+\b", "\n".join(x for x in lines if x.startswith("#"))))
    inherited = {"FQ_RAY_IP", "PGHOST", "ALMKD_SECRETS"}
    assert set(defaults) <= told | inherited
    assert set(READ.findall(body)) <= told | own | inherited | {"PATH"}


def test_secrets_are_those_that_are_made_and_each_is_given_to_who_needs_it() -> None:
    made = (DOCKER / "make-secrets.sh").read_text()
    data = read()
    for name, entry in data["secrets"].items():
        assert re.search(rf"\b{name}\b", made)
        assert entry["file"] == f"secrets/{name}"
    given = {secret for service in services().values() for secret in service.secrets}
    assert given == set(data["secrets"])
    assert services()["ray-worker"].secrets == ["ray_token"]
    assert "docker/secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    assert "docker/secrets" in (ROOT / ".dockerignore").read_text().splitlines()


@pytest.mark.parametrize("service", services())
def test_a_secret_is_named_by_its_file_alone(service: str) -> None:
    found = services()[service]
    for key, value in found.environment.items():
        if value.startswith("/run/secrets/"):
            assert value.removeprefix("/run/secrets/") in found.secrets
        else:
            assert not re.search(r"PASSWORD|TOKEN$|SECRET_KEY", key)
        assert not re.search(r"://[^/]*:[^/]*@", value)


@pytest.mark.parametrize("service", SERVERS)
def test_ports_are_those_of_the_rehearsal_and_reached_from_this_machine_only(service: str) -> None:
    environment = services()[service].environment
    for variable, port in PORTS[service].items():
        assert environment[variable] == str(port)
    for published in read()["services"][service].get("ports", ()):
        assert published.startswith("127.0.0.1:")
    assert services()[service].health
    assert services()[service].init
    assert services()[service].restarts


def test_the_rehearsal_starts_every_service() -> None:
    for service in SERVERS:
        assert any(host.startswith(service) for host in rehearsal.HOSTS)
    assert {"client", *SINGLE} <= set(rehearsal.HOSTS)


@pytest.mark.parametrize("service", SERVERS)
def test_the_manifests_run_the_same_with_the_same_environment(service: str) -> None:
    pod = pods()[service]
    (script,) = (word for word in pod["command"] if word != "sh")
    assert script == services()[service].command[0]
    environment = dict(services()[service].environment)
    for entry in pod["env"]:
        expected = environment[entry["name"]].replace("/run/secrets", "/run/secrets/almkd")
        if entry["name"] != "ALMKD_CPUS" or service == "ray-head":
            assert entry["value"] == expected
    # KubeRay gives the token, tells a worker its head, and fixes the head's port.
    missing = set(environment) - {entry["name"] for entry in pod["env"]}
    assert missing <= {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH", "RAY_HEAD", "RAY_PORT"}


def test_the_job_makes_the_same_cluster() -> None:
    kuberay = DOCKER / "kuberay"
    job = yaml.safe_load((kuberay / "job.yaml").read_text())
    cluster = yaml.safe_load((kuberay / "cluster.yaml").read_text())
    assert job["spec"]["rayClusterSpec"] == cluster["spec"]
    assert job["metadata"]["annotations"] == cluster["metadata"]["annotations"]


def test_ray_is_of_one_version_everywhere() -> None:
    (pinned,) = re.findall(r"^ray==(.*)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    cluster = yaml.safe_load((DOCKER / "kuberay" / "cluster.yaml").read_text())
    assert cluster["spec"]["rayVersion"] == pinned


def test_a_variable_of_compose_has_a_default_and_takes_what_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not any("$" in value for s in services().values() for value in s.environment.values())
    assert os.environ.get("ALMKD_WORKER_CPUS") is None
    assert services()["ray-worker"].environment["ALMKD_CPUS"] == "1"
    monkeypatch.setenv("ALMKD_WORKER_CPUS", "8")
    assert services()["ray-worker"].environment["ALMKD_CPUS"] == "8"
