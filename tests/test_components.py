"""What every registered component keeps: its contract by signature, its law, its gradient, its closed form.

Options are enumerated from the parameters' own annotations, so a new component or a new option is covered when it is
registered; one that cannot be made from its defaults needs an example in EXAMPLES, and fails without one.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, Literal, NamedTuple, get_args, get_origin

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import integrate, special, stats

from nonconv.arithmetic import Array
from nonconv.components import Component, Distribution, Objective, Optimizer, Schedule
from nonconv.config.spec import KINDS, common_parameters
from nonconv.data import DATA
from nonconv.data.continuous import HALF_GRID, TruncatedNormal
from nonconv.data.discrete import Discrete, TwoPoint
from nonconv.data.empirical import Rows
from nonconv.data.quantile import normal_quantile
from nonconv.objectives.quadratic import Quadratic
from nonconv.parameters import bare, parameters_of
from nonconv.schedules import BATCH_SIZES
from nonconv.schedules.batch_size import LARGEST, Power
from nonconv.schedules.learning_rate import warmed_up
from nonconv.verification import ulps

MANY = settings(max_examples=300, derandomize=True, deadline=None)
LAST = 1.0 - 2.0**-52
"""The largest uniform there is; the smallest is 0."""
ROWS = Rows(np.array([[0.0, -1.0], [1.0, 0.0], [2.0, 1.0], [7.0, 0.0]]))

EXAMPLES: dict[tuple[str, str], list[Any]] = {
    ("objective", "quadratic"): [{"data": None}, {"data": None, "dim": 2, "scale": (0.5, 3.0)}],
    ("data", "two_point"): [{"low": -2.0, "high": 5.0, "p_high": 0.25}],
    ("data", "uniform"): [{"low": 3.0, "high": 3.5}],
    ("data", "discrete"): [
        {"values": (1.5,), "probabilities": (1.0,)},
        {"values": (0.0, 1.0, -1.0), "probabilities": (0.5, 0.25, 0.25)},
        {"values": (4.0, -1.0, 0.5, 9.0, 2.0), "probabilities": (0.5, 0.125, 0.25, 0.0625, 0.0625)},
    ],
    ("data", "normal"): [{"mean": 100.0, "std": 0.01}],
    ("data", "truncated_normal"): [
        {"low": -0.5, "high": 3.0},
        {"low": -3.0, "high": 0.5},
        {"low": 5.0, "high": 6.0},
        {"low": -6.0, "high": -5.0},
        {"low": 30.0, "high": 31.0},
        {"low": -40.0, "high": -30.0},
        {"low": -0.016, "high": 42.0},
        {"low": -50.0, "high": 60.0, "mean": 3.0, "std": 2.0},
        {"low": 1.0, "high": 1.001, "mean": 2.0, "std": 4.0},
    ],
    ("data", "csv"): [{"file": "rows.csv", "columns": ("a", "b")}],
    ("learning_rate", "constant"): [{"value": 0.1}],
    ("learning_rate", "power"): [
        {"value": 0.1},
        {"value": 2.0, "exponent": 1.0, "shift": 9.0},
        {"value": 2.0, "exponent": 0.0},
    ],
    ("learning_rate", "asymptotically_constant"): [
        {"value": 1.0, "limit": 0.25},
        {"value": 0.1, "limit": 2.0, "exponent": 2.0},
    ],
    ("learning_rate", "exponential"): [{"value": 1.0, "factor": 0.5}, {"value": 1.0, "factor": 0.5, "steps": 10.0}],
    ("learning_rate", "step"): [{"value": 1.0, "every": 10}],
    ("learning_rate", "cosine"): [{"value": 1.0, "steps": 12}, {"value": 1.0, "steps": 1, "final": 0.25}],
    ("learning_rate", "cyclic"): [{"low": 0.25, "high": 1.0, "period": 6}, {"low": 0.0, "high": 1.0, "period": 3}],
    ("learning_rate", "piecewise"): [{"values": (1.0, 0.5, 0.25), "until": (10, 20)}, {"values": (0.5,), "until": ()}],
    ("batch_size", "constant"): [{"value": 32}],
    ("batch_size", "power"): [
        {"value": 0.3, "exponent": 1.0},
        {"value": 2.5, "exponent": 0.0},
        {"exponent": 40.0, "largest": 64},
    ],
    ("batch_size", "piecewise"): [{"values": (1, 8, 3), "until": (10, 20)}],
}
"""Parameters besides the defaults, or where a component has none."""


def options(annotation: Any) -> tuple[Any, ...]:
    """The values of a parameter that is a choice; none when it is a number."""
    core, _ = bare(annotation)
    if get_origin(core) is Literal:
        return get_args(core)
    return (True, False) if core is bool else ()


def choices(component: Component) -> Iterator[dict[str, Any]]:
    """Every combination of the parameters that are choices."""
    names = [p.name for p in parameters_of(component.parameters) if options(p.annotation)]
    values = [options(p.annotation) for p in parameters_of(component.parameters) if options(p.annotation)]
    yield from (dict(zip(names, chosen, strict=True)) for chosen in itertools.product(*values))


def needs_parameters(component: Component) -> bool:
    return any(p.required for p in parameters_of(component.parameters))


def examples(kind: str, component: Component) -> list[Any]:
    """Allowed parameters of a component: its examples, or its defaults, in every combination of its choices."""
    given = EXAMPLES.get((kind, component.name), [])
    defaults = [] if needs_parameters(component) else [{}]
    found = [component.parameters(**(base | chosen)) for base in [*defaults, *given] for chosen in choices(component)]
    return [h for h in found if not component.check(h)]


def registered(*kinds: str) -> Any:
    """Parametrises a test by every component of the kinds."""
    cases = [pytest.param(kind, KINDS[kind][name], id=f"{kind}-{name}") for kind in kinds for name in KINDS[kind]]
    return pytest.mark.parametrize(("kind", "component"), cases)


def with_examples(*kinds: str) -> Any:
    """Parametrises a test by every example of every component of the kinds."""
    cases = [
        pytest.param(component, h, id=f"{component.name}-{number}")
        for kind in kinds
        for component in KINDS[kind].values()
        for number, h in enumerate(examples(kind, component))
    ]
    return pytest.mark.parametrize(("component", "h"), cases)


# Every component


@registered(*KINDS)
def test_names_and_texts(kind: str, component: Component) -> None:
    assert KINDS[kind][component.name] is component
    assert component.name.isidentifier()
    assert component.name == component.name.lower()
    assert component.paper
    assert len(component.summary) > 10
    assert not component.summary.startswith(component.parameters.__name__ + "("), "a NamedTuple's generated docstring"


@registered(*KINDS)
def test_every_parameter_says_what_it_is(kind: str, component: Component) -> None:
    for parameter in [*parameters_of(component.parameters), *common_parameters(kind)]:
        assert parameter.name.isidentifier()
        assert parameter.meaning
        assert parameter.allowed


@registered(*KINDS)
def test_has_an_example(kind: str, component: Component) -> None:
    """At least one of the examples is allowed, and a combination that is not says which parameter is at fault."""
    assert examples(kind, component)
    names = {p.name for p in parameters_of(component.parameters)}
    bases = EXAMPLES.get((kind, component.name), [{}])
    all_of_them = [component.parameters(**(base | chosen)) for base in bases for chosen in choices(component)]
    assert all(complaint.parameter in names and complaint.message for h in all_of_them for complaint in component.check(h))


# Optimizers

STEPS = np.array([1.0, 2.0, 3.0, 10.0, 1e3, 1e6, 1e12])
GRADIENTS = np.array([-3.0, -1e-3, 0.5, 1.0, 2.0, 1e4])


def walk(optimizer: Optimizer, h: Any, gradients: Array | float, steps: int = 5) -> list[Any]:
    """Directions for gradients that change sign and size from step to step."""
    columns, state, found = optimizer.at_step(h, np.arange(1.0, steps + 1.0)), optimizer.start(h), []
    for t in range(steps):
        per_step = optimizer.per_step(*(float(column[t]) for column in columns))
        direction, state = optimizer.update(per_step, state, gradients * (-0.75) ** t)
        found.append(direction)
    return found


@with_examples("optimizer")
def test_at_step_is_a_function_of_the_step_alone(component: Optimizer, h: Any) -> None:
    n = STEPS.copy()
    per_step = component.at_step(h, n)
    assert isinstance(per_step, component.per_step)
    assert np.array_equal(n, STEPS)
    for column, reverse in zip(per_step, component.at_step(h, STEPS[::-1].copy()), strict=True):
        assert column.shape == STEPS.shape
        assert column.dtype == np.float64
        assert np.all(np.isfinite(column))
        assert np.array_equal(column, reverse[::-1])


@with_examples("optimizer")
def test_update_is_the_same_on_floats_and_arrays(component: Optimizer, h: Any) -> None:
    """Coordinate by coordinate: each entry of an array moves as it would alone, bit for bit."""
    assert isinstance(component.start(h), component.state)
    assert all(isinstance(value, float) for value in component.start(h))
    together = np.array(walk(component, h, GRADIENTS))
    alone = np.array([walk(component, h, float(g)) for g in GRADIENTS]).T
    assert np.array_equal(together, alone)


@with_examples("optimizer")
def test_update_leaves_its_arguments_alone(component: Optimizer, h: Any) -> None:
    per_step = component.per_step(*(column[0] for column in component.at_step(h, STEPS)))
    state = component.state(*(np.full_like(GRADIENTS, value) for value in component.start(h)))
    before, gradients = [value.copy() for value in state], GRADIENTS.copy()
    direction, after = component.update(per_step, state, gradients)
    assert isinstance(after, component.state)
    assert direction.shape == GRADIENTS.shape
    assert np.array_equal(gradients, GRADIENTS)
    assert all(np.array_equal(now, then) for now, then in zip(state, before, strict=True))


@with_examples("optimizer")
def test_first_step_goes_downhill(component: Optimizer, h: Any) -> None:
    """And a method without a gradient stays, unless it has nothing to divide by."""
    directions = np.array(walk(component, h, GRADIENTS, steps=1)[0])
    assert np.array_equal(np.sign(directions), np.sign(GRADIENTS))
    assert np.array_equal(walk(component, h, np.zeros(3)), np.zeros((5, 3)))


# Data


def engine_parameters(distribution: Distribution, h: Any) -> Any:
    """What the law and the sampler take: of a csv its rows, of the others their own parameters."""
    return ROWS if distribution.name == "csv" else h


def dim_of(distribution: Distribution, h: Any) -> int:
    return distribution.dim(h) or 3


def coordinate(distribution: Distribution, h: Any, j: int = 0) -> Any:
    constants = distribution.prepare(engine_parameters(distribution, h), dim_of(distribution, h))
    return distribution.constants(*(field[j] for field in constants))


def middles(cells: int) -> Array:
    """The middles of equal parts of [0, 1)."""
    return (np.arange(cells) + 0.5) / cells


FINE = middles(2**12)
"""Exact for the discrete examples, whose probabilities are multiples of 2**-4."""
DISCRETE_LAWS = ("two_point", "rademacher", "discrete", "csv")


@with_examples("data")
def test_law_and_constants_are_of_each_coordinate(component: Distribution, h: Any) -> None:
    parameters, dim = engine_parameters(component, h), dim_of(component, h)
    law = component.law(parameters, dim)
    constants = component.prepare(parameters, dim)
    assert isinstance(constants, component.constants)
    assert all(field.shape[0] == dim and field.dtype == np.float64 for field in constants)
    assert all(np.shape(field) == (dim,) for field in law[:5])
    assert np.all((law.low <= law.mean) & (law.mean <= law.high) & (law.variance >= 0.0))
    assert isinstance(law.symmetric, bool)
    assert component.joint == (component.name == "csv")


@with_examples("data")
def test_sample_is_the_same_on_floats_and_arrays(component: Distribution, h: Any) -> None:
    """Bit for bit, or to 4 ulp where a function like log may have one text for arrays and another for numbers."""
    u = np.array([0.0, 2.0**-52, 0.1, 0.25, 0.5, 0.7499, LAST])
    for j in range(dim_of(component, h)):
        k = coordinate(component, h, j)
        together, alone = component.sample(k, u), np.array([component.sample(k, float(number)) for number in u])
        assert ulps(together, alone) <= (4 if component.transcendental else 0)


def moments_of(distribution: Distribution, h: Any, j: int) -> Any:
    """Mean, variance and third central moment without the package: by enumeration, or by scipy's density."""
    if distribution.name in DISCRETE_LAWS:
        x = distribution.sample(coordinate(distribution, h, j), FINE)
        return np.array([x.mean(), *(((x - x.mean()) ** k).mean() for k in (2, 3))])
    return moments_by_quadrature(scipys(distribution, h), *centre(distribution, h))


def scipys(distribution: Distribution, h: Any) -> Any:
    """The same law in scipy.stats."""
    if distribution.name == "uniform":
        return stats.uniform(h.low, h.high - h.low)
    if distribution.name == "normal":
        return stats.norm(h.mean, h.std)
    assert distribution.name == "truncated_normal", "a new continuous law needs its like in scipy.stats here"
    return stats.truncnorm((h.low - h.mean) / h.std, (h.high - h.mean) / h.std, loc=h.mean, scale=h.std)
