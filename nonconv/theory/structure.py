"""What a cell's components say of its limit, put together for the verdict (experiment.structure.Structure)."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np

from nonconv.engine.plan import Span
from nonconv.experiment.cell import Cell
from nonconv.experiment.structure import Reason, Structure
from nonconv.numerics.arithmetic import Array
from nonconv.optimizers.sgd import SGD
from nonconv.theory.limit_point import (
    LimitPoint,
    falls_for_ever,
    has_unbounded_slope,
    limit_point,
    may_be_pressed,
    steepest,
)
from nonconv.theory.modes import modes
from nonconv.theory.moments import law_of, power_of_size
from nonconv.theory.predictions import predictions

MOST_STEPS = 2**16
"""Steps of a span at which schedules are evaluated; all of them where there are fewer, evenly spaced ones otherwise."""
FAR = 1e15
"""A step at which whatever has a limit is near it."""
STEADY = 0.1
"""Doublings per doubling of the steps by which schedules in their limit regime may still change."""
CLOSE = 0.5
"""Doublings by which the drive of the last span may be off its limit."""
MOST_REMEDY = 2**40
"""Steps beyond which no run is advised."""
SMALL, FILLED = 1e-30, 1024
"""A gradient beside which any eps is large, and steps after which averages are full but for slow ones."""
FALLING, ENDED = 0.5, 4.0
"""Doublings per doubling by which a drive falls so clearly that a run shows it, and with which a schedule has ended."""
VANISHING = 1e-9
"""A weight that is below this FAR away tends to 0."""
ROUNDED = 1e-9
"""By how much an eigenvalue of second moments may be above 1 by rounding."""
TINY = 1e-300
"""Stands for a drive of 0 in logarithms."""


def structure(cell: Cell, theta: Array | None = None, iterate: int = 0) -> Structure:
    """Return what is known of a cell's limit. theta: a last iterate (dim,), which a network's curvature is taken at.

    iterate: number of the iterate that is judged, 0 for the last one.
    """
    known = _of_last(cell, theta)
    return of_average(cell, known, iterate - 1) if iterate else known


def _of_last(cell: Cell, theta: Array | None) -> Structure:
    """Return what is known of the limit of the last iterate. theta: as of `structure`."""
    here, spans = limit_point(cell, theta), cell.program.plan.spans
    drive = tuple(math.log2(value) if value > 0 else -math.inf for value in (_drive(cell, span) for span in spans))
    stable, void = _stability(cell, here)
    # A rule whose steps follow the size of gradients shows an unstable limit, since its paths run away from it.
    calm = stable or (stable is None and _most_stable(cell) is not None and power_of_size(cell) == 1)
    reasons = [*_schedule_reasons(cell, calm), *_rule_reasons(cell)]
    # At a rate that tends to 0 no noise is a reason only where there is a minimum to tend to.
    if here.noise in ("none", "vanishes") and stable and (cell.learning_rate.limits.high > 0 or here.curvature is not None):
        reasons.append(Reason("noise", _noise_text(here)))
    forbids = [*_schedule_reasons(cell, True), *_rule_reasons(cell)]
    irregular, regime_steps = _irregular(cell, drive)
    unknown = _unknown_limits(cell)
    if unknown and cell.learning_rate.limits.high != 0:  # of a rate that tends to 0 the batch size does not matter
        reasons, forbids = [], []
    vague = _unknown_rule(cell)
    if vague:
        reasons, forbids = [reason for reason in reasons if reason.kind == "noise"], [*forbids, Reason("rule", vague)]
    if here.noise not in ("none", "vanishes") and cell.batch_size.limits.low != math.inf:
        void = ""
    restless = _restless(cell)
    if restless:
        reasons = []
    if may_be_pressed(cell):
        forbids.append(Reason("noise", "the drift of the data may press iterates to an end of the domain"))
    return Structure(
        noise=here.noise,
        reasons=tuple(reasons),
        forbids=tuple(forbids),
        void=unknown or vague or restless or void,
        contracting=bool(stable) and _contracts(cell, here),
        summable=cell.learning_rate.summable,
        drive=drive,
        scale=_scale(cell),
        fall_steps=_fall_steps(cell) if forbids else 0,
        irregular=irregular,
        regime_steps=regime_steps,
        relaxation=_relaxation(cell, here),
        may_settle=_may_settle(cell),
    )


def of_average(cell: Cell, known: Structure, number: int) -> Structure:
    """Return what is known of the limit of an average, or of the optimizer's own iterate, given what is known of the last.

    An average whose weights tend to 0, with an infinite sum as they do for means, forgets every single iterate: its noise may
    vanish though that of the iterates stays. Where the weights stay, so does the noise.
    """
    plain = replace(known, contracting=False, scale=(), relaxation=math.nan)
    weight = _weight(cell, number)
    if weight is None or weight(np.array([FAR]))[0] > VANISHING:
        return plain
    reason = Reason("average", "the average gives each new iterate a weight that tends to 0")
    restless = _unknown_limits(cell) or _unknown_rule(cell) or _restless(cell) or _oscillating(cell)
    if restless:
        # The point around which iterates move may do so for ever, and what their average makes of that is not known.
        return replace(plain, reasons=(), forbids=(*known.forbids, reason), void=restless)
    drive = tuple(math.log2(max(float(weight(_steps_of(span)).mean()), TINY)) for span in cell.program.plan.spans)
    # What changes of the schedules changes the iterates, whose average may settle all the same.
    reasons, forbids = (*known.reasons, reason), (*known.forbids, reason)
    last = cell.program.plan.spans[-1] if cell.program.plan.spans else None
    anew = last is not None and bool(weight(np.array([last.first + 1.0]))[0] == 1.0)
    return replace(plain, reasons=reasons, forbids=forbids, drive=drive, irregular="", void="", regime_steps=0, anew=anew)


def _restless(cell: Cell) -> str:
    """Say why iterates whose steps vanish, or their averages, may go on and on all the same; empty if they settle.

    They follow data that have no limit, or a mean loss without a minimum. An oscillation with a period averages out as steps
    vanish. One that slows down, as sin(log n), does not.
    """
    drift = cell.drift
    if drift is None:
        endless = not cell.learning_rate.summable and falls_for_ever(cell)
        return "the mean loss falls for ever: it has no minimum" if endless else ""
    if np.isnan(drift).any():
        return "the limit of the drift is not known"
    if not np.isfinite(drift).all():
        return "the data drift away without bound"
    return "the data drift to and fro, and no period is seen" if drift.low < drift.high and cell.period == 0 else ""


def _oscillating(cell: Cell) -> str:
    """Say which schedule oscillates without a period, as 1 + sin(log n) does, or grows without bound; empty if none does."""
    if cell.learning_rate.limits.high == math.inf:
        return "the learning rate grows without bound"
    schedules = {"learning rate": cell.learning_rate.limits, "batch size": cell.batch_size.limits}
    names = [name for name, limits in schedules.items() if limits.low < limits.high and cell.period == 0]
    return f"the {' and the '.join(names)} oscillate{'s' if len(names) == 1 else ''}, and no period is seen" if names else ""


def _weight(cell: Cell, number: int) -> Callable[[Array], Array] | None:
    """Return the weight with which an average, or the optimizer's own iterate, takes the newest one in, as a function of steps.

    None where the optimizer does not say. number: of the average; that of its own iterate comes after all others.
    """
    averages, (rule, h, _) = cell.program.averages, cell.program.optimizer
    if number < len(averages):
        return averages[number].weight
    return partial(rule.own_weight, h) if rule.own_weight else None


def _unknown_limits(cell: Cell) -> str:
    """Say of which schedules nothing is known as n -> infinity; empty if of none."""
    schedules = {"learning rate": cell.learning_rate, "batch size": cell.batch_size}
    unknown = [name for name, schedule in schedules.items() if not schedule.limits.known]
    return f"the limit of the {' and of the '.join(unknown)} is not known" if unknown else ""


def _least_batch(cell: Cell) -> float:
    """Return the least batch size in the limit; 1 where it is not known."""
    return max(cell.batch_size.limits.low, 1.0) if cell.batch_size.limits.known else 1.0


def _noise_text(here: LimitPoint) -> str:
    """Say that the gradient has no noise in the limit."""
    if here.pinned:
        return "every gradient at the minimum leads out of the domain"
    return "the gradient has no noise" if here.noise == "none" else "the gradient has no noise at the minimum"


def _schedule_reasons(cell: Cell, stable: bool) -> list[Reason]:
    """Return the reasons of the schedules: a rate that tends to 0, and batches that grow while the limit is stable."""
    found = []
    if cell.learning_rate.limits.high == 0:
        found.append(Reason("rate", "the learning rate tends to 0"))
    # A rule that divides keeps its steps' size however little noise there is: batches alone do not calm it. And the mean of
    # many data without a variance need not be closer to theirs.
    calming = cell.law is None or cell.law.has_variance
    # No batch averages the noise of the gradient itself, nor the drift of the data.
    calming = calming and cell.program.noise is None and cell.program.supply.drift is None
    if cell.batch_size.limits.low == math.inf and stable and calming:
        found.append(Reason("batch", "the batch size grows without bound"))
    return found


def _rule_reasons(cell: Cell) -> list[Reason]:
    """Return the reasons of the rule: directions that shrink without end, or whose divisor grows with unbounded gradients."""
    rule, h, _ = cell.program.optimizer
    if rule.relative_size(h, np.array([FAR]))[0] < 0.5:
        return [Reason("rule", f"the directions of {rule.name} tend to 0")]
    if rule.monotone and _unbounded(cell):
        return [Reason("rule", f"{' and '.join(rule.monotone)} of {rule.name} may grow for ever, since the data are unbounded")]
    return []


def _unknown_rule(cell: Cell) -> str:
    """Say what of the rule's directions is not known in the long run, so that nothing is said of noise; empty if all is."""
    rule, h, _ = cell.program.optimizer
    if rule.denoises(h):
        return f"the averages of gradients of {rule.name} lengthen for ever, and what becomes of their noise is not known"
    if np.isnan(rule.relative_size(h, np.array([FAR]))[0]):
        return f"how long the directions of {rule.name} become in the long run is not known"
    return ""


