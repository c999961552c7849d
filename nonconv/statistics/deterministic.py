"""The verdict where nothing is random: one path shows everything, so its extent on each span is known exactly.

The extent is the largest minus the least iterate of a span. A sequence converges if and only if it tends to 0; of a cycle,
or where spikes return, it stays the same from span to span.
"""

import math

from nonconv.engine.plan import Plan
from nonconv.engine.whole import Whole
from nonconv.experiment.structure import Structure
from nonconv.statistics.decision import Decision, Seen, State

SAME = 0.02
"""Doublings by which the extents of two spans of a cycle may differ, for a span need not end with a cycle."""
SLOWING = 0.1
"""Doublings by which a fall may be smaller than the one before."""
ROUNDING_EXTENT = 1e-30
"""A squared extent below this share of the square of the iterate is a few roundings."""


def see(plan: Plan, whole: Whole) -> tuple[Seen, ...]:
    """Return what the extent did over the last doubling and over the last two."""
    return _between(plan, whole, 1), _between(plan, whole, 0)


def _between(plan: Plan, whole: Whole, first: int) -> Seen:
    """Return what the extent did from the span with number `first` to the last one."""
    spans = plan.spans
    slope = _change(whole, first, 2) / math.log2(spans[2].last / spans[first].last)
    return Seen(_state(whole, slope), spans[first].last, spans[2].last, slope, slope, slope)


def _change(whole: Whole, a: int, b: int) -> float:
    """Return log2 of the squared extent of span b over that of span a; -inf where it has become 0."""
    before, after = float(whole.extent[a]), float(whole.extent[b])
    if after == 0.0:
        return -math.inf
    return math.log2(after / before) if before > 0.0 else math.inf


def _state(whole: Whole, slope: float) -> State:
    """Name what the extent did by its slope."""
    if whole.extent[2] <= ROUNDING_EXTENT * whole.size[2]:
        return "vanished"
    if math.isnan(slope):
        return "unclear"
    return "stands" if abs(slope) <= SAME else "falls" if slope < 0 else "grows"


def decide(known: Structure, whole: Whole, seen: tuple[Seen, ...]) -> Decision:
    """Return the verdict on a path without randomness, from its extent and from what is known of the limit."""
    late, both = seen
    because = " and ".join(reason.text for reason in known.reasons)
    if late.state in ("falls", "vanished") and both.state in ("falls", "vanished"):
        return _decide_falling(known, whole, late, because)
    if late.state == both.state == "stands":
        if known.forbids:
            return Decision("undecided", f"{known.forbids[0].text}, but the iterate moves as far as ever", "take more steps")
        if known.irregular:
            clause, _, remedy = known.irregular.rpartition("; ")
            return Decision("undecided", clause or known.irregular, remedy if clause else "")
        width = math.sqrt(float(whole.extent[2]))
        return Decision("does_not_converge", f"the iterate keeps moving within {width:.3g}, span after span")
    return Decision(
        "undecided", f"the iterate moves {_factor(late)} as far in the last span as in the one before", "take more steps"
    )


def _decide_falling(known: Structure, whole: Whole, late: Seen, because: str) -> Decision:
    """Return the verdict where the iterate moves less and less."""
    told = "the iterate does not move any more" if late.state == "vanished" else f"the iterate moves {_factor(late)} as far"
    if not known.reasons:
        return Decision("undecided", f"{told}, but {known.void or 'nothing is declared for which it would come to rest'}")
    slowing = late.state == "falls" and _change(whole, 1, 2) > _change(whole, 0, 1) + SLOWING
    if slowing and not known.forbids:
        return Decision(
            "undecided", f"{told} in the last span as in the one before, and falls more and more slowly", "take more steps"
        )
    return Decision(
        "converges", f"{because}; {told}" + ("" if late.state == "vanished" else " in the last span as in the one before")
    )


def _factor(late: Seen) -> str:
    """Write how much further the iterate moved in the last span than in the one before."""
    return f"{2.0 ** (late.slope * math.log2(late.last / late.first) / 2.0):.3g} times"
