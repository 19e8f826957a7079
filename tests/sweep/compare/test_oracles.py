"""What is told of teachers that read targets, beside those that do not."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from sweep.adapters.mlflow.records import heard_teachers
from sweep.compare.answer import answer
from sweep.compare.comparison import comparison_table
from sweep.compare.oracles import copying_oracles_text, oracles_table, oracles_text
from sweep.compare.records import HeardTeacher, SweepRecord, of_plan
from sweep.compare.teachers import teachers_table, worse_teachers_text
from sweep.plan.plan import Plan
from sweep.plan.tasks import teacher_run
from sweep.plan.teacher_jobs import TeacherJob
from sweep.spec.reader import check_spec
from tests.sweep.specs import small_data
from trainers.entries import OracleMetrics

Make = Callable[..., SweepRecord]
TOLD = OracleMetrics("error", "error_shown", "error_swapped", 50.0, ("alignment",))
METHODS = ("fixed_kd", "fixed_kd_oracle", "labels_only")
ORDINARY = HeardTeacher(
    "conv", "the true ones", False, (90.0,), True,
    told=(("error", (20.0, 22.0)), ("alignment", (60.0, 64.0))),
)  # fmt: skip


def oracle(swapped: float) -> HeardTeacher:
    """One that reaches 25 without its targets and 2 with them."""
    told = {
        "error": (24.0, 26.0), "error_shown": (1.0, 3.0),
        "error_swapped": (swapped - 1, swapped + 1), "alignment": (80.0, 90.0),
    }  # fmt: skip
    return HeardTeacher("oracle", "the true ones", False, (10.0,), False, True, tuple(told.items()))


def _record(make: Make, swapped: float = 95.0, heard_in: int = 3) -> SweepRecord:
    """A row hears the ordinary teacher everywhere, another the Oracle in the first conditions."""
    bare = make(lambda condition, method, seed: 80.0, methods=METHODS, baselines=METHODS[:1])
    heard = {}
    for place, condition in enumerate(bare.conditions):
        heard[bare.cell(condition, METHODS[0])] = (ORDINARY,)
        if place < heard_in:
            heard[bare.cell(condition, METHODS[1])] = (oracle(swapped),)
    return replace(bare, teachers=heard, oracles=TOLD, plain="labels_only")


def test_both_kinds_stand_beside_each_other_where_one_reads_targets(make_record: Make) -> None:
    table = oracles_table(_record(make_record, heard_in=2))
    assert table["teacher"].tolist() == ["conv", "oracle"] * 2
    assert table["noise_rate"].tolist() == [0.0, 0.0, 0.4, 0.4]
    assert table["reads_targets"].tolist() == ["no", "yes"] * 2
    assert table["validation_error"].tolist() == [21.0, 25.0] * 2
    assert table["validation_alignment"].tolist() == [62.0, 85.0] * 2
    assert table["measured"].tolist() == [2, 2] * 2
    assert table["validation_error_shown"].dropna().tolist() == [2.0, 2.0]
    assert table["validation_error_swapped"].dropna().tolist() == [95.0, 95.0]


def test_there_is_no_table_without_one(make_record: Make) -> None:
    assert oracles_table(_record(make_record, heard_in=0)).empty
    assert oracles_table(replace(_record(make_record), oracles=None)).empty
    assert oracles_text(replace(_record(make_record), oracles=None)) == ""


def test_it_is_told_how_to_read_the_table(make_record: Make) -> None:
    text = oracles_text(_record(make_record))
    assert "validation_error_shown: with its targets shown; no result, as it has read" in text
    assert "where that is near validation_error_shown, it copies its targets" in text


def test_one_that_copies_is_a_warning(make_record: Make) -> None:
    record = _record(make_record, swapped=4.0, heard_in=1)
    text = copying_oracles_text(record)
    assert text == (
        "Warning: an Oracle copies its targets, as error swapped below 50 tells: oracle at 0 % "
        "noise (error swapped 4, error shown 2). What it teaches says little of the input."
    )
    assert text in answer(comparison_table(record, 0), record)


def test_one_that_listens_is_none(make_record: Make) -> None:
    assert copying_oracles_text(_record(make_record)) == ""


def test_no_student_stands_beside_it(make_record: Make) -> None:
    """It reaches 10 where the plain student reaches 80, and there is no word of it."""
    record = _record(make_record)
    beside = teachers_table(record).set_index("teacher")["validation_accuracy_plain_student"]
    assert beside["conv"].notna().all()
    assert beside["oracle"].isna().all()
    assert worse_teachers_text(record) == ""


@pytest.fixture(scope="module")
def plan() -> Plan:
    conv, reader = {"name": "conv", "width": 8}, {"name": "oracle", "width": 8, "heads": 2}
    changes = {
        "task": "ctc", "data": {"dataset": "digit_lines", "lines": 80},
        "conditions": {"noise_kind": ["substitute"], "noise_rate": [0.0, 0.4]},
        "student.model": conv, "teacher.model": conv, "confirm.seeds": 2,
        "methods": [
            {"method": "fixed_kd", "baseline": True},
            {"method": "fixed_kd", "label": "guided", "with": {"teacher.model": reader}},
            {"method": "labels_only"},
        ],
    }  # fmt: skip
    return Plan(check_spec(small_data(changes), "small"))


def test_a_sweep_knows_its_oracles_and_what_is_measured_of_them(plan: Plan) -> None:
    def reached(job: TeacherJob) -> dict[str, float]:
        shown = {"best_validation_cer_shown": 1.0 + job.seed} if job.reads_targets else {}
        return {"best_validation_loss": 0.5, "best_validation_cer": 30.0 + job.seed, **shown}

    heard = heard_teachers(plan, {teacher_run(job): reached(job) for job in plan.teachers})
    assert len(heard) == 4
    seeds = plan.confirm_seeds
    for cell in plan.cells:
        if cell.use.label == "labels_only":
            continue
        (teacher,) = heard[cell.id]
        reads = cell.use.label == "guided"
        assert (teacher.reads_targets, teacher.comparable) == (reads, not reads)
        assert teacher.values == (0.5, 0.5)
        told = dict(teacher.told)
        assert told["cer"] == tuple(30.0 + seed for seed in seeds)
        assert told["cer_shown"] == (tuple(1.0 + seed for seed in seeds) if reads else ())
        assert told["spike_alignment"] == ()
    oracles = of_plan(plan)["oracles"]
    assert oracles is not None
    assert set(oracles.names) == set(told)
