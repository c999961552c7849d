"""How long until something happens, where some paths are not observed to the end: Kaplan & Meier (1958), Greenwood (1926)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.numerics.arithmetic import Array
from nonconv.numerics.student import normal
from nonconv.statistics.shares import share


class Survival(NamedTuple):
    """The share of paths to which it has not happened, from each of some times on, rising; shape (times,) each.

    at_risk: paths to which it could happen at that time. low, high: an interval of the share with 95 %, for each time alone.
    """

    time: Array
    at_risk: Array
    share: Array
    low: Array
    high: Array


def kaplan_meier(time: Array, happened: NDArray[np.bool_], confidence: float = 0.95) -> Survival:
    """Estimate survival from the times (n,) at which it happened, or up to which it had not (happened (n,), booleans).

    Greenwood's variance on the scale log(-log share), so that intervals stay within 0 and 1. Where the share is 1 or 0 that
    has none; there the interval is that of Clopper and Pearson.
    """
    times = np.unique(time[happened])
    ordered = np.sort(time)
    at_risk = len(time) - np.searchsorted(ordered, times, side="left")
    events = np.array([np.count_nonzero((time == one) & happened) for one in times], dtype=np.int64)
    survived = np.cumprod(1.0 - events / np.maximum(at_risk, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt(np.cumsum(events / (at_risk * (at_risk - events)))) / np.abs(np.log(survived))
        z = normal(0.5 + confidence / 2.0)
        low, high = survived ** np.exp(z * spread), survived ** np.exp(-z * spread)
    for k in np.flatnonzero(survived == 0.0).tolist():
        # All that were left went; so many paths, observed to the end, would have left as many.
        alike = int(at_risk[k] / survived[k - 1]) if k else int(at_risk[k])
        low[k], high[k] = 0.0, 1.0 - share(alike, alike, confidence).ci_low
    # Before the first event nobody is gone.
    none = share(0, len(time), confidence)
    first = (np.array([-np.inf]), np.array([len(time)]), np.ones(1), np.array([1.0 - none.ci_high]), np.ones(1))
    rest = (times, at_risk, survived, low, high)
    return Survival(*(np.concatenate(pair).astype(np.float64) for pair in zip(first, rest, strict=True)))


class Median(NamedTuple):
    """The first time at which half of the paths are gone; infinite where that is not seen, and so is an end."""

    value: float
    low: float
    high: float


def median(found: Survival) -> Median:
    """Return the median time with the interval of Brookmeyer and Crowley (1982): where the interval of the share holds 1/2."""
    return Median(*(_first_below(found.time, curve) for curve in (found.share, found.low, found.high)))


def _first_below(time: Array, curve: Array) -> float:
    """Return the first time at which a curve (times,) is at most 1/2; infinite if none is."""
    there = np.flatnonzero(curve <= 0.5)
    return float(time[there[0]]) if len(there) else np.inf


def at(found: Survival, times: Array) -> tuple[Array, Array, Array]:
    """Return share, low and high at these times (n,)."""
    k = np.searchsorted(found.time, times, side="right") - 1
    return found.share[k], found.low[k], found.high[k]
