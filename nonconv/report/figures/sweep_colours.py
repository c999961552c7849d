"""The colours of heat maps: scales robust to a few extreme cells, colour maps readable in grey."""

from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import BoundaryNorm, ListedColormap, LogNorm, Normalize

from nonconv.numerics.arithmetic import Array
from nonconv.report.figures.axes import LARGEST_SHOWN, SMALLEST_SHOWN, positive
from nonconv.report.figures.sweep_axes import linear_ticks, log_ticks, set_ticks
from nonconv.report.figures.sweep_page import Page
from nonconv.report.sweep_result import Mask

VERDICTS = {
    "converges": "#8fcdf5",
    "undecided": "#f0f0f0",
    "does_not_converge": "#d55e00",
    "diverges": "#332288",
    "undefined": "#117733",
}
"""The colour of each verdict, from light to dark; undecided cells are hatched as well."""
SIZES = "viridis"
BELOW = "#000000"
"""Of what is below a log scale: zero, and few extremely small values."""
SLOPES = "RdYlBu_r"
"""Yellow in the middle, since white marks the cells that are not in the sweep."""


@dataclass(frozen=True)
class Colours:
    """How values become colours: a matplotlib norm and colour map, shared by all panels."""

    norm: Any
    cmap: Any
    extend: Any = "neither"

    def of(self, values: Array) -> Array:
        """Return the colours of values as RGBA, shape (..., 4)."""
        return np.asarray(self.cmap(self.norm(np.ma.masked_invalid(self.clipped(values)))))

    def clipped(self, values: Array) -> Array:
        """Return the values, those beyond the limits just beyond them: matplotlib must not compute with all doubles.

        On a log scale that is also where zero goes, which has no place of its own there.
        """
        low, high = self.norm.vmin, self.norm.vmax
        if self.logarithmic:
            return np.clip(values, low / 2, high * 2)
        return np.clip(values, low - (high - low), high + (high - low))

    @property
    def logarithmic(self) -> bool:
        """Whether the scale is logarithmic, so that zero is below its lower end."""
        return isinstance(self.norm, LogNorm)


def colours_for(kind: str, values: Array) -> Colours:
    """Choose the colours of a kind of quantity.

    Outliers are outside the limits and get the colours at the ends: one diverging cell must not make all others look alike.
    """
    if kind == "verdict":
        return Colours(BoundaryNorm(np.arange(len(VERDICTS) + 1) - 0.5, len(VERDICTS)), ListedColormap(list(VERDICTS.values())))
    if kind == "slope":
        size = np.minimum(np.abs(values), LARGEST_SHOWN)
        top = min(float(size.max()), 4 * float(np.quantile(size, 0.75))) if len(size) else 0.0
        top = top if top >= SMALLEST_SHOWN else 1.0
        return Colours(Normalize(-top, top), mpl.colormaps[SLOPES], _extend(values, -top, top))
    above = positive(values)[np.isfinite(positive(values))]
    if len(above) and above.max() / 10 > above.min():
        low, high = 10 ** _fences(np.log10(above))
        # Not a colour of the map: zero is no small number, and a number below the fence is not the same as one at it.
        return Colours(LogNorm(low, high), mpl.colormaps[SIZES].with_extremes(under=BELOW), _extend(values, low, high))
    inside = values[np.abs(values) <= LARGEST_SHOWN]
    inside = np.where(np.abs(inside) < SMALLEST_SHOWN, 0.0, inside)
    least, most = (float(inside.min()), float(inside.max())) if len(inside) else (0.0, 1.0)
    # One value alone, or several that are equal but for rounding, need limits on both sides.
    largest = max(abs(least), abs(most))
    room = 0.0 if most - least > 1e-9 * largest else 0.1 * largest or 1.0
    ends = (0.0, 1.0) if kind == "positive" and not largest else (least - room, most + room)
    return Colours(Normalize(*ends), mpl.colormaps[SIZES], _extend(values, *ends))


def _fences(decades: Array) -> Array:
    """Return the limits: values within three interquartile ranges of the quartiles, or within three decades."""
    first, third = np.quantile(decades, (0.25, 0.75))
    reach = 3 * max(1.0, third - first)
    return np.array([max(decades.min(), first - reach), min(decades.max(), third + reach)])


def _extend(values: Array, low: float, high: float) -> str:
    """Say at which ends of the colour bar values go beyond it."""
    under, over = bool((values < low * (1 - 1e-9)).any()), bool((values > high * (1 + 1e-9)).any())
    return {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[under, over]


def is_dark(rgba: Array) -> Mask:
    """Whether colours of shape (..., 4) need white text, shape (...)."""
    dark: Mask = rgba[..., :3] @ np.array([0.299, 0.587, 0.114]) < 0.5
    return dark


def colour_bar(page: Page, colours: Colours, label: str) -> None:
    """Add one colour bar for all panels of a page."""
    source = mpl.cm.ScalarMappable(colours.norm, colours.cmap)
    with np.errstate(over="ignore"):  # matplotlib looks a whole range beyond the ends
        bar = page.figure.colorbar(source, ax=page.panels, extend=colours.extend, aspect=25, pad=0.02, fraction=0.06)
    low, high = colours.norm.vmin, colours.norm.vmax
    ticks = log_ticks if colours.logarithmic else linear_ticks
    set_ticks(bar.ax.yaxis, *ticks(low, high, page.room[1]))
    bar.ax.tick_params(labelsize=8)
    bar.set_label(label, size=8)
    bar.ax.grid(visible=False)
