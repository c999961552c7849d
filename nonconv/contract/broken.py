"""How the checks of a component's contract report a failure."""

from collections.abc import Callable
from typing import Any

import numpy as np

from nonconv.faults.blame import is_foreign, place_text
from nonconv.numerics.arithmetic import Array


class Broken(Exception):
    """A check failed: the reason, with file and line of the function at fault if it is a plug-in's."""

    def __init__(self, reason: str, function: Callable[..., Any] | None = None) -> None:
        """Take the reason, and the function at fault if there is one."""
        at = f"{place_text(function)}: " if function is not None and is_foreign(function) else ""
        super().__init__(at + reason)


Check = Callable[[Any, Any], None]
"""Takes a component and an instance of its parameters. Raises Broken if the check fails."""

SLOW: set[Check] = set()
"""Checks that take more than some milliseconds: they see the usual parameters alone."""


def slow(check: Check) -> Check:
    """Decorate a check that is slow."""
    SLOW.add(check)
    return check


ADVICE = (
    "instead of np.exp, np.log and the like use the functions of nonconv.plugin (exp, log, sin, ...), "
    "which give the same bits in both engines"
)
"""Ends the message about engines that differ: a foreign function is the usual cause."""


def demand_same_bits(ours: Array, reference: Array, function: Callable[..., Any], where: str = "") -> None:
    """Compare compiled paths (steps, ...) with NumPy's, bit for bit. Raises Broken, naming the first step that differs."""
    # NaN equals NaN here, and the sign of a zero is not compared.
    differs = (ours != reference) & ~(np.isnan(ours) & np.isnan(reference))
    if np.any(differs):
        step = int(np.argmax(np.any(differs, axis=tuple(range(1, differs.ndim))))) + 1
        raise Broken(f"compiled and NumPy differ from step {step} on{where}; {ADVICE}", function)
