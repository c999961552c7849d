"""Expressions in config keys: parse them, check them against a list of what is allowed, evaluate them.

    >>> expression("optimizer.beta1 < sqrt(optimizer.beta2)").value({"optimizer": {"beta1": 0.9, "beta2": 0.99}})
    True

The `include`, `exclude` and `curves` of a sweep are such texts. Python's parser reads them and this module evaluates the
tree, so that a config can neither call anything but ARGUMENTS nor reach an attribute of a Python object. Curves are
evaluated on arrays, by another `Arithmetic`.
"""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from nonconv.faults.problems import kind_of
from nonconv.formulas.syntax import DEEPEST, MOST_CHARACTERS, key_of, tree, wrong_number

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
"""Words of YAML that are values, not keys."""
COMPARISONS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
ALLOWED = (
    f"config keys, numbers, texts in quotes, lists of these, + - * / **, == != < <= > >=, and, or, not, {', '.join(ARGUMENTS)}"
)


class Arithmetic(NamedTuple):
    """What operators and functions do: `ON_NUMBERS` here, or others for arrays."""

    operators: Mapping[type[ast.AST], Callable[..., Any]]
    functions: Mapping[str, Callable[..., Any]]


def _refuse_other_than_numbers(calculate: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap an operation: raise TypeError for anything but numbers.

    Python would also repeat a text a thousand million times.
    """

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
    operators={kind: _refuse_other_than_numbers(calculate) for kind, calculate in OPERATORS.items()},
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
ALLOWED_NODES = (
    ast.BoolOp,
    ast.BinOp,
    ast.UnaryOp,
    ast.Compare,
    ast.boolop,
    ast.expr_context,
    ast.Not,
    *OPERATORS,
    *COMPARISONS,
)


@dataclass(frozen=True)
class Expression:
    """An expression as written, and the dotted keys that it names. Made by `expression`, which checks it."""

    text: str
    keys: tuple[str, ...]

    @property
    def tree(self) -> ast.expr:
        """What Python's parser makes of it."""
        return tree(self.text)

    def value(self, names: Mapping[str, Any], arithmetic: Arithmetic = ON_NUMBERS) -> Any:
        """Return the value where the keys have these values; None where it has none, as 1/0 or with a key that does not exist.

        names: nested mappings, as a config is.
        """
        try:
            found = _Evaluation(names, arithmetic).value(self.tree)
        except (ArithmeticError, ValueError, TypeError, KeyError):
            return None
        # nan is no value: a condition on it would hold or not by chance.
        return None if isinstance(found, float) and math.isnan(found) else found

    def holds(self, names: Mapping[str, Any]) -> bool:
        """Whether it is true; false where a key it names does not exist, as beta1 of an optimizer without one."""
        return bool(self.value(names))


class _Evaluation:
    """Evaluate each kind of node that `expression` lets through."""

    def __init__(self, names: Mapping[str, Any], arithmetic: Arithmetic) -> None:
        self.names, self.arithmetic = names, arithmetic

    def value(self, node: ast.expr) -> Any:
        """Return the value of a node. Raises what `Expression.value` catches."""
        match node:
            case ast.Constant() | ast.List():
                return ast.literal_eval(node)
            case ast.Name() | ast.Attribute():
                return self._look_up(key_of(node))
            case ast.BoolOp():
                return self._decide(isinstance(node.op, ast.Or), node.values)
            case ast.Compare():
                return self._compare(node)
            case ast.UnaryOp(op=ast.Not()):
                return not self.value(node.operand)
        return self._calculate(node)

    def _calculate(self, node: ast.expr) -> Any:
        """Apply an operator or a function to the values of its operands."""
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

    def _look_up(self, key: str) -> Any:
        """Return the value of a dotted key. Only mappings are entered, never attributes of Python objects."""
        if key in SWITCHES:
            return SWITCHES[key]
        found: Any = self.names
        for part in key.split("."):
            found = found[part]
        # Lists of a config are tuples once it is read, and [2] in an expression is to be equal to both.
        return list(found) if isinstance(found, tuple) else found

    def _decide(self, wanted: bool, nodes: list[ast.expr]) -> Any:
        """Evaluate `or` (wanted: True) or `and` (wanted: False) as Python does.

        Returns the first value that decides, or the last; what comes after it is not evaluated.
        """
        found: Any = None
        for node in nodes:
            found = self.value(node)
            if bool(found) == wanted:
                break
        return found

    def _compare(self, node: ast.Compare) -> Any:
        """Evaluate a comparison, which may be a chain such as `0 < a <= 1`."""
        left, found = self.value(node.left), True
        for compare, right in zip(node.ops, node.comparators, strict=True):
            if not found:
                break
            following = self.value(right)
            left, found = following, COMPARISONS[type(compare)](left, following)
        return found


def expression(text: str) -> Expression:
    """Parse an expression and check that it uses nothing but ALLOWED.

    Raises ValueError with what is wrong.
    """
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"has {len(text)} characters; an expression has at most {MOST_CHARACTERS}")
    keys: dict[str, None] = {}
    _collect_keys(text.strip(), tree(text.strip()), keys)
    return Expression(text.strip(), tuple(keys))


def _collect_keys(text: str, node: ast.AST, keys: dict[str, None], depth: int = 0) -> None:
    """Add the dotted keys under a node.

    Raises ValueError where there is anything that an expression may not have in it.
    """
    if depth > DEEPEST:
        raise ValueError(f"is nested more than {DEEPEST} deep")
    key = key_of(node)
    if key:
        # A dotted key is one name to a config, though Python's parser sees attributes of a name.
        keys |= dict.fromkeys({key} - SWITCHES.keys())
        return
    parts = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.Call) and key_of(node.func) and not node.keywords:
        _check_call(key_of(node.func), len(node.args))
        parts = list(node.args)
    elif isinstance(node, ast.List) and all(map(_is_constant, node.elts)):
        return
    elif not isinstance(node, ALLOWED_NODES) and not _is_constant(node):
        raise ValueError(f"{kind_of(ast.get_source_segment(text, node) or text)} is not understood")
    for part in parts:
        _collect_keys(text, part, keys, depth + 1)


def _is_constant(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float | str)


def _check_call(name: str, given: int) -> None:
    """Raise ValueError for an unknown function, or the wrong number of arguments."""
    if name not in ARGUMENTS:
        raise ValueError(f"there is no function {name}; there are {', '.join(ARGUMENTS)}")
    wrong = wrong_number(name, ARGUMENTS[name], given)
    if wrong:
        raise ValueError(wrong)


def sides(text: str) -> tuple[Expression, Expression]:
    """Parse both sides of `left = right`. Raises ValueError with what is wrong."""
    left, equals, right = text.partition("=")
    if not equals or "=" in right or left.endswith(("<", ">", "!")):
        raise ValueError(f"{kind_of(text)} is not an equation")
    return expression(left), expression(right)


def equation(text: str) -> Expression:
    """Parse `left = right` as the expression left minus right, which is 0 where the equation holds.

    Raises ValueError with what is wrong.
    """
    left, right = sides(text)
    return expression(f"({left.text}) - ({right.text})")
