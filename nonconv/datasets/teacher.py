"""Labels that a fixed random network gives, with noise: teacher."""

from itertools import pairwise
from typing import Annotated, Literal, NamedTuple

import numpy as np
from annotated_types import Interval, Len
from numpy.typing import NDArray
from typing_extensions import Doc

from nonconv.components.definitions import Complaint, Dataset, Layers, Shape, Truth
from nonconv.data.continuous import HALF_GRID
from nonconv.datasets.common import (
    STANDARD,
    HeldOut,
    High,
    Inputs,
    Low,
    Noise,
    NoiseLaw,
    Units,
    add_noise,
    classify_noise,
    complain_unless_ordered,
    draw_features,
    uniform_moments,
)
from nonconv.numerics.arithmetic import Array, each, select
from nonconv.numerics.elementary import sigmoid, tanh
from nonconv.numerics.normal import normal_quantile
from nonconv.numerics.rng import key, uniforms

BIAS_STD = 0.5
"""Standard deviation of the biases of N*."""
RELU, TANH, SIGMOID, IDENTITY = range(4)
ACTIVATIONS = {"relu": RELU, "tanh": TANH, "sigmoid": SIGMOID, "identity": IDENTITY}


class Teacher(NamedTuple):
    """A fixed random network N* labels uniform features, with label noise.

    x is uniform on [low, high]^inputs; the weights of N* are normal of variance 1 / fan in, its biases of variance 1/4.
    values: y_k = N*_k(x) + noise e_k, where the e_k are independent of mean 0 and variance 1.
    classes: y = argmax_k N*_k(x); with probability noise, y is a class drawn uniformly from all outputs instead.
    Without noise the least risk is that of N* itself: 0 for values.
    """

    inputs: Inputs = 4
    hidden: Annotated[tuple[Units, ...], Len(0, 8), Doc("units of each hidden layer of N*")] = (8,)
    outputs: Annotated[Units, Doc("outputs of N*: the values, or one for each class")] = 1
    activation: Annotated[Literal["relu", "tanh", "sigmoid", "identity"], Doc("of the hidden units of N*")] = "tanh"
    labels: Annotated[Literal["values", "classes"], Doc("what is learned: the outputs, or which of them is largest")] = "values"
    noise: Annotated[Noise, Doc("standard deviation of the noise of values; probability of a random class")] = 0.1
    noise_law: NoiseLaw = "uniform"
    low: Low = -1.0
    high: High = 1.0
    seed: Annotated[int, Interval(ge=0), Doc("the seed of N*; the same network whatever the seed of the study")] = 0
    held_out: HeldOut = 256


class TeacherConstants(NamedTuple):
    """N* and the law of examples, as kernels read them: numbers and arrays.

    sizes: units of each layer, the features first. widest: the largest of sizes. weights: layer by layer, unit by unit, and
    per unit by the unit they come from. biases: layer by layer, unit by unit. activation: RELU, TANH, SIGMOID or IDENTITY.
    classes: 0 for values. noise_law: its index into STANDARD.
    """

    low: float
    width: float
    sizes: NDArray[np.int64]
    widest: int
    weights: Array
    biases: Array
    activation: int
    classes: int
    noise: float
    noise_law: int


def check(h: Teacher) -> list[Complaint]:
    """Refuse high <= low, a single class, and a noise that is no probability."""
    complaints = complain_unless_ordered(h.low, h.high)
    if h.labels == "classes" and h.outputs < 2:
        complaints.append(Complaint("outputs", "classes need an output each, so at least 2", "a whole number >= 2 and <= 1024"))
    if h.labels == "classes" and h.noise > 1:
        complaints.append(Complaint("noise", f"{h.noise:g} is no probability of a random class", "a number >= 0 and <= 1"))
    return complaints


def classes_of(h: Teacher) -> int:
    """Return the number of classes, 0 for values."""
    return h.outputs if h.labels == "classes" else 0


def prepare(h: Teacher) -> TeacherConstants:
    """Draw N* and return the constants of `sample`."""
    sizes = (h.inputs, *h.hidden, h.outputs)
    weights, biases = network(h.seed, sizes)
    return TeacherConstants(
        low=float(h.low),
        width=float(h.high - h.low),
        sizes=np.array(sizes, dtype=np.int64),
        widest=max(sizes),
        weights=weights,
        biases=biases,
        activation=ACTIVATIONS[h.activation],
        classes=classes_of(h),
        noise=float(h.noise),
        noise_law=STANDARD.index(h.noise_law),
    )


def network(seed: int, sizes: tuple[int, ...]) -> tuple[Array, Array]:
    """Draw the weights and biases of N* from its own seed, layer by layer, as two flat arrays.

    sizes: units of each layer, the features first. Weights have variance 1 / fan in, biases BIAS_STD^2.
    """
    fan_in = np.concatenate([np.full(before * after, before) for before, after in pairwise(sizes)])
    count = len(fan_in) + sum(sizes[1:])
    # All weights come first in the stream, then all biases.
    normal = normal_quantile(uniforms(key(seed, "teacher"), 0, count, 0, 1)[:, 0] + HALF_GRID)
    return normal[: len(fan_in)] / np.sqrt(fan_in), BIAS_STD * normal[len(fan_in) :]


