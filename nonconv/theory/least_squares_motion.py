"""E|theta_n - xi|^2 on least squares of rules that are linear in gradients, and of their averages, step by step.

With e = theta - theta* and the gradient g of one example (theory.least_squares) a step of batch M is
    G = mean g + l (e + theta*) + noise        e' = q e + a m - b G - (1 - q) theta*        m' = d m + w G
where l is the L2 term and q = 1 - rate decay, as in theory.linear_motion. E g = H e + decay e, so that mean and covariance of
(e, m, average) move as in a linear step whose noise has the covariance (E g g^T - E g E g^T) / M: linear in E e e^T and E e.
Where each batch holds every row there is none.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from nonconv.components.definitions import Law
from nonconv.experiment.cell import Cell
from nonconv.numerics.arithmetic import Array
from nonconv.theory.directions import noise_law
from nonconv.theory.least_squares import Sums, by_target, sums_of
from nonconv.theory.limit_point import is_full_batch
from nonconv.theory.linear_motion import RULES, rule_at, weights_of_average

MOST_STEPS = 20_000
"""Most steps that are followed one by one, divided by how many iterates there are."""
MOST_NUMBERS = 100
"""Most numbers in (e, m, average) of one target."""


class Step(NamedTuple):
    """One step of (e, m, average): s' = map s + force + noise. way (3,): how the noise of the gradient enters each of them.

    map (k, k), force (targets, k).
    """

    map: Array
    force: Array
    way: Array


class State(NamedTuple):
    """Mean (targets, k) and covariance (k, k), summed over targets, of (e, m, average)."""

    mean: Array
    covariance: Array


def is_known(cell: Cell) -> bool:
    """Return whether the moments are those of a linear rule on least squares, and not too long to compute."""
    p = cell.program
    parts, noise = p.parts, noise_law(cell)
    other = parts.domain or parts.clip_value or parts.clip_norm or parts.hold or parts.drift
    if other or p.optimizer.component not in RULES or (noise is not None and not noise.has_variance):
        return False
    if p.steps * len(cell.iterates) > MOST_STEPS or (p.supply.order != "with_replacement" and not is_full_batch(cell)):
        return False
    found = sums_of(cell)
    return found is not None and 3 * len(found.second) <= MOST_NUMBERS


@np.errstate(all="ignore")  # a diverging method's expectation overflows, and is shown so
def predicted_errors(cell: Cell, iterate: int) -> dict[str, Array]:
    """Return exact E|theta_n - xi|^2 at the recorded steps, arrays (R,) by the label of xi; {} where it is not known."""
    start = _law_of_start(cell)
    if not is_known(cell) or (start is not None and not start.has_variance):
        return {}
    assert cell.minimizer is not None
    row, marks = _observed(cell, iterate), set(cell.program.record.tolist())
    seen = [_seen(row, state) for n, state, _ in _course(cell, iterate) if n in marks]
    means, variances = (np.array(values) for values in zip(*seen, strict=True))
    found = {}
    for xi in cell.xi:
        point = cell.program.start if xi.label == "start" else xi.point
        if isinstance(point, np.ndarray):
            away = means + by_target(cell, cell.minimizer - point)
            found[xi.label] = variances + np.square(away).sum(axis=(1, 2))
    return found


@np.errstate(all="ignore")
def predicted_twins(cell: Cell, iterate: int) -> list[Array]:
    """Return exact E tr Var(theta_n | the first m batches), the twin floor, at n = m + lag; [] if unknown.

    The noise of a step has its expected covariance, whatever is known at m.
    """
    plan = cell.program.plan
    if not plan.wanted.twin or not is_known(cell):
        return []
    row, noises = _observed(cell, iterate), [noise for _, _, noise in _course(cell, iterate)]
    size = len(_targets(cell)[0]) * 3
    found = []
    for span in plan.spans:
        covariance, marks, values = np.zeros((size, size)), set((span.first + span.lags).tolist()), []
        for n in range(span.first + 1, int(span.first + span.lags[-1]) + 1):
            covariance = _spread(_steps(cell, iterate)[n - 1], covariance, noises[n - 1])
            if n in marks:
                values.append(_seen(row, State(np.zeros((1, size)), covariance))[1])
        found.append(np.array(values))
    return found


def _targets(cell: Cell) -> Array:
    """Return theta* by target, (targets, columns)."""
    assert cell.minimizer is not None
    return by_target(cell, cell.minimizer)


def _observed(cell: Cell, iterate: int) -> Array:
    """Return the row (3,) that gives an iterate from (e, m, average)."""
    if 0 < iterate <= len(cell.program.averages):
        return np.array([0.0, 0.0, 1.0])
    own = 1.0 - cell.program.optimizer.parameters.beta if iterate else 0.0
    return np.array([1.0, -own, 0.0])


def _seen(row: Array, state: State) -> tuple[Array, float]:
    """Return the mean (targets, columns) and the summed variance of what a row sees."""
    blocks = state.covariance.reshape(3, len(state.covariance) // 3, 3, -1)
    mean = np.einsum("a,tac->tc", row, state.mean.reshape(len(state.mean), 3, -1))
    return mean, float(np.einsum("a,acbc,b->", row, blocks, row))


def _course(cell: Cell, iterate: int) -> Iterator[tuple[int, State, Array]]:
    """Yield each step with the state after it, and the covariance of its gradient's noise."""
    sums = sums_of(cell)
    assert sums is not None
    state = _start(cell)
    sizes = cell.program.batch_size(np.arange(1.0, cell.program.steps + 1.0))
    added = _added_noise(cell)
    for n, step in enumerate(_steps(cell, iterate), 1):
        noise = added + (0.0 if is_full_batch(cell) else _of_examples(cell, sums, state) / sizes[n - 1])
        state = State(state.mean @ step.map.T + step.force, _spread(step, state.covariance, noise))
        yield n, state, noise


