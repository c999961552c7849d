"""Does it converge? A verdict from what was observed on the last three dyadic spans, with control of its error.

A floor *stands* if its exponent (the log-log slope from span to span) is above -SLOWEST, *falls* if it is below, each for the
last doubling and for the last two, at a level of ERROR shared by all comparisons (Bonferroni). Three refusals protect against
runs that are too short: a twin's distance that still grows with the lag, a window that is crossed in one direction, and
a fall that is slowing down.
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
from nonconv.statistics.trends import EARLY, ENDS, FOLLOWED, SIZE, Trend

Answer = Literal["does_not_converge", "converges", "diverges", "undecided"]

ERROR = 0.05
SLOWEST = 0.1
"""Exponents between -SLOWEST and 0 are called standing: a slower fall cannot be told from none."""
FEWEST_PATHS, FEWEST_STEPS = 200, 256
GONE = 0.05
"""Paths that left must be more than this share, at the level 1 - ERROR / 2, for a run to be called diverging."""
RELAXED = 0.5
CROSSED = 4.0
"""Of (distance between the ends of a window)^2 / variance within it: 2 if mixed, 6 for a random walk, 12 for a straight way."""
ROUNDING = 1e-27


class Slope(NamedTuple):
    """An exponent with its 95 % interval."""

    value: float
    se: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True)
class Verdict:
    """answer, the sentence that gives its reason, the steps it was observed on, and the slopes by trend name."""

    answer: Answer
    reason: str
    observed: tuple[int, int]
    slopes: dict[str, Slope]


@dataclass(frozen=True)
class Observed:
    """What a verdict rests on. left: paths that escaped or are not finite. random: whether paths differ at all.

    undefined: paths that became 0/0, which are not counted as left. settling: what still changes from span to span towards
    a limit at which noise persists. noisy: whether noise is known to move the iterates for ever. warmup: for so many steps
    the learning rate is not yet what it is to be.
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
    """The verdict on a run."""
    spans = seen.plan.spans
    observed = (spans[0].first, seen.steps) if spans else (1, seen.steps)
    slopes = _slopes(seen) if _whole(seen) else {}
    answer, reason = _answer(seen)
    return Verdict(answer, reason, observed, slopes)


def _whole(seen: Observed) -> bool:
    return bool(len(seen.plan.spans) == 3 and seen.moments.n == seen.paths)


def _answer(seen: Observed) -> tuple[Answer, str]:
    gone = share(seen.left, seen.paths, 1 - ERROR)
    if (gone.ci_low if seen.random else gone.value) > GONE:
        return "diverges", f"{seen.left} of {seen.paths} paths escaped or left the finite numbers"
    refusal = _refusal(seen) or _not_begun(seen)
    if refusal:
        return "undecided", refusal
    states = {name: _state(seen, name) for name in FOLLOWED if Trend(name, 2) in seen.trends}
    standing = [name for name, state in states.items() if state.kind == "stands"]
    if standing:
        return "does_not_converge", "; ".join(states[name].text for name in standing)
    return _of_no_standing(seen, list(states.values()))


def _of_no_standing(seen: Observed, states: Sequence["State"]) -> tuple[Answer, str]:
    """The answer where no floor stands: floors that fall are not enough where the end of their fall is known."""
    unclear = dict.fromkeys(state.text for state in states if state.kind == "unclear")
    if unclear:
        return "undecided", "; ".join(unclear)
    if seen.settling:
        return "undecided", f"the floors fall, but {seen.settling}, so they may level off; take more steps"
    if seen.noisy and any(state.kind == "vanished" for state in states):
        return "undecided", "the data are noisy, but no noise is seen: it is too rare, or within the rounding of the iterates"
    return "converges", "; ".join(state.text for state in states)


def _refusal(seen: Observed) -> str:
    """Why the run cannot be judged, and what would do; empty when it can."""
    if not any(seen.plan.wanted):
        return "no floors were measured"
    if seen.steps < FEWEST_STEPS or len(seen.plan.spans) < 3:
        return f"{seen.steps} steps are too few; take {FEWEST_STEPS} or more"
    if seen.random and seen.paths < FEWEST_PATHS:
        return f"{seen.paths} paths are too few; take {FEWEST_PATHS} or more"
    if seen.undefined:
        return f"{seen.undefined} of {seen.paths} paths are undefined: the optimizer divided 0 by 0"
    if seen.moments.n < seen.paths:
        lost = seen.paths - int(seen.moments.n)
        return f"{lost} of {seen.paths} paths left the finite numbers: too few to call it diverging, too many to judge the rest"
    return ""


def _not_begun(seen: Observed) -> str:
    """What is still to come of the learning rate in the last span; empty if its warm-up was over."""
    if seen.warmup <= seen.plan.spans[-1].first:
        return ""
    return f"the learning rate warms up until step {seen.warmup}; take {2 * seen.warmup} steps or more"


class State(NamedTuple):
    kind: Literal["stands", "falls", "vanished", "unclear"]
    text: str


SHORT = {"twin_mean": "twin", "cauchy_mean": "cauchy"}
WORDS = {"twin_mean": "the twin floor", "window": "the window floor", "cauchy_mean": "the Cauchy floor"}


