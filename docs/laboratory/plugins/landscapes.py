"""Objectives in one dimension, summed over coordinates: least squares with random factors."""

from typing import Annotated, Any, NamedTuple

import numpy as np

from nonconv.plugin import OBJECTIVES, Array, Doc, Interval, Lanes, Law, Objective, OneOf

Data = Annotated[Any, OneOf("data"), Doc("the law of X; coordinates are independent")]
Dim = Annotated[int, Interval(ge=1, le=10**6), Doc("number of coordinates")]


class NoConstants(NamedTuple):
    """The kernel wants one number at least."""

    one: Lanes


def no_constants(h: Any, dim: int) -> NoConstants:
    return NoConstants(np.ones(dim))


def at_zero(h: Any, law: Law) -> Array:
    return np.zeros_like(law.mean)


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


for name, parameters, constants, prepare, loss, gradient, minimizer in (
    ("product", Product, NoConstants, no_constants, product_loss, product_gradient, at_zero),
    ("mixed", Mixed, NoConstants, no_constants, mixed_loss, mixed_gradient, None),
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