def _contracts(cell: Cell, here: LimitPoint) -> bool:
    """Return whether the mean square near a stable limit is known to shrink: there is no noise, or it is small enough.

    A rule that adds up gradients moves as SGD at its gain times the rate. For SGD the mean square shrinks exactly if
    rate E h^2 < 2 E h, h being the curvature of a datum; of other rules half of that is asked.
    """
    if here.noise == "none" or here.pinned:
        return True
    if here.noise != "vanishes" or here.curvature is None:
        return False
    if not _is_fresh(cell):
        # Data that come again multiply distances by the same factors: only one that never expands is known to shrink.
        modifiers = cell.program.modifiers
        most_curved = steepest(cell) + (modifiers.l2 or 0.0) + (modifiers.decay or 0.0)
        return cell.program.optimizer.component is SGD and cell.learning_rate.limits.high * most_curved <= 2.0
    if here.growth is not None and cell.program.optimizer.component is SGD:
        return here.growth < 1.0 + ROUNDED
    square = here.curvature * here.curvature + here.spread / _least_batch(cell)
    most = 2.0 if cell.program.optimizer.component is SGD else 1.0
    return cell.learning_rate.limits.high * _gain(cell) * square < most * here.curvature


def _is_fresh(cell: Cell) -> bool:
    """Return whether each step draws its data anew, whatever was drawn before."""
    return cell.program.supply.hold == 1 and cell.program.supply.order == "with_replacement"


