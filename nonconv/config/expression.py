"""Parse expressions in config keys, check them against a list of what is allowed, evaluate them on numbers or arrays."""

import ast
import math
import operator
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from nonconv.faults.problems import kind_of

MOST_CHARACTERS = 1000
DEEPEST = 60
"""Neither long nor deep expressions may exhaust Python's stack."""
ARGUMENTS = {
    "sqrt": (1, 1),
    "log": (1, 2),
    "log10": (1, 1),
    "exp": (1, 1),
    "abs": (1, 1),
    "min": (2, MOST_CHARACTERS),
    "max": (2, MOST_CHARACTERS),
}
"""The functions of expressions, with the least and the largest number of their arguments."""
SWITCHES = {"true": True, "false": False}
COMPARISONS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
ALLOWED = f"config keys, numbers, texts in quotes, + - * / **, == != < <= > >=, and, or, not, {', '.join(ARGUMENTS)}"


class Arithmetic(NamedTuple):
    """What operators and functions do to numbers: `ON_NUMBERS`, or others for arrays."""

    operators: Mapping[type[ast.AST], Callable[..., Any]]
    functions: Mapping[str, Callable[..., Any]]


def _of_numbers(calculate: Callable[..., Any]) -> Callable[..., Any]:
    # Python would also repeat a text a thousand million times.
    def calculated(*values: Any) -> Any:
        if not all(isinstance(value, int | float) for value in values):
            raise TypeError
        return calculate(*values)

    return calculated


OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: math.pow,  # of floats: 9**9**9 is too large for one, which is found at once
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
ON_NUMBERS = Arithmetic(
    operators={kind: _of_numbers(calculate) for kind, calculate in OPERATORS.items()},
    functions={
        "sqrt": math.sqrt,
        "log": math.log,
        "log10": math.log10,
        "exp": math.exp,
        "abs": abs,
        "min": min,
        "max": max,
    },
)
KNOWN = (ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.Compare, ast.boolop, ast.expr_context, ast.Not, *OPERATORS, *COMPARISONS)


@dataclass(frozen=True)
class Expression:
    """An expression as written, and the dotted keys it names."""

    text: str
    keys: tuple[str, ...]

    @property
    def tree(self) -> ast.expr:
        """What Python's parser makes of it."""
        return _tree(self.text)

    def value(self, names: Mapping[str, Any], arithmetic: Arithmetic = ON_NUMBERS) -> Any:
        """Return its value where the keys have these values, as nested mappings; None where it has none."""
        try:
            found = _Evaluation(names, arithmetic).value(self.tree)
        except (ArithmeticError, ValueError, TypeError, KeyError):
            return None
        return None if isinstance(found, float) and math.isnan(found) else found

    def holds(self, names: Mapping[str, Any]) -> bool:
        """Whether it is true; false where a key it names does not exist, as beta1 of an optimizer without one."""
        return bool(self.value(names))


class _Evaluation:
    """The value of each kind of node that `expression` lets through."""

    def __init__(self, names: Mapping[str, Any], arithmetic: Arithmetic) -> None:
        self.names, self.arithmetic = names, arithmetic

    def value(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant():
                return node.value
            case ast.Name() | ast.Attribute():
                return self._looked_up(key_of(node))
            case ast.BoolOp():
                return self._joined(isinstance(node.op, ast.Or), node.values)
            case ast.Compare():
                return self._compared(node)
            case ast.UnaryOp(op=ast.Not()):
                return not self.value(node.operand)
        return self._calculated(node)

    def _calculated(self, node: ast.expr) -> Any:
        match node:
            case ast.UnaryOp():
                calculate, parts = self.arithmetic.operators[type(node.op)], [node.operand]
            case ast.BinOp():
                calculate, parts = self.arithmetic.operators[type(node.op)], [node.left, node.right]
            case ast.Call():
                calculate, parts = self.arithmetic.functions[key_of(node.func)], node.args
            case _:
                raise TypeError(f"{type(node).__name__} is no part of an expression")
        return calculate(*map(self.value, parts))

    def _looked_up(self, key: str) -> Any:
        """The value of a dotted key, which no attribute or method of Python's can hide."""
        if key in SWITCHES:
            return SWITCHES[key]
        found: Any = self.names
        for part in key.split("."):
            found = found[part]
        return found

    def _joined(self, wanted: bool, nodes: list[ast.expr]) -> Any:
        """As Python's `or` (wanted: true) and `and`: the first value that decides, or the last."""
        found: Any = None
        for node in nodes:
            found = self.value(node)
            if bool(found) == wanted:
                break
        return found

    def _compared(self, node: ast.Compare) -> Any:
        left, found = self.value(node.left), True
        for compare, right in zip(node.ops, node.comparators, strict=True):
            if not found:
                break
            following = self.value(right)
            left, found = following, COMPARISONS[type(compare)](left, following)
        return found


def expression(text: str) -> Expression:
    """Parse an expression. Raises ValueError with what is wrong."""
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
    """Add the dotted keys under a node. Raises ValueError where there is anything that an expression may not have in it."""
    if depth > DEEPEST:
        raise ValueError(f"is nested more than {DEEPEST} deep")
    key = key_of(node)
    if key:
        keys |= dict.fromkeys({key} - SWITCHES.keys())
        return
    parts = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.Call) and key_of(node.func) and not node.keywords:
        _check_call(key_of(node.func), len(node.args))
        parts = list(node.args)
    elif not isinstance(node, KNOWN) and not _is_constant(node):
        raise ValueError(f"{kind_of(ast.get_source_segment(text, node) or text)} is not understood")
    for part in parts:
        _collect(text, part, keys, depth + 1)


def key_of(node: ast.AST) -> str:
    """Return the dotted key that a node is, or an empty text."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def _is_constant(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float | str)


def _check_call(name: str, given: int) -> None:
    if name not in ARGUMENTS:
        raise ValueError(f"there is no function {name}; there are {', '.join(ARGUMENTS)}")
    least, most = ARGUMENTS[name]
    if not least <= given <= most:
        numbers = "one number" if most == 1 else "one or two numbers" if most == 2 else "two numbers or more"
        raise ValueError(f"{name} takes {numbers}, not {given}")


def sides(text: str) -> tuple[Expression, Expression]:
    """Parse both sides of `left = right`. Raises ValueError with what is wrong."""
    left, equals, right = text.partition("=")
    if not equals or "=" in right or left.endswith(("<", ">", "!")):
        raise ValueError(f"{kind_of(text)} is not an equation")
    return expression(left), expression(right)


def equation(text: str) -> Expression:
    """Parse `left = right` as left minus right. Raises ValueError with what is wrong."""
    left, right = sides(text)
    return expression(f"({left.text}) - ({right.text})")
