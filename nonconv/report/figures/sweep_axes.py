"""The axis of a swept numeric key: its scale, its ticks, its label.

People sweep rates in decades, betas as 1 - 10⁻ᵏ and dimensions evenly. The scale is chosen on which the values are even,
so that the cells of a map have equal sizes.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator

from nonconv.numerics.arithmetic import Array
from nonconv.report.figures.axes import power_of_ten
from nonconv.report.labels import symbol

EXACTLY, ROUGHLY = 0.02, 0.25
"""Largest relative deviation from even steps; 1, 2, 5, 10 are roughly even on a log axis."""
FEW, SHORT = 8, 6
"""Up to FEW values become their own ticks, if their labels have at most SHORT characters."""
WIDEST = 1e300
"""Beyond this, and below its inverse, an axis has no room in the doubles."""
LABEL = 0.17, 0.075
"""Inches of a tick label: its height, and its width per character."""


def number(value: float) -> str:
    """Write a value in four digits; decades far from 1 as powers of ten."""
    text = f"{abs(value):.4g}"
    return ("−" if value < 0 else "") + (power_of_ten(abs(value)) if "e" in text else text)


@dataclass(frozen=True)
class SweptAxis:
    """A numeric key's values, ascending, and their scale.

    scale: linear, log, near_one (log in 1 - value, so that values near 1 are apart) or steps (cells of equal size).
    Places are where values lie in the coordinates of the matplotlib axis: v, v, 1 - v and the index.
    """

    key: str
    values: Array
    scale: str

    def places(self, values: Array) -> Array:
        """Return where some of the axis' values lie in the coordinates of the matplotlib axis."""
        if self.scale == "near_one":
            return 1.0 - values
        return np.searchsorted(self.values, values).astype(np.float64) if self.scale == "steps" else values

    def values_at(self, places: Array) -> Array:
        """Return the values at these places: the inverse of `places`."""
        if self.scale == "near_one":
            return 1.0 - places
        if self.scale != "steps":
            return places
        before = np.clip(np.floor(places).astype(np.int64), 0, max(len(self.values) - 2, 0))
        after, share = np.minimum(before + 1, len(self.values) - 1), places - before
        # Not first + share * (second - first): the difference of two doubles may be none.
        return (1.0 - share) * self.values[before] + share * self.values[after]

    @property
    def logarithmic(self) -> bool:
        """Whether the matplotlib axis is logarithmic."""
        return self.scale in {"log", "near_one"}

    @property
    def edges(self) -> Array:
        """The borders of the cells, shape (values + 1,): half-way between neighbours on this scale."""
        at = self.places(self.values)
        at = np.log10(at) if self.logarithmic else at
        # The first and last cells reach as far outwards as inwards.
        between = (at[1:] + at[:-1]) / 2
        first, last = (at[0] - between[0], at[-1] - between[-1]) if len(between) else (-0.5, 0.5)
        found = np.concatenate(([at[0] + first], between, [at[-1] + last]))
        return 10.0**found if self.logarithmic else found

    @property
    def drawable(self) -> bool:
        """Whether matplotlib can draw the cells on this scale: with borders that are doubles, and far enough apart."""
        with np.errstate(all="ignore"):
            edges = self.edges
            at = np.log10(edges) if self.logarithmic else edges
            size, steps = np.abs(edges), np.abs(np.diff(at))
        known = bool(np.isfinite(at).all()) and bool(size.max() < WIDEST)
        if self.logarithmic:
            return known and bool(size.min() > 1 / WIDEST) and bool(steps.min() > 1e-9)
        return known and bool(size.max() > 1 / WIDEST) and bool(steps.min() > 1e-9 * size.max())

    def mesh(self, count: int) -> Array:
        """Return `count` places from end to end, evenly on this scale; on `steps` from the first value to the last."""
        first, last = (0.0, len(self.values) - 1.0) if self.scale == "steps" else self.edges[[0, -1]]
        return np.geomspace(first, last, count) if self.logarithmic else np.linspace(first, last, count)

    @property
    def label(self) -> str:
        """The axis label: the key's symbol, or 1 − symbol near one."""
        return f"1 − {symbol(self.key)}" if self.scale == "near_one" else symbol(self.key)

    def apply(self, axis: Any, room: float) -> None:
        """Set scale, limits, ticks and label of a matplotlib axis that is `room` inches long."""
        across = axis.axis_name == "x"
        limits, scaled = (axis.axes.set_xlim, axis.axes.set_xscale) if across else (axis.axes.set_ylim, axis.axes.set_yscale)
        limits(self.edges[0], self.edges[-1])  # first: matplotlib looks for limits when the scale is set
        scaled("log" if self.logarithmic else "linear")
        places, texts = self.ticks(room)
        if across and LABEL[1] * sum(map(len, texts)) > 0.9 * room:
            axis.set_tick_params(rotation=90)
            keep = slice(None, None, math.ceil(len(texts) * LABEL[0] / room))
            places, texts = places[keep], texts[keep]
        set_ticks(axis, places, texts)
        axis.set_label_text(self.label)

    def ticks(self, room: float) -> tuple[list[float], list[str]]:
        """Return places and texts of the ticks: the values themselves if they are few, otherwise what suits the scale."""
        at = self.places(self.values)
        texts = [number(float(value)) for value in (self.values if self.scale == "steps" else at)]
        if self.scale == "steps" or (len(at) <= FEW and max(map(len, texts)) <= SHORT and self._are_apart(texts, room)):
            keep = slice(None, None, math.ceil(len(at) * LABEL[0] / room))
            return [float(place) for place in at[keep]], texts[keep]
        low, high = sorted((float(self.edges[0]), float(self.edges[-1])))
        return log_ticks(low, high, room) if self.logarithmic else linear_ticks(low, high, room)

    def _are_apart(self, texts: list[str], room: float) -> bool:
        """Whether labels at the values do not overlap, even if the values are not even on this scale."""
        if len(self.values) < 2:
            return True
        at, ends = (np.log10(x) if self.logarithmic else x for x in (self.places(self.values), self.edges[[0, -1]]))
        return bool(room * np.abs(np.diff(at)).min() > LABEL[1] * max(map(len, texts)) * np.abs(np.diff(ends))[0])


