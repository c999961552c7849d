"""The checks of quantities: each takes the component and parameters h, and raises Broken."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from nonconv.components.quantity import Quantity, Regret, Seen, Steps
from nonconv.contract.broken import Broken, Check
from nonconv.numerics.arithmetic import Array

STEPS, PATHS, DIM = 24, 5, 2
XI = "minimizer"


class _Paths:
    """Paths that halve their distance from 0 at each step, as a quantity sees them (Seen)."""

    def __init__(self) -> None:
        self.steps = STEPS
        self.record: Steps = np.arange(1, STEPS + 1)
        self.start = np.linspace(0.5, 1.5, DIM * PATHS).reshape(DIM, PATHS)
        self.theta = self.start * 0.5 ** self.record[:, None, None]

    def iterates(self, coordinate: int) -> Array:
        """Return a coordinate of theta_n."""
        return self.theta[:, coordinate - 1]

    def distances(self, xi: str) -> Array:  # noqa: ARG002  # there is one
        """Return |theta_n|."""
        return np.asarray(np.sqrt(np.square(self.theta).sum(axis=1)))

    def excess_risk(self) -> Array:
        """Return |theta_n|^2."""
        return np.asarray(np.square(self.theta).sum(axis=1))

    def squared_gradient(self) -> Array:
        """Return |2 theta_n|^2."""
        return 4.0 * self.excess_risk()

    def course(self, of: str) -> Iterator[tuple[int, Array]]:  # noqa: ARG002  # there is one
        """Yield the distances from step 0 on, in pieces of 7 steps."""
        every = np.concatenate([self.start[None], self.theta])
        for first in range(0, len(every), 7):
            yield first, np.sqrt(np.square(every[first : first + 7]).sum(axis=1))

    def regret(self) -> Regret:
        """Return losses that grow by 1 per step, of which a fixed point has half."""
        lost = np.repeat(self.record[:, None].astype(np.float64), PATHS, axis=1)
        return Regret(self.record, lost, lost / 2.0)


def _numbers_fit(component: Quantity, h: Any) -> None:
    """Check that `measure` returns a finite number for each step and path, and that steps rise."""
    seen: Seen = _Paths()
    # Whatever steps and coordinates are asked for, these paths have all that there may be.
    h = h._replace(**{name: value for name, value in (("steps", None), ("coordinate", 1), ("xi", XI)) if name in h._fields})
    steps = component.steps(h, seen.record, STEPS)
    if not len(steps) or (np.diff(steps) <= 0).any() or steps[0] < 1 or steps[-1] > STEPS:
        raise Broken(f"steps returns {steps}; they must rise within 1 to {STEPS}", component.steps)
    if component.measure is None:
        return
    found = component.measure(h, seen)
    if np.shape(found) != (len(steps), PATHS):
        raise Broken(f"measure returns the shape {np.shape(found)}, not {(len(steps), PATHS)}", component.measure)
    if np.isnan(found).any():
        raise Broken("measure returns nan for paths that are all finite", component.measure)


def _names_differ(component: Quantity, h: Any) -> None:
    """Check that names are texts, and that of a quantity about a xi names it."""
    label, title = component.label(h, XI), component.title(h)
    if not label or not title or (component.about_xi and getattr(h, "of", "error") == "error" and XI not in label):
        raise Broken(f"label returns {label!r}; it must name the quantity and its xi", component.label)


OF_QUANTITIES: dict[str, Check] = {
    "measure returns one number per step and path": _numbers_fit,
    "label names the quantity and its xi": _names_differ,
}
