"""How far iterates are from a candidate for the limit, other than by their mean square."""

from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple

import numpy as np
from annotated_types import Interval
from typing_extensions import Doc

from nonconv.components.parameters import Words
from nonconv.components.quantity import Quantity, Seen, Steps
from nonconv.numerics.arithmetic import Array

OneXi = Annotated[Any, Words("one of the config's xi"), Doc("which of the candidates for a limit; the first if left out")]


class Quantile(NamedTuple):
    """A quantile of |theta_n - xi|: this share of the paths is at most as far away.

    It exists for any law, and so does its interval. The levels 0.5, 0.9 and 0.99 are in every run's quantities.csv.
    """

    level: Annotated[float, Interval(gt=0, lt=1), Doc("the share of paths")]
    xi: OneXi = None


class SpanMaximum(NamedTuple):
    """The largest |theta_n - xi|^2 of a path in each dyadic span of steps, n from T/2^(k+1) + 1 to T/2^k.

    A path that returns to where it was far away again and again shows it here, however short its visits are. Paths are
    simulated again for it, so it is measured on the first ones.
    """

    xi: OneXi = None


class Rate(NamedTuple):
    """The factor per step by which E |theta_n - xi|^2 changes over the last half of the run.

        log E |theta_n - xi|^2 ~ a + n log(rate)

    The slope is that of least squares over the recorded steps. A factor below 1 means linear convergence only as long as it
    goes on: where the error stands at a plateau the factor is 1, and a run that reached rounding errors is looked at up to
    there. Noise-free SGD has the rate (1 - curvature * learning rate)^2.
    """

    xi: OneXi = None


def spans(steps: int) -> list[tuple[int, int]]:
    """Return the dyadic spans of a run as pairs of the step before the first and the last step, rising."""
    return list(_halved(steps))[::-1]


def _halved(steps: int) -> Iterator[tuple[int, int]]:
    """Yield the spans from the last to the first."""
    while steps:
        yield steps // 2, steps
        steps //= 2


def largest(h: SpanMaximum, seen: Seen) -> Array:
    """Return the largest squared distance in each span, (spans, paths); nan from a path's failure on."""
    of_run = spans(seen.steps)
    found = np.full((len(of_run), seen.start.shape[1]), -np.inf)
    for first, distance in seen.course(h.xi):
        for k, (after, last) in enumerate(of_run):
            here = distance[max(0, after + 1 - first) : max(0, last + 1 - first)]
            if len(here):
                found[k] = np.maximum(found[k], here.max(axis=0))
    with np.errstate(over="ignore"):
        return np.asarray(np.square(found))


def level_name(level: float) -> str:
    """Name a quantile by its level in per cent: q50, q99.9."""
    return f"q{100.0 * level:.10g}"


QUANTILE = Quantity(
    name="quantile",
    parameters=Quantile,
    paper="David & Nagaraja (2003), Order Statistics, 7.1",
    kind="quantile",
    of_averages=True,
    title=lambda h: f"{100.0 * h.level:.10g} % quantile of |Θₙ − ξ|",
    label=lambda h, xi: f"{level_name(h.level)}: {xi}",
    about_xi=True,
)
SPAN_MAXIMUM = Quantity(
    name="span_maximum",
    parameters=SpanMaximum,
    paper="a dyadic maximum, as in maximal inequalities (Doob)",
    kind="mean",
    title=lambda h: "E max |Θₙ − ξ|² over each dyadic span",
    label=lambda h, xi: f"span_maximum: {xi}",
    about_xi=True,
    steps=lambda h, record, steps: np.array([last for _, last in spans(steps)], dtype=np.int64),
    measure=largest,
)
RATE = Quantity(
    name="rate",
    parameters=Rate,
    paper="Nesterov (2018), Lectures on convex optimization, 1.2.3: linear rate of convergence",
    kind="rate",
    of_averages=True,
    title=lambda h: "factor of E |Θₙ − ξ|² per step",
    label=lambda h, xi: f"rate: {xi}",
    about_xi=True,
    steps=lambda h, record, steps: last_step(record),
)


def last_step(record: Steps) -> Steps:
    """Return the last recorded step alone, (1,)."""
    return record[-1:]
