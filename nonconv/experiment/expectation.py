"""Expectations over the law of the data: exact where it has finitely many values, by quadrature over its uniform elsewhere."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.components.definitions import Configured, Distribution, Law
from nonconv.numerics.arithmetic import Array

TOLERANCE = 1e-11
"""Error at which panels are no longer halved, relative to the mean of |f|."""
PARTS, DEEP = 16, 12
"""Panels of equal length that quadrature starts with, and how often those at 0, 1/2 and 1 are halved before."""
MOST_PANELS, NARROWEST = 4096, 2.0**-46
"""Panels at most, and the length below which none is halved: uniforms are rounded to about 2^-53."""
TAIL, BLOCK = 40, 4
"""An unbounded law is integrated to within 2^-TAIL of its ends; what lies beyond follows from three blocks of dyadic panels."""
ROUNDED = 2.0 ** (TAIL - 52)
"""By how much of itself a tail is off, since uniforms 2^-TAIL from an end are rounded."""
DIVERGES = 0.999
"""A tail whose dyadic panels shrink less than this does not shrink: its integral is infinite."""
ENDS = ((0.0, 1.0), (0.5, -1.0), (0.5, 1.0), (1.0, -1.0))
"""Where quantiles may grow without bound, and on which side."""
_KRONROD = (
    (0.9914553711208126, 0.022935322010529224),
    (0.9491079123427585, 0.06309209262997856),
    (0.8648644233597691, 0.10479001032225019),
    (0.7415311855993945, 0.14065325971552592),
    (0.5860872354676911, 0.1690047266392679),
    (0.4058451513773972, 0.19035057806478542),
    (0.20778495500789848, 0.20443294007529889),
    (0.0, 0.20948214108472782),
)
_GAUSS = (0.1294849661688697, 0.27970539148927664, 0.3818300505051189, 0.4179591836734694)


def _mirrored(half: tuple[float, ...], sign: float) -> Array:
    """Return numbers for nodes from -1 to 1, given those up to 0."""
    return np.array([*half, *(sign * number for number in half[-2::-1])])


NODES = -_mirrored(tuple(node for node, _ in _KRONROD), -1.0)
KRONROD = _mirrored(tuple(weight for _, weight in _KRONROD), 1.0)
GAUSS = np.zeros(len(NODES))
GAUSS[1::2] = _mirrored(_GAUSS, 1.0)
"""Gauss-Kronrod nodes on [-1, 1], their weights, and those of the embedded Gauss rule, which shows the error."""


class Marginal(NamedTuple):
    """The law of one coordinate of the data.

    sample: from uniforms (n,) to values (n,). values, probabilities: all values and their probabilities, (K,) each; None
    where it is not known to be finite. bounded: whether its values are.
    """

    sample: Callable[[Array], Array]
    values: Array | None
    probabilities: Array | None
    bounded: bool


class Expectation(NamedTuple):
    """An expectation and how far it may be off; error is 0 up to rounding where the law is finite.

    Both are infinite, or nan, where the expectation is.
    """

    value: Array
    error: Array


def atoms_of(data: Configured[Distribution], dim: int, law: Law | None = None) -> tuple[Array, Array] | None:
    """Return all values (K, dim) of a finite law, each row a draw, and their probabilities (K,); None where it states none.

    law: its moments and bounds, if they are at hand.
    """
    component, h, _ = data
    law = component.law(h, dim) if law is None else law
    if law.constant:
        return law.low[None, :], np.ones(1)
    found = component.atoms(h, dim) if component.atoms else None
    return None if found is None else (np.broadcast_to(found[0].T, (dim, len(found[1]))).T, found[1])


def marginal(data: Configured[Distribution], dim: int, j: int = 0, law: Law | None = None) -> Marginal:
    """Return the law of coordinate j of dim coordinates of the data. law: its moments and bounds, if they are at hand."""
    component, h, constants = data
    own = component.constants(*(field[j] for field in constants))

    def sample(u: Array) -> Array:
        """Return the values that uniforms u (n,) give."""
        with np.errstate(all="ignore"):
            return np.asarray(np.broadcast_to(component.sample(own, u), u.shape), dtype=np.float64)

    law = component.law(h, dim) if law is None else law
    atoms = atoms_of(data, dim, law)
    if atoms is None:
        return Marginal(sample, None, None, bool(np.isfinite(law.low[j]) and np.isfinite(law.high[j])))
    values, inverse = np.unique(atoms[0][:, j], return_inverse=True)
    return Marginal(sample, values, np.bincount(inverse, weights=atoms[1]).astype(np.float64), True)


def expectation(f: Callable[[Array], Array], law: Marginal, tolerance: float = TOLERANCE) -> Expectation:
    """Return E f(X) for the law of one coordinate (`marginal`), by enumeration or quadrature.

    f: from values x (K,) to an array (..., K); the expectation is over its last axis, and each row has its own.

    A finite law is enumerated: the result is exact up to rounding. Otherwise f(sample(u)) is integrated over u in (0, 1) by
    15 Gauss-Kronrod nodes on each panel; panels are halved until the rows' errors are at most `tolerance` of E |f|, at jumps
    and kinks as well. The error returned is what is left. Beyond 2^-40 from the ends (and the middle) of u an unbounded
    law's part is the geometric series that its last panels begin, which is exact for power laws; where they do not shrink,
    the expectation is infinite, or nan where two ends disagree.
    """
    with np.errstate(all="ignore"):
        if law.values is not None and law.probabilities is not None:
            each = np.asarray(f(law.values))
            value = np.asarray((each * law.probabilities).sum(axis=-1))
            return Expectation(value, np.zeros_like(value))
        return _integrate(lambda u: np.asarray(f(law.sample(u))), law.bounded, tolerance)


def _integrate(g: Callable[[Array], Array], bounded: bool, tolerance: float) -> Expectation:
    """Integrate g, from u (n,) to (..., n), over (0, 1); tails are those of an unbounded law."""
    edges = _edges(bounded)
    left, right = edges[:-1], edges[1:]
    # Between the panels on either side of 1/2 that are left to the tails there is nothing to integrate.
    inner = np.ones(len(left), dtype=np.bool_) if bounded else ~((left < 0.5) & (right > 0.5))
    left, right = left[inner], right[inner]
    sums, errors, sizes = _panels(g, left, right)
    while len(left) < MOST_PANELS:
        wide = _to_halve(errors, sizes, right - left, tolerance)
        if not wide.any():
            break
        middle = (left[wide] + right[wide]) / 2.0
        new_left = np.concatenate([left[wide], middle])
        new_right = np.concatenate([middle, right[wide]])
        found = _panels(g, new_left, new_right)
        left, right = np.concatenate([left[~wide], new_left]), np.concatenate([right[~wide], new_right])
        kept = (part[..., ~wide] for part in (sums, errors, sizes))
        sums, errors, sizes = (np.concatenate(pair, axis=-1) for pair in zip(kept, found, strict=True))
    value, error = sums.sum(axis=-1), errors.sum(axis=-1)
    if bounded:
        return Expectation(value, error)
    beyond = [_beyond(g, end, side, tolerance * sizes.sum(axis=-1)) for end, side in ENDS]
    return Expectation(value + sum(part.value for part in beyond), error + sum(part.error for part in beyond))


def _edges(bounded: bool) -> Array:
    """Return the edges of the first panels, rising: equal ones, and ever shorter ones towards 0, 1/2 and 1."""
    deepest = DEEP if bounded else TAIL
    # Of an unbounded law each panel towards the ends is one that its tail may need.
    near = [end + side * 2.0**-k for end, side in ENDS for k in range(5, deepest + 1)]
    ends = [0.0, 0.5, 1.0] if bounded else []
    equal = [k / PARTS for k in range(1, PARTS) if k != PARTS // 2]
    return np.unique(np.array([*ends, *equal, *near]))


def first_nodes() -> tuple[Array, Array]:
    """Return nodes u and weights, some hundreds each, of a fixed rule on (0, 1), for a first look at an expectation."""
    edges = _edges(bounded=True)
    half = np.diff(edges)[:, None] / 2.0
    return (edges[:-1, None] + half + half * NODES[1::2]).ravel(), (half * GAUSS[1::2]).ravel()


def _panels(g: Callable[[Array], Array], left: Array, right: Array) -> tuple[Array, Array, Array]:
    """Return the integrals of g over panels (P,), their errors, and the integrals of |g|, shape (..., P) each."""
    half = (right - left) / 2.0
    u = (left + half)[:, None] + half[:, None] * NODES
    values = np.atleast_1d(g(u.ravel()))
    # What does not depend on the datum has one number for all.
    values = np.broadcast_to(values, (*values.shape[:-1], u.size)).reshape(*values.shape[:-1], *u.shape)
    total = (values @ KRONROD) * half
    return total, np.abs(total - (values @ GAUSS) * half), (np.abs(values) @ KRONROD) * half


def _to_halve(errors: Array, sizes: Array, width: Array, tolerance: float) -> NDArray[np.bool_]:
    """Return which panels (P,) to halve: those that carry the error of a row beyond its tolerance."""
    allowed = tolerance * sizes.sum(axis=-1, keepdims=True)
    # Of rows with small errors no panel is halved; of the others those above their share of what is allowed.
    over = (errors > allowed / (2.0 * errors.shape[-1])) & (errors.sum(axis=-1, keepdims=True) > allowed)
    return np.asarray(over.reshape(-1, errors.shape[-1]).any(axis=0) & (width > NARROWEST))


def _beyond(g: Callable[[Array], Array], end: float, side: float, small: Array) -> Expectation:
    """Return the integral of g within 2^-TAIL of an end of u, by the geometric series of the last dyadic panels."""
    distances = 2.0 ** -np.arange(TAIL - 3.0 * BLOCK, TAIL + 1)
    edges = np.sort(end + side * distances)
    sums, _, _ = _panels(g, edges[:-1], edges[1:])
    sums = sums if side < 0 else sums[..., ::-1]  # from far to near the end
    far, middle, last = (sums[..., k * BLOCK : (k + 1) * BLOCK].sum(axis=-1) for k in range(3))
    parts = [_series(last, before, now) for before, now in ((middle, last), (far, middle))]
    # What is too small to matter is no tail, whatever its ratio.
    parts = [np.where(np.abs(last) <= small, last / (2.0**BLOCK - 1.0), part) for part in parts]
    off = np.abs(parts[0] - parts[1]) + np.abs(parts[0]) * ROUNDED
    return Expectation(parts[0], np.where(np.isfinite(parts[0]), off, np.inf))


def _series(last: Array, before: Array, now: Array) -> Array:
    """Return last (r + r^2 + ...) with r = now / before; infinite where it does not converge."""
    ratio = np.divide(now, before, out=np.zeros_like(now), where=before != 0.0)
    converges = np.abs(ratio) < DIVERGES**BLOCK
    return np.where(converges, last * ratio / np.where(converges, 1.0 - ratio, 1.0), np.copysign(np.inf, last))
