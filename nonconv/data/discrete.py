"""Laws on finitely many points: two_point, rademacher, discrete.

Constants have a leading axis over coordinates (dim, ...); `sample` gets those of one coordinate, and a uniform u in
[0, 1), an array over paths or the scalar of one lane.
"""

from typing import Annotated, NamedTuple

import numpy as np
from annotated_types import Interval, Len
from typing_extensions import Doc

from nonconv.components.definitions import Complaint, Distribution, Law
from nonconv.components.parameters import Words
from nonconv.data.values import Value, complain_unless_ordered, fourth_power
from nonconv.numerics.arithmetic import Array, Lanes, index, select
from nonconv.system.words import count

EQUAL = 1e-12
"""Probabilities that differ by no more are equal: a third is no number of a config."""
MOST_POINTS = 10_000
"""Most points of a `discrete` law."""


def law_on_points(values: Array, probabilities: Array, dim: int) -> Law:
    """Return the exact moments of the law on distinct points `values` (K,) with `probabilities` (K,), for dim coordinates."""
    # Sorted, so that a symmetric law is its own mirror image.
    order = np.argsort(values)
    values, probabilities = values[order], probabilities[order]
    # Of equal points the mean is that point, which a sum of products may miss by rounding.
    mean = float(probabilities @ values) if values[0] < values[-1] else float(values[0])
    deviation = values - mean
    # Up to rounding: decimal points and probabilities are seldom exact in binary.
    symmetric = np.allclose(deviation, -deviation[::-1], rtol=0, atol=1e-12 * float(np.ptp(values))) and np.allclose(
        probabilities, probabilities[::-1], rtol=0, atol=1e-12
    )
    variance, third = float(probabilities @ deviation**2), float(probabilities @ deviation**3)
    # In units of the furthest value, where no eighth power overflows.
    furthest = float(np.abs(deviation).max())
    fourth, eighth = (float(probabilities @ (deviation / (furthest or 1.0)) ** k) for k in (4, 8))
    tails = {"fourth": fourth_power(furthest) * fourth, "moments": np.inf, "tail_share": fourth**2 / eighth if eighth else 1.0}
    return Law.same(dim, mean, variance, third, values[0], values[-1], symmetric=bool(symmetric), **tails)


def atoms_on_points(values: Array, probabilities: Array) -> tuple[Array, Array]:
    """Return the points (K, 1), which all coordinates share, and their probabilities (K,)."""
    return values[:, None], probabilities


class TwoPoint(NamedTuple):
    """Two values: high with probability p_high, low otherwise; skewed unless p_high = 1/2."""

    low: Annotated[Value, Doc("the lower value")] = -1.0
    high: Annotated[Value, Doc("the higher value")] = 1.0
    p_high: Annotated[float, Interval(gt=0, lt=1), Doc("probability of high")] = 0.5


class TwoPointConstants(NamedTuple):
    """The two values and the probability of the higher one, shape (dim,) each; those of one coordinate inside the engine."""

    low: Lanes
    high: Lanes
    p_high: Lanes


def two_points(h: TwoPoint) -> tuple[Array, Array]:
    """Return both values and their probabilities, (2,) each."""
    return np.array([h.low, h.high]), np.array([1.0 - h.p_high, h.p_high])


def prepare_two_point(h: TwoPoint, dim: int) -> TwoPointConstants:
    """Return the constants, shape (dim,) each, the same for every coordinate."""
    return TwoPointConstants(*(np.full(dim, value) for value in h))


def sample_two_point(k: TwoPointConstants, u: Lanes) -> Lanes:
    """Return high where u < p_high, low elsewhere."""
    return select(u < k.p_high, k.high, k.low)


