"""The checks of optimizers."""

import math
from typing import Any

import numpy as np

from nonconv.components import Configured, Optimizer
from nonconv.contract.broken import Broken, Check
from nonconv.contract.programs import LAYOUTS, depends_on_step_alone, engines_agree, make_program


def _state_is_floats(component: Optimizer, h: Any) -> None:
    state = component.start(h)
    if not isinstance(state, component.state):
        raise Broken(f"start returns {type(state).__name__}, not {component.state.__name__}", component.start)
    for name, value in zip(component.state._fields, state, strict=True):
        if type(value) is not float or not math.isfinite(value):
            raise Broken(f"start: {name} is {value!r}; it must be a finite float", component.start)


def _at_step_is_a_table(component: Optimizer, h: Any) -> None:
    n = np.array([1.0, 2.0, 3.0, 10.0, 1e3, 1e6, 1e12])
    per_step = component.at_step(h, n.copy())
    if not isinstance(per_step, component.per_step):
        raise Broken(f"at_step returns {type(per_step).__name__}, not {component.per_step.__name__}", component.at_step)
    for name, column in zip(component.per_step._fields, per_step, strict=True):
        if np.shape(column) != n.shape:
            raise Broken(f"at_step: {name} has the shape {np.shape(column)}, n has {n.shape}", component.at_step)
        if not np.all(np.isfinite(column)):
            raise Broken(f"at_step: {name} is not finite at step {n[~np.isfinite(column)][0]:g}", component.at_step)


def _at_step_of_the_step_alone(component: Optimizer, h: Any) -> None:
    if component.per_step._fields:
        depends_on_step_alone(lambda n: component.at_step(h, n), component.at_step)


def _update_compiles(component: Optimizer, h: Any) -> None:
    for dim, batch in LAYOUTS:
        engines_agree(make_program(dim, batch, optimizer=Configured(component, h)), component, "update")


def _update_is_pure(component: Optimizer, h: Any) -> None:
    """Each lane moves as it would alone, and nothing that is given is changed."""
    gradients = np.array([-3.0, -1e-3, 0.5, 1.0, 2.0, 1e4])
    columns = component.at_step(h, np.arange(1.0, 6.0))
    together, alone = gradients.copy(), list(gradients)
    state = component.state(*(np.full_like(gradients, value) for value in component.start(h)))
    states = [component.start(h) for _ in alone]
    for t in range(5):
        per_step = component.per_step(*(float(column[t]) for column in columns))
        before = [value.copy() for value in state]
        direction, after = component.update(per_step, state, together)
        if not np.array_equal(together, gradients * (-0.75) ** t):
            raise Broken("update changes the gradient it is given", component.update)
        if any(not np.array_equal(now, then) for now, then in zip(state, before, strict=True)):
            raise Broken("update changes the state it is given; it must return a new one", component.update)
        moved = [component.update(per_step, s, float(g)) for s, g in zip(states, together, strict=True)]
        if not np.array_equal(np.broadcast_to(direction, gradients.shape), [d for d, _ in moved], equal_nan=True):
            raise Broken("update moves a path otherwise beside others than alone", component.update)
        state = component.state(*(np.broadcast_to(value, gradients.shape).copy() for value in after))
        states, together = [s for _, s in moved], gradients * (-0.75) ** (t + 1)


OF_OPTIMIZERS: dict[str, Check] = {
    "the state starts as floats": _state_is_floats,
    "at_step gives a number a step": _at_step_is_a_table,
    "at_step depends on the step alone": _at_step_of_the_step_alone,
    "update changes nothing it is given": _update_is_pure,
    "compiled update equals NumPy's": _update_compiles,
}
