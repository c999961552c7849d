"""The objectives, one family per file: what is minimized, with its gradient.

All but `mlp` are separable: one function of one coordinate at a time. `mlp` couples its coordinates.
"""

from nonconv.components.registry import Registry
from nonconv.objectives.double_well import DOUBLE_WELL
from nonconv.objectives.linear import LINEAR
from nonconv.objectives.mlp import MLP
from nonconv.objectives.power import POWER
from nonconv.objectives.quadratic import QUADRATIC
from nonconv.objectives.robust import HUBER, LOG_COSH
from nonconv.objectives.toint import TOINT

OBJECTIVES = Registry("objective", "objectives", QUADRATIC, LINEAR, POWER, DOUBLE_WELL, HUBER, LOG_COSH, TOINT, MLP)
