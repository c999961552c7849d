"""Labels that are linear in random features, with noise, and everything known of them: linear."""

from typing import Annotated, Literal, NamedTuple

import numpy as np
from annotated_types import Interval, Len
from typing_extensions import Doc

from nonconv.components.definitions import Complaint, Dataset, LabelNoise, Layers, Shape, Truth
from nonconv.data.continuous import HALF_GRID
from nonconv.data.values import Value
from nonconv.datasets.common import (
    BOUNDED,
    FOURTH,
    REACH,
    STANDARD,
    WIDEST,
    HeldOut,
    Inputs,
    Noise,
    NoiseLaw,
    Standard,
    add_noise,
    classify_noise,
)
from nonconv.numerics.arithmetic import Array, each, select
from nonconv.numerics.elementary import log
from nonconv.numerics.normal import normal_quantile
from nonconv.numerics.rng import key, uniforms

Scale = Annotated[float, Interval(gt=0, le=1e6)]


class Linear(NamedTuple):
    """Labels of a known linear model, with noise: least squares and logistic regression whose minimizer is known.

    x_j = scale_j times a number of mean 0 and variance 1, independent of the others, and s = weights x + bias.
    values: y = s + noise e, where e has mean 0 and variance 1.
    classes: y is 1 with probability 1 / (1 + exp(-s / noise)), else 0; without noise y is 1 where s > 0.
    """

    inputs: Inputs = 1
    features: Annotated[
        Standard, Doc("the law of x_j / scale_j: uniform on [-sqrt 3, sqrt 3], normal, -1 or 1, or Laplace")
    ] = "normal"
    scale: Annotated[
        Scale | Annotated[tuple[Scale, ...], Len(1, WIDEST)],
        Doc("standard deviation of each feature: a number, or one for each"),
    ] = 1.0
    weights: Annotated[
        Value | Annotated[tuple[Value, ...], Len(1, WIDEST)] | None,
        Doc("a number for all features, or one for each; left out: normal of variance 1 / inputs, drawn by `seed`"),
    ] = None
    bias: Annotated[Value, Doc("the constant term of s")] = 0.0
    labels: Annotated[Literal["values", "classes"], Doc("what is learned: numbers, or one of two classes")] = "values"
    noise: Annotated[Noise, Doc("standard deviation of the noise of values; of classes how far s is from certain")] = 1.0
    noise_law: NoiseLaw = "uniform"
    seed: Annotated[int, Interval(ge=0), Doc("the seed of the weights; the same ones whatever the seed of the study")] = 0
    held_out: HeldOut = 256


class LinearConstants(NamedTuple):
    """What `sample` needs, as kernels read it: numbers and arrays.

    scale, weights (inputs,). features, noise_law: indices into STANDARD. classes: 1 for classes, 0 for values.
    """

    scale: Array
    weights: Array
    bias: float
    features: int
    classes: int
    noise: float
    noise_law: int


def check(h: Linear) -> list[Complaint]:
    """Refuse lists of another length than inputs, and a law of noise for classes."""
    complaints = []
    for name in ("scale", "weights"):
        numbers = getattr(h, name)
        if isinstance(numbers, tuple) and len(numbers) != h.inputs:
            what = f"has {len(numbers)} numbers for {h.inputs} inputs"
            complaints.append(Complaint(name, what, f"a number, or {h.inputs} numbers"))
    if h.labels == "classes" and h.noise_law != "uniform":
        complaints.append(Complaint("noise_law", "the noise of classes is their probability; leave noise_law out"))
    return complaints


def scale(h: Linear) -> Array:
    """Return the standard deviation of each feature, (inputs,)."""
    return np.broadcast_to(np.asarray(h.scale, dtype=np.float64), (h.inputs,)).copy()


def weights(h: Linear) -> Array:
    """Return the weights, (inputs,): those given, or drawn from their own seed."""
    if h.weights is not None:
        return np.broadcast_to(np.asarray(h.weights, dtype=np.float64), (h.inputs,)).copy()
    u = uniforms(key(h.seed, "linear"), 0, h.inputs, 0, 1)[:, 0]
    return np.asarray(normal_quantile(u + HALF_GRID) / np.sqrt(h.inputs))


def prepare(h: Linear) -> LinearConstants:
    """Return the constants of `sample`."""
    return LinearConstants(
        scale=scale(h),
        weights=weights(h),
        bias=float(h.bias),
        features=STANDARD.index(h.features),
        classes=int(h.labels == "classes"),
        noise=float(h.noise),
        noise_law=STANDARD.index(h.noise_law),
    )


def sample(k: LinearConstants, n: int, u: Array, x: Array, y: Array) -> None:
    """Write features x (inputs, n) and the label y (1, n) of n examples.

    u (inputs + 1, n): the last row is the noise's.
    """
    s, last = y[0], u[x.shape[0]]
    for i in each(n):
        s[i] = k.bias
    for j in range(x.shape[0]):
        # Rows as variables, so that the loops over examples index one axis.
        weight, x_j = k.weights[j], x[j]
        for i in each(n):
            x_j[i] = 0.0
        add_noise(k.scale[j], k.features, n, u[j], x_j)
        for i in each(n):
            s[i] += weight * x_j[i]
    if k.classes == 1:
        for i in each(n):
            # u < 1 / (1 + exp(-s / noise)), solved for s: noise may be 0.
            u_i = last[i] + HALF_GRID
            s[i] = select(s[i] > k.noise * (log(u_i) - log(1.0 - u_i)), 1.0, 0.0)
    else:
        add_noise(k.noise, k.noise_law, n, last, s)


def label_noise(h: Linear) -> LabelNoise:
    """Return whether y is a function of x, or has noise that is bounded or not."""
    return classify_noise(h.noise, "" if h.labels == "classes" else h.noise_law)


def truth(h: Linear) -> Truth:
    """Return what is known of the examples."""
    variance, classes = scale(h) ** 2, h.labels == "classes"
    # The log odds of class 1 are s / noise.
    unit = h.noise if classes else 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        weight, bias = weights(h)[None, :] / unit, np.array([h.bias]) / unit
    zero = np.zeros(h.inputs)
    reach = scale(h) * REACH[h.features] if h.features in BOUNDED else None
    return Truth(weight, bias, zero, variance, FOURTH[h.features] * variance**2, 0.0 if classes else float(h.noise) ** 2, reach)


LINEAR = Dataset(
    name="linear",
    parameters=Linear,
    paper="a linear model with random features",
    check=check,
    shape=lambda h: Shape(h.inputs, 1, 2 if h.labels == "classes" else 0),
    constants=LinearConstants,
    prepare=prepare,
    draws=lambda h: h.inputs + 1,
    sample=sample,
    label_noise=label_noise,
    source=lambda h: Layers((), "identity") if h.labels == "values" else None,
    held_out=lambda h: h.held_out,
    truth=truth,
    bounded_features=lambda h: h.features in BOUNDED,
)
