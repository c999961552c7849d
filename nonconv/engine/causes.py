"""Why a number is no finite one: arrays that carry with each number the operation that made it infinite or nan.

Definitions run on them as on any array. A number that stays finite has no cause; one that becomes infinite or nan has the
cause of the number it comes from, or the operation's own. So a choice between two numbers keeps the cause of the chosen one.
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nonconv.numerics.arithmetic import Array

Cause = Literal[
    "",
    "an undefined operation",
    "0/0",
    "∞/∞",
    "∞ − ∞",
    "0 · ∞",
    "the root of a negative number",
    "a division by 0",
    "an overflow",
    "squares of gradients left the range of numbers",
]
CAUSES: tuple[Cause, ...] = Cause.__args__  # type: ignore[attr-defined]  # the texts that a Literal lists
"""In the order of their codes. The first: nobody looked. The second: by what operation is not known."""
UNKNOWN, OVERFLOW, SQUARES = 1, CAUSES.index("an overflow"), CAUSES.index(CAUSES[-1])

Codes = NDArray[np.int8]


class Traced(np.ndarray[Any, np.dtype[np.float64]]):
    """An array of floats whose numbers know their cause: `why` has its shape, 0 where a number is finite."""

    why: Codes

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        """Apply the operation to plain arrays, and find the cause of what it returns."""
        plain = [np.asarray(x) for x in inputs]
        if "out" in options:
            options["out"] = tuple(np.asarray(out) for out in options["out"])
        result = getattr(ufunc, method)(*plain, **options)
        if method != "__call__" or options or not isinstance(result, np.ndarray | np.float64) or result.dtype != np.float64:
            return result
        return traced(result, _causes(ufunc, np.asarray(result), plain, [_why(x) for x in inputs]))

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:  # NumPy's protocol
        """Apply `where`, which keeps the cause of what it chooses; any other function to plain arrays."""
        result = function(*_plain(args), **_plain(kwargs))
        if function is np.where and len(args) == 3:
            return traced(result, np.where(np.asarray(args[0]), _why(args[1]), _why(args[2])))
        return result


def _plain(value: Any) -> Any:
    """Return an operand with plain arrays in place of traced ones, also within lists, tuples and mappings."""
    if isinstance(value, Traced):
        return np.asarray(value)
    if isinstance(value, tuple):  # a named one too, such as a state
        return tuple(map(_plain, value))
    if isinstance(value, list):
        return list(map(_plain, value))
    return {key: _plain(one) for key, one in value.items()} if isinstance(value, dict) else value


def traced(numbers: Any, why: Any = UNKNOWN) -> Traced:
    """Return the numbers as a traced array. why: their causes, which finite numbers lose."""
    plain = np.array(numbers, dtype=np.float64)
    found = plain.view(Traced)
    found.why = np.where(np.isfinite(plain), 0, why).astype(np.int8)
    return found


def causes(numbers: Any) -> Codes:
    """Return the causes of numbers, 0 where they are finite."""
    return np.asarray(np.where(np.isfinite(np.asarray(numbers)), 0, _why(numbers)), dtype=np.int8)


def _why(x: Any) -> Codes:
    """Return the causes of an operand. An infinite constant stands in a definition for what overflows."""
    if isinstance(x, Traced):
        return np.broadcast_to(getattr(x, "why", np.int8(UNKNOWN)), np.shape(x))
    plain = np.asarray(x)
    if plain.dtype.kind != "f":
        return np.zeros(plain.shape, dtype=np.int8)
    return np.where(np.isnan(plain), UNKNOWN, np.where(np.isinf(plain), OVERFLOW, 0)).astype(np.int8)


def _causes(ufunc: np.ufunc, result: Array, inputs: list[Any], whys: list[Codes]) -> Codes:
    """Return the cause of each result: that of its first operand which has one, or the operation's own."""
    inherited = np.zeros(result.shape, dtype=np.int8)
    # A nan passes on its own cause before an infinity does.
    for is_it in (np.isnan, np.isinf):
        for x, why in zip(inputs, whys, strict=True):
            inherited = np.where((inherited == 0) & is_it(x), why, inherited)
    new = np.isnan(result) & ~np.any([np.broadcast_to(np.isnan(x), result.shape) for x in inputs], axis=0)
    own = np.where(new | (inherited == 0), _own_cause(ufunc, new, inputs), inherited)
    return np.where(np.isfinite(result), 0, own).astype(np.int8)


def _own_cause(ufunc: np.ufunc, new: NDArray[np.bool_], inputs: list[Any]) -> NDArray[np.int64]:
    """Return what an operation on numbers that are no nan does where it is not finite. new: where it is nan."""
    undefined: Any = UNKNOWN
    infinite: Any = OVERFLOW
    if ufunc is np.divide:
        a, b = inputs
        undefined = np.where(np.isinf(a), CAUSES.index("∞/∞"), CAUSES.index("0/0"))
        infinite = np.where(b == 0.0, CAUSES.index("a division by 0"), infinite)
    elif ufunc in (np.reciprocal, np.power):
        infinite = np.where(inputs[0] == 0.0, CAUSES.index("a division by 0"), infinite)
        undefined = CAUSES.index("an undefined operation")
    else:
        # Other functions are infinite at poles as well, as log is at 0: then nothing has overflowed.
        infinite = OVERFLOW if ufunc in (np.add, np.subtract, np.multiply, np.square, np.exp, np.expm1, np.exp2) else UNKNOWN
        names: dict[Any, Cause] = {np.sqrt: "the root of a negative number", np.multiply: "0 · ∞"}
        names |= dict.fromkeys((np.add, np.subtract), "∞ − ∞")
        undefined = CAUSES.index(names.get(ufunc, "an undefined operation"))
    return np.asarray(np.where(new, undefined, infinite))
