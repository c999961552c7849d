"""The zero theta* of Adam's vector field on the quadratic: the limit of Adam when its learning rate vanishes.

f(theta) = -E[m / (sqrt(v) + eps)] with m and v the stationary averages of g and g^2 at a frozen theta (arXiv:2407.21078,
arXiv:2511.06675). Each coordinate is its own problem, and in x = (batch mean - mu) / sigma_M every problem is one of unit
variance: with t = (theta - mu) / sigma_M, c = 2 scale, and running averages A1 of x by beta1, A of x and B of x^2 by beta2,
    m / (c sigma_M) = t - A1          v / (c sigma_M)^2 = t^2 - 2 t A + B
so one set of (A1, A, B) serves every t, c and eps. Where the data have few values and the betas are small the averages are
enumerated, and t is exact; elsewhere they are drawn, and t has a standard error.

For Adam alone, at a constant batch size, and beta1 < sqrt(beta2), where we have seen no law with a second zero (beyond it there
are some). Bias correction and start do not matter in the limit, so `hat` is `outside`.
"""

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.components.definitions import Distribution, Law
from nonconv.data.discrete import DISCRETE, TWO_POINT, Discrete, normalised
from nonconv.data.empirical import CSV
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.rng import Key, key, uniforms
from nonconv.optimizers.adam import Adam

MOST_ZEROS = 64
"""Most different scales of coordinates: each needs its own zero."""
MOST_HISTORIES = 2**18
"""Most histories that are enumerated, and most outcomes of a batch for which it is tried."""
MOST_OUTCOMES = 2**12
ENUMERATION_ERROR = 1e-13
"""Largest error of t that an enumeration may have; it is estimated by a shorter one."""
SEED = 2407
"""Seed of the draws: fixed, so that theta* is a function of the law and the parameters."""
KEPT = 2**20
"""Draws of (A1, A, B) over all lanes, if they cost at most USUAL_UNIFORMS."""
FEWEST_KEPT = 2**14
FEWEST_LANES, MOST_LANES = 64, 256
"""Lanes: enough for a standard error over them, and few where each has to forget its start."""
USUAL_UNIFORMS, MOST_UNIFORMS = 2**24, 2**28
"""Uniforms that are usually drawn, and the most that are."""
CHUNK = 2**15
"""Uniforms generated at once, so that they stay in the processor's cache."""
FORGOTTEN = 1e-8
"""Weight of a lane's start when its first draw is kept. It starts at the mean, so the effect is of second order."""
COLLINEAR = 1e-10
"""Relative eigenvalue below which a combination of controls counts as none: for few values B or A1 A may depend on A."""
MOST_SIGMAS, SLACK = 8.0, 1e-9
"""Largest deviation of the draws' moments from those of the law; more means that the start or the law's moments are wrong."""
TINY = 1e-150
"""The least denominator, for draws with v = 0 if eps is 0."""


class Zero(NamedTuple):
    """A zero and its standard error, which is 0 where it is exact."""

    value: float
    se: float


class Source(NamedTuple):
    """What is averaged: means of `batch` samples of a law in one dimension."""

    distribution: Distribution
    parameters: Any
    batch: int


class Eps(NamedTuple):
    """eps outside the root in units of c sigma_M, and inside it in units of (c sigma_M)^2."""

    outside: float
    inside: float


class Averages(NamedTuple):
    """The law of (A1, A, B), each (draws, lanes), as draws in lanes that have weights.

    In an enumeration lanes are histories, with one draw each and the probability as weight. Drawn lanes are weighted by their
    controls, (lanes, controls).
    """

    a1: Array
    a: Array
    b: Array
    weights: Array
    controls: Array | None = None


