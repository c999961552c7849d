"""The objectives, one family a file."""

from nonconv.components.definitions import Registry
from nonconv.objectives.mlp import MLP
from nonconv.objectives.quadratic import QUADRATIC
from nonconv.objectives.toint import TOINT

OBJECTIVES = Registry("objective", "objectives", QUADRATIC, TOINT, MLP)
