"""Does it converge? A verdict from what was observed on the last three dyadic spans, with control of its error.

A floor *stays up* if its log-log slope from span to span is above -SLOWEST_FALL, and *decreases* if it is below. Both must
hold for the last doubling and for the last two, at a level of ERROR_RATE shared by all comparisons (Bonferroni). Three
refusals protect against runs that are too short: a twin distance that still grows with the lag, a window that is crossed
in one direction, and a decrease that slows down.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from nonconv.engine.plan import Plan
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.student import normal
from nonconv.statistics.comoments import CoMoments
from nonconv.statistics.shares import share
from nonconv.statistics.trends import EARLY_TWIN, FLOOR_TRENDS, LAST_SQUARE, ONE_STEP, WINDOW_ENDS, Trend

Answer = Literal["does_not_converge", "converges", "diverges", "undecided"]

ERROR_RATE = 0.05
SLOWEST_FALL = 0.1
"""Slopes between -SLOWEST_FALL and 0 count as staying up: so slow a decrease cannot be distinguished from none."""
FEWEST_PATHS, FEWEST_STEPS = 200, 256
"""Fewest paths and steps that a verdict rests on."""
LOST_SHARE = 0.05
"""A run diverges if more than this share of its paths is lost, at the level 1 - ERROR_RATE / 2."""
TWIN_GROWTH = 0.5
"""A twin distance that may grow faster than this per doubling of the lag has not reached its limit."""
WINDOW_CROSSING = 4.0
"""Limit of (distance between a window's ends)^2 / variance within it: 2 if stationary, 6 for a random walk, 12 for a line."""
ROUNDING_VARIANCE = 1e-27
"""A floor below this share of |last iterate|^2 is the square of a rounding error."""


class Slope(NamedTuple):
    """A log-log slope with its standard error and 95 % interval."""

    value: float
    se: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True)
class Verdict:
    """The answer, a sentence that gives its reason, the first and last step observed, and the slopes by trend name."""

    answer: Answer
    reason: str
    observed: tuple[int, int]
    slopes: dict[str, Slope]


@dataclass(frozen=True)
class Observed:
    """What a verdict rests on. left: paths that escaped or are not finite. random: whether paths differ at all.

    undefined: paths that became 0/0, which do not count as left. settling: what still changes from span to span, as a clause
    such as `the learning rate still decreases to its positive limit`; empty if nothing does. noisy: whether noise is known
    to move the iterates forever. warmup: the number of steps that the learning rate warms up for.
    """

    plan: Plan
    steps: int
    paths: int
    left: int
    random: bool
    trends: Sequence[Trend]
    moments: CoMoments
    undefined: int = 0
    settling: str = ""
    noisy: bool = False
    warmup: int = 0


def judge(seen: Observed) -> Verdict:
    """Return the verdict on a run, with the slope of every trend whose numbers are all finite."""
    spans = seen.plan.spans
    observed = (spans[0].first, seen.steps) if spans else (1, seen.steps)
    slopes = _slopes(seen) if _is_complete(seen) else {}
    answer, reason = _answer(seen)
    return Verdict(answer, reason, observed, slopes)


def _is_complete(seen: Observed) -> bool:
    """Return whether all three spans exist and every path is finite in every trend."""
    return bool(len(seen.plan.spans) == 3 and seen.moments.n == seen.paths)


def _answer(seen: Observed) -> tuple[Answer, str]:
    """Return the answer and its reason: divergence first, then what forbids a verdict, then the floors."""
    gone = share(seen.left, seen.paths, 1 - ERROR_RATE)
    # Without randomness all paths are known, so their share needs no interval.
    if (gone.ci_low if seen.random else gone.value) > LOST_SHARE:
        return "diverges", f"{seen.left} of {seen.paths} paths escaped, overflowed or became nan"
    refusal = _explain_refusal(seen) or _explain_warmup(seen)
    if refusal:
        return "undecided", refusal
    states = {name: _state(seen, name) for name in FLOOR_TRENDS if Trend(name, 2) in seen.trends}
    lasting = [name for name, state in states.items() if state.kind == "stays up"]
    if lasting:
        return "does_not_converge", "; ".join(states[name].text for name in lasting)
    return _without_lasting_floor(seen, list(states.values()))


