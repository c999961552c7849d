"""Does it converge? Two answers: what the floors did on the spans of the run, and the verdict on n -> infinity.

*Observed*, for each floor over the last doubling and over the last two, by a simultaneous interval of its log-log slope:

    vanished    it is 0 up to rounding
    stands      the interval lies above -SLOWEST_FALL and reaches 0: an equivalence, not the absence of a fall
    grows       the interval lies above SLOWEST_FALL
    falls       the interval lies below 0
    unclear     anything else

The *verdict* rests on these and on what is known of the limit (experiment.structure). `converges` needs a declared reason
for which errors may vanish, and floors that all fall as it accounts for. `does_not_converge` needs that no such reason
exists, schedules in their limit regime, and a floor that stands. Everything else is `undecided`, with what would decide it.
docs/verdicts.md has the mathematics and what is guaranteed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from nonconv.engine.plan import Plan
from nonconv.engine.whole import Whole
from nonconv.experiment.structure import Structure
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.student import student
from nonconv.statistics import deterministic
from nonconv.statistics.advice import for_a_fall, for_a_stand, more_steps
from nonconv.statistics.comoments import CoMoments
from nonconv.statistics.decision import INFINITE_SQUARES, LEAST_SHARE, Answer, Decision, Seen, State, schedules_undecided
from nonconv.statistics.floors import ROUNDING_VARIANCE
from nonconv.statistics.shares import share
from nonconv.statistics.trends import FLOOR_TRENDS, LAST_SQUARE, ONE_STEP, WINDOW_ENDS, Trend

ERROR_RATE = 0.05
"""The chance of a wrong verdict by chance, however often the number of paths is doubled until there is one."""
SLOWEST_FALL = 0.1
"""Doublings per doubling: a floor stands if its slope is known to be above -SLOWEST_FALL and may be 0."""
FEWEST_PATHS, FEWEST_STEPS = 50, 256
"""Fewest paths and steps that a verdict rests on."""
CARRYING_PATHS = 10.0
"""Fewest paths, by Kish's effective number, that must carry the mean of a floor that decides."""
LOST_SHARE = 0.05
"""A run diverges, or is undefined, if more than this share of its paths is, at the level of the verdict."""
FASTEST_GROWTH = 0.75
"""A floor that may grow faster than this per doubling may be on its way to infinity, as a random walk is, with slope 1."""
WINDOW_CROSSING, WINDOW_DRIFT = 4.0, 9.0
"""(Distance between a window's ends)^2 / variance within it, which is 2 if stationary, 6 for a random walk, 12 for a line.

Below the first the start is forgotten; beyond the second it is a drift.
"""
STEEP = 4.0
"""Doublings per doubling: where the mean square is known to shrink, so steep a fall needs no interval, nor many paths."""
GENUINE_SHARE = 0.99
"""Where some coordinates of a floor are rounding errors, the others decide if they are this share of it."""
MOST_SHARE = 4.0
"""A fall is accounted for if its slope is between LEAST_SHARE and this many times that of the schedules' drive.

The variance of SGD falls like the drive, one step's like its square; in a loss that is flatter than a quadratic it falls
more slowly, like the root of it for a fourth power.
"""
EXACT_HALF = 0.005
"""Half the width of an interval of a slope that is known exactly: where in its cycle a run ends is chance too."""


UNKNOWN = Structure()
"""Of a cell of which nothing is known."""


class Slope(NamedTuple):
    """A log-log slope with its standard error and 95 % interval."""

    value: float
    se: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True)
class Verdict:
    """The answer, a sentence that gives its reason, and what it rests on.

    observed: the first and last step observed. slopes: by trend name. floors: for each floor what it did over the last
    doubling and over the last two. level: the confidence of those intervals, all together. known: what is known of the
    limit. decides: what would decide. infinite: why mean squares, and so floors, are infinite; empty where they are not.
    """

    answer: Answer
    reason: str
    observed: tuple[int, int]
    slopes: dict[str, Slope]
    floors: dict[str, tuple[Seen, ...]]
    level: float
    known: Structure
    decides: str = ""
    infinite: str = ""


