"""Tables and figures of docs/performance.md from bench/results/*.json: no number is typed.

    python bench/page.py [--check]

Each table stands between two marks in the page, `<!-- table: NAME -->` and `<!-- end -->`; what is
between them is written anew, and says so where a result is not there. Figures are those of
docs/figures that bear a result's name. --check writes nothing and fails where the page differs.
"""

import argparse
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from sweep.compare.figures.style import GREY, Grid, draw_grid, look, save

HERE = Path(__file__).resolve().parent
RESULTS, PAGE = HERE / "results", HERE.parent / "docs" / "performance.md"
MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
Result = Mapping[str, Any]


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> list[str]:
    """A table in Markdown; numbers get three digits."""
    lines = [list(head), *[list(row) for row in rows]]
    cells = [[_shown(value) for value in line] for line in lines]
    rule = ["---" if i == 0 else "---:" for i in range(len(cells[0]))]
    return [f"| {' | '.join(line)} |" for line in (cells[0], rule, *cells[1:])]


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def every_task(results: Path) -> list[str]:
    """What each task gains, in times as fast, by the results of its script."""
    rows = []
    for task in TASKS:
        path = results / f"{task}.json"
        if not path.exists():
            rows.append([task, *["not measured"] * 3])
            continue
        speed = json.loads(path.read_text(encoding="utf-8"))["speed"]
        lanes = "in turn" if speed["lanes"] is None else speed["lanes"]
        rows.append([task, speed["sweep"], lanes, speed["step"]])
    return table(["", "sweep / plain loop", "lanes / one at a time", "step / plain step"], rows)


def sweep_of(r: Result, spec: str) -> str:
    """What the small sweep of a task trained."""
    swept, times = r["sweep"], _shown(r["speed"]["sweep"])
    return (
        f"The sweep of `bench/{spec}.yaml` trains {_shown(swept['trial_epochs'])} trial-epochs in "
        f"{_shown(swept['seconds'])} s, {times} times as many a second as the plain loop."
    )


def classification(r: Result) -> list[str]:
    """Epochs of the students of digits against a plain loop."""
    names = {"alm_kd": "ALM-KD", "fixed_kd": "fixed mix", "labels_only": "labels alone"}
    ways = ("plain", "alone", "together")
    rows = [
        [what, *[1e3 * r["seconds"][way][method] for way in ways]] for method, what in names.items()
    ]
    said = (
        f"{r['lanes']} lanes train {_shown(r['ratio'])} times as many epochs a second as the plain "
        f"loop (all rounds: {', '.join(map(_shown, r['ratios']))}), one lane {_shown(r['alone'])} "
        f"times. {sweep_of(r, 'digits')}"
    )
    heads = ["ms of an epoch of a student", "plain loop", "one lane", f"{r['lanes']} lanes"]
    return [*table(heads, rows), "", said]


def against_stock(r: Result) -> list[str]:
    """Trial-epochs per second of ours and of the usual parts."""
    names = ("trials", "trial_epochs", "seconds", "trial_epochs_per_second")
    who = {"ours": "almkd, launch to table", "stock": "the usual parts, their searches alone"}
    rows = [[label, *[r[key][name] for name in names]] for key, label in who.items()]
    whole = _shown(r["ratio_with_start"])
    ratio = f"Ratio {_shown(r['ratio'])}; counting the start of the usual parts, {whole}."
    head = ["", "trials", "trial-epochs", "s", "trial-epochs/s"]
    return [*table(head, rows), "", f"{ratio} {rounds(r)}"]


