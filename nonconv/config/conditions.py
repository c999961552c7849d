"""Expressions in config keys: conditions on the cells of a sweep, and equations that are drawn over its maps."""

import ast
import math
from dataclasses import dataclass
from typing import Any

from simpleeval import InvalidExpression, SimpleEval

FUNCTIONS: dict[str, Any] = {
    "sqrt": math.sqrt,
    "log": math.log,
    "log10": math.log10,
    "exp": math.exp,
    "abs": abs,
    "min": min,
    "max": max,
}


@dataclass(frozen=True)
class Expression:
    """An expression as written, and the dotted keys it names."""

    text: str
    keys: tuple[str, ...]

    def value(self, names: dict[str, Any]) -> Any:
        """Its value where the keys have these values, as nested mappings; None where it has none."""
        try:
            return SimpleEval(names=names, functions=FUNCTIONS).eval(self.text)
        except (InvalidExpression, ArithmeticError, ValueError, TypeError, AttributeError, KeyError):
            return None

    def holds(self, names: dict[str, Any]) -> bool:
        """Whether it is true; not where a key it names does not exist, as beta1 of an optimizer without one."""
        return bool(self.value(names))


def expression(text: str) -> Expression:
    """The expression that a text is. Raises ValueError with what is wrong."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(f"{text!r} is not an expression") from None
    names: list[str] = []
    _collect(tree.body, names)
    unknown = [name for name in names if name.endswith("(") and name[:-1] not in FUNCTIONS]
    if unknown:
        raise ValueError(f"{text!r}: there is no function {unknown[0][:-1]}; there are {', '.join(FUNCTIONS)}")
    return Expression(text.strip(), tuple(dict.fromkeys(name for name in names if not name.endswith("("))))


def _collect(node: ast.AST, names: list[str]) -> None:
    """The dotted keys under a node, and the functions, whose names end with a bracket."""
    if isinstance(node, ast.Name | ast.Attribute):
        names.append(ast.unparse(node))
        return
    if isinstance(node, ast.Call):
        names.append(f"{ast.unparse(node.func)}(")
        for argument in node.args:
            _collect(argument, names)
        return
    for child in ast.iter_child_nodes(node):
        _collect(child, names)


def equation(text: str) -> Expression:
    """Left minus right of `left = right`. Raises ValueError with what is wrong."""
    left, equals, right = text.partition("=")
    if not equals or "=" in right:
        raise ValueError(f"{text!r} is not an equation")
    sides = expression(left), expression(right)
    return expression(f"({sides[0].text}) - ({sides[1].text})")
