"""E|theta_n - xi|^2 of SGD on least squares, exactly, for any schedules: gradients whose noise grows with the distance.

Let a be the features (with a last 1 where there is an intercept), r = y - a theta* the residual at the minimizer, H = E a a^T
and e = theta - theta*. A step with M examples is e' = e - rate mean(a a^T e - a r). So, with m = E e and C = E e e^T,
    m' = (1 - rate H) m
    C' = C - rate (H C + C H) + rate^2 [(Q(C) - H C H - 2 X(m) + R) / M + H C H]
    Q(C) = E a a^T C a a^T        X(m) = E r (a m) a a^T        R = E r^2 a a^T
which is linear in the entries of C and m. Q makes E|theta|^2 infinite at rates where no path need escape: where the largest
eigenvalue of C -> C', R and X left out, is 1 or more. For features of one coordinate with E a^2 = 1, E a^4 = k and labels of
variance s^2 the stationary E e^2 is rate s^2 / (2 - k rate). Of several targets each has a C of its own, and they add up.
"""

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from nonconv.components.definitions import Truth
from nonconv.experiment.cell import Cell
from nonconv.numerics.arithmetic import Array
from nonconv.objectives.linear_fit import moments
from nonconv.objectives.linear_model import LINEAR_MODEL
from nonconv.optimizers.sgd import SGD

MOST_ENTRIES = 300
"""Most entries of C and m: their maps are matrices of this size."""
MOST_WORK = 2**31
"""Most numbers that are multiplied in steps with learning rates of their own, and in making the maps of a table."""


class Sums(NamedTuple):
    """Expectations over one example: H, and what makes Q, X and R of the entries of C and m. targets: how many there are."""

    second: Array
    quadratic: Array
    crossed: Array
    noise: Array
    targets: int

    def single(self, c: Array, m: Array) -> Array:
        """Return E g g^T (columns, columns) of the gradients g of one example, summed over targets, without penalties.

        c (columns, columns), m (targets, columns): moments of e.
        """
        columns = len(self.second)
        above, right = np.triu_indices(columns)
        found = np.empty((columns, columns))
        found[above, right] = self.quadratic @ c[above, right] - 2.0 * self.crossed @ m.ravel() + self.noise
        found[right, above] = found[above, right]
        return found


class Maps(NamedTuple):
    """How the state z = (entries of C on and above the diagonal, m of each target, 1) moves in one step, (size, size) each.

    z' = z + rate linear z + rate^2 (single / M + whole) z. columns: how many features there are, with the intercept.
    second (columns, columns): H.
    """

    columns: int
    linear: Array
    single: Array
    whole: Array
    second: Array

    def step(self, rate: float, batch: float) -> Array:
        """Return the map of a step with this learning rate and batch size."""
        return np.eye(len(self.linear)) + rate * self.linear + rate * rate * (self.single / batch + self.whole)


def predicted_errors(cell: Cell) -> dict[str, Array]:
    """Return exact E|theta_n - xi|^2 at the recorded steps, arrays (R,) by the label of xi; {} where it is not known.

    Known for every xi that is a fixed point or a fixed start. Runs that would take too long are skipped.
    """
    maps = _maps(cell)
    if maps is None or cell.minimizer is None or _is_too_long(cell, maps):
        return {}
    with np.errstate(all="ignore"):  # a diverging method's expectation overflows, and is shown so
        states = np.array([state for _, state in _follow(cell, maps, _start(cell, maps), cell.program.record.tolist())])
    trace, mean = _trace(maps, states), states[:, _entries(maps.columns) : -1]
    found = {}
    for xi in cell.xi:
        point = cell.program.start if xi.label == "start" else xi.point
        if isinstance(point, np.ndarray):
            offset = by_target(cell, cell.minimizer - point).ravel()
            found[xi.label] = trace + 2.0 * mean @ offset + offset @ offset
    return found


