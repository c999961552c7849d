"""What is kept of the optimizer: arrays of paths.npz, and what summary.json says of its stability."""

from typing import Any

import numpy as np

from nonconv.components.definitions import EFFECTIVE_RATE
from nonconv.experiment.cell import Cell
from nonconv.results.csv_text import number
from nonconv.statistics.tally import Tally
from nonconv.theory.limit_point import coordinate_curvatures

PREFIX = "state_"
"""Begins the names of the arrays."""


def arrays(cell: Cell, tally: Tally) -> dict[str, Any]:
    """Return an array (paths, R, coordinates) for each state that is kept; {} without any."""
    if tally.states is None:
        return {}
    found = tally.states.joined
    return {f"{PREFIX}{name}": found[:, k] for k, name in enumerate(cell.states)}


def summary(cell: Cell, tally: Tally) -> dict[str, Any]:
    """Return what summary.json says: the names, and of effective rates where a minimum is not stable any more.

    edge: of the effective rate times the curvature. curvature: of each kept coordinate. stability: the median of their product
    with the effective rate over the kept paths, at the last step.
    """
    rule, h, _ = cell.program.optimizer
    edge = curvature = stability = None
    if EFFECTIVE_RATE in cell.states and tally.states is not None:
        kept = [k for k, _ in cell.coordinates] or range(cell.program.dim)
        edge, curvature = rule.scaling.edge(h) if rule.scaling else None, coordinate_curvatures(cell, list(kept))
        if curvature is not None and not np.isfinite(curvature).any():
            curvature = None  # as of |theta|^1.5 at 0: no rate is stable there, and none is measured by it
        if curvature is not None:
            last = tally.states.joined[:, cell.states.index(EFFECTIVE_RATE), -1]
            with np.errstate(all="ignore"):
                stability = [number(value) for value in (np.median(last, axis=0) * curvature).tolist()]
    return {
        "names": list(cell.states),
        "edge": None if edge is None else number(float(edge)),
        "curvature": None if curvature is None else [number(value) for value in curvature.tolist()],
        "stability": stability,
    }
