"""Programs on Toint's function and its orbits."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kit.programs import optimizer_named, program_of
from nonconv.components.definitions import Schedule
from nonconv.data.nothing import NOTHING, Nothing
from nonconv.engine.fused import Fused
from nonconv.engine.orbit import with_orbit
from nonconv.engine.program import Engine, Program
from nonconv.numerics.arithmetic import Array
from nonconv.objectives.toint import TOINT, Toint
from nonconv.schedules import LEARNING_RATES
from nonconv.schedules.learning_rate import warmed_up
from nonconv.statistics.counterexample import slopes

ROUNDING = 2.0**-53
EXACT = Toint()
CORRECTED: dict[str, Any] = {"eps": 0.0}
TOINTS: dict[str, Any] = {"eps": 0.0, "bias_correction": False, "start": "first_gradient"}
PLAIN: dict[str, Any] = {"eps": 0.0, "bias_correction": False}
DIALECTS = (CORRECTED, TOINTS, PLAIN)
"""Of Adam."""


def make(
    optimizer: str = "adam", h: Toint = EXACT, steps: int = 300, parameters: dict[str, Any] | None = None, **changes: Any
) -> Program:
    """A program without its orbit that records every step."""
    rule = optimizer_named(optimizer)
    default: dict[str, Any] = {
        "seed": 5,
        "learning_rate": lambda n: np.full_like(n, 0.1),
        "batch_size": np.ones_like,
        "start": np.zeros(h.dim),
        "record": np.arange(1, steps + 1),
    }
    return program_of(
        dim=h.dim,
        steps=steps,
        objective=TOINT,
        objective_parameters=h,
        objective_constants=TOINT.prepare(h, h.dim),
        data=NOTHING,
        data_constants=NOTHING.prepare(Nothing(), h.dim),
        optimizer=rule,
        optimizer_parameters=rule.parameters(**(parameters or {})),
        **(default | changes),
    )


def bound(program: Program, engine: Callable[[Program], Engine] = Fused) -> Program:
    return with_orbit(program, engine)


def orbit_of(program: Program) -> Array:
    assert program.orbit is not None
    return program.orbit


def never_another_slope(program: Program) -> bool:
    """Whether every step meets slope -scale in all coordinates; from 0 this is the orbit itself."""
    found = slopes(program, Fused, 1)
    return bool((found.exact == program.steps).all() and found.largest.max() == 0.0 and not found.first_other.any())


def schedule(name: str, **parameters: Any) -> Callable[[Array], Array]:
    component = LEARNING_RATES[name]
    assert isinstance(component, Schedule)
    warmup = parameters.pop("warmup", 0)
    h = component.parameters(**parameters)
    return lambda n: warmed_up(component.value(h, n), warmup, n)