def _state(seen: Observed, name: str) -> State:
    """Whether a floor stands or falls."""
    what = WORDS[name]
    size = _mean(seen, Trend(SIZE, 2))
    if _mean(seen, Trend(name, 2)) <= ROUNDING * size:
        return State("vanished", f"{what} has vanished")
    late, both = _exponent(seen, name, 1, 2), _exponent(seen, name, 0, 2)
    z = _quantile(ERROR / (2 * len(FOLLOWED)))
    if min(late.value - z * late.se, both.value - z * both.se) > -SLOWEST:
        unsettled = _unsettled(seen, name, z)
        return State("unclear", unsettled) if unsettled else State("stands", f"{what} stands: {_words(late)}")
    if max(late.value + z * late.se, both.value + z * both.se) < -SLOWEST:
        slowing = _difference(seen, name)
        if slowing.value - z * slowing.se > SLOWEST:
            return State("unclear", f"{what} falls ({_words(late)}), but ever more slowly; take more steps")
        return State("falls", f"{what} falls: {_words(late)}")
    remedy = f"; {_enough(seen.paths, z * late.se, late.value):.0e} paths might do" if seen.random else "; take more steps"
    return State("unclear", f"{what} cannot be told to stand or to fall ({_words(late)}){remedy}")


def _enough(paths: int, half: float, value: float) -> float:
    """Paths with which an interval of this half width would end short of -SLOWEST; at least twice as many."""
    wanted = max(abs(value + SLOWEST), 0.02)
    return max(2.0 * paths, paths * (half / wanted) ** 2) if np.isfinite(half + value) else 2.0 * paths


def _words(slope: Slope) -> str:
    return f"exponent {slope.value:.3f}, 95 % interval {slope.ci_low:.3f} to {slope.ci_high:.3f}"


def _unsettled(seen: Observed, name: str, z: float) -> str:
    """Why a floor that does not fall need not stand; empty if nothing speaks against it."""
    if name == "twin_mean":
        growth = _log_ratio(seen, Trend(EARLY, 2), Trend(name, 2))
        if growth.value + z * growth.se > RELAXED:
            return "the distance from the twin may still grow with the lag; take more steps, or more paths"
        return ""
    if Trend("window", 2) not in seen.trends:
        return "whether the paths have settled is seen by the window floor only, which was not measured"
    crossing = _log_ratio(seen, Trend("window", 2), Trend(ENDS, 2))  # ENDS is a quarter of the squared distance
    if 4.0 * 2.0 ** (crossing.value + z * crossing.se) > CROSSED:
        return "the paths may still be on their way through the last window; take more steps"
    return ""


def _slopes(seen: Observed) -> dict[str, Slope]:
    names = dict.fromkeys(trend.name for trend in seen.trends if trend.name not in (EARLY, SIZE, ENDS))
    found = {SHORT.get(name, name): _exponent(seen, name, 1, 2) for name in names}
    return {name: slope for name, slope in found.items() if np.isfinite(slope).all()}


def _exponent(seen: Observed, name: str, first: int, last: int) -> Slope:
    """The log-log slope of a trend against the ends of two spans."""
    spans = seen.plan.spans
    doublings = np.log2(spans[last].last / spans[first].last)
    ratio = _log_ratio(seen, Trend(name, first), Trend(name, last))
    return Slope(*(float(number / doublings) for number in ratio))


def _log_ratio(seen: Observed, a: Trend, b: Trend) -> Slope:
    """log2 of mean(b) / mean(a)."""
    return _combined(seen, {a: -1.0, b: 1.0})


def _difference(seen: Observed, name: str) -> Slope:
    """By how much the exponent of the last doubling exceeds that of the one before."""
    return _combined(seen, {Trend(name, 0): 1.0, Trend(name, 1): -2.0, Trend(name, 2): 1.0})


def _combined(seen: Observed, weights: dict[Trend, float]) -> Slope:
    """Sum of weight * log2(mean), by the delta method over paths, whose numbers are paired."""
    at = [list(seen.trends).index(trend) for trend in weights]
    w, n = np.array(list(weights.values())), float(seen.moments.n)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        mean = seen.moments.mean[at]
        gradient = w / (mean * np.log(2.0))
        value = float(w @ np.log2(mean))
        variance = float(gradient @ _covariance(seen.moments, at) @ gradient) if seen.random else 0.0
    se = float(np.sqrt(np.maximum(variance, 0.0) / n))
    half = _quantile(0.025) * se
    return Slope(value, se, value - half, value + half)


def _covariance(moments: CoMoments, at: list[int]) -> Array:
    return np.asarray(moments.m2[np.ix_(at, at)] / (moments.n - 1.0))


def _mean(seen: Observed, trend: Trend) -> float:
    return float(seen.moments.mean[list(seen.trends).index(trend)])


def _quantile(tail: float) -> float:
    """Of the normal law, which a mean over hundreds of paths follows."""
    return -normal(tail)


def as_dict(verdict: Verdict) -> dict[str, Any]:
    """As JSON has it."""
    return {
        "verdict": verdict.answer,
        "reason": verdict.reason,
        "observed": list(verdict.observed),
        "slopes": {name: slope._asdict() for name, slope in verdict.slopes.items()},
    }
