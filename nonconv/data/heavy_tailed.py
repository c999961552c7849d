"""Laws with heavy tails: student_t, cauchy, laplace, pareto. Each says which of its moments exist.

Constants have shape (dim,), but for the table of student_t; `sample` gets those of one coordinate, and a uniform u in [0, 1).
All laws draw by inversion at the middle of the uniform's grid cell, so that no number is infinite: u itself may be 0. Both
tails have all digits, down to the probability 2^-53.
"""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Annotated, NamedTuple

import numpy as np
from annotated_types import Interval
from typing_extensions import Doc

from nonconv.components.definitions import Distribution, Law
from nonconv.data.continuous import HALF_GRID
from nonconv.data.values import LARGEST, Value, fourth_power
from nonconv.numerics.arithmetic import Lanes, select
from nonconv.numerics.elementary import exp, log, tan_near_0
from nonconv.numerics.student_law import student_quantile, student_table

Scale = Annotated[float, Interval(gt=0, le=LARGEST), Doc("the unit of length")]
Loc = Annotated[Value, Doc("the point of symmetry")]


class LocScale(NamedTuple):
    """loc and scale, shape (dim,) each; those of one coordinate inside the engine."""

    loc: Lanes
    scale: Lanes


class _LocScaled(NamedTuple):
    """What laws that a unit and a place are enough for have in common; parameters have these names."""

    loc: float
    scale: float


def prepare_loc_scale(h: "_LocScaled | Cauchy | Laplace | StudentT | Pareto", dim: int) -> LocScale:
    """Return the constants, shape (dim,) each, the same for every coordinate."""
    return LocScale(np.full(dim, h.loc), np.full(dim, h.scale))


def tail_of(p: Lanes) -> Lanes:
    """Return the distance of a probability from the nearer of 0 and 1, exactly."""
    return np.minimum(p, 1.0 - p)


def symmetric_law(dim: int, loc: float, scale: float, order: float, absolute: Callable[[int], float], quartile: float) -> Law:
    """Return the law loc + scale Z of a symmetric Z with density or without, for dim coordinates.

    order: E|Z|^k is finite for k below it. absolute: k -> E|Z|^k for such k. quartile: of Z, the upper one.
    """

    def moment(k: int) -> float:
        """Return E Z^k for even k: infinite, where it is so and the mean exists, else nan."""
        return absolute(k) if k < order else math.inf if order > 1 else math.nan

    fourth, eighth = moment(4), moment(8)
    return Law.same(
        dim,
        *(loc if order > 1 else math.nan, scale**2 * moment(2), 0.0 if order > 3 else math.nan, -np.inf, np.inf),
        symmetric=True,
        fourth=fourth_power(scale) * fourth,
        moments=order,
        tail_share=fourth / eighth * fourth if math.isfinite(eighth) else 0.0,
        center=loc,
        spread=scale * quartile,
    )


class Laplace(NamedTuple):
    """Laplace's law: two exponential tails. All moments exist; variance 2 scale^2, kurtosis 6."""

    loc: Loc = 0.0
    scale: Scale = 1.0


def laplace_law(h: Laplace, dim: int) -> Law:
    """Return the exact moments: E|X - loc|^k = k! scale^k."""
    return symmetric_law(dim, h.loc, h.scale, math.inf, lambda k: float(math.factorial(k)), math.log(2.0))


def sample_laplace(k: LocScale, u: Lanes) -> Lanes:
    """Return loc +- scale log(2 tail), tail being the distance of the uniform from the nearer of 0 and 1."""
    p = u + HALF_GRID
    return k.loc + k.scale * np.copysign(log(2.0 * tail_of(p)), p - 0.5)


LAPLACE = Distribution(
    name="laplace",
    parameters=Laplace,
    paper="Laplace (1774)",
    law=laplace_law,
    constants=LocScale,
    prepare=prepare_loc_scale,
    sample=sample_laplace,
)


class Cauchy(NamedTuple):
    """Cauchy's law, which has no mean: E|X|^k is finite for k < 1 only.

    Averages of such data are no less spread than one datum. Its quartiles are loc - scale and loc + scale.
    """

    loc: Annotated[Value, Doc("the median and point of symmetry; there is no mean")] = 0.0
    scale: Scale = 1.0


def cauchy_law(h: Cauchy, dim: int) -> Law:
    """Return what there is: no moment, the point of symmetry and the quartiles."""
    return symmetric_law(dim, h.loc, h.scale, 1.0, lambda k: math.nan, 1.0)