@dataclass(frozen=True)
class Observed:
    """What a verdict rests on. left: paths that escaped or overflowed. undefined: paths that became 0/0 or the like.

    causes: what made paths undefined, in words; empty where that is not known.
    leaving: why paths that left may come back, so that they show no divergence; empty if they do not.
    random: whether paths differ at all. structure: what is known of the limit. whole: where no step is random.
    withheld: why means have no interval, by trend; those that have one may be missing. infinite: why floors are infinite, by
    the names of their trends; those that are not are missing.
    coordinates: floors.by_coordinate, summed over paths, where a floor may be rounding errors; else None.
    """

    plan: Plan
    steps: int
    paths: int
    left: int
    random: bool
    trends: Sequence[Trend]
    moments: CoMoments
    undefined: int = 0
    causes: str = ""
    leaving: str = ""
    structure: Structure = UNKNOWN
    whole: Whole | None = None
    withheld: Mapping[Trend, str] = field(default_factory=dict)
    infinite: Mapping[str, str] = field(default_factory=dict)
    coordinates: Array | None = None

    @cached_property
    def places(self) -> dict[Trend, int]:
        """The index of each trend among `trends`."""
        return {trend: k for k, trend in enumerate(self.trends)}


def error_rate(paths: int) -> float:
    """Return the chance of error at this number of paths: ERROR_RATE / 2, / 4, ... with each doubling from FEWEST_PATHS on.

    So the chances of all looks at a run whose paths are doubled until it is decided add up to at most ERROR_RATE.
    """
    doublings = math.floor(math.log2(max(paths, FEWEST_PATHS) / FEWEST_PATHS))
    return float(ERROR_RATE / 2.0 ** (1 + doublings))


def judge(seen: Observed) -> Verdict:
    """Return the verdict on a run, with the slope of every trend whose numbers are all finite."""
    spans = seen.plan.spans
    observed = (spans[0].first, seen.steps) if spans else (1, seen.steps)
    slopes = _slopes(seen) if _is_complete(seen) else {}
    floors = {name: _see(seen, name) for name in _floors(seen)} if _is_complete(seen) else {}
    if floors and seen.whole:
        floors = {EXTENT: deterministic.see(seen.plan, seen.whole)}
    found = _answer(seen, floors)
    if found.answer == "undecided" and not seen.structure.void and not (seen.infinite and not floors):
        found = _explain_withheld(seen, floors) or found
    level = 1.0 - error_rate(seen.paths) if seen.random else 1.0
    infinite = next(iter(seen.infinite.values()), "")
    return Verdict(found.answer, found.reason, observed, slopes, floors, level, seen.structure, found.decides, infinite)


def _is_complete(seen: Observed) -> bool:
    """Return whether all three spans exist and every path is finite in every trend."""
    return bool(len(seen.plan.spans) == 3 and seen.moments.n == seen.paths)


def _floors(seen: Observed) -> list[str]:
    """Return the names of the floors that were measured and are finite, one step's noise among them."""
    return [name for name in (*FLOOR_TRENDS, ONE_STEP) if Trend(name, 2) in seen.trends and name not in seen.infinite]


def _answer(seen: Observed, floors: dict[str, tuple[Seen, ...]]) -> Decision:
    """Return the answer: lost paths first, then what forbids a verdict, then the floors and the structure."""
    lost: tuple[tuple[int, Answer, str], ...] = (
        (seen.left, "diverges", "escaped or overflowed"),
        (seen.undefined, "undefined", f"are undefined: {seen.causes or 'their numbers left the range of doubles'}"),
    )
    for number, answer, text in lost:
        who = "the path" if seen.paths == 1 else f"{number} of {seen.paths} paths"
        gone = share(number, seen.paths, 1.0 - error_rate(seen.paths))
        # Without randomness all paths are known, so their share needs no interval.
        if (gone.ci_low if seen.random else gone.value) > LOST_SHARE:
            if answer == "diverges" and seen.leaving:
                advice = more_steps(seen.structure, seen.steps)
                return Decision("undecided", f"{who} {text}, but {seen.leaving}", advice)
            return Decision(answer, f"{who} {text}")
    refusal = _explain_refusal(seen)
    if refusal.reason:
        return refusal
    if seen.whole:
        return _decide_without_noise(seen, seen.whole)
    if seen.structure.forbids or seen.structure.reasons:
        return _decide_convergence(seen, floors)
    return _decide_persistence(seen, floors)


