"""The derivative of a formula, by sympy: as a formula again, which is read and compiled like any other.

sympy collects, cancels and applies the chain rule. The functions are classes of ours, which it never evaluates or
rewrites: it cannot compute a huge power, a derivative is the one that is accurate (of tanh 1/cosh**2, not 1 - tanh**2), and
at a kink it is the mean of both sides, as 0 for abs at 0. Powers of sums are left alone, as are products of a number and a sum.

sympy is imported when a formula is differentiated, since that takes half a second.
"""

import math
from collections.abc import Callable
from functools import cache, lru_cache, reduce
from typing import Any

from nonconv.formulas.reading import Call, Node
from nonconv.formulas.writing import write

LARGEST_EXPONENT = 16
"""Whole exponents up to this one are sympy's powers, which it collects; others are calls that it leaves alone."""
MOST_BITS = 4096
"""Bits of a number that sympy may make of a power."""
MOST_FRACTION = 10**6
"""Numerator and denominator, at most, of a factor that is written as a quotient."""
MOST_CHARACTERS = 20_000
"""Characters of a derivative, at most."""
CONDITIONS = {
    **{"<": "less", "<=": "at_most", ">": "more", ">=": "at_least", "==": "equal", "!=": "unequal"},
    **{"and": "both", "or": "either"},
}
"""What sympy's classes of conditions are called, for its own order of terms."""
NAMES = CONDITIONS | {"**": "power"}


class NoDerivative(Exception):
    """Raised for a formula without a usable derivative; its text says why."""


@lru_cache(maxsize=256)
def derivative(tree: Node, by: str) -> str:
    """Return the derivative of a tree by a name, as the text of a formula. Raises NoDerivative."""
    from sympy.core.parameters import distribute

    try:
        with distribute(False):  # 2 * (theta - x) stays: theta - x is exact where they are close
            there = _There()
            found = there.expression(tree).diff(there.symbol(by))
            text = write(_Back().node(found))
    except RecursionError:
        raise NoDerivative("is nested too deeply to be differentiated") from None
    except OverflowError:
        raise NoDerivative("has a derivative with numbers that are too large for floats") from None
    if len(text) > MOST_CHARACTERS:
        raise NoDerivative(f"has a derivative of {len(text)} characters, more than {MOST_CHARACTERS}")
    return text


