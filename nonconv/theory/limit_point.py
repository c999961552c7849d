"""What is known of the gradient near the limit of a cell: whether it is noisy there, and how curved the loss is."""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from nonconv.components.definitions import Coupled
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
EXAMPLES = 256
"""Examples over which a network's curvature is taken."""
NEGLIGIBLE = 1e-9
"""A gradient below this share of those around it is the rounding error of 0."""
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
        noise = _noise_of_network(cell)
        # Elsewhere nothing rests on it, and it takes time.
        asked = noise in ("none", "vanishes") or cell.batch_size.limits.low == np.inf
        curved = theta is not None and asked and bool(np.isfinite(theta).all())
        return LimitPoint(noise, _largest_curvature(cell, theta) if curved and theta is not None else None)
    if cell.law is None:
        return LimitPoint("unknown")
    constant = bool(np.all(cell.law.variance == 0))
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
    worst = max(found, key=lambda point: point.curvature or 0.0)
    return worst._replace(noise="none" if constant else _combine([point.noise for point in found]))


def _combine(noises: list[Noise]) -> Noise:
    """Return what is known of the noise at any of several minima, or coordinates of one: unknown where they differ."""
    return noises[0] if len(set(noises)) == 1 else "unknown"


def _gradients(cell: Cell, j: int, theta: float) -> Array:
    """Return the gradient of coordinate j at theta for stratified draws of its datum, (SAMPLES,)."""
    p = cell.program
    data = p.data.component.constants(*(field[j] for field in p.data.constants))
    constants = p.objective.component.constants(*(field[j] for field in p.objective.constants))
    u = (np.arange(SAMPLES) + 0.5) / SAMPLES
    with np.errstate(all="ignore"):
        x = p.data.component.sample(data, u)
        return np.broadcast_to(p.objective.component.gradient(constants, np.full(SAMPLES, theta), x), (SAMPLES,))


def _scale(cell: Cell, j: int) -> float:
    """Return a length on which the problem varies: the spread of the data and of the start, at least that of rounding."""
    assert cell.law is not None
    start = cell.program.start
    about = [float(np.sqrt(cell.law.variance[j])), abs(float(cell.law.mean[j]))]
    about += [abs(float(start[j]))] if isinstance(start, np.ndarray) else []
    return next((length for length in about if 0.0 < length < np.inf), 1.0)


def _minima(cell: Cell, j: int) -> list[float]:
    """Return where the mean gradient of coordinate j rises through 0, within some lengths of the problem."""
    assert cell.law is not None
    length, middle = _scale(cell, j), float(cell.law.mean[j])
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
    """Return noise and curvature of coordinate j at a minimum."""
    away = _scale(cell, j)
    here = _gradients(cell, j, at)
    around = max(float(np.abs(_gradients(cell, j, at + side * away)).max()) for side in (-1.0, 1.0))
    step = NEAR * away
    second = (_gradients(cell, j, at + step) - _gradients(cell, j, at - step)) / (2.0 * step)
    quiet = float(np.abs(here - here.mean()).max()) <= NEGLIGIBLE * around
    return LimitPoint("vanishes" if quiet else "persists", float(second.mean()), float(second.var()))


def _noise_of_network(cell: Cell) -> Noise:
    """Return whether the gradient of a network stays noisy: labels have noise, or no network of this shape fits them all."""
    p = cell.program
    (network, h, constants), (dataset, of_data, _) = p.objective, p.data
    assert isinstance(network, Coupled)
    if np.any(network.penalty(constants, np.ones(p.dim))):
        return "persists"  # a penalty keeps the weights from fitting every label
    if dataset.label_noise(of_data) != "none":
        examples, targets = dataset.examples(of_data), p.learning.shape.targets if p.learning else 1
        # As many weights as labels may fit them all.
        return "unknown" if examples is not None and p.dim >= examples * targets else "persists"
    source = dataset.source(of_data)
    return "vanishes" if source is not None and network.represents(h, source) else "unknown"


def _largest_curvature(cell: Cell, theta: Array) -> float | None:
    """Return the largest eigenvalue of the Hessian of a network's mean loss at theta (dim,), by the power method.

    It is taken over EXAMPLES drawn as in training; None where it is not finite.
    """
    examples = _draw_examples(cell)
    direction = np.random.default_rng(0).normal(size=theta.shape)
    step, found = NEAR * max(float(np.abs(theta).max()), NEAR), 0.0
    for _ in range(POWER_STEPS):
        direction /= np.linalg.norm(direction)
        ahead, behind = (_mean_gradient(cell, theta + side * step * direction, *examples) for side in (1.0, -1.0))
        bent = (ahead - behind) / (2.0 * step)
        found, size = float(direction @ bent), float(np.linalg.norm(bent))
        if not np.isfinite(size) or size == 0.0:
            return None
        direction = bent
    return found


def _draw_examples(cell: Cell) -> tuple[Array, Array]:
    """Draw EXAMPLES as in training, from a stream of their own: features (features, n) and targets (targets, n)."""
    p, learning = cell.program, cell.program.learning
    assert learning is not None
    x, y = np.empty((learning.shape.features, EXAMPLES)), np.empty((learning.shape.targets, EXAMPLES))
    p.data.component.sample(
        p.data.constants, EXAMPLES, uniforms(key(p.seed, "curvature"), 0, learning.draws, 0, EXAMPLES), x, y
    )
    return x, y


def _mean_gradient(cell: Cell, theta: Array, x: Array, y: Array) -> Array:
    """Return the gradient of a network at theta (dim,), averaged over examples x (features, n) and y (targets, n), (dim,)."""
    p, learning = cell.program, cell.program.learning
    assert learning is not None
    n, total = x.shape[1], np.zeros((p.dim, 1))
    with np.errstate(all="ignore"):
        # One lane: all columns of x are examples of one network, and their gradients are added up.
        p.objective.component.add_gradient(p.objective.constants, n, theta[:, None], x, y, total, np.empty((learning.work, n)))
        return np.asarray(total[:, 0] / n + p.objective.component.penalty(p.objective.constants, theta))
