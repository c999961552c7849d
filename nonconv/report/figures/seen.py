"""What is seen of a figure: the places of texts, ticks and lines, and how texts break into lines."""

import textwrap
from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FixedLocator, LogLocator, MaxNLocator, SymmetricalLogLocator

from nonconv.numerics.arithmetic import Array

WIDTH = 0.56
"""Of a character, as a share of the size of the font."""
TOUCHING, BELOW, BESIDE = 0.3, 0.08, -0.3
"""By this share of a line's height boxes of texts may overlap, since letters do not fill them; ticks nearly do, one
below the other. Beside each other they need a space."""
SOFT_BREAK = " \n"
"""Where a text was broken for the page that its figure was made for."""
Box = tuple[float, float, float, float]
"""Left, bottom, right and top of what is drawn, in pixels."""


def box_of(artist: Any, figure: Figure) -> Array:
    """Return where something is drawn, in pixels."""
    canvas: Any = figure.canvas
    return np.asarray(artist.get_window_extent(canvas.get_renderer()).extents, dtype=np.float64)


def texts_seen(figure: Figure) -> Iterator[Any]:
    """Yield the texts that are seen outside of legends: of ticks those within the panel."""
    every = [axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
    ticks = [tick for axis in every for tick in (*axis.majorTicks, *axis.minorTicks)]
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes)]
    apart: set[Any] = {label for tick in ticks for label in (tick.label1, tick.label2)}
    apart |= {text for legend in legends if legend is not None for text in legend.findobj(Text)}
    yield from (label for axis in every for label in ticks_of(axis))
    for text in figure.findobj(Text):
        if isinstance(text, Text) and text.get_text().strip() and text.get_visible() and text not in apart:
            yield text


def ticks_of(axis: Any) -> list[Any]:
    """List the texts of an axis' ticks that are seen."""
    if not (axis.get_visible() and axis.axes.axison):
        return []
    axis.get_ticklabels()  # brings the ticks up to date
    low, high = sorted(axis.get_view_interval())
    # An axis keeps ticks that it had before it got fewer.
    ticks = axis.majorTicks[: len(axis.get_majorticklocs())]
    inside = (tick for tick in ticks if low <= tick.get_loc() <= high)
    labels = [label for tick in inside for label in (tick.label1, tick.label2)]
    return [label for label in labels if label.get_visible() and label.get_text().strip()]


def overlaps(boxes: Array, sizes: list[float], dpi: float, share: float = TOUCHING) -> bool:
    """Whether any of the boxes (n, 4) of texts lie over each other."""
    least = share * np.array(sizes) * dpi / 72
    across = np.minimum.outer(boxes[:, 2], boxes[:, 2]) - np.maximum.outer(boxes[:, 0], boxes[:, 0])
    upwards = np.minimum.outer(boxes[:, 3], boxes[:, 3]) - np.maximum.outer(boxes[:, 1], boxes[:, 1])
    over = np.minimum(across, upwards) > np.minimum.outer(least, least)
    return bool(np.triu(over, 1).any())


def halve(axis: Any, count: int) -> bool:
    """Give an axis about half of its ticks; returns whether it can have fewer. Ticks that are names stay."""
    locator: Any = axis.get_major_locator()
    formatter = axis.get_major_formatter()
    if isinstance(formatter, FixedFormatter):
        texts, places = list(formatter.seq), list(axis.get_majorticklocs())
        if not all(text == "" or text[-1].isdigit() or text[-1] in "⁰¹²³⁴⁵⁶⁷⁸⁹" for text in texts) or len(places) < 3:
            return False
        axis.set_major_locator(FixedLocator(places[::2]))
        axis.set_major_formatter(FixedFormatter(texts[::2]))
    elif isinstance(locator, FixedLocator):
        axis.set_major_locator(FixedLocator(list(axis.get_majorticklocs())[::2]))
    elif isinstance(locator, LogLocator):
        locator.set_params(subs=(1.0,), numticks=max(2, count // 2))
    elif isinstance(locator, SymmetricalLogLocator):
        locator.set_params(numticks=max(2, count // 2))
    else:
        axis.set_major_locator(MaxNLocator(nbins=max(1, count // 2), steps=[1, 2, 5, 10]))
    return True


def crosses(line: Any, box: Box) -> bool:
    """Whether a line goes through a box, in pixels."""
    at = np.column_stack([np.asarray(line.get_xdata(), dtype=np.float64), np.asarray(line.get_ydata(), dtype=np.float64)])
    points = line.get_transform().transform(at)
    points = points[np.isfinite(points).all(axis=1)]
    if len(points) < 2:
        return False
    parts = np.linspace(0.0, 1.0, 24)[:, None, None]
    every = (points[:-1] * (1 - parts) + points[1:] * parts).reshape(-1, 2)
    left, low, right, high = box
    return bool(((every[:, 0] > left) & (every[:, 0] < right) & (every[:, 1] > low) & (every[:, 1] < high)).any())


def broken(whole: str, inches: float, size: float) -> str:
    """Return a text of this size in points, broken into lines of at most this length, between words."""
    most = max(6, int(inches * 72 / (WIDTH * size)))
    lines = []
    if any(len(line) > most for line in whole.splitlines()):
        whole = whole.replace(SOFT_BREAK, " ")
    for line in whole.replace(" %", "\N{NO-BREAK SPACE}%").splitlines():
        # The name of a network's layer breaks at its dot.
        words = (w.replace(".", ". ", 1) if len(w) > most and "." in w[:-1] else w for w in line.split(" "))
        lines += (
            textwrap.wrap(" ".join(words), most, break_long_words=False, break_on_hyphens=False) if len(line) > most else [line]
        )
    return "\n".join(lines)
