"""Bounds that a config states as formulas of the step: whether every path keeps them at every recorded step."""

from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

import numpy as np
from annotated_types import Len
from typing_extensions import Doc

from nonconv.components.definitions import Complaint, Written
from nonconv.components.parameters import Words
from nonconv.components.quantity import Need, Quantity, Seen
from nonconv.formulas.of_steps import VARIABLES, values_at
from nonconv.numerics.arithmetic import Array
from nonconv.quantities import regrets
from nonconv.quantities.distances import OneXi

ERROR = "error"
ROUNDING = 1e-12
"""How far beyond its bound, relative to the bound, a number may be by rounding."""
NAMES = {
    "regret": "Rₙ",
    "average_regret": "Rₙ / n",
    "excess_risk": "F(Θₙ) − F*",
    "gradient_norm": "|∇F(Θₙ)|²",
    ERROR: "|Θₙ − ξ|",
}
"""What may be bounded, with what axes call it."""
NEEDS: dict[str, tuple[Need, ...]] = {
    "regret": ("losses",),
    "average_regret": ("losses",),
    "excess_risk": ("minimizer",),
    "gradient_norm": ("mean gradient",),
    ERROR: (),
}


class Violations(NamedTuple):
    """How many paths have violated a bound by step n, as theorems that hold for every path state it: 0 if it is kept.

        of(n) <= bound(n)        or >= where the bound is a lower one

    Each path is compared with the bound at every recorded step. A path whose number is nan violates it. Beside the count,
    quantities.csv has the bound, and the number that comes nearest to it: the largest of all paths, or the least. Numbers of
    the first paths are compared; `regret` says how many and at which steps.
    """

    of: Annotated[
        Literal["regret", "average_regret", "excess_risk", "gradient_norm", "error"],
        Doc("what is bounded, of each path: a quantity, or the distance |theta_n - xi|"),
    ]
    bound: Annotated[
        str, Len(1), Written(VARIABLES), Words("a formula of n and the constants"), Doc("the bound as a function of the step")
    ]
    side: Annotated[Literal["upper", "lower"], Doc("whether numbers must be at most the bound, or at least")] = "upper"
    constants: Annotated[dict[str, float], Words("a mapping of names to numbers"), Doc("named numbers of the formula")] = {}  # noqa: RUF012  # never changed: a config's are formulas.constants.Constants
    label: Annotated[str, Doc("what files call it, after `violations: `; what is bounded if left out")] = ""
    xi: OneXi = None


def check(h: Violations) -> list[Complaint]:
    """Refuse a xi where something is bounded that has none."""
    return [] if h.of == ERROR or h.xi is None else [Complaint("xi", f"{h.of} has no xi; leave it out")]


def label(h: Violations, xi: str) -> str:
    """Name it by what is bounded, unless the config has a name."""
    return f"violations: {h.label or (xi if h.of == ERROR else h.of)}"


def measure(h: Violations, seen: Seen) -> Array:
    """Return what is bounded, (steps, paths)."""
    of: dict[str, Callable[[], Array]] = {
        "regret": lambda: regrets.total(regrets.Regret(), seen),
        "average_regret": lambda: regrets.average(regrets.AverageRegret(), seen),
        "excess_risk": seen.excess_risk,
        "gradient_norm": seen.squared_gradient,
        ERROR: lambda: seen.distances(h.xi),
    }
    return of[h.of]()


def bound_at(h: Violations, n: Array) -> Array:
    """Return the bound at steps n (steps,)."""
    return values_at(h.bound, h.constants, n)


def kept(h: Violations, numbers: Array, bound: Array) -> Array:
    """Return whether numbers (steps, paths) keep a bound (steps,), up to rounding; nan does not, nor does anything a nan."""
    room = (ROUNDING * np.abs(bound))[:, None]
    beyond = numbers - bound[:, None] if h.side == "upper" else bound[:, None] - numbers
    return np.asarray((beyond <= room) | (numbers == bound[:, None]))


VIOLATIONS = Quantity(
    name="violations",
    parameters=Violations,
    paper="as the config writes it",
    check=check,
    kind="bound",
    title=lambda h: f"paths with {NAMES[h.of]} {'above' if h.side == 'upper' else 'below'} its bound by step n",
    label=label,
    about_xi=True,
    needs=lambda h: NEEDS[h.of],
    measure=measure,
)
