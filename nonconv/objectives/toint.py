"""Toint's counterexample, arXiv:2308.00720: a smooth function of one variable on which Adam runs to infinity."""

from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray
from typing_extensions import Doc

from nonconv.components.definitions import Complaint, Objective
from nonconv.numerics.arithmetic import Array, Lanes, index, select

CELLS_PER_KNOT = 4
"""Cells of the guide table per knot, at most: more need more memory, fewer a longer search within a cell."""
MOST_CELLS = 1e300
"""Most cells per unit: knots that are closer share one, so that the number of cells stays finite."""
REACH = 1.1
SPARE = 1024
"""Uniform knots reach this factor beyond the orbit, and so many knots further."""
WIDE_KNOTS = 1_000_000
"""About how many uniform knots a companion has that would have too many."""
MOST_KNOTS = 20_000_000
"""Most uniform knots: their guide table, of four cells per knot, then takes 640 MB."""


Knots = Literal["exact", "uniform"]


class Toint(NamedTuple):
    """Toint's counterexample: slope -1 at every knot, so an optimizer that steps from knot to knot never turns.

    The knots are 0 = x_0 < x_1 < ...; with s = x_{k+1} - x_k and w = (theta - x_k) / s, between two of them
        f = scale * s * (-w + 3 w^2 - 2 w^3)        f' = scale * (-1 + 6 w (1 - w))
    and outside all knots f' = -scale. f is bounded below, f(x_k) = 0 and f' is Lipschitz with 6 scale / min s. With
    several coordinates it is the sum over them, and there are no data: every step sees f' itself.

    knots: exact are the optimizer's own iterates, learning rate included, for f' = -scale. Started at 0 it then meets the
    slope -scale exactly, forever. knots: uniform are the multiples of spacing, the paper's k alpha. There a rounding error
    moves the iterate off the knot and grows, until the iterate is caught in a local minimum.
    """

    knots: Annotated[
        Literal["exact", "uniform"], Doc("the optimizer's own iterates under slope -scale, or multiples of spacing")
    ] = "exact"
    spacing: Annotated[float, Interval(ge=0), Doc("distance of uniform knots; 0 means the first step under slope -scale")] = 0.0
    scale: Annotated[float, Interval(gt=0), Doc("factor of f, which Adam without eps does not depend on")] = 1.0
    dim: Annotated[int, Interval(ge=1, le=10**4), Doc("number of coordinates")] = 1


class TointConstants(NamedTuple):
    """The knots, and a guide table that finds the last knot before theta; a leading axis over coordinates before the engine.

    knots: rising, ending in infinities. cells: cells per unit of theta; that of theta is floor(theta * cells), at most
    last_cell. guide: the last knot before each cell. leap: a power of 2; the knot wanted is less than 2 leap knots after
    the guide's.
    """

    scale: Lanes
    knots: Lanes
    guide: Lanes
    cells: Lanes
    last_cell: Lanes
    leap: Lanes


def check(h: Toint) -> list[Complaint]:
    """Refuse a spacing for exact knots, which lie where the optimizer goes."""
    if h.spacing and h.knots == "exact":
        return [Complaint("spacing", "exact knots are where the optimizer goes; spacing needs knots: uniform")]
    return []


def prepare(h: Toint, dim: int) -> TointConstants:
    """Return the straight line f = -scale theta, whose only knot is 0: on it the optimizer's orbit is computed."""
    return table(np.zeros(1), h.scale, dim)


def on_orbit(h: Toint, dim: int, orbit: Array) -> TointConstants:
    """Return the constants with knots from `orbit` (steps + 1,), the optimizer's own iterates under slope -scale.

    Raises ValueError as `knots_on` does.
    """
    return table(knots_on(h, orbit), h.scale, dim)


def knots_on(h: Toint, orbit: Array) -> Array:
    """Return the knots for an orbit (steps + 1,): strictly increasing from 0.

    Exact knots are the orbit's iterates; uniform ones reach beyond the orbit. Raises ValueError if the orbit stays at 0,
    turns back or is not finite, or if there would be more than MOST_KNOTS uniform knots.
    """
    if not np.isfinite(orbit).all() or np.any(np.diff(orbit) < 0) or orbit[-1] == 0:
        raise ValueError("needs an optimizer that goes on to the right, by finite steps, when it is fed a constant slope")
    if h.knots == "exact":
        # Unique, since steps far below an ulp of theta leave the iterate where it is, and gaps must be positive.
        return np.unique(orbit)
    spacing = h.spacing or float(orbit[orbit > 0][0])
    number = REACH * float(orbit[-1]) / spacing + SPARE
    if number > MOST_KNOTS:
        raise ValueError(f"needs {number:.3g} knots, more than {MOST_KNOTS:.0e}; take a larger spacing or fewer steps")
    knots = spacing * np.arange(int(number))
    return np.asarray(knots[np.isfinite(knots)])


