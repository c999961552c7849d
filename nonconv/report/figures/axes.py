"""The style of all figures, and log axes that are cheap to draw."""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.ticker import LogLocator, NullLocator

from nonconv.numerics.arithmetic import Array

STYLE: Any = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.grid": True,
    "grid.linewidth": 0.4,
    "grid.alpha": 0.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "hatch.linewidth": 0.35,
    "figure.dpi": 160,
    "text.parse_math": False,
    "svg.hashsalt": "nonconv",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "path.simplify": True,
}
"""Settings of matplotlib that differ from its own defaults.

No text is a formula: a claim or a column may hold a $. The salt of SVG ids is fixed, so that a figure has the same bytes
each time. Text in SVG and PDF stays text: it can be searched, and journals refuse other fonts than Type 42.
"""
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
SMALLEST_SHOWN, LARGEST_SHOWN = 1e-270, 1e270
"""Curves end where they leave this range: matplotlib needs room around them, and spans that are doubles.

A log axis cannot show what is smaller; on a linear one it is 0 beside anything larger.
"""


@contextmanager
def own_style() -> Iterator[None]:
    """Draw within this context: matplotlib's defaults and STYLE, whatever the user has set."""
    with mpl.rc_context(), warnings.catch_warnings():
        # A name or a claim may be in any writing; SVG has it as text all the same.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font")
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


def positive(values: Array) -> Array:
    """Return the values that a log axis can show; nan for the rest."""
    with np.errstate(invalid="ignore"):
        return np.where((values >= SMALLEST_SHOWN) & (values <= LARGEST_SHOWN), values, np.nan)


def note_beyond(axes: Any, *curves: Array) -> None:
    """Say in a panel that finite values are larger or smaller than its log axis shows, where some are."""
    values = np.concatenate([np.empty(0), *map(np.ravel, curves)])
    with np.errstate(invalid="ignore"):
        above, below = np.isfinite(values) & (values > LARGEST_SHOWN), (values > 0) & (values < SMALLEST_SHOWN)
    ends = [f"above {power_of_ten(LARGEST_SHOWN)}"] if above.any() else []
    ends += [f"below {power_of_ten(SMALLEST_SHOWN)}"] if below.any() else []
    if ends:
        axes.text(0.98, 0.98, f"not shown: values {' and '.join(ends)}", transform=axes.transAxes, ha="right", va="top", size=7)


def shown(values: Array) -> Array:
    """Return the values that a linear axis can show; nan for the rest."""
    return np.where(np.abs(values) <= LARGEST_SHOWN, values, np.nan)


def log_limits(low: float, high: float) -> tuple[float, float]:
    """Return the limits of a log axis of data from `low` to `high`, which are infinite or nan if there are none.

    matplotlib's own limits of equal or nearly equal data are none that it can draw.
    """
    if not 0 < low <= high < math.inf:
        return 0.1, 10.0  # a log axis needs something to show
    decades = math.log10(high) - math.log10(low)
    room = 10.0 ** (0.05 * decades) if decades > 1e-6 else 10.0
    return low / room, high * room


def log_scale(*panels: Any, ticks: int = 9) -> None:
    """Make the vertical axis of panels, which may share it, logarithmic around all that is drawn in them, with few ticks."""
    limits = log_limits(min(axes.dataLim.minposy for axes in panels), max(axes.dataLim.y1 for axes in panels))
    for axes in panels:
        axes.set_ylim(*limits)
        axes.set_yscale("log")
        log_axis(axes.yaxis, ticks)


class Decades(LogLocator):
    """Ticks at decades; none beyond the largest double, where matplotlib's own steps outside the axis may lead."""

    def tick_values(self, vmin: float, vmax: float) -> Any:
        """Return the places of ticks between these ends, and of the next ones outside."""
        with np.errstate(over="ignore", under="ignore"):
            found = np.asarray(super().tick_values(vmin, vmax))
        return found[np.isfinite(found)]


def log_axis(axis: Any, ticks: int = 9) -> None:
    """Label decades as plain text, such as 10⁻², without minor ticks: mathtext and ticks are most of a figure's cost."""
    axis.set_major_locator(Decades(numticks=ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(power_of_ten)


def power_of_ten(value: float, position: int | None = None) -> str:
    """Write `10⁻²` for a power of ten, three digits otherwise. position: passed by matplotlib, unused."""
    exponent = math.log10(value) if value > 0 else math.nan
    if not math.isfinite(exponent) or abs(exponent - round(exponent)) > 1e-9:
        return f"{value:.3g}"
    return "10" + str(round(exponent)).translate(SUPERSCRIPTS)
