"""What is known of the gradient near the limit of a cell: whether it is noisy there, and how curved the loss is."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from nonconv.components.definitions import Coupled, Layers
from nonconv.experiment.cell import Cell
from nonconv.experiment.structure import Noise
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.rng import key, uniforms
from nonconv.objectives.quadratic import QUADRATIC

SAMPLES = 1024
"""Stratified draws of the data per coordinate."""
MOST_COORDINATES = 64
"""Coordinates of a separable objective that are looked at; the others are alike but for their constants."""
SEARCHED = 32.0
"""Lengths of the problem, to either side of the mean of the data, within which minima are looked for."""
EXAMPLES, FEWEST_EXAMPLES, MOST_NUMBERS = 256, 32, 2**22
"""Examples over which a network's curvature is taken; fewer of a network with many weights, whose gradients are numbers."""
FEW_ROUNDINGS = 8.0
NEGLIGIBLE = 1e-9
"""A gradient below this share of those around it is the rounding error of 0."""
FAR, FARTHER = 1e6, 1e9
"""Distances of data, in lengths of the problem, between which an unbounded slope grows."""
KINK, FEW_DRAWS = 0.01, 16.0
"""A second difference quotient has this share of the step; and draws that a moment must rest on, of SAMPLES."""
NEAR = 1e-4
"""Distance of a difference quotient, relative to the scale of the problem."""
POWER_STEPS = 30
"""Steps of the power method; its eigenvalue is then within a few percent, from below."""


class LimitPoint(NamedTuple):
    """The gradient near the limit. curvature, spread: mean and variance over data of the largest second derivative.

    Both are None where they are not known.
    """

    noise: Noise
    curvature: float | None = None
    spread: float = 0.0


def limit_point(cell: Cell, theta: Array | None) -> LimitPoint:
    """Return what is known of the gradient near the limit. theta: a last iterate (dim,), of a network only."""
    if cell.program.learning:
        examples = _draw_examples(cell)
        noise = _noise_of_network(cell, *examples)
        # Elsewhere nothing rests on it, and it takes time.
        asked = noise in ("none", "vanishes") or cell.batch_size.limits.low == np.inf
        curved = theta is not None and asked and bool(np.isfinite(theta).all())
        curvature, spread = _largest_curvature(cell, theta, *examples) if curved and theta is not None else (None, 0.0)
        return LimitPoint(noise, curvature, spread)
    if cell.law is None:
        return LimitPoint("unknown")
    constant = cell.law.constant
    if cell.program.objective.component is QUADRATIC:
        curvature = 2.0 * float(np.max(cell.program.objective.constants.scale))
        return LimitPoint("none" if constant else "persists", curvature)
    return _of_separable(cell, constant)


def _of_separable(cell: Cell, constant: bool) -> LimitPoint:
    """Evaluate the gradient of a separable objective around its minimizer, coordinate by coordinate."""
    assert cell.law is not None
    dim = cell.program.dim
    chosen = np.unique(np.linspace(0, dim - 1, min(dim, MOST_COORDINATES)).round().astype(int))
    points = [[float(cell.minimizer[j])] if cell.minimizer is not None else _minima(cell, int(j)) for j in chosen]
    if not all(points):
        return LimitPoint("none" if constant else "unknown")
    # The coordinate and the minimum where stability is hardest.
    found = [_at_minimum(cell, int(j), point) for j, own in zip(chosen, points, strict=True) for point in own]
    unknown = next((point for point in found if point.curvature is None), None)
    worst = unknown or max(found, key=lambda point: point.curvature or 0.0)
    return worst._replace(noise="none" if constant else _combine([point.noise for point in found]))


def _combine(noises: list[Noise]) -> Noise:
    """Return what is known of the noise at any of several minima, or coordinates of one: unknown where they differ."""
    return noises[0] if len(set(noises)) == 1 else "unknown"


def _gradients(cell: Cell, j: int, theta: float) -> Array:
    """Return the gradient of coordinate j at theta for stratified draws of its datum, (SAMPLES,)."""
    u = (np.arange(SAMPLES) + 0.5) / SAMPLES
    data = cell.program.data.component
    with np.errstate(all="ignore"):
        x = data.sample(data.constants(*(field[j] for field in cell.program.data.constants)), u)
    return _gradients_for(cell, j, theta, np.broadcast_to(x, (SAMPLES,)))


def _gradients_for(cell: Cell, j: int, theta: float, x: Array) -> Array:
    """Return the gradient of coordinate j at theta for data x (n,), (n,)."""
    objective, _, constants = cell.program.objective
    own = objective.constants(*(field[j] for field in constants))
    with np.errstate(all="ignore"):
        return np.broadcast_to(objective.gradient(own, np.full(len(x), theta), x), (len(x),))


def _is_sampled(cell: Cell, j: int) -> bool:
    """Return whether SAMPLES draws show the law of coordinate j: no rare draws carry its fourth moment."""
    assert cell.law is not None
    fourth = math.nan if cell.law.fourth is None else float(cell.law.fourth[j])
    variance = float(cell.law.variance[j])
    if math.isnan(fourth):  # the law does not say
        return bool(np.isfinite(cell.law.low[j]) and np.isfinite(cell.law.high[j]))
    return fourth <= SAMPLES / FEW_DRAWS * variance**2


