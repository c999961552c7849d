"""The objectives, one family a file."""

from nonconv.components import Registry
from nonconv.objectives.quadratic import QUADRATIC

OBJECTIVES = Registry("objective", "objectives", QUADRATIC)
