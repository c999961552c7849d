"""The factor per step by which a mean square changes, with its interval over paths, and whether it means linear convergence."""

from typing import NamedTuple

import numpy as np

from nonconv.components.quantity import Steps
from nonconv.numerics.arithmetic import Array
from nonconv.statistics.order import jackknifed

ROUNDING = 2.0**-42
"""Distances below this share of the limit itself are those of rounding errors, a thousand of them."""
LEAST = 1e-290
"""Distances below this leave the range of doubles."""
FEWEST = 3
"""Recorded steps that a slope needs."""
CLEAR = 10.0
"""The factor by which a mean must change for its course to be told from a power of n, which halves some times at most."""
SLOWER = 0.6
"""The slope of the second half as a share of that of the first half below which the fall slows down."""


class Rate(NamedTuple):
    """The factor per step with its 95 % interval, nan where there is none; of the steps first to last.

    reason: why it has no interval. note: what the number means, where it is not that of linear convergence to the end.
    """

    value: float
    se: float
    low: float
    high: float
    first: int
    last: int
    reason: str = ""
    note: str = ""


@np.errstate(all="ignore")
def rate(record: Steps, distances: Array, size: float, exact: bool) -> Rate:
    """Fit the rate over the last half of the recorded steps (R,).

    distances (R, paths): of iterates from the limit. size: of the limit itself, which rounding errors are compared with.
    exact: nothing is random, so the mean is the quantity itself.
    """
    end, reached = _last_above_rounding(distances, size)
    last = int(record[end])
    window = np.flatnonzero((2 * record >= last) & (record <= last))
    none = (np.nan,) * 4
    if not np.isfinite(distances[window]).all():
        return Rate(*none, int(record[window[0]]), last, "the mean is not finite")
    if len(window) < FEWEST or reached == 0:
        why = "it is at rounding errors from the first recorded step on" if reached == 0 else "too few steps are recorded"
        return Rate(*none, int(record[window[0]]), last, f"{why}; record more of them, or fewer steps")
    n = record[window].astype(np.float64)
    # In units of the largest distance at each step, since squares of small ones leave the range of doubles.
    unit = distances[window].max(axis=1)
    scaled, log_units = np.square(distances[window] / unit[:, None]), 2.0 * np.log(unit)
    found = jackknifed(n, scaled, log_units, exact)
    value = float(np.exp(found.value))
    logs = np.log(scaled.mean(axis=1)) + log_units
    note = _reached(record, reached) if reached is not None else _meaning(n, logs, found.ci_low, found.ci_high)
    ends = (float(np.exp(found.ci_low)), float(np.exp(found.ci_high)))
    return Rate(value, value * found.se, *ends, int(n[0]), last, found.reason, note)


def _last_above_rounding(distances: Array, size: float) -> tuple[int, int | None]:
    """Return the index of the last step that is not at rounding errors, and that of the first that is, if any is."""
    lowest = max(LEAST, ROUNDING * size)
    above = np.flatnonzero(~(distances.max(axis=1) <= lowest))
    # What no longer moves at all stands at rounding errors as well, as where steps vanish beside the iterate.
    moves = np.flatnonzero((distances != distances[-1:]).any(axis=1))
    still = distances.max(axis=1)[-1] <= 1e-6 * max(size, float(distances[0].max()))
    last = len(distances) - 1
    # The last step always equals itself.
    stands = len(moves) > 0 and still and moves[-1] < last - 1
    end = min(int(above[-1]) if len(above) else 0, int(moves[-1]) if stands else last)
    return end, (None if end == last else end + 1 if len(above) else 0)


def _reached(record: Steps, at: int) -> str:
    """Say from which step on there are rounding errors alone."""
    return f"from step {int(record[at])} on it stands at rounding errors, so the rate is that of the steps before"


def _meaning(n: Array, logs: Array, low: float, high: float) -> str:
    """Say why a slope is not that of linear convergence; empty if it may be. low, high: its interval."""
    change = float(np.exp(np.abs(logs[-1] - logs[0])))
    if low <= 0.0 <= high:
        return "it stands at a plateau: its interval holds 1"
    if change < CLEAR:
        return f"it changes by a factor of {change:.3g} only over these steps, as a power of n or a plateau would"
    middle = len(n) // 2
    early, late = (np.polyfit(n[part], logs[part], 1)[0] for part in (slice(middle + 1), slice(middle, None)))
    return "it slows down within these steps, so it does not go on at this rate" if late / early < SLOWER else ""