def predicted_twins(cell: Cell) -> list[Array]:
    """Return exact E tr Var(theta_n | the first m batches), the twin floor, at n = m + lag; [] if unknown.

    One array per span (m, l] of the plan, over its lags. It is tr C_n less the trace of what C_m becomes without new noise.
    """
    maps, plan = _maps(cell), cell.program.plan
    if maps is None or cell.minimizer is None or not plan.wanted.twin or _is_too_long(cell, maps):
        return []
    # Without new noise e_n is (1 - rate H) ... e_m: the part of the maps in which every batch is the same as H.
    quiet = maps._replace(single=np.zeros_like(maps.single))
    found = []
    with np.errstate(all="ignore"):
        branches = _follow(cell, maps, _start(cell, maps), [span.first for span in plan.spans])
        for span, (first, state) in zip(plan.spans, branches, strict=True):
            steps = (span.first + span.lags).tolist()
            noisy, still = (
                np.array([_trace(maps, after) for _, after in _follow(cell, which, state, steps, first)])
                for which in (maps, quiet)
            )
            found.append(noisy - still)
    return found


def plateau(cell: Cell) -> float | None:
    """Return the stationary E|theta - minimizer|^2; None where it is not known, inf where it is infinite."""
    maps, rate, batch = _maps(cell), cell.learning_rate.constant, cell.batch_size.constant
    if maps is None or rate is None or batch is None:
        return None
    number = _entries(maps.columns)
    step = maps.step(rate, batch)
    own, noise = step[:number, :number], step[:number, -1]
    if not growth_of(own) < 1.0:
        return float("inf")
    return float(_trace(maps, np.asarray(np.linalg.solve(np.eye(number) - own, noise), dtype=np.float64)))


def growth(cell: Cell) -> float | None:
    """Return by what factor a step multiplies E|theta - minimizer|^2 where it is large, at the limits of the schedules.

    Below 1 there is a stationary law with a mean square. From 1 on there is none, even where every path stays finite.
    None where it is not known. Features that are linearly dependent give 1, for what they do not see never changes.
    """
    maps, rate, batch = _maps(cell), cell.learning_rate.limits.high, cell.batch_size.limits.low
    if maps is None or not math.isfinite(rate) or math.isnan(batch):
        return None
    number = _entries(maps.columns)
    return growth_of(maps.step(rate, batch)[:number, :number])


def curvature(cell: Cell) -> tuple[float, float] | None:
    """Return the largest eigenvalue of the Hessian of a linear model's mean squared loss, penalty included, and its spread.

    The spread is E|H_x v|^2 - |E H_x v|^2, where v is the eigenvector and H_x the Hessian of one example. None where they are
    not known.
    """
    objective, h, _ = cell.program.objective
    if objective is not LINEAR_MODEL or h.loss != "squared":
        return None
    known = cell.known
    if known.rows is not None:
        a = known.rows[0].T
        a = np.column_stack([a, np.ones(len(a))]) if h.intercept else a
        second, square = a.T @ a / len(a), (a * np.square(a).sum(axis=1)[:, None]).T @ a / len(a)
    elif known.truth is not None:
        second, _ = moments(known.truth, intercept=h.intercept)
        square = _Features(known.truth, h.intercept).quadratic(np.eye(len(second)))
    else:
        return None
    values, vectors = np.linalg.eigh(second)
    v = vectors[:, -1]
    return float(values[-1] + h.weight_decay), max(float(v @ square @ v - values[-1] ** 2), 0.0)


def steepest(cell: Cell) -> float:
    """Return the largest second derivative that the squared loss of any example has; inf where there is none, or not known."""
    objective, h, _ = cell.program.objective
    if objective is not LINEAR_MODEL or h.loss != "squared":
        return math.inf
    known, bias = cell.known, float(h.intercept)
    if known.rows is not None:
        return float(np.square(known.rows[0]).sum(axis=0).max()) + bias + float(h.weight_decay)
    if known.truth is None or known.truth.reach is None:
        return math.inf
    return float(np.square(np.abs(known.truth.mean) + known.truth.reach).sum()) + bias + float(h.weight_decay)


def growth_of(step: Array) -> float:
    """Return the largest eigenvalue of a map of second moments; it is real, since the map keeps matrices positive."""
    return float(np.abs(np.linalg.eigvals(step)).max())


