"""Curves over a map: where an equation between two swept keys holds."""

import ast
import operator
import re
from functools import reduce
from types import SimpleNamespace
from typing import Any

import numpy as np
from simpleeval import InvalidExpression, SimpleEval

from nonconv.numerics.arithmetic import Array
from nonconv.report.figures.sweep_axes import SweptAxis, symbol

BETAS = ("optimizer.beta1", "optimizer.beta2")
CONDITION = "optimizer.beta1 = sqrt(optimizer.beta2)"
"""The border of β₁ < √β₂, a usual condition for convergence; drawn over every map of BETAS."""
FINENESS = 400
OPERATORS: Any = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: np.divide,
    ast.Pow: np.float_power,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
FUNCTIONS: Any = {
    "sqrt": np.sqrt,
    "log": lambda x, base=np.e: np.log(x) / np.log(base),
    "log10": np.log10,
    "exp": np.exp,
    "abs": np.abs,
    "min": lambda *numbers: reduce(np.minimum, numbers),
    "max": lambda *numbers: reduce(np.maximum, numbers),
}
"""Those of config.conditions, on arrays."""


def curves_of(equations: list[str], keys: tuple[str, ...]) -> list[str]:
    """The equations that involve these keys alone, without duplicates; over BETAS also CONDITION."""
    given = [*equations, CONDITION] if set(keys) == set(BETAS) else equations
    found: dict[Any, str] = {}
    for equation in given:
        trees = _sides(equation)
        used = set().union(*map(_keys, trees))
        if used and used <= set(keys):
            found.setdefault(frozenset(map(ast.dump, trees)), equation)
    return list(found.values())


def _sides(equation: str) -> list[ast.expr]:
    """Both sides of an equation; none if the text is not one."""
    try:
        sides = [ast.parse(side.strip(), mode="eval").body for side in re.split("==?", equation)]
    except SyntaxError:
        return []
    return sides if len(sides) == 2 else []


def _keys(tree: ast.expr) -> set[str]:
    """The dotted names of an expression, which its functions are not."""
    if isinstance(tree, ast.Attribute | ast.Name):
        return {ast.unparse(tree)}
    parts = tree.args if isinstance(tree, ast.Call) else ast.iter_child_nodes(tree)
    return set().union(*(_keys(part) for part in parts if isinstance(part, ast.expr)))


def difference(equation: str, x: SweptAxis, y: SweptAxis) -> tuple[Array, Array, Array]:
    """Left minus right over a mesh of places, shapes (fine,), (fine,), (fine, fine) with y first; nan where undefined."""
    across, up = x.mesh(FINENESS), y.mesh(FINENESS)
    over, upwards = np.meshgrid(x.values_at(across), y.values_at(up))
    evaluator = _evaluator({x.key: over, y.key: upwards})
    try:
        with np.errstate(all="ignore"):
            left, right = (evaluator.eval("", side) for side in _sides(equation))
            found = np.broadcast_to(np.asarray(left - right, dtype=float), over.shape)
    except (InvalidExpression, ArithmeticError, TypeError, ValueError):
        found = np.full(over.shape, np.nan)
    return across, up, np.where(np.isfinite(found), found, np.nan)


def _evaluator(values: dict[str, Array]) -> Any:
    """Dotted keys are attributes; nothing else has any, so an equation cannot reach the methods of arrays."""
    names = SimpleNamespace()
    for key, value in values.items():
        *parents, last = key.split(".")
        at = names
        for parent in parents:
            if not hasattr(at, parent):
                setattr(at, parent, SimpleNamespace())
            at = getattr(at, parent)
        setattr(at, last, value)
    parts = {part for key in values for part in key.split(".")}
    return SimpleEval(OPERATORS, FUNCTIONS, vars(names), {SimpleNamespace: parts})


def pretty(equation: str) -> str:
    """The equation for a legend: symbols for keys, √ for sqrt, ² for **2."""
    for key in sorted({key for side in _sides(equation) for key in _keys(side)}, key=len, reverse=True):
        equation = equation.replace(key, symbol(key))
    equation = re.sub(r"sqrt\(([^\W\d][^\s()+*/-]*)\)", r"√\1", equation).replace("sqrt(", "√(")
    return re.sub(r"\s*=+\s*", " = ", equation.replace("**2", "²").replace("**", "^").replace("-", "−"))
