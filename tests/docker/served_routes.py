"""Prints every route of MLflow's server with accounts as JSON: method and path.

Those that Flask serves, and those that FastAPI serves before it. Run with the environment of a
server; `tests.docker.test_readers` asks them all.
"""

import json
import sys

from mlflow.server import app as flask
from mlflow.server.auth import create_app


def main() -> None:
    app = create_app()
    found = {(method, rule.rule) for rule in flask.url_map.iter_rules() for method in rule.methods}
    for path, methods in app.openapi()["paths"].items():
        found |= {(method.upper(), path) for method in methods}
    json.dump(sorted(found), sys.stdout)


if __name__ == "__main__":
    main()