def _is_too_long(cell: Cell, maps: Maps) -> bool:
    """Return whether steps with rates of their own would take too long."""
    alike = None not in (cell.learning_rate.constant, cell.batch_size.constant)
    return not alike and cell.program.steps * 3 * maps.linear.size > MOST_WORK


def _entries(columns: int) -> int:
    """Return how many entries of a symmetric matrix lie on and above its diagonal."""
    return columns * (columns + 1) // 2


def _trace(maps: Maps, states: Array) -> Array:
    """Return tr C of states (..., size)."""
    above, right = np.triu_indices(maps.columns)
    return np.asarray(states[..., : len(above)][..., above == right].sum(axis=-1))


def by_target(cell: Cell, theta: Array) -> Array:
    """Return theta (dim,), or rows of such, as what each target has of it: (targets, columns)."""
    learning, h = cell.program.learning, cell.program.objective.parameters
    assert learning is not None
    rows = len(theta) // (learning.shape.features + h.intercept)
    weights, biases = theta[: rows * learning.shape.features], theta[rows * learning.shape.features :]
    return np.column_stack([weights.reshape(rows, -1), biases.reshape(rows, -1)])


def _start(cell: Cell, maps: Maps) -> Array:
    """Return the state z before the first step."""
    assert cell.minimizer is not None
    start = cell.program.start
    law = None if isinstance(start, np.ndarray) else start.component.law(start.parameters, cell.program.dim)
    mean = by_target(cell, (start if law is None else law.mean) - cell.minimizer)
    second = mean.T @ mean + (0.0 if law is None else np.diag(by_target(cell, law.variance).sum(axis=0)))
    return np.concatenate([second[np.triu_indices(maps.columns)], mean.ravel(), [1.0]])


def _follow(cell: Cell, maps: Maps, state: Array, steps: list[int], done: int = 0) -> Iterator[tuple[int, Array]]:
    """Yield rising steps with the state z after each; `state` is that after step `done`."""
    rate, batch = cell.learning_rate.constant, cell.batch_size.constant
    alike = None if rate is None or batch is None else maps.step(rate, batch)
    together = np.concatenate([maps.linear, maps.single, maps.whole])
    size = len(state)
    for step in steps:
        if alike is not None:
            state = np.linalg.matrix_power(alike, step - done) @ state
        else:
            n = np.arange(done + 1.0, step + 1.0)
            for gamma, number in zip(cell.program.learning_rate(n), cell.program.batch_size(n), strict=True):
                linear, single, whole = (together @ state).reshape(3, size)
                state = state + gamma * linear + gamma * gamma * (single / number + whole)
        done = step
        yield step, state


@lru_cache(maxsize=4)
def _maps(cell: Cell) -> Maps | None:
    """Return the maps of SGD on least squares; None for anything else, and where they would be too large."""
    p = cell.program
    objective, h, _ = p.objective
    if p.optimizer.component is not SGD or objective is not LINEAR_MODEL or h.weight_decay > 0.0 or not p.parts.is_plain:
        return None
    found = sums_of(cell)
    return None if found is None else _assemble(*found)


@lru_cache(maxsize=4)
def sums_of(cell: Cell) -> Sums | None:
    """Return the expectations of least squares; None for anything else, and where they would be too large, or are not known."""
    p, learning = cell.program, cell.program.learning
    objective, h, _ = p.objective
    if objective is not LINEAR_MODEL or h.loss != "squared" or learning is None:
        return None
    columns, targets = learning.shape.features + h.intercept, learning.shape.classes or learning.shape.targets
    size = _entries(columns) + columns * targets + 1
    if size > MOST_ENTRIES or cell.minimizer is None:
        return None
    known = cell.known
    if known.rows is not None:
        x, y = known.rows
        return _of_rows(cell, x, y, targets) if x.shape[1] * size * size <= MOST_WORK else None
    if known.truth is None or learning.shape.classes or h.weight_decay > 0.0 or (not h.intercept and np.any(known.truth.bias)):
        return None
    return _of_truth(known.truth, targets, intercept=h.intercept)


