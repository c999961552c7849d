"""Expressions in config keys: conditions on the cells of a sweep, and equations that are drawn over its maps."""

import ast
import math
import operator
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from simpleeval import InvalidExpression, SimpleEval

from nonconv.config.document import kind_of

MOST_CHARACTERS = 1000
DEEPEST = 60
"""So that neither long nor deep expressions exhaust Python's stack."""
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sqrt": math.sqrt,
    "log": math.log,
    "log10": math.log10,
    "exp": math.exp,
    "abs": abs,
    "min": min,
    "max": max,
}
ARGUMENTS = {"log": (1, 2), "min": (2, MOST_CHARACTERS), "max": (2, MOST_CHARACTERS)}
"""How many a function takes, at least and at most; others take one."""
SWITCHES = {"true": True, "false": False}
ARITHMETIC: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: math.pow,  # of floats: 9**9**9 is too large for one, which is found at once
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
COMPARISONS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Not: operator.not_,
}
KNOWN = (ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.Compare, ast.boolop, ast.expr_context, *ARITHMETIC, *COMPARISONS)
ALLOWED = f"config keys, numbers, texts in quotes, + - * / **, == != < <= > >=, and, or, not, {', '.join(FUNCTIONS)}"


@dataclass(frozen=True)
class Expression:
    """An expression as written, and the dotted keys it names."""

    text: str
    keys: tuple[str, ...]

    def value(self, names: dict[str, Any]) -> Any:
        """Its value where the keys have these values, as nested mappings; None where it has none."""
        evaluator = SimpleEval(OPERATORS, FUNCTIONS)
        evaluator.nodes |= dict.fromkeys((ast.Name, ast.Attribute), partial(_looked_up, names))
        try:
            found = evaluator.eval(self.text, _tree(self.text))
        except (InvalidExpression, ArithmeticError, ValueError, TypeError, KeyError):
            return None
        return None if isinstance(found, float) and math.isnan(found) else found

    def holds(self, names: dict[str, Any]) -> bool:
        """Whether it is true; not where a key it names does not exist, as beta1 of an optimizer without one."""
        return bool(self.value(names))


def _looked_up(names: dict[str, Any], node: ast.expr) -> Any:
    """The value of a dotted key, which no attribute or method of Python's can hide."""
    found: Any = names
    for part in _key(node).split("."):
        found = SWITCHES[part] if found is names and part in SWITCHES else found[part]
    return found


def _of_numbers(calculate: Callable[..., Any]) -> Callable[..., Any]:
    """Python would also repeat a text a thousand million times."""

    def calculated(*values: Any) -> Any:
        if not all(isinstance(value, int | float) for value in values):
            raise TypeError
        return calculate(*values)

    return calculated


OPERATORS = {kind: _of_numbers(calculate) for kind, calculate in ARITHMETIC.items()} | COMPARISONS


def expression(text: str) -> Expression:
    """The expression that a text is. Raises ValueError with what is wrong."""
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"has {len(text)} characters; an expression has at most {MOST_CHARACTERS}")
    keys: dict[str, None] = {}
    _collect(text.strip(), _tree(text.strip()), keys)
    return Expression(text.strip(), tuple(keys))


@lru_cache
def _tree(text: str) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        hint = "; equality is written ==" if "=" in text and "==" not in text else ""
        raise ValueError(f"{kind_of(text)} is not an expression{hint}") from None


def _collect(text: str, node: ast.AST, keys: dict[str, None], depth: int = 0) -> None:
    """The dotted keys under a node. Raises ValueError where there is anything but what an expression may have in it."""
    if depth > DEEPEST:
        raise ValueError(f"is nested more than {DEEPEST} deep")
    key = _key(node)
    if key:
        keys |= dict.fromkeys({key} - SWITCHES.keys())
        return
    parts = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.Call) and _key(node.func) and not node.keywords:
        _check_call(_key(node.func), len(node.args))
        parts = list(node.args)
    elif not isinstance(node, KNOWN) and not _is_constant(node):
        raise ValueError(f"{kind_of(ast.get_source_segment(text, node) or text)} is not understood")
    for part in parts:
        _collect(text, part, keys, depth + 1)


def _key(node: ast.AST) -> str:
    """The dotted key that a node is, or nothing."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def _is_constant(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float | str)


def _check_call(name: str, given: int) -> None:
    if name not in FUNCTIONS:
        raise ValueError(f"there is no function {name}; there are {', '.join(FUNCTIONS)}")
    least, most = ARGUMENTS.get(name, (1, 1))
    if not least <= given <= most:
        numbers = "one number" if most == 1 else "one or two numbers" if most == 2 else "two numbers or more"
        raise ValueError(f"{name} takes {numbers}, not {given}")


def equation(text: str) -> Expression:
    """Left minus right of `left = right`. Raises ValueError with what is wrong."""
    left, equals, right = text.partition("=")
    if not equals or "=" in right or left.endswith(("<", ">", "!")):
        raise ValueError(f"{kind_of(text)} is not an equation")
    sides = expression(left), expression(right)
    return expression(f"({sides[0].text}) - ({sides[1].text})")
