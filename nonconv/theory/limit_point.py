"""What is known of the gradient near the limit of a cell: whether it is noisy there, and how curved the loss is."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np

from nonconv.components.definitions import Coupled, Law, Layers
from nonconv.experiment.cell import Cell
from nonconv.experiment.expectation import Marginal, atoms_of, expectation, first_nodes, marginal
from nonconv.experiment.minima import Minima, Minimum, find_minima
from nonconv.experiment.structure import Noise
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.rng import key, uniforms
from nonconv.theory import least_squares
from nonconv.theory.modes import curvatures
from nonconv.theory.moments import law_of

MOST_COORDINATES = 64
"""Coordinates of a separable objective that are looked at; the others are alike but for their constants."""
EXAMPLES, FEWEST_EXAMPLES, MOST_NUMBERS = 256, 32, 2**22
"""Examples over which a network's curvature is taken; fewer of a network with many weights, whose gradients are numbers."""
FEW_ROUNDINGS = 8.0
NEGLIGIBLE = 1e-9
"""A gradient below this share of those around it is the rounding error of 0."""
FAR, FARTHER = 1e6, 1e9
"""Distances of data, in lengths of the problem, between which an unbounded slope grows."""
KINK = 0.01
"""A second difference quotient has this share of the step."""
CLOSE, LOOSE = 1e-3, 1e-6
"""By how much of themselves moments may differ from the stated ones; and the tolerance of curvatures."""
RAREST = np.array([0.0, 0.5 - 2.0**-52, 0.5, 1.0 - 2.0**-52])
"""Uniforms at which the largest values of a law are drawn."""
NEAR, BENT = 1e-4, 1e-6
"""Distance of a difference quotient, relative to the scale of the problem; and a curvature's share that is its error."""
SHIFTS = 17
"""Drifts that are tried between the ends of an oscillation."""
POWER_STEPS = 30
"""Steps of the power method; its eigenvalue is then within a few percent, from below."""


class LimitPoint(NamedTuple):
    """The gradient near the limit. curvature, spread: mean and variance over data of the largest second derivative.

    Both are None where they are not known. growth: by what factor a step of SGD multiplies the mean square of the distance
    where that is large, at the limits of the schedules; None where it is not known. From 1 on there is no stationary mean
    square, even if no path escapes. pinned: whether it is at an end of the domain, out of which every gradient leads.
    """

    noise: Noise
    curvature: float | None = None
    spread: float = 0.0
    growth: float | None = None
    pinned: bool = False


def limit_point(cell: Cell, theta: Array | None) -> LimitPoint:
    """Return what is known of the gradient near the limit. theta: a last iterate (dim,), of a network only."""
    here, noise, drift = _of_data(cell, theta), law_of(cell, "noise"), cell.drift
    if here.pinned:
        return here
    if drift is not None and not np.all(np.isfinite(drift)):
        return here._replace(noise="unknown")
    if here.noise == "vanishes" and _is_moved(cell, noise):
        here = here._replace(noise="unknown")
    own = noise is not None and not noise.constant
    moving = drift is not None and drift.low < drift.high
    return here._replace(noise="persists") if own or moving else here


def _is_moved(cell: Cell, noise: Law | None) -> bool:
    """Return whether something may keep iterates away from the point at which the gradient of the data has no noise.

    noise: the law of what is added to gradients.
    """
    p = cell.program
    decays = p.modifiers.l2 is not None or p.modifiers.decay is not None
    drawn = decays and (cell.minimizer is None or bool(np.any(cell.minimizer)))
    outside = p.learning is not None and p.domain is not None and cell.minimizer is None
    shifted = cell.drift is not None and any(cell.drift)
    pushed = noise is not None and not (noise.has_mean and not np.any(noise.mean))
    return drawn or outside or shifted or pushed


@lru_cache(maxsize=8)
def is_pinned(cell: Cell) -> bool:
    """Return whether paths that reach the minimum stay there: it is at an end of the domain, out of which gradients lead."""
    return cell.program.domain is not None and cell.program.learning is None and limit_point(cell, None).pinned