def adam_zero(
    h: Adam, distribution: Distribution, parameters: Any, dim: int, scale: Array, batch: int, seed: int = SEED
) -> tuple[Array, Array]:
    """Return theta* and its standard error, (dim,) each, for coordinates scale_j (theta_j - X_j)^2 and batches of `batch`.

    `parameters` are as `distribution.law` takes them; scale (dim,). Raises ValueError for other optimizers, and where the field
    need not exist or is too expensive.
    """
    _refuse(h)
    theta, se = np.empty(dim), np.empty(dim)
    for coordinates, source in _sources(distribution, parameters, dim, batch):
        law = _law(source)
        mean, spread = float(law.middle[0]), math.sqrt(float(law.variance[0]) / batch)
        # By symmetry, or since nothing is random, the zero is the mean, or where there is none the point of symmetry.
        if law.symmetric or spread == 0.0:
            theta[coordinates], se[coordinates] = mean, 0.0
            continue
        if not math.isfinite(spread):
            raise ValueError("it is found in units of the standard deviation of the data, which is not finite")
        # Coordinates of one size share their zero in normalised units; without eps the size does not matter at all.
        sizes, which = np.unique(2.0 * scale[coordinates] * spread, return_inverse=True)
        sizes, which = (sizes[:1], np.zeros_like(which)) if h.eps == 0 else (sizes, which)
        if len(sizes) > MOST_ZEROS:
            raise ValueError(f"{len(sizes)} different scales are more than {MOST_ZEROS}")
        zeros = np.array(_zeros(h.beta1, h.beta2, source, tuple(_eps(h, size) for size in sizes.tolist()), seed))[which]
        theta[coordinates], se[coordinates] = mean + spread * zeros[:, 0], spread * zeros[:, 1]
    return theta, se


def first_order_bias(h: Adam, law: Law, c: Array, batch: int) -> Array:
    """Return theta* - mu to first order in the skewness and in 1 - beta2, (dim,); c = 2 scale is the curvature (dim,).

    -(kappa/2) (mu3/M^2) c / (sigma_M (c sigma_M + eps)), kappa = (1-beta1)(1-beta2)/(1-beta1 beta2); eps inside the root
    makes it -(kappa/2) (mu3/M^2) c^2 / (c^2 sigma_M^2 + eps). Raises ValueError as `adam_zero` does.
    """
    _refuse(h)
    spread = np.sqrt(law.variance / batch)
    size = np.where(spread > 0, c * spread, 1.0)
    damping = size**2 + h.eps if h.eps_placement == "inside" else size * (size + h.eps)
    return np.asarray(-0.5 * _joint(h.beta1, h.beta2) * law.third_central / batch**2 * c**2 / damping)


def _refuse(h: Adam) -> None:
    """Raise ValueError unless h is Adam with beta1 < sqrt(beta2)."""
    if type(h) is not Adam:
        raise ValueError(f"the vector field is known for adam, not for {type(h).__name__}")
    if h.beta1 > 0 and h.beta1**2 >= h.beta2:
        raise ValueError("unless beta1 < sqrt(beta2) the vector field need not exist without eps, and can have several zeros")


def _eps(h: Adam, size: float) -> Eps:
    """Return eps in normalised units for a coordinate with c sigma_M = size."""
    return Eps(0.0, h.eps / size**2) if h.eps_placement == "inside" else Eps(h.eps / size, 0.0)


def _joint(beta1: float, beta2: float) -> float:
    """Return kappa, the sum of the products of the weights of both averages: E A1 A in normalised units."""
    return (1.0 - beta1) * (1.0 - beta2) / (1.0 - beta1 * beta2)


def _sources(distribution: Distribution, parameters: Any, dim: int, batch: int) -> list[tuple[NDArray[np.int64], Source]]:
    """Return the different laws with the coordinates that follow them.

    A column of a file is the discrete law of its numbers.
    """
    if distribution is not CSV:
        return [(np.arange(dim), Source(distribution, parameters, batch))]
    found = []
    for j, column in enumerate(parameters.table.T):
        values, counts = np.unique(column, return_counts=True)
        law = Discrete(tuple(values.tolist()), tuple((counts / len(column)).tolist()))
        found.append((np.array([j]), Source(DISCRETE, law, batch)))
    return found


@lru_cache(maxsize=16)
def _law(source: Source) -> Law:
    """Return the law of one sample, in one dimension."""
    return source.distribution.law(source.parameters, 1)


@lru_cache(maxsize=1024)
def _zeros(beta1: float, beta2: float, source: Source, epsilons: tuple[Eps, ...], seed: int) -> tuple[Zero, ...]:
    """Return t for each eps, enumerated where that is feasible and drawn elsewhere."""
    found = enumerated(beta1, beta2, source, epsilons)
    return found if found is not None else drawn(beta1, beta2, source, epsilons, seed)


