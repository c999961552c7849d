"""Expectations over the data: exact for finite laws, by quadrature elsewhere, with the error that is stated."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest

from nonconv.components.definitions import Configured, Distribution, Law
from nonconv.contract.findings import findings
from nonconv.data.continuous import LOG_UNIFORM, NORMAL, UNIFORM, LogUniform, Normal, Uniform
from nonconv.data.discrete import DISCRETE, RADEMACHER, TWO_POINT, Discrete, Rademacher, TwoPoint
from nonconv.data.empirical import CSV, Rows
from nonconv.data.nothing import NOTHING, Nothing
from nonconv.experiment.expectation import GAUSS, KRONROD, NODES, Marginal, expectation, marginal
from nonconv.numerics.arithmetic import Array

PHI = math.exp(-0.045) / math.sqrt(2 * math.pi), math.erfc(-0.3 / math.sqrt(2)) / 2
"""Density and distribution function of the standard normal law at 0.3."""


def law_of(component: Distribution, h: Any, dim: int = 1, j: int = 0) -> Marginal:
    return marginal(Configured(component, h, component.prepare(h, dim)), dim, j)


class Empty(NamedTuple):
    """No parameters."""


class Zero(NamedTuple):
    zero: Any


def unbounded(sample: Callable[[Any, Array], Array]) -> Marginal:
    """A law of which nothing is known but its quantiles."""
    nothing = Law.same(1, 0.0, 1.0, 0.0, -np.inf, np.inf, symmetric=True)
    made = Distribution(
        name="made",
        parameters=Empty,
        paper="",
        law=lambda h, dim: nothing,
        constants=Zero,
        prepare=lambda h, dim: Zero(np.zeros(dim)),
        sample=sample,
    )
    return law_of(made, Empty())


CAUCHY = unbounded(lambda k, u: np.tan(np.pi * (u - 0.5)))
PARETO = unbounded(lambda k, u: (1.0 - u) ** (-1.0 / 3.0))
"""P(X > x) = x^-3 from 1 on."""
TWO_SIDED = unbounded(lambda k, u: np.copysign(np.abs(2.0 * u - 1.0) ** -0.25, u - 0.5))
"""P(|X| > x) = x^-4, with its tails on either side of u = 1/2."""


def test_the_rule_integrates_polynomials() -> None:
    """Gauss-Kronrod with 15 nodes is exact up to degree 22, the embedded rule up to 13, and neither beyond by two."""
    for weights, degree in ((KRONROD, 22), (GAUSS, 12)):
        for power in range(0, degree + 1, 2):
            assert abs(weights @ NODES**power - 2.0 / (power + 1)) < 1e-15
        assert abs(weights @ NODES ** (degree + 2) - 2.0 / (degree + 3)) > 1e-10


@pytest.mark.parametrize(
    ("law", "f", "exact"),
    [
        (law_of(NORMAL, Normal()), lambda x: x**4, 3.0),
        (law_of(NORMAL, Normal(2.0, 3.0)), lambda x: np.exp(0.1 * x), math.exp(0.2 + 0.045)),
        (law_of(NORMAL, Normal()), lambda x: np.abs(x - 0.3), 2 * PHI[0] + 0.3 * (2 * PHI[1] - 1)),
        (law_of(NORMAL, Normal()), lambda x: 1.0 * (x <= 0.3), PHI[1]),
        (law_of(UNIFORM, Uniform(-1, 1)), lambda x: np.maximum(x - 0.2, 0.0) ** 2, 0.8**3 / 6),
        (law_of(LOG_UNIFORM, LogUniform(1e-100, 1e90)), np.abs, 1e90 / (190 * math.log(10))),
        (CAUCHY, lambda x: np.log1p(x * x), 2 * math.log(2)),
        (CAUCHY, lambda x: x / np.sqrt(1 + x * x), 0.0),
        (PARETO, lambda x: x, 1.5),
        (PARETO, lambda x: x * x, 3.0),
        (TWO_SIDED, lambda x: x * x, 2.0),
        (TWO_SIDED, lambda x: np.abs(x) ** 3, 4.0),
    ],
)
def test_quadrature(law: Marginal, f: Callable[[Array], Array], exact: float) -> None:
    """To 1e-8, with a stated error that is neither too small nor useless."""
    found = expectation(f, law)
    assert abs(found.value - exact) <= min(float(found.error) + 1e-11 * max(abs(exact), 1.0), 1e-8 * max(abs(exact), 1.0))
    assert found.error <= 1e-6 * max(abs(exact), 1.0)


def test_expectations_that_do_not_exist() -> None:
    for law, order in ((CAUCHY, 1.0), (PARETO, 3.0), (TWO_SIDED, 4.0)):
        powers: Callable[[Array], Array] = partial(lambda order, x: np.abs(x) ** order, order)
        assert expectation(powers, law).value == np.inf
        assert np.isinf(expectation(powers, law).error)
    assert np.isnan(expectation(lambda x: x, CAUCHY).value)


@pytest.mark.parametrize(
    ("law", "values", "probabilities"),
    [
        (law_of(TWO_POINT, TwoPoint(-1.0, 2.0, 0.25), 3, 2), [-1.0, 2.0], [0.75, 0.25]),
        (law_of(RADEMACHER, Rademacher()), [-1.0, 1.0], [0.5, 0.5]),
        (law_of(DISCRETE, Discrete((4.0, -1.0), (0.125, 0.875)), 2), [-1.0, 4.0], [0.875, 0.125]),
        (law_of(CSV, Rows(np.array([[1.0, 5.0], [2.0, 5.0], [3.0, -5.0], [4.0, 5.0]])), 2, 1), [-5.0, 5.0], [0.25, 0.75]),
        (law_of(NOTHING, Nothing(), 2, 1), [0.0], [1.0]),
    ],
)
def test_finite_laws_are_enumerated(law: Marginal, values: list[float], probabilities: list[float]) -> None:
    assert law.values is not None
    assert law.probabilities is not None
    assert law.values.tolist() == values
    assert law.probabilities.tolist() == probabilities
    found = expectation(lambda x: np.exp(x) / 3.0, law)
    assert found.value == pytest.approx(np.exp(values) / 3.0 @ np.array(probabilities), rel=1e-15)
    assert found.error == 0.0


def test_rows_have_expectations_of_their_own() -> None:
    """Each with its own kink, as the losses of many theta have."""
    theta = np.linspace(-2.0, 2.0, 6).reshape(2, 3, 1)
    found = expectation(lambda x: np.abs(x - theta), law_of(UNIFORM, Uniform(-1.0, 1.0)))
    at = theta[..., 0]
    np.testing.assert_allclose(found.value, np.where(np.abs(at) < 1.0, (1.0 + at**2) / 2.0, np.abs(at)), rtol=1e-10)


@pytest.mark.parametrize(
    ("atoms", "complaint"),
    [
        (lambda h, dim: (np.array([h.low, h.high]), np.array([0.5, 0.5])), "shapes"),
        (lambda h, dim: (np.array([[h.low], [h.high]]), np.array([0.5, 0.6])), "sum to 1.1"),
        (lambda h, dim: (np.array([[h.low], [h.high]]), np.array([0.4, 0.6])), "mean"),
        (lambda h, dim: (np.array([[h.low], [h.high], [3.0]]), np.array([0.5, 0.5, 0.0])), "high"),
    ],
)
def test_atoms_that_are_wrong_are_found(atoms: Any, complaint: str) -> None:
    """By the contract's check, which those of our own laws pass in test_components."""
    wrong = Distribution(**{**vars(TWO_POINT), "atoms": atoms})
    found = [reason for finding in findings("data", wrong, [{}], leave_out="compiled") for reason in finding.reasons]
    assert any("atoms" in reason and complaint in reason for reason in found)
