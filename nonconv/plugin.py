"""All that a plug-in imports of nonconv: this module stays as it is when the rest of the package moves.

docs/plugins.md says what each name is for.
"""

from annotated_types import Interval, Len
from typing_extensions import Doc

from nonconv.components.definitions import (
    CONSTANT_SIZE,
    NEVER,
    SQUARED_DISTANCE,
    Chosen,
    Complaint,
    Coupled,
    Dataset,
    Distribution,
    Group,
    Initialisation,
    LabelNoise,
    Law,
    Limits,
    Objective,
    OneOf,
    Optimizer,
    Schedule,
    Shape,
)
from nonconv.data import DATA, STARTS
from nonconv.data.initial import DrawnFrom, Gain
from nonconv.datasets import DATASETS
from nonconv.numerics.arithmetic import Array, Lanes, each, index, select
from nonconv.numerics.elementary import cos, erf, exp, log, log1p, sigmoid, sin, tanh
from nonconv.objectives import OBJECTIVES
from nonconv.optimizers import OPTIMIZERS
from nonconv.schedules import BATCH_SIZES, LEARNING_RATES

__all__ = [
    "BATCH_SIZES",
    "CONSTANT_SIZE",
    "DATA",
    "DATASETS",
    "LEARNING_RATES",
    "NEVER",
    "OBJECTIVES",
    "OPTIMIZERS",
    "SQUARED_DISTANCE",
    "STARTS",
    "Array",
    "Chosen",
    "Complaint",
    "Coupled",
    "Dataset",
    "Distribution",
    "Doc",
    "DrawnFrom",
    "Gain",
    "Group",
    "Initialisation",
    "Interval",
    "LabelNoise",
    "Lanes",
    "Law",
    "Len",
    "Limits",
    "Objective",
    "OneOf",
    "Optimizer",
    "Schedule",
    "Shape",
    "cos",
    "each",
    "erf",
    "exp",
    "index",
    "log",
    "log1p",
    "select",
    "sigmoid",
    "sin",
    "tanh",
]
