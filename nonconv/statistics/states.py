"""What the optimizer keeps on the first paths: its state at the recorded steps, and what follows from it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from nonconv.components.definitions import EFFECTIVE_RATE, Optimizer
from nonconv.engine.states import State, every_state
from nonconv.faults.blame import refusal
from nonconv.numerics.arithmetic import Array
from nonconv.statistics.measured_block import MeasuredBlock, kept_coordinates
from nonconv.statistics.parts import FirstPaths


def measured(seen: MeasuredBlock) -> FirstPaths | None:
    """Return the states of the recorded paths, shape (paths, names, R, coordinates); None where none is asked for."""
    cell, paths = seen.cell, seen.among_first(seen.cell.recorded_paths)
    if not cell.states or paths == 0:
        return None
    assert seen.again is not None
    p, own = cell.program, kept_coordinates(cell)
    found = [
        [_value(p.optimizer.component, name, at)[own] for name in cell.states]
        for at in every_state(p, seen.again.engine, seen.block.first, paths, p.record, seen.again.stop)
    ]
    return FirstPaths((np.array(found).transpose(3, 1, 0, 2).copy(),), axis=0)


def _value(rule: Optimizer, name: str, at: State) -> Array:
    """Return a quantity by its name, (dim, paths)."""
    if name in rule.state._fields:
        return np.array(getattr(at.state, name))  # a copy, since the next step changes it
    if name == EFFECTIVE_RATE:
        assert rule.scaling is not None
        return at.rate * _evaluated(rule.scaling.factor, at)
    return _evaluated(next(one.of for one in rule.shown if one.name == name), at)


def _evaluated(of: Callable[[Any, Any], Any], at: State) -> Array:
    """Return a function of per_step and state, (dim, paths). Raises ValueError, or PluginError, if it does not fit."""
    found = np.asarray(of(at.per_step, at.state), dtype=np.float64)
    if found.shape not in ((), at.shape):
        raise refusal(of, f"must return lanes: an array of shape {at.shape}, or a number; got shape {found.shape}")
    return np.broadcast_to(found, at.shape)
