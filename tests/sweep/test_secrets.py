"""Passwords are masked wherever they could be seen."""

import pytest

from sweep.errors import BadInput
from sweep.secrets import masked, refuse_in_arguments


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
        ("http://me@host:5000/a", "http://me@host:5000/a"),
        ("http://host:5000/a@b", "http://host:5000/a@b"),
        ("sqlite:////tmp/a:b@c", "sqlite:////tmp/a:b@c"),
    ],
)
def test_only_passwords_are_masked(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_a_password_among_the_arguments_is_refused_without_being_repeated() -> None:
    with pytest.raises(BadInput) as caught:
        refuse_in_arguments(["list", "--tracking-uri=http://me:s3cret@host"])
    assert "s3cret" not in str(caught.value)
    assert "MLFLOW_TRACKING_PASSWORD" in str(caught.value)
    refuse_in_arguments(["list", "--tracking-uri", "http://host:5000"])
