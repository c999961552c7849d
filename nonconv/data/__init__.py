"""The laws that data are drawn from, one family per file.

Each law states its exact moments, and draws a number by inversion or by a table from one uniform in [0, 1).
"""

from nonconv.components.registry import Registry, open_room
from nonconv.data.common import Common
from nonconv.data.continuous import LOG_UNIFORM, NORMAL, TRUNCATED_NORMAL, UNIFORM
from nonconv.data.discrete import DISCRETE, RADEMACHER, SEQUENCE, TWO_POINT
from nonconv.data.empirical import CSV
from nonconv.data.heavy_tailed import CAUCHY, LAPLACE, PARETO, STUDENT_T
from nonconv.data.initial import GLOROT, HE, LECUN, WEIGHTS

LAWS = (
    *(TWO_POINT, RADEMACHER, UNIFORM, LOG_UNIFORM, DISCRETE, NORMAL, TRUNCATED_NORMAL),
    *(STUDENT_T, CAUCHY, LAPLACE, PARETO),
)
DATA = Registry("data", "data distributions", *LAWS, SEQUENCE, CSV, common=Common)
STARTS = Registry(
    "start",
    "starting points",
    *LAWS,
    *(HE, GLOROT, LECUN, WEIGHTS),
)
open_room(__name__, DATA)
