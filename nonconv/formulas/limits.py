"""What a formula of n tends to as n -> infinity: bounds of its liminf and limsup, equal where it has a limit.

Bounds go up the tree, from n -> infinity on: those of a sum are the sums of bounds, those of a sine are -1 and 1. Where that
says nothing, as of infinity over infinity, sympy is asked for the limit of this part. It gets so many calls of functions as
take about a second, and no more: a bound on time would make the answer depend on the machine. What it says is compared with
values at large n, and does not count where these do not approach it. What is not found is unknown.

Where a formula oscillates the bounds are those that hold for all real n: a sine of whole numbers may stay within them.
"""

import inspect
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from functools import lru_cache
from threading import RLock
from typing import Any, NamedTuple

from nonconv.formulas.reading import COMPARE, VALUES, Call, Node

MOST_CALLS = 800_000
"""Calls of Python functions that sympy may make for one formula."""
LONGEST_PERIOD, LARGEST_DIVISOR, MOST_TURNS, ROUNDED = 10**5, 10**4, 1e3, 1e-12
"""Steps of a cycle that is tabulated; the largest q of p / q turns per step, the most turns, by how much they may be off."""
LARGEST_EXPONENT = 64
"""Numbers as exponents beyond this are not given to sympy."""
FAR, ALONG = (1e3, 1e4, 1e5, 1e6, 1e7, 1e9, 1e12), 12
"""Where values are compared with a limit, and at how many steps."""
NEARER, REACHED = 0.95, 1e-6
"""By which factor values must have come nearer to a limit, or relative distance at which they are there."""
SUMMABLE = 1.01
"""What falls at least as n to minus this has a finite sum."""
RISING = ("exp", "log", "sqrt", "sinh", "tanh", "atan", "erf", "log1p", "expm1", "sigmoid", "softplus")
ENDS: dict[str, dict[float, float]] = {
    "exp": {math.inf: math.inf, -math.inf: 0.0},
    "log": {math.inf: math.inf, 0.0: -math.inf},
    "sqrt": {math.inf: math.inf},
    "sinh": {math.inf: math.inf, -math.inf: -math.inf},
    "tanh": {math.inf: 1.0, -math.inf: -1.0},
    "atan": {math.inf: math.pi / 2, -math.inf: -math.pi / 2},
    "erf": {math.inf: 1.0, -math.inf: -1.0},
    "log1p": {math.inf: math.inf, -1.0: -math.inf},
    "expm1": {math.inf: math.inf, -math.inf: -1.0},
    "sigmoid": {math.inf: 1.0, -math.inf: 0.0},
    "softplus": {math.inf: math.inf, -math.inf: 0.0},
}
"""Values of rising functions at the ends of where they are defined."""


class Bounds(NamedTuple):
    """Between which numbers something stays in the end; equal for a limit, infinite where it grows without bound."""

    low: float
    high: float


class Unknown(Exception):
    """Raised where no bounds are found."""


@lru_cache(maxsize=1024)
def bounds(tree: Node, constants: tuple[tuple[str, float], ...]) -> Bounds | None:
    """Return the bounds of a formula of n as n -> infinity; None where they are not known."""
    scale, rest = _factored(tree, dict(constants))
    found = _bounds_of(rest, _used(rest, constants))
    try:
        # Adding 0 makes -0 a 0.
        return found and Bounds(*(end + 0.0 for end in _product(Bounds(scale, scale), found)))
    except Unknown:
        return None


@lru_cache(maxsize=1024)
def range_from(tree: Node, constants: tuple[tuple[str, float], ...], first: float) -> Bounds:
    """Return numbers between which a formula stays for all n from `first` on; infinite where its parts say nothing."""
    try:
        return _Range(dict(constants), first).bounds(tree)
    except (Unknown, RecursionError):
        return Bounds(-math.inf, math.inf)


def is_summable(tree: Node, constants: tuple[tuple[str, float], ...]) -> bool:
    """Return whether a formula of n is known to have a finite sum over all n."""
    _, rest = _factored(tree, dict(constants))
    return _is_summable(rest, _used(rest, constants))


@lru_cache(maxsize=1024)
def _is_summable(tree: Node, constants: tuple[tuple[str, float], ...]) -> bool:
    """Return whether n**SUMMABLE times a formula is bounded."""
    found = _bounds_of(Call("*", (Call("**", ("n", SUMMABLE)), tree)), constants)
    return found is not None and max(abs(found.low), abs(found.high)) < math.inf