def enumerated(beta1: float, beta2: float, source: Source, epsilons: tuple[Eps, ...]) -> tuple[Zero, ...] | None:
    """Return t for each eps by every history of batches; None where that is not feasible.

    What is older than the history is put at its mean, an error of second order in the weight it has. The error is judged by
    a history that is one batch shorter.
    """
    outcomes, slowest = batch_outcomes(source), max(beta1, beta2)
    if outcomes is None:
        return None
    # As long as there are at most MOST_HISTORIES histories.
    length = 1 if slowest == 0.0 else int(math.log(MOST_HISTORIES) / math.log(len(outcomes[0])))
    # The weight of what is older, squared, since its effect is of second order.
    if slowest ** (2 * length) > ENUMERATION_ERROR:
        return None
    averages, shorter = (every_history(beta1, beta2, *outcomes, n) for n in (length, max(length - 1, 1)))
    zeros = tuple(find_zero(averages, eps) for eps in epsilons)
    for eps, zero in zip(epsilons, zeros, strict=True):
        if slowest > 0.0 and abs(find_zero(shorter, eps).value - zero.value) > ENUMERATION_ERROR:
            return None
    return zeros


def drawn(beta1: float, beta2: float, source: Source, epsilons: tuple[Eps, ...], seed: int = SEED) -> tuple[Zero, ...]:
    """Return t for each eps by Monte Carlo, always from the same draws."""
    averages = draw_averages(beta1, beta2, source, seed)
    return tuple(find_zero(averages, eps) for eps in epsilons)


def find_zero(averages: Averages, eps: Eps) -> Zero:
    """Return the zero t of the mean direction, by Brent's method between the least and the largest A1, where its sign is known.

    Raises ValueError if the direction is flat at a zero found by Monte Carlo.
    """
    from scipy.optimize import brentq  # heavy, and needed once a run

    low, high = float(averages.a1.min()), float(averages.a1.max())
    # xtol is absolute, and a zero may be tiny: only the relative tolerance may end the search.
    t = float(brentq(mean_direction, low, high, args=(averages, eps), xtol=1e-300, rtol=4.0 * np.finfo(float).eps))
    return Zero(t, 0.0 if averages.controls is None else _standard_error(averages, averages.controls, eps, t))


def mean_direction(t: float, averages: Averages, eps: Eps) -> float:
    """Return -f at t: the mean of m / (sqrt(v) + eps) in normalised units."""
    return float(averages.weights @ _directions(averages, eps, t).mean(axis=0))


def _directions(averages: Averages, eps: Eps, t: float) -> Array:
    """Return m / (sqrt(v) + eps) at each draw, (draws, lanes).

    v is computed as a sum of squares, so that it loses nothing where it is small.
    """
    v = (t - averages.a) ** 2 + np.maximum(averages.b - averages.a**2, 0.0)
    return np.asarray((t - averages.a1) / np.maximum(np.sqrt(v + eps.inside) + eps.outside, TINY))


def _slope(averages: Averages, eps: Eps, t: float) -> float:
    """Return the derivative of the mean direction by t."""
    root = np.sqrt((t - averages.a) ** 2 + np.maximum(averages.b - averages.a**2, 0.0) + eps.inside)
    denominator = np.maximum(root + eps.outside, TINY)
    bend = (t - averages.a1) * (t - averages.a) / (np.maximum(root, TINY) * denominator)
    return float(averages.weights @ ((1.0 - bend) / denominator).mean(axis=0))


def _standard_error(averages: Averages, controls: Array, eps: Eps, t: float) -> float:
    """Return the standard error of t, by the delta method.

    It comes from the residuals of the regression of the lanes' means on their controls.
    """
    y = _directions(averages, eps, t).mean(axis=0)
    y, controls = y - y.mean(), controls - controls.mean(axis=0)
    # Singular values are roots of eigenvalues, and so is their threshold.
    coefficients, _, rank, _ = np.linalg.lstsq(controls, y, rcond=math.sqrt(COLLINEAR))
    residuals = y - controls @ coefficients
    variance = float(residuals @ residuals) / (len(y) - 1 - int(rank)) * float(averages.weights @ averages.weights)
    slope = abs(_slope(averages, eps, t))
    if slope == 0.0:
        raise ValueError("Adam's mean direction is flat there, to the last bit")
    return math.sqrt(variance) / slope