def _explain_refusal(seen: Observed) -> Decision:
    """Return why the run cannot be judged, and what to change; with an empty reason if it can."""
    if not any(seen.plan.wanted):
        return Decision("undecided", "no floors were measured", "measure floors")
    if seen.steps < FEWEST_STEPS or len(seen.plan.spans) < 3:
        return Decision(
            "undecided",
            f"{seen.steps} {'step is' if seen.steps == 1 else 'steps are'} too few",
            f"take at least {FEWEST_STEPS} steps",
        )
    if seen.random and seen.paths < FEWEST_PATHS:
        return Decision(
            "undecided",
            f"{seen.paths} {'path is' if seen.paths == 1 else 'paths are'} too few",
            f"take at least {FEWEST_PATHS} paths",
        )
    return _explain_infinite(seen) if seen.infinite and not _floors(seen) else _explain_lost(seen)


def _explain_lost(seen: Observed) -> Decision:
    """Return why paths whose numbers are not finite keep a run from being judged; with an empty reason if there are none."""
    if seen.moments.n < seen.paths and not seen.left + seen.undefined:
        return Decision("undecided", "squares of distances leave the range of doubles", "take units in which they do not")
    if seen.moments.n < seen.paths:
        lost = seen.paths - int(seen.moments.n)
        what = f"undefined ({seen.causes})" if seen.undefined and seen.causes else "not finite"
        return Decision("undecided", f"{lost} of {seen.paths} paths are {what}: few, but floors need all paths finite")
    return Decision("undecided", "")


def _decide_without_noise(seen: Observed, whole: Whole) -> Decision:
    """Return the verdict where a start determines its path: from the paths that were followed, and from the windows of all."""
    found = deterministic.decide(seen.structure, whole, seen.steps)
    if found.answer != "converges" or not seen.random:
        return found
    if "window" in seen.infinite:
        return _explain_infinite(seen)
    window = _see(seen, "window") if "window" in _floors(seen) else None
    if window and _falls(window):
        return found
    told = _tell("window", window) if window else "the window floor, which sees all paths, was not measured"
    return Decision("undecided", f"{found.reason}; but {told}", more_steps(seen.structure, seen.steps))


def _decide_persistence(seen: Observed, floors: dict[str, tuple[Seen, ...]]) -> Decision:
    """Return does_not_converge, or why not, where no certain reason for vanishing errors is known."""
    known = seen.structure
    standing = {name: found for name in floors if (found := _standing(seen, name, floors[name]))}
    # A floor that stands over both doublings says more than one that stands over the last.
    lasting = {name: found for name, found in standing.items() if found is floors[name][1]} or standing
    if standing and not known.irregular and (known.noise == "persists" or _noise_lasts(seen, floors)):
        return Decision("does_not_converge", "; ".join(_tell_one(name, found) for name, found in lasting.items()))
    if known.irregular:
        return schedules_undecided(known)
    return _explain_unclear(seen, floors)


def _decide_convergence(seen: Observed, floors: dict[str, tuple[Seen, ...]]) -> Decision:
    """Return converges, or why not, where a reason for vanishing errors is declared."""
    known = seen.structure
    because = " and ".join(reason.text for reason in known.reasons)
    if not known.reasons:
        return _explain_void(seen, floors)
    if "window" not in floors:
        return Decision("undecided", f"{because}, but only the window floor sees every movement, and it was not measured")
    stuck = _stuck(floors)
    if stuck:
        return _explain_slow(seen, floors, stuck, because)
    falling = {name: both for name, (_, both) in floors.items() if name != ONE_STEP and both.state in ("falls", "vanished")}
    unaccounted = _explain_unaccounted(seen, falling)
    if unaccounted:
        return Decision("undecided", f"{because}, but {unaccounted}", more_steps(known, seen.steps))
    return Decision("converges", f"{because}; " + "; ".join(_tell(name, floors[name]) for name in falling))


