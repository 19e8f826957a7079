"""The report: what it says, that it holds together alone, and how a browser shows it."""

import base64
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from sweep.compare.comparison import comparison_table
from sweep.compare.curves import Curves, read_curves
from sweep.compare.figures.saver import FigureSaver
from sweep.compare.findings import Findings
from sweep.compare.origin import Origin
from sweep.compare.outputs import drawings, write_outputs
from sweep.compare.records import SweepRecord
from sweep.compare.report import Picture, report
from sweep.spec.reader import read_spec
from sweep.spec.spec import SweepSpec
from tests.sweep.compare.browser import browser, visit
from trainers.entries import Metric

Make = Callable[..., Any]
NO_CURVES = Curves(pd.DataFrame(columns=["run_id", "epoch"]))
EVIL = '<script>alert("x")</script> & "quotes"'
needs_browser = pytest.mark.skipif(
    browser() is None, reason="no Chromium to look with: apt-get install chromium"
)


def origin_of(spec: SweepSpec, **changes: Any) -> Origin:
    fields: dict[str, Any] = {
        "spec": spec,
        "state": "complete",
        "started": pd.Timestamp("2026-01-02 03:04", tz="UTC"),
        "versions": {"almkd": "0.1.0", "torch": "2.13.0"},
        "dashboard": "http://127.0.0.1:5000/#/experiments/1",
        "parent_id": "abc",
        "is_served": False,
    } | changes
    return Origin(**fields)


@pytest.fixture(scope="module")
def spec() -> SweepSpec:
    return read_spec("digits", [f"description={EVIL!r}"])


@pytest.fixture(scope="module")
def findings(record: SweepRecord, spec: SweepSpec, make_histories: Make) -> Findings:
    shares = pd.DataFrame(
        [("alm_kd", "40 % noise", "lr", 0.7, 9), ("alm_kd", "40 % noise", "tau", 0.3, 9)],
        columns=["method", "condition", "hyperparameter", "importance", "n_trials"],
    )
    curves = read_curves(record, make_histories(record))
    return Findings(record, origin_of(spec), comparison_table(record, 0), curves, lambda: shares)


@pytest.fixture(scope="module")
def page(findings: Findings, tmp_path_factory: pytest.TempPathFactory) -> str:
    place = tmp_path_factory.mktemp("results")
    write_outputs(findings, place, FigureSaver())
    return (place / "report.html").read_text(encoding="utf-8")


