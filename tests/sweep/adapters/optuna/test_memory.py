"""Which trials samplers and pruners are shown."""

import random

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from sweep.adapters.optuna.memory import BEST, LAST, ShortMemory

SPACE = {"x": FloatDistribution(0.0, 1.0)}
COMPLETE = (TrialState.COMPLETE,)


def _study(storage: InMemoryStorage, direction: str = "maximize") -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.RandomSampler(seed=0)
    return optuna.create_study(storage=storage, direction=direction, sampler=sampler)


def _live(study: optuna.Study, values: list[float]) -> None:
    for value in values:
        study.tell(study.ask(SPACE), value)


def _shown(study: optuna.Study) -> list[int]:
    return [t.number for t in study.get_trials(deepcopy=False, states=COMPLETE)]


def test_nothing_is_left_out_of_a_study_of_usual_size() -> None:
    study, plain = _study(ShortMemory(maximize=True)), _study(InMemoryStorage())
    draw = random.Random(1)
    values = [draw.random() for _ in range(40)]
    _live(study, values)
    _live(plain, values)
    study.sampler, plain.sampler = (optuna.samplers.TPESampler(seed=2) for _ in range(2))
    assert study.ask(SPACE).params == plain.ask(SPACE).params
    assert [t.params for t in study.trials] == [t.params for t in plain.trials]
    assert LAST > 10 * 40


@pytest.mark.parametrize(("direction", "sign"), [("maximize", 1), ("minimize", -1)])
def test_of_a_long_study_the_last_are_shown_and_the_best_before(direction: str, sign: int) -> None:
    memory = ShortMemory(direction == "maximize", last=10)
    study = _study(memory, direction)
    values = list(range(60))
    random.Random(3).shuffle(values)
    _live(study, [float(v) for v in values])
    best = sorted(range(60), key=lambda number: -sign * values[number])[:BEST]
    assert _shown(study) == sorted({*best, *range(50, 60)})
    everything = memory.everything(study._study_id)
    assert [(t.number, t.value) for t in everything] == list(enumerate(values))
    assert study.best_value == max(values, key=lambda v: sign * v)


def test_what_is_shown_follows_every_start_and_end() -> None:
    study = _study(ShortMemory(maximize=True, last=2))
    _live(study, [0.0] * BEST + [5.0, 4.0])
    assert _shown(study)[-2:] == [BEST, BEST + 1]
    trial = study.ask(SPACE)
    assert trial.number not in _shown(study)
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    assert [t.number for t in running] == [trial.number]
    trial.report(7.0, 1)
    (running_now,) = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    assert running_now.intermediate_values == {1: 7.0}
    study.tell(trial, 7.0)
    assert _shown(study)[-1] == trial.number


def test_a_list_that_was_shown_is_the_callers_own() -> None:
    study = _study(ShortMemory(maximize=True, last=2))
    _live(study, [1.0, 2.0, 3.0, 4.0])
    study.get_trials(deepcopy=False, states=COMPLETE).clear()
    assert _shown(study) == [0, 1, 2, 3]
    study.get_trials(states=COMPLETE)[0].params["x"] = -1.0
    assert study.trials[0].params["x"] >= 0


def test_of_trials_that_are_not_shown_any_more_little_is_left() -> None:
    memory = ShortMemory(maximize=True, last=2)
    study = _study(memory)
    for number in range(2 * BEST + 4):
        trial = study.ask(SPACE)
        trial.report(number, 1)
        pruned = number % 2
        study.tell(trial, None if pruned else number, TrialState.PRUNED if pruned else None)
    everything = memory.everything(study._study_id)
    assert [t.state.name for t in everything] == ["COMPLETE", "PRUNED"] * (BEST + 2)
    whole = [t for t in everything if t.intermediate_values]
    # The two last ones, one of which is complete; the best ones; none of the first.
    assert [t.number for t in whole] == [*range(4, 2 * BEST + 2, 2), 2 * BEST + 2, 2 * BEST + 3]
    assert len({id(t) for t in everything if not t.params}) == 1
    first = everything[0]
    assert (first.number, first.value, set(first.params)) == (0, 0.0, {"x"})
    assert study.best_trial.number == 2 * BEST + 2
