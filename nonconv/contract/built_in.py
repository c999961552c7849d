"""What the built-in components are checked with, where their annotations do not say what goes together."""

from typing import Any, NamedTuple

import numpy as np

from nonconv.components.definitions import ORDERS, Component, Order
from nonconv.data.discrete import DISCRETE, SEQUENCE
from nonconv.data.empirical import CSV as ROWS_OF_CSV
from nonconv.data.initial import WEIGHTS
from nonconv.datasets.table import CSV, DIABETES, DIGITS, Table, split
from nonconv.numerics.arithmetic import Array
from nonconv.objectives.formula import FORMULA
from nonconv.objectives.joint_formula import JOINT_FORMULA
from nonconv.quantities.bounds import VIOLATIONS
from nonconv.schedules.decay import FORMULA as OF_DECAYS
from nonconv.schedules.decay import PIECEWISE
from nonconv.schedules.formula import FORMULA as STEPS

DATA = {"name": "two_point", "low": -1.0, "high": 2.0, "p_high": 0.25}
OFFERED: dict[Component, list[dict[str, Any]]] = {
    SEQUENCE: [{"values": [10.0, -1.0, -1.0]}, {"rows": [[1.0], [0.5], [-2.0]]}],
    FORMULA: [
        {"loss": "(theta - x)**2 / 2 + a * cos(3 * theta)", "constants": {"a": 2.0}, "data": DATA},
        {
            "loss": "where(abs(theta - x) < d, (theta - x)**2 / 2, d * (abs(theta - x) - d / 2))",
            "constants": {"d": 0.75},
            "data": DATA,
        },
        {"loss": "log(1 + exp(-x * theta)) + a * theta**2", "constants": {"a": [0.5, 1.0]}, "dim": 2, "data": DATA},
        {"loss": "max(theta, x, -1)**3 / 3 + abs(theta)**p", "constants": {"p": 2.5}, "data": DATA},
        {"loss": "log(cosh(theta - x)) + tanh(theta)**2 + atan(theta * x) + erf(theta) + expm1(-theta**2)", "data": DATA},
        {"loss": "theta**2 / sqrt(1 + theta**2) + sinh(theta / 4) + tan(sin(theta)) + softplus(theta)"},
    ],
    JOINT_FORMULA: [
        {"loss": "(theta1 * theta2 - x1)**2 / 2 + a * abs(theta1 - x2)", "constants": {"a": 0.5}, "data": DATA},
        {"loss": "log(1 + exp(-x1 * theta1 - theta2))", "data": DATA},
        {
            "loss": "(1 - theta1)**2 + (theta2 - theta1**2)**2 + max(theta3, -1)",
            "gradient": [
                "-2 * (1 - theta1) - 4 * theta1 * (theta2 - theta1**2)",
                "2 * (theta2 - theta1**2)",
                "heaviside(theta3 + 1)",
            ],
        },
        {"loss": "(1 - theta1)**2 + 10 * (theta2 - theta1**2)**2", "minimizer": [1.0, 1.0]},
    ],
    STEPS: [
        {"value": "ceil(sqrt(n))"},
        {"value": "where(n < a, 1, 1 + mod(n, 3))", "constants": {"a": 100.0}},
        {"value": "floor(20 + 10 * sin(n))"},
    ],
    OF_DECAYS: [
        {"value": "1 - a / n", "constants": {"a": 0.9}},
        {"value": "0.5 + 0.4 * sin(n)", "limits": [0.1, 0.9]},
        {"value": "0.9 / sqrt(n)"},
    ],
    VIOLATIONS: [
        {"of": "regret", "bound": "G * sqrt(n) + 1", "constants": {"G": 2.0}},
        {"of": "average_regret", "bound": "1 / 3", "side": "lower"},
        {"of": "excess_risk", "bound": "1 / n", "label": "a theorem"},
        {"of": "gradient_norm", "bound": "where(n < 5, 10, 4)"},
        {"of": "error", "bound": "2"},
    ],
    PIECEWISE: [{"values": [0.5, 0.9], "until": [20]}, {"values": [0.99, 0.0, 0.7], "until": [3, 9]}],
    DISCRETE: [{"values": [0.1, 1.0, -2.0], "probabilities": [0.25, 0.25, 0.5]}],
}
"""Values as a config has them, by component."""


class _Rows(NamedTuple):
    """A small `nonconv.data.empirical.Rows` that also has its columns, as a config's parameters do."""

    table: Array
    columns: tuple[str, ...] = ("a", "b")


def _table(classes: int, order: Order) -> Table:
    """Return a table of fourteen rows, two features and one target, three rows held out."""
    features = np.array([[k % 5 - 2.0, (k * k) % 7 / 3.0] for k in range(14)])
    targets = np.array([[float(k % 3) if classes else 0.5 * k - 3.0] for k in range(14)])
    return split(features, targets, classes, 0.2, order, True, np.arange(14) / 14.0)


_TABLES = [_table(classes, order) for classes in (0, 3) for order in ORDERS]
FROM_FILES: dict[Component, list[Any]] = {
    ROWS_OF_CSV: [_Rows(np.array([[0.0, -1.0], [1.0, 0.5], [2.0, 1.0], [7.0, 0.0], [7.0, 0.25]]))],
    CSV: _TABLES,
    DIABETES: _TABLES,
    DIGITS: _TABLES,
    WEIGHTS: [],
}
"""What the functions of components that read a file are given once it is read; empty if they have no functions."""