def careful(r: Result) -> list[str]:
    """Trial-epochs per second of ours and of a careful user's script, and the bare loop."""
    names = ("trials", "trial_epochs", "seconds", "trial_epochs_per_second")
    each = r["per_seed"]
    rows = [
        [said, *[part[name] for name in names]]
        for said, part in (
            ("almkd, one search per cell", r["ours"]),
            ("the script", r["script"]),
            ("almkd, a search per cell and seed", each["ours"]),
            (f"the script, on the first seeds alone ({each['script_seeds']})", each["script"]),
        )
    ]
    of_all = {name: ", ".join(map(_shown, ratios)) for name, ratios in r["of_all_rounds"].items()}
    said = (
        f"One search per cell: {_shown(r['ratio'])} times the script's trial-epochs a second (all "
        f"rounds: {of_all['ratio']}), and {_shown(r['bare_ratio'])} times the bare loop's time "
        f"after the start (all rounds: {of_all['bare_ratio']}). A search per cell and seed: "
        f"{_shown(r['per_seed_ratio'])} times the script's trial-epochs a second (all rounds: "
        f"{of_all['per_seed_ratio']})."
    )
    head = ["", "trials", "trial-epochs", "s", "trial-epochs/s"]
    return [*table(head, rows), "", said]


def bare_loop(r: Result) -> list[str]:
    """A sweep's wall time against the bare loop's."""
    names = ("lane_epochs", "processes", "bare_s", "start_s", "rest_s", "ratio", "training_ratio")
    row = [r["sweep"], *[r[name] for name in names]]
    budgets = ", ".join(map(_shown, r["budget_ratios"]))
    said = f"Start and rest together, less 15 s, over the bare loop: {budgets}."
    return [*table(["", *names], [row]), "", f"{rounds(r)} {said}"]


def start(r: Result) -> list[str]:
    """Seconds before a launch trains and after it has trained."""
    names = {
        "first_line_s": "the first line on the screen",
        "start_s": "the first cohort trains",
        "joined_start_s": "the first cohort trains, on a Ray that runs already",
        "end_s": "from the last training to the end",
        "again_s": "the same launch again, nothing left to do",
    }
    rows = [
        [what, r[name], ", ".join(_shown(found[name]) for found in r["rounds"])]
        for name, what in names.items()
    ]
    return table(["s", "median", "all rounds"], rows)


def rounds(r: Result) -> str:
    """The ratios of all rounds, of which the table shows the one in the middle."""
    return f"The ratios of all rounds: {', '.join(map(_shown, r['ratios']))}."


def profile(r: Result) -> list[str]:
    """Where the time of that sweep went."""
    spent = r["profile"]["in_processes_s"]
    whole = sum(spent.values())
    rows = [[what, seconds, 100 * seconds / whole] for what, seconds in spent.items()]
    share = updates(r["profile"])
    said = f"Of the students' training, the methods' own updates take {_shown(share)} %."
    return [*table(["", "s of all processes", "%"], rows), "", said]


def updates(spent: Result) -> float:
    """The percentage that the methods' updates take of what students spend on training."""
    total = {"training": 0.0, "evaluation": 0.0, "method": 0.0}
    for name, seconds in spent["cohorts"].items():
        if not name.startswith("teacher"):
            for purpose in total:
                total[purpose] += seconds.get(purpose, 0.0)
    return 100 * total["method"] / max(sum(total.values()), 1e-9)


def hypergradient(r: Result) -> list[str]:
    """Seconds and memory of both ways."""
    sizes = list(r["memory_mb"]["ours"])
    head = ["", "s an update", *[f"MB a group, H = {h}" for h in sizes]]
    rows = [[way, r["seconds"][way], *r["memory_mb"][way].values()] for way in ("ours", "outer")]
    return [*table(head, rows), "", f"Ratio {_shown(r['ratio'])}."]


def by_trials(r: Result) -> list[str]:
    """A row for each number of trials."""
    names = list(next(iter(r["by_trials"].values())))
    rows = [[int(n), *[point[x] for x in names]] for n, point in r["by_trials"].items()]
    return table(["trials", *names], rows)


def writer(r: Result) -> list[str]:
    """The cost of a trial in MLflow."""
    names = ("trials", "epochs", "metrics", "cpu_ms", "wall_ms", "in_the_way_ms")
    return table(["", *names], [["SQLite", *[r[name] for name in names]]])


