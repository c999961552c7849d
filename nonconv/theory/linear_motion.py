"""E|theta_n - xi|^2 of rules that are linear in gradients, exactly, where a step has more parts or data depend on the step.

Along a direction of the loss (theory.modes) let t = theta - centre, c the curvature, l the L2 term and q = 1 - rate decay.
With centred batch means z and gradient noise y a step is
    G = (c + l) t + slope z + y + offset        slope = -c, or 1 of the linear loss, of curvature 0
    t' = q t + a m - b G - (1 - q) centre        m' = d m + w G
and a running average moves linearly with t. The drift, the mean of the noise and the centre make the offset.

A batch that is held is one more number that moves linearly, and so is what a pass through rows has drawn (theory.batches).
Rows in a fixed order are an offset. If they are shuffled once, an iterate is a weighted sum of their deviations, whose weights
are followed instead.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from nonconv.experiment.cell import Cell
from nonconv.numerics.arithmetic import Array
from nonconv.optimizers.averages import is_fixed
from nonconv.optimizers.momentum import MOMENTUM
from nonconv.optimizers.schedule_free import SCHEDULE_FREE_SGD
from nonconv.optimizers.sgd import SGD
from nonconv.theory.affine import CHUNK, Moves, follow
from nonconv.theory.batches import NUMBERS, SUM, A, M, Steps, T, Z, batches_of, draw, fixed
from nonconv.theory.directions import Direction, directions, noise_law
from nonconv.theory.modes import modes
from nonconv.theory.moments import start_law

RULES = (SGD, MOMENTUM, SCHEDULE_FREE_SGD)
"""Rules that are linear in gradients, with coefficients that depend on the step alone."""
MOST_WORK = 1_000_000
"""Most distinct directions times steps, times iterates."""
MOST_PIECES = 30_000
"""Most distinct directions times recorded steps and lags, times iterates: as many runs of steps are put together."""
MOST_SINGLE = 100_000
"""The same where each step is made alone."""
MOST_WEIGHTS = 50_000_000
"""Most weights that are moved in all, where rows are shuffled once: rows times steps times directions."""
FAR = 1e15
"""A step at which whatever has a limit has reached it."""
Weights = Callable[[Array], Array]
"""The weights of an average at steps n, (steps,) each."""


class Rule(NamedTuple):
    """A linear rule at steps n, (steps,) each: t' = q t + a m - b G and m' = d m + w G, with a, b, d, w in this order."""

    of_m: Array
    of_gradient: Array
    decay: Array
    weight: Array


# What is known


def is_known(cell: Cell) -> bool:
    """Return whether the moments are those of a linear rule on a loss of constant curvature, and not too long to compute."""
    p = cell.program
    nonlinear = p.parts.domain or p.parts.clip_value or p.parts.clip_norm
    found = None if nonlinear or p.optimizer.component not in RULES else directions(cell)
    if found is None or not _laws_have_variance(cell):
        return False
    lines = len(found.distinct) * len(cell.iterates)
    work, pieces = lines * p.steps, lines * (len(p.record) + sum(len(span.lags) for span in p.plan.spans))
    if pieces > MOST_PIECES:
        return False
    if p.supply.order == "once":
        return work <= MOST_SINGLE and work * p.supply.rows <= MOST_WEIGHTS
    return work <= MOST_WORK


def is_for(cell: Cell) -> bool:
    """Return whether they are, and theory.recursion does not: it has SGD and momentum alone on a quadratic."""
    p = cell.program
    alone = p.parts.is_plain and p.optimizer.component is not SCHEDULE_FREE_SGD and modes(cell) is not None
    return not alone and is_known(cell)


def _laws_have_variance(cell: Cell) -> bool:
    """Return whether data and gradient noise have a variance."""
    noise = noise_law(cell)
    return cell.law is not None and cell.law.has_variance and (noise is None or noise.has_variance)


@np.errstate(over="ignore", invalid="ignore")  # a diverging method's expectation overflows, and is shown so
def predicted_errors(cell: Cell, iterate: int = 0) -> dict[str, Array]:
    """Return exact E|theta_n - xi|^2 at the recorded steps, arrays (R,) by the label of xi; {} where it is not known."""
    start, known = start_law(cell), directions(cell)
    if known is None or not is_known(cell) or (start is not None and not start.has_variance):
        return {}
    each = np.array([_follow(cell, at, cell.program.record, 0, iterate) for at in known.distinct])
    mean, variance = np.moveaxis(each[known.which], 1, 0)
    found = {}
    for xi in cell.xi:
        point = cell.program.start if xi.label == "start" else xi.point
        if isinstance(point, np.ndarray):
            away = mean + (known.centre - known.along(point))[:, None]
            found[xi.label] = (variance + away**2).sum(axis=0)
    return found


@np.errstate(over="ignore", invalid="ignore")
def predicted_twins(cell: Cell, iterate: int = 0) -> list[Array]:
    """Return exact E tr Var(theta_n | what is known at m), the twin floor, at n = m + lag; [] if unknown.

    One array per span (m, l] of the plan, over its lags. Known are the batch in use and what a pass has drawn, too.
    """
    known, plan, found = directions(cell), cell.program.plan, []
    if known is None or not plan.wanted.twin or not is_known(cell):
        return []
    alike = [at._replace(square=0.0) for at in known.distinct]  # at m nothing is random any more
    for span in plan.spans:
        each = np.array([_follow(cell, at, span.first + span.lags, span.first, iterate)[1] for at in alike])
        found.append(each[known.which].sum(axis=0))
    return found


def stationary(cell: Cell) -> tuple[float, float] | None:
    """Return the stationary E|theta - minimizer|^2 and the twin floor at lag 1; None where there is none, or none is known.

    Known where all steps are alike in the long run: constant schedules, and data drawn anew with replacement for each.
    """
    p, minimizer, known = cell.program, cell.minimizer, directions(cell)
    steady = None not in (cell.learning_rate.constant, cell.batch_size.constant) and is_fixed(p.optimizer.parameters)
    alike = p.supply.order == "with_replacement" and p.supply.hold == 1 and p.supply.drift is None
    if not (steady and alike and is_known(cell)) or minimizer is None or known is None or p.optimizer.component.own:
        return None
    each = [_stationary_of(cell, at) for at in known.distinct]
    found = np.array([one for one in each if one is not None])
    if len(found) < len(each):
        return None
    mean, variance, moved = found[known.which].T
    away = mean + known.centre - known.along(minimizer)
    return float((variance + away**2).sum()), float(moved.sum())


def _stationary_of(cell: Cell, at: Direction) -> tuple[float, float, float] | None:
    """Return mean and variance of t in the long run, and the variance that one step adds; None if they have no limit."""
    one = Moves(*(field[0] for field in _moves(cell, at, np.array([FAR]), np.zeros(1))))
    kept = np.ix_([T, M], [T, M])
    step, spread = one.map[kept], one.spread[kept]
    if not np.isfinite(step).all() or not np.abs(np.linalg.eigvals(step)).max() < 1.0:
        return None
    mean = np.linalg.solve(np.eye(2) - step, one.force[[T, M]])
    covariance = np.linalg.solve(np.eye(4) - np.kron(step, step), spread.ravel())
    return float(mean[0]), float(covariance[0]), float(spread[0, 0])


# The moments along a direction


def _follow(cell: Cell, at: Direction, steps: Steps, done: int, iterate: int) -> Array:
    """Return mean and variance of an iterate less the centre after rising steps, (2, steps).

    Before step `done` + 1 its variance is at.square, and of means nothing is said unless that is the first step.
    """
    seen, weights = _observed(cell, iterate), weights_of_average(cell, iterate)
    mean, covariance = np.zeros(NUMBERS), np.zeros((NUMBERS, NUMBERS))
    mean[[T, A]] = at.mean
    covariance[np.ix_([T, A], [T, A])] = at.square
    moments = follow(lambda n: _moves(cell, at, n, weights(n)), mean, covariance, steps, done)
    found = np.array([(seen @ first, seen @ second @ seen) for first, second in moments]).T
    if cell.program.supply.order == "once":
        found[1] += _of_one_shuffle(cell, at, steps, done, iterate)
    return found


def _observed(cell: Cell, iterate: int) -> Array:
    """Return the row that gives an iterate from the state: t, its average, or the optimizer's own, x = y - (1 - beta) d."""
    row = np.zeros(NUMBERS)
    if 0 < iterate <= len(cell.program.averages):
        row[A] = 1.0
    else:
        row[T] = 1.0
        row[M] = -(1.0 - cell.program.optimizer.parameters.beta) if iterate else 0.0
    return row


