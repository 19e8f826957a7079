"""Which code of the user's own a sweep would load and run, and whether it may."""

from sweep.errors import BadInput
from sweep.spec.axes import combinations
from sweep.spec.own_code import not_allowed
from sweep.spec.spec import SweepSpec
from trainers.own import is_path


def rows_of_own(spec: SweepSpec) -> tuple[str, ...]:
    """The paths of the user's own code whose rows a sweep reads; usually none."""
    names = [
        name
        for made in specs_of_cells(spec)
        for name in (
            made.data.dataset,
            *(model.name for _, model in made.models()),
            *(use.method for use in made.methods),
        )
    ]
    return tuple(dict.fromkeys(name for name in names if is_path(name)))


def needs_code(spec: SweepSpec) -> tuple[str, ...]:
    """The paths of the user's own code that a sweep would load and run; usually none."""
    models = [model for made in specs_of_cells(spec) for _, model in made.models()]
    modules = [model.given["path"] for model in models if model.name == "module"]
    return tuple(dict.fromkeys([*rows_of_own(spec), *modules]))


def specs_of_cells(spec: SweepSpec) -> list[SweepSpec]:
    """A spec, and those of its cells where they are others."""
    cells = [spec.at(values, use) for values in combinations(spec.axes) for use in spec.methods]
    return [spec, *(made for made in cells if made is not spec)]


def check_code_is_allowed(spec: SweepSpec, allowed: bool) -> None:
    """BadInput where a sweep would run code of the user's that was not allowed."""
    paths = needs_code(spec)
    if paths and not allowed:
        raise BadInput(not_allowed(spec.name, paths))
