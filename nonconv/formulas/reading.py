"""Read a formula: a text in given names becomes a tree; whatever is wrong with it is found at once, with its characters.

    >>> read_formula("(theta - x)**2 / 2", ("theta", "x"), ()).tree
    Call('/', (Call('**', (Call('+', ('theta', Call('-', ('x',)))), 2.0)), 2.0))

Python's parser reads what a scan of the words has let through, and this module walks its tree: nothing is ever evaluated
but + - * / ** and FUNCTIONS of numbers that are written out, as floats.
"""

import ast
import keyword
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from nonconv.formulas.syntax import DEEPEST, MOST_CHARACTERS, tree, wrong_number
from nonconv.system.words import kind_of, nearest

MANY = MOST_CHARACTERS
MOST_MISTAKES = 8
"""Mistakes that are told of one formula."""
FUNCTIONS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "atan", "erf"), (1, 1)),
    **dict.fromkeys(("log1p", "expm1", "log10", "sigmoid", "softplus", "abs", "sign", "heaviside"), (1, 1)),
    **dict.fromkeys(("floor", "ceil"), (1, 1)),
    **dict.fromkeys(("min", "max"), (2, MANY)),
    "mod": (2, 2),
    "where": (3, 3),
    "compare": (4, 4),
}
"""The functions of formulas, with the least and the largest number of their arguments."""
NUMBERS = {"pi": math.pi, "e": math.e}
LN10 = math.log(10.0)
ALIASES = {
    **{"ln": "log", "arctan": "atan", "tg": "tan", "sh": "sinh", "ch": "cosh", "th": "tanh", "sgn": "sign", "fabs": "abs"},
    **{"sine": "sin", "cosine": "cos", "tangent": "tan", "arctangent": "atan", "exponential": "exp", "squareroot": "sqrt"},
    **{"absolute": "abs", "minimum": "min", "maximum": "max", "step": "heaviside", "piecewise": "where", "if": "where"},
    **{"logistic": "sigmoid", "expit": "sigmoid", "relu": "max", "power": "**", "pow": "**", "arctg": "atan"},
}
"""What functions are called elsewhere."""
OPERATORS = ("+", "-", "*", "/", "**")
COMPARED: dict[type[ast.AST], str] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
WRITTEN_OTHERWISE = {
    **{"^": "**", "×": "*", "·": "*", "⋅": "*", "∙": "*", "÷": "/", "−": "-", "–": "-", "√": "sqrt(...)", "²": "**2"},
    **{"³": "**3", "π": "pi", "θ": "theta", "|": "abs(...)", "[": "(", "]": ")", "{": "(", "}": ")", "≤": "<=", "≥": ">="},
    **{"//": "floor(... / ...)", "%": "mod(..., ...)", "∞": "a number"},
}
"""Characters of other notations, with what is written instead."""
WORD = re.compile(
    r"(?P<space>\s+)|(?P<number>(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<operator>\*\*|//|<=|>=|==|!=|[-+*/%^<>])|(?P<open>\()|(?P<close>\))|(?P<comma>,)|(?P<other>.)",
    re.DOTALL,
)
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class Call(NamedTuple):
    """An operator, a comparison or a function, with what it is applied to. `+` and `*` take two or more, `-` one."""

    name: str
    args: tuple["Node", ...]


Node: TypeAlias = float | str | Call
"""A tree: a number, a name, or a call."""


class Mistake(NamedTuple):
    """What is wrong, and with which characters: `width` of them from `first` on; none where it is the whole text."""

    message: str
    first: int = 0
    width: int = 0
    allowed: str = ""
    nearest: str = ""


class Formula(NamedTuple):
    """What was read: the tree, the names in it, and mistakes. The tree means nothing where there are mistakes."""

    tree: Node
    names: frozenset[str]
    mistakes: tuple[Mistake, ...]


class Word(NamedTuple):
    """A piece of a text: its kind, which is the name of a group of WORD, the piece, and where it begins."""

    kind: str
    text: str
    first: int

    @property
    def ends_operand(self) -> bool:
        """Whether an operator may follow."""
        return self.kind in ("number", "name", "close") and self.text not in ("and", "or")