@lru_cache(maxsize=8)
def is_quiet(cell: Cell) -> bool:
    """Return whether no datum moves paths from the minimum, as is known of all values of a finite law, or of all rows."""
    p = cell.program
    if p.learning:
        finite = cell.minimizer is not None and cell.known.rows is not None
    else:
        finite = cell.law is not None and atoms_of(p.data, p.dim, cell.law) is not None
    return finite and limit_point(cell, None).noise == "vanishes"


def _of_data(cell: Cell, theta: Array | None) -> LimitPoint:
    """Return what is known of the gradient near the limit by the data as they are drawn. theta: as of `limit_point`."""
    everywhere = curvatures(cell)
    constant = is_full_batch(cell) or (cell.law is not None and cell.law.constant)
    if everywhere is not None and cell.law is not None and (cell.program.domain is None or cell.program.learning):
        return LimitPoint("none" if constant else "persists", float(np.max(everywhere)))
    if cell.program.learning:
        return _of_coupled(cell, theta)
    return LimitPoint("unknown") if cell.law is None else _of_separable(cell, constant)


def _of_coupled(cell: Cell, theta: Array | None) -> LimitPoint:
    """Evaluate the gradient at the minimizer where one is known, else at theta (dim,), on some examples."""
    examples = _draw_examples(cell)
    noise = _noise_of_network(cell, *examples)
    known = least_squares.curvature(cell)
    if known is not None and noise == "none":
        return LimitPoint(noise, known[0])  # the mean gradient of a batch, whatever each example says
    if known is not None:
        return LimitPoint(noise, *known, least_squares.growth(cell))
    # Elsewhere nothing rests on it, and it takes time.
    asked = noise in ("none", "vanishes") or cell.batch_size.limits.low == np.inf
    at = theta if cell.minimizer is None else cell.minimizer
    if at is None or not asked or not np.isfinite(at).all():
        return LimitPoint(noise)
    return LimitPoint(noise, *_largest_curvature(cell, at, *examples))


def _of_separable(cell: Cell, constant: bool) -> LimitPoint:
    """Evaluate the gradient of a separable objective around its minima, coordinate by coordinate."""
    assert cell.law is not None
    minima = _minima_of(cell)
    if not all(minima):
        return LimitPoint("none" if constant else "unknown")
    of_each = [[_at_minimum(cell, j, at) for one in minima[j] for at in {one.low, one.high}] for j in _chosen(cell)]
    found = [point for own in of_each for point in own]
    # The coordinate and the minimum where stability is hardest.
    unknown = next((point for point in found if point.curvature is None), None)
    worst = unknown or max(found, key=lambda point: point.curvature or 0.0)
    if constant:  # so is the mean gradient of a batch, whatever each datum says
        return worst._replace(noise="none", spread=0.0, pinned=all(point.pinned for point in found))
    # Noise that stays in one coordinate stays.
    noises = [_combine([point.noise for point in own]) for own in of_each]
    noise: Noise = "persists" if "persists" in noises else _combine(noises)
    return worst._replace(noise=noise, pinned=all(point.pinned for point in found))


def steepest(cell: Cell) -> float:
    """Return the largest second derivative of any datum near the limit; inf where it is not known, or one is negative."""
    if cell.program.learning:
        return _steepest_row(cell) if cell.program.objective.component.numbers else least_squares.steepest(cell)
    if cell.law is None:
        return math.inf
    minima, found = _minima_of(cell), [0.0]
    for j in _chosen(cell):
        law = marginal(cell.program.data, cell.program.dim, j, cell.law)
        x = np.concatenate([_values(cell, j, law), law.sample(RAREST)])
        if not (law.bounded and minima[j]):
            return math.inf
        for at in {end for one in minima[j] for end in (one.low, one.high)}:
            step = NEAR * _scale(cell, j)
            quotients = (_gradients(cell, j, at + step, x) - _gradients(cell, j, at - step, x)) / (2.0 * step)
            found.append(math.inf if quotients.min() < -BENT * np.abs(quotients).max() else float(quotients.max()))
    return max(found) if np.isfinite(found).all() else math.inf


