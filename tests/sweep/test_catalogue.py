"""What there is to choose from, in every format, is what the rows of the tables say."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import pytest

from search_spaces.defaults import BY_TASK, GIVEN, OWN, SHARED
from search_spaces.durations import TAKES
from sweep import catalogue, cli
from sweep.spec.presets import presets
from sweep.spec.reader import read_spec
from trainers.entries import TaskEntry
from trainers.fields import Field
from trainers.loading import options_of
from trainers.registry import TASKS

Row = Mapping[str, str]
COMMANDS: Mapping[str, Callable[[], Sequence[Row]]] = {
    "tasks": catalogue.task_rows,
    "methods": catalogue.method_rows,
    "datasets": catalogue.dataset_rows,
    "networks": catalogue.network_rows,
    # Every one of them is planned.
    "presets": cache(catalogue.preset_rows),
    "spaces": catalogue.space_rows,
}
# Commands that can be told a task, with the column of names and what a task has under them.
OF_A_TASK: Mapping[str, tuple[str, Callable[[TaskEntry], Mapping[str, object]]]] = {
    "methods": ("method", lambda task: task.methods),
    "datasets": ("data set", lambda task: task.datasets),
    "networks": ("network", lambda task: task.networks),
}
EVERY = pytest.mark.parametrize("command", COMMANDS)
Ask = Callable[..., str]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """What a command prints when all is well."""

    def ask(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["almkd", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        said = capsys.readouterr()
        assert (stop.value.code, said.err) == (0, "")
        return said.out

    return ask


def _read_markdown(text: str) -> list[dict[str, str]]:
    """A table back from GitHub's Markdown; what can be written into a spec stands as code."""
    lines = [line.replace("\\|", "\0") for line in text.splitlines()]
    assert all(line.startswith("| ") and line.endswith(" |") for line in lines)
    cells = [[c.replace("\0", "|") for c in line[2:-2].split(" | ")] for line in lines]
    head, rule, *rows = cells
    assert set(rule) == {"---"}
    for row in rows:
        for column, cell in zip(head, row, strict=True):
            name = column in catalogue.NAMES and not cell.startswith("(")
            assert (cell[:1] == cell[-1:] == "`") == name
    return [dict(zip(head, [cell.strip("`") for cell in row], strict=True)) for row in rows]


@EVERY
def test_json_holds_the_rows(ask: Ask, command: str) -> None:
    assert json.loads(ask(command, "--format", "json")) == COMMANDS[command]()


@EVERY
def test_markdown_reads_back_as_the_rows_without_empty_columns(ask: Ask, command: str) -> None:
    rows = COMMANDS[command]()
    said = [column for column in rows[0] if any(row[column] for row in rows)]
    found = _read_markdown(ask(command, "--format", "markdown"))
    assert found == [{column: row[column] for column in said} for row in rows]


@EVERY
def test_text_has_a_line_for_each_row_with_every_cell(ask: Ask, command: str) -> None:
    rows = COMMANDS[command]()
    assert ask(command) == ask(command, "--format", "text")
    head, *lines = ask(command).splitlines()
    assert not head.startswith(" ")
    assert head.split()[0] == next(iter(rows[0])).split()[0]
    assert len(lines) == len(rows)
    for line, row in zip(lines, rows, strict=True):
        assert all(cell in line for cell in row.values())


@EVERY
def test_every_row_has_all_columns_as_text(command: str) -> None:
    rows = COMMANDS[command]()
    assert rows
    for row in rows:
        assert list(row) == list(rows[0])
        assert all(isinstance(cell, str) and "\n" not in cell for cell in row.values())


@pytest.mark.parametrize("command", OF_A_TASK)
def test_a_list_of_one_task_has_what_that_task_has(ask: Ask, command: str) -> None:
    column, table = OF_A_TASK[command]
    found = []
    for task in TASKS.values():
        rows = json.loads(ask(command, "--task", task.name, "--format", "json"))
        assert [row[column] for row in rows] == list(table(task))
        found += rows
    assert json.loads(ask(command, "--format", "json")) == found


@pytest.mark.parametrize("command", OF_A_TASK)
def test_one_name_is_told_with_every_field(ask: Ask, command: str) -> None:
    for task in TASKS.values():
        for name in catalogue.names_in(command, task):
            rows = catalogue.fields_of(command, name, task.name)
            told = json.loads(ask(command, name, "--task", task.name, "--format", "json"))
            assert told == rows
            if not rows:
                assert ask(command, name) == ask(command, name, "--format", "markdown") == "none\n"
    fields = {field.name for field in TASKS["classification"].methods["alm_kd"].hyperparameters}
    assert {row["field"] for row in catalogue.fields_of("methods", "alm_kd")} == fields
    with pytest.raises(KeyError):
        catalogue.fields_of(command, "nothing")


def test_one_task_is_told_with_its_metrics_and_noise_kinds(ask: Ask) -> None:
    for task in TASKS:
        told = json.loads(ask("tasks", task, "--format", "json"))
        assert told == {
            "metrics": catalogue.metric_rows(task), "noise kinds": catalogue.noise_rows(task),
            "light sets": catalogue.source_rows(task),
        }  # fmt: skip
        for text in (ask("tasks", task), ask("tasks", task, "--format", "markdown")):
            assert text.index("metrics") < text.index("noise kinds") < text.index("light sets")


