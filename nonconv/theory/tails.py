"""What the laws of data and start say about the tails of squares |Theta - xi|^2, and so about intervals of their mean.

Three things spoil such an interval, and a sample need not show them: squares without a variance; rare draws that carry the
variance, of which too few are made; and squares much more skewed than those of normal numbers, in samples of few paths.
A draw counts by its weight in an iterate. For SGD and momentum on the quadratic these weights are known exactly; for other
rules it is known how many steps they remember, by how fast twins part (docs/theory.md, Where there is no interval).
"""

import math
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.components.definitions import Law
from nonconv.engine.plan import Span, Steps
from nonconv.experiment.cell import Cell
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.moments import SMALL_SAMPLE
from nonconv.objectives.quadratic import QUADRATIC
from nonconv.theory.modes import curvatures
from nonconv.theory.moments import finite_moments, is_bounded, is_confined, keeps_moments, law_of, start_law
from nonconv.theory.recursion import CHUNK, is_known, one_step, product

LIGHT = 0.75
"""Largest excess kurtosis of an iterate at which rare draws may be missed: they carry a quarter of the variance of a square."""
LEAST_EVENTS, LEAST_OF_ONE = 5.0, 3.0
"""Fewest rare draws in all paths for an interval.

The latter, per draw that an iterate rests on, where these are few: with one, squares have two values and their share is
nearly all that is unknown.
"""
LOPSIDED, TWO_DRAWS, FEW_DRAWS, PER_SKEWNESS = 0.3, 1.5, 5.0, 7.0
"""Where few draws of a skewed law make an iterate: its skewness, the numbers of draws, and the paths that squares need.

These are PER_SKEWNESS times their squared skewness over the number of draws. Measured on sums of 2 to 8 draws of two_point.
"""
GROWTH = 1.5
"""Factor between steps at which weights are computed; in between they hardly change."""
CANCELLED = 0.5
"""Share of the variance of a square that is left where single rare draws cancel: then pairs of them decide it."""
SKEWED = 3.3
"""Skewness of squares above which samples of few paths need help; that of squares of normal numbers is 2.83."""
POWER_LAW = 8.0
"""Without this moment a law has tails like powers: its largest draws have no typical size, so they cannot be counted."""


class Tails(NamedTuple):
    """What is known in advance of squares; arrays have one entry per square.

    order: |Theta - xi| has absolute moments below this order, inf for all, nan if a law does not say.
    culprit: whose law limits them: data or start. paths: fewest paths for an interval; inf where no number suffices.
    skewed: whether squares are more skewed than those of normal numbers. exact: whether this is all that matters, so that the
    sample itself need not be asked. of_steps: order and culprit of distances between iterates that share their start.
    """

    order: float
    culprit: str
    paths: Array
    skewed: NDArray[np.bool_]
    exact: bool
    of_steps: tuple[float, str] = (math.inf, "")


class _Source(NamedTuple):
    """What enters iterates, (dim, 1) each: variance, skewness, excess kurtosis and tail share of its law."""

    variance: Array
    skewness: Array
    excess: Array
    share: Array


class _Facts(NamedTuple):
    """What tails of a cell rest on besides the weights, found once for all its rows.

    data, start: what iterates are made of. uncounted: whether draws of any size make bounded steps. known: as
    `recursion.is_known`. shared: whether the coordinates of a datum are drawn together. small: as `_may_be_small`.
    exact: as of Tails. order, of_steps: as of Tails, with the start in the squares and without.
    """

    data: _Source
    start: _Source
    nothing: _Source
    uncounted: bool
    known: bool
    shared: bool
    small: bool
    exact: bool
    order: tuple[float, str]
    of_steps: tuple[float, str]


class _Weights(NamedTuple):
    """What is in an iterate, (dim, k) each: sums of powers of the weights of single draws, and the weight of the start."""

    second: Array
    third: Array
    fourth: Array
    start: Array