def text(r: Result) -> list[str]:
    """A sweep over texts and one of its students against a plain loop."""
    epoch_s = r["epoch_s"]
    rows = [
        ["an epoch of one student, s", epoch_s["ours"], epoch_s["asks"], epoch_s["reads"]],
        [
            "trial-epochs/s",
            r["trial_epochs"] / r["seconds"],
            1 / epoch_s["asks"],
            1 / epoch_s["reads"],
        ],
    ]
    of_all = {name: ", ".join(map(_shown, ratios)) for name, ratios in r["of_all_rounds"].items()}
    said = (
        f"One student takes {_shown(r['step_ratio'])} times the time of the plain loop that reads "
        f"logits (all rounds: {of_all['step_ratio']}); the sweep trains "
        f"{_shown(r['sweep_ratio'])} times as many trial-epochs a second as the plain loop that "
        f"asks its teacher (all rounds: {of_all['sweep_ratio']}), and "
        f"{_shown(r['kept_ratio'])} times as many as the one that reads logits (all rounds: "
        f"{of_all['kept_ratio']}). Eight lanes train {_shown(r['speed']['lanes'])} times as many "
        "epochs a second as one at a time. The launching process held "
        f"{_shown(r['peak_memory_mb'])} MB."
    )
    heads = ["", "almkd", "plain loop, asks its teacher", "plain loop, reads logits"]
    return [*table(heads, rows), "", said]


def incremental(r: Result) -> list[str]:
    """A sweep over tasks against a plain loop."""
    rows = [
        [way, of["ours"], of["alone"], of["plain"], of["plain"] / of["ours"]]
        for way, of in r["epoch_s"].items()
    ]
    of_all = {name: ", ".join(map(_shown, ratios)) for name, ratios in r["of_all_rounds"].items()}
    said = (
        f"The sweep trains {_shown(r['trial_epochs'] / r['seconds'])} trial-epochs a second, "
        f"{_shown(r['sweep_ratio'])} times those of the plain loop (all rounds: "
        f"{of_all['sweep_ratio']}); one cohort of 12 lanes by itself {_shown(r['lane_ratio'])} "
        f"times (all rounds: {of_all['lane_ratio']}). The launching process held "
        f"{_shown(r['peak_memory_mb'])} MB."
    )
    heads = ["seconds of a trial-epoch", "of 12 lanes", "one lane", "plain loop", "12 lanes, times"]
    return [*table(heads, rows), "", said]


def language(r: Result) -> list[str]:
    """Steps of language distillation against a plain loop and trl."""
    names = {"sft": "labels alone", "fixed_kd": "fixed mix, kept logits", "gkd": "on-policy"}
    rows = [
        [what, *[1e3 * r["ours_s"][way][lanes] for lanes in ("1", "4")], 1e3 * r["plain_s"][way],
         1e3 * r["trl_s"] if way == "gkd" and "trl_s" in r else "-"]
        for way, what in names.items()
    ]  # fmt: skip
    skd = [1e3 * r["ours_s"]["skd"][lanes] for lanes in ("1", "4")]
    rows.append(["corrected by the teacher", *skd, "-", "-"])
    rate, step = r["rate_ratio"]["gkd"], r["step_ratio"]
    said = (
        f"A step of one lane takes {_shown(step['sft'])} (labels) and {_shown(step['fixed_kd'])} "
        f"(mix) times that of the plain loop. On-policy steps write and train {_shown(rate['1'])} "
        f"times as many tokens a second as the plain loop with one lane, {_shown(rate['4'])} with "
        "four"
    )
    if "trl_ratio" in r:
        trl = r["trl_ratio"]
        of_all = {n: ", ".join(map(_shown, all_)) for n, all_ in r["of_all_rounds"].items()}
        said += (
            f"; {_shown(trl['1'])} and {_shown(trl['4'])} times those of trl's GKDTrainer (all "
            f"rounds: {of_all['1']}; with four {of_all['4']})"
        )
    heads = ["ms of a step of a lane", "one lane", "four lanes", "plain loop", "trl"]
    return [*table(heads, rows), "", f"{said}. {sweep_of(r, 'language')}"]


