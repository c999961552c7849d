"""Losses of theta - x that grow like |theta - x|, so that their gradients are bounded: huber, log_cosh."""

from typing import Annotated, Any, NamedTuple

import numpy as np
from annotated_types import Interval
from typing_extensions import Doc

from nonconv.components.definitions import SEARCH, Objective, OneOf
from nonconv.numerics.arithmetic import Lanes, select
from nonconv.numerics.elementary import exp, log1p, tanh

DATA = Doc("the law of X; coordinates are independent, or columns of a file")
DIM = Doc("number of coordinates")
LN_2 = 0.69314718055994530942


class Huber(NamedTuple):
    """A square near X that goes on as straight lines: E of the sum over coordinates of huber(theta_j - X_j).

    huber(r) = r^2 / 2 for |r| <= delta, and delta (|r| - delta / 2) beyond, as in PyTorch's HuberLoss. The gradient of one
    sample is r, clipped to [-delta, delta]. The minimizer lies between the median (delta -> 0) and the mean (delta -> inf);
    it is found numerically, and is an interval where the data leave a gap of more than 2 delta in their middle.
    """

    data: Annotated[Any, OneOf("data"), DATA]
    delta: Annotated[float, Interval(gt=0), Doc("where the square ends: the largest slope")] = 1.0
    dim: Annotated[int, Interval(ge=1, le=10**6), DIM] = 1


class HuberConstants(NamedTuple):
    """The end delta of the square, shape (dim,); of one coordinate inside the engine."""

    delta: Lanes


def prepare_huber(h: Huber, dim: int) -> HuberConstants:
    """Return the constants of all coordinates, shape (dim,)."""
    return HuberConstants(np.full(dim, h.delta))


def huber_loss(k: HuberConstants, theta: Lanes, x: Lanes) -> Lanes:
    """Return huber(theta - x): with c = min(|theta - x|, delta) it is c (|theta - x| - c / 2), on both branches."""
    away = np.abs(theta - x)
    inner = np.minimum(away, k.delta)
    return inner * (away - 0.5 * inner)


def huber_gradient(k: HuberConstants, theta: Lanes, x: Lanes) -> Lanes:
    """Return theta - x, clipped to [-delta, delta]: the derivative of `huber_loss` by theta."""
    return np.minimum(np.maximum(theta - x, -k.delta), k.delta)


def huber_curvature(k: HuberConstants, theta: Lanes, x: Lanes) -> Lanes:
    """Return 1 where |theta - x| < delta, 0 beyond: the derivative of `huber_gradient` by theta."""
    return select(np.abs(theta - x) < k.delta, 1.0, 0.0)


HUBER = Objective(
    name="huber",
    parameters=Huber,
    paper="Huber (1964), Ann. Math. Statist. 35, 73-101",
    constants=HuberConstants,
    prepare=prepare_huber,
    loss=huber_loss,
    gradient=huber_gradient,
    curvature=huber_curvature,
    minima=SEARCH,
)


class LogCosh(NamedTuple):
    """A smooth loss with bounded slope: E of the sum over coordinates of log cosh(theta_j - X_j).

    It is r^2 / 2 for small r = theta - X and |r| - log 2 for large ones. The gradient of one sample is tanh(r). The minimizer
    is found numerically; it is E X where the data are symmetric.
    """

    data: Annotated[Any, OneOf("data"), DATA]
    dim: Annotated[int, Interval(ge=1, le=10**6), DIM] = 1


class LogCoshConstants(NamedTuple):
    """log 2 for each coordinate, shape (dim,); of one coordinate inside the engine."""

    log_two: Lanes


def prepare_log_cosh(h: LogCosh, dim: int) -> LogCoshConstants:
    """Return the constants of all coordinates, shape (dim,)."""
    return LogCoshConstants(np.full(dim, LN_2))


def log_cosh_loss(k: LogCoshConstants, theta: Lanes, x: Lanes) -> Lanes:
    """Return log cosh r for r = theta - x: |r| + log(1 + exp(-2 |r|)) - log 2 for large r.

    Near 0 these cancel; there it is -log(1 - tanh(r)^2) / 2.
    """
    away = np.abs(theta - x)
    slope = tanh(np.minimum(away, 1.0))
    return select(away < 1.0, -0.5 * log1p(-slope * slope), away + (log1p(exp(-2.0 * away)) - k.log_two))


def log_cosh_gradient(k: LogCoshConstants, theta: Lanes, x: Lanes) -> Lanes:
    """Return tanh(theta - x), the derivative of `log_cosh_loss` by theta."""
    return tanh(theta - x)


def log_cosh_curvature(k: LogCoshConstants, theta: Lanes, x: Lanes) -> Lanes:
    """Return 1 - tanh(theta - x)^2, the derivative of `log_cosh_gradient` by theta."""
    slope = tanh(theta - x)
    return (1.0 - slope) * (1.0 + slope)


LOG_COSH = Objective(
    name="log_cosh",
    parameters=LogCosh,
    paper="Green (1990), IEEE Trans. Med. Imaging 9, 84-93",
    constants=LogCoshConstants,
    prepare=prepare_log_cosh,
    loss=log_cosh_loss,
    gradient=log_cosh_gradient,
    curvature=log_cosh_curvature,
    minima=SEARCH,
)
