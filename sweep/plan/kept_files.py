"""About how much the confirm runs of a sweep keep, in bytes; before any file is read."""

from sweep.plan.plan import Cell, Plan
from trainers.entries import COPIES_OF_PARAMETERS
from trainers.fields import resolved
from trainers.loading import counts, entry_of, input_shape

# In a table of predictions: a row's place and its label, each number that the student says.
KEY_BYTES, NUMBER_BYTES = 16, 4


def students_bytes(plan: Plan) -> int | None:
    """Of all students that are kept; None where the size of one is not known."""
    kept = {"none": 0, "best": 1}.get(plan.spec.confirm.keep_students or "all")
    of_each = len(plan.confirm_seeds) if kept is None else kept
    sizes = [_student_bytes(cell) for cell in plan.cells]
    known = [size for size in sizes if size is not None]
    return of_each * sum(known) if len(known) == len(sizes) else None


def predictions_bytes(plan: Plan) -> int | None:
    """Of the predictions of all confirm runs; None where the test split's size is not known."""
    sizes = [_predictions_bytes(cell) for cell in plan.cells]
    known = [size for size in sizes if size is not None]
    return len(plan.confirm_seeds) * sum(known) if len(known) == len(sizes) else None


def _student_bytes(cell: Cell) -> int | None:
    """Of one student without its last layer."""
    spec, data = cell.spec, cell.spec.data_settings()
    entry, shape = spec.task_entry.networks[spec.student.model.name], input_shape(data)
    if entry.lane_bytes is None or shape is None:
        return None
    model = entry.complete(spec.student.model.settings())
    options = resolved(entry_of(data).fields, data.options)
    parameters = entry.lane_bytes(model, 0, shape) // COPIES_OF_PARAMETERS
    return parameters + entry.bytes_of_data(model.sizes, options)


def _predictions_bytes(cell: Cell) -> int | None:
    data = cell.spec.data_settings()
    found = counts(data)
    if found is None or not data.fractions.test:
        return None
    examples, numbers = found
    of_prediction, shape = cell.spec.task_entry.predicted_numbers, input_shape(data)
    if of_prediction is not None and shape is not None:
        numbers = of_prediction(shape)
    return round(data.fractions.test * examples) * (KEY_BYTES + NUMBER_BYTES * numbers)
