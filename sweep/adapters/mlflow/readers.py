"""Accounts of a tracking server that read and change nothing: `authorization_function` of MLflow's
basic authentication, in the server's own process (docker/mlflow.sh).

By itself MLflow asks for each object what an account may do with it, and lets every account make
objects of its own: experiments, models, prompts, with files. Where others have READ by default,
they have nothing but that here: what is no known question is refused, whatever it is about.
"""

import re

from flask import Response, request
from mlflow.server import auth
from werkzeug.datastructures import Authorization

READ = "READ"
# What is asked by GET changes nothing, but for what begins a log-in of another kind.
HARMLESS = frozenset({"GET", "HEAD", "OPTIONS"})
# Questions that are asked by POST, for what they hold is long: below the prefix of a version.
QUESTIONS = re.compile(
    r"(/ajax-api|/api)/\d\.\d/mlflow/("
    r"experiments/search|runs/search|registered-models/search|model-versions/search"
    r"|logged-models/search|traces/search|experiments/search-datasets)"
    r"|/graphql"
)
# What an account may change, of itself alone; MLflow sees to that.
OWN_PASSWORD = re.compile(r"(/ajax-api|/api)/\d\.\d/mlflow/users/update-password")


def authenticate() -> Authorization | Response:
    """Who asks, if that account may; else the answer that it gets."""
    who = auth.authenticate_request_basic_auth()
    if isinstance(who, Response) or _may(str(who.username)):
        return who
    return auth.make_forbidden_response()


def _may(user: str) -> bool:
    return _is_harmless() or auth.auth_config.default_permission != READ or _is_admin(user)


def _is_harmless() -> bool:
    if request.method in HARMLESS:
        return True
    allowed = {"POST": QUESTIONS, "PATCH": OWN_PASSWORD}.get(request.method)
    return allowed is not None and allowed.fullmatch(request.path) is not None


def _is_admin(user: str) -> bool:
    return bool(auth.store.get_user(user).is_admin)