def weights_of_average(cell: Cell, iterate: int) -> Weights:
    """Return the weights of an iterate that is an average; those of none elsewhere."""
    averages = cell.program.averages
    return averages[iterate - 1].weight if 0 < iterate <= len(averages) else np.zeros_like


def _moves(cell: Cell, at: Direction, n: Array, weight: Array) -> Moves:
    """Return the steps n (steps,): first a batch is drawn, then the rule moves. weight (steps,): of the average."""
    drawn, uncertain = draw(cell, at, n)
    moves = _move(cell, at, n, weight)
    return moves._replace(map=moves.map @ drawn, spread=moves.map @ uncertain @ moves.map.transpose(0, 2, 1) + moves.spread)


def _move(cell: Cell, at: Direction, n: Array, weight: Array) -> Moves:
    """Return how the rule moves at steps n (steps,), given the batch mean in use."""
    p = cell.program
    rule, rate = rule_at(cell, n), p.learning_rate(n)
    decay, l2 = p.modifiers.decay or 0.0, p.modifiers.l2 or 0.0
    if p.parts.pull:
        decay, l2 = 0.0, decay
    kept = 1.0 - rate * decay
    curvature, offset = at.curvature + l2, at.force + l2 * at.centre + fixed(cell, at, n)
    shrink = -(1.0 - kept) * at.centre
    maps, force, spread = np.zeros((len(n), NUMBERS, NUMBERS)), np.zeros((len(n), NUMBERS)), np.zeros((len(n), NUMBERS))
    maps[:, T, T], maps[:, T, M], maps[:, T, Z] = kept - rule.of_gradient * curvature, rule.of_m, -rule.of_gradient * at.slope
    maps[:, M, T], maps[:, M, M], maps[:, M, Z] = rule.weight * curvature, rule.decay, rule.weight * at.slope
    maps[:, Z, Z] = maps[:, SUM, SUM] = 1.0
    force[:, T], force[:, M] = shrink - rule.of_gradient * offset, rule.weight * offset
    spread[:, T], spread[:, M] = -rule.of_gradient, rule.weight
    for field in (maps, force, spread):
        field[:, A] = (field[:, T].T * weight).T
    maps[:, A, A] += 1.0 - weight
    return Moves(maps, force, spread[:, :, None] * spread[:, None, :] * at.noise)


