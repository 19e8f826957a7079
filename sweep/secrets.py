"""Passwords stay out of arguments, messages and logs."""

import re
from collections.abc import Sequence

from sweep.errors import BadInput

# user:password in a URL, wherever in a text it stands.
_PASSWORD = re.compile(r"(://[^\s/:@]*):[^\s/@]+@")


def masked(text: str) -> str:
    """``text`` with the password of every URL in it replaced by ``***``."""
    return _PASSWORD.sub(r"\1:***@", text)


def refuse_in_arguments(arguments: Sequence[str]) -> None:
    """BadInput if an argument holds a URL with a password, which any user of a machine can read."""
    for argument in arguments:
        if _PASSWORD.search(argument):
            raise BadInput(
                f"{masked(argument)}: holds a password, and arguments can be read by everyone on "
                "this machine; give the store in the environment as MLFLOW_TRACKING_URI, or a "
                "server's password as MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            )
