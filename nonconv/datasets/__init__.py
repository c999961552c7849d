"""What a network learns from, one family per file: pairs (x, y) drawn from a law, or the rows of a table.

`sample` writes n examples at once, one per column: features x (features, n), targets y (targets, n), from uniforms
u (draws, n). It runs in kernels too, where n is examples times lanes.
"""

from nonconv.components.registry import Registry, open_room
from nonconv.datasets.function import FUNCTION
from nonconv.datasets.linear import LINEAR
from nonconv.datasets.supply import Common
from nonconv.datasets.table import CSV, DIABETES, DIGITS
from nonconv.datasets.teacher import TEACHER

DATASETS = Registry("dataset", "datasets", TEACHER, FUNCTION, LINEAR, CSV, DIABETES, DIGITS, common=Common)
open_room(__name__, DATASETS)
