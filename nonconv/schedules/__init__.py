"""Functions of the step alone, evaluated once for all paths: learning rates, batch sizes and decays.

Steps n are 1-based and come as floats, (steps,); values have the same shape.
"""

from nonconv.schedules.batch_size import BATCH_SIZES
from nonconv.schedules.decay import DECAYS
from nonconv.schedules.learning_rate import LEARNING_RATES

__all__ = ["BATCH_SIZES", "DECAYS", "LEARNING_RATES"]