def _gain(cell: Cell) -> float:
    """Return how long the direction becomes in the end on a constant tiny gradient, by the gradient's length."""
    rule, h, _ = cell.program.optimizer
    state, direction = rule.state(*(np.array([value]) for value in rule.start(h))), np.zeros(1)
    with np.errstate(all="ignore"):
        n = FAR + np.arange(float(FILLED))
        columns = [column.tolist() for column in rule.coefficients(h, n, np.full_like(n, _last_rate(cell)))]
        for t in range(FILLED):
            direction, state = rule.update(rule.per_step(*(column[t] for column in columns)), state, np.array([SMALL]))
    return abs(float(direction[0])) / SMALL


def _last_rate(cell: Cell) -> float:
    """Return the learning rate of the last step."""
    return float(cell.program.learning_rate(np.array([float(cell.program.steps)]))[0])


def _unbounded(cell: Cell) -> bool:
    """Return whether single gradients are unbounded: not where the data, or the slope of the loss, are bounded."""
    if cell.program.learning:
        dataset, of_data, _ = cell.program.data
        return bool(dataset.label_noise(of_data) == "unbounded" or not dataset.bounded_features(of_data))
    return cell.law is not None and not cell.law.bounded and has_unbounded_slope(cell)


def _most_stable(cell: Cell) -> float | None:
    """Return below which rate times curvature the rule is stable near a minimum; None where that is not known."""
    rule, h, _ = cell.program.optimizer
    return rule.stable_below(h) if rule.stable_below else None