def _steepest_row(cell: Cell) -> float:
    """Return the largest eigenvalue of the Hessians of single rows at a stated minimizer; inf as of `steepest`."""
    rows, minimizer, dim = cell.known.rows, cell.minimizer, cell.program.dim
    if rows is None or minimizer is None or dim * dim * rows[1].shape[1] > MOST_NUMBERS:
        return math.inf
    step = NEAR * max(float(np.abs(minimizer).max()), NEAR)
    hessians = np.array([_bend(cell, minimizer, step * row, *rows) / step for row in np.eye(dim)]).transpose(2, 0, 1)
    if not np.isfinite(hessians).all():
        return math.inf
    values = np.linalg.eigvalsh((hessians + hessians.transpose(0, 2, 1)) / 2.0)
    return math.inf if values.min() < -BENT * np.abs(values).max() else float(values.max())


def coordinate_curvatures(cell: Cell, coordinates: Sequence[int]) -> Array | None:
    """Return the curvature of the mean loss with its L2 term at the minimum of each coordinate, (coordinates,).

    None where it is not known, where a coordinate has several minima, and where coordinates act on each other.
    """
    if cell.program.learning or cell.law is None:
        return None
    known, l2 = curvatures(cell), cell.program.modifiers.l2 or 0.0
    if known is not None:
        return np.asarray(known[list(coordinates)] + l2)
    minima = _minima_of(cell)
    if not all(len(own) == 1 and own[0].low == own[0].high for own in minima):
        return None
    found = [_at_minimum(cell, j, minima[j][0].low).curvature for j in coordinates]
    return None if None in found else np.array(found, dtype=np.float64) + l2


def _chosen(cell: Cell) -> list[int]:
    """Return the coordinates that are looked at."""
    dim = cell.program.dim
    return sorted(set(np.linspace(0, dim - 1, min(dim, MOST_COORDINATES)).round().astype(int).tolist()))


@lru_cache(maxsize=8)
def _minima_of(cell: Cell) -> tuple[Minima, ...]:
    """Return the minima of each coordinate: the minimizer, where the objective states that it is the only one."""
    if cell.minimizer is not None and cell.program.objective.component.minima is None:
        points = {at: (Minimum(at, at),) for at in cell.minimizer.tolist()}
        return tuple(points[at] for at in cell.minimizer.tolist())
    assert cell.law is not None
    p = cell.program
    return find_minima(p.objective, p.data, cell.law, p.domain) if cell.minima is None else cell.minima


def _combine(noises: list[Noise]) -> Noise:
    """Return what is known of the noise at any of several minima, or coordinates of one: unknown where they differ."""
    return noises[0] if len(set(noises)) == 1 else "unknown"


def _gradients(cell: Cell, j: int, theta: float, x: Array) -> Array:
    """Return the gradient of coordinate j at theta for data x (n,), (n,)."""
    objective, _, constants = cell.program.objective
    own = objective.constants(*(field[j] for field in constants))
    with np.errstate(all="ignore"):
        return np.broadcast_to(objective.gradient(own, np.full(len(x), theta), x), (len(x),))


def _values(cell: Cell, j: int, law: Marginal) -> Array:
    """Return all values of the datum of coordinate j where they are finitely many, else many of them, and its ends."""
    assert cell.law is not None
    if law.values is not None:
        return law.values
    # The ends as well: a value may be too rare for any sample.
    ends = np.array([end for end in (cell.law.low[j], cell.law.high[j]) if np.isfinite(end)])
    return np.concatenate([law.sample(first_nodes()[0]), ends])


def _is_shown(cell: Cell, j: int, law: Marginal) -> bool:
    """Return whether quadrature sees the law of coordinate j: it finds the moments that are stated, so no value is too rare."""
    assert cell.law is not None
    if law.values is not None:
        return True
    mean, variance = float(cell.law.mean[j]), float(cell.law.variance[j])
    fourth = math.nan if cell.law.fourth is None else float(cell.law.fourth[j])
    seen = expectation(lambda x: np.stack([(x - mean) ** 2, (x - mean) ** 4]), law).value
    if math.isnan(fourth):  # the law does not say
        return law.bounded and bool(abs(seen[0] - variance) <= CLOSE * variance)
    return bool(abs(seen[0] - variance) <= CLOSE * variance and (seen[1] == fourth or abs(seen[1] - fourth) <= CLOSE * fourth))


