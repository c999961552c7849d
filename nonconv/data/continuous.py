"""Laws with a density: uniform, log_uniform, normal, truncated_normal.

Constants have shape (dim,); `sample` gets those of one coordinate, and a uniform u in [0, 1), an array over paths or
the scalar of one lane. All laws draw by inversion: one uniform gives one number.
"""

import math
from functools import cache
from typing import Annotated, Literal, NamedTuple

import numpy as np
from annotated_types import Interval
from typing_extensions import Doc

from nonconv.components.definitions import Complaint, Distribution, Law
from nonconv.data.values import LARGEST, Value, complain_unless_ordered, fourth_power
from nonconv.numerics.arithmetic import Array, Lanes, select
from nonconv.numerics.elementary import exp
from nonconv.numerics.normal import normal_quantile

HALF_GRID = 2.0**-53
"""Half the spacing of the uniforms: u + HALF_GRID lies strictly between 0 and 1, and exactly so."""
NORMAL_TAIL_SHARE = 3.0**2 / 105.0
"""fourth^2 / eighth moment of normal numbers."""


@cache
def gauss_400() -> tuple[Array, Array]:
    """Return nodes and weights, (400,) each, of Gauss-Legendre quadrature on [-1, 1]; cached, as they take up to a second."""
    return np.polynomial.legendre.leggauss(400)


class Uniform(NamedTuple):
    """The uniform law on [low, high)."""

    low: Annotated[Value, Doc("the lower end")] = -1.0
    high: Annotated[Value, Doc("the upper end")] = 1.0


class UniformConstants(NamedTuple):
    """low and high - low, shape (dim,) each; those of one coordinate inside the engine."""

    low: Lanes
    width: Lanes


def uniform_law(h: Uniform, dim: int) -> Law:
    """Return the exact moments: mean (low + high) / 2, variance (high - low)^2 / 12, fourth (high - low)^4 / 80."""
    numbers = ((h.low + h.high) / 2, (h.high - h.low) ** 2 / 12, 0.0, h.low, h.high)
    # With r half the width, E (X - mean)^k = r^k / (k + 1) for even k.
    return Law.same(dim, *numbers, symmetric=True, fourth=fourth_power(h.high - h.low) / 80, moments=np.inf, tail_share=9 / 25)


def sample_uniform(k: UniformConstants, u: Lanes) -> Lanes:
    """Return low + width u, in [low, high) up to rounding."""
    return k.low + k.width * u


UNIFORM = Distribution(
    name="uniform",
    parameters=Uniform,
    paper="a bounded symmetric law with a density",
    check=complain_unless_ordered,
    law=uniform_law,
    constants=UniformConstants,
    prepare=lambda h, dim: UniformConstants(np.full(dim, h.low), np.full(dim, h.high - h.low)),
    sample=sample_uniform,
)


class LogUniform(NamedTuple):
    """Magnitudes spread evenly over the orders of magnitude from low to high, with either sign or one of them."""

    low: Annotated[float, Interval(ge=1 / LARGEST, le=LARGEST), Doc("the smallest magnitude")]
    high: Annotated[float, Interval(ge=1 / LARGEST, le=LARGEST), Doc("the largest magnitude")]
    sign: Annotated[Literal["both", "positive", "negative"], Doc("the signs; both are equally probable")] = "both"


class LogUniformConstants(NamedTuple):
    """low, log(high / low), and the probability of a negative sign (0, 1/2 or 1), shape (dim,) each."""

    low: Lanes
    log_ratio: Lanes
    negative: Lanes


def log_uniform_law(h: LogUniform, dim: int) -> Law:
    """Return exact moments: E|X|^k = (high^k - low^k) / (k log(high / low)).

    For ratios up to exp(4) they come from quadrature around the mean, since the closed forms of central moments cancel.
    """
    low, width, sign = h.low, log_ratio(h), -1.0 if h.sign == "negative" else 1.0
    if width > 4.0:
        first, second, third = ((h.high**k - low**k) / (k * width) for k in (1, 2, 3))
        variance, central = second - first**2, third - 3.0 * first * second + 2.0 * first**3
    else:  # by quadrature around the mean, where these would cancel
        # rise = |X| / low - 1 at the nodes; expm1 keeps its digits where high is close to low.
        node, weight = np.polynomial.legendre.leggauss(40)
        rise, weight = np.expm1(width * (1.0 + node) / 2.0), weight / weight.sum()
        center = float(weight @ rise)
        variance, central = (float(weight @ (low * (rise - center)) ** k) for k in (2, 3))
        first, second = low + low * center, float(weight @ (low + low * rise) ** 2)
    fourth, eighth = _log_uniform_tails(width, h.sign == "both")
    tails = {"fourth": fourth_power(h.high) * fourth, "moments": np.inf, "tail_share": fourth**2 / eighth}
    if h.sign == "both":
        return Law.same(dim, 0.0, second, 0.0, -h.high, h.high, symmetric=True, **tails)
    ends = sorted((sign * low, sign * h.high))
    return Law.same(dim, sign * first, variance, sign * central, *ends, symmetric=False, **tails)


