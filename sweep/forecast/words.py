"""A forecast in words."""

from sweep.forecast.forecast import Forecast
from sweep.spec.durations import in_words


def line(forecast: Forecast) -> str:
    """What is expected, and what of it where, in one line."""
    slots = f"{forecast.slots} cohort{'s' if forecast.slots > 1 else ''} at once"
    where = "on this machine" if forecast.slots <= forecast.here else "on machines like this one"
    return (
        f"about {in_words(forecast.total_s)} with {slots} {where}, "
        f"{_hours(forecast.device_s)} {forecast.device} hours: start "
        f"{in_words(forecast.start_s)}, training {in_words(forecast.training_s)}, comparison "
        f"{in_words(forecast.comparison_s)}; {_source(forecast)}"
    )


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.2g}"


def _source(forecast: Forecast) -> str:
    """Where the costs of cohorts are from."""
    if not forecast.seen:
        return "timed just now"
    if forecast.seen == forecast.kinds:
        return "by the runs on record"
    return f"by the runs on record of {forecast.seen} of {forecast.kinds} kinds of cohorts"