class Elements(HTMLParser):
    """Tags with their attributes, and text by the innermost tag."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.split("</style>")[1]))


def test_question_and_answer_come_first(page: str) -> None:
    text = words(page)
    begin = text.index("Does alm_kd beat fixed_kd on digits under symmetric noise?")
    assert begin < text.index("alm_kd beats fixed_kd at 40 % noise (+") < text.index("Table")


def test_every_part_is_there(page: str, findings: Findings) -> None:
    elements = Elements(page)
    ids = [attrs.get("id") for tag, attrs in elements.tags if tag == "section"]
    assert ids == ["table", "figures", "fairness", "failures", "spec", "again"]
    pictures = [attrs for tag, attrs in elements.tags if tag == "img"]
    assert len(pictures) == len(list(drawings(findings))) == 8
    assert all(picture["alt"] for picture in pictures)
    for part in ("almkd compare digits-noise", "torch", "2.13.0", "n_startup_trials: 8", "6 runs"):
        assert part in words(page)


def test_questions_that_were_changed_about_results_are_told(findings: Findings, page: str) -> None:
    assert "questions were changed" not in words(page)
    origin = replace(findings.origin, questions_changed="2026-01-05")
    told = words(report(replace(findings, origin=origin), []))
    assert "The declared questions were changed on 2026-01-05, when results were there" in told


def test_a_family_that_grew_about_results_is_told(findings: Findings, page: str) -> None:
    origin = replace(findings.origin, extended="2026-01-05", comparisons_before=2)
    extended = report(replace(findings, origin=origin), [])
    assert "was extended" not in page
    told = " ".join(extended.split())
    assert "was extended on 2026-01-05, when results of 2 comparisons were there" in told
    assert "Holm's family is computed anew, over the 3 of this table" in told


def test_it_needs_nothing_from_elsewhere(page: str) -> None:
    for tag, attrs in Elements(page).tags:
        assert tag not in ("script", "link", "iframe", "object", "embed")
        assert (attrs.get("src") or "data:").startswith("data:image/svg+xml;base64,"[:5])
        assert not any(name.startswith("on") for name in attrs)
    assert "@import" not in page
    assert "url(" not in page


def test_figures_in_the_page_ask_for_nothing_either(page: str) -> None:
    for _, attrs in Elements(page).tags:
        if attrs.get("src"):
            svg = base64.b64decode(str(attrs["src"]).split(",")[1]).decode()
            links = re.findall(r'href="([^"]*)"', svg)
            assert all(link.startswith(("#", "data:")) for link in links)
            assert "<script" not in svg


def test_every_name_is_escaped(make_record: Make, spec: SweepSpec, tmp_path: Path) -> None:
    def fail(trials: pd.DataFrame) -> pd.DataFrame:
        trials = trials.copy()
        trials.loc[trials["state"] == "failed", "reason"] = EVIL
        return trials.assign(params=EVIL)

    names = {"methods": ("fixed_kd", EVIL), "name": EVIL, "dataset": EVIL, "spaces": {}}
    record = make_record(**names, values=lambda c, m, s: 90.0 + s, drop=fail)
    origin = origin_of(spec, versions={EVIL: EVIL}, state=EVIL)
    table = comparison_table(record, 0)
    figure = tmp_path / "figure.svg"
    figure.write_text("<svg/>", encoding="utf-8")
    findings = Findings(record, origin, table, NO_CURVES, pd.DataFrame)
    page = report(findings, [Picture(figure, 3.0, EVIL, EVIL)])
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 10


def test_other_metrics_are_shown_as_exploratory_where_there_are_any(
    make_record: Make, findings: Findings, page: str, tmp_path: Path
) -> None:
    assert "Other metrics" not in words(page)
    loss = Metric("loss", "", "nats", "minimize")
    record = make_record(others=(loss,), drop=lambda t: t.assign(test_loss=t["test_accuracy"] / 50))
    text = words(report(replace(findings, record=record), []))
    begin = text.index("Other metrics")
    assert text.index("Differences") < begin < text.index("Exploratory: to look at, not tested.")
    assert "loss, nats (lower is better)" in text[begin:]
    # Nothing else of the page speaks of it.
    assert "loss" not in text[:begin]


def test_an_unfinished_sweep_says_so(findings: Findings) -> None:
    running = replace(findings, origin=replace(findings.origin, state="running"))
    text = words(report(running, []))
    assert "The sweep is running: what is below is what it has shown so far." in text


def test_the_same_sweep_gives_the_same_page(findings: Findings, page: str, tmp_path: Path) -> None:
    write_outputs(findings, tmp_path / "again", FigureSaver())
    assert (tmp_path / "again" / "report.html").read_text(encoding="utf-8") == page


@needs_browser
@pytest.mark.parametrize("size", [(1400, 3000), (480, 3000)])
def test_a_browser_shows_table_and_figures_in_any_window(
    size: tuple[int, int], page: str, tmp_path: Path
) -> None:
    # The page tells its own layout; a browser without a driver can be asked in no other way.
    probe = """<script>addEventListener("load", () => {
      const wide = [...document.images].filter(i => i.complete && i.naturalWidth > 0).length
      const rows = document.querySelectorAll(".paper tbody tr").length
      const spill = document.documentElement.scrollWidth - innerWidth
      document.title = `pictures ${wide} rows ${rows} spill ${Math.max(spill, 0)}` })</script>"""
    file = tmp_path / "probed.html"
    file.write_text(page.replace("</body>", f"{probe}</body>"), encoding="utf-8")
    seen = visit(file.as_uri(), size, tmp_path / "browser")
    assert seen.console == []
    assert "<title>pictures 8 rows 2 spill 0</title>" in seen.document
    image = np.asarray(matplotlib.image.imread(seen.picture))
    assert image.shape[1] == size[0]
    assert len(np.unique(image.reshape(-1, image.shape[2]), axis=0)) > 50