def _log_uniform_tails(width: float, both: bool) -> tuple[float, float]:
    """Return the fourth and the eighth central moment in units of high; width: log(high / low), both: with either sign."""
    # Gauss-Legendre panels of length 1 from the top, below which 40 leave nothing: exp is smooth on each.
    panels = np.minimum(np.arange(min(math.ceil(width), 40) + 1.0), width)
    node, weight = np.polynomial.legendre.leggauss(20)
    half = np.diff(panels)[:, None] / 2.0
    magnitude, weight = np.exp(-(panels[:-1, None] + half + half * node)), half * weight
    total = float(weight.sum())
    # What lies further down is at 0 in these units.
    beyond = (width - total) / width
    mean = 0.0 if both else float((weight * magnitude).sum()) / width
    fourth, eighth = (float((weight * (magnitude - mean) ** k).sum()) / width + beyond * mean**k for k in (4, 8))
    return fourth, eighth


def log_ratio(h: LogUniform) -> float:
    """Return log(high / low); log1p where high is at most 2 low, for else a narrow range would lose its digits."""
    return math.log(h.high / h.low) if h.high > 2.0 * h.low else math.log1p((h.high - h.low) / h.low)


def prepare_log_uniform(h: LogUniform, dim: int) -> LogUniformConstants:
    """Return the constants, shape (dim,) each, the same for every coordinate."""
    negative = {"both": 0.5, "positive": 0.0, "negative": 1.0}[h.sign]
    return LogUniformConstants(*(np.full(dim, value) for value in (h.low, log_ratio(h), negative)))


def sample_log_uniform(k: LogUniformConstants, u: Lanes) -> Lanes:
    """Return +-low exp(log_ratio v): u < negative chooses the sign, and v is the place of u within that part."""
    below = u < k.negative
    # Both branches are evaluated, also where one has probability 0: the maxima keep it from dividing by 0.
    part = select(below, u / np.maximum(k.negative, 0.5), (u - k.negative) / np.maximum(1.0 - k.negative, 0.5))
    magnitude = k.low * exp(k.log_ratio * part)
    return select(below, -magnitude, magnitude)


LOG_UNIFORM = Distribution(
    name="log_uniform",
    parameters=LogUniform,
    paper="scipy.stats.loguniform",
    check=complain_unless_ordered,
    law=log_uniform_law,
    constants=LogUniformConstants,
    prepare=prepare_log_uniform,
    sample=sample_log_uniform,
)


class Normal(NamedTuple):
    """The normal law; unbounded, so outside the assumptions of arXiv:2407.08100."""

    mean: Annotated[Value, Doc("the mean")] = 0.0
    std: Annotated[float, Interval(gt=0, le=LARGEST), Doc("the standard deviation")] = 1.0


class NormalConstants(NamedTuple):
    """Mean and standard deviation, shape (dim,) each; those of one coordinate inside the engine."""

    mean: Lanes
    std: Lanes


def normal_law(h: Normal, dim: int) -> Law:
    """Return the exact moments: mean, std^2, 0, fourth 3 std^4, unbounded."""
    numbers = (h.mean, h.std**2, 0.0, -np.inf, np.inf)
    return Law.same(dim, *numbers, symmetric=True, fourth=3 * fourth_power(h.std), moments=np.inf, tail_share=NORMAL_TAIL_SHARE)


def sample_normal(k: NormalConstants, u: Lanes) -> Lanes:
    """Return mean + std z, z being the normal quantile at the middle of the uniform's grid cell.

    Hence no quantile is infinite: u itself may be 0.
    """
    return k.mean + k.std * normal_quantile(u + HALF_GRID)


NORMAL = Distribution(
    name="normal",
    parameters=Normal,
    paper="an unbounded control",
    law=normal_law,
    constants=NormalConstants,
    prepare=lambda h, dim: NormalConstants(np.full(dim, h.mean), np.full(dim, h.std)),
    sample=sample_normal,
)


class TruncatedNormal(NamedTuple):
    """The normal law conditioned on [low, high]: bounded, with a density."""

    low: Annotated[Value, Doc("the lower end")] = -2.0
    high: Annotated[Value, Doc("the upper end")] = 2.0
    mean: Annotated[Value, Doc("the mean before truncation")] = 0.0
    std: Annotated[float, Interval(gt=0, le=LARGEST), Doc("the standard deviation before truncation")] = 1.0