@lru_cache(maxsize=8)
@np.errstate(all="ignore")  # a diverging method's moments overflow
def error_tails(cell: Cell, remembered: tuple[int, ...]) -> Tails:
    """Return the tails of |theta_n - xi|^2, arrays of shape (xi, R).

    remembered: of each span of the plan, after how many steps twins are half as far apart as at its end; 1 where unknown.
    """
    record = cell.program.record
    asked, nearest = _spread(record)
    known = _weights_since(cell, 0, record[asked], _remembered_at(cell, record[asked], remembered))
    known = _Weights(*(weight[:, nearest] for weight in known))
    of_points = _tails(cell, known, copies=1, with_start=True)
    shape = (len(cell.xi), len(record))
    found = of_points._replace(paths=np.tile(of_points.paths, (shape[0], 1)), skewed=np.tile(of_points.skewed, (shape[0], 1)))
    for k, xi in enumerate(cell.xi):
        point = cell.program.start if xi.label == "start" else xi.point
        if isinstance(point, np.ndarray) and is_known(cell):
            found.paths[k] = np.maximum(found.paths[k], _paths_for_pairs(cell, known, point))
        if xi.label == "last":
            # Only what was drawn since then counts; as if each weight were alike, which overstates how much one draw matters.
            left = np.maximum((cell.program.steps - record) / cell.program.supply.hold, 1.0) * cell.program.batch_size(
                record.astype(np.float64)
            )
            draws = np.minimum(_draws(known), left)
            of_last = _tails(cell, _equal_weights(cell, draws), copies=1, with_start=False)
            found.paths[k], found.skewed[k] = of_last.paths, of_last.skewed
    return found


