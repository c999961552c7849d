"""The verdict where no step is random: a path is determined by its start, so its extent on each span is known exactly.

The extent is the diagonal of the smallest box that holds the iterates of a span. A sequence converges if and only if its
extents tend to 0; on a cycle, or where spikes return, they stay the same from span to span.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.engine.plan import Plan
from nonconv.engine.whole import Whole
from nonconv.experiment.structure import Structure
from nonconv.numerics.arithmetic import Array
from nonconv.statistics.advice import more_steps
from nonconv.statistics.decision import LEAST_SHARE, Decision, Seen, State, schedules_undecided

SAME = 0.02
"""Doublings by which squared extents of two spans of a cycle may differ, for a span need not end with a cycle."""
SLOWING = 0.1
"""Doublings by which a fall may be smaller than the one before."""
ROUNDING_EXTENT = 1e-30
"""A squared extent below this share of the square of the iterate is a few roundings."""


class _Changes(NamedTuple):
    """log2 of squared extents from span to span, (paths,) each, and which paths do not move any more."""

    early: Array
    late: Array
    rests: NDArray[np.bool_]

    @property
    def cycles(self) -> NDArray[np.bool_]:
        """Which paths move as far in each span as in the one before."""
        return np.asarray(~self.rests & (np.abs(self.early) <= SAME) & (np.abs(self.late) <= SAME))

    @property
    def falls(self) -> NDArray[np.bool_]:
        """Which paths move less and less, or rest."""
        return np.asarray(self.rests | ((self.late < -SAME) & (self.early < -SAME)))

    @property
    def slows(self) -> NDArray[np.bool_]:
        """Which paths move less and less, but by a smaller factor in the last doubling than in the one before."""
        return np.asarray(~self.rests & (self.late > self.early + SLOWING))


def _changes(whole: Whole) -> _Changes:
    """Return how the extents of all paths change."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log2(whole.extent)
        return _Changes(logs[1] - logs[0], logs[2] - logs[1], whole.extent[2] <= ROUNDING_EXTENT * whole.size[2])


def see(plan: Plan, whole: Whole) -> tuple[Seen, ...]:
    """Return what the largest extent did over the last doubling and over the last two."""
    return _between(plan, whole, 1), _between(plan, whole, 0)


def _between(plan: Plan, whole: Whole, first: int) -> Seen:
    """Return what the largest extent did from the span with number `first` to the last one."""
    spans, (before, after) = plan.spans, whole.extent.max(axis=1)[[first, 2]].tolist()
    slope = -math.inf
    if after > 0.0:
        slope = math.log2(after / before) / math.log2(spans[2].last / spans[first].last) if before > 0.0 else math.inf
    state: State = "stands" if abs(slope) <= SAME else "falls" if slope < 0 else "grows"
    if _changes(whole).rests.all():
        state = "vanished"
    return Seen(state if not math.isnan(slope) else "unclear", spans[first].last, spans[2].last, slope, slope, slope)


def decide(known: Structure, whole: Whole, steps: int) -> Decision:
    """Return the verdict on paths without randomness, from their extents and from what is known of the limit."""
    changes = _changes(whole)
    if changes.cycles.any() and not known.forbids:
        if known.irregular:
            return schedules_undecided(known)
        width = math.sqrt(float(whole.extent[2][changes.cycles].max()))
        return Decision("does_not_converge", f"{_count(changes.cycles)} moving within {width:.3g}, span after span")
    if changes.falls.all():
        return _decide_falling(known, changes, steps)
    because = f"{known.forbids[0].text}, but " if known.forbids else ""
    return Decision(
        "undecided", f"{because}{_count(~changes.falls)} moving, and not less from span to span", more_steps(known, steps)
    )


def _decide_falling(known: Structure, changes: _Changes, steps: int) -> Decision:
    """Return the verdict where all iterates move less and less."""
    told = "the iterates do not move any more" if changes.rests.all() else "the iterates move less from span to span"
    if not known.reasons:
        return Decision("undecided", f"{told}; but {known.void or 'nothing declared brings them to rest'}")
    if changes.slows.any() and not known.forbids:
        return Decision("undecided", f"{told}, but by a smaller and smaller factor", more_steps(known, steps))
    drive = (known.drive[2] - known.drive[1]) if known.drive else 0.0
    by_rate_alone = "noise" not in {reason.kind for reason in known.reasons} and not known.summable
    # Extents are squared; a drift at a rate with an infinite sum hardly falls, for ever.
    if by_rate_alone and np.any(~changes.rests & (changes.late > 2.0 * LEAST_SHARE * drive)):
        return Decision("undecided", f"{told}, but much more slowly than the steps do", more_steps(known, steps))
    return Decision("converges", f"{' and '.join(reason.text for reason in known.reasons)}; {told}{_rate(changes)}")


def _rate(changes: _Changes) -> str:
    """Write by which factor the slowest path moves less in the last span; empty where all rest."""
    moving = changes.late[~changes.rests]
    return f" (by a factor of {2.0 ** (float(moving.max()) / 2.0):.3g} in the last)" if moving.size else ""


def _count(chosen: NDArray[np.bool_]) -> str:
    """Write how many paths of those followed keep doing something."""
    if chosen.size == 1:
        return "the iterate keeps"
    return f"{int(chosen.sum())} of the {chosen.size} paths that were followed step by step keep"
