"""Curves over a map: where an equation between two swept keys holds."""

import ast
import operator
import re
import textwrap
from collections.abc import Iterable, Mapping
from functools import reduce
from types import MappingProxyType
from typing import Any

import numpy as np

from nonconv.config.expression import Arithmetic, Expression, sides
from nonconv.numerics.arithmetic import Array
from nonconv.report.figures.axes import LARGEST_SHOWN
from nonconv.report.figures.sweep_axes import SweptAxis
from nonconv.report.labels import symbol

BETAS = ("optimizer.beta1", "optimizer.beta2")
CONDITION = "optimizer.beta1 = sqrt(optimizer.beta2)"
"""The border of β₁ < √β₂, a usual condition for convergence; drawn over every map of BETAS."""
NOTHING_ELSE: Mapping[str, float] = MappingProxyType({})
LONGEST_LINE = 52
"""Characters of an equation in a legend, which is about as wide as one panel."""
FINENESS = 400
"""Places of the mesh along each axis."""
ON_ARRAYS = Arithmetic(
    operators={
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.Div: np.divide,
        ast.Pow: np.float_power,
        ast.USub: operator.neg,
        ast.UAdd: operator.pos,
    },
    functions={
        "sqrt": np.sqrt,
        "log": lambda x, base=np.e: np.log(x) / np.log(base),
        "log10": np.log10,
        "exp": np.exp,
        "abs": np.abs,
        "min": lambda *numbers: reduce(np.minimum, numbers),
        "max": lambda *numbers: reduce(np.maximum, numbers),
    },
)


def curves_of(equations: list[str], keys: tuple[str, ...], others: Iterable[str] = ()) -> list[str]:
    """List the equations that involve these keys alone, or others beside them, without duplicates; over BETAS also CONDITION.

    others: keys that have one value in each panel.
    """
    given = [*equations, CONDITION] if set(keys) == set(BETAS) else equations
    found: dict[Any, str] = {}
    for equation in given:
        parts = _sides(equation)
        used = {key for part in parts for key in part.keys}
        if used & set(keys) and used <= {*keys, *others}:
            found.setdefault(frozenset(ast.dump(part.tree) for part in parts), equation)
    return list(found.values())


def _sides(equation: str) -> tuple[Expression, ...]:
    """Parse both sides of an equation; none if the text is not one."""
    try:
        return sides(equation)
    except ValueError:
        return ()


def difference(
    equation: str, x: SweptAxis, y: SweptAxis, others: Mapping[str, float] = NOTHING_ELSE
) -> tuple[Array, Array, Array]:
    """Evaluate left minus right over a mesh of places; the curve is where this is 0. others: the values of further keys.

    Returns places along x and y, shape (fine,) each, and the difference, shape (fine, fine) with y first; nan where undefined.
    """
    across, up = x.mesh(FINENESS), y.mesh(FINENESS)
    over, upwards = np.meshgrid(x.values_at(across), y.values_at(up))
    names = _nested({**others, x.key: over, y.key: upwards})
    with np.errstate(all="ignore"):
        values = [part.value(names, ON_ARRAYS) for part in _sides(equation)]
        known = len(values) == 2 and not any(value is None or isinstance(value, str) for value in values)
        found = np.broadcast_to(np.asarray(np.subtract(*values) if known else np.nan, dtype=float), over.shape)
    # The curve is where the sign changes; matplotlib computes with the differences.
    return across, up, np.where(np.isfinite(found), np.clip(found, -LARGEST_SHOWN, LARGEST_SHOWN), np.nan)


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by dotted key as mappings in mappings, as a config is."""
    names: dict[str, Any] = {}
    for key, value in values.items():
        *parents, last = key.split(".")
        at = names
        for parent in parents:
            at = at.setdefault(parent, {})
        at[last] = value
    return names


def pretty(equation: str) -> str:
    """Write an equation for a legend: symbols or last parts for keys, √ for sqrt, ² for **2; long ones in lines."""
    for key in sorted({key for part in _sides(equation) for key in part.keys}, key=len, reverse=True):
        equation = equation.replace(key, symbol(key).rpartition(".")[2])
    equation = re.sub(r"sqrt\(([^\W\d][^\s()+*/-]*)\)", r"√\1", equation).replace("sqrt(", "√(")
    written = re.sub(r"\s*=+\s*", " = ", equation.replace("**2", "²").replace("**", "^").replace("-", "−"))
    return textwrap.fill(written, LONGEST_LINE)
