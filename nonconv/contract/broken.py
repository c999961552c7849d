"""Why a component does not keep its contract, as the checks of `contract` and `contract_networks` say it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from nonconv.faults.blame import is_foreign, place_text
from nonconv.numerics.arithmetic import Array


class Broken(Exception):
    """The reason why a check fails, and the function that is at fault."""

    def __init__(self, reason: str, function: Callable[..., Any] | None = None) -> None:
        at = f"{place_text(function)}: " if function is not None and is_foreign(function) else ""
        super().__init__(at + reason)


Check = Callable[[Any, Any], None]
"""Takes a component and parameters of it. Raises Broken."""

ADVICE = (
    "instead of np.exp, np.log and the like use the functions of nonconv.plugin (exp, log, sin, ...), "
    "which give the same bits in both engines"
)


def demand_same_bits(ours: Array, reference: Array, function: Callable[..., Any], where: str = "") -> None:
    """Hold the compiled paths (steps, ...) against NumPy's. Raises Broken at the first step where they differ."""
    differs = (ours != reference) & ~(np.isnan(ours) & np.isnan(reference))
    if np.any(differs):
        step = int(np.argmax(np.any(differs, axis=tuple(range(1, differs.ndim))))) + 1
        raise Broken(f"compiled and NumPy differ from step {step} on{where}; {ADVICE}", function)