class Unreadable(Exception):
    """Raised inside: the mistake at which reading the tree ends."""

    def __init__(self, mistake: Mistake) -> None:
        self.mistake = mistake


def read_formula(text: str, variables: Sequence[str], constants: Sequence[str], most: int = MOST_CHARACTERS) -> Formula:
    """Read a formula in these names. most: characters, at most."""
    if len(text) > most:
        mistake = Mistake(f"has {len(text)} characters; a formula has at most {most}")
        return Formula(0.0, frozenset(), (mistake,))
    words = [Word(str(m.lastgroup), m[0], m.start()) for m in WORD.finditer(text) if m.lastgroup != "space"]
    if not words:
        return Formula(0.0, frozenset(), (Mistake("is empty", allowed=_allowed(variables, constants)),))
    known = (*variables, *NUMBERS, *constants)
    names = frozenset(word.text for word in words if word.kind == "name" and word.text in known)
    mistakes = _Scan(words, known, _allowed(variables, constants)).mistakes
    if mistakes:
        return Formula(0.0, names, tuple(sorted(mistakes, key=lambda one: one.first)[:MOST_MISTAKES]))
    try:
        # Spaces for all white space: a line break would end the expression, and a tab is not one of Python's.
        found = _Reading(text).node(tree(re.sub(r"\s", " ", text[words[0].first :])), words[0].first)
        return Formula(found, names, ())
    except Unreadable as unreadable:
        mistake = unreadable.mistake
    except ValueError:
        mistake = Mistake(f"{kind_of(text)} is not a formula")
    except RecursionError:
        mistake = Mistake(f"is nested more than {DEEPEST} deep")
    return Formula(0.0, names, (mistake,))


def numbered(text: str, bases: Sequence[str]) -> tuple[str, ...]:
    """Return the names in a text that are one of the bases and a number from 1 on, as theta1; in the order of the numbers."""
    found = {(word[1], int(word[2])) for word in re.finditer(r"\b([A-Za-z]+)([1-9][0-9]{0,5})\b", text) if word[1] in bases}
    return tuple(f"{base}{number}" for base, number in sorted(found, key=lambda one: (bases.index(one[0]), one[1])))


def _allowed(variables: Sequence[str], constants: Sequence[str]) -> str:
    """Say what a formula may be made of."""
    names = ", ".join((*variables, *constants, *NUMBERS))
    return f"{names}, numbers, + - * / **, parentheses, {', '.join(FUNCTIONS)}"


def wrong_name(name: str, variables: Sequence[str]) -> str:
    """Say why a constant cannot have this name; empty if it can."""
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        return "is not a name: letters, digits and _, a letter first"
    if name in variables:
        return f"is a name that the formula has already: {', '.join(variables)}"
    if name in NUMBERS:
        return f"is {NUMBERS[name]:.6g} in every formula"
    return "is the name of a function of formulas" if name in FUNCTIONS else ""


def _is_number(text: str) -> bool:
    """Whether Python takes a text for a number: neither 007 nor 1__0."""
    try:
        return isinstance(ast.literal_eval(text), int | float)
    except (SyntaxError, ValueError):
        return False