@lru_cache(maxsize=1024)
def _bounds_of(tree: Node, constants: tuple[tuple[str, float], ...]) -> Bounds | None:
    """Return the bounds of a formula; None where they are not known."""
    search = _Search(dict(constants))
    try:
        found = search.bounds(tree)
        period = search.period(tree) if found.low < found.high else None
    except (Unknown, RecursionError):
        return None
    if not period or period > LONGEST_PERIOD:
        return found
    cycle = [search.value(tree, float(n)) for n in range(1, period + 1)]
    return Bounds(min(cycle), max(cycle)) if all(map(math.isfinite, cycle)) else found


def _used(tree: Node, constants: tuple[tuple[str, float], ...]) -> tuple[tuple[str, float], ...]:
    """Return the constants that are in a tree."""
    names = _names(tree)
    return tuple(pair for pair in constants if pair[0] in names)


def _names(tree: Node) -> frozenset[str]:
    """Return the names in a tree."""
    if isinstance(tree, Call):
        return frozenset[str]().union(*map(_names, tree.args))
    return frozenset([tree]) if isinstance(tree, str) else frozenset()


def _factored(tree: Node, constants: Mapping[str, float]) -> tuple[float, Node]:
    """Split constant factors off a product or a quotient, so that cells which differ in them ask the same question."""
    if isinstance(tree, Call) and tree.name == "*":
        known = [one for one in tree.args if isinstance(one, float) or one in constants]
        rest = tuple(one for one in tree.args if one not in known)
        scale = math.prod(one if isinstance(one, float) else constants[str(one)] for one in known)
        if rest and known and math.isfinite(scale) and scale:
            inner, left = _factored(rest[0] if len(rest) == 1 else Call("*", rest), constants)
            return scale * inner, left
    if isinstance(tree, Call) and tree.name == "/":
        scale, above = _factored(tree.args[0], constants)
        number = constants.get(above, above) if isinstance(above, str) else above
        if isinstance(number, float) and number and number != 1.0:
            return scale * number, Call("/", (1.0, tree.args[1]))
        return scale, Call("/", (above, tree.args[1])) if above != tree.args[0] else tree
    return 1.0, tree


