"""Tables as text: delimited, and JSON Lines."""

import csv as csv_module
import io
import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from random import Random

import pandas as pd

from tests.fuzz.kinds import rows, truth
from tests.fuzz.kinds.students import write_student_of_tables
from tests.fuzz.routes import HERE, launched, shown
from tests.fuzz.target import Apply, Mutation, Target
from tests.trainers.specimens import TABLES


def csv() -> list[Target]:
    interactions = {"dataset": "interactions", "path": f"{HERE}/a.csv"}
    more = rows.odd(_csv)
    return [
        Target("csv", "data", rows.write_numbers, ["a.csv"], rows.of_numbers("csv"), whole_csv,
               [*OF_CSV, *more], rows.CONTAINERS, truth=truth.of_csv),
        Target("csv", "texts", rows.write_texts, ["a.csv"], rows.of_texts("csv"), whole_csv,
               [*OF_CSV, *more], rows.CONTAINERS),
        Target("csv", "interactions", _write_interactions, ["a.csv"],
               launched("recommendation", interactions), whole_csv, [*OF_CSV, *more],
               rows.CONTAINERS),
        Target("csv", "predict", write_student_of_tables, ["new.csv"],
               shown("student", "new.csv"), whole_csv, [*OF_CSV, *more], rows.CONTAINERS),
    ]  # fmt: skip


def jsonl() -> list[Target]:
    pairs = {"dataset": "jsonl", "path": f"{HERE}/a.jsonl", "max_prompt": 5, "max_response": 5}
    more = rows.odd(_jsonl)
    return [
        Target("jsonl", "data", rows.write_numbers, ["a.jsonl"], rows.of_numbers("jsonl"),
               whole_jsonl, [*OF_JSONL, *more], rows.CONTAINERS, truth=truth.of_jsonl),
        Target("jsonl", "texts", rows.write_texts, ["a.jsonl"], rows.of_texts("jsonl"), whole_jsonl,
               [*OF_JSONL, *more], rows.CONTAINERS),
        Target("jsonl", "pairs", _write_pairs, ["a.jsonl"], launched("language", pairs),
               whole_jsonl, [*OF_JSONL, *more], rows.CONTAINERS),
        Target("jsonl", "predict", write_student_of_tables, ["new.jsonl"],
               shown("student", "new.jsonl"), whole_jsonl, [*OF_JSONL, *more], rows.CONTAINERS),
    ]  # fmt: skip


def whole_csv(file: Path) -> None:
    """Text of as many fields in every line as in the first."""
    text = file.read_text("utf-8-sig")
    lengths = {len(row) for row in csv_module.reader(io.StringIO(text), strict=True)}
    if len(lengths) != 1 or "\0" in text:
        raise ValueError


def whole_jsonl(file: Path) -> None:
    if not all(isinstance(json.loads(line), dict) for line in file.read_bytes().splitlines()):
        raise ValueError


def _write_interactions(folder: Path) -> None:
    taken = [(f"u{u}", f"i{(7 * u + 3 * k) % 40}") for u, k in product(range(12), range(12))]
    pd.DataFrame(taken, columns=["user", "item"]).to_csv(folder / "a.csv", index=False)


def _write_pairs(folder: Path) -> None:
    pairs = pd.DataFrame({"prompt": [f"{i:04}" for i in range(rows.N)],
                          "response": [f"{7 * i:04}" for i in range(rows.N)]})  # fmt: skip
    TABLES["jsonl"](pairs, folder / "a.jsonl")


def _csv(change: rows.Change) -> Apply:
    """Rows changed, all as text, and written again."""

    def apply(file: Path, rng: Random) -> None:
        there: rows.Rows = list(csv_module.DictReader(io.StringIO(file.read_text("utf-8"))))
        change(there, rng)
        names = list(dict.fromkeys(name for row in there for name in row))
        with file.open("w", encoding="utf-8", errors="surrogatepass", newline="") as stream:
            writer = csv_module.DictWriter(stream, names)
            writer.writeheader()
            writer.writerows(there)

    return apply