class _Scan:
    """Find mistakes in the words of a formula: unknown characters and names, and words that cannot stand side by side."""

    def __init__(self, words: list[Word], known: Sequence[str], allowed: str) -> None:
        self.known, self.allowed = known, allowed
        self.mistakes: list[Mistake] = []
        self.open: list[tuple[Word, bool]] = []  # each parenthesis, and whether a function's arguments are in it
        before: Word | None = None
        for word, after in zip(words, [*words[1:], None], strict=True):
            wrong = self._character(word, before) or self._neighbours(word, before)
            if word.kind in ("open", "close", "comma"):
                self._parentheses(word, before, wrong)
            elif word.kind == "name" and not (before and before.text == "."):
                self._name(word, after is not None and after.kind == "open")
            before = word
        if before and not before.ends_operand and before.kind in ("operator", "comma", "name") and not self.mistakes:
            self._add(before, f"nothing follows {before.text}")
        for word, _ in self.open[:1]:
            self._add(word, "this parenthesis is not closed")

    def _add(self, word: Word, message: str, allowed: str = "", near: str = "") -> bool:
        """Add a mistake about a word; return that there is one."""
        self.mistakes.append(Mistake(message, word.first, len(word.text), allowed, near))
        return True

    def _character(self, word: Word, before: Word | None) -> bool:
        """Complain about a character or an operator that formulas do not have."""
        instead = WRITTEN_OTHERWISE.get(word.text, "")
        if word.text == "." and before and before.kind == "name" and before.first + len(before.text) == word.first:
            return self._add(word, "a name has no parts after a point", self.allowed)
        if word.text == "=":
            return self._add(word, "a formula is no equation", self.allowed)
        if word.kind == "other" or instead:
            return self._add(word, f"{word.text} is not understood", "" if instead else self.allowed, instead)
        if word.kind == "number" and not _is_number(word.text):
            return self._add(word, f"{kind_of(word.text)} is not a number")
        return False

    def _neighbours(self, word: Word, before: Word | None) -> bool:
        """Complain about two operands without an operator between them, or an operator without an operand."""
        begins = word.kind in ("number", "name", "open") and word.text not in ("and", "or")
        if begins and before and before.ends_operand and not self._is_call(word, before):
            if keyword.iskeyword(word.text) or keyword.iskeyword(before.text) or before.text in FUNCTIONS:
                return False  # which is said of the one word alone
            return self._add(word, f"an operator is missing before {word.text}", near=self._product(before, word))
        operator_ = word.kind in ("operator", "comma") or word.text in ("and", "or")
        unary = word.text in ("+", "-")
        if operator_ and not unary and not (before and before.ends_operand):
            where = f"between {before.text} and {word.text}" if before else f"before {word.text}"
            return self._add(word, f"nothing stands {where}")
        return False

    def _is_call(self, word: Word, before: Word) -> bool:
        """Whether a parenthesis opens arguments: a name before it that is no quantity is taken for a function's."""
        return word.kind == "open" and before.kind == "name" and before.text not in self.known

    def _product(self, before: Word, word: Word) -> str:
        """Write the product that was probably meant."""
        left, right = ("(...)" if one.kind in ("open", "close") else one.text for one in (before, word))
        return f"{left} * {right}"

    def _parentheses(self, word: Word, before: Word | None, wrong: bool) -> None:
        """Follow parentheses; a comma belongs into a function's. wrong: something is wrong with the word already."""
        if word.kind == "open":
            self.open.append((word, before is not None and self._is_call(word, before)))
            if len(self.open) == DEEPEST + 1:
                self._add(word, f"is nested more than {DEEPEST} deep")
        elif word.kind == "close" and not self.open:
            self._add(word, "no parenthesis is open here")
        elif word.kind == "close":
            _, of_call = self.open.pop()
            if before and before.kind == "open" and not of_call:
                self._add(word, "nothing stands between the parentheses")
            elif before and before.kind in ("operator", "comma"):
                self._add(before, f"nothing follows {before.text}")
        elif word.kind == "comma" and not wrong and not (self.open and self.open[-1][1]):
            self._add(word, "a comma separates the arguments of a function; the decimal sign is a point")

    def _name(self, word: Word, called: bool) -> None:
        """Complain about an unknown name, and a function without its argument."""
        name = word.text
        if name in ("and", "or"):
            return
        if name in FUNCTIONS and not called:
            self._add(word, f"{name} is a function; it needs an argument", near=f"{name}({self.known[0]})")
        elif name not in FUNCTIONS and name not in self.known:
            names = FUNCTIONS if called else (*self.known, *FUNCTIONS)
            near = ALIASES.get(name.lower().removeprefix("math").removeprefix("np"), "") or _nearest(name, names)
            message = f"there is no function {name}" if called else f"there is no {name} here"
            self._add(word, message, ", ".join(FUNCTIONS) if called else self.allowed, near)


def _nearest(name: str, names: Sequence[str] | Mapping[str, Any]) -> str:
    """Return the name that is meant: of a few letters also one in which two of them changed places."""
    near = nearest(name, [one for one in names if one != name])
    return near or next((one for one in names if one.lower() == name.lower()), "")


