"""compose.yaml, the manifests, the Dockerfile and the scripts by the rules of their kind."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.rehearsal.compose import COMPOSE, ROOT, read

DOCKER = ROOT / "docker"
KUBERNETES = "1.34"


def program(name: str) -> str:
    """A linter, beside the interpreter that runs the tests."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if not found:
        pytest.skip(f"there is no {name} for this kind of machine")
    return found


def passes(*command: object) -> None:
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_compose_follows_its_schema(tmp_path: Path) -> None:
    check = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec")
    passes(*check, COMPOSE)
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(COMPOSE.read_text().replace("healthcheck:", "healtcheck:"))
    with pytest.raises(AssertionError, match="healtcheck"):
        passes(*check, wrong)


def test_the_dockerfile_is_clean() -> None:
    passes(program("hadolint"), DOCKER / "Dockerfile")


def test_the_image_is_pinned_holds_no_secret_and_is_not_run_by_root() -> None:
    text = (DOCKER / "Dockerfile").read_text()
    bases = re.findall(r"^ARG PYTHON_IMAGE=(.*)$", text, re.MULTILINE)
    assert bases == ["python:3.11-slim-bookworm"]
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"${PYTHON_IMAGE}"}
    assert not re.search(r"^(ENV|ARG) .*(PASSWORD|TOKEN|SECRET)", text, re.MULTILINE)
    assert not re.search(r"^(COPY|ADD) (\.|docker) ", text, re.MULTILINE)
    user = re.findall(r"^USER (\S+)$", text, re.MULTILINE)
    assert user[-1:] == ["10001:10001"]
    for service in read()["services"].values():
        tag = service["image"].partition(":")[2]
        assert tag
        assert tag != "latest"
        assert "root" not in str(service.get("user", ""))


@pytest.mark.parametrize("script", sorted(DOCKER.glob("*.sh")), ids=lambda path: path.name)
def test_a_script_is_clean(script: Path) -> None:
    shell = script.read_text().partition("\n")[0].removeprefix("#!")
    passes(shell, "-n", script)
    passes(program("shellcheck"), "--external-sources", script)


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DOCKER / "kuberay" / name).read_text()))


def test_the_stores_follow_kubernetes_schemas() -> None:
    for document in documents("stores.yaml"):
        kubernetes_validate.validate(document, KUBERNETES, strict=True)


def test_the_pods_of_the_cluster_follow_kubernetes_schema() -> None:
    (cluster,) = documents("cluster.yaml")
    groups = [cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]]
    for group in groups:
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}}
        kubernetes_validate.validate({**pod, **group["template"]}, KUBERNETES, strict=True)


def test_what_is_kuberays_own_has_the_fields_that_it_knows() -> None:
    # Its schema is not at hand; these are the fields of its reference that are in use.
    (cluster,), (job,) = documents("cluster.yaml"), documents("job.yaml")
    assert (cluster["apiVersion"], cluster["kind"]) == ("ray.io/v1", "RayCluster")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    head, (workers,) = cluster["spec"]["headGroupSpec"], cluster["spec"]["workerGroupSpecs"]
    assert set(cluster["spec"]) == {
        *("rayVersion", "authOptions", "headGroupSpec", "workerGroupSpecs")
    }
    assert cluster["spec"]["authOptions"] == {"mode": "token"}
    assert set(head) == {"rayStartParams", "template"}
    assert set(workers) == {
        *("groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template")
    }
    assert set(job["spec"]) == {
        *("entrypoint", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished"),
        *("backoffLimit", "rayClusterSpec"),
    }


def test_kuberays_own_secret_is_not_ours() -> None:
    # It keeps the token in a Secret of the cluster's name.
    (cluster,) = documents("cluster.yaml")
    text = "".join(path.read_text() for path in (DOCKER / "kuberay").glob("*.yaml"))
    assert set(re.findall(r"secretName: (\S+)", text)) == {"almkd-secrets"}
    assert cluster["metadata"]["name"] != "almkd-secrets"


@pytest.mark.parametrize("name", ["stores.yaml", "cluster.yaml"])
def test_no_pod_runs_as_root_or_holds_a_password(name: str) -> None:
    for document in documents(name):
        text = yaml.safe_dump(document)
        assert text.count("runAsNonRoot: true") == text.count("containers:")
        assert text.count("allowPrivilegeEscalation: false") == text.count("containers:")
        assert "kind: Secret" not in text