def _stability(cell: Cell, here: LimitPoint) -> tuple[bool | None, str]:
    """Return whether iterates near the limit stay there without noise, None if it is not known; and why not, as a clause."""
    rule, h, _ = cell.program.optimizer
    rate = cell.learning_rate.limits.high
    most = math.inf if rate == 0 else _most_stable(cell)
    # A rate that is not finite is not known, or grows without bound.
    wild = not math.isfinite(rate) or (most == math.inf and rate > 0 and here.curvature == math.inf)
    if most is None or wild or (here.curvature is None and 0 < most < math.inf) or _is_held_off(cell):
        return None, ""
    if most == 0:
        without = " with eps 0" if hasattr(h, "eps") else ""
        return False, f"without noise {rule.name}{without} keeps the size of its steps, however small gradients are"
    product = rate * (here.curvature or 0.0) if rate > 0 else 0.0
    if product >= most and cell.period != 1:
        return None, ""  # only the largest rate of a cycle is too large
    if product >= most:
        return False, (
            f"without noise the minimum is not stable for {rule.name}: the learning rate times the curvature is "
            f"{product:.3g}, and must be below {most:.3g}"
        )
    # Products, for a power of a float that overflows is an error.
    growth = (1.0 - product) * (1.0 - product) + rate * rate * here.spread / _least_batch(cell)
    if here.growth is not None:
        growth = here.growth - ROUNDED  # features that are linearly dependent give 1, for what they do not see never changes
    if rule is SGD and here.spread > 0 and growth >= 1 and _is_fresh(cell):
        return False, f"the mean square grows near the minimum, by {growth - 1:.2g} of itself per step"
    return True, ""


def _is_held_off(cell: Cell) -> bool:
    """Return whether decoupled decay keeps a rule that divides where gradients do not vanish, so that they keep their size."""
    away = cell.minimizer is None or bool(np.any(cell.minimizer))
    return cell.program.modifiers.decay is not None and away and power_of_size(cell) != 1