def _without_lasting_floor(seen: Observed, states: Sequence["State"]) -> tuple[Answer, str]:
    """Return the answer where no floor stays up: a decrease is not enough if the floors are known to level off later."""
    unclear = dict.fromkeys(state.text for state in states if state.kind == "unclear")
    if unclear:
        return "undecided", "; ".join(unclear)
    if seen.settling:
        return "undecided", f"the floors decrease, but {seen.settling}, so they may level off; take more steps"
    if seen.noisy and any(state.kind == "vanished" for state in states):
        return "undecided", "the data are noisy, but the iterates show no noise: it is too rare, or below their rounding error"
    return "converges", "; ".join(state.text for state in states)


def _explain_refusal(seen: Observed) -> str:
    """Return why the run cannot be judged, and what to change; empty if it can."""
    if not any(seen.plan.wanted):
        return "no floors were measured"
    if seen.steps < FEWEST_STEPS or len(seen.plan.spans) < 3:
        return f"{seen.steps} steps are too few; take at least {FEWEST_STEPS}"
    if seen.random and seen.paths < FEWEST_PATHS:
        return f"{seen.paths} paths are too few; take at least {FEWEST_PATHS}"
    if seen.undefined:
        return f"{seen.undefined} of {seen.paths} paths are undefined: the optimizer divided 0 by 0"
    if seen.moments.n < seen.paths:
        lost = seen.paths - int(seen.moments.n)
        return f"{lost} of {seen.paths} paths are not finite: too few to call it divergence, but floors need all paths finite"
    return ""


def _explain_warmup(seen: Observed) -> str:
    """Return why a warm-up forbids a verdict; empty if the warm-up ended before the last span."""
    if seen.warmup <= seen.plan.spans[-1].first:
        return ""
    return f"the learning rate warms up until step {seen.warmup}; take at least {2 * seen.warmup} steps"


class State(NamedTuple):
    """What one floor does over the last spans, and the clause that says so."""

    kind: Literal["stays up", "decreases", "vanished", "unclear"]
    text: str


SLOPE_NAMES = {"twin_mean": "twin", "cauchy_mean": "cauchy"}
FLOOR_PHRASES = {"twin_mean": "the twin floor", "window": "the window floor", "cauchy_mean": "the Cauchy floor"}


def _state(seen: Observed, name: str) -> State:
    """Return whether a floor stays up or decreases, with the clause that says so."""
    what = FLOOR_PHRASES[name]
    size = _mean(seen, Trend(LAST_SQUARE, 2))
    if _mean(seen, Trend(name, 2)) <= ROUNDING_VARIANCE * size:
        return State("vanished", f"{what} is 0 up to rounding")
    late, both = _exponent(seen, name, 1, 2), _exponent(seen, name, 0, 2)
    # Bonferroni over the floors and both sides: any one of them may decide the verdict.
    z = _quantile(ERROR_RATE / (2 * len(FLOOR_TRENDS)))
    # Both the last doubling and the last two must agree: one alone could be a passing flat or steep stretch.
    if min(late.value - z * late.se, both.value - z * both.se) > -SLOWEST_FALL:
        unsettled = _explain_unsettled(seen, name, z)
        return State("unclear", unsettled) if unsettled else State("stays up", f"{what} stays up ({_format_slope(late)})")
    if max(late.value + z * late.se, both.value + z * both.se) < -SLOWEST_FALL:
        slowing = _difference(seen, name)
        if slowing.value - z * slowing.se > SLOWEST_FALL:
            return State("unclear", f"{what} decreases ({_format_slope(late)}), but more and more slowly; take more steps")
        return State("decreases", f"{what} decreases ({_format_slope(late)})")
    remedy = (
        f"about {_suggest_paths(seen.paths, z * late.se, late.value)} paths may be enough" if seen.random else "take more steps"
    )
    return State("unclear", f"cannot tell whether {what} stays up or decreases ({_format_slope(late)}); {remedy}")


def _suggest_paths(paths: int, half: float, value: float) -> str:
    """Return, as a text of one digit, with how many paths an interval of this half width would exclude -SLOWEST_FALL.

    It is at least twice the present number.
    """
    # The distance of the slope from the threshold; at least 0.02, since a slope at the threshold would need any number of
    # paths.
    wanted = max(abs(value + SLOWEST_FALL), 0.02)
    # An interval shrinks with the root of the number of paths.
    more = max(2.0 * paths, paths * (half / wanted) ** 2) if np.isfinite(half + value) else 2.0 * paths
    return f"{float(f'{more:.0e}'):,.0f}".replace(",", " ")


