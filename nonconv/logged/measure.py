"""Measure trajectories that were logged, with the statistics of nonconv's own runs.

Spans are dyadic, as for a run: they begin and end at logged steps near T/8, T/4, T/2, T. Averages over a span are over its
logged steps, so the floors bound E|Theta - xi|^2 averaged over just these steps, whatever lies between.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nonconv.engine.blocks import Block
from nonconv.engine.plan import Plan, Span, Steps, Wanted
from nonconv.experiment.cell import Xi
from nonconv.logged.declared import Declared, structure
from nonconv.logged.trajectories import Logged
from nonconv.logged.wording import in_words_of_logs
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.moments import Moments, moments
from nonconv.statistics.advice import more_steps
from nonconv.statistics.comoments import comoments
from nonconv.statistics.floors import measured as measured_floors
from nonconv.statistics.floors import rows
from nonconv.statistics.intervals import FloorIntervals, Intervals, logged_floors, logged_intervals
from nonconv.statistics.measured_block import ESCAPE_GROWTH, ESCAPE_UNITS, OUTCOMES, lengths
from nonconv.statistics.trends import FLOOR_TRENDS, ONE_STEP, Trend, followed, trends
from nonconv.statistics.verdict import FEWEST_PATHS, FEWEST_STEPS, Observed, Verdict, judge, tell_floors

FEWEST_LOOKS = 4
"""Fewest logged steps of a span: two for each half of it."""
SPANS = 3
OF_THE_END = ("path_mean", "last")
"""The xi that depend on the end of a path."""


@dataclass(frozen=True)
class LoggedSpan(Span):
    """A span of which only some steps were logged. looked: these, rising, an even number; the last one is the span's last."""

    looked: tuple[int, ...] = ()

    @cached_property
    def covered(self) -> int:
        """How many steps the span has."""
        return self.last - self.first

    @cached_property
    def strata(self) -> int:
        """How many steps are looked at."""
        return len(self.looked)

    @cached_property
    def late(self) -> slice:
        """Those of the last half."""
        return slice(len(self.looked) // 2, len(self.looked))

    def first_of(self, stratum: int) -> int:
        """Return a step that is looked at."""
        return self.looked[stratum]

    @cached_property
    def lags(self) -> Steps:
        """About 1, 2, 4, ... from the span's first step, as far as these steps were logged, and the span's length."""
        away, whole = np.array(self.looked, dtype=np.int64) - self.first, self.last - self.first
        wanted = [2**k for k in range(whole.bit_length()) if 2**k >= away[0]]
        return np.unique([*(away[int(np.abs(away - lag).argmin())] for lag in wanted), away[0], whole]).astype(np.int64)


def plan_of(logged: Logged) -> Plan:
    """Return the spans that the log has enough steps for, and the floors that can be measured on them."""
    steps, ends = logged.steps, [logged.last]
    for k in range(1, SPANS + 1):
        before = steps[steps <= logged.last >> k]
        if not len(before) or np.count_nonzero((steps > before[-1]) & (steps <= ends[-1])) < FEWEST_LOOKS:
            break
        ends.append(int(before[-1]))
    spans = []
    for last, first in pairwise(ends):
        inner = steps[(steps > first) & (steps <= last)]
        spans.append(LoggedSpan(first, last, 1, tuple(inner[len(inner) % 2 :].tolist())))
    spans.reverse()
    twin = bool(spans) and logged.twins is not None and logged.branch <= spans[0].first
    return Plan(tuple(spans), Wanted(twin=twin, window=True, cauchy=True)) if spans else Plan()


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured of a log, and the verdict. errors, intervals: (xi, R). distances (xi, R, runs).

    floors: moments of the rows of statistics.floors; bounds: their intervals. outcomes (runs,): indices into OUTCOMES.
    """

    logged: Logged
    declared: Declared
    xi: tuple[Xi, ...]
    plan: Plan
    squares: Array
    errors: Moments
    intervals: Intervals
    distances: Array
    floors_of_runs: Array
    floors: Moments
    bounds: FloorIntervals
    outcomes: NDArray[np.int64]
    verdict: Verdict

    def count(self, outcome: str) -> int:
        """Return how many runs have an outcome."""
        return int((self.outcomes == OUTCOMES.index(outcome)).sum())


@np.errstate(all="ignore")  # runs that leave the finite numbers are results too
def measure(logged: Logged, xi: tuple[Xi, ...], known: Declared) -> Measured:
    """Measure a log. xi: the candidates for the limit, of which those without a point are start, path_mean or last."""
    plan, labels = plan_of(logged), tuple(one.label for one in xi)
    targets = [_target(logged, one) for one in xi]
    squares, distances = _errors(logged, xi, targets)
    block = _block(logged, plan)
    floors = measured_floors(plan, block) if plan.spans else np.empty((0, logged.runs))
    names = [trend for trend in trends(plan, labels) if trend.name != ONE_STEP]
    of_runs = followed(plan, block, floors, targets)[: len(names)] if plan.spans else np.empty((0, logged.runs))
    errors, of_floors = moments(squares), moments(floors)
    # At the last step the distance to the last iterate is 0 by definition.
    by_definition = np.zeros(errors.n.shape, dtype=np.bool_)
    by_definition[[label == "last" for label in labels], -1] = True
    intervals, bounds = logged_intervals(errors, by_definition), logged_floors(of_floors)
    found = _outcomes(logged, dict(zip(labels, xi, strict=True)).get("minimizer"))
    counts = {name: int((found == k).sum()) for k, name in enumerate(OUTCOMES)}
    seen = Observed(
        plan=plan,
        steps=logged.last,
        paths=logged.runs,
        left=counts["overflow"] + counts["escaped"],
        leaving=_leaving(known, counts),
        random=True,
        trends=names,
        moments=comoments(of_runs),
        structure=structure(known, _drive(logged, plan)),
        withheld=_withheld(plan, names, bounds),
    )
    return Measured(
        logged=logged,
        declared=known,
        xi=xi,
        plan=plan,
        squares=squares,
        errors=errors,
        intervals=intervals,
        distances=distances,
        floors_of_runs=floors,
        floors=of_floors,
        bounds=bounds,
        outcomes=found,
        verdict=_worded(_judged(seen, known, logged)),
    )


def _target(logged: Logged, xi: Xi) -> Array:
    """Return a xi for every run, broadcastable against (dim, runs)."""
    if xi.point is not None:
        return xi.point[:, None]
    if xi.label == "path_mean":
        return np.asarray(logged.theta[logged.steps > logged.last // 2].mean(axis=0))
    return logged.start if xi.label == "start" else logged.theta[-1]


def _errors(logged: Logged, xi: tuple[Xi, ...], targets: list[Array]) -> tuple[Array, Array]:
    """Return |theta_n - xi|^2 and |theta_n - xi|, (xi, R, runs) each; infinite for a run that diverged, from there on."""
    squares = np.empty((len(xi), len(logged.steps), logged.runs))
    distances = np.empty_like(squares)
    gone = (logged.diverged > 0) & (logged.steps[:, None] >= logged.diverged)
    for k, (one, target) in enumerate(zip(xi, targets, strict=True)):
        difference = logged.theta - target
        np.square(difference, out=difference).sum(axis=1, out=squares[k])
        squares[k, gone | (logged.diverged > 0) & (one.label in OF_THE_END)] = np.inf
        distances[k] = lengths(squares[k], logged.theta, target)
    return squares, distances


def _block(logged: Logged, plan: Plan) -> Block:
    """Return what the floors are measured on."""
    at = [np.searchsorted(logged.steps, span.looked) for span in plan.spans if isinstance(span, LoggedSpan)]
    twins: Any = ()
    late: Any = ()
    if logged.twins is not None and plan.wanted.twin:
        twins = tuple(logged.twins[np.searchsorted(logged.steps, span.twin_marks)] for span in plan.spans)
        late = tuple(logged.twins[own[span.late]] for own, span in zip(at, plan.spans, strict=True))
    nothing = np.empty((logged.dim, 0))
    return Block(
        first=0,
        start=logged.start,
        theta=logged.theta,
        average=None,
        failed=(),
        progress=None,
        marks=logged.steps,
        seen=logged.theta,
        twins=twins,
        sampled=tuple(logged.theta[own] for own in at),
        sampled_twins=late,
        lowest=nothing,
        highest=nothing,
    )


def _outcomes(logged: Logged, minimizer: Xi | None) -> NDArray[np.int64]:
    """Return how each run ended, an index into OUTCOMES: what is not finite overflowed, however it came about.

    A run has escaped by the rule for nonconv's own: it is 1e6 times as far away as it was in the first eighth, and still going.
    """
    from_here = 0.0 if minimizer is None or minimizer.point is None else minimizer.point[:, None]
    half = logged.theta[np.searchsorted(logged.steps, logged.last / 2.0, side="right") - 1]
    begin, then, now = (np.abs(theta - from_here).max(axis=0) for theta in (logged.start, half, logged.theta[-1]))
    early = np.abs(logged.theta[logged.steps <= logged.last / 8.0] - from_here)
    begin = np.maximum(begin, early.max(axis=(0, 1), initial=0.0))  # a start next to 0 is no measure of anything
    unit = np.where(begin > 0.0, begin, 1.0)
    far = (now > ESCAPE_UNITS * unit) & (now > ESCAPE_GROWTH * then)
    found = np.where(far, OUTCOMES.index("escaped"), OUTCOMES.index("finite"))
    return np.where(logged.diverged > 0, OUTCOMES.index("overflow"), found).astype(np.int64)


def _leaving(known: Declared, counts: dict[str, int]) -> str:
    """Say why runs that are far away may come back; empty if they do not."""
    if not counts["escaped"]:
        return ""
    if known.rate_limit is None:
        return "the limit of the learning rate is not declared, and they may come back"
    return "the learning rate tends to 0" if known.rate_limit == 0.0 else ""


def _drive(logged: Logged, plan: Plan) -> Array | None:
    """Return log2 of the mean logged rate of each span; None unless they are known at all its steps."""
    if logged.rates is None or not plan.spans:
        return None
    every = [logged.rates[(logged.steps > span.first) & (logged.steps <= span.last)] for span in plan.spans]
    means = np.array([rates.mean() for rates in every])
    return np.log2(means) if np.isfinite(means).all() and (means > 0).all() else None


def _withheld(plan: Plan, names: list[Trend], bounds: FloorIntervals) -> dict[Trend, str]:
    """Return why floors have no interval, by their trends."""
    at = {(row.floor, row.span): k for k, row in enumerate(rows(plan))} if plan.spans else {}
    return {trend: str(bounds.reasons[at[trend]]) for trend in names if trend.name in FLOOR_TRENDS}


def _judged(seen: Observed, known: Declared, logged: Logged) -> Verdict:
    """Return the verdict by the rule for nonconv's own runs, with what would decide where nothing is declared."""
    found = judge(seen)
    if found.answer != "undecided" or seen.left:
        return found
    return _contradicted(_explained(found, seen, known, logged), seen)


def _worded(found: Verdict) -> Verdict:
    """Return a verdict in the words of logs."""
    return replace(found, reason=in_words_of_logs(found.reason), decides=in_words_of_logs(found.decides))


def _contradicted(found: Verdict, seen: Observed) -> Verdict:
    """Say that the declaration may be wrong, where by it floors fall and they were seen to stand, or the reverse."""
    if seen.paths < FEWEST_PATHS or not _has_intervals(found):
        return found
    still = "stand" if seen.structure.reasons and _stands(found) else ""
    if seen.structure.noise == "persists" and not seen.structure.reasons and _all_fall(found):
        still = "fall"
    if not still:
        return found
    longer = more_steps(seen.structure, seen.steps)
    return replace(found, decides=f"{longer}; if the floors still {still} then, what is declared is wrong")


def _explained(found: Verdict, seen: Observed, known: Declared, logged: Logged) -> Verdict:
    """Say what would decide where logged steps or declarations are missing."""
    if len(seen.plan.spans) < SPANS:
        few = f"{len(logged.steps)} logged steps are too few, or too unevenly spread"
        enough = f"log at least {8 * FEWEST_LOOKS} steps, evenly spaced, of a run of at least {FEWEST_STEPS}"
        return replace(found, reason=few, decides=enough)
    if seen.paths < FEWEST_PATHS and seen.steps >= FEWEST_STEPS and found.floors:
        return replace(found, reason=f"{found.reason}; {tell_floors(found)}")
    judged = seen.paths >= FEWEST_PATHS and seen.steps >= FEWEST_STEPS and _has_intervals(found)
    if judged and known.rate_limit is None:
        missing = "declare rate_limit: 0 if the rate tends to 0, else the number that it tends to"
        return replace(
            found, reason=f"{tell_floors(found)}; but the limit of the learning rate is not declared", decides=missing
        )
    if judged and known.noise == "unknown" and not seen.structure.reasons and _stands(found):
        missing = "declare noise persists, if the gradient stays noisy where the iterates are"
        return replace(found, reason=f"{tell_floors(found)}; but whether the noise stays is not declared", decides=missing)
    return found


def _has_intervals(found: Verdict) -> bool:
    """Return whether what some floor did is known."""
    return any(math.isfinite(at.low) for floor in found.floors.values() for at in floor)


def _all_fall(found: Verdict) -> bool:
    """Return whether all floors were seen to fall."""
    return all(at.state == "falls" for floor in found.floors.values() for at in floor)


def _stands(found: Verdict) -> bool:
    """Return whether some floor was seen to stand."""
    return any(at.state in ("stands", "grows") for floor in found.floors.values() for at in floor)
