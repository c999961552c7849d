"""Several curves of errors in one panel: bands, the end of curves that are not finite, and an axis that shows the others."""

import math
from typing import Any

import matplotlib as mpl
import numpy as np

from nonconv.numerics.arithmetic import Array
from nonconv.report.figures.axes import log_axis, log_limits, note_beyond, positive, power_of_ten
from nonconv.report.figures.panels import few_decades

BEYOND = 100.0
"""A curve that is not finite to its end is shown to this factor above the others, or to as many decades as they span."""
FAR = 1e12
"""A curve that rises to this factor above half of the others is cut as well."""


def band(axes: Any, step: Any, curves: tuple[Array, Array, Array], style: dict[str, Any]) -> None:
    """Draw a curve with its interval. curves: value, low and high."""
    value, low, high = map(positive, curves)
    # matplotlib cannot space markers on a curve of nothing; one point has no line.
    style = style if np.isfinite(value).any() else style | {"markevery": None}
    axes.plot(step, value, zorder=3, **(style if len(step) > 1 else style | {"marker": "o", "markevery": None}))
    # An interval that reaches 0 has no lower end on a log axis: show it a decade below the curve.
    low = np.where(np.isnan(low) & np.isfinite(high), positive(value / 10), low)
    if np.isfinite(low).any():  # an empty band takes as long as any
        axes.fill_between(step, low, high, color=style["color"], alpha=0.18, linewidth=0, zorder=2)


def mark_end(axes: Any, step: Any, mse: Array, style: dict[str, Any]) -> bool:
    """Mark at the upper edge where a curve is not finite any more; return whether there is such a step."""
    lost = np.flatnonzero(~np.isfinite(mse))
    if len(lost):
        place = axes.get_xaxis_transform()
        axes.plot(step[lost[0]], 0.98, "x", color=style["color"], markersize=6, zorder=4, transform=place)
    return bool(len(lost))


def cut(axes: Any, curves: list[Array]) -> None:
    """End the axis above the curves that stay near each other, so that others leave them room; say what is not shown.

    Others are not finite somewhere, or twelve decades above at least half of the curves.
    """
    tops = [float(np.nanmax(shown)) if np.isfinite(shown := positive(curve)).any() else np.nan for curve in curves]
    known = sorted(top for top in tops if np.isfinite(top))
    most = FAR * known[(len(known) - 1) // 2] if known else np.inf
    finite = [curve for curve, top in zip(curves, tops, strict=True) if np.isfinite(curve).all() and top <= most]
    if not finite or len(finite) == len(curves):
        note_beyond(axes, *curves)
        return
    values = positive(np.concatenate(finite))
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    top = 10.0 ** math.ceil(math.log10(high * max(BEYOND, high / low)))
    if axes.get_ylim()[1] > top:
        every = positive(np.concatenate(curves))
        axes.set_ylim(log_limits(float(np.nanmin(every)), top)[0], top)
        few_decades(axes, every[every <= top])
        text = f"not shown: values above {power_of_ten(top)}"
        behind = {"facecolor": mpl.rcParams["axes.facecolor"], "edgecolor": "none", "pad": 1.0, "alpha": 0.8}
        axes.text(0.98, 0.98, text, transform=axes.transAxes, ha="right", va="top", size=7, zorder=6, bbox=behind)


def step_axis(axes: Any, first: float, last: float, even: bool) -> None:
    """Put steps on an axis that holds all runs; linear where all of them record evenly."""
    axes.set_xlim(0.0 if even else first / 1.5, last * (1.0 if even else 1.5))
    if not even:
        axes.set_xscale("log")
        log_axis(axes.xaxis)