TWO_POINT = Distribution(
    name="two_point",
    parameters=TwoPoint,
    paper="the exact cases of docs/theory.md",
    check=complain_unless_ordered,
    law=lambda h, dim: law_on_points(*two_points(h), dim),
    atoms=lambda h, dim: atoms_on_points(*two_points(h)),
    constants=TwoPointConstants,
    prepare=prepare_two_point,
    sample=sample_two_point,
    rows=lambda h: 2 if h.p_high == 0.5 else 0,
)


class Rademacher(NamedTuple):
    """A fair sign: -1 or 1 with probability 1/2 each."""


RADEMACHER = Distribution(
    name="rademacher",
    parameters=Rademacher,
    paper="a symmetric two-point law",
    law=lambda h, dim: TWO_POINT.law(TwoPoint(), dim),
    atoms=lambda h, dim: atoms_on_points(*two_points(TwoPoint())),
    constants=TwoPointConstants,
    prepare=lambda h, dim: prepare_two_point(TwoPoint(), dim),
    sample=sample_two_point,
    rows=lambda h: 2,
)


class Discrete(NamedTuple):
    """Any finite law: each of `values` with its probability."""

    values: Annotated[tuple[Value, ...], Len(1, MOST_POINTS), Doc("the points")]
    probabilities: Annotated[tuple[Annotated[float, Interval(gt=0, le=1)], ...], Doc("one for each value; they sum to 1")]


class DiscreteConstants(NamedTuple):
    """Walker's alias table: cell c holds values[2c] with probability keep[c], and values[2c + 1] otherwise.

    size (dim,): the number of cells K. keep (dim, K). values (dim, 2K).
    """

    size: Lanes
    keep: Lanes
    values: Lanes


def check_discrete(h: Discrete) -> list[Complaint]:
    """Refuse probabilities that do not match the values or do not sum to 1 (to 1e-9), and duplicate values."""
    if len(h.probabilities) != len(h.values):
        return [Complaint("probabilities", f"has {count(len(h.probabilities), 'number')} for {count(len(h.values), 'value')}")]
    if len(set(h.values)) < len(h.values):
        return [Complaint("values", "duplicate point; add up its probabilities")]
    if abs(sum(h.probabilities) - 1.0) > 1e-9:
        return [Complaint("probabilities", f"sum to {sum(h.probabilities):.12g}, not to 1")]
    return []


def prepare_discrete(h: Discrete, dim: int) -> DiscreteConstants:
    """Return the alias table, repeated for each of dim coordinates."""
    keep, values = alias_table(np.asarray(h.values), normalised(h))
    # size is a float since it only multiplies a uniform.
    return DiscreteConstants(np.full(dim, float(len(h.values))), np.tile(keep, (dim, 1)), np.tile(values, (dim, 1)))


def normalised(h: Discrete) -> Array:
    """Return the probabilities (K,) divided by their sum, which may differ from 1 by rounding."""
    probabilities = np.asarray(h.probabilities)
    return np.asarray(probabilities / probabilities.sum())


def alias_table(values: Array, probabilities: Array) -> tuple[Array, Array]:
    """Build Walker's alias table (1977) for values (K,): returns keep (K,) and values (2K,).

    A value with less than 1/K fills the rest of its cell from a value that has more.
    """
    # In units of a cell: 1 fills it.
    share = probabilities * len(values)
    keep, pairs = np.ones(len(values)), np.repeat(values, 2)
    light = [cell for cell in range(len(values)) if share[cell] < 1.0]
    heavy = [cell for cell in range(len(values)) if share[cell] >= 1.0]
    # Either list may run out first by rounding; what is left keeps its whole cell, which keep = 1 says.
    while light and heavy:
        cell, donor = light.pop(), heavy.pop()
        keep[cell], pairs[2 * cell + 1] = share[cell], values[donor]
        share[donor] -= 1.0 - share[cell]
        (light if share[donor] < 1.0 else heavy).append(donor)
    return keep, pairs


