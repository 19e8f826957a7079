"""Which configuration is confirmed."""

from sweep.plan.choice import Candidate, best_first, best_mean


def _candidates(*values: float) -> list[Candidate]:
    return [Candidate(number, {"lr": number}, value) for number, value in enumerate(values)]


def test_candidates_come_from_the_best_on_and_of_equals_the_earliest_first() -> None:
    found = best_first(_candidates(90.0, 95.0, 90.0, 95.0), maximize=True)
    assert [c.number for c in found] == [1, 3, 0, 2]
    found = best_first(_candidates(0.4, 0.2, 0.3), maximize=False)
    assert [c.number for c in found] == [1, 2, 0]


def test_configuration_that_was_proposed_twice_stands_once() -> None:
    twice = [
        Candidate(0, {"a": 1}, 90.0),
        Candidate(1, {"a": 2}, 91.0),
        Candidate(2, {"a": 1}, 92.0),
    ]
    assert [c.number for c in best_first(twice, maximize=True)] == [2, 1]


def test_best_mean_over_streams_is_chosen() -> None:
    assert best_mean({4: [95.0, 80.0], 1: [90.0, 91.0]}, maximize=True) == 1
    assert best_mean({4: [0.95, 0.80], 1: [0.90, 0.91]}, maximize=False) == 4


def test_of_equal_means_the_one_that_the_search_put_first_is_chosen() -> None:
    assert best_mean({4: [90.0, 92.0], 1: [91.0, 91.0]}, maximize=True) == 4


def test_failed_stream_rules_a_configuration_out() -> None:
    assert best_mean({4: [99.0, None], 1: [90.0, 91.0]}, maximize=True) == 1
    assert best_mean({4: [99.0, None]}, maximize=True) is None
    assert best_mean({}, maximize=True) is None