def _scale(cell: Cell, j: int) -> float:
    """Return a length on which the problem varies: the spread of the data and of the start, at least that of rounding."""
    assert cell.law is not None
    start = cell.program.start
    about = [float(cell.law.length[j]), abs(float(cell.law.middle[j]))]
    about += [abs(float(start[j]))] if isinstance(start, np.ndarray) else []
    return next((length for length in about if 0.0 < length < np.inf), 1.0)


def _at_minimum(cell: Cell, j: int, at: float) -> LimitPoint:
    """Return noise and curvature of coordinate j at a minimum; the curvature is not known where the law does not show it."""
    assert cell.law is not None
    away, law = _scale(cell, j), marginal(cell.program.data, cell.program.dim, j, cell.law)
    x = _values(cell, j, law)
    here = _gradients(cell, j, at, x)
    around = max(float(np.abs(_gradients(cell, j, at + side * away, x)).max()) for side in (-1.0, 1.0))
    if _leads_outward(cell, j, at, law):
        return LimitPoint("vanishes", 0.0, pinned=True)
    quiet = float(np.abs(here - here[0]).max()) <= NEGLIGIBLE * around
    curvature, spread = _curvature(cell, j, at, away, law)
    known = cell.law.constant or not quiet or _is_shown(cell, j, law)
    return LimitPoint("vanishes" if quiet else "persists", curvature if known else None, spread)


def _leads_outward(cell: Cell, j: int, at: float, law: Marginal) -> bool:
    """Return whether no gradient leads back from the end of the domain that a minimum is; weight decay might."""
    domain, modifiers = cell.program.domain, cell.program.modifiers
    if domain is None:
        return False
    if domain[0][j] == domain[1][j]:
        return True
    if modifiers.l2 or modifiers.decay or (cell.drift is not None and not np.isfinite(cell.drift).all()):
        return False
    # The rarest values that are ever drawn, too, with what is added to them and to their gradients.
    x = np.concatenate([_values(cell, j, law), law.sample(RAREST)])
    drift = np.zeros(1) if cell.drift is None else np.linspace(*cell.drift, SHIFTS)
    noise = law_of(cell, "noise")
    added = np.zeros((1, 1)) if noise is None else np.array([[noise.low[j]], [noise.high[j]]])
    here = (_gradients(cell, j, at, (x + drift[:, None]).ravel()) + added).ravel()
    outward = [sign * here for end, sign in ((domain[0][j], 1.0), (domain[1][j], -1.0)) if at == end]
    return any(bool(np.all(slopes >= 0.0) and np.any(slopes > 0.0)) for slopes in outward)


def _curvature(cell: Cell, j: int, at: float, away: float, law: Marginal) -> tuple[float | None, float]:
    """Return mean and variance over the data of the second derivative of coordinate j; None where it is not known."""
    objective, _, constants = cell.program.objective
    if objective.curvature is None:
        return _difference_quotient(cell, j, at, away, law)
    own = objective.constants(*(field[j] for field in constants))

    def curvatures(x: Array) -> Array:
        """Return second derivatives, (n,)."""
        assert objective.curvature is not None
        return np.broadcast_to(objective.curvature(own, np.full(len(x), at), x), (len(x),))

    mean, spread = _mean_and_variance(curvatures, law)
    return (None if math.isnan(mean) else mean), spread


def _difference_quotient(cell: Cell, j: int, at: float, away: float, law: Marginal) -> tuple[float | None, float]:
    """Return mean and variance of the second derivative as a difference quotient; None at a kink."""

    def quotients(step: float, x: Array) -> Array:
        """Return the quotients for data x (n,)."""
        return (_gradients(cell, j, at + step, x) - _gradients(cell, j, at - step, x)) / (2.0 * step)

    wide, spread = _mean_and_variance(partial(quotients, NEAR * away), law)
    narrow, _ = _mean_and_variance(partial(quotients, NEAR * away * KINK), law)
    # At a kink a difference quotient grows without bound as its step shrinks.
    return (wide if abs(wide) >= abs(narrow) / 2.0 else None), spread


