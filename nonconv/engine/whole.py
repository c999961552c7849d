"""Follow one path over every step of the spans: where nothing is random, one path shows everything."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.engine.moving import every_step
from nonconv.engine.program import Engine, Program
from nonconv.numerics.arithmetic import Array


class Whole(NamedTuple):
    """What a path did on each span, over every step; each field has shape (spans,).

    variance: of the iterates, summed over coordinates. extent: the largest minus the least iterate, as a squared norm.
    size: the square of the last iterate.
    """

    variance: Array
    extent: Array
    size: Array


def follow(program: Program, engine: Engine, path: int, stop: NDArray[np.uint8]) -> Whole:
    """Follow one path through the spans of its plan. Raises Stopped."""
    spans, dim = program.plan.spans, program.dim
    least, most = np.full((len(spans), dim), np.inf), np.full((len(spans), dim), -np.inf)
    total, square, origin = (np.zeros((len(spans), dim)) for _ in range(3))
    size = np.zeros(len(spans))
    with np.errstate(all="ignore"):
        for first, theta in every_step(program, engine, path, 1, stop):
            for k, span in enumerate(spans):
                here = theta[max(0, span.first + 1 - first) : max(0, span.last + 1 - first), :, 0]
                if not len(here):
                    continue
                if first <= span.first + 1:
                    # Sums are about the first iterate of the span, so that they do not cancel.
                    origin[k] = here[0]
                least[k], most[k] = np.minimum(least[k], here.min(axis=0)), np.maximum(most[k], here.max(axis=0))
                total[k] += (here - origin[k]).sum(axis=0)
                square[k] += np.square(here - origin[k]).sum(axis=0)
                size[k] = float(np.square(here[-1]).sum())
        steps = np.array([[float(span.last - span.first)] for span in spans])
        variance = np.maximum(square / steps - np.square(total / steps), 0.0).sum(axis=1)
        return Whole(variance, np.square(most - least).sum(axis=1), size)