def recommendation(r: Result) -> list[str]:
    """Epochs of recommendation against a plain loop."""
    seconds, large = r["seconds"], r["million"]
    row = [1e3 * seconds[way] for way in ("plain", "alone", "together")]
    said = (
        f"Eight lanes train {_shown(r['ratio'])} times as many epochs a second as the plain loop "
        f"(all rounds: {', '.join(map(_shown, r['ratios']))}), one lane {_shown(r['alone'])} "
        f"times. An evaluation takes {_shown(r['evaluation_ms'])} ms a lane. An epoch over a "
        f"million interactions takes {_shown(large['seconds'])} s; from its second epoch to its "
        f"{2 + large['epochs']}th the process, which held {_shown(large['peak_mb'])} MB at most, "
        f"grew by {large['grown_mb']:.1f} MB. {sweep_of(r, 'recommendation')}"
    )
    heads = ["ms of an epoch of a student", "plain loop", "one lane", "eight lanes"]
    return [*table(heads, [["BPR", *row]]), "", said]


def ctc(r: Result) -> list[str]:
    """Epochs of utterances against a plain loop."""
    row = [1e3 * r["seconds"][way] for way in ("plain", "alone", "together")]
    said = (
        f"Eight lanes train {_shown(r['ratio'])} times as many epochs a second as the plain loop "
        f"(all rounds: {', '.join(map(_shown, r['ratios']))}), one lane {_shown(r['alone'])} "
        f"times. An update of all weights of ALM-KD takes as long as {_shown(r['update'])} epochs "
        f"of the fixed mix, with eight lanes. {sweep_of(r, 'ctc')}"
    )
    heads = ["ms of an epoch of a student", "plain loop", "one lane", "eight lanes"]
    return [*table(heads, [["fixed mix, kept logits", *row]]), "", said]


def detection(r: Result) -> list[str]:
    """Epochs of pictures with boxes against a plain loop."""
    row = [1e3 * r["seconds"][way] for way in ("plain", "ours", "feature_kd", "ikd")]
    said = (
        f"A lane trains {_shown(r['ratio'])} times as many epochs a second as the plain loop "
        f"(all rounds: {', '.join(map(_shown, r['ratios']))}). An update of all weights of ALM-KD "
        f"takes as long as {_shown(r['update'])} epochs of the fixed mix by the last layer, "
        f"{_shown(r['full'])} by the whole network; an epoch of IKD {_shown(r['ikd'])} times one "
        f"of `feature_kd`; mean average precision of the test canvases {_shown(r['measure'])} "
        f"epochs of the fixed mix. {sweep_of(r, 'detection')}"
    )
    heads = ["ms of an epoch", "plain loop, fixed mix", "fixed mix", "`feature_kd`", "`ikd`"]
    return [*table(heads, [["600 canvases", *row]]), "", said]


def lanes(r: Result) -> list[str]:
    """The best number of lanes and the automatic one, then the curves."""
    rows = [
        [name, c["lane_steps_per_second"]["1"], c["best"], c["times_one_lane"], c["automatic"],
         c["automatic_of_best"] if c["automatic_of_best"] is not None else "-"]
        for name, c in r["curves"].items()
    ]  # fmt: skip
    head = ["", "lane steps/s alone", "best lanes", "times alone", "automatic", "of the best"]
    points = {name: c["lane_steps_per_second"] for name, c in r["curves"].items()}
    counts = sorted({int(count) for curve in points.values() for count in curve})
    curves = [[n, *[curve.get(str(n), "-") for curve in points.values()]] for n in counts]
    said = "Lane steps a second by the number of lanes:"
    return [*table(head, rows), "", said, "", *table(["lanes", *points], curves)]


