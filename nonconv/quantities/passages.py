"""When paths first come as close as wanted."""

from typing import Annotated, Literal, NamedTuple

import numpy as np
from annotated_types import Interval
from typing_extensions import Doc

from nonconv.components.definitions import Complaint
from nonconv.components.quantity import Need, Quantity, Seen
from nonconv.numerics.arithmetic import Array
from nonconv.quantities.distances import OneXi, last_step

EXCESS_RISK = "excess_risk"


class FirstPassage(NamedTuple):
    """The first step n >= 0 at which |theta_n - xi|, or the excess risk, is at most a level.

    Paths that do not come so far within the run are censored: their step is known to be later. The share that has passed by a
    step is 1 minus the estimate of Kaplan and Meier, its interval is Greenwood's; the median is the first step at which half
    of the paths have passed. Every step counts, not only the recorded ones. Paths are simulated again for it, so it is
    measured on the first ones.
    """

    level: Annotated[float, Interval(gt=0), Doc("how close is close enough")]
    of: Annotated[Literal["error", "excess_risk"], Doc("the distance |theta_n - xi|, or F(theta_n) - F*")] = "error"
    xi: OneXi = None


def check(h: FirstPassage) -> list[Complaint]:
    """Refuse a xi where the risk is meant, which has none."""
    if h.of == EXCESS_RISK and h.xi is not None:
        return [Complaint("xi", "the excess risk has no xi; leave it out")]
    return []


def needs(h: FirstPassage) -> tuple[Need, ...]:
    """Return what it rests on."""
    return ("minimizer",) if h.of == EXCESS_RISK else ()


def label(h: FirstPassage, xi: str) -> str:
    """Name it by what passes which level."""
    return f"first_passage: {EXCESS_RISK if h.of == EXCESS_RISK else xi} {h.level:.10g}"


def first_steps(h: FirstPassage, seen: Seen) -> Array:
    """Return the first step of each path at which the level is reached, (1, paths); infinite for one that is censored."""
    found = np.full(seen.start.shape[1], np.inf)
    for first, values in seen.course(EXCESS_RISK if h.of == EXCESS_RISK else h.xi):
        with np.errstate(invalid="ignore"):
            there = values <= h.level
        now = np.isinf(found) & there.any(axis=0)
        found[now] = first + there.argmax(axis=0)[now]
        if np.isfinite(found).all():
            break
    return found[None]


FIRST_PASSAGE = Quantity(
    name="first_passage",
    parameters=FirstPassage,
    paper="Kaplan & Meier (1958), Nonparametric estimation from incomplete observations, JASA 53",
    check=check,
    kind="passage",
    title=lambda h: f"share of paths with {'F(Θₙ) − F*' if h.of == EXCESS_RISK else '|Θₙ − ξ|'} ≤ {h.level:g} by step n",
    label=label,
    about_xi=True,
    needs=needs,
    steps=lambda h, record, steps: last_step(record),
    measure=first_steps,
)
