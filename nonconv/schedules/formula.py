"""A function of the step that a config writes out: of learning rates, batch sizes, and whatever else depends on the step."""

from typing import Annotated, NamedTuple

from annotated_types import Len
from typing_extensions import Doc

from nonconv.components.definitions import Complaint, Limits, Schedule, Written
from nonconv.components.parameters import Words
from nonconv.formulas.limits import Bounds, bounds, is_summable, range_from
from nonconv.formulas.of_steps import VARIABLES, values_at
from nonconv.formulas.reading import Call, Node, read_formula
from nonconv.numerics.arithmetic import Array

CLOSE = 1e-9
"""Relative distance at which limits are the same."""


class Formula(NamedTuple):
    """A formula of the step n = 1, 2, ...: numbers, constants, + - * / ** and functions, as objective formula has them.

    A learning rate must be finite and not negative, a batch size a whole number of at least 1 (floor and ceil help), a decay
    at least 0 and below 1, at all steps of the run. Its limit, or the bounds between which it oscillates, is found from the
    bounds of its parts, and by sympy where these say nothing, as of n / (n + 1). Where neither finds it, it is unknown, and so
    is what the verdict says of n -> infinity; `limits` may state it then. mod(n, k) makes cycles of k steps,
    where(n < k, ..., ...) makes pieces.
    """

    value: Annotated[
        str, Len(1), Written(VARIABLES), Words("a formula of n and the constants"), Doc("the value as a function of the step")
    ]
    limits: Annotated[
        tuple[float, ...],
        Len(0, 2),
        Words("a list of the limit, or of liminf and limsup"),
        Doc("as n -> infinity; found if left out"),
    ] = ()
    constants: Annotated[dict[str, float], Words("a mapping of names to numbers"), Doc("named numbers of the formula")] = {}  # noqa: RUF012  # never changed: a config's are formulas.constants.Constants


def check(h: Formula) -> list[Complaint]:
    """Refuse stated limits that fall, or that are not within those that are found."""
    if not h.limits:
        return []
    low, high = h.limits[0], h.limits[-1]
    if low > high:
        return [Complaint("limits", f"{low:g} is the liminf and {high:g} the limsup, which is smaller")]
    found = bounds(_tree(h), _constants(h))
    if found is None or (found.low - CLOSE * abs(found.low) <= low and high <= found.high + CLOSE * abs(found.high)):
        return []
    what = f"the limit is {found.low:g}" if found.low == found.high else f"it stays between {found.low:g} and {found.high:g}"
    return [Complaint("limits", f"{' to '.join(f'{end:g}' for end in h.limits)} is stated, but {what}")]


def value(h: Formula, n: Array) -> Array:
    """Return the formula at steps n (steps,), whatever it is there; nan and infinities among it."""
    return values_at(h.value, h.constants, n)


def limits(h: Formula) -> Limits:
    """Return the stated limits, or those that are found; unknown if neither is."""
    if h.limits:
        return Limits(h.limits[0], h.limits[-1])
    found = bounds(_tree(h), _constants(h))
    return Limits(*found) if found else Limits.unknown()


def summable(h: Formula) -> bool:
    """Return whether the formula tends to 0 and is known to have a finite sum."""
    found = limits(h)
    return found.low == found.high == 0.0 and is_summable(_tree(h), _constants(h))


def lacks_little(h: Formula) -> bool:
    """Return whether what the formula lacks of 1 is known to have a finite sum."""
    found = limits(h)
    lack = Call("+", (1.0, Call("-", (_tree(h),))))
    return found.low == found.high == 1.0 and is_summable(lack, _constants(h))


def reach(h: Formula, first: float) -> Bounds:
    """Return numbers between which the formula is at every step from `first` on; infinite where none are found."""
    return range_from(_tree(h), _constants(h), first)


def _tree(h: Formula) -> Node:
    """Return the formula as a tree."""
    return read_formula(h.value, VARIABLES, tuple(h.constants)).tree


def _constants(h: Formula) -> tuple[tuple[str, float], ...]:
    """Return the constants in the order of their names."""
    return tuple(sorted(h.constants.items()))


FORMULA = Schedule(
    name="formula",
    parameters=Formula,
    paper="as the config writes it",
    check=check,
    value=value,
    limits=limits,
    summable=summable,
    tabulated=True,
)
"""For any kind of schedule: what it must be at each step is for the kind to say."""