def _stuck(floors: dict[str, tuple[Seen, ...]]) -> list[str]:
    """Return the floors that keep a run from converging, since they do not fall as they would; empty if none does.

    The twin floor must fall, and so must one of those that see movement, while the other may be too noisy to tell.
    """
    measured = [name for name in floors if name != ONE_STEP]
    slow = [name for name in measured if not _falls(floors[name])]
    moving = [name for name in measured if name in ("window", "cauchy_mean")]
    enough = "twin_mean" not in slow and (not moving or any(name not in slow for name in moving))
    return [] if enough and not any(floors[name][1].state == "grows" for name in slow) else slow


def _see(seen: Observed, name: str) -> tuple[Seen, ...]:
    """Return what a floor did over the last doubling and over the last two."""
    return _seen_between(seen, name, 1), _seen_between(seen, name, 0)


def _seen_between(seen: Observed, name: str, first: int) -> Seen:
    """Return what a floor did from the span with number `first` to the last one."""
    spans = seen.plan.spans
    slope = _noise_slope(seen, first) if name == ONE_STEP else _exponent(seen, name, first, 2)
    half = _deviate(seen) * slope.se if seen.random else EXACT_HALF
    low, high = slope.value - half, slope.value + half
    return Seen(_state(seen, name, first, slope.value, half), spans[first].last, spans[2].last, slope.value, low, high)


def _state(seen: Observed, name: str, first: int, slope: float, half: float) -> State:
    """Name what a floor did by its slope and half the width of the slope's interval."""
    low, high = slope - half, slope + half
    rounding = _is_rounding(seen, name)
    if rounding is not False:
        # Where noise grows with the distance, paths that are not seen may carry the mean.
        known = seen.structure.contracting or seen.structure.noise in ("none", "persists")
        return "vanished" if rounding and known else "unclear"
    if seen.structure.contracting and slope < -STEEP:
        return "falls"
    if not (math.isfinite(low) and math.isfinite(high)) or _carrying(seen, name, first) < CARRYING_PATHS:
        return "unclear"
    if low > SLOWEST_FALL:
        return "grows"
    if high < 0:
        return "falls"
    return "stands" if low > -SLOWEST_FALL else "unclear"


def _is_rounding(seen: Observed, name: str) -> bool | None:
    """Return whether a floor is the square of rounding errors, in every coordinate; None where some hide what others do."""
    if not _mean(seen, Trend(name, 2)) <= ROUNDING_VARIANCE * _mean(seen, Trend(LAST_SQUARE, 2)):
        return False
    if seen.coordinates is None:
        return True
    measured = [trend for trend in FLOOR_TRENDS if Trend(trend, 2) in seen.trends]
    counted, squares, *floors = seen.coordinates
    if counted[0] < seen.paths:
        return None  # of some blocks, whose floors were no rounding errors, coordinates were not kept
    floor = floors[measured.index("twin_mean" if name == ONE_STEP else name)]
    genuine = floor > ROUNDING_VARIANCE * squares
    if not genuine.any():
        return True
    return False if floor[genuine].sum() >= GENUINE_SHARE * floor.sum() else None


def _standing(seen: Observed, name: str, floor: tuple[Seen, ...]) -> Seen | None:
    """Return what shows that a floor stays up: over the last two doublings, or over the last one; None if nothing does."""
    late, both = floor
    if late.state in ("falls", "vanished") or min(late.high, both.high) > FASTEST_GROWTH:
        return None
    if name in ("window", "cauchy_mean") and not _shows_noise(seen):
        return None
    if both.state in ("stands", "grows") and late.slope > -SLOWEST_FALL:
        return both
    # Where noise is known to stay, one doubling is enough: an earlier fall is the way from the start.
    return late if late.state == "stands" and seen.structure.noise == "persists" else None


def _shows_noise(seen: Observed) -> bool:
    """Return whether windows and gaps, which see any movement, can be trusted to show noise.

    So they can if twins do not fall where noise is known to stay, or if the start is forgotten.
    """
    twins = "twin_mean" in _floors(seen) and _exponent(seen, "twin_mean", 0, 2).value > -SLOWEST_FALL
    return (twins and seen.structure.noise == "persists") or _cycles(seen)