def _of_rows(cell: Cell, x: Array, y: Array, targets: int) -> Sums:
    """Return the expectations for the rows of a table, each equally probable: x (features, N), y (targets, N)."""
    assert cell.minimizer is not None
    h, number = cell.program.objective.parameters, x.shape[1]
    a = np.column_stack([x.T, np.ones(number)]) if h.intercept else x.T
    classes = cell.program.learning.shape.classes if cell.program.learning else 0
    labels = np.equal(y, np.arange(classes)[:, None]).astype(np.float64) if classes else y
    residual = labels.T - a @ by_target(cell, cell.minimizer).T
    above, right = np.triu_indices(a.shape[1])
    outer = a[:, above] * a[:, right]
    # A sum over all entries of C counts those beside the diagonal twice.
    quadratic = outer.T @ (outer * np.where(above == right, 1.0, 2.0)) / number
    crossed = np.hstack([outer.T @ (a * residual[:, k : k + 1]) / number for k in range(targets)])
    noise = outer.T @ np.square(residual).sum(axis=1) / number
    return Sums(a.T @ a / number, quadratic, crossed, noise, targets)


def _of_truth(truth: Truth, targets: int, *, intercept: bool) -> Sums:
    """Return the expectations for features that are independent and symmetric, with residuals that do not depend on them."""
    second, _ = moments(truth, intercept=intercept)
    columns, features = len(second), _Features(truth, intercept)
    above, right = np.triu_indices(columns)
    quadratic = np.empty((len(above), len(above)))
    for k, (i, j) in enumerate(zip(above, right, strict=True)):
        unit = np.zeros((columns, columns))
        unit[i, j] = unit[j, i] = 1.0
        quadratic[:, k] = features.quadratic(unit)[above, right]
    noise = truth.noise * targets * second[above, right]
    return Sums(second, quadratic, np.zeros((len(above), columns * targets)), noise, targets)


class _Features:
    """Features a = turn b, where the entries of b are independent, symmetric about 0, and one of them is the constant 1.

    The constant counts as such an entry with E b^2 = E b^4 = 1, for no third moment of the others meets it.
    """

    def __init__(self, truth: Truth, intercept: bool) -> None:
        columns = len(truth.mean)
        self.turn = np.column_stack([np.eye(columns), truth.mean])
        if intercept:
            self.turn = np.vstack([self.turn, np.append(np.zeros(columns), 1.0)])
        self.variance, self.fourth = np.append(truth.variance, 1.0), np.append(truth.fourth, 1.0)

    def quadratic(self, c: Array) -> Array:
        """Return E a a^T C a a^T for a symmetric C (columns, columns)."""
        c = self.turn.T @ c @ self.turn
        own = 2.0 * c * np.outer(self.variance, self.variance)
        alone = np.diag(c) * self.variance
        np.fill_diagonal(own, self.variance * (alone.sum() - alone) + np.diag(c) * self.fourth)
        return np.asarray(self.turn @ own @ self.turn.T)


def _assemble(second: Array, quadratic: Array, crossed: Array, noise: Array, targets: int) -> Maps:
    """Return the maps, given H (columns, columns) and Q, X, R on the entries of C."""
    columns = len(second)
    above, right = np.triu_indices(columns)
    number, whole_size = len(above), len(above) + columns * targets + 1
    linear, single, whole = (np.zeros((whole_size, whole_size)) for _ in range(3))
    for k, (i, j) in enumerate(zip(above, right, strict=True)):
        unit = np.zeros((columns, columns))
        unit[i, j] = unit[j, i] = 1.0
        product = second @ unit
        linear[:number, k] = -(product + product.T)[above, right]
        whole[:number, k] = (product @ second)[above, right]
    single[:number, :number] = quadratic - whole[:number, :number]
    single[:number, number:-1] = -2.0 * crossed
    single[:number, -1] = noise
    for k in range(targets):
        own: slice = slice(number + k * columns, number + (k + 1) * columns)
        linear[own, own] = -second
    return Maps(columns, linear, single, whole, second)
