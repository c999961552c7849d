"""The objectives, one family per file: what is minimized, with its gradient.

`quadratic`, `toint` and `formula`, which a config writes out, are separable: one function of one coordinate at a time. The
others couple their coordinates.
"""

from nonconv.components.registry import Registry
from nonconv.objectives.formula import FORMULA
from nonconv.objectives.linear_model import LINEAR_MODEL
from nonconv.objectives.mlp import MLP
from nonconv.objectives.quadratic import QUADRATIC
from nonconv.objectives.rotated_quadratic import ROTATED_QUADRATIC
from nonconv.objectives.toint import TOINT

OBJECTIVES = Registry("objective", "objectives", QUADRATIC, ROTATED_QUADRATIC, TOINT, FORMULA, LINEAR_MODEL, MLP)