def _cycles(seen: Observed) -> bool:
    """Return whether no window is crossed in one direction, on any span: the start is forgotten."""
    for number in range(3):
        if Trend("window", number) not in seen.trends:
            return False
        # WINDOW_ENDS is a quarter of the squared distance between the ends of a span.
        crossing = _log_ratio(seen, Trend("window", number), Trend(WINDOW_ENDS, number))
        if not 4.0 * 2.0 ** (crossing.value + _deviate(seen) * crossing.se) <= WINDOW_CROSSING * (1.0 + 1e-9):
            return False
    return True


def _noise_lasts(seen: Observed, floors: dict[str, tuple[Seen, ...]]) -> bool:
    """Return whether nothing speaks against the noise of one step, relative to the rule's own scale, staying as it is."""
    if ONE_STEP not in floors:
        return False
    late, both = floors[ONE_STEP]
    return late.state not in ("falls", "vanished") and both.state not in ("falls", "vanished") and both.slope > -SLOWEST_FALL


def _falls(floor: tuple[Seen, ...]) -> bool:
    """Return whether a floor fell over the last two doublings and did not stop in the last one; or has vanished."""
    late, both = floor
    if late.state == "vanished":
        return True
    return both.state == "falls" and late.slope < 0


def _explain_unaccounted(seen: Observed, falling: dict[str, Seen]) -> str:
    """Say why the declared reasons do not account for the fall of the floors; empty if they do."""
    known, kinds = seen.structure, {reason.kind for reason in seen.structure.reasons}
    alive = {name: found for name, found in falling.items() if found.state != "vanished"}
    if not alive:
        return ""
    if "noise" in kinds or not known.drive:  # of trajectories logged elsewhere the rates may not be known
        slowing = [name for name in alive if _slows(seen, name)]
        return f"{FLOOR_PHRASES[slowing[0]]} falls more and more slowly" if slowing else ""
    if not known.summable and not known.anew and _drifts(seen):
        return "the iterates cross the last window in one direction, as on a drift that need not end"
    doublings = math.log2(seen.plan.spans[2].last / seen.plan.spans[0].last)
    drive = (known.drive[2] - known.drive[0]) / doublings
    for name, found in alive.items():
        if found.slope > LEAST_SHARE * drive:
            return f"{FLOOR_PHRASES[name]} falls much more slowly than the steps do"
    # Only the twins do not see the way from the start, which may fall at any speed.
    steep = alive.get("twin_mean")
    if steep and steep.high < MOST_SHARE * drive - SLOWEST_FALL:
        return "the twin floor falls much faster than the steps do, so something else still settles"
    return ""


def _drifts(seen: Observed) -> bool:
    """Return whether the last window is known to be crossed in one direction, as by straight motion, no random walk."""
    crossing = _log_ratio(seen, Trend("window", 2), Trend(WINDOW_ENDS, 2))
    return bool(4.0 * 2.0 ** (crossing.value - _deviate(seen) * crossing.se) > WINDOW_DRIFT)


def _slows(seen: Observed, name: str) -> bool:
    """Return whether the slope of the last doubling is above that of the one before, by more than chance."""
    found = _difference(seen, name)
    half = _deviate(seen) * found.se if seen.random else EXACT_HALF
    return bool(found.value - half > SLOWEST_FALL)


def _explain_withheld(seen: Observed, floors: dict[str, tuple[Seen, ...]]) -> Decision | None:
    """Say why floors have no interval, if none has one over the last two doublings."""
    reasons = {name: seen.withheld.get(Trend(name, 2)) or seen.withheld.get(Trend(name, 0)) for name in floors}
    if not reasons or not all(reasons.values()):
        return None
    reason, _, remedy = str(next(iter(reasons.values()))).rpartition("; ")
    return Decision("undecided", f"the floors have no interval: {reason or remedy}", remedy if reason else "")


def _explain_infinite(seen: Observed) -> Decision:
    """Say that the mean square itself is infinite, so that no floor says anything."""
    reason, _, remedy = next(iter(seen.infinite.values())).partition(": ")[2].rpartition("; ")
    return Decision("undecided", f"{INFINITE_SQUARES}: {reason}", remedy)