def _format_slope(slope: Slope) -> str:
    """Format a slope with its interval for a sentence."""
    return f"log-log slope {slope.value:.3f}, 95 % interval {slope.ci_low:.3f} to {slope.ci_high:.3f}"


def _explain_unsettled(seen: Observed, name: str, z: float) -> str:
    """Return why a floor that does not decrease may still do so later; empty if nothing suggests it."""
    if name == "twin_mean":
        growth = _log_ratio(seen, Trend(EARLY_TWIN, 2), Trend(name, 2))
        if growth.value + z * growth.se > TWIN_GROWTH:
            return "the distance between twins may still grow with the lag; take more steps or more paths"
        return ""
    if Trend("window", 2) not in seen.trends:
        return "only the window floor shows whether the iterates are stationary, and it was not measured"
    crossing = _log_ratio(seen, Trend("window", 2), Trend(WINDOW_ENDS, 2))  # WINDOW_ENDS is a quarter of the squared distance
    if 4.0 * 2.0 ** (crossing.value + z * crossing.se) > WINDOW_CROSSING:
        return "the iterates may still drift through the last window; take more steps"
    return ""


def _slopes(seen: Observed) -> dict[str, Slope]:
    """Return the finite slopes over the last doubling, by the name that reports use."""
    helpers = (EARLY_TWIN, LAST_SQUARE, WINDOW_ENDS, ONE_STEP)
    names = dict.fromkeys(trend.name for trend in seen.trends if trend.name not in helpers)
    found = {SLOPE_NAMES.get(name, name): _exponent(seen, name, 1, 2) for name in names}
    return {name: slope for name, slope in found.items() if np.isfinite(slope).all()}


def _exponent(seen: Observed, name: str, first: int, last: int) -> Slope:
    """Return the log-log slope of a trend between two spans, given by number, against their last steps."""
    spans = seen.plan.spans
    doublings = np.log2(spans[last].last / spans[first].last)
    ratio = _log_ratio(seen, Trend(name, first), Trend(name, last))
    return Slope(*(float(number / doublings) for number in ratio))


def _log_ratio(seen: Observed, a: Trend, b: Trend) -> Slope:
    """Return log2 of mean(b) / mean(a), with its error."""
    return _combined(seen, {a: -1.0, b: 1.0})


def _difference(seen: Observed, name: str) -> Slope:
    """Return how much the slope of the last doubling exceeds that of the one before."""
    return _combined(seen, {Trend(name, 0): 1.0, Trend(name, 1): -2.0, Trend(name, 2): 1.0})


def _combined(seen: Observed, weights: dict[Trend, float]) -> Slope:
    """Return the sum of weight * log2(mean), by the delta method over paths, whose numbers are paired."""
    at = [list(seen.trends).index(trend) for trend in weights]
    w, n = np.array(list(weights.values())), float(seen.moments.n)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        mean = seen.moments.mean[at]
        # The derivative of w log2(mean) by the mean.
        gradient = w / (mean * np.log(2.0))
        value = float(w @ np.log2(mean))
        variance = float(gradient @ _covariance(seen.moments, at) @ gradient) if seen.random else 0.0
    se = float(np.sqrt(np.maximum(variance, 0.0) / n))
    half = _quantile(0.025) * se
    return Slope(value, se, value - half, value + half)


def _covariance(moments: CoMoments, at: list[int]) -> Array:
    """Return the sample covariance of the trends with these indices, (q, q)."""
    return np.asarray(moments.m2[np.ix_(at, at)] / (moments.n - 1.0))


def _mean(seen: Observed, trend: Trend) -> float:
    """Return the mean of a trend over paths."""
    return float(seen.moments.mean[list(seen.trends).index(trend)])


def _quantile(tail: float) -> float:
    """Return the upper quantile of the standard normal law, which a mean over hundreds of paths follows."""
    return -normal(tail)


def as_dict(verdict: Verdict) -> dict[str, Any]:
    """Return the verdict as verdict.json stores it."""
    return {
        "verdict": verdict.answer,
        "reason": verdict.reason,
        "observed": list(verdict.observed),
        "slopes": {name: slope._asdict() for name, slope in verdict.slopes.items()},
    }
