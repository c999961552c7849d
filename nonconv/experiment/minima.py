"""Where the mean loss of a separable objective is least: in closed form where it has one, else found from the law of the data.

Coordinates are apart, and so are their minima: a minimum of the whole is one of each coordinate. Where a mean loss is flat at
its bottom, a minimum is an interval.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from hashlib import blake2b
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from nonconv.components.definitions import Configured, Distribution, Law, Objective
from nonconv.experiment.expectation import Marginal, expectation, first_nodes, marginal
from nonconv.faults.blame import refusal
from nonconv.numerics.arithmetic import Array

REACH, PLACES = 32.0, 258
"""Lengths to either side of a centre within which minima are looked for, and at how many places."""
DOUBLINGS = 50
"""How often places further out double their distance: to 1e16 lengths."""
MOST_VALUES, MOST_PLACES = 1024, 512
"""Values of a law that are enough for a first look, and places that are looked at together."""
ROUNDED, ROUNDED_SUM = 1e-13, 2e-15
"""A mean gradient below this share of the mean size of gradients is the rounding error of 0: an integral's, and a sum's."""
SHORT = 0.01
"""An interval of minima shorter than this share of the distance of places is a point, at which the loss is very flat."""
SNAP = 1e-11
"""A minimum this close to 0 or to the mean of the data, in lengths of the problem, is there but for rounding."""
SPARE = 3
"""Places that a closer look may go further out, less one."""
MOST_REMEMBERED = 256
"""Coordinates whose minima are remembered."""
MOST_STEPS = 200
"""Steps of a search for a root; bisection alone needs some 60."""
MOST_GRADIENTS = 10**7
"""Gradients of a closer look at one coordinate, after which its minima are not known: of a loss that has poles for almost every
datum, as tan(theta x), each mean gradient takes as many panels as there may be, and is none."""


class _TooWild(Exception):
    """Raised where a search for minima has taken MOST_GRADIENTS."""


Domain = tuple[Array, Array]
"""The lower and the upper ends of all coordinates, (dim,) each; infinite where there is none."""


class Minimum(NamedTuple):
    """A local minimum of one coordinate: the points from low to high, one point where they are equal.

    above: by how much its mean loss is above that of the lowest minimum; 0 for that one and for its equals.
    """

    low: float
    high: float
    above: float = 0.0


Minima = tuple[Minimum, ...]
"""The minima of one coordinate, rising; empty where there is none, or none is found."""


def find_minima(
    objective: Configured[Objective], data: Configured[Distribution], law: Law, domain: Domain | None = None
) -> tuple[Minima, ...]:
    """Return the local minima of the mean loss of every coordinate, on the domain if there is one.

    They are the stated ones where the objective states them. Else its mean gradient is looked at at some thousand places
    around 0 and the mean of the data, densest within 32 lengths, and each minimum between two of them is found to rounding.
    Narrower wells may be missed. With a domain an end is a minimum where the mean loss rises from it into the domain.
    """
    dim = len(law.mean)
    stated, found = _stated(objective, law), {}
    fields = [*objective.constants, *data.constants, *(domain or ())]
    # By their text too: constants may be rounded to the same numbers.
    kinds, written = _kinds(fields, dim), repr(data.parameters)
    for j in sorted(set(kinds)):
        points = None if stated is None else stated[j].tobytes()
        key = (objective.component, data.component, domain is None, _digest(fields, j), points, written)
        known = _FOUND.get(key)
        if known is None:
            one = MeanLoss(objective, data, law, j, domain)
            known = _compare(one, one.minima(None if stated is None else stated[j]))
            _remember(key, known)
        found[j] = known
    return tuple(found[j] for j in kinds)


def _digest(fields: Sequence[Any], j: int) -> bytes:
    """Return a digest of the numbers of one coordinate in fields (dim, ...): those of a file may be many."""
    return blake2b(b"|".join(np.ascontiguousarray(field[j]).tobytes() for field in fields)).digest()


_FOUND: dict[Any, Minima] = {}
"""Minima that were found: cells of a sweep often share them."""


def _remember(key: Any, minima: Minima) -> None:
    """Keep minima for later, but not without end."""
    if len(_FOUND) >= MOST_REMEMBERED:
        _FOUND.clear()
    _FOUND[key] = minima


def lowest(minima: Minima) -> Minima:
    """Return the minima of one coordinate whose mean loss is least."""
    return tuple(one for one in minima if one.above == 0.0)


def unique_minimizer(minima: Sequence[Minima]) -> Array | None:
    """Return the one global minimizer, (dim,); None where a coordinate has none, several, or an interval of them."""
    # Coordinates that are alike share their minima.
    best = {id(own): lowest(own) for own in minima}
    if all(len(own) == 1 and own[0].low == own[0].high for own in best.values()):
        return np.array([best[id(own)][0].low for own in minima])
    return None


def complaint_of(name: str, wanted: str, minima: Sequence[Minima], law: Law, domain: Domain | None = None) -> tuple[str, str]:
    """Return why `wanted`, minimizer or nearest_minimum, does not exist, and what may be asked for; empty texts if it does."""
    if not all(minima):
        why = "without a domain" if domain is None else "on this domain"
        return f"{name} has no minimizer {why if law.has_mean else 'with these data, which have no mean'}", ""
    if wanted == "nearest_minimum" or unique_minimizer(minima) is not None:
        return "", ""
    best = next(own for own in map(lowest, minima) if len(own) > 1 or own[0].low != own[0].high)
    if len(best) == 1:
        return f"every point from {best[0].low:.6g} to {best[0].high:.6g} is a minimizer of {name}", "nearest_minimum, "
    points = [f"{one.low:.6g}" for one in best]
    return f"{name} has {len(points)} minimizers, {', '.join(points[:-1])} and {points[-1]}", "nearest_minimum, "


def nearest_minimum(minima: Sequence[Minima], theta: Array) -> Array:
    """Return for points theta (dim, paths) the nearest minimum, coordinate by coordinate; nan where theta is."""
    # Coordinates that are alike share their minima, and are looked at together.
    alike: dict[int, list[int]] = {}
    for j, own in enumerate(minima):
        alike.setdefault(id(own), []).append(j)
    found = np.empty_like(theta)
    for rows in alike.values():
        at = slice(None) if len(rows) == len(minima) else rows
        found[at] = _nearest(minima[rows[0]], theta[at])
    return found


def _nearest(minima: Minima, theta: Array) -> Array:
    """Return for numbers theta the nearest point of the minima of one coordinate."""
    nearest = np.clip(theta, minima[0].low, minima[0].high)
    for one in minima[1:]:
        point = np.clip(theta, one.low, one.high)
        nearest = np.where(np.abs(point - theta) < np.abs(nearest - theta), point, nearest)
    return nearest


def _stated(objective: Configured[Objective], law: Law) -> Sequence[Array] | None:
    """Return where the objective says that the minima of each coordinate are; None if it does not say."""
    component, h, _ = objective
    if callable(component.minima):
        found = component.minima(h, law)
        if len(found) != len(law.mean) or any(np.ndim(points) != 1 for points in found):
            raise refusal(component.minima, "minima must return an array of points for each coordinate")
        return found
    return list(component.minimizer(h, law)[:, None]) if component.minimizer else None


def _kinds(fields: Sequence[Any], dim: int) -> list[int]:
    """Return for each coordinate the first one with the same numbers in all fields (dim, ...)."""
    # Bytes are compared: 0.0 and -0.0 may not be alike.
    if all(np.asarray(field).tobytes() == np.asarray(field[0]).tobytes() * dim for field in fields):
        return [0] * dim
    first: dict[bytes, int] = {}
    return [first.setdefault(b"".join(np.ascontiguousarray(field[j]).tobytes() for field in fields), j) for j in range(dim)]


class MeanLoss:
    """The mean loss of one coordinate, with the law of its datum, on an interval (low, high), infinite without a domain."""

    def __init__(
        self, objective: Configured[Objective], data: Configured[Distribution], law: Law, j: int, domain: Domain | None
    ) -> None:
        component, _, constants = objective
        self.objective, self.constants = component, component.constants(*(field[j] for field in constants))
        self.law = marginal(data, len(law.mean), j, law)
        self.low, self.high = (-math.inf, math.inf) if domain is None else (float(end[j]) for end in domain)
        self.gradients = 0
        self.centre, self.length = _measure(self.law, float(law.mean[j]), float(law.variance[j]))

    @cached_property
    def rough(self) -> Marginal:
        """The law by some MOST_VALUES values at most, for a first look."""
        return _rough(self.law)

    def slope(self, theta: float) -> float:
        """Return the mean gradient, 0 where it is only the rounding error of 0."""
        value, rounding = self.slopes(np.array([theta]))
        return 0.0 if abs(value[0]) <= rounding[0] else float(value[0])

    def slopes(self, theta: Array, law: Marginal | None = None, tolerance: float = 1e-12) -> tuple[Array, Array]:
        """Return mean gradients at theta (n,), and below which size they are rounding errors of 0."""

        def both(x: Array) -> Array:
            """Return gradients and their sizes, (2, n, K)."""
            gradients = np.broadcast_to(self.objective.gradient(self.constants, theta[:, None], x), (len(theta), len(x)))
            self.gradients += gradients.size if law is self.law and law.values is None else 0
            if self.gradients > MOST_GRADIENTS:
                raise _TooWild
            return np.stack([gradients, np.abs(gradients)])

        law = law or self.law
        found = expectation(both, law, tolerance)
        return found.value[0], (ROUNDED if self.law.values is None else ROUNDED_SUM) * found.value[1]

    def minima(self, stated: Array | None) -> list[Minimum]:
        """Return the minima, rising; stated: where they are without a domain, if that is known."""
        if stated is None:
            return self.search()
        inside = [float(at) for at in stated if self.low <= at <= self.high and math.isfinite(at)]
        ends = [(end, sign) for end, sign in ((self.low, 1.0), (self.high, -1.0)) if math.isfinite(end) and end not in inside]
        slopes = [sign * self.slope(end) for end, sign in ends]
        # Flat at an end: not a case for points.
        if 0.0 in slopes:
            return self.search()
        walls = [end for (end, _), slope in zip(ends, slopes, strict=True) if slope > 0.0]
        return [Minimum(at, at) for at in sorted({*inside, *walls})]

    def search(self) -> list[Minimum]:
        """Return the minima where the mean gradient is seen to rise through 0, rising."""
        places = self.places()
        signs = np.array([sign for part in self.chunks(places) for sign in self.look(part)])
        places, signs = places[~np.isnan(signs)], signs[~np.isnan(signs)]
        # A wall is as if the loss fell towards it on the other side.
        if math.isfinite(self.low):
            places, signs = np.insert(places, 0, self.low), np.insert(signs, 0, -1.0)
        if math.isfinite(self.high):
            places, signs = np.append(places, self.high), np.append(signs, 1.0)
        sure = np.flatnonzero(signs)
        found = (self.between(places, a, b) for a, b in pairwise(sure.tolist()) if signs[a] < 0.0 < signs[b])
        try:
            return [one for one in found if one is not None]
        except _TooWild:
            return []

    def places(self) -> Array:
        """Return where the mean gradient is looked at, rising, within the domain and at its ends."""
        near = np.linspace(-REACH, REACH, PLACES)
        far = REACH * 2.0 ** np.arange(1, DOUBLINGS)
        offsets = np.concatenate([-far, near, far])
        every = {(centre, length) for centre in (self.centre, 0.0) for length in (self.length, 1.0)}
        ends = np.array([end for end in (self.low, self.high) if math.isfinite(end)])
        # Within a domain as many places more, which may be far from all else.
        within = np.linspace(self.low, self.high, PLACES) if len(ends) == 2 else ends
        places = np.concatenate([*(centre + length * offsets for centre, length in every), within])
        return np.unique(places[(places >= self.low) & (places <= self.high)])

    def chunks(self, places: Array) -> Iterator[Array]:
        """Yield the places in parts that fit into memory."""
        yield from (places[first : first + MOST_PLACES] for first in range(0, len(places), MOST_PLACES))

    def look(self, theta: Array) -> Array:
        """Return the signs of mean gradients at theta (n,), by the rough law."""
        slopes, rounding = self.slopes(theta, self.rough, math.inf)
        return np.where(np.abs(slopes) <= rounding, 0.0, np.sign(slopes))

    def between(self, places: Array, a: int, b: int) -> Minimum | None:
        """Return the minimum between places a and b, at which a first look saw the mean gradient below and above 0.

        None where a closer one does not, also some places further out.
        """
        for spare in range(SPARE):
            left, right = float(places[max(a - spare, 0)]), float(places[min(b + spare, len(places) - 1)])
            if left == right:
                return Minimum(left, left)
            falls, rises = self.slope(left) <= 0.0 or left == self.low, self.slope(right) >= 0.0 or right == self.high
            if falls and rises:
                return self.within(left, right, SHORT * (right - left) / (b - a + 2 * spare))
        return None

    def within(self, left: float, right: float, short: float) -> Minimum:
        """Return the minimum between left and right: an interval where the mean gradient is 0 on more than 2 short."""
        at = float(self.snap(self.root(left, right)))
        low, high = max(at - short, left), min(at + short, right)
        # A very flat bottom, at which all is rounding, is no interval.
        if low < high and self.slope(low) == 0.0 == self.slope(high):
            low = left if self.slope(left) == 0.0 else self.edge(left, low, lambda slope: slope < 0.0)
            high = right if self.slope(right) == 0.0 else self.edge(high, right, lambda slope: slope <= 0.0)
            return Minimum(float(low), float(high))
        return Minimum(at, at)

    def edge(self, left: float, right: float, before: Callable[[float], bool]) -> float:
        """Return where the mean gradient, rising, ceases to be `before`, to rounding, by bisection."""
        for _ in range(MOST_STEPS):
            middle = 0.5 * (left + right)
            if not left < middle < right:
                break
            left, right = (middle, right) if before(self.slope(middle)) else (left, middle)
        return right

    def root(self, left: float, right: float) -> float:
        """Return where the mean gradient rises through 0 between left and right: secants, bisected where they are slow."""
        (below, above), _ = self.slopes(np.array([left, right]))
        for step in range(MOST_STEPS):
            middle = 0.5 * (left + right)
            if not left < middle < right:
                break
            # Every third step halves the interval, whatever the slopes.
            at = left + (right - left) * (-below / (above - below)) if step % 3 < 2 and below < 0.0 < above else middle
            at = at if left < at < right and math.isfinite(at) else middle
            slope = float(self.slopes(np.array([at]))[0][0])
            if slope == 0.0:
                return at
            left, below, right, above = (at, slope, right, above) if slope < 0.0 else (left, below, at, slope)
        return right if abs(above) <= abs(below) else left

    def snap(self, at: float) -> float:
        """Return the mean of the data, or 0, instead of a point that differs from it by rounding."""
        for round_number in (0.0, self.centre):
            if abs(at - round_number) <= SNAP * self.length and self.slope(round_number) == 0.0:
                return round_number
        return at


def _measure(law: Marginal, mean: float, variance: float) -> tuple[float, float]:
    """Return a centre and a length of a law: mean and standard deviation, or median and quartiles where these do not exist."""
    quartiles = law.sample(np.array([0.25, 0.5, 0.75]))
    centre = mean if math.isfinite(mean) else float(quartiles[1])
    spreads = (math.sqrt(variance) if variance > 0.0 else 0.0, float(quartiles[2] - quartiles[0]), abs(centre))
    return centre, next((length for length in spreads if 0.0 < length < math.inf), 1.0)


def _rough(law: Marginal) -> Marginal:
    """Return a law with some MOST_VALUES values at most, for a first look: means of neighbouring values, or fixed nodes."""
    if law.values is None or law.probabilities is None:
        u, weights = first_nodes()
        return law._replace(values=law.sample(u), probabilities=weights)
    if len(law.values) <= MOST_VALUES:
        return law
    starts = np.linspace(0, len(law.values), MOST_VALUES, endpoint=False).astype(np.int64)
    mass = np.add.reduceat(law.probabilities, starts)
    return law._replace(values=np.add.reduceat(law.values * law.probabilities, starts) / mass, probabilities=mass)


def _compare(one: MeanLoss, minima: list[Minimum]) -> Minima:
    """Return the minima with how far each is above the lowest; not at all where that is rounding, or has no expectation."""
    if len(minima) < 2:
        return tuple(minima)
    theta = np.array([0.5 * (own.low + own.high) for own in minima])[:, None]

    def differences(x: Array) -> Array:
        """Return how much more is lost than at the first minimum, and its size, (2, minima, K)."""
        losses = np.broadcast_to(one.objective.loss(one.constants, theta, x), (len(theta), len(x)))
        return np.stack([losses - losses[:1], np.abs(losses - losses[:1])])

    found = expectation(differences, one.law)
    value, size, error = found.value[0], float(np.max(found.value[1])), found.error[0]
    above = value - np.min(value)
    same = ~(above > error + error[np.argmin(value)] + ROUNDED * size)
    return tuple(
        own._replace(above=0.0 if equal else float(more)) for own, more, equal in zip(minima, above, same, strict=True)
    )
