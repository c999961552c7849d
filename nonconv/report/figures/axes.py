"""The style of all figures, and log axes that are cheap to draw."""

import math
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
LARGEST_SHOWN = 1e150
"""Curves end where they exceed this: matplotlib cannot draw axes up to the largest double."""


@contextmanager
def own_style() -> Iterator[None]:
    """Draw within this context: matplotlib's defaults and STYLE, whatever the user has set."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


def positive(values: Array) -> Array:
    """Return the values that a log axis can show; nan for the rest."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(values) & (values > 0) & (values < LARGEST_SHOWN), values, np.nan)


def log_axis(axis: Any) -> None:
    """Label decades as plain text, such as 10⁻², without minor ticks: mathtext and ticks are most of a figure's cost."""
    axis.set_major_locator(LogLocator(numticks=9))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(power_of_ten)


def power_of_ten(value: float, position: int | None = None) -> str:
    """Write `10⁻²` for a power of ten, three digits otherwise. position: passed by matplotlib, unused."""
    exponent = math.log10(value) if value > 0 else math.nan
    if not math.isfinite(exponent) or abs(exponent - round(exponent)) > 1e-9:
        return f"{value:.3g}"
    return "10" + str(round(exponent)).translate(SUPERSCRIPTS)