def lane_curves(r: Result) -> Figure:
    """Throughput over the number of lanes, in times that of one lane."""

    def draw(axes: Any) -> None:
        panel = axes[0, 0]
        for place, (name, curve) in enumerate(r["curves"].items()):
            steps = {int(n): value for n, value in curve["lane_steps_per_second"].items()}
            times = {n: steps[n] / steps[1] for n in sorted(steps)}
            drawn = look(place)
            panel.plot(
                list(times), list(times.values()), label=name,
                color=drawn.colour, marker=drawn.marker, linestyle=drawn.line,
            )  # fmt: skip
            if (chosen := curve["automatic"]) in times:
                panel.plot(
                    [chosen], [times[chosen]], linestyle="none", marker="o", markersize=11,
                    markerfacecolor="none", markeredgecolor=GREY, label="automatic size",
                )  # fmt: skip
        panel.set_xscale("log", base=2)
        panel.set_yscale("log", base=2)
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_major_formatter("{x:g}")
        panel.set_xlabel("Lanes")
        panel.set_ylabel("Lane steps a second,\ntimes those of one lane")

    return draw_grid(Grid(1, 1, (4.5, 2.8)), draw)


def convolutions(r: Result) -> list[str]:
    """A step of a plain loop and of ours."""
    step = r["step_ms"]
    row = [r["settings"]["model"], step["plain"], step["ours"], r["ratio"]]
    return table(["", "plain loop, ms", "ours, ms", "ratio"], [row])


def forecast(r: Result) -> list[str]:
    """Sweeps forecast and launched."""
    parts = ("start_s", "training_s", "comparison_s")
    rows = [
        [name, one["forecast_s"], one["took_s"], one["ratio"],
         *[_both(one[part]) for part in (*parts, "device_hours")], one["timing_s"]]
        for name, one in r["sweeps"].items()
    ]  # fmt: skip
    head = ["forecast / taken", "s", "s", "ratio", "start, s", "training, s", "comparison, s",
            "device hours", "timing, s"]  # fmt: skip
    left = [[name, *[_both(pair) for pair in one["left_s"]]] for name, one in r["sweeps"].items()]
    asked = ["time left of training, said / was", "after a quarter, s", "half, s",
             "three quarters, s"]  # fmt: skip
    return [*table(head, rows), "", *table(asked, left)]


def _both(pair: Iterable[object]) -> str:
    """What was said, and what it was."""
    return " / ".join("nothing" if one is None else _shown(one) for one in pair)


# What may be busy on paper, and how it reads.
BUSY: Mapping[str, str] = {
    "slots_busy": "slots",
    "referee": "referee",
    "tune": "Tune",
    "writer": "writer",
    "mlflow": "MLflow server",
}


def simulate(r: Result) -> list[str]:
    """Sweeps simulated beside what they took, then those that nobody runs."""
    names = ("trials", "cohorts", "simulated_s", "took_s", "ratio", "simulating_s")
    checked = table(names, [[one[name] for name in names] for one in r["checked"]])
    rows = [
        [one["sweeps"], one["slots"], one["epoch_s"], one["hours"],
         *[one[name] for name in BUSY], one["waits_s"]]
        for one in r["paper"]
    ]  # fmt: skip
    head = ["sweeps", "slots", "s an epoch", "hours", *BUSY.values(), "longest wait, s"]
    said = (
        f"About {max(one['trials'] for one in r['paper']):,} trials; how busy each is, as a share "
        "of the time from the first cohort to the last:"
    )
    return [*checked, "", said, "", *table(head, rows)]


