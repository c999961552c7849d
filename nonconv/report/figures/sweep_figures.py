"""The figures of a sweep, by name."""

from collections.abc import Callable
from functools import partial
from itertools import combinations

import matplotlib as mpl
from matplotlib.figure import Figure

from nonconv.report.figures.axes import STYLE
from nonconv.report.figures.figures import encode
from nonconv.report.figures.heat_maps import heat_map
from nonconv.report.figures.sweep_lines import dot_plot, line_plot
from nonconv.report.sweep_result import MOST_PANELS, SweepResult, key_parts, quantities, view

MOST_LINES = MOST_PANELS
"""A second numeric key with at most so many values gets one line per value."""
SWEEP_STYLE = STYLE | {"hatch.linewidth": 0.35}
Maker = Callable[[], Figure]


def figure_names(result: SweepResult) -> tuple[str, ...]:
    """The names of all figures that a sweep has data for."""
    return tuple(_makers(result))


def draw_sweep(result: SweepResult, names: tuple[str, ...], formats: tuple[str, ...] = ("png", "svg")) -> dict[str, bytes]:
    """Draw the named figures of a sweep: bytes by file name, which depend on the data alone."""
    makers = _makers(result)
    with mpl.rc_context(SWEEP_STYLE):
        return {f"{name}.{kind}": content for name in names for kind, content in encode(makers[name](), formats).items()}


def _makers(result: SweepResult) -> dict[str, Maker]:
    if not result.numeric:
        return _dots(result)
    return _maps(result) | _lines(result)


def _maps(result: SweepResult) -> dict[str, Maker]:
    """A map per pair of numeric keys and quantity; none of differences, whose map would look like that of the errors."""
    pairs = [pair for pair in combinations(result.numeric, 2) if result.cross(*pair) and _has_cells(result, pair)]
    parts = key_parts(result.numeric)
    found: dict[str, Maker] = {}
    for quantity in quantities(result):
        if quantity.kind == "difference" or not quantity.shows(result):
            continue
        for x, y in pairs:
            name = f"heatmap_{quantity.name}" + (f"_{parts[x]}_{parts[y]}" if len(pairs) > 1 else "")
            found[name] = partial(heat_map, result, quantity, (x, y))
    return found


def _lines(result: SweepResult) -> dict[str, Maker]:
    """A line plot over each key that needs few lines: one per value of the other numeric key, or per name."""
    numeric, parts = result.numeric, key_parts(result.numeric)
    if len(numeric) == 1:
        sides = [(numeric[0], result.names[0] if result.names else None)]
    elif len(numeric) == 2:
        sides = [(x, other) for x, other in (numeric, numeric[::-1]) if len(result.values(other)) <= MOST_LINES]
    else:
        sides = []
    sides = [(x, other) for x, other in sides if _has_cells(result, (x,) if other is None else (x, other))]
    found: dict[str, Maker] = {}
    for quantity in quantities(result):
        if quantity.kind == "verdict" or not quantity.shows(result):
            continue
        for x, other in sides:
            name = f"lines_{quantity.name}" + (f"_{parts[x]}" if len(sides) > 1 else "")
            found[name] = partial(line_plot, result, quantity, x, other)
    return found


def _has_cells(result: SweepResult, keys: tuple[str, ...]) -> bool:
    """Whether any cell has all these keys: some keys never occur together."""
    return any(mask.any() for _, mask in view(result, keys).panels)


def _dots(result: SweepResult) -> dict[str, Maker]:
    found: dict[str, Maker] = {}
    for quantity in quantities(result):
        if quantity.kind != "verdict" and quantity.shows(result):
            found[f"dots_{quantity.name}"] = partial(dot_plot, result, quantity)
    return found
