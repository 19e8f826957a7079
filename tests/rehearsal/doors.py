"""Without the token nothing can be submitted; without the password nothing is read or written.

Each door is tried with no key and a wrong one, by plain requests and by the commands.
"""

from pathlib import Path

from tests.rehearsal.client import CLUSTER, PASSWORD, TOKEN, Client
from tests.rehearsal.stack import Node, Stack
from tests.rehearsal.steps import Steps

REFUSED = (401, 403)


def refused_everywhere(stack: Stack, client: Client, steps: Steps) -> None:
    """By plain requests."""
    answers = client.ask("asking", client.cluster, client.tracking, stack.at("postgres", 5432))
    for place in ("cluster", "tracking"):
        for door, status in answers[place].items():
            steps.check(status in REFUSED, f"{place} refuses {door}", f"status {status}")
    for door, said in answers["postgres"].items():
        steps.check(bool(said), f"PostgreSQL refuses {door}", "it let it in")


def nothing_changed_by_a_reader(client: Client, steps: Steps) -> None:
    """By an account that reads, which the administrator makes."""
    answers = client.ask("reading", client.tracking)
    steps.check(answers["made"] == 200, "an account is made", answers)
    steps.check(answers["read"] == 200, "it reads", answers)
    for door, status in answers["tried"].items():
        steps.check(status in REFUSED, f"a reader is refused {door}", f"status {status}")


def commands_refused(stack: Stack, client: Client, spec: Path, steps: Steps) -> None:
    """By almkd: one message, exit code 2, and nothing is there afterwards."""
    wrong = stack.place / "wrong"
    wrong.write_text("0" * 64, encoding="utf-8")
    launch = ("almkd", "launch", str(spec), "--address", client.cluster)
    listed = ("almkd", "list")
    tries = {
        "launch without a token": (launch, client.without(*TOKEN)),
        "launch with a wrong token": (launch, client.without(RAY_AUTH_TOKEN_PATH=str(wrong))),
        "list without a password": (listed, client.without(*PASSWORD, CLUSTER)),
        "list with a wrong password": (
            listed,
            client.without(CLUSTER, MLFLOW_TRACKING_PASSWORD_FILE=str(wrong)),
        ),
    }
    for title, (command, environment) in tries.items():
        code, printed = client.run(*command, environment=environment)
        steps.check(code in (1, 2), f"{title} is refused", f"exit code {code}: {printed}")
        steps.check("Traceback" not in printed, f"{title} is told in words", printed[-300:])
    listed_now = client.almkd("list")
    steps.check("faults" not in listed_now, "nothing was submitted", listed_now)


def node_with_wrong_token(stack: Stack) -> Node:
    """A node that tries to join with another token."""
    secrets = stack.place / "secrets" / "stranger"
    secrets.mkdir(parents=True)
    (secrets / "ray_token").write_text("0" * 64, encoding="utf-8")
    return stack.start("stranger", "ray-worker")


def did_not_join(stranger: Node, steps: Steps) -> None:
    """It has given up by now."""
    code = stranger.process.wait(timeout=120)
    said = stranger.log.read_text()
    steps.check(code != 0, "a node with a wrong token does not join", said)
    steps.check("InvalidAuthToken" in said, "and is told that it is the token", said)