class _Reading:
    """Turn Python's tree of a formula into a Node. Raises Unreadable at the first mistake.

    text: the formula. first: the character at which what Python's parser has read begins.
    """

    def __init__(self, text: str) -> None:
        self.text, self.first = text, 0

    def node(self, root: ast.expr, first: int) -> Node:
        """Return the tree of a whole formula."""
        self.first = first
        return self._value(root, 0)

    def _fail(self, node: ast.expr, message: str, allowed: str = "", near: str = "") -> Unreadable:
        """Return what to raise about a part of the text. It is ASCII here, so that Python's bytes are characters."""
        first, last = self.first + node.col_offset, self.first + (node.end_col_offset or node.col_offset + 1)
        return Unreadable(Mistake(message, first, last - first, allowed, near))

    def _value(self, node: ast.expr, depth: int) -> Node:  # noqa: PLR0911  # one for each kind of node
        """Return the tree of a part that is a number."""
        if depth > DEEPEST:
            raise self._fail(node, f"is nested more than {DEEPEST} deep")
        match node:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                return self._number(node, value)
            case ast.Name():
                return NUMBERS.get(node.id, node.id)
            case ast.UnaryOp(op=ast.UAdd()):
                return self._value(node.operand, depth + 1)
            case ast.UnaryOp(op=ast.USub()):
                return self._folded(node, "-", (self._value(node.operand, depth + 1),))
            case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult()):
                return self._chain(node, depth)
            case ast.BinOp(op=ast.Div()):
                return self._folded(node, "/", self._both(node, depth), node.right)
            case ast.BinOp(op=ast.Pow()):
                if isinstance(node.left, ast.Name) and node.left.id == "e":
                    return self._folded(node, "exp", (self._value(node.right, depth + 1),))
                return self._folded(node, "**", self._both(node, depth))
            case ast.Call(func=ast.Name(id=name)) if not node.keywords and name in FUNCTIONS:
                return self._call(node, name, depth)
            case ast.Compare() | ast.BoolOp():
                raise self._fail(node, "a comparison belongs into where(condition, yes, no)")
        part = self.text[self.first + node.col_offset : self.first + (node.end_col_offset or 0)]
        raise self._fail(node, f"{kind_of(part)} is not understood")

    def _number(self, node: ast.expr, value: float) -> float:
        """Return a number that is written out."""
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isinf(number):
            raise self._fail(node, "this number is too large for a float")
        return number

    def _both(self, node: ast.BinOp, depth: int) -> tuple[Node, ...]:
        """Return the operands of an operator."""
        return self._value(node.left, depth + 1), self._value(node.right, depth + 1)

    def _chain(self, node: ast.BinOp, depth: int) -> Node:
        """Return a sum of all its terms, or a product of all its factors: a long one is not deep.

        It is computed from left to right, as Python does, and a - b is a + (-b) to the bit.
        """
        kinds = (ast.Mult,) if isinstance(node.op, ast.Mult) else (ast.Add, ast.Sub)
        parts: list[Node] = []
        at: ast.expr = node
        while isinstance(at, ast.BinOp) and isinstance(at.op, kinds):
            right = self._value(at.right, depth + 1)
            parts.append(self._folded(at.right, "-", (right,)) if isinstance(at.op, ast.Sub) else right)
            at = at.left
        parts.append(self._value(at, depth + 1))
        return self._folded(node, "*" if kinds == (ast.Mult,) else "+", tuple(parts[::-1]))

    def _call(self, node: ast.Call, name: str, depth: int) -> Node:
        """Return a call of a function."""
        wrong = wrong_number(name, FUNCTIONS[name], len(node.args))
        if wrong:
            raise self._fail(node, wrong)
        if name == "where":
            yes, no = (self._value(part, depth + 1) for part in node.args[1:])
            return self._where(node.args[0], yes, no, depth + 1)
        args = tuple(self._value(part, depth + 1) for part in node.args)
        if name == "log10":
            return self._folded(node, "/", (self._folded(node, "log", args), LN10))
        return self._folded(node, name, args)

    def _where(self, condition: ast.expr, yes: Node, no: Node, depth: int) -> Node:
        """Return a choice, or one of its branches where the condition is known."""
        found = self._condition(condition, depth)
        return (yes if found else no) if isinstance(found, bool) else Call("where", (found, yes, no))

    def _condition(self, node: ast.expr, depth: int) -> Node | bool:
        """Return a condition, or whether it holds where it is known."""
        if depth > DEEPEST:
            raise self._fail(node, f"is nested more than {DEEPEST} deep")
        match node:
            case ast.BoolOp():
                name = "and" if isinstance(node.op, ast.And) else "or"
                return _joined(name, [self._condition(one, depth + 1) for one in node.values])
            case ast.Compare():
                sides = [self._value(side, depth + 1) for side in (node.left, *node.comparators)]
                signs = [COMPARED.get(type(op), "") for op in node.ops]
                if all(signs):
                    pairs = zip(signs, sides, sides[1:], strict=False)
                    return _joined("and", [_compared(sign, left, right) for sign, left, right in pairs])
        raise self._fail(node, "the first argument of where is a comparison", ", ".join(COMPARED.values()))

    def _folded(self, node: ast.expr, name: str, args: tuple[Node, ...], divisor: ast.expr | None = None) -> Node:
        """Return a call, or its value where all it is applied to are numbers."""
        if name == "/" and args[1] == 0.0:
            raise self._fail(divisor or node, "this divides by 0")
        numbers = [one for one in args if isinstance(one, float)]
        if len(numbers) < len(args):
            return Call(name, args)
        try:
            value = VALUES[name](*numbers)
        except OverflowError:
            value = math.inf
        except ZeroDivisionError:
            raise self._fail(node, "this divides by 0") from None
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self._fail(node, "this is too large for a float" if math.isinf(value) else "this is not a number")
        return float(value)


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    **{"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne}
}