@lru_cache(maxsize=16)
def batch_outcomes(source: Source) -> tuple[Array, Array] | None:
    """Return the values of x, a batch mean in normalised units, and their probabilities, (K,) each.

    None for laws with a density, and for more than MOST_OUTCOMES values.
    """
    points = _points(source)
    if points is None or math.comb(source.batch + len(points[0]) - 1, source.batch) > MOST_OUTCOMES:
        return None
    (values, probabilities), batch = points, source.batch
    law = _law(source)
    deviations, spread = values - law.mean[0], math.sqrt(float(law.variance[0]))
    if batch == 1:
        return deviations / spread, probabilities
    # Stars and bars: all ways to distribute the batch's samples over the values.
    bars = np.array(list(combinations(range(batch + len(values) - 1), len(values) - 1)), dtype=np.int64)
    counts = np.diff(bars, axis=1, prepend=-1, append=batch + len(values) - 1) - 1
    chance = np.array([_multinomial(row, probabilities) for row in counts.tolist()])
    return counts @ deviations / (math.sqrt(batch) * spread), chance / chance.sum()


def _points(source: Source) -> tuple[Array, Array] | None:
    """Return the points of a finite law and their probabilities; None for a law with a density."""
    h = source.parameters
    if source.distribution is TWO_POINT:
        return np.array([h.low, h.high]), np.array([1.0 - h.p_high, h.p_high])
    return (np.asarray(h.values), normalised(h)) if source.distribution is DISCRETE else None


def _multinomial(counts: list[int], probabilities: Array) -> float:
    # By logarithms: factorials of a batch size overflow.
    """Return the probability that a batch has these counts of each value."""
    ways = math.lgamma(sum(counts) + 1) - sum(math.lgamma(count + 1) for count in counts)
    return math.exp(ways + sum(count * math.log(p) for count, p in zip(counts, probabilities.tolist(), strict=True)))


def every_history(beta1: float, beta2: float, x: Array, chance: Array, length: int) -> Averages:
    """Return (A1, A, B) after every sequence of `length` batches x (K,), weighted by its probability `chance` (K,).

    All start from the means 0, 0, 1.
    """
    a1, a, b, weights = np.zeros(1), np.zeros(1), np.ones(1), np.ones(1)
    for _ in range(length):
        a1 = np.add.outer(beta1 * a1, (1.0 - beta1) * x).ravel()
        a = np.add.outer(beta2 * a, (1.0 - beta2) * x).ravel()
        b = np.add.outer(beta2 * b, (1.0 - beta2) * x**2).ravel()
        weights = np.multiply.outer(weights, chance).ravel()
    return Averages(a1[None], a[None], b[None], weights)


class Sampler(NamedTuple):
    """sample: uniforms (..., uniforms, lanes) -> x (..., lanes)."""

    uniforms: int
    sample: Callable[[Array], Array]


class Plan(NamedTuple):
    """How much is drawn per lane: pieces of `stride` batches; the first `forgotten` are burn-in, then `kept` draws follow."""

    lanes: int
    stride: int
    forgotten: int
    kept: int


def draw_averages(beta1: float, beta2: float, source: Source, seed: int) -> Averages:
    """Draw (A1, A, B) in independent lanes: each starts at their means 0, 0, 1, and draws are kept once that is forgotten.

    A lane's numbers are Philox's at (its number, its draws). Raises ValueError if there would be too many.
    """
    sampler = _sampler(source)
    plan = _plan(beta1, beta2, sampler)
    age = np.arange(plan.stride - 1.0, -1.0, -1.0)
    weight1, weight2 = (1.0 - beta1) * beta1**age, (1.0 - beta2) * beta2**age
    # A piece of `stride` batches at once: the averages decay by beta^stride, and each batch has its weight within the piece.
    decay = np.array([[beta1], [beta2], [beta2]]) ** plan.stride
    state, found = np.array([[0.0], [0.0], [1.0]]), np.empty((3, plan.kept, plan.lanes))
    for k, x in enumerate(_pieces(sampler, plan, key(seed, "adam_zero"))):
        state = decay * state + np.array([weight1 @ x, weight2 @ x, weight2 @ x**2])
        if k >= plan.forgotten:
            found[:, k - plan.forgotten] = state
    return _weighted(found, beta1, beta2, source)