def _mean_and_variance(f: Callable[[Array], Array], law: Marginal) -> tuple[float, float]:
    """Return mean and variance of f(X); the variance is infinite where the mean square is, 0 where f is constant."""
    mean = float(expectation(f, law, LOOSE).value)
    spread = float(expectation(lambda x: (f(x) - mean) ** 2, law, LOOSE).value) if math.isfinite(mean) else 0.0
    # What is left of rounding is no spread.
    return mean, (0.0 if spread <= (NEGLIGIBLE * mean) ** 2 else spread)


def has_unbounded_slope(cell: Cell) -> bool:
    """Return whether gradients of a separable objective grow with the datum, far beyond what is ever drawn."""
    assert cell.law is not None
    for j in _chosen(cell):
        centre = float(cell.law.middle[j])
        far = centre + np.array([-FARTHER, -FAR, FAR, FARTHER]) * _scale(cell, j)
        slopes = np.abs(_gradients(cell, j, centre, far))
        if slopes[0] > 2.0 * slopes[1] or slopes[3] > 2.0 * slopes[2]:
            return True
    return False


def _noise_of_network(cell: Cell, x: Array, y: Array) -> Noise:  # noqa: PLR0911  # one for each thing that is known
    """Return whether the gradient of a network stays noisy: labels have noise, or no network of this shape fits them all.

    x (features, n), y (targets, n): examples as drawn in training.
    """
    p = cell.program
    (network, h, constants), (dataset, of_data, _) = p.objective, p.data
    assert isinstance(network, Coupled)
    if is_full_batch(cell) or (np.all(x == x[:, :1]) and np.all(y == y[:, :1])):
        return "none"
    if cell.minimizer is None and np.any(network.penalty(constants, np.ones(p.dim))):
        return "persists" if np.any(y) else "unknown"  # a penalty keeps the weights from fitting every label
    if cell.minimizer is not None or (network.minimizer is not None and cell.known.rows is not None):
        return _noise_at(cell, x, y)
    if dataset.each is not None:
        return "unknown"  # the gradient may have no noise at a minimum, which is not known
    source = dataset.source(of_data)
    if dataset.label_noise(of_data) == "none" and source is not None and network.represents(h, source):
        return "vanishes"
    if network.represents(h, Layers((), "identity")):
        fits = dataset.label_noise(of_data) == "none" or dataset.examples(of_data) is not None
        return "vanishes" if fits and _is_linear(*(cell.known.rows or (x, y))) else "persists"
    return _noise_of_labels(cell, x, y)


