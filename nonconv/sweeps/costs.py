"""How long a cell takes, roughly, before anything is timed: the size of tasks depends on it."""

from nonconv.experiment.cell import Cell

NANOSECONDS_PER_SAMPLE = 2.5
"""Rough time per sample of one coordinate. Only the size of tasks and the estimate of `--dry-run` depend on it."""
TWIN_FACTOR = 2.2
"""How many times as long a cell takes with twins."""


def estimate_seconds(cell: Cell) -> float:
    """Estimate roughly the seconds that a cell takes on one core."""
    factor = TWIN_FACTOR if cell.program.plan.wanted.twin else 1.0
    return cell.paths * cell.program.steps * cell.program.samples * NANOSECONDS_PER_SAMPLE * factor * 1e-9
