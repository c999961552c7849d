"""All that a plug-in imports of nonconv: this module stays as it is when the rest of the package moves.

A plug-in is a Python file that registers components of its own. This one adds a learning rate that halves once:

    from typing import Annotated, NamedTuple
    from nonconv.plugin import LEARNING_RATES, Doc, Interval, Limits, Schedule

    class Halved(NamedTuple):
        '''gamma up to a step, gamma / 2 after it.'''

        gamma: Annotated[float, Interval(gt=0), Doc("rate of the first steps")]
        step: Annotated[int, Interval(ge=1), Doc("last step with this rate")]

    def value(h, n):
        return h.gamma / (1.0 + (n > h.step))

    def limits(h):
        return Limits(h.gamma / 2, h.gamma / 2)

    LEARNING_RATES.register(
        Schedule(name="halved", parameters=Halved, paper="none", value=value, limits=limits)
    )

docs/plugins.md says what each name is for, with an example of every kind. A new name here needs an entry there.
"""

from annotated_types import Interval, Len
from typing_extensions import Doc

from nonconv.components.definitions import (
    ALWAYS,
    CONSTANT_SIZE,
    NEVER,
    SEARCH,
    SQUARED_DISTANCE,
    UNKNOWN_SIZE,
    Chosen,
    Complaint,
    Coupled,
    Dataset,
    Decay,
    Distribution,
    Group,
    Initialisation,
    Iterate,
    Known,
    LabelNoise,
    Law,
    Limits,
    Objective,
    OneOf,
    Optimizer,
    Scaling,
    Schedule,
    Shape,
    Shown,
    Squares,
    Truth,
)
from nonconv.data import DATA, STARTS
from nonconv.data.initial import DrawnFrom, Gain
from nonconv.datasets import DATASETS
from nonconv.numerics.arithmetic import Array, Lanes, each, index, select
from nonconv.numerics.elementary import cos, erf, exp, log, log1p, sigmoid, sin, tanh
from nonconv.objectives import OBJECTIVES
from nonconv.optimizers import OPTIMIZERS
from nonconv.optimizers.averages import Decaying, decay_at, remainder
from nonconv.schedules import BATCH_SIZES, DECAYS, DRIFTS, ITERATES, LEARNING_RATES

__all__ = [
    "ALWAYS",
    "BATCH_SIZES",
    "CONSTANT_SIZE",
    "DATA",
    "DATASETS",
    "DECAYS",
    "DRIFTS",
    "ITERATES",
    "LEARNING_RATES",
    "NEVER",
    "OBJECTIVES",
    "OPTIMIZERS",
    "SEARCH",
    "SQUARED_DISTANCE",
    "STARTS",
    "UNKNOWN_SIZE",
    "Array",
    "Chosen",
    "Complaint",
    "Coupled",
    "Dataset",
    "Decay",
    "Decaying",
    "Distribution",
    "Doc",
    "DrawnFrom",
    "Gain",
    "Group",
    "Initialisation",
    "Interval",
    "Iterate",
    "Known",
    "LabelNoise",
    "Lanes",
    "Law",
    "Len",
    "Limits",
    "Objective",
    "OneOf",
    "Optimizer",
    "Scaling",
    "Schedule",
    "Shape",
    "Shown",
    "Squares",
    "Truth",
    "cos",
    "decay_at",
    "each",
    "erf",
    "exp",
    "index",
    "log",
    "log1p",
    "remainder",
    "select",
    "sigmoid",
    "sin",
    "tanh",
]
