"""The tables of what there is to choose from, in the pages beside this: no row is typed.

    python docs/write_tables.py [--check]

Each stands between two marks, `<!-- table: NAME -->` and `<!-- end -->`, and is what the command
`almkd NAME --format markdown` prints, less what other packages bring. --check writes nothing and
fails where a page differs. The tables of performance.md are those of bench/page.py.
"""

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from sweep import catalogue
from trainers.registry import OWN, TASKS

HERE = Path(__file__).resolve().parent
MARKED = re.compile(r"(<!-- table: ([\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)
ELSEWHERE = ("performance.md",)
TABLES: Mapping[str, Callable[[], list[catalogue.Row]]] = {
    "tasks": catalogue.task_rows,
    "metrics": catalogue.metric_rows,
    "methods": catalogue.method_rows,
    "datasets": catalogue.dataset_rows,
    "networks": catalogue.network_rows,
    "noise": catalogue.noise_rows,
    "sources": catalogue.source_rows,
    "presets": catalogue.preset_rows,
    "spaces": catalogue.space_rows,
}


def written(page: str) -> str:
    """A page with every table as it is now; KeyError for a name that is none."""

    def table(found: re.Match[str]) -> str:
        name, *of = found[2].split()
        rows = catalogue.fields_of(name, of[0]) if of else TABLES[name]()
        return f"{found[1]}{catalogue.to_markdown(rows)}{found[3]}"

    return MARKED.sub(table, page)


def pages() -> list[Path]:
    """The pages that may hold tables."""
    return [path for path in sorted(HERE.glob("*.md")) if path.name not in ELSEWHERE]


def main() -> None:
    """Write, or check; exit code 1 where a page differs."""
    others = set(TASKS) - {task.name for task in OWN}
    if others:
        sys.exit(f"uninstall what brings {', '.join(sorted(others))} first")
    for path in pages():
        page = path.read_text(encoding="utf-8")
        if (now := written(page)) == page:
            continue
        if "--check" in sys.argv[1:]:
            sys.exit(f"{path.name} is not what the rows say; run make docs")
        path.write_text(now, encoding="utf-8")


if __name__ == "__main__":
    main()
