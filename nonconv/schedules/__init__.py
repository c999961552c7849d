"""Functions of the step alone, evaluated once for all paths: rates, batch sizes, decays, drifts; and averages of iterates.

Steps n are 1-based and come as floats, (steps,); values have the same shape.
"""

from nonconv.schedules.batch_size import BATCH_SIZES
from nonconv.schedules.decay import DECAYS
from nonconv.schedules.drift import DRIFTS
from nonconv.schedules.iterates import ITERATES
from nonconv.schedules.learning_rate import LEARNING_RATES

__all__ = ["BATCH_SIZES", "DECAYS", "DRIFTS", "ITERATES", "LEARNING_RATES"]