def _spread(step: Step, covariance: Array, noise: Array) -> Array:
    """Return the covariance after a step, given that of its gradient's noise (columns, columns)."""
    return np.asarray(step.map @ covariance @ step.map.T + np.kron(np.outer(step.way, step.way), noise))


def _law_of_start(cell: Cell) -> Law | None:
    """Return the law of the start; None if it is a point."""
    start = cell.program.start
    return None if isinstance(start, np.ndarray) else start.component.law(start.parameters, cell.program.dim)


def _start(cell: Cell) -> State:
    """Return the state before the first step."""
    start, law, theta = cell.program.start, _law_of_start(cell), _targets(cell)
    begin = law.mean if law else start
    assert isinstance(begin, np.ndarray)
    e = by_target(cell, begin) - theta
    mean = np.concatenate([e, np.zeros_like(e), e], axis=1)
    spread = np.zeros(theta.shape[1]) if law is None else by_target(cell, law.variance).sum(axis=0)
    both = np.outer([1.0, 0.0, 1.0], [1.0, 0.0, 1.0])
    return State(mean, np.kron(both, np.diag(spread)))


def _added_noise(cell: Cell) -> Array:
    """Return the covariance (columns, columns) of the gradient noise, summed over targets."""
    noise, theta = noise_law(cell), _targets(cell)
    return np.diag(np.zeros(theta.shape[1]) if noise is None else by_target(cell, noise.variance).sum(axis=0))


def _of_examples(cell: Cell, sums: Sums, state: State) -> Array:
    """Return the covariance (columns, columns) of the gradient of one example, summed over targets."""
    columns, own = len(sums.second), cell.program.objective.parameters.weight_decay
    mean = state.mean[:, :columns]
    square = state.covariance[:columns, :columns] + mean.T @ mean
    # The mean gradient without the penalty is H e - decay theta*.
    bent, pull = sums.second @ (mean.T @ _targets(cell)) * own, own * _targets(cell)
    known = sums.second @ square @ sums.second - bent - bent.T + pull.T @ pull
    return np.asarray(sums.single(square, mean) - known)


@lru_cache(maxsize=4)
def _steps(cell: Cell, iterate: int) -> list[Step]:
    """Return all steps of the run."""
    p, sums, theta = cell.program, sums_of(cell), _targets(cell)
    assert sums is not None
    n = np.arange(1.0, p.steps + 1.0)
    noise = noise_law(cell)
    push = np.zeros_like(theta) if noise is None else by_target(cell, noise.mean)
    decay, l2 = (0.0, p.modifiers.decay or 0.0) if p.parts.pull else (p.modifiers.decay or 0.0, p.modifiers.l2 or 0.0)
    bent = sums.second + (l2 + p.objective.parameters.weight_decay) * np.eye(len(sums.second))
    kept, weights = 1.0 - p.learning_rate(n) * decay, weights_of_average(cell, iterate)(n)
    rows = np.array([kept, weights, *rule_at(cell, n)]).T.tolist()
    return [_step(row, bent, l2 * theta + push, theta) for row in rows]


def _step(row: list[float], bent: Array, push: Array, theta: Array) -> Step:
    """Return one step. row: q, the weight of theta in the average, and a, b, d, w.

    bent: the derivative of the mean gradient; push (targets, columns): what is added to it at theta*.
    """
    one = np.eye(len(bent))
    kept, averaged, a, b, d, w = row
    e = np.hstack([kept * one - b * bent, a * one, 0.0 * one])
    m = np.hstack([w * bent, d * one, 0.0 * one])
    average = averaged * e + (1.0 - averaged) * np.hstack([0.0 * one, 0.0 * one, one])
    force = -b * push - (1.0 - kept) * theta
    return Step(np.vstack([e, m, average]), np.hstack([force, w * push, averaged * force]), np.array([-b, w, -averaged * b]))