class _Search:
    """Find bounds of the parts of a formula. Raises Unknown."""

    def __init__(self, constants: Mapping[str, float]) -> None:
        self.constants = constants
        self.calls_left = MOST_CALLS
        self.known: dict[Node, Bounds | None] = {}

    def bounds(self, node: Node) -> Bounds:
        """Return the bounds of a part, by its own parts or by sympy."""
        if isinstance(node, float):
            return Bounds(node, node)
        if isinstance(node, str):
            value = self.constants.get(node, math.inf)
            return Bounds(value, value)
        if node not in self.known:
            self.known[node] = self._found(node)
        found = self.known[node]
        if found is None:
            raise Unknown
        return found

    def _found(self, node: Call) -> Bounds | None:
        """Return the bounds of a call; None where they are not found."""
        try:
            found = self._call(node)
            if not math.isnan(found.low + found.high) or math.inf in (found.high, -found.low):
                return found
        except Unknown:
            pass
        found_by_sympy = _ask(self, node)
        return found_by_sympy if found_by_sympy and self._is_approached(node, found_by_sympy) else None

    def _is_approached(self, node: Node, found: Bounds) -> bool:
        """Return whether values at large n are within bounds, or come nearer to them."""
        if math.isinf(found.low) or math.isinf(found.high):
            return True
        gaps, largest = [], 0.0
        for n in FAR:
            values = [self.value(node, n + k) for k in range(ALONG)]
            if all(map(math.isfinite, values)):
                largest = max(largest, *map(abs, values))
                gaps.append(max(0.0, *(max(found.low - value, value - found.high) for value in values)))
        # The least distance, not the last: far away rounding errors may be all there is.
        return len(gaps) > 1 and min(gaps[1:]) <= max(NEARER * gaps[0], REACHED * largest)

    def value(self, node: Node, n: float) -> float:
        """Return the value of a part at n; nan where it has none."""
        try:
            return self._value(node, n)
        except (ArithmeticError, ValueError):
            return math.nan

    def _value(self, node: Node, n: float) -> float:
        if isinstance(node, float):
            return node
        if isinstance(node, str):
            return self.constants.get(node, n)
        if node.name == "where":
            return self._value(node.args[1] if self._holds(node.args[0], n) else node.args[2], n)
        return float(VALUES[node.name](*(self._value(one, n) for one in node.args)))

    def _holds(self, condition: Node, n: float) -> bool:
        """Return whether a condition holds at n."""
        assert isinstance(condition, Call)
        if condition.name in ("and", "or"):
            held = (self._holds(one, n) for one in condition.args)
            return all(held) if condition.name == "and" else any(held)
        left, right = (self._value(one, n) for one in condition.args)
        return COMPARE[condition.name](left, right)

    def period(self, node: Node) -> int | None:
        """Return in how many steps a part repeats, whose n is in mod, sine and cosine alone; None where it does not."""
        if not isinstance(node, Call):
            return None if isinstance(node, str) and node not in self.constants else 1
        if node.name in ("mod", "sin", "cos", "tan"):
            slope = self._slope(node.args[0])
            turn = 2.0 * math.pi if node.name != "mod" else self._number(node.args[1])
            turns = slope / turn if turn else math.nan
            if abs(turns) <= MOST_TURNS and turns:
                share = Fraction(turns).limit_denominator(LARGEST_DIVISOR)
                return share.denominator if abs(float(share) - turns) <= ROUNDED else None
        parts = [self.period(one) for one in node.args]
        return None if None in parts else math.lcm(*(part for part in parts if part))

    def _number(self, node: Node) -> float:
        """Return a number or a constant; 0 for anything else."""
        return self.constants.get(node, 0.0) if isinstance(node, str) else node if isinstance(node, float) else 0.0

    def _slope(self, node: Node) -> float:
        """Return by how much a linear function of n rises per step; nan for any other."""
        if not isinstance(node, Call):
            return 1.0 if isinstance(node, str) and node not in self.constants else 0.0
        slopes = [self._slope(one) for one in node.args]
        if node.name in ("+", "-"):
            return sum(slopes) if node.name == "+" else -slopes[0]
        if not any(slopes):
            return 0.0
        if node.name not in ("*", "/"):
            return math.nan
        values = [self.value(one, math.nan) for one in node.args]
        if node.name == "*" and sum(slope != 0.0 for slope in slopes) == 1:
            return math.prod(slope or value for slope, value in zip(slopes, values, strict=True))
        return slopes[0] / values[1] if node.name == "/" and slopes[1] == 0.0 else math.nan

    def _call(self, node: Call) -> Bounds:  # noqa: PLR0911  # one for each kind of node
        """Return the bounds of a call by those of its parts."""
        match node.name:
            case "where":
                held = self.condition(node.args[0])
                if held is not None:
                    return self.bounds(node.args[1] if held else node.args[2])
                return _union(self.bounds(node.args[1]), self.bounds(node.args[2]))
            case "compare":
                sign = self.sign(Call("+", (node.args[0], Call("-", (node.args[1],)))))
                if sign:
                    return self.bounds(node.args[2 if sign < 0 else 3])
                return _union(self.bounds(node.args[2]), self.bounds(node.args[3]))
            case "sin" | "cos":
                return self._wave(node)
            case "mod":
                return self._remainder(node)
        parts = [self.bounds(one) for one in node.args]
        low, high = parts[0]
        if node.name in RISING:
            return Bounds(_at(node.name, low), _at(node.name, high))
        if node.name in SIMPLE:
            return SIMPLE[node.name](*parts)
        raise Unknown

    def sign(self, node: Node) -> int:
        """Return the sign that a part has in the end; 0 where it is not known."""
        try:
            low, high = self.bounds(node)
        except Unknown:
            return 0
        return 1 if low > 0.0 else -1 if high < 0.0 else 0

    def condition(self, node: Node) -> bool | None:
        """Return whether a condition holds in the end; None where it is not known."""
        assert isinstance(node, Call)
        if node.name in ("and", "or"):
            held = [self.condition(one) for one in node.args]
            decides = node.name == "or"
            if decides in held:
                return decides
            return None if None in held else not decides
        sign = self.sign(Call("+", (node.args[0], Call("-", (node.args[1],)))))
        return COMPARE[node.name](sign, 0) if sign else None

    def _wave(self, node: Call) -> Bounds:
        """Return the bounds of a sine or cosine."""
        low, high = self.bounds(node.args[0])
        if low == high and math.isfinite(low):
            value = VALUES[node.name](low)
            return Bounds(value, value)
        return Bounds(-1.0, 1.0)

    def _remainder(self, node: Call) -> Bounds:
        """Return the bounds of mod(u, v)."""
        low, high = self.bounds(node.args[1])
        if not 0.0 < low <= high < math.inf:
            raise Unknown
        return Bounds(0.0, high)