def sample_cauchy(k: LocScale, u: Lanes) -> Lanes:
    """Return loc + scale tan(pi q), q being the uniform less 1/2: the tangent, or 1 over that of what is left to pi/2."""
    p = u + HALF_GRID
    q, tail = np.abs(p - 0.5), tail_of(p)
    near = q < tail
    t = tan_near_0(math.pi * select(near, q, tail))
    return k.loc + k.scale * np.copysign(select(near, t, 1.0 / t), p - 0.5)


CAUCHY = Distribution(
    name="cauchy",
    parameters=Cauchy,
    paper="a law without a mean",
    law=cauchy_law,
    constants=LocScale,
    prepare=prepare_loc_scale,
    sample=sample_cauchy,
)


class StudentT(NamedTuple):
    """Student's t with any number of degrees of freedom: E|X|^k is finite for k < df only.

    It has no mean for df <= 1, and no variance for df <= 2; the variance is scale^2 df / (df - 2) beyond. df 1 is cauchy.
    Quantiles have a relative error of at most 1e-13; with df 2 they are (2u - 1) / sqrt(2u (1 - u)), to an ulp or two.
    """

    df: Annotated[float, Interval(ge=0.5, le=1e6), Doc("degrees of freedom")]
    loc: Annotated[Value, Doc("the median and point of symmetry; the mean, where there is one")] = 0.0
    scale: Scale = 1.0


class StudentConstants(NamedTuple):
    """loc, scale and sqrt(df), shape (dim,) each, and the table (dim, coefficients) of numerics.student_law."""

    loc: Lanes
    scale: Lanes
    root: Lanes
    table: Lanes


