"""What pyproject.toml asks for, one requirement a line: `dependencies.py [EXTRA]...`."""

import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
asked = [*project["dependencies"]]
for extra in sys.argv[1:]:
    asked += project["optional-dependencies"][extra]
sys.stdout.write("\n".join(asked) + "\n")
