"""The objectives, one family per file: what is minimized, with its gradient.

`quadratic` and `toint` are separable: one function of one coordinate at a time; `formula` is one that a config writes out.
`mlp` couples its coordinates.
"""

from nonconv.components.registry import Registry
from nonconv.objectives.formula import FORMULA
from nonconv.objectives.mlp import MLP
from nonconv.objectives.quadratic import QUADRATIC
from nonconv.objectives.toint import TOINT

OBJECTIVES = Registry("objective", "objectives", QUADRATIC, TOINT, FORMULA, MLP)