def student_moment(df: float, k: int) -> float:
    """Return E T^k for an even k < df: the product of df (2i - 1) / (df - 2i) for i = 1, ..., k/2."""
    return math.prod(df * (2 * i - 1) / (df - 2 * i) for i in range(1, k // 2 + 1))


def student_law(h: StudentT, dim: int) -> Law:
    """Return the exact moments, where there are any."""
    quartile = float(student_quantile(student_table(h.df), math.sqrt(h.df), np.float64(0.75)))
    return symmetric_law(dim, h.loc, h.scale, h.df, lambda k: student_moment(h.df, k), quartile)


def prepare_student(h: StudentT, dim: int) -> StudentConstants:
    """Return the constants, the same for every coordinate."""
    table = np.tile(np.array(student_table(h.df)), (dim, 1))
    return StudentConstants(np.full(dim, h.loc), np.full(dim, h.scale), np.full(dim, math.sqrt(h.df)), table)


def sample_student(k: StudentConstants, u: Lanes) -> Lanes:
    """Return loc + scale t, t being the quantile of Student's law at the middle of the uniform's grid cell."""
    return k.loc + k.scale * student_quantile(k.table, k.root, u + HALF_GRID)


def sample_student_2(k: LocScale, u: Lanes) -> Lanes:
    """Return loc + scale t for 2 degrees of freedom."""
    p = u + HALF_GRID
    return k.loc + k.scale * ((2.0 * p - 1.0) / np.sqrt(2.0 * p * (1.0 - p)))


STUDENT_2 = Distribution(
    name="student_t",
    parameters=StudentT,
    paper="Student (1908)",
    law=student_law,
    constants=LocScale,
    prepare=prepare_loc_scale,
    sample=sample_student_2,
)
STUDENT_1 = Distribution(
    name="student_t",
    parameters=StudentT,
    paper="Student (1908)",
    law=student_law,
    constants=LocScale,
    prepare=prepare_loc_scale,
    sample=sample_cauchy,
)
STUDENT_T = Distribution(
    name="student_t",
    parameters=StudentT,
    paper="Student (1908)",
    law=student_law,
    constants=StudentConstants,
    prepare=prepare_student,
    sample=sample_student,
    form=lambda h: {1.0: STUDENT_1, 2.0: STUDENT_2}.get(h.df),
)


class Pareto(NamedTuple):
    """Pareto's law, tails like powers: P(|X - loc| > x) = (x / scale)^-exponent for x >= scale.

    E|X|^k is finite for k < exponent only: there is no mean for exponents <= 1, and no variance for exponents <= 2.
    One-sided X lies in [loc + scale, inf). Quantiles are algebraic for the exponents 1, 4/3, 2 and 4.
    """

    exponent: Annotated[float, Interval(ge=0.1, le=1e3), Doc("how fast tails fall: moments below this order exist")]
    loc: Annotated[Value, Doc("where distances are measured from")] = 0.0
    scale: Annotated[float, Interval(gt=0, le=LARGEST), Doc("the smallest distance from loc")] = 1.0
    symmetric: Annotated[bool, Doc("whether X lies on either side of loc with equal probability")] = False


class ParetoConstants(NamedTuple):
    """loc, scale and 1 / exponent, shape (dim,) each. fold: 1 for one side, 2 for both. below: 1, or -1 for both sides."""

    loc: Lanes
    scale: Lanes
    inverse: Lanes
    fold: Lanes
    below: Lanes


def pareto_law(h: Pareto, dim: int) -> Law:
    """Return the exact moments, where there are any: E|X - loc|^k = scale^k exponent / (exponent - k)."""
    a = h.exponent
    if h.symmetric:
        return symmetric_law(dim, h.loc, h.scale, a, lambda k: a / (a - k), 2.0 ** (1.0 / a))
    first, median, third = (4.0 ** (1.0 / a) / part ** (1.0 / a) for part in (3.0, 2.0, 1.0))
    variance, cube, fourth, eighth = (_pareto_central(a, k) for k in (2, 3, 4, 8))
    return Law.same(
        dim,
        h.loc + h.scale * a / (a - 1.0) if a > 1.0 else math.nan,
        *(h.scale**2 * variance, h.scale**3 * cube, h.loc + h.scale, np.inf),
        symmetric=False,
        fourth=fourth_power(h.scale) * fourth,
        moments=a,
        tail_share=fourth / eighth * fourth if math.isfinite(eighth) else 0.0,
        center=h.loc + h.scale * median,
        spread=h.scale * (third - first) / 2.0,
    )


def _pareto_central(exponent: float, k: int) -> float:
    """Return E (X - mean)^k of Pareto's law on [1, inf); infinite, or without a mean nan, where it does not exist.

    In fractions, since the sum cancels where the law is narrow.
    """
    if k >= exponent:
        return math.inf if exponent > 1.0 else math.nan
    a = Fraction(exponent)
    mean = a / (a - 1)
    return float(sum(math.comb(k, i) * a / (a - i) * (-mean) ** (k - i) for i in range(k + 1)))


def prepare_pareto(h: Pareto, dim: int) -> ParetoConstants:
    """Return the constants, shape (dim,) each, the same for every coordinate."""
    sides = (2.0, -1.0) if h.symmetric else (1.0, 1.0)
    return ParetoConstants(*(np.full(dim, number) for number in (h.loc, h.scale, 1.0 / h.exponent, *sides)))


def pareto_share(k: ParetoConstants, u: Lanes) -> Lanes:
    """Return P(|X - loc| > that of the uniform): 1 - u on one side, twice the tail on both."""
    p = u + HALF_GRID
    return k.fold * select((p < 0.5) & (k.fold > 1.0), p, 1.0 - p)


def pareto_number(k: ParetoConstants, u: Lanes, distance: Lanes) -> Lanes:
    """Return loc + scale distance, or loc - scale distance in the lower half of a symmetric law."""
    return k.loc + k.scale * select(u < 0.5, k.below * distance, distance)


def sample_pareto(k: ParetoConstants, u: Lanes) -> Lanes:
    """Return the number at distance share^(-1 / exponent) by exp and log."""
    return pareto_number(k, u, exp(-k.inverse * log(pareto_share(k, u))))


def sample_pareto_1(k: ParetoConstants, u: Lanes) -> Lanes:
    """Return the number at distance 1 / share."""
    return pareto_number(k, u, 1.0 / pareto_share(k, u))


def sample_pareto_4_3(k: ParetoConstants, u: Lanes) -> Lanes:
    """Return the number at distance share^(-3/4)."""
    root = np.sqrt(pareto_share(k, u))
    return pareto_number(k, u, 1.0 / (root * np.sqrt(root)))


def sample_pareto_2(k: ParetoConstants, u: Lanes) -> Lanes:
    """Return the number at distance share^(-1/2)."""
    return pareto_number(k, u, 1.0 / np.sqrt(pareto_share(k, u)))


def sample_pareto_4(k: ParetoConstants, u: Lanes) -> Lanes:
    """Return the number at distance share^(-1/4)."""
    return pareto_number(k, u, 1.0 / np.sqrt(np.sqrt(pareto_share(k, u))))


def _pareto(sample: Callable[[ParetoConstants, Lanes], Lanes]) -> Distribution:
    """Return Pareto's law drawn by this function."""
    return Distribution(
        name="pareto",
        parameters=Pareto,
        paper="Pareto (1896)",
        law=pareto_law,
        constants=ParetoConstants,
        prepare=prepare_pareto,
        sample=sample,
        form=lambda h: PARETO_FORMS.get(h.exponent),
    )


PARETO = _pareto(sample_pareto)
PARETO_FORMS = {
    1.0: _pareto(sample_pareto_1),
    4.0 / 3.0: _pareto(sample_pareto_4_3),
    2.0: _pareto(sample_pareto_2),
    4.0: _pareto(sample_pareto_4),
}
"""Those with algebraic quantiles, by exponent. A config gives 4/3 as 1.3333333333333333."""
