"""What is known of a cell's limit before any path is simulated: what may make errors vanish as n -> infinity, and what not.

A finite run cannot see the limit. So the verdict (statistics.verdict) rests on what it observed and on this;
theory.structure finds it from what each component declares.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

Noise = Literal["none", "vanishes", "persists", "unknown"]
"""Of the gradient: there is none; there is none at the limit point, as where a model fits all labels; it stays; not known."""


class Reason(NamedTuple):
    """A declared reason for which errors may vanish as n -> infinity.

    kind: rate, batch, rule, noise or average. text: a clause, such as `the learning rate tends to 0`.
    """

    kind: Literal["rate", "batch", "rule", "noise", "average"]
    text: str


@dataclass(frozen=True)
class Structure:
    """What is known of the limit of a cell.

    noise: of the gradient. reasons: all for which errors may vanish; without one a run is never said to converge.
    forbids: of these, the ones with which no run is said not to converge, however its floors look.
    void: a clause about a reason that would hold if the limit were stable; empty if there is none.
    contracting: whether the mean square around the limit is known to shrink with every step, once near.
    drive: for each span log2 of the mean of rate x relative size / batch, the factor by which the step alone shrinks
        the noise of the iterates.
    summable: whether the sum of the rates is finite, so that bounded directions lead no path to infinity.
    scale: for each span log2 of the rule's own one-step scale at its branch, squared; empty where it is not known.
    fall_steps: with how many steps the drive would fall by a tenth or more per doubling at the end; 0 if it never does.
    irregular: a clause about why the schedules are not yet, or never, in their limit regime on the spans; empty if they are.
    regime_steps: with how many steps they would be; 0 if that is not known, or too many.
    relaxation: in how many steps the iterates forget their start to a factor e; nan where it is not known.
    anew: whether an average begins within the last span, so that it crosses the span from one noisy iterate to its limit.
    may_settle: a clause about a state of the rule that may still change for long; empty if nothing in it goes one way only.
    """

    noise: Noise = "unknown"
    reasons: tuple[Reason, ...] = ()
    forbids: tuple[Reason, ...] = ()
    void: str = ""
    contracting: bool = False
    summable: bool = False
    drive: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    fall_steps: int = 0
    irregular: str = ""
    regime_steps: int = 0
    relaxation: float = math.nan
    may_settle: str = ""
    anew: bool = False