class _Range(_Search):
    """Find bounds of the parts of a formula that hold for all n from `first` on: those of n are `first` and infinity."""

    def __init__(self, constants: Mapping[str, float], first: float) -> None:
        super().__init__(constants)
        self.first = first

    def bounds(self, node: Node) -> Bounds:
        """Return the bounds of a part, by its own parts."""
        if isinstance(node, str) and node not in self.constants:
            return Bounds(self.first, math.inf)
        return super().bounds(node)

    def _found(self, node: Call) -> Bounds | None:
        """Return the bounds of a call; None where they are not found: a limit would say nothing of early steps."""
        try:
            return self._call(node)
        except Unknown:
            return None


def _at(name: str, value: float) -> float:
    """Return a rising function at a bound, which may be an end of where it is defined."""
    if value in ENDS[name]:
        return ENDS[name][value]
    try:
        return float(VALUES[name](value))
    except OverflowError:
        return math.inf if value > 0.0 else -math.inf if name == "sinh" else 0.0
    except ValueError:
        raise Unknown from None


def _checked(low: float, high: float) -> Bounds:
    """Return bounds. Raises Unknown where one is no number, as of infinity minus infinity."""
    if math.isnan(low) or math.isnan(high):
        raise Unknown
    return Bounds(low, high)


def _sum(*parts: Bounds) -> Bounds:
    """Return the bounds of a sum."""
    low, high = parts[0]
    for part in parts[1:]:
        low, high = _checked(low + part.low, high + part.high)
    return Bounds(low, high)


def _product(*parts: Bounds) -> Bounds:
    """Return the bounds of a product."""
    found = parts[0]
    for part in parts[1:]:
        corners = [one * other for one in found for other in part]
        # 0 times infinity: it is no number, and may be any.
        if any(map(math.isnan, corners)):
            raise Unknown
        found = Bounds(min(corners), max(corners))
    return found


def _quotient(above: Bounds, below: Bounds) -> Bounds:
    """Return the bounds of a quotient."""
    if below.low <= 0.0 <= below.high:
        raise Unknown
    if math.inf in map(abs, above) and math.inf in map(abs, below):
        raise Unknown
    return _product(above, Bounds(1.0 / below.high, 1.0 / below.low))


def _power(base: Bounds, exponent: Bounds) -> Bounds:
    """Return the bounds of a power of something positive, or of a whole power."""
    low, high = base
    power = exponent.low
    if low < 0.0 and power == exponent.high and power in (1, 2, 3, 4, 5, 6):
        found = _product(*[base] * int(power))
        return Bounds(max(found.low, 0.0), found.high) if power % 2 == 0 else found
    if low < 0.0 or (low == 0.0 and exponent.low <= 0.0):
        raise Unknown
    logs = Bounds(_at("log", low), _at("log", high))
    product = _product(logs, exponent)
    return Bounds(_at("exp", product.low), _at("exp", product.high))


def _absolute(part: Bounds) -> Bounds:
    """Return the bounds of an absolute value."""
    sizes = sorted(map(abs, part))
    return Bounds(0.0 if part.low < 0.0 < part.high else sizes[0], sizes[1])


def _steps(part: Bounds, name: str) -> Bounds:
    """Return the bounds of floor and ceil, which jump at whole numbers."""
    low, high = (value if math.isinf(value) else float(math.floor(value)) for value in part)
    if name == "floor":
        return Bounds(low - (part.low == low), high)
    return Bounds(low if math.isinf(low) else float(math.ceil(part.low)), high + 1.0)


def _cosh(part: Bounds) -> Bounds:
    """Return the bounds of cosh."""
    low, high = _absolute(part)
    return Bounds(*(math.inf if value > 710.0 else math.cosh(value) for value in (low, high)))


def _union(one: Bounds, other: Bounds) -> Bounds:
    """Return the bounds of what is one or the other."""
    return Bounds(min(one.low, other.low), max(one.high, other.high))


def _sign(part: Bounds) -> Bounds:
    """Return the bounds of a sign: unless something stays away from 0, it may be any."""
    return Bounds(-1.0 if part.low <= 0.0 else 1.0, 1.0 if part.high >= 0.0 else -1.0)