@cache
def _functions() -> dict[str, Any]:
    """Return sympy's classes of the functions of formulas, by name; made once, when sympy is first needed."""
    import sympy

    def function(name: str, slope: Callable[[Any, Any], Any]) -> Any:
        """Return the class of a function of one number. slope: of all classes by name, and u, its derivative at u."""
        return type(name, (sympy.Function,), {"nargs": 1, "fdiff": lambda self, index=1: slope(found, self.args[0])})

    def special(name: str, derive: Callable[..., Any]) -> Any:
        """Return the class of a function of several numbers. derive: of its arguments and their derivatives."""

        def evaluated(self: Any, by: Any) -> Any:
            """Differentiate as sympy asks for it."""
            return derive(self.args, [one.diff(by) for one in self.args])

        return type(name, (sympy.Function,), {"_eval_derivative": evaluated})

    half, zero = sympy.Rational(1, 2), sympy.Integer(0)
    slopes: dict[str, Callable[[Any, Any], Any]] = {
        "exp": lambda f, u: f["exp"](u),
        "log": lambda f, u: 1 / u,
        "sqrt": lambda f, u: half / f["sqrt"](u),
        "sin": lambda f, u: f["cos"](u),
        "cos": lambda f, u: -f["sin"](u),
        "tan": lambda f, u: 1 + f["tan"](u) ** 2,
        "sinh": lambda f, u: f["cosh"](u),
        "cosh": lambda f, u: f["sinh"](u),
        "tanh": lambda f, u: 1 / f["cosh"](u) ** 2,
        "atan": lambda f, u: 1 / (1 + u**2),
        "erf": lambda f, u: _exact(2.0 / math.sqrt(math.pi)) * f["exp"](-(u**2)),
        "log_cosh": lambda f, u: f["tanh"](u),
        "log1p": lambda f, u: 1 / (1 + u),
        "expm1": lambda f, u: f["exp"](u),
        "sigmoid": lambda f, u: f["sigmoid"](u) * f["sigmoid"](-u),
        "softplus": lambda f, u: f["sigmoid"](u),
        "abs": lambda f, u: f["sign"](u),
        **dict.fromkeys(("sign", "heaviside", "floor", "ceil"), lambda f, u: zero),
    }
    found: dict[str, Any] = {}
    found.update({name: function(name, slope) for name, slope in slopes.items()})

    def of_power(args: Any, slopes: Any) -> Any:
        """Differentiate a power."""
        base, exponent = args
        rising = exponent * _power(base, exponent - 1) * slopes[0]
        return rising if slopes[1] == 0 else rising + found["log"](base) * _power(base, exponent) * slopes[1]

    def choice(name: str, args: Any, yes: Any, no: Any) -> Any:
        """Return a choice, or what both branches are."""
        return yes if yes == no else found[name](*args, yes, no)

    several: dict[str, Callable[..., Any]] = {
        "power": of_power,
        # u is the smaller one where u < v; where they are equal it is the mean of both slopes.
        "min": lambda args, slopes: choice("compare", args, slopes[0], slopes[1]),
        "max": lambda args, slopes: choice("compare", args, slopes[1], slopes[0]),
        "mod": lambda args, slopes: slopes[0] - slopes[1] * found["floor"](args[0] / args[1]),
        "where": lambda args, slopes: choice("where", args[:1], slopes[1], slopes[2]),
        "compare": lambda args, slopes: choice("compare", args[:2], slopes[2], slopes[3]),
        **dict.fromkeys(CONDITIONS.values(), lambda args, slopes: zero),
    }
    found.update({name: special(name, derive) for name, derive in several.items()})
    return found


def _exact(value: float) -> Any:
    """Return the fraction that a float is."""
    import sympy

    return sympy.Rational(*value.as_integer_ratio())


def _power(base: Any, exponent: Any) -> Any:
    """Return a power: sympy's own where the exponent is a small whole number."""
    import sympy

    if exponent.is_Integer and abs(int(exponent)) <= LARGEST_EXPONENT and _is_modest(base, abs(int(exponent))):
        return base**exponent
    if exponent == sympy.Rational(1, 2):
        return _functions()["sqrt"](base)
    return _functions()["power"](base, exponent)


def _is_modest(base: Any, exponent: int) -> bool:
    """Whether a power has a factor of few digits, which sympy computes: not ((2 theta)**16)**16 and so on."""
    factor = base.as_coeff_Mul()[0]
    return (
        bool(max(int(factor.p).bit_length(), int(factor.q).bit_length()) * exponent <= MOST_BITS)
        if factor.is_Rational
        else False
    )


class _There:
    """Turn a tree into an expression of sympy."""

    def __init__(self) -> None:
        self.known: dict[Node, Any] = {}

    def symbol(self, name: str) -> Any:
        """Return the symbol of a name."""
        import sympy

        return sympy.Symbol(name, real=True)

    def expression(self, node: Node) -> Any:
        """Return the expression of a tree; one that was met before is the same."""
        if node not in self.known:
            self.known[node] = self._made(node)
        return self.known[node]

    def _made(self, node: Node) -> Any:  # noqa: PLR0911  # one for each kind of node
        import sympy

        if isinstance(node, float):
            return _exact(node)
        if isinstance(node, str):
            return self.symbol(node)
        call = _softened(node)
        args = [self.expression(one) for one in call.args]
        match call.name:
            case "+":
                return sympy.Add(*args)
            case "-":
                return -args[0]
            case "*":
                return sympy.Mul(*args)
            case "/":
                return args[0] / args[1]
            case "**":
                return _power(*args)
            case "min" | "max":
                # Of more than two, two at a time.
                return reduce(_functions()[call.name], args)
        return _functions()[NAMES.get(call.name, call.name)](*args)


