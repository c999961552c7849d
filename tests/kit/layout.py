"""What can be measured of a figure: its texts, what overlaps, how bright a colour is."""

import itertools
from collections.abc import Callable
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

from nonconv.report.run import Run


def laid_out(make: Callable[[Run], Figure], run: Run) -> Figure:
    """A figure with everything at its place."""
    figure = make(run)
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    return figure


def texts(figure: Figure) -> list[str]:
    found = (text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_visible())
    return [text.get_text() for text in found if text.get_text()]


def check_layout(figure: Figure, columns: int = 1) -> None:
    """Nothing reaches over the edge, and no tick label into its neighbour."""
    width, height = figure.get_size_inches()
    box = figure.get_tightbbox()
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= width
    assert box.y1 <= height
    for axes in figure.axes:
        assert axes.get_position().width > 0.4 / columns, "room for the curves"
        for axis in (axes.xaxis, axes.yaxis):
            check_apart([label for label in axis.get_ticklabels() if label.get_text() and shown(label, axes)])
        check_apart([text for text in axes.texts if isinstance(text, Annotation)])


def shown(label: Text, axes: Any) -> bool:
    """Whether a tick label lies along the axes: the others are not drawn."""
    box, view = label.get_window_extent(), axes.get_window_extent()
    x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    return bool(label.get_visible() and (view.x0 - 1 <= x <= view.x1 + 1 or view.y0 - 1 <= y <= view.y1 + 1))


def check_apart(labels: list[Any]) -> None:
    placed = [(label.get_text(), label.get_window_extent()) for label in labels]
    for (a, box_a), (b, box_b) in itertools.combinations(placed, 2):
        assert not Bbox.intersection(box_a, box_b), (a, b)


def luminance(color: Any) -> float:
    """Relative luminance, as in WCAG 2."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