def companion(h: Toint, knots: Knots, orbit: Array) -> Toint:
    """Return the parameters of a function with the other kind of knots, which a run is shown beside.

    Uniform knots are a first step apart, as by default; or as far as need be, where that would be more than MOST_KNOTS.
    """
    if knots in (h.knots, "exact"):
        return h._replace(knots=knots, spacing=h.spacing if knots == h.knots else 0.0)
    number = REACH * float(orbit[-1]) / float(orbit[orbit > 0][0]) + SPARE
    return h._replace(knots=knots, spacing=0.0 if number <= MOST_KNOTS else REACH * float(orbit[-1]) / WIDE_KNOTS)


def table(knots: Array, scale: float, dim: int) -> TointConstants:
    """Return the constants for these knots (K,), the same for each of dim coordinates, without copies.

    A guide table over equal cells finds the knot before theta at a cost that does not grow with the number of knots.
    """
    gaps = np.diff(knots)
    # Where memory allows, cells are narrower than the smallest gap, so that hardly any cell has more than one knot.
    cells = min(1.0 / (0.9 * gaps.min()), CELLS_PER_KNOT * len(knots) / knots[-1], MOST_CELLS) if len(gaps) else 1.0
    last_cell = np.floor(knots[-1] * cells)
    in_cell = np.bincount((knots * cells).astype(np.int64), minlength=int(last_cell) + 1)
    guide = np.maximum(np.cumsum(in_cell) - in_cell - 1, 0).astype(np.uint64)
    # The largest power of 2 that is at most the number of knots in the fullest cell.
    leap = 1 << (int(in_cell.max()).bit_length() - 1)
    # Infinite knots behind the last, so that a leap never reads past the end.
    padded = np.concatenate([knots, np.full(2 * leap, np.inf)])
    return TointConstants(*(_for_each(dim, part) for part in (scale, padded, guide, cells, last_cell, np.uint64(leap))))


def _for_each(dim: int, part: Any) -> NDArray[Any]:
    """Return a view of `part` with a leading axis of dim coordinates."""
    return np.broadcast_to(part, (dim, *np.shape(part)))


def last_knot(k: TointConstants, theta: Lanes) -> Lanes:
    """Return the index of the last knot at or before theta; 0 to the left of all knots."""
    # Halving leaps instead of a loop of unknown length: every lane makes the same steps, so they vectorise.
    knot = k.guide[index(select(theta > 0.0, np.minimum(theta * k.cells, k.last_cell), 0.0))]
    leap = k.leap
    while leap > np.uint64(0):
        knot = select(k.knots[knot + leap] <= theta, knot + leap, knot)
        leap = leap >> np.uint64(1)
    return knot


def place(k: TointConstants, theta: Lanes) -> tuple[Lanes, Lanes]:
    """Return theta's distance from its last knot (negative left of all), and the gap to the next (infinite after the last)."""
    knot = last_knot(k, theta)
    return theta - k.knots[knot], k.knots[knot + np.uint64(1)] - k.knots[knot]


def loss(k: TointConstants, theta: Lanes, x: Lanes) -> Lanes:
    """Return f of one coordinate; x is ignored, since there are no data."""
    u, s = place(k, theta)
    w = u / s
    between = (u >= 0.0) & (s < np.inf)
    # scale s (-w + 3 w^2 - 2 w^3) with u = s w factored out, so that f is exactly 0 at w = 1.
    return k.scale * select(between, u * (w * (3.0 - 2.0 * w) - 1.0), -u)


def gradient(k: TointConstants, theta: Lanes, x: Lanes) -> Lanes:
    """Return f' of one coordinate: exactly -scale at every knot and outside all knots. x is ignored."""
    u, s = place(k, theta)
    w = select(u < s, np.maximum(u, 0.0) / s, 0.0)  # 0, hence slope -scale, to the left of all knots
    return k.scale * (6.0 * w * (1.0 - w) - 1.0)


TOINT = Objective(
    name="toint",
    parameters=Toint,
    paper="Toint (2023), arXiv:2308.00720",
    check=check,
    constants=TointConstants,
    prepare=prepare,
    loss=loss,
    gradient=gradient,
    on_orbit=on_orbit,
    mean_is_enough=True,
)