def _explain_void(seen: Observed, floors: dict[str, tuple[Seen, ...]]) -> Decision:
    """Say that a reason which would hold does not, since the limit is not stable."""
    told = "; ".join(_tell(name, floors[name]) for name in floors if name != ONE_STEP)
    return Decision("undecided", f"{told}; but {seen.structure.void or 'nothing declared makes the errors vanish'}")


def _explain_slow(seen: Observed, floors: dict[str, tuple[Seen, ...]], stuck: list[str], because: str) -> Decision:
    """Say which floors do not fall although a reason for it is declared, and what would show it."""
    told = "; ".join(_tell(name, floors[name]) for name in stuck)
    seen_of_stuck = [floors[name][1] for name in stuck]
    remedy = for_a_fall(seen.structure, seen_of_stuck, seen.steps, seen.paths, LEAST_SHARE)
    return Decision("undecided", f"{because}, but on these steps {told}", remedy)


def _explain_unclear(seen: Observed, floors: dict[str, tuple[Seen, ...]]) -> Decision:
    """Say what the floors did where neither verdict is supported, and what would decide."""
    names = [name for name in floors if name != ONE_STEP] or list(floors)
    if seen.structure.noise == "persists" and all(floors[name][0].state == "vanished" for name in names):
        return Decision("undecided", INVISIBLE, "take more paths, or a larger learning rate")
    told = "; ".join(_tell(name, floors[name]) for name in names)
    if all(_falls(floors[name]) for name in names):
        why = (
            seen.structure.void
            or seen.structure.may_settle
            or "nothing declared makes the errors vanish, so they may level off"
        )
        return Decision(
            "undecided", f"{told}; but {why}", "" if seen.structure.void else more_steps(seen.structure, seen.steps)
        )
    remedy = for_a_stand(seen.structure, [floors[name][1] for name in names], SLOWEST_FALL, seen.steps, seen.paths)
    return Decision("undecided", told, remedy)


FLOOR_PHRASES = {
    "twin_mean": "the twin floor",
    "window": "the window floor",
    "cauchy_mean": "the Cauchy floor",
    ONE_STEP: "the noise of one step",
}
EXTENT = "extent"
SLOPE_NAMES = {"twin_mean": "twin", "cauchy_mean": "cauchy"}


def tell_floors(verdict: Verdict) -> str:
    """Say what each floor did but the noise of one step."""
    return "; ".join(_tell(name, floor) for name, floor in verdict.floors.items() if name != ONE_STEP)


def _tell(name: str, floor: tuple[Seen, ...]) -> str:
    """Say what a floor did, with the interval that decided: that of the last two doublings, or of the last one."""
    late, both = floor
    return _tell_one(name, both if both.state != "unclear" or late.state == "unclear" else late)


def _tell_one(name: str, at: Seen) -> str:
    """Say what a floor did between two spans, with the interval that decided."""
    if at.state == "vanished":
        return f"{FLOOR_PHRASES[name]} is 0 up to rounding"
    if math.isnan(at.low):
        return f"{FLOOR_PHRASES[name]} has no interval (log-log slope {at.slope:z.3f})"
    told = at.state == "unclear" and (at.high < 0 or at.low > -SLOWEST_FALL)
    verb = "rests on too few paths" if told else VERBS[at.state]
    return f"{FLOOR_PHRASES[name]} {verb} (log-log slope {at.slope:z.3f}, {at.low:z.3f} to {at.high:z.3f})"


INVISIBLE = "the gradient is noisy, but the iterates show no noise: it is too rare, or below their rounding error"
VERBS = {"stands": "stands", "grows": "grows", "falls": "falls", "unclear": "may stand or fall", "vanished": "is 0"}


def _noise_slope(seen: Observed, first: int) -> Slope:
    """Return the log-log slope of one step's noise relative to the rule's own scale, where that is known."""
    plain, scale = _exponent(seen, ONE_STEP, first, 2), seen.structure.scale
    if not scale:
        return plain
    doublings = np.log2(seen.plan.spans[2].last / seen.plan.spans[first].last)
    shift = float((scale[2] - scale[first]) / doublings)
    return Slope(plain.value - shift, plain.se, plain.ci_low - shift, plain.ci_high - shift)


