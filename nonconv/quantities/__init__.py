"""Quantities that papers state besides |theta_n - xi|^2, one family per file.

`quantities` in a config lists those to measure. A definition says how (components.quantity); a line here makes it known.
"""

from nonconv.components.registry import Registry, open_room
from nonconv.quantities.bounds import VIOLATIONS
from nonconv.quantities.distances import QUANTILE, RATE, SPAN_MAXIMUM
from nonconv.quantities.laws import LAW
from nonconv.quantities.means import MEAN
from nonconv.quantities.passages import FIRST_PASSAGE
from nonconv.quantities.regrets import AVERAGE_REGRET, REGRET
from nonconv.quantities.risks import EXCESS_RISK, GRADIENT_NORM

QUANTITIES = Registry(
    "quantity",
    "quantities",
    EXCESS_RISK,
    GRADIENT_NORM,
    REGRET,
    AVERAGE_REGRET,
    MEAN,
    QUANTILE,
    SPAN_MAXIMUM,
    RATE,
    FIRST_PASSAGE,
    VIOLATIONS,
    LAW,
)
open_room(__name__, QUANTITIES)
