"""The objectives, one family per file: what is minimized, with its gradient.

`rotated_quadratic`, `joint_formula`, `linear_model` and `mlp` couple their coordinates. The others are separable: one function
of one coordinate at a time. `formula` and `joint_formula` are written out by a config.
"""

from nonconv.components.registry import Registry, open_room
from nonconv.objectives.common import Common
from nonconv.objectives.double_well import DOUBLE_WELL
from nonconv.objectives.formula import FORMULA
from nonconv.objectives.joint_formula import JOINT_FORMULA
from nonconv.objectives.linear import LINEAR
from nonconv.objectives.linear_model import LINEAR_MODEL
from nonconv.objectives.mlp import MLP
from nonconv.objectives.power import POWER
from nonconv.objectives.quadratic import QUADRATIC
from nonconv.objectives.robust import HUBER, LOG_COSH
from nonconv.objectives.rotated_quadratic import ROTATED_QUADRATIC
from nonconv.objectives.toint import TOINT

OBJECTIVES = Registry(
    "objective",
    "objectives",
    *(QUADRATIC, ROTATED_QUADRATIC, LINEAR, POWER, DOUBLE_WELL, HUBER, LOG_COSH, TOINT),
    *(FORMULA, JOINT_FORMULA, LINEAR_MODEL, MLP),
    common=Common,
)
open_room(__name__, OBJECTIVES)