def _noise_at(cell: Cell, x: Array, y: Array) -> Noise:
    """Return whether gradients vary at the minimizer: of all rows of a table, else of the examples x, y."""
    (dataset, of_data, _), minimizer = cell.program.data, cell.minimizer
    if minimizer is None:
        return "unknown"  # as of classes that can be told apart, with which the noise may vanish at infinity
    rows = cell.known.rows
    x, y = (x, y) if rows is None else rows
    at_once = max(1, MOST_NUMBERS // cell.program.dim)
    here = around = 0.0
    for first in range(0, x.shape[1], at_once):
        part = slice(first, first + at_once)
        # Gradients elsewhere, by which those at the minimizer are measured: at 0, and at its mirror image.
        sizes = [float(np.abs(_each_gradient(cell, k * minimizer, x[:, part], y[:, part])).max()) for k in (1.0, 0.0, 2.0)]
        here, around = max(here, sizes[0]), max(around, *sizes[1:])
    quiet = here <= NEGLIGIBLE * around
    if quiet and rows is None and dataset.each is not None:
        return "unknown"
    # A law may have rare examples that were not drawn.
    return "vanishes" if quiet and (rows is not None or dataset.label_noise(of_data) == "none") else "persists"


def is_full_batch(cell: Cell) -> bool:
    """Return whether each batch holds every row of a table, or value of a law, so that its mean gradient is not random."""
    rows = cell.program.supply.rows if cell.program.supply.order != "with_replacement" else 0
    return bool(rows and cell.batch_size.constant is not None and cell.batch_size.constant % rows == 0)


def _noise_of_labels(cell: Cell, x: Array, y: Array) -> Noise:
    """Return whether labels stay noisy to a network of which it is not known what it represents."""
    (dataset, of_data, _), dim = cell.program.data, cell.program.dim
    examples = dataset.examples(of_data)
    # As many weights as labels may fit them all, and a larger network what a linear one fits.
    fits = examples is not None and (dim >= examples * len(y) or _is_linear(*(cell.known.rows or (x, y))))
    return "unknown" if dataset.label_noise(of_data) == "none" or fits else "persists"


def _is_linear(x: Array, y: Array) -> bool:
    """Return whether an affine function of x (features, n) gives all of y (targets, n), by least squares.

    Each feature and each target is measured by its own size: one may be a time in seconds and another tiny.
    """
    features, labels = (table - table.mean(axis=1, keepdims=True) for table in (x, y))
    size = np.abs(features).max(axis=1, keepdims=True)
    design = np.vstack([features / np.where(size > 0.0, size, 1.0), np.ones(x.shape[1])]).T
    fitted = design @ np.linalg.lstsq(design, labels.T, rcond=None)[0]
    # Relative to how far labels are spread; those beside a large mean are rounded with it.
    rounded = FEW_ROUNDINGS * np.finfo(np.float64).eps * np.abs(y).max(axis=1)
    return bool(np.all(np.abs(fitted - labels.T).max(axis=0) <= np.maximum(NEGLIGIBLE * np.abs(labels).max(axis=1), rounded)))


def _largest_curvature(cell: Cell, theta: Array, x: Array, y: Array) -> tuple[float | None, float]:
    """Return the largest eigenvalue of the Hessian of a network's mean loss at theta (dim,), by the power method.

    x (features, n), y (targets, n): the examples that it is taken over. Also the variance over examples of the Hessian times
    the eigenvector, E|H v|^2 - |E H v|^2. None and 0 where they are not finite.
    """
    direction = np.random.default_rng(0).normal(size=theta.shape)
    step, found = NEAR * max(float(np.abs(theta).max()), NEAR), 0.0
    for _ in range(POWER_STEPS):
        direction /= np.linalg.norm(direction)
        bent = _bend(cell, theta, step * direction, x, y).mean(axis=1) / step
        found, size = float(direction @ bent), float(np.linalg.norm(bent))
        if not np.isfinite(size) or size == 0.0:
            return None, 0.0
        direction = bent
    each = _bend(cell, theta, step * direction / np.linalg.norm(direction), x, y) / step
    return found, float(np.square(each - each.mean(axis=1, keepdims=True)).sum(axis=0).mean())


def _bend(cell: Cell, theta: Array, step: Array, x: Array, y: Array) -> Array:
    """Return half the difference of each example's gradient between theta + step and theta - step, (dim, n)."""
    return (_each_gradient(cell, theta + step, x, y) - _each_gradient(cell, theta - step, x, y)) / 2.0


def _each_gradient(cell: Cell, theta: Array, x: Array, y: Array) -> Array:
    """Return the gradient of each example x (features, n), y (targets, n) at theta (dim,), penalty included, (dim, n)."""
    p, learning = cell.program, cell.program.learning
    assert learning is not None
    n, out = x.shape[1], np.zeros((p.dim, x.shape[1]))
    with np.errstate(all="ignore"):
        # One lane per example, so that their gradients stay apart.
        at = np.repeat(theta[:, None], n, axis=1)
        p.objective.component.add_gradient(p.objective.constants, n, at, x, y, out, np.empty((learning.work, n)))
        return np.asarray(out + p.objective.component.penalty(p.objective.constants, at))


def _draw_examples(cell: Cell) -> tuple[Array, Array]:
    """Draw EXAMPLES as in training, from a stream of their own: features (features, n) and targets (targets, n)."""
    p, learning = cell.program, cell.program.learning
    assert learning is not None
    n = max(FEWEST_EXAMPLES, min(EXAMPLES, MOST_NUMBERS // p.dim))
    x, y = np.empty((learning.shape.features, n)), np.empty((learning.shape.targets, n))
    p.data.component.sample(p.data.constants, n, uniforms(key(p.seed, "curvature"), 0, learning.draws, 0, n), x, y)
    return x, y