def _softened(node: Call) -> Call:
    """Return log(1 + exp(u)) as softplus(u), and log(cosh(u)) as one function.

    Their derivatives are then sigmoid(u) and tanh(u), and not quotients of two infinities.
    """
    inner = node.args[0]
    if node.name not in ("log", "log1p") or not isinstance(inner, Call):
        return node
    if node.name == "log" and inner.name == "cosh":
        return Call("log_cosh", inner.args)
    terms = inner.args if inner.name == "+" and node.name == "log" else (1.0, inner) if node.name == "log1p" else ()
    rest = [one for one in terms if one != 1.0]
    if len(terms) == 2 and len(rest) == 1 and isinstance(rest[0], Call) and rest[0].name == "exp":
        return Call("softplus", rest[0].args)
    return node


class _Back:
    """Turn an expression of sympy into a tree. Raises NoDerivative for what no formula is, and OverflowError."""

    def __init__(self) -> None:
        self.known: dict[Any, Node] = {}
        self.names = {made: name for name, made in _functions().items()}
        self.signs = {name: sign for sign, name in NAMES.items()}

    def node(self, found: Any) -> Node:
        """Return the tree of an expression."""
        if found not in self.known:
            self.known[found] = self._made(found)
        return self.known[found]

    def _made(self, found: Any) -> Node:
        if found.is_Rational:
            return int(found.p) / int(found.q)
        if found.is_Symbol:
            return str(found.name)
        if found.is_Add:
            return self._sum(found)
        if found.is_Mul or (found.is_Pow and found.exp.is_Integer):
            return self._product(found)
        if type(found) in self.names:
            name = self.names[type(found)]
            return Call(self.signs.get(name, name), tuple(map(self.node, found.args)))
        raise NoDerivative("divides by 0 where it is differentiated" if found.is_number else "cannot be differentiated")

    def _sum(self, found: Any) -> Node:
        """Return a sum, one that is not subtracted first."""
        terms = [(bool(term.as_coeff_Mul()[0].is_negative), term) for term in found.as_ordered_terms()]
        first = next((k for k, (negative, _) in enumerate(terms) if not negative), 0)
        ordered = [terms[first], *terms[:first], *terms[first + 1 :]]
        return Call("+", tuple(self._negative(term) if negative else self.node(term) for negative, term in ordered))

    def _negative(self, term: Any) -> Node:
        """Return a term with a minus before it."""
        inner = self.node(-term)
        return -inner if isinstance(inner, float) else Call("-", (inner,))

    def _product(self, found: Any) -> Node:
        """Return a product, a quotient where there are negative powers."""
        coefficient, rest = found.as_coeff_Mul()
        above: list[Node] = []
        below: list[Node] = []
        for factor in rest.as_ordered_factors():
            base, exponent = factor.as_base_exp() if factor.is_Pow else (factor, None)
            if exponent is None:
                above.append(self.node(factor))
                continue
            one = self.node(base)
            size = abs(int(exponent))
            (above if exponent > 0 else below).append(one if size == 1 else Call("**", (one, float(size))))
        return _quotient(int(coefficient.p), int(coefficient.q), above, below)


def _quotient(p: int, q: int, above: list[Node], below: list[Node]) -> Node:
    """Return p/q times the factors above, divided by those below; p/q as one float where it is one."""
    size = abs(p)
    if q & (q - 1) == 0 or max(size, q) > MOST_FRACTION:
        number, divisor = size / q, 1.0
    else:
        number, divisor = float(size), float(q)
    factors = [*([number] if number != 1.0 or not above else []), *above]
    top: Node = factors[0] if len(factors) == 1 else Call("*", tuple(factors))
    if p < 0:
        top = -top if isinstance(top, float) else Call("*", (-number, *above)) if number != 1.0 else _signed(above)
    divisors = [*([divisor] if divisor != 1.0 else []), *below]
    if not divisors:
        return top
    return Call("/", (top, divisors[0] if len(divisors) == 1 else Call("*", tuple(divisors))))


def _signed(factors: list[Node]) -> Node:
    """Return minus a product."""
    first = Call("-", (factors[0],))
    return first if len(factors) == 1 else Call("*", (first, *factors[1:]))