def rule_at(cell: Cell, n: Array) -> Rule:
    """Return the coefficients of the rule at steps n (steps,)."""
    rule, h, _ = cell.program.optimizer
    rate, zero = cell.program.learning_rate(n), np.zeros_like(n)
    if rule is SGD:
        return Rule(zero, rate, zero, zero)
    if rule is SCHEDULE_FREE_SGD:
        share = _shares(cell)[n.astype(np.int64) - 1]
        inverse = np.where(rate > 0.0, 1.0, 0.0)
        return Rule(h.beta * share * inverse, rate * (1.0 - h.beta + h.beta * share), 1.0 - share, -(1.0 - share) * rate)
    k = rule.coefficients(h, n, rate)
    p, q = (k.beta, k.weight) if h.nesterov else (k.correction, zero)
    return Rule(-rate * p * k.decay, rate * (p * k.weight + q), k.decay, k.weight)


@lru_cache(maxsize=8)
def _shares(cell: Cell) -> Array:
    """Return the weight of z in the average x of a schedule-free rule after each step of the run, (steps,)."""
    rule, h, _ = cell.program.optimizer
    n = np.arange(1.0, cell.program.steps + 1.0)
    columns = rule.coefficients(h, n, cell.program.learning_rate(n))
    weight: Array = columns.weight * np.maximum.accumulate(columns.power)
    total = np.cumsum(weight)
    return np.asarray(np.divide(weight, total, out=np.zeros_like(n), where=total > 0.0))


# Rows that are shuffled once


def _of_one_shuffle(cell: Cell, at: Direction, steps: Steps, done: int, iterate: int) -> Array:
    """Return the variance (steps,) that rows shuffled once give an iterate after rising steps, given those drawn by `done`."""
    rows, seen, weights_of = cell.program.supply.rows, _observed(cell, iterate)[:Z], weights_of_average(cell, iterate)
    unknown = max(rows - int(_drawn_until(cell, done)), 0)
    if unknown <= 1 or at.variance == 0.0:
        return np.zeros(len(steps))
    weights, held, out = np.zeros((Z, unknown)), np.zeros(unknown), []
    for step, n in _chunks(steps, done):
        moves, batches = _move(cell, at, n, weights_of(n)), batches_of(cell, n)
        for k in range(len(n)):
            if batches.drawn[k]:
                held = _selected(rows, unknown, int(batches.before[k]), int(batches.size[k]))
            weights = moves.map[k, :Z, :Z] @ weights + moves.map[k, :Z, Z, None] * held
        if n[-1] == step:
            own = seen @ weights
            out.append(np.sum(own**2) - own.sum() ** 2 / unknown)
    return at.variance * rows / (rows - 1.0) * np.array(out)


def _chunks(steps: Steps, done: int) -> Iterator[tuple[int, Array]]:
    """Yield for rising steps the steps n up to each of them, in pieces."""
    for step in steps.tolist():
        while done < step:
            last = min(done + CHUNK, step)
            yield step, np.arange(done + 1.0, last + 1.0)
            done = last


def _drawn_until(cell: Cell, step: int) -> int:
    """Return how many data are drawn up to a step."""
    if step == 0:
        return 0
    batches = batches_of(cell, np.array([float(step)]))
    return int(batches.before[0]) + int(batches.size[0])


def _selected(rows: int, unknown: int, before: int, size: int) -> Array:
    """Return how often a batch has each of the last `unknown` places of a pass, as shares of its size."""
    places = np.arange(rows - unknown, rows)
    return ((before + size - places - 1) // rows - (before - places - 1) // rows) / size