def _scale(cell: Cell, j: int) -> float:
    """Return a length on which the problem varies: the spread of the data and of the start, at least that of rounding."""
    assert cell.law is not None
    start = cell.program.start
    about = [float(cell.law.length[j]), abs(float(cell.law.middle[j]))]
    about += [abs(float(start[j]))] if isinstance(start, np.ndarray) else []
    return next((length for length in about if 0.0 < length < np.inf), 1.0)


def _minima(cell: Cell, j: int) -> list[float]:
    """Return where the mean gradient of coordinate j rises through 0, within some lengths of the problem."""
    assert cell.law is not None
    length, middle = _scale(cell, j), float(cell.law.middle[j])
    places = middle + length * np.linspace(-SEARCHED, SEARCHED, 8 * int(SEARCHED) + 2)

    def mean(theta: float) -> float:
        """Return the mean gradient."""
        return float(_gradients(cell, j, theta).mean())

    slopes = [mean(float(theta)) for theta in places]
    rising = [k for k, (before, after) in enumerate(pairwise(slopes)) if before < 0.0 <= after]
    return [_bisect(mean, float(places[k]), float(places[k + 1])) for k in rising]


def _bisect(f: Callable[[float], float], low: float, high: float) -> float:
    """Return where f rises through 0 between low and high, to rounding."""
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if f(middle) < 0.0 else (low, middle)
    return high


def _at_minimum(cell: Cell, j: int, at: float) -> LimitPoint:
    """Return noise and curvature of coordinate j at a minimum; the curvature is not known where draws do not show it."""
    assert cell.law is not None
    away = _scale(cell, j)
    ends = np.array([end for end in (cell.law.low[j], cell.law.high[j]) if np.isfinite(end)])
    # The ends of the data as well: a value may be too rare for any sample.
    here = np.concatenate([_gradients(cell, j, at), _gradients_for(cell, j, at, ends)])
    around = max(float(np.abs(_gradients(cell, j, at + side * away)).max()) for side in (-1.0, 1.0))
    quiet = float(np.abs(here - here[0]).max()) <= NEGLIGIBLE * around
    wide, narrow = (_second(cell, j, at, NEAR * away * share) for share in (1.0, KINK))
    # At a kink a difference quotient grows without bound as its step shrinks.
    smooth = abs(float(wide.mean())) >= abs(float(narrow.mean())) / 2.0
    known = smooth and (cell.law.constant or not quiet or _is_sampled(cell, j))
    return LimitPoint("vanishes" if quiet else "persists", float(wide.mean()) if known else None, float(wide.var()))


def has_unbounded_slope(cell: Cell) -> bool:
    """Return whether gradients of a separable objective grow with the datum, far beyond what is ever drawn."""
    assert cell.law is not None
    for j in range(min(cell.program.dim, MOST_COORDINATES)):
        far = float(cell.law.middle[j]) + np.array([-FARTHER, -FAR, FAR, FARTHER]) * _scale(cell, j)
        slopes = np.abs(_gradients_for(cell, j, float(cell.law.middle[j]), far))
        if slopes[0] > 2.0 * slopes[1] or slopes[3] > 2.0 * slopes[2]:
            return True
    return False


def _second(cell: Cell, j: int, at: float, step: float) -> Array:
    """Return the second derivative of coordinate j for stratified draws, as a difference quotient, (SAMPLES,)."""
    return (_gradients(cell, j, at + step) - _gradients(cell, j, at - step)) / (2.0 * step)


def _noise_of_network(cell: Cell, x: Array, y: Array) -> Noise:
    """Return whether the gradient of a network stays noisy: labels have noise, or no network of this shape fits them all.

    x (features, n), y (targets, n): examples as drawn in training.
    """
    p = cell.program
    (network, h, constants), (dataset, of_data, _) = p.objective, p.data
    assert isinstance(network, Coupled)
    if _is_full_batch(cell) or (np.all(x == x[:, :1]) and np.all(y == y[:, :1])):
        return "none"
    if np.any(network.penalty(constants, np.ones(p.dim))):
        return "persists" if np.any(y) else "unknown"  # a penalty keeps the weights from fitting every label
    source = dataset.source(of_data)
    if dataset.label_noise(of_data) == "none" and source is not None and network.represents(h, source):
        return "vanishes"
    if network.represents(h, Layers((), "identity")):
        return "vanishes" if _is_linear(x, y) else "persists"
    return _noise_of_labels(cell, x, y)


def _is_full_batch(cell: Cell) -> bool:
    """Return whether each batch holds every row of a table, so that nothing in it is random."""
    rows = cell.program.learning.rows if cell.program.learning else 0
    return bool(rows and cell.batch_size.constant is not None and cell.batch_size.constant % rows == 0)


def _noise_of_labels(cell: Cell, x: Array, y: Array) -> Noise:
    """Return whether labels stay noisy to a network of which it is not known what it represents."""
    (dataset, of_data, _), dim = cell.program.data, cell.program.dim
    examples = dataset.examples(of_data)
    # As many weights as labels may fit them all, and a larger network what a linear one fits.
    fits = examples is not None and (dim >= examples * len(y) or _is_linear(x, y))
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
