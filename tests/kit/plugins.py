"""Plug-ins of every kind as texts, and what is done with them: written, changed, run, held against the contract."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from nonconv.config.plugins import load_files
from nonconv.contract.findings import contract_of
from nonconv.experiment.binding import read_cell
from nonconv.faults.errors import ConfigError
from nonconv.study import loop as study

EXAMPLES = Path(__file__).parents[2] / "docs" / "plugins"
SHORT_LION, WELL, ABSOLUTE = (
    (EXAMPLES / f"{name}.py").read_text(encoding="utf-8") for name in ("lion", "styblinski_tang", "absolute")
)
CONFIG = {
    "plugins": ["lion.py"],
    "steps": 60,
    "paths": 16,
    "objective": {"name": "quadratic", "data": "uniform"},
    "optimizer": "my_lion",
    "learning_rate": 0.1,
}
PLAIN = {key: value for key, value in CONFIG.items() if key != "plugins"} | {"optimizer": "sgd"}

LION = '''\
"""Lion with a start and a table of its own."""

from typing import Annotated, NamedTuple

import numpy as np

from nonconv.plugin import (
    ALWAYS, CONSTANT_SIZE, NEVER, OPTIMIZERS,
    Array, Doc, Interval,
    Lanes, Optimizer, Scaling, select,
)


class Lion(NamedTuple):
    """Lion: the sign of an interpolation between a running average and the gradient.

        direction = sign(beta1 m_{n-1} + (1 - beta1) g_n)
        m_n = beta2 m_{n-1} + (1 - beta2) g_n

    Where implementations differ: the paper's weight decay is left out, as of every optimizer here. sign(0) = 0.
    """

    beta1: Annotated[float, Interval(ge=0, lt=1), Doc("weight of the running average in the direction")] = 0.9
    beta2: Annotated[float, Interval(ge=0, lt=1), Doc("decay of the running average")] = 0.99


class LionState(NamedTuple):
    m: Lanes


class LionPerStep(NamedTuple):
    weight_m: Lanes
    weight_g: Lanes
    decay: Lanes
    weight: Lanes


def start(h: Lion) -> LionState:
    return LionState(0.0)


def at_step(h: Lion, n: Array) -> LionPerStep:
    return LionPerStep(*(np.full_like(n, value) for value in (h.beta1, 1.0 - h.beta1, h.beta2, 1.0 - h.beta2)))


def sign(x: Lanes) -> Lanes:
    return select(x > 0.0, 1.0, select(x < 0.0, -1.0, x))  # of nan, nan


def update(c: LionPerStep, s: LionState, g: Lanes) -> tuple[Lanes, LionState]:
    m = c.decay * s.m + c.weight * g
    return sign(c.weight_m * s.m + c.weight_g * g), LionState(m)


OPTIMIZERS.register(
    Optimizer(
        name="my_lion",
        parameters=Lion,
        paper="Chen et al. (2023), arXiv:2302.06675",
        state=LionState,
        start=start,
        per_step=LionPerStep,
        at_step=at_step,
        update=update,
        relative_size=CONSTANT_SIZE,
        monotone=(),
        can_be_undefined=NEVER,
        bounded_direction=ALWAYS,
    )
)
'''
LAW = '''\
"""A law with a density that rises on [0, width)."""

from typing import Annotated, NamedTuple

import numpy as np

from nonconv.plugin import DATA, STARTS, Distribution, Doc, Interval, Law


class Ramp(NamedTuple):
    """The law with density 2 x / width^2 on [0, width)."""

    width: Annotated[float, Interval(gt=0, le=10), Doc("the upper end")]


class RampConstants(NamedTuple):
    width: float


def law(h, dim):
    moments = (2 * h.width / 3, h.width**2 / 18, -(h.width**3) / 135, 0.0, h.width)
    return Law.same(dim, *moments, symmetric=False)


def prepare(h, dim):
    return RampConstants(np.full(dim, h.width))


def sample(k, u):
    return k.width * np.sqrt(u)


RAMP = Distribution(
    name="ramp", parameters=Ramp, paper="a test", law=law, constants=RampConstants, prepare=prepare, sample=sample
)
DATA.register(RAMP)
STARTS.register(RAMP)
'''
SCHEDULES = '''\
"""A learning rate and a batch size."""

from typing import Annotated, NamedTuple

import numpy as np

from nonconv.plugin import BATCH_SIZES, LEARNING_RATES, Doc, Interval, Limits, Schedule


class Logarithmic(NamedTuple):
    """A rate that falls as slowly as 1 / log n."""

    first: Annotated[float, Interval(gt=0), Doc("the rate at step 1")]


def rate(h, n):
    return h.first / (1.0 + np.log(n))


def rate_limits(h):
    return Limits(0.0, 0.0)


class Alternating(NamedTuple):
    """One sample at odd steps, two at even ones."""


def size(h, n):
    return 1.0 + np.mod(n + 1.0, 2.0)


def size_limits(h):
    return Limits(1, 2)


LEARNING_RATES.register(
    Schedule(name="logarithmic", parameters=Logarithmic, paper="a test", value=rate, limits=rate_limits)
)
BATCH_SIZES.register(Schedule(name="alternating", parameters=Alternating, paper="a test", value=size, limits=size_limits))
'''
FADING = '''\
"""A decay that falls to a floor."""

from typing import Annotated, NamedTuple

import numpy as np

from nonconv.plugin import DECAYS, Decay, Doc, Interval, Limits


class Fading(NamedTuple):
    """From 0.9 at step 1 to a floor."""

    floor: Annotated[float, Interval(ge=0, le=0.5), Doc("what it tends to")] = 0.5


def value(h, n):
    return h.floor + (0.9 - h.floor) / n


DECAYS.register(
    Decay(
        name="fading",
        parameters=Fading,
        paper="a test",
        value=value,
        limits=lambda h: Limits(h.floor, h.floor),
        least=lambda h: h.floor,
        most=lambda h: 0.9,
    )
)
'''
LINEAR = '''\
"""A linear model under its absolute error, and a start that goes with it."""

from typing import Annotated, Any, NamedTuple

import numpy as np

from nonconv.plugin import OBJECTIVES, STARTS, Complaint, Coupled, Doc, DrawnFrom, Gain
from nonconv.plugin import Group, Initialisation, OneOf, each, select


class Linear(NamedTuple):
    """A linear model of one target: the absolute error of w x + b."""

    data: Annotated[Any, OneOf("dataset"), Doc("the examples (x, y)")]


class LinearConstants(NamedTuple):
    features: int


def groups(h, shape):
    return (Group("weight", 0, shape.features, shape.features, 1), Group("bias", shape.features, shape.features + 1))


def prepare(h, shape):
    return LinearConstants(shape.features)


def errors(k, n, theta, x, y, out):
    lanes = theta.shape[1]
    for i in each(n):
        out[i] = theta[k.features, i % lanes] - y[0, i]
    for j in range(k.features):
        for i in each(n):
            out[i] += theta[j, i % lanes] * x[j, i]


def loss(k, n, theta, x, y, out, work):
    errors(k, n, theta, x, y, out[0])
    for i in each(n):
        out[0, i] = np.abs(out[0, i])
        out[1, i] = 0.0


def add_gradient(k, n, theta, x, y, gradient, work):
    errors(k, n, theta, x, y, work[0])
    lanes = theta.shape[1]
    for first in range(0, n, lanes):
        for i in each(lanes):
            work[0, first + i] = select(work[0, first + i] > 0.0, 1.0, -1.0)
        for j in range(k.features):
            for i in each(lanes):
                gradient[j, i] += work[0, first + i] * x[j, first + i]
        for i in each(lanes):
            gradient[k.features, i] += work[0, first + i]


def penalty(k, theta):
    return 0.0 * theta


def check_shape(h, shape):
    return [Complaint("data", "learns one target", "data of one target")] if shape.targets > 1 or shape.classes else []


class Unit(NamedTuple):
    """Weights of variance 1."""

    law: DrawnFrom = "normal"
    gain: Gain = 1.0


def variance(fan_in, fan_out):
    return 1.0


OBJECTIVES.register(
    Coupled(
        name="affine",
        parameters=Linear,
        paper="a test",
        groups=groups,
        constants=LinearConstants,
        prepare=prepare,
        work=lambda h, shape: 1,
        loss=loss,
        add_gradient=add_gradient,
        penalty=penalty,
        loss_name=lambda h: "the absolute error",
        check_shape=check_shape,
    )
)
STARTS.register(Initialisation(name="unit", parameters=Unit, paper="a test", variance=variance))
'''
COUPLED_LAW = '''
from typing import Annotated, Any, NamedTuple

from nonconv.plugin import OBJECTIVES, Coupled, Doc, Group, OneOf, each


class Chain(NamedTuple):
    """Half the square of the sum of theta - X, plus half the sum of squares."""

    data: Annotated[Any, OneOf("data"), Doc("the law of X")]
    dim: Annotated[int, Doc("number of coordinates")] = 1


class ChainConstants(NamedTuple):
    dim: int


def loss(k, n, theta, x, y, out, work):
    lanes = theta.shape[1]
    for i in each(n):
        work[0, i] = out[0, i] = out[1, i] = 0.0
    for j in range(k.dim):
        for i in each(n):
            away = theta[j, i % lanes] - y[j, i]
            work[0, i] += away
            out[0, i] += 0.5 * away * away
    for i in each(n):
        out[0, i] += 0.5 * work[0, i] * work[0, i]


def add_gradient(k, n, theta, x, y, gradient, work):
    lanes = theta.shape[1]
    for first in range(0, n, lanes):
        for i in each(lanes):
            work[0, i] = 0.0
        for j in range(k.dim):
            for i in each(lanes):
                work[0, i] += theta[j, i] - y[j, first + i]
        for j in range(k.dim):
            for i in each(lanes):
                gradient[j, i] += work[0, i] + (theta[j, i] - y[j, first + i])


def penalty(k, theta):
    return 0.0 * theta


OBJECTIVES.register(
    Coupled(
        name="chain",
        parameters=Chain,
        paper="a test",
        groups=lambda h, shape: (Group("theta", 0, shape.targets),),
        constants=ChainConstants,
        prepare=lambda h, shape: ChainConstants(shape.targets),
        work=lambda h, shape: 1,
        loss=loss,
        add_gradient=add_gradient,
        penalty=penalty,
        loss_name=lambda h: "a square",
        minimizer=lambda h, shape, known: "no law" if known.law is None else known.law.mean,
        starts_at_zero=True,
    )
)
'''
TEXTS = {
    "lion.py": LION,
    "styblinski_tang.py": WELL,
    "ramp.py": LAW,
    "schedules.py": SCHEDULES,
    "fading.py": FADING,
    "absolute.py": ABSOLUTE,
    "affine.py": LINEAR,
}


def write(name: str, text: str) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def changed(name: str, old: str, new: str) -> Path:
    """One of the plug-ins with a piece of its text replaced."""
    assert TEXTS[name].count(old) >= 1
    return write(name, TEXTS[name].replace(old, new))


def config(name: str = "config.yaml", **changes: Any) -> Path:
    return write(name, yaml.safe_dump(CONFIG | changes, sort_keys=False))


def no_figures(folder: Path) -> Callable[[], dict[str, bytes]]:
    return dict


def finished(path: Path, folder: str, *settings: str) -> Path:
    """The folder of a config that was run."""
    study.run(read_cell(path, list(settings)), Path(folder), 1, draw=no_figures)
    return Path(folder)


def failed(name: str, text: str) -> dict[str, str]:
    """The checks that fail, and why."""
    catalogue = load_files([write(name, text)])
    (plugin,) = catalogue.plugins
    return {finding.check: finding.reasons[0] for finding in contract_of(plugin, catalogue) if finding.reasons}


def told(**changes: Any) -> str:
    """What is said of a config that cannot be used."""
    with pytest.raises(ConfigError) as caught:
        read_cell(config(**changes), [])
    return str(caught.value)