def sample_discrete(k: DiscreteConstants, u: Lanes) -> Lanes:
    """Return the value that u selects: floor(u size) is the cell, and the fraction left decides between its two values."""
    scaled = u * k.size
    cell = np.int64(scaled)
    # The choice between both values is made by index: lanes take no branch.
    other = np.int64(scaled - cell >= k.keep[index(cell)])
    return k.values[index(2 * cell + other)]


DISCRETE = Distribution(
    name="discrete",
    parameters=Discrete,
    paper="drawn by Walker's alias method (1977)",
    check=check_discrete,
    law=lambda h, dim: law_on_points(np.asarray(h.values), normalised(h), dim),
    atoms=lambda h, dim: atoms_on_points(np.asarray(h.values), normalised(h)),
    constants=DiscreteConstants,
    prepare=prepare_discrete,
    sample=sample_discrete,
    rows=lambda h: len(h.values) if np.ptp(h.probabilities) <= EQUAL else 0,
)


class Sequence(NamedTuple):
    """A list of values, each equally likely; with an order they are passed through one after another.

    Values may repeat, and all coordinates of a datum have the same one; or each entry of `rows` is a whole datum, a number
    for each coordinate. order: cyclic is the sequence itself, as in deterministic counterexamples of online learning.
    """

    values: Annotated[tuple[Value, ...] | None, Len(1, MOST_POINTS), Doc("numbers, one for each datum")] = None
    rows: Annotated[
        tuple[tuple[Value, ...], ...] | None,
        Len(1, MOST_POINTS),
        Words("a list of lists of dim numbers"),
        Doc("data of several coordinates, instead of values"),
    ] = None


class SequenceConstants(NamedTuple):
    """size (dim,): the number of data. values (dim, size): the numbers coordinate by coordinate."""

    size: Lanes
    values: Lanes


def check_sequence(h: Sequence) -> list[Complaint]:
    """Refuse both values and rows, or neither, and rows of different lengths."""
    if (h.values is None) is (h.rows is None):
        return [Complaint("values" if h.rows is None else "rows", "a sequence has either values or rows")]
    if h.rows is not None and (len(set(map(len, h.rows))) > 1 or not h.rows[0]):
        return [Complaint("rows", "all rows need as many numbers, one for each coordinate")]
    return []


def sequence_table(h: Sequence, dim: int) -> Array:
    """Return the data, shape (number, dim)."""
    return np.repeat(np.array(h.values)[:, None], dim, axis=1) if h.rows is None else np.array(h.rows)


def law_of_sequence(h: Sequence, dim: int) -> Law:
    """Return the exact moments of a datum drawn at random."""
    table = sequence_table(h, dim)
    laws = [law_on_points(column, np.full(len(table), 1.0 / len(table)), 1) for column in table.T]
    arrays = {name: np.concatenate([law.arrays()[name] for law in laws]) for name in laws[0].arrays()}
    return Law(**arrays, symmetric=all(law.symmetric for law in laws), moments=np.inf)


def prepare_sequence(h: Sequence, dim: int) -> SequenceConstants:
    """Return the columns as contiguous arrays, since a kernel works on one coordinate at a time."""
    table = sequence_table(h, dim)
    return SequenceConstants(np.full(dim, float(len(table))), np.ascontiguousarray(table.T))


def sample_sequence(k: SequenceConstants, u: Lanes) -> Lanes:
    """Return the number at place floor(u size)."""
    return k.values[index(u * k.size)]


SEQUENCE = Distribution(
    name="sequence",
    parameters=Sequence,
    paper="Reddi, Kale & Kumar (2018), arXiv:1904.09237: online counterexamples",
    check=check_sequence,
    law=law_of_sequence,
    constants=SequenceConstants,
    prepare=prepare_sequence,
    sample=sample_sequence,
    draws="row",
    dim=lambda h: None if h.rows is None else len(h.rows[0]),
    rows=lambda h: len(h.values or h.rows or ()),
    atoms=lambda h, dim: (sequence_table(h, dim), np.full(len(sequence_table(h, dim)), 1.0 / len(sequence_table(h, dim)))),
)