class TruncatedNormalConstants(NamedTuple):
    """Shape (dim,) each: mean and std before truncation, the range p_low to p_low + p_width of `lower_tail`, and the ends.

    std is negative where `lower_tail` mirrors the law.
    """

    mean: Lanes
    std: Lanes
    p_low: Lanes
    p_width: Lanes
    low: Lanes
    high: Lanes


def standardised(h: TruncatedNormal) -> tuple[float, float]:
    """Return low and high in standard deviations from the mean."""
    return (h.low - h.mean) / h.std, (h.high - h.mean) / h.std


def lower_tail(h: TruncatedNormal) -> tuple[float, float, float]:
    """Return a sign, and start and width of the probabilities of sign * Z on the interval.

    The law is mirrored where that makes its interval reach further left than right. Then no probability is lost in rounding,
    and none rounds to 1, where the quantile is infinite.
    """
    a, b = standardised(h)
    sign, a, b = (-1.0, -b, -a) if a + b > 0 else (1.0, a, b)
    p_low, p_high = (math.erfc(-z / math.sqrt(2.0)) / 2.0 for z in (a, b))
    # The maximum keeps p_low + p_width u above 0 at u = 0, where the quantile would be infinite.
    return sign, max(p_low, (p_high - p_low) * HALF_GRID), p_high - p_low


def check_truncated(h: TruncatedNormal) -> list[Complaint]:
    """Refuse high <= low, and an interval with a probability below 1e-290, close to the smallest normal double."""
    if h.high > h.low and lower_tail(h)[2] < 1e-290:
        return [Complaint("low", "the interval [low, high] is so narrow, or so far from the mean, that it carries no mass")]
    return complain_unless_ordered(h)


LEAST_EIGHTH = 1e-290
"""Eighth moments below this, relative to the law before it is truncated, have lost digits."""


def _narrow_share(weight: Array, away: Array) -> float:
    """Return the tail share on an interval so narrow that powers of deviations underflow but in units of the largest."""
    largest = float(np.abs(away).max())
    if largest == 0.0:
        return 1.0  # narrower than doubles can tell
    return float(weight @ (away / largest) ** 4) ** 2 / float(weight @ (away / largest) ** 8)


def truncated_law(h: TruncatedNormal, dim: int) -> Law:
    """Return moments by Gauss-Legendre quadrature, exact up to rounding; sums of central ones do not cancel."""
    a, b = standardised(h)
    mode = min(max(0.0, a), b)
    # 40 standard deviations from the mode the density is below exp(-800) of its maximum.
    a, b = max(a, mode - 40.0), min(b, mode + 40.0)
    node, weight = gauss_400()
    z = (a + b) / 2 + (b - a) / 2 * node
    # The density relative to that at the mode: far in a tail the density itself would underflow.
    weight = weight * np.exp((mode - z) * (mode + z) / 2)
    weight /= weight.sum()
    center = float(weight @ z)
    second, third, fourth, eighth = (float(weight @ (z - center) ** k) for k in (2, 3, 4, 8))
    share = fourth**2 / eighth if eighth >= LEAST_EIGHTH else _narrow_share(weight, z - center)
    tails = {"fourth": fourth_power(h.std) * fourth, "moments": np.inf, "tail_share": share}
    # The mean is the middle of the interval, exactly: no odd moment is left to rounding.
    if h.low - h.mean == h.mean - h.high:
        return Law.same(dim, h.mean, h.std**2 * second, 0.0, h.low, h.high, symmetric=True, **tails)
    numbers = (h.mean + h.std * center, h.std**2 * second, h.std**3 * third, h.low, h.high)
    return Law.same(dim, *numbers, symmetric=False, **tails)


def prepare_truncated(h: TruncatedNormal, dim: int) -> TruncatedNormalConstants:
    """Return the constants, shape (dim,) each, the same for every coordinate."""
    sign, p_low, p_width = lower_tail(h)
    numbers = (h.mean, sign * h.std, p_low, p_width, h.low, h.high)
    return TruncatedNormalConstants(*(np.full(dim, number) for number in numbers))


def sample_truncated(k: TruncatedNormalConstants, u: Lanes) -> Lanes:
    """Return mean + std z, z being the normal quantile at p_low + p_width u; clipped to [low, high] against rounding."""
    z = normal_quantile(k.p_low + k.p_width * u)
    return np.minimum(np.maximum(k.mean + k.std * z, k.low), k.high)


TRUNCATED_NORMAL = Distribution(
    name="truncated_normal",
    parameters=TruncatedNormal,
    paper="drawn by inversion, Wichura (1988)",
    check=check_truncated,
    law=truncated_law,
    constants=TruncatedNormalConstants,
    prepare=prepare_truncated,
    sample=sample_truncated,
)
