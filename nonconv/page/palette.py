"""Colours and dashes of curves: those of the figures, which the colour-blind can tell apart, with dashes for print in grey."""

COLOURS = ("#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9")
DASHES = ((), (6, 2), (2, 2), (8, 2, 2, 2), (1, 2))
VERDICTS = {
    "converges": "#8fcdf5",
    "undecided": "#dddddd",
    "does_not_converge": "#d55e00",
    "diverges": "#332288",
    "undefined": "#117733",
    "failed": "#000000",
}
"""The colours of the verdicts, as maps have them, and of a cell that has none since it failed."""


def colour(number: int) -> str:
    """Return the colour of a curve by its number."""
    return COLOURS[number % len(COLOURS)]


def dash(number: int) -> list[int]:
    """Return the dashes of a curve by its number: lengths of lines and gaps; none for an unbroken line."""
    # As many dashes as colours would come round together: every fifth curve takes the next dash as well.
    return list(DASHES[(number + number // len(COLOURS)) % len(DASHES)])
