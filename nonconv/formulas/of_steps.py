"""Formulas of the step, evaluated at many steps at once: of schedules, and of bounds that a config states."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np

from nonconv.formulas.modules import OF_STEPS, field, module_of
from nonconv.formulas.reading import read_formula
from nonconv.numerics.arithmetic import Array

VARIABLES = ("n",)


def values_at(text: str, constants: Mapping[str, float], n: Array) -> Array:
    """Return a formula of n and the constants at steps n (steps,), whatever it is there; nan and infinities among it."""
    function, of_text = _function(text, tuple(constants))
    # NumPy's floats: of Python's, a division by 0 is an exception.
    numbers = {field(name): np.float64(number) for name, number in constants.items()}
    given = of_text(**numbers) if numbers else of_text(0.0)
    with np.errstate(all="ignore"):
        return np.array(np.broadcast_to(np.asarray(function(given, n), dtype=np.float64), n.shape))


@cache
def _function(text: str, names: Sequence[str]) -> tuple[Callable[..., Array], type]:
    """Return the function of a formula, and the class of its constants."""
    module = module_of(names, {"value": (VARIABLES, read_formula(text, VARIABLES, names).tree)}, OF_STEPS)
    return module.value, module.Constants
