"""The directions along which a quadratic moves iterates independently: coordinates, or the axes of a rotated one."""

from typing import NamedTuple

import numpy as np

from nonconv.components.definitions import Configured
from nonconv.experiment.cell import Cell
from nonconv.experiment.expectation import atoms_of
from nonconv.numerics.arithmetic import Array
from nonconv.objectives.quadratic import QUADRATIC
from nonconv.objectives.rotated_quadratic import ROTATED_QUADRATIC


class Modes(NamedTuple):
    """Directions that do not act on each other in expectation, whatever the learning rates.

    axes (dim, dim): one direction per row; None for the coordinates themselves. curvature, variance (dim,): the second
    derivative of the objective and the variance of X along each.
    """

    axes: Array | None
    curvature: Array
    variance: Array

    def along(self, vector: Array) -> Array:
        """Return the parts of a vector (dim,) along the directions."""
        return vector if self.axes is None else np.asarray(self.axes @ vector)

    def spread(self, variance: Array) -> Array:
        """Return the variances along the directions of a vector whose coordinates are independent, with variances (dim,)."""
        return variance if self.axes is None else np.asarray(np.square(self.axes) @ variance)


def curvatures(cell: Cell) -> Array | None:
    """Return the second derivatives of a quadratic along its directions, (dim,), which no datum changes; None for others."""
    objective, _, constants = cell.program.objective
    if objective is QUADRATIC:
        return np.asarray(2.0 * constants.scale)
    return np.asarray(constants.eigenvalues) if objective is ROTATED_QUADRATIC else None


def modes(cell: Cell) -> Modes | None:
    """Return the directions of a quadratic; None for other objectives, or data whose covariance is not known."""
    p, law, curvature = cell.program, cell.law, curvatures(cell)
    if law is None or curvature is None:
        return None
    if p.objective.component is QUADRATIC:
        return Modes(None, curvature, law.variance)
    rotation = p.objective.constants.rotation
    found = Modes(rotation, curvature, np.zeros(p.dim))
    own = Configured(p.data.component.each, *p.data[1:])
    if own.component.draws != "row":
        return found._replace(variance=found.spread(law.variance))
    # The numbers of a row are drawn together.
    rows = atoms_of(own, p.dim)
    if rows is None:
        return None
    values, probabilities = rows
    return found._replace(variance=np.square((values - law.mean) @ rotation.T).T @ probabilities)