def _compared(sign: str, left: Node, right: Node) -> Node | bool:
    """Return a comparison, or whether it holds where both sides are numbers."""
    if isinstance(left, float) and isinstance(right, float):
        return COMPARE[sign](left, right)
    return Call(sign, (left, right))


def _joined(name: str, conditions: list[Node | bool]) -> Node | bool:
    """Return conditions joined by `and` or `or`, or whether they hold where that is known."""
    decides = name == "or"
    if any(one is decides for one in conditions):
        return decides
    open_ = [one for one in conditions if not isinstance(one, bool)]
    if len(open_) < 2:
        return open_[0] if open_ else not decides
    return Call(name, tuple(open_))


def _power(base: float, exponent: float) -> float:
    """Return a power of floats, which is at most infinite: 9**9**9 is found at once."""
    if base == 0.0 and exponent < 0.0:
        raise ZeroDivisionError
    return math.pow(base, exponent)


def _sign(u: float) -> float:
    return float((u > 0.0) - (u < 0.0))


def _sigmoid(u: float) -> float:
    return 1.0 / (1.0 + math.exp(-u)) if u > -700.0 else 0.0


def _compare(u: float, v: float, less: float, more: float) -> float:
    """Return less where u < v, more where u > v, their mean where they are equal."""
    return less if u < v else more if u > v else 0.5 * (less + more)


VALUES: dict[str, Callable[..., float]] = {
    "+": lambda *terms: sum(terms[1:], start=terms[0]),
    "*": lambda *factors: math.prod(factors[1:], start=factors[0]),
    "-": operator.neg,
    "/": operator.truediv,
    "**": _power,
    **{name: getattr(math, name) for name in ("exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "atan")},
    **{name: getattr(math, name) for name in ("erf", "log1p", "expm1", "floor", "ceil")},
    "sigmoid": _sigmoid,
    "softplus": lambda u: max(u, 0.0) + math.log1p(math.exp(-abs(u))),
    "abs": abs,
    "sign": _sign,
    "heaviside": lambda u: 0.5 + 0.5 * _sign(u),
    "min": min,
    "max": max,
    "mod": lambda u, v: u - v * math.floor(u / v),
    "compare": _compare,
}
"""What calls of numbers are; `where` is decided where it is read."""