def _plan(beta1: float, beta2: float, sampler: Sampler) -> Plan:
    """Choose lanes and draws: draws are half of m's memory apart, and fewer where they cost more.

    Raises ValueError if even the fewest need more than MOST_UNIFORMS.
    """
    slowest, stride = max(beta1, beta2), max(1, round(0.5 / (1.0 - beta1)))
    forgotten = math.ceil(math.log(FORGOTTEN) / math.log(slowest) / stride) if slowest > 0.0 else 0
    cost = stride * sampler.uniforms
    lanes = min(max(USUAL_UNIFORMS // max(forgotten * cost, 1), FEWEST_LANES), MOST_LANES)
    kept = min(KEPT, max(USUAL_UNIFORMS // cost, FEWEST_KEPT)) // lanes
    if (forgotten + kept) * cost * lanes > MOST_UNIFORMS:
        raise ValueError(f"batches of {sampler.uniforms} are too large for the decays {beta1:g} and {beta2:g}")
    return Plan(lanes, stride, forgotten, kept)


def _sampler(source: Source) -> Sampler:
    """Return what makes x: from one uniform per sample, or one per batch where its outcomes are few."""
    outcomes = batch_outcomes(source)
    if outcomes is not None:
        few = Discrete(*(tuple(column.tolist()) for column in outcomes))
        table = DISCRETE.constants(*(field[0] for field in DISCRETE.prepare(few, 1)))
        return Sampler(1, lambda u: np.asarray(DISCRETE.sample(table, u[..., 0, :])))
    law, distribution = _law(source), source.distribution
    constants = distribution.constants(*(field[0] for field in distribution.prepare(source.parameters, 1)))
    mean, spread = float(law.mean[0]), math.sqrt(float(law.variance[0]) / source.batch)
    return Sampler(source.batch, lambda u: np.asarray((distribution.sample(constants, u).mean(axis=-2) - mean) / spread))


def _pieces(sampler: Sampler, plan: Plan, stream: Key) -> Iterator[Array]:
    """Yield x (stride, lanes) for each piece; a few pieces are made at once."""
    draws, pieces = plan.stride * sampler.uniforms, plan.forgotten + plan.kept
    at_once = max(1, CHUNK // (draws * plan.lanes))
    for first in range(0, pieces, at_once):
        number = min(at_once, pieces - first)
        u = uniforms(stream, first * draws, number * draws, 0, plan.lanes)
        yield from sampler.sample(u.reshape(number, plan.stride, sampler.uniforms, plan.lanes))


def _weighted(draws: Array, beta1: float, beta2: float, source: Source) -> Averages:
    """Weight the lanes such that averages have the known means of A1, A, B, A1 A and A1 B: control variates by regression.

    They hold the expansion of m / sqrt(v) to first order in v - E v, so that the noise left is of second order. Raises
    ValueError if the draws' moments are too far from the law's.
    """
    law = _law(source)
    # Of a batch mean: that of one sample, divided by the root of the batch.
    skewness = float(law.third_central[0] / law.variance[0] ** 1.5) / math.sqrt(source.batch)
    joint, (a1, a, b) = _joint(beta1, beta2), draws
    controls = np.stack([y.mean(axis=0) for y in (a1, a, b - 1.0, a1 * a - joint, a1 * (b - 1.0) - joint * skewness)], axis=1)
    mean, lanes = controls.mean(axis=0), len(controls)
    # Control variates would hide wrong draws: they correct any deviation of the means.
    if np.any(np.abs(mean) > MOST_SIGMAS * controls.std(axis=0) / math.sqrt(lanes) + SLACK):
        raise ValueError("the draws do not have the law's known moments: it is too skewed to be drawn, or too narrow for them")
    centred = controls - mean
    inverse = np.linalg.pinv(centred.T @ centred / lanes, rcond=COLLINEAR, hermitian=True)
    return Averages(a1, a, b, (1.0 - centred @ (inverse @ mean)) / lanes, controls)
