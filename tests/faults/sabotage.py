"""Changes to a module as every process of a launch loads it, for faults that no signal can make."""

import os
from collections.abc import Mapping
from pathlib import Path
from textwrap import indent

# Python runs a module of this name when it starts, wherever it finds one.
HOOK = "sitecustomize.py"
_TEXT = """
import os, sys, time
from importlib.abc import MetaPathFinder
from importlib.util import find_spec


def change(module):
{change}


class Saboteur(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != "{module}":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        load = spec.loader.exec_module

        def exec_module(loaded):
            load(loaded)
            change(loaded)

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, Saboteur())
"""


def changed(place: Path, module: str, change: str) -> Mapping[str, str]:
    """The environment of a launch in which ``change`` is run on ``module`` once it is loaded.

    ``change``: lines of Python that know the module as ``module``; kept in ``place``.
    """
    (place / HOOK).write_text(_TEXT.format(module=module, change=indent(change, "    ")))
    paths = [str(place), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}