def set_ticks(axis: Any, places: list[float], texts: list[str]) -> None:
    """Put exactly these ticks on a matplotlib axis."""
    axis.set_major_locator(FixedLocator(places))
    axis.set_major_formatter(FixedFormatter(texts))
    axis.set_minor_locator(NullLocator())


def log_ticks(low: float, high: float, room: float) -> tuple[list[float], list[str]]:
    """Return ticks of [low, high]: decades; 1, 2 and 5 times decades if there are few; near the ends if there is none."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    decades = [10.0**k for k in range(first, last + 1)]
    if len(decades) > 2:
        longest = max(len(power_of_ten(at)) for at in (decades[0], decades[-1]))
        decades = decades[:: math.ceil(len(decades) * max(0.4, LABEL[1] * (longest + 1)) / room)]
        return decades, [power_of_ten(at) for at in decades]
    found = [m * 10.0**k for k in range(first - 1, last + 1) for m in (1, 2, 5) if low <= m * 10.0**k <= high]
    found = found if len(found) > 1 else [low * (high / low) ** share for share in (0.1, 0.9)]
    return found, [f"{at:.3g}" for at in found]


def linear_ticks(low: float, high: float, room: float, across: bool = False) -> tuple[list[float], list[str]]:
    """Return ticks of [low, high] at round numbers, as many as `room` inches hold.

    across: labels lie side by side, so that their lengths count.
    """
    most, shown, texts = max(2, int(room / 0.4)), [low], [""]
    for bins in range(most, 0, -1):
        found = MaxNLocator(nbins=bins, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        shown = [float(at) for at in found if low <= at <= high]
        texts = [f"{at:.5g}".replace("-", "−") for at in shown]
        if not across or LABEL[1] * sum(len(text) + 1 for text in texts) <= room:
            break
    return shown, texts


def swept_axis(key: str, values: Array) -> SweptAxis:
    """Choose the axis of a map: the first scale on which these ascending values are even.

    Exactly even if possible, else roughly; where no scale is, cells have equal sizes (`steps`).
    """
    fitting = ["linear"] if len(values) < 2 else []
    for tolerance, scales in ((EXACTLY, ("linear", "log", "near_one")), (ROUGHLY, ("log", "near_one"))):
        fitting += [s for s in scales if _is_even(on_scale(s, values), tolerance) and _suits_two(s, values)]
    return _first_drawable(key, values, fitting)


def _first_drawable(key: str, values: Array, scales: list[str]) -> SweptAxis:
    """Return the axis with the first of these scales that can be drawn; cells of equal size if none can."""
    found = (SweptAxis(key, values, scale) for scale in scales)
    return next((axis for axis in found if axis.drawable), SweptAxis(key, values, "steps"))


def line_axis(key: str, values: Array) -> SweptAxis:
    """Choose the axis of a line plot: values need not be even on it; only those that no scale spreads lie in steps."""
    axis = swept_axis(key, values)
    if axis.scale != "steps":
        return axis
    spans = {scale: np.ptp(on_scale(scale, values)) for scale in ("near_one", "log")}
    wide = [scale for scale, span in spans.items() if span >= 1 and span == np.nanmax(list(spans.values()))]
    sizes = np.abs(values[values != 0])
    spread = len(sizes) > 0 and sizes.max() / 100 > sizes.min()
    return _first_drawable(key, values, wide[:1] or ([] if spread else ["linear"]))


def on_scale(scale: str, values: Array) -> Array:
    """Return values as lengths along a scale; nan where the scale cannot show them."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if scale == "near_one":
            return np.where((values >= 0) & (values < 1), -np.log10(1 - values), np.nan)
        return np.where(values > 0, np.log10(values), np.nan) if scale == "log" else values


def _is_even(at: Array, tolerance: float) -> bool:
    """Whether lengths are evenly spaced, up to a relative tolerance."""
    if len(at) < 2:
        return False
    with np.errstate(all="ignore"):
        steps = np.diff(at)
        mean = steps.mean()
        return bool(np.isfinite(mean) and np.all(np.abs(steps - mean) <= tolerance * mean))


def _suits_two(scale: str, values: Array) -> bool:
    """Whether two values suit a scale, on any of which they are even: a log scale only if they are far apart on it."""
    spans = {other: np.ptp(on_scale(other, values)) for other in ("log", "near_one")}  # nan is not far
    far = [other for other, span in spans.items() if span > 0.69]
    return len(values) > 2 or (scale in far if far else scale == "linear")