def _carrying(seen: Observed, name: str, first: int) -> float:
    """Return Kish's effective number of paths that carry the mean of a floor, the least over the spans compared."""
    if not seen.random:
        return math.inf
    at = [seen.places[Trend(name, k)] for k in (first, 2)]
    n, mean = float(seen.moments.n), seen.moments.mean[at]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        relative = np.diag(seen.moments.m2)[at] / n / mean**2
    return float(np.min(n / (1.0 + relative))) if np.isfinite(relative).all() else 0.0


def _deviate(seen: Observed) -> float:
    """Return the half-width of a simultaneous interval in standard errors: of all floors over both doublings."""
    if not seen.random:
        return 0.0
    intervals = 2 * (len(FLOOR_TRENDS) + 1)
    return -student(max(int(seen.moments.n) - 1, 1), error_rate(seen.paths) / (2 * intervals))


def _slopes(seen: Observed) -> dict[str, Slope]:
    """Return the finite slopes over the last doubling, by the name that reports use."""
    hidden = (LAST_SQUARE, WINDOW_ENDS, ONE_STEP)
    names = dict.fromkeys(trend.name for trend in seen.trends if trend.name not in hidden)
    found = {SLOPE_NAMES.get(name, name): _exponent(seen, name, 1, 2) for name in names}
    half = _half_of_looks(seen)
    wider = {name: slope._replace(ci_low=slope.ci_low - half, ci_high=slope.ci_high + half) for name, slope in found.items()}
    return {name: slope for name, slope in wider.items() if np.isfinite(slope).all()}


def _half_of_looks(seen: Observed) -> float:
    """Return how far off a slope may be because a path without randomness, which has a period, was not looked at every step.

    Numbers >= 0 of period p have at most the deviation sqrt(p - 1) of their mean m: all but one are 0. So has their logarithm
    at S looks about sqrt((p - 1) / S), and the difference of two spans sqrt(2) of that; two deviations are meant.
    """
    late = seen.plan.spans[1:]
    if seen.random or all(span.period <= 1 or span.covered <= span.strata for span in late):
        return 0.0
    looks = min(span.strata for span in late) * max(float(seen.moments.n), 1.0)
    doublings = np.log2(late[1].last / late[0].last)
    return float(2.0 * np.sqrt(2.0 * (late[0].period - 1) / looks) / np.log(2.0) / doublings)


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
    at = [seen.places[trend] for trend in weights]
    w, n = np.array(list(weights.values())), float(seen.moments.n)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        mean = seen.moments.mean[at]
        # The derivative of w log2(mean) by the mean.
        gradient = w / (mean * np.log(2.0))
        value = float(w @ np.log2(mean))
        variance = float(gradient @ (seen.moments.m2[at][:, at] / (n - 1.0)) @ gradient) if seen.random else 0.0
    if any(seen.withheld.get(trend) for trend in weights):
        variance = math.nan
    se = math.nan if math.isnan(variance) else float(np.sqrt(max(variance, 0.0) / n))
    half = -student(max(int(n) - 1, 1), 0.025) * se
    return Slope(value, se, value - half, value + half)


def _mean(seen: Observed, trend: Trend) -> float:
    """Return the mean of a trend over paths."""
    return float(seen.moments.mean[seen.places[trend]])


def _without_infinities(found: Seen) -> dict[str, Any]:
    """Return what a floor did as JSON has it: null for a number that is not finite."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in found._asdict().items()
    }


def as_dict(verdict: Verdict) -> dict[str, Any]:
    """Return the verdict as verdict.json stores it."""
    return {
        "verdict": verdict.answer,
        "reason": verdict.reason,
        "decides": verdict.decides,
        "observed": list(verdict.observed),
        "level": verdict.level,
        "states": {
            SLOPE_NAMES.get(name, name): [_without_infinities(found) for found in floor]
            for name, floor in verdict.floors.items()
        },
        "slopes": {name: slope._asdict() for name, slope in verdict.slopes.items()},
        **({"infinite": verdict.infinite} if verdict.infinite else {}),
        "limit": {"noise": verdict.known.noise, "reasons": [reason.text for reason in verdict.known.reasons]},
    }