@lru_cache(maxsize=8)
@np.errstate(all="ignore")
def floor_tails(cell: Cell, remembered: tuple[int, ...]) -> Tails:
    """Return the tails of the floors, arrays (rows,) in the order of statistics.floors.rows."""
    plan, parts = cell.program.plan, []
    weights = [
        _weights_since(cell, span.first, span.first + span.lags, np.minimum(span.lags, steps))
        for span, steps in zip(plan.spans, remembered, strict=True)
    ]
    # All spans at once: what a cell of a large sweep costs is the number of calls, not of numbers.
    every = _Weights(*(np.concatenate(field, axis=1) for field in zip(*weights, strict=True))) if weights else None
    of_all = [_tails(cell, every, copies, with_start=copies == 1) for copies in (1, 2)] if every else []
    ends = np.cumsum([0, *(len(span.lags) for span in plan.spans)]).tolist()
    for span, (first, last) in zip(plan.spans, pairwise(ends), strict=True):
        whole = span.last - span.first
        alone, twins = (one._replace(paths=one.paths[first:last], skewed=one.skewed[first:last]) for one in of_all)
        # An average over steps rests on at least as many draws as its shortest difference.
        if plan.wanted.twin:
            parts += [twins, _at_lag(twins, span, whole // 2)]
        if plan.wanted.window:
            parts.append(_at_lag(alone, span, whole // 4))
        if plan.wanted.cauchy:
            parts += [alone, _at_lag(alone, span, whole // 2)]
    if not parts:
        return _tails(cell, _equal_weights(cell, np.empty((cell.program.dim, 0))), 1, with_start=False)
    paths, skewed = (np.concatenate([np.atleast_1d(getattr(part, name)) for part in parts]) for name in ("paths", "skewed"))
    return Tails(*_facts(cell).order, paths, skewed, parts[0].exact, parts[0].of_steps)


def _paths_for_pairs(cell: Cell, weights: _Weights, xi: Array) -> Array:
    """Return the fewest paths where one rare draw hardly changes a square, and two do, (k,); 0 elsewhere.

    With m = E(theta_n - xi) and a jump w, (m + w)^2 - m^2 = w (2m + w) is small if w is about -2m: on its way from a start
    opposite to the rare values an iterate may be mirrored by one of them. xi (dim,).
    """
    assert cell.law is not None
    data, start = _source(cell.law, cell), cell.program.start
    begin = start if isinstance(start, np.ndarray) else start.component.law(start.parameters, cell.program.dim).mean
    m = weights.start * (begin - cell.law.mean)[:, None] + (cell.law.mean - xi)[:, None]
    variance = data.variance * weights.second
    third = data.skewness * data.variance**1.5 * weights.third
    fourth = np.maximum(data.excess, 0.0) * data.variance**2 * weights.fourth
    apart = (4.0 * m**2 * variance + fourth).sum(axis=0)
    cancels = apart + (4.0 * m * third).sum(axis=0) < CANCELLED * apart
    rare = fourth.sum(axis=0) > LIGHT / 2.0 * (2.0 * variance**2).sum(axis=0)
    events = (_draws(weights) * data.share).min(axis=0)
    return np.asarray(np.where(cancels & rare, np.ceil(LEAST_EVENTS / (events**2 / 2.0)), 0.0))


def _spread(record: Steps) -> tuple[Steps, Steps]:
    """Choose recorded steps, each GROWTH times the one before, and for every step the last chosen one: indices (k,), (R,).

    An iterate remembers at least as many draws as an earlier one did, as far as intervals are concerned.
    """
    return _spread_in(record.tobytes())


@lru_cache(maxsize=8)
def _spread_in(recorded: bytes) -> tuple[Steps, Steps]:
    """Choose as `_spread` does among the steps in these bytes, which are the same in all cells of a sweep."""
    record = np.frombuffer(recorded, dtype=np.int64)
    asked = [0]
    for r, step in enumerate(record.tolist()):
        if step >= GROWTH * record[asked[-1]]:
            asked.append(r)
    found = np.array(asked)
    return found, np.searchsorted(found, np.arange(len(record)), side="right") - 1


def _at_lag(tails: Tails, span: Span, lag: int) -> Tails:
    """Return the tails at the longest lag up to this one."""
    at = max(int(np.searchsorted(span.lags, lag, side="right")) - 1, 0)
    return tails._replace(paths=tails.paths[at], skewed=tails.skewed[at])


def _remembered_at(cell: Cell, record: Steps, remembered: tuple[int, ...]) -> Steps:
    """Return how many steps the iterates of recorded steps remember: as those of their span do, and no more than there were."""
    if not remembered:
        return np.ones_like(record)
    firsts = np.array([span.first for span in cell.program.plan.spans])
    of_span = np.array(remembered)[np.maximum(np.searchsorted(firsts, record, side="left") - 1, 0)]
    return np.asarray(np.minimum(of_span, np.maximum(record // 2, 1)))


def _weights_since(cell: Cell, first: int, steps: Steps, remembered: Steps) -> _Weights:
    """Return the weights, in the iterates of rising steps, of what was drawn after step `first`."""
    if is_known(cell) and not _is_plain(cell):
        curvature = 2.0 * cell.program.objective.constants.scale
        distinct, which = np.unique(curvature, return_inverse=True)
        sums = np.array([_sums(cell, float(c), first, steps) for c in distinct])[which.ravel()]
        return _Weights(*np.moveaxis(sums, 1, 0))
    # A batch that is held is drawn once.
    drawn = np.maximum(remembered / cell.program.supply.hold, 1.0)
    draws = drawn * cell.program.batch_size(steps.astype(np.float64))
    return _equal_weights(cell, np.broadcast_to(draws, (cell.program.dim, len(steps))))


def _equal_weights(cell: Cell, draws: Array) -> _Weights:
    """Return the weights of iterates that are a mean of so many draws, (dim, k), in units of their spread."""
    return _Weights(np.ones_like(draws), 1.0 / np.sqrt(draws), 1.0 / draws, np.ones_like(draws))


def _draws(weights: _Weights) -> Array:
    """Return on how many draws iterates with these weights rest, (dim, k); 1 where there is none, or powers overflow."""
    return np.nan_to_num(weights.second**2 / _positive(weights.fourth), nan=1.0)


def _is_plain(cell: Cell) -> bool:
    """Return whether data and start are so light-tailed that even one draw alone does no harm."""
    one = _Weights(*(np.ones((cell.program.dim, 1)) for _ in _Weights._fields))
    found = _tails(cell, one, copies=1, with_start=True)
    return bool(found.paths[0] == 0 and not (found.skewed[0] and _may_be_small(cell)))


def _may_be_small(cell: Cell) -> bool:
    """Return whether intervals may be asked for of so few paths that skewness matters."""
    return cell.paths < SMALL_SAMPLE or cell.stopping is not None


@np.errstate(over="ignore", invalid="ignore")
def _sums(cell: Cell, curvature: float, first: int, steps: Steps) -> Array:
    """Return sums over draws of the second, third and fourth powers of their weights, and the start's weight, (4, steps)."""
    vectors = [*(np.eye(k + 2)[-1] for k in (2, 3, 4)), np.array([1.0, 0.0])]
    same, done, out = _maps_if_all_are_alike(cell, curvature), first, []
    for step in steps.tolist():
        while done < step:
            last = step if same else min(done + CHUNK, step)
            powers = (
                [np.linalg.matrix_power(one, last - done) for one in same]
                if same
                else [product(maps) for maps in _maps(cell, curvature, np.arange(done + 1.0, last + 1.0))]
            )
            vectors = [power @ vector for power, vector in zip(powers, vectors, strict=True)]
            done = last
        out.append([vector[0] for vector in vectors])
    return np.array(out).T


def _maps(cell: Cell, curvature: float, n: Array) -> list[Array]:
    """Return for each of `_sums` the linear maps at steps n, (steps, k, k)."""
    linear, noise = one_step(cell, curvature, n)
    batch = cell.program.batch_size(n)
    return [*(_power_map(linear, noise, batch ** (1.0 - k), k) for k in (2, 3, 4)), linear]


def _maps_if_all_are_alike(cell: Cell, curvature: float) -> list[Array]:
    """Return the maps of any step if all steps have the same; [] otherwise."""
    if None in (cell.learning_rate.constant, cell.batch_size.constant):
        return []
    maps = _maps(cell, curvature, np.array([1.0, 2.0, float(cell.program.steps)]))
    # Bias correction and a start at the first gradient make the first steps differ.
    return [one[0] for one in maps] if all(np.all(one == one[0]) for one in maps) else []


def _power_map(linear: Array, noise: Array, scale: Array, order: int) -> Array:
    """Return the linear map of the sums of e^(order-i) m^i over draws, i = 0..order, and 1; shape (steps, order+2, order+2).

    linear (steps, 2, 2), noise (steps, 2): as `one_step` gives them. scale (steps,): of what a step's own draws add.
    """
    found = np.zeros((len(linear), order + 2, order + 2))
    for i in range(order + 1):
        # e'^(order-i) m'^i as a polynomial in m / e.
        powers = np.ones((len(linear), 1))
        for row in [0] * (order - i) + [1] * i:
            longer = np.zeros((len(linear), powers.shape[1] + 1))
            longer[:, :-1] += linear[:, row, :1] * powers
            longer[:, 1:] += linear[:, row, 1:] * powers
            powers = longer
        found[:, i, :-1] = powers
        found[:, i, -1] = noise[:, 0] ** (order - i) * noise[:, 1] ** i * scale
    found[:, -1, -1] = 1.0
    return found


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def _tails(cell: Cell, weights: _Weights, copies: int, *, with_start: bool) -> Tails:
    """Return the tails of squares of iterates with these weights, arrays (k,).

    copies: 2 for the difference of two twins, which share the start.
    """
    facts = _facts(cell)
    data, start, uncounted = facts.data, facts.start if with_start else facts.nothing, facts.uncounted
    variance = data.variance * weights.second + start.variance * weights.start**2
    of_data = data.excess * data.variance**2 * weights.fourth / copies
    of_start = start.excess * start.variance**2 * weights.start**4
    if uncounted:
        # However large a draw, its step is bounded: what the law says of its size does not apply.
        of_data = np.zeros_like(of_data)
    draws = _draws(weights) * copies
    # Where rare draws matter, twins that had some and others that had none make a memory look up to twice as long.
    counted = draws if facts.known else np.maximum(draws / 2.0, copies)
    normal = (2.0 * variance**2).sum(axis=0)
    paths = np.maximum(
        _fewest_paths(of_data, counted * data.share, draws, normal, shared=facts.shared),
        _fewest_paths(of_start, np.broadcast_to(start.share, draws.shape), np.ones_like(draws), normal, shared=False),
    )
    paths = np.maximum(paths, _paths_for_noise(cell, draws))
    third = data.skewness * data.variance**1.5 * weights.third * (2 - copies)
    third = third + start.skewness * start.variance**1.5 * weights.start**3
    skewness = _skewness_of_squares(variance, third, of_data + of_start)
    # A few draws of a skewed law: that all of them are high is rare, and not seen in a small sample.
    fewest = draws.min(axis=0, initial=np.inf)
    lopsided = np.nan_to_num(np.abs(third / _positive(variance) ** 1.5).max(axis=0, initial=0.0)) > LOPSIDED
    several = lopsided & (fewest >= TWO_DRAWS) & facts.small
    paths = np.where(several & (skewness > SKEWED), np.maximum(paths, np.ceil(PER_SKEWNESS * skewness**2 / fewest)), paths)
    skewed = (skewness > SKEWED) | (several & (fewest < FEW_DRAWS))
    order = facts.order if with_start else facts.of_steps
    return Tails(*order, paths=paths, skewed=skewed | uncounted, exact=facts.exact, of_steps=facts.of_steps)


@lru_cache(maxsize=8)
@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def _facts(cell: Cell) -> _Facts:
    """Return what the tails of a cell rest on besides the weights."""
    uncounted = _is_power_law(cell.law) and keeps_moments(cell)
    plain = cell.program.parts.is_plain and cell.program.objective.component is QUADRATIC
    return _Facts(
        data=_source(cell.law, cell),
        start=_source(start_law(cell), cell),
        nothing=_source(None, cell),
        uncounted=uncounted,
        known=is_known(cell),
        shared=cell.program.data.component.draws == "row" if cell.law else False,
        small=_may_be_small(cell),
        exact=cell.law is not None and plain and not uncounted,
        order=_order(cell, with_start=True),
        of_steps=_order(cell, with_start=False),
    )


def _paths_for_noise(cell: Cell, draws: Array) -> Array:
    """Return the fewest paths with enough rare values of the gradient noise, (k,). draws (dim, k): as of `_fewest_paths`.

    One is drawn for each step, whatever the batch. Where its share in the noise of a gradient is not known it counts as all.
    """
    law = law_of(cell, "noise")
    if law is None or is_bounded(cell) or is_confined(cell):
        return np.zeros(draws.shape[1])
    noise, known = _source(law, cell), curvatures(cell)
    share = np.ones((cell.program.dim, 1))
    batch = float(cell.program.batch_size(np.array([1.0, float(cell.program.steps)])).max())
    if known is not None and cell.law is not None and cell.program.learning is None:
        of_data = cell.law.variance[:, None] * known[:, None] ** 2 / batch
        share = noise.variance / _positive(noise.variance + of_data)
    each = np.maximum(draws / batch, 1.0)
    fourth = np.nan_to_num(noise.excess * share**2 / each)
    return _fewest_paths(fourth, each * noise.share, each, (2.0 * np.ones_like(draws)).sum(axis=0), shared=False)


def _fewest_paths(fourth: Array, events: Array, draws: Array, normal: Array, *, shared: bool) -> Array:
    """Return the fewest paths with enough rare draws, (k,): 0 where these do not matter, inf where they cannot be counted.

    fourth (dim, k): what they add to the variance of a square. events (dim, k): how many there are per path. draws (dim, k):
    on how many draws an iterate rests. normal (k,): the variance of squares of normal numbers.
    """
    fourth = np.maximum(fourth, 0.0)
    total = fourth.sum(axis=0)
    matters = total > LIGHT / 2.0 * normal
    if shared:
        # The coordinates of a row are drawn together.
        together = np.where(fourth > 0.0, events, np.inf).min(axis=0, initial=np.inf)
    else:
        together = total**2 / (fourth**2 / events).sum(axis=0)
    least = np.minimum(LEAST_OF_ONE * draws.max(axis=0, initial=0.0), LEAST_EVENTS)
    return np.asarray(np.where(matters, np.ceil(np.nan_to_num(least / together, nan=np.inf, posinf=np.inf) - 1e-9), 0.0))


def _skewness_of_squares(variance: Array, third: Array, fourth: Array) -> Array:
    """Return the skewness of the sum over coordinates of squares, (k,), from cumulants (dim, k) of up to fourth order.

    Those of fifth and sixth order, which iterates that remember many draws hardly have, are left out.
    """
    second = (fourth + 2.0 * variance**2).sum(axis=0)
    central = (8.0 * variance**3 + 12.0 * variance * fourth + 10.0 * third**2).sum(axis=0)
    return np.asarray(np.nan_to_num(central / _positive(second) ** 1.5, nan=0.0))


def _positive(number: Array) -> Array:
    """Return the numbers; nan instead of those that are not positive."""
    return np.where(number > 0.0, number, np.nan)


def _source(law: Law | None, cell: Cell) -> _Source:
    """Return what the tails of squares depend on of a law; all 0 if nothing is drawn from it, or nothing is known of it."""
    if law is None:
        nothing = np.zeros((cell.program.dim, 1))
        return _Source(nothing, nothing, nothing, np.ones_like(nothing))
    spread = np.sqrt(law.variance)
    skewness = np.where(spread > 0.0, law.third_central / law.variance / _positive(spread), 0.0)
    found = _Source(law.variance, skewness, law.largest_kurtosis - 3.0, law.least_tail_share)
    if len(law.variance) != cell.program.dim:
        # The numbers of a datum are not the coordinates, each of which may meet all of them: the worst for each.
        worst = (found.variance.max(), np.abs(skewness).max(), found.excess.max(), found.share.min())
        found = _Source(*(np.full(cell.program.dim, number) for number in worst))
    return _Source(*(number[:, None] for number in found))


def _is_power_law(law: Law | None) -> bool:
    """Return whether a law has tails like powers, or does not say that it has not."""
    return law is not None and not law.finite_moments > POWER_LAW


def _order(cell: Cell, *, with_start: bool) -> tuple[float, str]:
    """Return up to which order iterates have moments, and whose law limits them.

    nan where a law does not say all that intervals rest on.
    """
    order, culprit, _ = finite_moments(cell, with_start=with_start)
    free = not is_confined(cell)
    laws = {
        "data": None if keeps_moments(cell) else cell.law,
        "noise": law_of(cell, "noise") if free and not is_bounded(cell) else None,
        "start": start_law(cell) if with_start and free else None,
    }
    for name, law in laws.items():
        unstated = law is not None and order > 4.0 and np.any(np.isnan(law.largest_kurtosis) | np.isnan(law.least_tail_share))
        if unstated:
            return math.nan, name
    return order, culprit