SIMPLE: dict[str, Callable[..., Bounds]] = {
    "+": _sum,
    "-": lambda part: Bounds(-part.high, -part.low),
    "*": _product,
    "/": _quotient,
    "**": _power,
    "abs": _absolute,
    "min": lambda *parts: Bounds(min(part.low for part in parts), min(part.high for part in parts)),
    "max": lambda *parts: Bounds(max(part.low for part in parts), max(part.high for part in parts)),
    "sign": _sign,
    "heaviside": lambda part: Bounds(*(0.5 + 0.5 * value for value in _sign(part))),
    "floor": lambda part: _steps(part, "floor"),
    "ceil": lambda part: _steps(part, "ceil"),
    "cosh": _cosh,
}
"""The bounds of what a call returns, by those of what it is applied to."""


# sympy

OF_SYMPY = ("exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "atan", "erf")
"""Functions that have the same name there."""


def _ask(search: _Search, node: Node) -> Bounds | None:
    """Return the limit of a part, or the bounds between which it oscillates, by sympy; None where it does not say."""
    import sympy

    n = sympy.Symbol("n", positive=True)
    try:
        with _few_calls(search):
            found = sympy.limit(_expression(search, node, n), n, sympy.oo)
            ends = (found.min, found.max) if isinstance(found, sympy.AccumBounds) else (found, found)
            low, high = (float(end) for end in ends)
    except (_TooManyCalls, Exception):  # sympy raises errors of many types where it does not know
        return None
    return None if math.isnan(low) or math.isnan(high) else Bounds(low, high)


class _TooManyCalls(BaseException):
    """Raised within sympy; no Exception, which it may catch."""


_one_at_a_time = RLock()


@contextmanager
def _few_calls(search: _Search) -> Iterator[None]:
    """Raise _TooManyCalls within this context after as many calls as a search has left. sympy forgets what it knows before.

    So an answer does not depend on what was asked before.
    """
    from sympy.core.cache import clear_cache

    before = sys.getprofile()

    def count(frame: Any, event: str, argument: Any) -> None:
        search.calls_left -= event == "call"
        # What is raised in a generator that is being closed is lost, and nothing would count after it.
        if search.calls_left < 0 and not frame.f_code.co_flags & inspect.CO_GENERATOR:
            raise _TooManyCalls

    with _one_at_a_time:  # threads share what sympy knows
        clear_cache()
        sys.setprofile(count)
        try:
            yield
        finally:
            sys.setprofile(before)


def _expression(search: _Search, node: Node, n: Any) -> Any:
    """Return sympy's expression of a part. Decimal numbers are fractions, constants their numbers. Raises Unknown."""
    import sympy

    if isinstance(node, float):
        fraction = Fraction(repr(node))
        return sympy.Rational(fraction.numerator, fraction.denominator)
    if isinstance(node, str):
        return _expression(search, search.constants[node], n) if node in search.constants else n
    if node.name == "where":
        held = search.condition(node.args[0])
        if held is None:
            raise Unknown
        return _expression(search, node.args[1] if held else node.args[2], n)
    if node.name in ("min", "max", "abs", "sign", "heaviside", "compare"):
        return _expression(search, _decided(search, node), n)
    args = [_expression(search, one, n) for one in node.args]
    if node.name == "**" and args[1].is_number and abs(args[1]) > LARGEST_EXPONENT:
        raise Unknown
    made: dict[str, Callable[..., Any]] = {
        "+": sympy.Add,
        "-": lambda u: -u,
        "*": sympy.Mul,
        "/": lambda u, v: u / v,
        "**": lambda u, v: u**v,
        "log1p": lambda u: sympy.log(1 + u),
        "expm1": lambda u: sympy.exp(u) - 1,
        "sigmoid": lambda u: 1 / (1 + sympy.exp(-u)),
        "softplus": lambda u: sympy.log(1 + sympy.exp(u)),
        **{name: getattr(sympy, name) for name in OF_SYMPY},
    }
    if node.name not in made:
        raise Unknown
    return made[node.name](*args)


def _decided(search: _Search, node: Call) -> Node:
    """Return what a choice is in the end. Raises Unknown where that is not known."""
    if node.name in ("min", "max"):
        found = node.args[0]
        for one in node.args[1:]:
            sign = search.sign(Call("+", (found, Call("-", (one,)))))
            if not sign:
                raise Unknown
            found = found if (sign < 0) == (node.name == "min") else one
        return found
    sign = search.sign(Call("+", (node.args[0], Call("-", (node.args[1],)))) if node.name == "compare" else node.args[0])
    if not sign:
        raise Unknown
    if node.name == "compare":
        return node.args[2 if sign < 0 else 3]
    if node.name == "abs":
        return node.args[0] if sign > 0 else Call("-", node.args)
    return float(sign) if node.name == "sign" else 0.5 + 0.5 * sign
