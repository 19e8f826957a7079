"""The answer in words, on sweeps whose answer is known."""

from collections.abc import Callable

import pandas as pd

from sweep.compare.answer import answer
from sweep.compare.comparison import comparison_table
from sweep.compare.outlook import seed_warning
from sweep.compare.questions import comparison_count
from sweep.compare.records import SweepRecord
from sweep.plan.plan import Condition

MakeRecord = Callable[..., SweepRecord]
BETTER_AT_60 = {"fixed_kd": (0.0, 0.0, 0.0), "alm_kd": (-2.0, 0.0, 3.0)}


def stepped(condition: int, method: str, seed: int) -> float:
    """Worse by about 2 in the first condition, level in the second, better by 3 in the third."""
    wobble = 0.1 * (seed % 3) if method == "alm_kd" else 0.1 * (seed % 2)
    return 90.0 + BETTER_AT_60[method][condition] + wobble


def told(record: SweepRecord) -> list[str]:
    return answer(comparison_table(record, 0), record)


def without(method: str, rate: float, seeds: range) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(trials: pd.DataFrame) -> pd.DataFrame:
        gone = (trials["stage"] == "confirm") & (trials["method"] == method)
        return trials[~(gone & (trials["noise_rate"] == rate) & trials["seed"].isin(seeds))]

    return change


def test_it_says_where_better_where_worse_and_where_neither(make_record: MakeRecord) -> None:
    question, verdict = told(make_record(values=stepped))
    assert question.startswith("Does alm_kd beat fixed_kd on digits under symmetric noise?")
    assert "test accuracy in percentage points (higher is better)" in question
    assert "paired over 8 seeds" in question
    better, worse, level, *_ = verdict.split("). ")
    assert better.startswith("alm_kd beats fixed_kd at 60 % noise (+3.0")
    assert better.endswith("p = 0.0234")
    assert worse.startswith("alm_kd is worse than fixed_kd at 0 % noise (-1.9")
    assert level.startswith("No difference is called at 40 % noise (+0.0")
    assert level.endswith("p = 0.5, a true one of about 0.14 would be called in 80 % of cases")
    assert verdict.endswith("Smaller ones may go unseen.")


def test_it_says_plainly_that_nothing_was_won(make_record: MakeRecord) -> None:
    _, verdict = told(make_record(values=lambda c, m, s: 90.0 + s))
    assert verdict.startswith("alm_kd is not shown to beat fixed_kd anywhere. No difference")


def test_missing_seeds_are_not_known_rather_than_level(make_record: MakeRecord) -> None:
    record = make_record(values=stepped, drop=without("fixed_kd", 0.6, range(5)))
    _, verdict, missing = told(record)
    assert verdict.endswith("Not known at 60 % noise (3 of 8 seeds finished by both).")
    assert missing == "Missing from the means, of 48 confirm runs: 5 not finished."


def test_enough_of_the_seeds_give_an_answer_that_says_how_many(make_record: MakeRecord) -> None:
    record = make_record(values=stepped, drop=without("fixed_kd", 0.6, range(1)))
    _, verdict, _ = told(record)
    assert "beats fixed_kd at 60 % noise" in verdict
    assert "7 of 8 seeds" in verdict


def test_failed_runs_are_told(make_record: MakeRecord) -> None:
    def fail(trials: pd.DataFrame) -> pd.DataFrame:
        trials = trials.copy()
        trials.loc[trials.index[-1], "state"] = "failed"
        return trials

    assert told(make_record(values=stepped, drop=fail))[-1].endswith("48 confirm runs: 1 failed.")


def test_too_few_seeds_are_warned_of(make_record: MakeRecord) -> None:
    record = make_record(values=stepped, confirm_seeds=tuple(range(5)))
    assert comparison_count(record) == 3
    assert told(record)[-1] == (
        "Warning: 5 seeds can never show a difference: over 3 comparisons the Holm-adjusted p"
        " cannot go below 0.188. At least 7 seeds are needed."
    )
    assert "of cases" not in " ".join(told(record))
    assert seed_warning(7, 3) == ""
    assert seed_warning(1, 1).startswith("Warning: 1 seed can never")


def test_unequal_search_budgets_are_told(make_record: MakeRecord) -> None:
    record = make_record(
        values=stepped,
        drop=lambda t: t[~((t["method"] == "fixed_kd") & (t["trial"] == 3).fillna(False))],
    )
    assert told(record)[-1] == (
        "Search budgets differ (trials in each cell): fixed_kd 3 of 4 planned, alm_kd 4 of 4"
        " planned."
    )


def test_lower_can_be_better(make_record: MakeRecord) -> None:
    question, verdict = told(make_record(values=stepped, direction="minimize", unit="nats"))
    assert "in nats (lower is better)" in question
    assert verdict.startswith("alm_kd beats fixed_kd at 0 % noise (-1.9")
    assert "alm_kd is worse than fixed_kd at 60 % noise (+3.0" in verdict


def test_every_method_answers_to_every_baseline(make_record: MakeRecord) -> None:
    methods = ("a", "b", "c", "d")
    record = make_record(
        methods=methods,
        baselines=("a", "c"),
        values=lambda c, m, s: 90.0 + methods.index(m) + 0.1 * ((s * (2 + methods.index(m))) % 5),
        confirm_seeds=tuple(range(10)),
    )
    question, *verdicts = told(record)
    assert question.startswith("Do b and d beat a and c on digits")
    begun = [" ".join(line.split()[:3]) for line in verdicts]
    assert begun == ["b beats a", "b is not", "d beats a", "d beats c"]


def test_many_places_are_counted_unless_won(make_record: MakeRecord) -> None:
    conditions = tuple(Condition("pair", rate / 10, "noisy") for rate in range(6))
    record = make_record(conditions=conditions, values=lambda c, m, s: 90.0 + s)
    _, verdict = told(record)
    assert verdict.endswith("No difference is called in 6 of 6 conditions (figures in the table).")


def test_conditions_are_told_apart(make_record: MakeRecord) -> None:
    conditions = (
        Condition("none", 0.0, "noisy"),
        Condition("pair", 0.4, "noisy"),
        Condition("symmetric", 0.4, "clean"),
    )
    _, verdict = told(make_record(conditions=conditions, values=stepped))
    assert "worse than fixed_kd at 0 % noise, teacher trained on noisy labels (" in verdict
    assert "beats fixed_kd at 40 % symmetric noise, teacher trained on clean labels (" in verdict


def test_baselines_alone_compare_nothing(make_record: MakeRecord) -> None:
    record = make_record(methods=("fixed_kd",), baselines=("fixed_kd",))
    assert told(record) == ["Nothing is compared: every method of the sweep is a baseline."]