def _steps_of(span: Span) -> Array:
    """Return steps at which schedules are evaluated on a span: all, or evenly spaced ones, or those of whole periods."""
    first, last = span.last - span.covered, span.last
    if span.period > 1 and last - first > MOST_STEPS:
        first = last - max(span.period, MOST_STEPS // span.period * span.period)
    number = last - first if span.period > 1 else min(last - first, MOST_STEPS)
    return np.unique(np.linspace(first + 1, last, number).round())


def _drive(cell: Cell, span: Span) -> float:
    """Return the mean of rate x relative size / batch over a span."""
    return _drive_at(cell, _steps_of(span))


def _drive_at(cell: Cell, n: Array) -> float:
    """Return the mean of rate x relative size / batch over steps n (steps,)."""
    rule, h, _ = cell.program.optimizer
    with np.errstate(all="ignore"):
        return float((cell.program.learning_rate(n) * rule.relative_size(h, n) / cell.program.batch_size(n)).mean())


def _scale(cell: Cell) -> tuple[float, ...]:
    """Return for each span log2 of the squared length of one step at its branch by the schedules alone.

    It is rate^2 for rules whose direction does not depend on the size of gradients, and rate^2 / batch for those in
    proportion to it. Empty for others.
    """
    rule, h, _ = cell.program.optimizer
    power = power_of_size(cell) if cell.program.plan.spans else None
    if power is None:
        return ()
    n = np.array([span.first + 1.0 for span in cell.program.plan.spans])
    with np.errstate(divide="ignore"):
        size = np.log2(cell.program.learning_rate(n) * rule.relative_size(h, n))
        return tuple((2.0 * size - power * np.log2(cell.program.batch_size(n))).tolist())


def _irregular(cell: Cell, drive: tuple[float, ...]) -> tuple[str, int]:
    """Say why the schedules are not in their limit regime on the spans, and with how many steps they would be; else empty."""
    rate, batch, spans = cell.learning_rate, cell.batch_size, cell.program.plan.spans
    if not spans or rate.limits.high in (0.0, math.inf) or (batch.limits.low == math.inf and rate.limits.known):
        return "", 0
    unknown = _unknown_limits(cell)
    if unknown:
        return unknown, 0
    data = cell.program.supply.hold > 1 or cell.program.supply.rows or cell.program.supply.drift
    what = "batch size" if batch.limits.low < batch.limits.high else "learning rate"
    what = "data have" if data else f"{what} has"
    if cell.period > spans[0].last - spans[0].first:
        return f"the {what} a period of {cell.period} steps, which does not fit into a span", 8 * cell.period
    settled = partial(_is_steady, cell) if cell.period == 1 else _is_flat
    if settled(list(drive)) and rate.warmup <= spans[-1].first:
        return "", 0
    return _what_changes(cell), _steps_until(cell, settled) if cell.period else 0


def _limit_drive(cell: Cell) -> float:
    """Return log2 of the limit of the drive; that of rules whose directions vanish is next to -inf."""
    rule, h, _ = cell.program.optimizer
    size = float(rule.relative_size(h, np.array([FAR]))[0])
    # A sum of logarithms, for the product may underflow.
    return math.log2(cell.learning_rate.limits.high) + math.log2(max(size, TINY)) - math.log2(_least_batch(cell))


def _fall_steps(cell: Cell) -> int:
    """Return about how many steps a run must have for its drive to fall clearly at the end; 0 if it never does."""
    steps = _steps_until(cell, lambda found: found[-1] - found[-2] <= -FALLING)
    ended = _steps_until(cell, lambda found: found[-1] - found[-2] <= -ENDED)
    # Of a rate that is all but 0 within the last span the twins remember what was before: one doubling more.
    return 2 * steps if steps and steps == ended else steps


def _relaxation(cell: Cell, here: LimitPoint) -> float:
    """Return in how many steps iterates near the limit forget their start to a factor e, by the rate of the last step.

    nan but for rules in proportion to gradients, whose steps in the end are rate x gain times the mean gradient; and where
    no floor is measured, so that nothing rests on it.
    """
    if not cell.program.plan.spans or not here.curvature or here.curvature <= 0 or power_of_size(cell) != 1:
        return math.nan
    share = _last_rate(cell) * _gain(cell) * here.curvature
    return 1.0 / share if share > 0.0 else math.nan


def _what_changes(cell: Cell) -> str:
    """Say what still changes most from span to span."""
    if cell.period == 0:
        return "the schedules oscillate, and no period is seen"
    if cell.learning_rate.warmup > cell.program.plan.spans[-1].first:
        return f"the learning rate warms up until step {cell.learning_rate.warmup}"
    rule, h, _ = cell.program.optimizer
    spans = cell.program.plan.spans
    ends = np.array([float(spans[0].first + 1), float(spans[-1].last)])
    rates, sizes, batches = cell.program.learning_rate(ends), rule.relative_size(h, ends), cell.program.batch_size(ends)
    changes = {
        "the learning rate is not yet near its limit": _change(rates) if cell.period == 1 else 0.0,
        "the batch size is not yet near its limit": _change(batches) if cell.period == 1 else 0.0,
        "the averages of the optimizer are still warming up": _change(sizes),
    }
    return max(changes, key=lambda name: changes[name])


def _change(ends: Array) -> float:
    """Return by how many doublings the second of two numbers differs from the first."""
    return abs(math.log2(ends[1]) - math.log2(ends[0])) if ends.min() > 0 else math.inf


def _is_flat(drive: list[float]) -> bool:
    """Return whether the drive of three dyadic spans hardly changes."""
    return all(abs(later - earlier) <= STEADY for earlier, later in pairwise(drive))


def _is_steady(cell: Cell, drive: list[float]) -> bool:
    """Return whether the drive of three dyadic spans is in its limit regime."""
    return _is_flat(drive) and abs(drive[-1] - _limit_drive(cell)) <= CLOSE


def _steps_until(cell: Cell, reached: Callable[[list[float]], bool]) -> int:
    """Return about how many steps a run must have, at least twice those it has, for its last three drives to have reached it.

    0 if more than MOST_REMEDY.
    """
    steps = cell.program.steps
    while steps < MOST_REMEDY:
        steps *= 2
        thirds = [np.linspace((steps >> k + 1) + 1, steps >> k, 257).round() for k in (2, 1, 0)]
        if reached([math.log2(max(_drive_at(cell, n), TINY)) for n in thirds]):
            return steps
    return 0


def _may_settle(cell: Cell) -> str:
    """Say which state of the rule goes one way only and may still change; empty if none does."""
    rule = cell.program.optimizer.component
    return f"{' and '.join(rule.monotone)} of {rule.name} may still change towards a limit" if rule.monotone else ""


def known_limit(cell: Cell) -> str:
    """Say what theory knows of the limit exactly: for SGD and momentum on quadratics; empty elsewhere."""
    known = predictions(cell).get("plateau")
    if known and "exact" in known.of:
        return f"E|Θ − minimizer|² tends to {known.value:.4g}"
    if cell.law is None or modes(cell) is None:
        return ""
    noise = law_of(cell, "noise")
    calming = cell.learning_rate.limits.high == 0 and cell.law.has_variance and not _restless(cell)
    calming = calming and (noise is None or noise.has_variance)
    if cell.program.optimizer.component is SGD and calming and not cell.law.constant:
        return "the iterates converge, since the learning rate tends to 0"
    return ""