def _jsonl(change: rows.Change) -> Apply:
    def apply(file: Path, rng: Random) -> None:
        there = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
        change(there, rng)
        file.write_text("".join(json.dumps(row) + "\n" for row in there), "utf-8")

    return apply


def _as(change: Callable[[str, Random], str | bytes]) -> Apply:
    """The text of a file changed."""

    def apply(file: Path, rng: Random) -> None:
        made = change(file.read_text("utf-8"), rng)
        file.write_bytes(made if isinstance(made, bytes) else made.encode())

    return apply


def _quoted(text: str, rng: Random) -> str:
    out = io.StringIO()
    there = csv_module.reader(io.StringIO(text))
    csv_module.writer(out, quoting=csv_module.QUOTE_ALL).writerows(there)
    return out.getvalue()


OF_CSV = [
    Mutation("quoted", "same", _as(_quoted)),
    Mutation("lines end as on Windows", "same", _as(lambda t, rng: t.replace("\n", "\r\n"))),
    Mutation("a mark of byte order", "same", _as(lambda t, rng: "\ufeff" + t)),
    Mutation("no end of the last line", "same", _as(lambda t, rng: t.rstrip("\n"))),
    Mutation("in UTF-16", "refused", _as(lambda t, rng: t.encode("utf-16"))),
    Mutation("NUL in it", "refused", _as(lambda t, rng: t.replace("1", "1\0", 1))),
    Mutation("delimited otherwise", "any", _as(lambda t, rng: t.replace(",", rng.choice(";\t|")))),
    Mutation(
        "a name twice",
        "refused",
        _as(
            lambda t, rng: (
                (t.splitlines()[0].split(",")[0] + ",")
                + t.splitlines()[0]
                + "\n"
                + "\n".join("1," + line for line in t.splitlines()[1:])
            )
        ),
    ),
    Mutation("names alone", "refused", _as(lambda t, rng: t.splitlines()[0] + "\n")),
    Mutation("a million columns", "refused", _as(lambda t, rng: ",".join(map(str, range(10**5))))),
    Mutation("an open quote", "any", _as(lambda t, rng: t.replace(",", ',"', 1))),
    Mutation(
        "a field of megabytes", "any", _as(lambda t, rng: t + '"' + "x" * 5_000_000 + '",1,x\n')
    ),
    Mutation("a lone surrogate", "refused", _csv(rows.lone_surrogate)),
]
OF_JSONL = [
    Mutation(
        "keys in another order",
        "same",
        _jsonl(
            lambda rows, rng: rows.__setitem__(
                slice(1, None), [dict(reversed(row.items())) for row in rows[1:]]
            )
        ),
    ),
    Mutation("blanks in it", "same", _as(lambda t, rng: t.replace(":", " : "))),
    Mutation("lines end as on Windows", "same", _as(lambda t, rng: t.replace("\n", "\r\n"))),
    Mutation("one list", "refused", _as(lambda t, rng: f"[{','.join(t.splitlines())}]")),
    Mutation(
        "a key twice in a row", "any", _as(lambda t, rng: t.replace("{", '{"a": 1, "a": 2, ', 1))
    ),
    Mutation("nested", "any", _jsonl(rows.nested)),
    Mutation(
        "nested deeply",
        "refused",
        _as(lambda t, rng: t + '{"a":' + "[" * 100_000 + "]" * 100_000 + "}\n"),
    ),
    Mutation("NaN", "any", _as(lambda t, rng: t.replace(":", ':NaN,"x":', 1))),
    Mutation("a lone surrogate", "any", _jsonl(rows.lone_surrogate)),
    Mutation(
        "a number of a thousand digits",
        "any",
        _as(lambda t, rng: t.replace(":", ":" + "9" * 1000 + ',"x":', 1)),
    ),
    Mutation(
        "a row of no object", "refused", _as(lambda t, rng: t + rng.choice(("3", "null", '"a"')))
    ),
    Mutation(
        "many keys", "any", _as(lambda t, rng: t + json.dumps({str(k): 1 for k in range(2_000)}))
    ),
]
