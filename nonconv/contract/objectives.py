"""The checks of separable objectives: each takes the component and parameters h, and raises Broken."""

import itertools
from typing import Any

import numpy as np

from nonconv.components.definitions import Configured, Distribution, Law, Objective
from nonconv.contract.broken import Broken, Check, slow
from nonconv.contract.data import constants_fit, dim_of, entry_of
from nonconv.contract.programs import engines_agree, make_program
from nonconv.data.continuous import UNIFORM, Uniform
from nonconv.data.discrete import TWO_POINT, TwoPoint
from nonconv.data.nothing import NOTHING, Nothing
from nonconv.numerics.arithmetic import Array

POINTS = np.array([-2.03, -0.51, -0.07, 0.2617, 0.77, 1.4, 3.11])
"""Points at which the derivative is compared; uneven, so that a kink at a round number falls on none."""
DATA_LAWS = ((TWO_POINT, TwoPoint(-1.0, 4.0, 0.25)), (UNIFORM, Uniform(-2.0, 3.0)))
"""The laws with which an objective is checked: one discrete and skewed, one with a density."""


def _data_of(component: Objective, h: Any) -> tuple[tuple[Distribution, Any], ...]:
    """Return the laws that an objective is checked with; that of no data if it has none."""
    return DATA_LAWS if hasattr(h, "data") else ((NOTHING, Nothing()),)


@slow
def _gradient_compiles(component: Objective, h: Any) -> None:
    """Check that both engines move paths to the same bits, for batches of one, of five, and growing ones."""
    law, parameters = _data_of(component, h)[0]
    dim = dim_of(component, h)
    for batch in ("1", "5", "growing"):
        changes: dict[str, Any] = {
            "objective": Configured(component, h, component.prepare(h, dim)),
            "data": Configured(law, parameters, law.prepare(parameters, dim)),
        }
        engines_agree(make_program(dim, batch, **changes), component, "gradient")


def _gradient_is_derivative(component: Objective, h: Any) -> None:
    """Check the gradient against central differences of the loss, to 1e-6."""
    dim = dim_of(component, h)
    for j, x in itertools.product(range(dim), (-1.0, 0.25, 2.0)):
        k = entry_of(component, h, dim, j)
        step = 1e-5 * (1.0 + np.abs(POINTS))
        ahead, behind = component.loss(k, POINTS + step, x), component.loss(k, POINTS - step, x)
        difference, slope = (ahead - behind) / (2.0 * step), component.gradient(k, POINTS, x)
        # Relative to the loss too, whose rounding error the difference inherits.
        allowed = 1e-6 * np.maximum(1.0, np.maximum(np.abs(ahead), np.abs(difference)))
        wrong = np.broadcast_to(~(np.abs(difference - slope) <= allowed), POINTS.shape)
        if wrong.any():
            at = int(wrong.argmax())
            given = np.broadcast_to(slope, POINTS.shape)[at]
            what = f"at theta = {POINTS[at]:g}, x = {x:g} gradient is {given:.6g}, the loss rises by {difference[at]:.6g}"
            raise Broken(what, component.gradient)


def _curvature_is_derivative(component: Objective, h: Any) -> None:
    """Check the curvature against central differences of the gradient, to 1e-5."""
    if component.curvature is None:
        return
    dim = dim_of(component, h)
    for j, x in itertools.product(range(dim), (-1.0, 0.25, 2.0)):
        k = entry_of(component, h, dim, j)
        step = 1e-6 * (1.0 + np.abs(POINTS))
        ahead, behind = component.gradient(k, POINTS + step, x), component.gradient(k, POINTS - step, x)
        difference = np.broadcast_to((ahead - behind) / (2.0 * step), POINTS.shape)
        given = np.broadcast_to(component.curvature(k, POINTS, x), POINTS.shape)
        # Relative to the gradient too, whose rounding error the difference inherits.
        wrong = ~(np.abs(difference - given) <= 1e-5 * np.maximum(1.0, np.maximum(np.abs(ahead), np.abs(difference))))
        if wrong.any():
            at = int(wrong.argmax())
            what = f"curvature is {given[at]:.6g}, the gradient rises by {difference[at]:.6g}"
            raise Broken(f"at theta = {POINTS[at]:g}, x = {x:g} {what}", component.curvature)


def _points_of(component: Objective, h: Any, law: Law) -> tuple[Any, list[Array]]:
    """Return the function that states minima in closed form, None if there is none, and the minima of each coordinate."""
    dim = len(law.mean)
    if callable(component.minima):
        found = component.minima(h, law)
        if len(found) != dim or any(np.ndim(points) != 1 for points in found):
            raise Broken(f"minima must return an array of points for each of {dim} coordinates", component.minima)
        return component.minima, list(found)
    if component.minimizer is None:
        return None, []
    point = component.minimizer(h, law)
    if np.shape(point) != (dim,):
        raise Broken(f"minimizer has the shape {np.shape(point)} for {dim} coordinates", component.minimizer)
    return component.minimizer, list(point[:, None])


def _minimizer_is_stationary(component: Objective, h: Any) -> None:
    """Check that the mean gradient is 0 at the minimizer, or at each of the minima, and points away from it at either side."""
    dim = dim_of(component, h)
    for law, parameters in _data_of(component, h):
        stated, found = _points_of(component, h, law.law(parameters, dim))
        name = "minimizer" if stated is component.minimizer else "minimum"
        for j, at in ((j, float(at)) for j, points in enumerate(found) for at in points):
            # Samples at equidistant uniforms, not random ones: their mean is that of the law to rounding.
            x = law.sample(entry_of(law, parameters, dim, j), (np.arange(2**12) + 0.5) / 2**12)
            slopes = [component.gradient(entry_of(component, h, dim, j), at + offset, x) for offset in (-0.1, 0.0, 0.1)]
            size = max(float(np.abs(slope).mean()) for slope in slopes)
            if not abs(float(np.mean(slopes[1]))) <= 1e-9 * max(size, 1e-300):
                what = f"at the {name} {at:.6g} the mean gradient is {np.mean(slopes[1]):.3g}, with {law.name} data"
                raise Broken(what, stated)
            if np.mean(slopes[0]) > 0.0 or np.mean(slopes[2]) < 0.0:
                what = f"{at:.6g} is no minimum: the loss is smaller next to it, with {law.name} data"
                raise Broken(what, stated)


def _mean_is_enough(component: Objective, h: Any) -> None:
    """Check that the gradient is affine in x where the objective says that the mean of the data is enough."""
    if not component.mean_is_enough:
        return
    dim = dim_of(component, h)
    for j in range(dim):
        k = entry_of(component, h, dim, j)
        low, middle, high = (component.gradient(k, POINTS, x) for x in (-1.0, 0.5, 2.0))
        bent = np.abs(low - 2.0 * middle + high) > 1e-9 * (np.abs(low) + np.abs(middle) + np.abs(high))
        if bent.any():
            at = POINTS[np.broadcast_to(bent, POINTS.shape)][0]
            raise Broken(f"mean_is_enough, but at theta = {at:g} it is not affine in x", component.gradient)


OF_OBJECTIVES: dict[str, Check] = {
    "constants have one entry per coordinate": constants_fit,
    "compiled gradient equals NumPy's": _gradient_compiles,
    "gradient is the derivative of loss": _gradient_is_derivative,
    "curvature is the derivative of gradient": _curvature_is_derivative,
    "the mean gradient at the minimizer is 0": _minimizer_is_stationary,
    "the mean of the data is enough": _mean_is_enough,
}