def test_spaces_of_a_task_are_what_it_searches_by_default(ask: Ask) -> None:
    for task in TASKS.values():
        rows = json.loads(ask("spaces", "--task", task.name, "--format", "json"))
        told = {(row["method"], row["hyperparameter"]): row["domain"] for row in rows}
        assert len(told) == len(rows)
        shared = {**SHARED, **BY_TASK.get(task.name, {})}
        for name, domain in shared.items():
            has = any(entry.has(name) for entry in task.methods.values())
            assert told.pop(("(shared)", name), None) == (str(domain) if has else None)
        for method in task.methods:
            for name, domain in OWN.get(method, {}).items():
                assert told.pop((method, name)) == str(domain)
            for (owner, other, value), space in GIVEN.items():
                for name, domain in space.items() if owner == method else ():
                    assert told.pop((f"{method}, {other}: {value}", name)) == str(domain)
        assert not told


def test_tasks_are_told_with_what_each_brings() -> None:
    rows = catalogue.task_rows()
    for row, task in zip(rows, TASKS.values(), strict=True):
        assert row["task"] == task.name
        assert row["data sets"].split(", ") == list(task.datasets)
        assert row["metrics"].split(", ") == list(task.metrics)
        assert row["noise"].split(", ") == list(task.noise_kinds)
        assert row["tested"] in task.metrics
        assert row["tested"] == (task.compared or task.objective)


def test_metrics_and_noise_kinds_are_told_with_unit_direction_and_options() -> None:
    metrics = {row["metric"]: row for row in catalogue.metric_rows("classification")}
    assert list(metrics) == list(TASKS["classification"].metrics)
    assert (metrics["loss"]["unit"], metrics["loss"]["better is"]) == ("nats", "lower")
    assert (metrics["accuracy"]["unit"], metrics["accuracy"]["better is"]) == ("percent", "higher")
    assert metrics["top_5_accuracy"]["undefined"]
    kinds = {row["noise kind"]: row for row in catalogue.noise_rows("classification")}
    assert list(kinds) == list(TASKS["classification"].noise_kinds)
    assert kinds["file"]["options"] == "noise_file"
    assert kinds["symmetric"]["options"] == ""


def test_options_and_sizes_stand_with_their_defaults() -> None:
    task = TASKS["classification"]
    datasets = {row["data set"]: row["options"] for row in catalogue.dataset_rows(task.name)}
    assert datasets["image_folder"] == "examples, folder, image_size (96), augment (none)"
    networks = {row["network"]: row for row in catalogue.network_rows(task.name)}
    assert networks["mlp"]["sizes"] == "hidden, norm (none)"
    assert networks["mlp"]["lanes on a CPU"] == "stacked"
    assert networks["resnet8"]["lanes on a CPU"] == "in turn"
    methods = {row["method"]: row for row in catalogue.method_rows(task.name)}
    assert "temperature (4)" in methods["fixed_kd"]["hyperparameters"]
    assert methods["born_again"]["teachers"] == "one, like the student"
    assert methods["ca_mkd"]["teachers"] == "two or more"


def test_presets_are_told_with_their_size_and_about_how_long_they_take() -> None:
    assert set(TAKES) == set(presets())
    rows = {row["preset"]: row for row in catalogue.preset_rows()}
    assert list(rows) == list(presets())
    digits = read_spec("digits")
    assert rows["digits"]["what it asks"] == digits.description
    assert rows["digits"]["cells"] == "24"
    seeds, trials = digits.confirm.seeds, digits.search.trials
    assert rows["digits"]["trainings"] == (
        f"{4 * (1 + seeds)} teachers, {24 * trials} trials, {24 * 9} shortlist runs, "
        f"{24 * seeds} confirm runs"
    )


@pytest.mark.parametrize(
    ("field", "row"),
    [
        (Field("share", "float", 0.5, "m", "s", "share", low=0.0, high=1.0),
         {"legal": "[0, 1]", "unit": "share", "default": "0.5"}),
        (Field("lr", "float", 1e-4, "m", "s", low=0.0, open_low=True),
         {"legal": "(0, inf)", "default": "0.0001"}),
        (Field("kind", "choice", "a", "m", "s", choices=("a", "b")),
         {"legal": "a, b", "default": "a"}),
        (Field("start", "float", "default", "m", "s", low=0.0, high=1.0, words=("default",)),
         {"legal": "[0, 1] or default", "default": "default"}),
        (Field("path", "path", None, "m", "s", required=True, example="x"),
         {"legal": "path", "default": "required"}),
        (Field("head", "text", None, "m", "s"), {"legal": "text", "default": ""}),
    ],
    ids=lambda value: value.name if isinstance(value, Field) else "",
)  # fmt: skip
def test_a_field_is_told_with_what_is_legal(field: Field, row: Row) -> None:
    (found,) = catalogue.field_rows([field])
    assert found == {
        "field": field.name, "kind": field.kind, "unit": field.unit, "meaning": "m", "source": "s",
        **row,
    }  # fmt: skip


def test_every_field_of_every_row_can_be_told() -> None:
    for task in TASKS.values():
        for method in task.methods.values():
            assert len(catalogue.field_rows(method.hyperparameters)) == len(method.hyperparameters)
        fields = [field for entry in task.datasets.values() for field in options_of(entry)]
        fields += [field for entry in task.networks.values() for field in entry.fields]
        fields += [field for entry in task.noise_kinds.values() for field in entry.fields]
        for row in catalogue.field_rows(fields):
            assert all(row[column] for column in ("field", "meaning", "legal", "source"))


def test_a_table_without_rows_says_so() -> None:
    assert catalogue.to_markdown([]) == "none\n"


def test_a_bar_in_a_cell_does_not_end_it() -> None:
    rows = [{"a": "x|y", "b": "", "c": "1"}, {"a": "z", "b": "", "c": ""}]
    assert catalogue.to_markdown(rows) == "| a | c |\n| --- | --- |\n| x\\|y | 1 |\n| z |  |\n"
