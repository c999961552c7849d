"""Line plots of a sweep over one key, and dot plots if all keys are names, with 95 % intervals."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nonconv.numerics.arithmetic import Array
from nonconv.report.figures.axes import LARGEST_SHOWN, SMALLEST_SHOWN, power_of_ten
from nonconv.report.figures.figures import LINES
from nonconv.report.figures.sweep_axes import LABEL, SweptAxis, line_axis, linear_ticks, log_ticks, set_ticks
from nonconv.report.figures.sweep_page import LEFT, new_page
from nonconv.report.labels import symbol
from nonconv.report.markup import printable
from nonconv.report.sweep_result import MOST_PANELS, Mask, Quantity, SweepResult, View, evenly, shortened, view
from nonconv.report.verdict_text import ANSWERS

STYLES: tuple[dict[str, Any], ...] = (*LINES, {"color": "#7f7f7f", "linestyle": (0, (4, 1, 1, 1, 1, 1))})
"""One for each of MOST_PANELS lines."""
MARKERS = {"converges": "o", "does_not_converge": "s", "diverges": "^", "undefined": "v", "undecided": "D"}
"""By verdict; the undecided are hollow."""
MOST_BARS = 15
"""Up to so many points per line have error bars; beyond that the line has a band."""
MOST_ROWS = 40
NO_BREAK = "\N{NO-BREAK SPACE}"
ROW, LEAST_WIDTH = 0.19, 2.4
"""Inches: the height of a row, and the least width of a dot plot beside long names."""


@dataclass(frozen=True)
class Points:
    """A quantity in all cells, each field of shape (cells,); what an axis cannot show is nan in value.

    verdict: the column of the verdict that marks them.
    """

    value: Array
    low: Array
    high: Array
    too_low: Mask
    too_high: Mask
    baseline: Mask
    verdict: str


@dataclass(frozen=True)
class Scale:
    """The axis of a quantity: linear, log, or symlog that is linear up to `linear`; limits are its ends."""

    name: str
    limits: tuple[float, float]
    linear: float = 1.0

    def apply(self, axis: Any, room: float) -> None:
        """Set scale, limits and ticks of a matplotlib axis that is `room` inches long."""
        across = axis.axis_name == "x"
        scaled, limited = (axis.axes.set_xscale, axis.axes.set_xlim) if across else (axis.axes.set_yscale, axis.axes.set_ylim)
        limited(*self.limits)  # first: matplotlib looks for limits when the scale is set
        scaled(self.name, **({"linthresh": self.linear} if self.name == "symlog" else {}))
        if self.name == "symlog":
            set_ticks(axis, *_symmetric_ticks(self.linear, self.limits, room))
        else:
            ticks = log_ticks(*self.limits, room) if self.name == "log" else linear_ticks(*self.limits, room, across)
            set_ticks(axis, *ticks)


def line_plot(result: SweepResult, quantity: Quantity, key: str, other: str | None) -> Figure:
    """Draw a quantity over a key, with one line per value of `other`."""
    seen = view(result, (key,) if other is None else (key, other))
    there: Mask = np.logical_or.reduce([mask for _, mask in seen.panels])
    axis = line_axis(key, np.unique(result.numbers(key)[there]))
    points, scale = _points(result, quantity, there)
    lines = [""] if other is None else [value for value in result.values(other) if (there & (result.equal(other, value))).any()]
    chosen = [lines[k] for k in evenly(len(lines), MOST_PANELS)]
    note = f"{len(chosen)} of {len(lines)} values of {symbol(other or '')}" if len(chosen) < len(lines) else ""
    page = new_page(result, seen, wide=True, note=note)
    drawn = np.zeros(result.cells, dtype=bool)
    for axes, (_, mask) in zip(page.panels, seen.panels, strict=True):
        for value, style in zip(chosen, STYLES, strict=False):
            own = mask if other is None else mask & (result.equal(other, value))
            drawn |= own
            _line(axes, result, points, axis, np.flatnonzero(own), style)
        _format_axes(axes, quantity, scale, page.room[1])
        axis.apply(axes.xaxis, page.room[0])
        axes.set_ylabel(quantity.label, size=8)
    names = [] if other is None else [f"{symbol(other)} = {result.brief(other, value)}" for value in chosen]
    handles = [Line2D([], [], linewidth=1.1, label=shortened(name, 50), **s) for name, s in zip(names, STYLES, strict=False)]
    page.finish([*handles, *_mark_handles(result, points, drawn)])
    return page.figure


def _points(result: SweepResult, quantity: Quantity, there: Mask) -> tuple[Points, Scale]:
    """Return a quantity in every cell, and the axis that shows the cells of `there`.

    The baseline differs from itself by 0.
    """
    value, low, high = (result.numbers(quantity.column + end) for end in ("", "_low", "_high"))
    there = there & result.done
    baseline = there & result.equal("cell", result.about.get("baseline", "")) & (quantity.kind == "difference")
    value = np.where(baseline, 0.0, value)
    known = there & (result.known(quantity.column) | baseline)
    with np.errstate(invalid="ignore"):
        ordinary = known & (np.abs(value) < LARGEST_SHOWN)
        scale = scale_of(quantity.kind, value[ordinary], np.concatenate((low[ordinary], high[ordinary])))
        least = SMALLEST_SHOWN if scale.name == "log" else -LARGEST_SHOWN
        too_low = known & (value < least)
        shown = ordinary & ~too_low
        low = np.where(low > least, low, scale.limits[0])
        high = np.where((high < LARGEST_SHOWN) & (high > least), high, scale.limits[1])
    there = shown & result.known(quantity.column + "_low")
    low, high = np.where(there, low, np.nan), np.where(there, high, np.nan)
    verdict, too_high = result.verdict_column(quantity.column), known & ~shown & ~too_low
    return Points(np.where(shown, value, np.nan), low, high, too_low, too_high, baseline, verdict), scale


def scale_of(kind: str, value: Array, ends: Array) -> Scale:
    """Choose the axis: log for positive values over more than a decade, symlog for differences over 30 times their median.

    Otherwise it is linear.
    """
    ends = np.concatenate((ends[np.abs(ends) < LARGEST_SHOWN], value))
    above = value[value >= SMALLEST_SHOWN]
    if kind == "positive" and len(above) and above.max() / 10 > above.min():
        low = ends[ends > max(above.min() / 100, SMALLEST_SHOWN)].min()
        return Scale("log", (low / 1.6, ends.max() * 1.6))
    # Beside 1 these are 0, and matplotlib has no axis for them alone.
    value, ends = (np.where(np.abs(numbers) < SMALLEST_SHOWN, 0.0, numbers) for numbers in (value, ends))
    low, high = (float(ends.min()), float(ends.max())) if len(ends) else (0.0, 1.0)
    if kind != "positive":
        low, high = min(low, 0.0), max(high, 0.0)
    room = max(0.08 * (high - low), 1e-9 * max(abs(low), abs(high))) or 1.0
    if high == low:
        room = 0.1 * abs(high) or (0.05 if kind == "positive" else 1.0)
    size = np.abs(value[value != 0])
    if kind == "difference" and len(size) and size.max() > 30 * np.median(size):
        return Scale("symlog", (2 * low, 2 * high), 10.0 ** math.floor(math.log10(np.median(size))))
    return Scale("linear", (low - room, high + room))


def _symmetric_ticks(linear: float, limits: tuple[float, float], room: float) -> tuple[list[float], list[str]]:
    """Return ticks at zero and at decades on both sides, so far apart that labels do not overlap."""
    first, last = round(math.log10(linear)), math.floor(math.log10(max(map(abs, limits))))
    step = max(1, math.ceil(2 * (last - first + 1) * 0.25 / room))
    decades = [10.0**k for k in range(first + step - 1, last + 1, step)]
    found = [at for at in (*(-at for at in decades[::-1]), 0.0, *decades) if limits[0] <= at <= limits[1]]
    return found, [("−" if at < 0 else "") + (power_of_ten(abs(at)) if at else "0") for at in found]


def _line(axes: Any, result: SweepResult, points: Points, axis: SweptAxis, cells: Any, style: dict[str, Any]) -> None:
    """Draw one line with its intervals, over the cells with these indices."""
    cells = cells[np.argsort(result.numbers(axis.key)[cells], kind="stable")]
    at = axis.places(result.numbers(axis.key)[cells])
    value, low, high = points.value[cells], points.low[cells], points.high[cells]
    axes.plot(at, value, linewidth=1.1, zorder=3, **style)
    # Many bars overlap and hide the line.
    if len(cells) > MOST_BARS:
        axes.fill_between(at, low, high, color=style["color"], alpha=0.2, linewidth=0, zorder=2)
    else:
        bars = np.maximum([value - low, high - value], 0.0)
        axes.errorbar(at, value, bars, fmt="none", ecolor=style["color"], elinewidth=0.8, capsize=2, zorder=2)
    _mark(axes, result, points, cells, at, value, style["color"])
    for mask, height, marker in ((points.too_high, 0.97, "+"), (points.too_low, 0.03, "v"), (result.failed, 0.03, "x")):
        lost = mask[cells]
        transform = axes.get_xaxis_transform()
        axes.plot(at[lost], np.full(lost.sum(), height), marker, color=style["color"], markersize=4, transform=transform)


def _mark(axes: Any, result: SweepResult, points: Points, cells: Any, x: Array, y: Array, colour: str) -> None:
    """Mark points by verdict, smaller where there are many."""
    size = 4.0 if len(cells) <= 2 * MOST_BARS else 2.5
    for answer, marker in MARKERS.items():
        own = result.verdict(answer, points.verdict)[cells] & ~points.baseline[cells]
        face = "white" if answer == "undecided" else colour
        style = {"linestyle": "none", "marker": marker, "color": colour, "markerfacecolor": face, "gid": answer}
        axes.plot(x[own], y[own], markersize=size, markeredgewidth=0.8, zorder=4, **style)
    if not result.judged:
        axes.plot(x, y, ".", color=colour, markersize=size, zorder=4)
    own = points.baseline[cells]
    axes.plot(x[own], y[own], linestyle="none", marker="*", color=colour, markersize=8, zorder=5)


def _format_axes(axes: Any, quantity: Quantity, scale: Scale, room: float) -> None:
    """Set the vertical axis, with a line at 0 where values have both signs."""
    scale.apply(axes.yaxis, room)
    if quantity.kind != "positive":
        axes.axhline(0.0, color="0.4", linewidth=0.8, zorder=1)


def _mark_handles(result: SweepResult, points: Points, drawn: Mask) -> list[Any]:
    """Return legend entries of the marks that are drawn."""
    shown = drawn & np.isfinite(points.value)
    found = []
    for answer, marker in MARKERS.items():
        if (shown & result.verdict(answer, points.verdict)).any():
            face = "white" if answer == "undecided" else "0.3"
            found.append(_marker(marker, ANSWERS[answer], markerfacecolor=face))
    for mask, marker, label in (
        (points.baseline, "*", "baseline"),
        (points.too_high, "+", "too large or not finite"),
        (points.too_low, "v", "zero or less"),
        (result.failed, "x", "failed"),
    ):
        if (drawn & mask).any():
            found.append(_marker(marker, label))
    return found


def _marker(marker: str, label: str, **more: Any) -> Line2D:
    """Return a legend entry that is a marker alone."""
    return Line2D([], [], linestyle="none", marker=marker, color="0.3", markersize=5, label=label, **more)


def dot_plot(result: SweepResult, quantity: Quantity) -> Figure:
    """Draw a quantity with its interval, one row per cell, the first at the top."""
    cells = np.arange(min(result.cells, MOST_ROWS))
    there = np.arange(result.cells) < len(cells)
    points, scale = _points(result, quantity, there)
    note = f"the first {len(cells)} of {result.cells} cells" if len(cells) < result.cells else _describe_base(result)
    page = new_page(result, View((), None, [("", there)], 0, {}), wide=True, note=note)
    (axes,) = page.panels
    names = [printable(_row_name(result, cell)) for cell in cells.tolist()]
    # Beside long names the axis keeps its width.
    width = max(5.4, LEFT + LEAST_WIDTH + LABEL[1] * max(map(len, names)))
    page.figure.set_size_inches(width, page.figure.get_size_inches()[1] - page.room[1] + 0.3 + ROW * len(cells))
    up, value = -cells.astype(float), points.value[cells]
    bars = np.maximum([value - points.low[cells], points.high[cells] - value], 0.0)
    axes.errorbar(value, up, xerr=bars, fmt="none", ecolor="0.2", elinewidth=0.9, capsize=2, zorder=2)
    _mark(axes, result, points, cells, value, up, "black")
    for mask, place, marker in ((points.too_high, 0.98, "+"), (points.too_low, 0.02, "<"), (result.failed, 0.02, "x")):
        lost = mask[cells]
        transform = axes.get_yaxis_transform()
        axes.plot(np.full(lost.sum(), place), up[lost], marker, color="0.2", markersize=4, transform=transform)
    scale.apply(axes.xaxis, LEAST_WIDTH)
    set_ticks(axes.yaxis, list(up), names)
    axes.set_ylim(-len(cells) + 0.4, 0.6)
    axes.set_xlabel(quantity.label, size=8)
    if result.base is None:
        axes.set_ylabel(shortened(", ".join(map(symbol, result.swept)), 10 + 3 * len(cells)), size=8)
    page.finish(_mark_handles(result, points, there))
    return page.figure


def _describe_base(result: SweepResult) -> str:
    """Write the values from which each row of a one-at-a-time design has one change; empty for another design."""
    if result.base is None:
        return ""
    keys = [key for key in result.about["keys"] if len(result.values(key)) > 1]
    values = (f"{symbol(key)} = {result.brief(key, result.columns[key][result.base])}" for key in keys)
    # With a space that cannot be broken, so that no value stands apart from its name.
    return f"{_base_name(result)}: {printable(', '.join(values)).replace(' = ', f'{NO_BREAK}={NO_BREAK}')}"


def _base_name(result: SweepResult) -> str:
    """Call the cell that each change starts from the baseline, if it is the one that differences are taken from."""
    assert result.base is not None
    return "baseline" if result.columns["cell"][result.base] == result.about.get("baseline") else "base"


def _row_name(result: SweepResult, cell: int) -> str:
    """Write what a cell changes, its swept values, or the start of its id."""
    if result.base is not None:
        key = result.change(cell)
        return shortened(f"{symbol(key)} = {result.brief(key, result.columns[key][cell])}" if key else _base_name(result), 44)
    values = [result.brief(key, result.columns[key][cell]) for key in result.swept]
    return shortened(", ".join(value for value in values if value) or result.columns["cell"][cell][:8], 44)
