"""Of a sweep with very many cells the part that a page shows: some values of each key, so that the map stays a grid."""

from collections.abc import Sequence

from nonconv.report.labels import symbol
from nonconv.report.sweep_result import SweepResult
from nonconv.system.words import count

MOST_CELLS = 10_000
"""Cells of a page. With their curves they are about eight megabytes, and a browser draws a map of them in a second."""


def part(result: SweepResult) -> tuple[SweepResult, str]:
    """Return the cells that a page shows, and what it leaves out in a sentence; all of them and nothing where they are few."""
    if result.cells <= MOST_CELLS:
        return result, ""
    values = {key: result.values(key) for key in result.swept}
    thinned = dict(values)
    chosen: Sequence[int] = range(result.cells)
    columns = {key: result.columns[key] for key in values}
    while len(chosen) > MOST_CELLS:
        longest = max(thinned, key=lambda key: len(thinned[key]), default=None)
        if longest is None or len(thinned[longest]) <= 2:  # nothing that a map would be a grid of
            chosen = range(0, result.cells, -(-result.cells // MOST_CELLS))
            break
        # Every other value: those that are left lie as evenly as before.
        thinned[longest] = thinned[longest][::2]
        kept, column = {*thinned[longest], ""}, columns[longest]
        chosen = [k for k in chosen if column[k] in kept]
    mask = [False] * result.cells
    for k in chosen:
        mask[k] = True
    shown = SweepResult(result.folder, result.about, result.columns.select(mask))
    some = [f"{len(thinned[key])} of {count(len(values[key]), 'value')} of {symbol(key)}" for key in values]
    some = [text for text, key in zip(some, values, strict=True) if len(thinned[key]) < len(values[key])]
    told = f": {' and '.join(some)}" if some else ""
    return shown, f"The page shows {shown.cells} of {result.cells} cells{told}. All are in sweep.csv."