def sample(k: TeacherConstants, n: int, u: Array, x: Array, y: Array) -> None:
    """Write features x (inputs, n) and labels y (targets, n) from uniforms u (draws, n), the features' rows first."""
    draw_features(k.low, k.width, n, u, x)
    z = np.empty((2 * k.widest, n))
    for j in range(x.shape[0]):
        for i in each(n):
            z[j, i] = x[j, i]
    # Row `drawn` is the first of u that the features did not take.
    first, drawn = outputs(k, n, z), x.shape[0]
    if k.classes > 0:
        largest(k.classes, n, z, first, y[0])
        replace(k.classes, k.noise, n, u[drawn], y[0])
    else:
        for j in range(y.shape[0]):
            for i in each(n):
                y[j, i] = z[first + j, i]
            add_noise(k.noise, k.noise_law, n, u[drawn + j], y[j])


def outputs(k: TeacherConstants, n: int, z: Array) -> int:
    """Run N* on the first rows of z (2 widest, n); return the first row of its outputs.

    The two halves of z hold the layers in turn: each layer is read from one half and written to the other.
    """
    before, after, weight, unit = 0, k.widest, 0, 0
    for layer in range(1, k.sizes.shape[0]):
        for j in range(after, after + k.sizes[layer]):
            # Rows as variables, so that the loops over examples index one axis.
            bias, z_j = k.biases[unit], z[j]
            for i in each(n):
                z_j[i] = bias
            for m in range(before, before + k.sizes[layer - 1]):
                w, z_m = k.weights[weight], z[m]
                for i in each(n):
                    z_j[i] += w * z_m[i]
                weight += 1
            if layer < k.sizes.shape[0] - 1:
                activate(k.activation, n, z_j)
            unit += 1
        before, after = after, before
    return before


def activate(activation: int, n: int, z: Array) -> None:
    """Apply an activation to one row z (n,) in place; IDENTITY leaves it as it is."""
    if activation == RELU:
        for i in each(n):
            z[i] = select(z[i] > 0.0, z[i], 0.0)
    elif activation == TANH:
        for i in each(n):
            z[i] = tanh(z[i])
    elif activation == SIGMOID:
        for i in each(n):
            z[i] = sigmoid(z[i])


def largest(classes: int, n: int, z: Array, first: int, y: Array) -> None:
    """Write to y (n,) which of `classes` rows of z, from row `first` on, is largest; the first of several that are.

    Overwrites row `first` with the maximum.
    """
    best = z[first]
    for i in each(n):
        y[i] = 0.0
    for j in range(1, classes):
        label, z_j = float(j), z[first + j]
        for i in each(n):
            y[i] = select(z_j[i] > best[i], label, y[i])
            best[i] = select(z_j[i] > best[i], z_j[i], best[i])


def replace(classes: int, noise: float, n: int, u: Array, y: Array) -> None:
    """Replace labels y (n,) by a random class with probability `noise`, from uniforms u (n,).

    The class is the integer part of classes * u, whatever the noise: more noise replaces more labels, but none differently.
    """
    for i in each(n):
        # The fraction of classes * u is uniform and independent of the integer part: one uniform decides both.
        scaled = classes * u[i]
        other = np.floor(scaled)
        y[i] = select(scaled - other < noise, other, y[i])


def linear_or(h: Teacher) -> Layers:
    """Return N* as the network that gives the labels; without hidden layers where its activation is the identity."""
    return Layers((), "identity") if h.activation == "identity" else Layers(h.hidden, h.activation)


def truth(h: Teacher) -> Truth | None:
    """Return what is known of the examples: of values that N* gives without hidden units."""
    if classes_of(h) or h.hidden:
        return None
    weight, bias = network(h.seed, (h.inputs, h.outputs))
    reach = np.full(h.inputs, (h.high - h.low) / 2.0)
    return Truth(
        weight.reshape(h.outputs, h.inputs), bias, *uniform_moments(h.low, h.high, h.inputs), float(h.noise) ** 2, reach
    )


TEACHER = Dataset(
    name="teacher",
    parameters=Teacher,
    paper="arXiv:2407.08100, Theorem 1.2, with bounded data",
    check=check,
    shape=lambda h: Shape(h.inputs, 1 if classes_of(h) else h.outputs, classes_of(h)),
    constants=TeacherConstants,
    prepare=prepare,
    draws=lambda h: h.inputs + (1 if classes_of(h) else h.outputs),
    sample=sample,
    label_noise=lambda h: classify_noise(h.noise, "" if classes_of(h) else h.noise_law),
    # A class is where an output is largest, which no finite weights fit without error.
    source=lambda h: None if classes_of(h) else linear_or(h),
    held_out=lambda h: h.held_out,
    truth=truth,
)
