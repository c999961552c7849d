"""Where networks start: weights drawn with a variance that each layer's width sets, or given ones. Biases start at 0.

`variance` takes fan_in and fan_out, the units of the layers before and after, and returns that of one weight.
"""

from typing import Annotated, Literal, NamedTuple

import numpy as np
from annotated_types import Interval, Len
from typing_extensions import Doc

from nonconv.components.definitions import Distribution, Files, Group, Initialisation, Law, Point
from nonconv.data.continuous import (
    NORMAL,
    NORMAL_TAIL_SHARE,
    UNIFORM,
    NormalConstants,
    UniformConstants,
    sample_normal,
    sample_uniform,
)
from nonconv.numerics.arithmetic import Array

DrawnFrom = Annotated[Literal["normal", "uniform"], Doc("the law of the weights")]
Gain = Annotated[float, Interval(gt=0, le=1e6), Doc("factor of all weights")]


class He(NamedTuple):
    """Weights of variance 2 / fan_in, which keeps the size of relu's activations from layer to layer."""

    law: DrawnFrom = "normal"
    gain: Gain = 1.0


class Glorot(NamedTuple):
    """Weights of variance 2 / (fan_in + fan_out), between what activations and what gradients need."""

    law: DrawnFrom = "normal"
    gain: Gain = 1.0


class Lecun(NamedTuple):
    """Weights of variance 1 / fan_in, which keeps the size of activations while they are in the linear range."""

    law: DrawnFrom = "normal"
    gain: Gain = 1.0


HE = Initialisation(name="he", parameters=He, paper="He et al. (2015), arXiv:1502.01852", variance=lambda i, o: 2.0 / i)
GLOROT = Initialisation(name="glorot", parameters=Glorot, paper="Glorot & Bengio (2010)", variance=lambda i, o: 2.0 / (i + o))
LECUN = Initialisation(name="lecun", parameters=Lecun, paper="LeCun et al. (1998)", variance=lambda i, o: 1.0 / i)


class Weights(NamedTuple):
    """Given weights, the same for every path: dim numbers in the objective's order."""

    file: Annotated[str, Len(1), Doc("a .npy file, or a text with one number per line; relative to the config")]
    sha256: Annotated[str, Doc("the file's digest; if given, any other content is refused")] = ""


class Given(NamedTuple):
    """The numbers of `Weights`."""

    numbers: Array


def load_weights(h: Weights, files: Files) -> Given:
    """Read the weights, one number per coordinate. Raises Unusable where the file does not have them."""
    return Given(files.weights(h.file, h.sha256))


WEIGHTS = Point(name="weights", parameters=Weights, paper="a start from a file", load=load_weights, point=lambda h: h.numbers)


class Spread(NamedTuple):
    """The standard deviation of each coordinate's start, shape (dim,); 0 for a bias."""

    std: Array


def spread(component: Initialisation, parameters: He | Glorot | Lecun, groups: tuple[Group, ...]) -> Spread:
    """Return the standard deviation of every coordinate: gain times the root of the component's variance, 0 for a bias.

    groups: the network's weights and biases in order; a group without fan_in is one of biases.
    """
    parts = [
        np.full(g.last - g.first, parameters.gain * np.sqrt(component.variance(g.fan_in, g.fan_out)) if g.fan_in else 0.0)
        for g in groups
    ]
    return Spread(np.concatenate(parts))


def _law(h: Spread, dim: int) -> Law:
    # Infinite bounds, also for uniform starts: only mean and variance of a start are used.
    """Return mean 0 and variance std^2 per coordinate, and the tails of normal numbers, which uniform ones do not exceed."""
    zero, variance = np.zeros(dim), h.std**2
    ends, tails = (np.full(dim, -np.inf), np.full(dim, np.inf)), np.full(dim, NORMAL_TAIL_SHARE)
    return Law(zero, variance, zero, *ends, True, 3.0 * variance**2, np.inf, tails)


def _prepare_uniform(h: Spread, dim: int) -> UniformConstants:
    """Return the constants of the uniform law with these standard deviations: width 2 sqrt(3) std around 0."""
    # The uniform law on [-r, r] has variance r^2 / 3.
    reach = np.sqrt(3.0) * h.std
    return UniformConstants(-reach, 2.0 * reach)


DRAWN = {
    "normal": Distribution(
        name="initial_normal",
        parameters=Spread,
        paper=NORMAL.paper,
        law=_law,
        constants=NormalConstants,
        prepare=lambda h, dim: NormalConstants(np.zeros(dim), h.std),
        sample=sample_normal,
    ),
    "uniform": Distribution(
        name="initial_uniform",
        parameters=Spread,
        paper=UNIFORM.paper,
        law=_law,
        constants=UniformConstants,
        prepare=_prepare_uniform,
        sample=sample_uniform,
    ),
}
"""The laws by which starts are drawn, once every coordinate has its standard deviation."""
