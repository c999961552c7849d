"""Laws on finitely many points: two_point, rademacher, discrete."""

from typing import Annotated, NamedTuple

import numpy as np
from annotated_types import Interval, Len
from typing_extensions import Doc

from nonconv.components.definitions import Complaint, Distribution, Law
from nonconv.data.values import Value
from nonconv.numerics.arithmetic import Array, Lanes, index, select

MOST_POINTS = 10_000


def law_on_points(values: Array, probabilities: Array, dim: int) -> Law:
    """Exact moments of a law on distinct points (K,) with probabilities (K,), the same for every coordinate."""
    order = np.argsort(values)
    values, probabilities = values[order], probabilities[order]
    mean = float(probabilities @ values)
    deviation = values - mean
    symmetric = np.allclose(deviation, -deviation[::-1], rtol=0, atol=1e-12 * float(np.ptp(values))) and np.allclose(
        probabilities, probabilities[::-1], rtol=0, atol=1e-12
    )
    variance, third = float(probabilities @ deviation**2), float(probabilities @ deviation**3)
    return Law.same(dim, mean, variance, third, values[0], values[-1], symmetric=bool(symmetric))


class TwoPoint(NamedTuple):
    """Two values: high with probability p_high, low otherwise; skewed unless p_high = 1/2."""

    low: Annotated[Value, Doc("the lower value")] = -1.0
    high: Annotated[Value, Doc("the higher value")] = 1.0
    p_high: Annotated[float, Interval(gt=0, lt=1), Doc("probability of high")] = 0.5


class TwoPointConstants(NamedTuple):
    """The two values and the probability of the higher one."""

    low: Lanes
    high: Lanes
    p_high: Lanes


def check_two_point(h: TwoPoint) -> list[Complaint]:
    """Refuse high <= low."""
    return [] if h.high > h.low else [Complaint("high", f"{h.high:g} must be above low, which is {h.low:g}")]


def prepare_two_point(h: TwoPoint, dim: int) -> TwoPointConstants:
    """The constants, alike in every coordinate."""
    return TwoPointConstants(*(np.full(dim, value) for value in h))


def sample_two_point(k: TwoPointConstants, u: Lanes) -> Lanes:
    """high with probability p_high."""
    return select(u < k.p_high, k.high, k.low)


TWO_POINT = Distribution(
    name="two_point",
    parameters=TwoPoint,
    paper="the exact cases of docs/theory.md",
    check=check_two_point,
    law=lambda h, dim: law_on_points(np.array([h.low, h.high]), np.array([1.0 - h.p_high, h.p_high]), dim),
    constants=TwoPointConstants,
    prepare=prepare_two_point,
    sample=sample_two_point,
)


class Rademacher(NamedTuple):
    """A fair sign: -1 or 1 with probability 1/2 each."""


RADEMACHER = Distribution(
    name="rademacher",
    parameters=Rademacher,
    paper="a symmetric two-point law",
    law=lambda h, dim: TWO_POINT.law(TwoPoint(), dim),
    constants=TwoPointConstants,
    prepare=lambda h, dim: prepare_two_point(TwoPoint(), dim),
    sample=sample_two_point,
)


class Discrete(NamedTuple):
    """Any finite law: each of `values` with its probability."""

    values: Annotated[tuple[Value, ...], Len(1, MOST_POINTS), Doc("the points")]
    probabilities: Annotated[tuple[Annotated[float, Interval(gt=0, le=1)], ...], Doc("one for each value; they sum to 1")]


class DiscreteConstants(NamedTuple):
    """Walker's alias table: cell c holds values[2c] with probability keep[c] and values[2c + 1] otherwise."""

    size: Lanes
    keep: Lanes
    values: Lanes


def check_discrete(h: Discrete) -> list[Complaint]:
    """Refuse probabilities that do not match the values, do not sum to 1, or duplicate values."""
    if len(h.probabilities) != len(h.values):
        return [Complaint("probabilities", f"has {len(h.probabilities)} numbers for {len(h.values)} values")]
    if len(set(h.values)) < len(h.values):
        return [Complaint("values", "duplicate point; add up its probabilities")]
    if abs(sum(h.probabilities) - 1.0) > 1e-9:
        return [Complaint("probabilities", f"sum to {sum(h.probabilities):.12g}, not to 1")]
    return []


def prepare_discrete(h: Discrete, dim: int) -> DiscreteConstants:
    """The alias table, alike in every coordinate."""
    keep, values = alias_table(np.asarray(h.values), normalised(h))
    return DiscreteConstants(np.full(dim, float(len(h.values))), np.tile(keep, (dim, 1)), np.tile(values, (dim, 1)))


def normalised(h: Discrete) -> Array:
    """The probabilities, without the rounding error of their sum."""
    probabilities = np.asarray(h.probabilities)
    return np.asarray(probabilities / probabilities.sum())


def alias_table(values: Array, probabilities: Array) -> tuple[Array, Array]:
    """Walker's table (1977): keep (K,) and values (2K,). Values with less than 1/K fill their cell from one that has more."""
    share = probabilities * len(values)
    keep, pairs = np.ones(len(values)), np.repeat(values, 2)
    light = [cell for cell in range(len(values)) if share[cell] < 1.0]
    heavy = [cell for cell in range(len(values)) if share[cell] >= 1.0]
    while light and heavy:
        cell, donor = light.pop(), heavy.pop()
        keep[cell], pairs[2 * cell + 1] = share[cell], values[donor]
        share[donor] -= 1.0 - share[cell]
        (light if share[donor] < 1.0 else heavy).append(donor)
    return keep, pairs


def sample_discrete(k: DiscreteConstants, u: Lanes) -> Lanes:
    """The integer part of u size chooses a cell, the fraction left decides between its two values: one uniform per draw."""
    scaled = u * k.size
    cell = np.int64(scaled)
    other = np.int64(scaled - cell >= k.keep[index(cell)])
    return k.values[index(2 * cell + other)]


DISCRETE = Distribution(
    name="discrete",
    parameters=Discrete,
    paper="drawn by Walker's alias method (1977)",
    check=check_discrete,
    law=lambda h, dim: law_on_points(np.asarray(h.values), normalised(h), dim),
    constants=DiscreteConstants,
    prepare=prepare_discrete,
    sample=sample_discrete,
)