def busy_over_slots(r: Result) -> Figure:
    """How busy slots and servers are, by the number of slots: a row for one sweep and for several,
    a column for each time of an epoch."""
    sweeps = sorted({one["sweeps"] for one in r["paper"]})
    epochs = sorted({one["epoch_s"] for one in r["paper"]})

    def draw(axes: Any) -> None:
        for row, count in enumerate(sweeps):
            for column, seconds in enumerate(epochs):
                panel = axes[row, column]
                points = [
                    one for one in r["paper"] if (one["sweeps"], one["epoch_s"]) == (count, seconds)
                ]
                for place, (name, label) in enumerate(BUSY.items()):
                    drawn = look(place)
                    panel.plot(
                        [one["slots"] for one in points], [one[name] for one in points],
                        label=label, color=drawn.colour, marker=drawn.marker, linestyle=drawn.line,
                    )  # fmt: skip
                panel.axhline(1.0, color=GREY, linewidth=0.8)
                panel.set_xscale("log")
                panel.set_yscale("log")
                panel.set_title(f"{count} sweep{'s' if count > 1 else ''}, {seconds:g} s an epoch")
                panel.set_xlabel("Slots")
                panel.set_ylabel("Busy, share of the time")

    return draw_grid(Grid(len(sweeps), len(epochs), (3.2, 2.6)), draw)


TABLES: Mapping[str, tuple[str, Callable[[Result], list[str]]]] = {
    "careful": ("careful", careful),
    "against_stock": ("against_stock", against_stock),
    "bare_loop": ("bare_loop", bare_loop),
    "profile": ("bare_loop", profile),
    "start": ("start", start),
    "hypergradient": ("hypergradient", hypergradient),
    "referee": ("referee", by_trials),
    "writer": ("writer", writer),
    "scale": ("scale", by_trials),
    "scale_ray": ("scale_ray", by_trials),
    "lanes_cpu": ("lanes_cpu", lanes),
    "lanes_cuda": ("lanes_cuda", lanes),
    "lanes_text": ("lanes_text_cpu", lanes),
    "convolutions": ("convolutions", convolutions),
    "classification": ("classification", classification),
    "text": ("text", text),
    "incremental": ("incremental", incremental),
    "language": ("language", language),
    "recommendation": ("recommendation", recommendation),
    "ctc": ("ctc", ctc),
    "detection": ("detection", detection),
    "forecast": ("forecast", forecast),
    "simulate": ("simulate", simulate),
}


# By their scripts, in the order of the overview.
TASKS = ("classification", "text", "incremental", "language", "recommendation", "ctc", "detection")
OVERVIEW = "every_task"

FIGURES: Mapping[str, Callable[[Result], Figure]] = {
    "lanes_cpu": lane_curves,
    "lanes_cuda": lane_curves,
    "simulate": busy_over_slots,
}


def filled(page: str, results: Path) -> str:
    """The page with its tables made anew."""
    return MARKED.sub(lambda m: f"{m[1]}{_text(m[2], results)}\n{m[3]}", page)


def _text(name: str, results: Path) -> str:
    if name == OVERVIEW:
        return "\n".join(every_task(results))
    file, make = TABLES[name]
    path = results / f"{file}.json"
    if not path.exists():
        return "Not measured yet."
    result = json.loads(path.read_text(encoding="utf-8"))
    gpu = f", {result['gpu']}" if result["gpu"] else ""
    where = (
        f"`{result['command']}` at {result['code_version']}; {result['machine']}, "
        f"{result['processor']}{gpu}; Python {result['python']}, torch {result['torch']}."
    )
    shown = [f"![{name}](figures/{name}.png)", ""] if name in FIGURES else []
    return "\n".join([*make(result), "", *shown, where])


def main() -> None:
    """Write the page anew, or say that it is out of step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail where the page differs")
    given = parser.parse_args()
    before = PAGE.read_text(encoding="utf-8")
    after = filled(before, RESULTS)
    if given.check:
        if after != before:
            sys.exit(f"{PAGE} is out of step with {RESULTS}; run python bench/page.py")
        return
    PAGE.write_text(after, encoding="utf-8")
    for name, draw in FIGURES.items():
        path = RESULTS / f"{name}.json"
        if path.exists():
            with tempfile.TemporaryDirectory() as place:
                _, png = save(draw(json.loads(path.read_text("utf-8"))), Path(place), name)
                shutil.copy(png, PAGE.parent / "figures")


if __name__ == "__main__":
    main()
