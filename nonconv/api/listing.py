"""What a config can name, of the kinds that have no room of their own: see `components.registry.Room` for the others."""

from nonconv.components.registry import Registry
from nonconv.schedules import BATCH_SIZES, ITERATES, LEARNING_RATES


def learning_rates() -> Registry:
    """Return the learning rates by name."""
    return LEARNING_RATES


def batch_sizes() -> Registry:
    """Return the batch sizes by name."""
    return BATCH_SIZES


def iterates() -> Registry:
    """Return the averages of iterates by name."""
    return ITERATES
