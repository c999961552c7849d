"""Objectives in one dimension, summed over coordinates: quartic, log-cosh, Huber, and least squares with random factors."""

from typing import Annotated, Any, NamedTuple

import numpy as np

from nonconv.plugin import OBJECTIVES, Array, Doc, Interval, Lanes, Law, Objective, OneOf, exp, log1p, tanh

Data = Annotated[Any, OneOf("data"), Doc("the law of X; coordinates are independent")]
Dim = Annotated[int, Interval(ge=1, le=10**6), Doc("number of coordinates")]


class NoConstants(NamedTuple):
    """The kernel wants one number at least."""

    one: Lanes


def no_constants(h: Any, dim: int) -> NoConstants:
    return NoConstants(np.ones(dim))


def at_zero(h: Any, law: Law) -> Array:
    return np.zeros_like(law.mean)


class Quartic(NamedTuple):
    """A flat bowl: theta^4 / 4 - X theta, minimized at 0 where E X = 0."""

    data: Data
    dim: Dim = 1


def quartic_loss(k: NoConstants, theta: Lanes, x: Lanes) -> Lanes:
    square = theta * theta
    return 0.25 * (square * square) - x * theta


def quartic_gradient(k: NoConstants, theta: Lanes, x: Lanes) -> Lanes:
    return theta * (theta * theta) - x


class LogCosh(NamedTuple):
    """A robust loss: log cosh(theta - X)."""

    data: Data
    dim: Dim = 1


def log_cosh_loss(k: NoConstants, theta: Lanes, x: Lanes) -> Lanes:
    size = np.abs(theta - x)
    return size + log1p(exp(-2.0 * size)) - np.log(2.0)


def log_cosh_gradient(k: NoConstants, theta: Lanes, x: Lanes) -> Lanes:
    return tanh(theta - x)


class Huber(NamedTuple):
    """Huber's loss of theta - X: half the square up to `width`, linear beyond."""

    data: Data
    dim: Dim = 1
    width: Annotated[float, Interval(gt=0), Doc("where the loss becomes linear")] = 1.0


class HuberConstants(NamedTuple):
    width: Lanes


def huber_constants(h: Huber, dim: int) -> HuberConstants:
    return HuberConstants(np.full(dim, h.width))


def huber_loss(k: HuberConstants, theta: Lanes, x: Lanes) -> Lanes:
    near = np.minimum(np.abs(theta - x), k.width)
    return near * (np.abs(theta - x) - 0.5 * near)


def huber_gradient(k: HuberConstants, theta: Lanes, x: Lanes) -> Lanes:
    return np.maximum(np.minimum(theta - x, k.width), -k.width)


class Product(NamedTuple):
    """Least squares without labels' noise: (X theta)^2 / 2, minimized at 0."""

    data: Data
    dim: Dim = 1


def product_loss(k: NoConstants, theta: Lanes, x: Lanes) -> Lanes:
    return 0.5 * (x * theta) * (x * theta)


def product_gradient(k: NoConstants, theta: Lanes, x: Lanes) -> Lanes:
    return x * x * theta


class Mixed(NamedTuple):
    """Additive and multiplicative noise: (1 + X/2) theta^2 / 2 + X theta, minimized at 0 where E X = 0."""

    data: Data
    dim: Dim = 1


def mixed_loss(k: NoConstants, theta: Lanes, x: Lanes) -> Lanes:
    return 0.5 * (1.0 + 0.5 * x) * theta * theta + x * theta


def mixed_gradient(k: NoConstants, theta: Lanes, x: Lanes) -> Lanes:
    return (1.0 + 0.5 * x) * theta + x


class Tilt(NamedTuple):
    """No curvature: X theta. Where E X = 0 every point is a minimizer."""

    data: Data
    dim: Dim = 1


def tilt_loss(k: NoConstants, theta: Lanes, x: Lanes) -> Lanes:
    return x * theta


def tilt_gradient(k: NoConstants, theta: Lanes, x: Lanes) -> Lanes:
    return x


for name, parameters, constants, prepare, loss, gradient, minimizer in (
    ("quartic", Quartic, NoConstants, no_constants, quartic_loss, quartic_gradient, None),
    ("log_cosh", LogCosh, NoConstants, no_constants, log_cosh_loss, log_cosh_gradient, None),
    ("huber", Huber, HuberConstants, huber_constants, huber_loss, huber_gradient, None),
    ("product", Product, NoConstants, no_constants, product_loss, product_gradient, at_zero),
    ("mixed", Mixed, NoConstants, no_constants, mixed_loss, mixed_gradient, None),
    ("tilt", Tilt, NoConstants, no_constants, tilt_loss, tilt_gradient, None),
):
    OBJECTIVES.register(
        Objective(
            name=name,
            parameters=parameters,
            paper="a textbook example",
            constants=constants,
            prepare=prepare,
            loss=loss,
            gradient=gradient,
            minimizer=minimizer,
        )
    )
