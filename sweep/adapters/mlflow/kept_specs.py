"""The spec of a sweep among the files of its own run, beside it what else its results depend on."""

import json
import platform
import sys
from importlib.metadata import version
from typing import Any

import yaml
from mlflow import MlflowClient
from mlflow.entities import Run

from sweep.adapters.mlflow.kept_texts import DamagedFile, KeptTexts, is_kept
from sweep.errors import BadInput
from sweep.plan.plan import Plan, spec_hash
from sweep.spec.code_needed import rows_of_own
from sweep.spec.reader import check_spec
from sweep.spec.spec import SweepSpec
from sweep.spec.stored import migrated, written
from sweep.version import code_version
from trainers.own import as_kept_now, kept, take_up

SPEC_FILE = "spec.yaml"
# The rows of the user's own code, by path: with them the spec is read without running that code.
OWN_ROWS_FILE = "own_rows.json"
ENVIRONMENT_FILE = "environment.json"
LIBRARIES = ("torch", "ray", "optuna", "mlflow", "numpy", "pandas", "scipy")


class KeptSpecs:
    """The specs of one tracking store."""

    def __init__(self, client: MlflowClient, texts: KeptTexts) -> None:
        self._client, self._texts = client, texts

    def keep(self, run_id: str, plan: Plan) -> None:
        """Keep the spec of a sweep with its own run, and what its results may depend on besides."""
        text = yaml.safe_dump(written(plan.spec), sort_keys=False)
        self._client.set_tag(run_id, "spec_hash", spec_hash(plan.spec))
        self._texts.keep(run_id, ENVIRONMENT_FILE, json.dumps(environment(), indent=2))
        if own := rows_of_own(plan.spec):
            rows = {path: kept(path) for path in own}
            self._texts.keep(run_id, OWN_ROWS_FILE, json.dumps(rows, indent=2))
        self._texts.keep(run_id, SPEC_FILE, text)

    def has(self, parent: Run) -> bool:
        """Whether the spec of a sweep is kept, damaged or not."""
        return is_kept(parent, SPEC_FILE)

    def versions(self, parent: Run) -> dict[str, str]:
        """Of what a sweep's results may depend on beside its spec."""
        try:
            found: dict[str, Any] = json.loads(self._texts.read(parent, ENVIRONMENT_FILE))
        except DamagedFile:
            return {"not known": f"{ENVIRONMENT_FILE} is damaged"}
        return {name: str(value) for name, value in found.items()}

    def read(self, parent: Run) -> SweepSpec | None:
        """The spec of a sweep; None if it was broken off before that was kept."""
        if not self.has(parent):
            return None
        data = yaml.safe_load(self._texts.read(parent, SPEC_FILE))
        take_up(self._own_rows(parent))
        return check_spec(migrated(data), f"{SPEC_FILE} of {parent.info.run_name}")

    def _own_rows(self, parent: Run) -> dict[str, Any]:
        """The rows of the user's own code that a sweep was launched with, by path."""
        if not is_kept(parent, OWN_ROWS_FILE):
            return {}
        rows: dict[str, Any] = json.loads(self._texts.read(parent, OWN_ROWS_FILE))
        return rows

    def _refuse_other_rows(self, parent: Run, plan: Plan) -> None:
        """BadInput where code of the user's own declares something else than at the launch."""
        launched_with = self._own_rows(parent)
        for path in rows_of_own(plan.spec):
            now = json.loads(json.dumps(kept(path)))
            before = launched_with.get(path, now)
            if json.loads(json.dumps(as_kept_now(before))) != now:
                raise BadInput(
                    f"{plan.spec.name}: was launched when {path} declared something else in its "
                    "entry; undo that, or launch it as it is now with --fork NAME"
                )

    def before(self, parent: Run, plan: Plan) -> SweepSpec | None:
        """As `read`; a damaged one counts as not kept, if ``plan`` is of that very spec."""
        try:
            self._refuse_other_rows(parent, plan)
            return self.read(parent)
        except DamagedFile as error:
            if parent.data.tags.get("spec_hash") == spec_hash(plan.spec):
                return None
            raise BadInput(
                f"{plan.spec.name}: {error}, and this spec is not the one that it was a copy of; "
                "launch that one, or give this one its own name with --fork NAME"
            ) from None


def environment() -> dict[str, Any]:
    """What a result may depend on beside the spec."""
    return {
        "almkd": code_version(),
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "machine": platform.machine(),
        **{name: version(name) for name in LIBRARIES},
    }
