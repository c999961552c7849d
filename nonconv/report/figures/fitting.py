"""A figure on a page that it was not made for: nothing is cut off, and nothing lies over anything else.

What is too long is broken into lines; a legend that would cover curves moves below the panels; ticks that would touch become
fewer; and where this is not enough all texts become smaller. Everything is measured as it is laid out, not guessed.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text

from nonconv.report.figures.seen import BELOW, BESIDE, WIDTH, box_of, broken, crosses, halve, overlaps, texts_seen, ticks_of

MOST_TRIES = 24
MOST_THINNED = 2
"""Times that the ticks of an axis become fewer; then texts become smaller."""
STEP = 0.92
"""By how much texts become smaller at each try."""
SMALLEST = 4.0
"""Points: smaller texts cannot be read, so a page that needs them is too small."""
HANDLE = 3.2
"""What stands before the text of a legend's entry, and after it, in characters."""
LARGEST_LEGEND = 0.4
"""The share of its panel that a legend may take."""
MOST_COLUMNS = 8
"""Of a legend below the panels."""
HIGHEST_LEGEND, LEAST_LEGEND = 0.25, 0.6
"""The share of the page's height that a legend below may take, unless its texts are this share of their size."""
NARROW = 0.3
"""A legend beside the panels may take this share of the page's width."""
LINES_OF_LABEL = 2
"""The label of an axis has no more lines, if it can be a little smaller instead."""
LEAST_PANEL = 3.0
"""The least height of a panel, in lines of its ticks."""


def fit(figure: Figure, grow: bool = False) -> None:
    """Fit the texts and legends of a figure to its page. grow: the page may become higher, for legends below the panels."""
    fitting = _Fitting(figure, grow)
    for _ in range(MOST_TRIES):
        fitting.lay_out()
        if fitting.move_legends() or fitting.shrink_legend() or fitting.thin_ticks():
            continue
        if not fitting.faults() or not fitting.shrink():
            return


@dataclass
class _Key:
    """A legend: its entries as they are, and where it stands. axes: None for one of the whole figure. full: its first size."""

    axes: Any
    handles: list[Any]
    labels: list[str]
    title: str
    size: float
    look: dict[str, Any]
    where: str
    full: float

    @staticmethod
    def of(legend: Legend, axes: Any) -> "_Key":
        texts: list[Any] = legend.get_texts()
        # matplotlib keeps what a legend was made with to itself.
        kept: Any = legend
        look = {"loc": kept._loc, "alignment": legend.get_alignment()} if axes else {}
        if axes and kept._bbox_to_anchor is not None:
            look |= {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}
        size = float(texts[0].get_fontsize()) if texts else 8.0
        labels = [text.get_text() for text in texts]
        title, where = legend.get_title().get_text(), "in" if axes else "below"
        return _Key(axes, list(legend.legend_handles), labels, title, size, look, where, size)


class _Fitting:
    """A figure with its texts as they were before they were broken."""

    def __init__(self, figure: Figure, grow: bool) -> None:
        self.figure, self.grow = figure, grow
        FigureCanvasAgg(figure)
        legends = [(axes.get_legend(), axes) for axes in figure.axes] + [(legend, None) for legend in figure.legends]
        self.keys = [_Key.of(legend, axes) for legend, axes in legends if legend is not None and legend.get_texts()]
        self.whole: dict[Any, str] = {text: text.get_text() for text in self._labels()}
        self.sizes: dict[Any, float] = {text: float(text.get_fontsize()) for text in self.whole}
        self.collapsed = False
        self.thinned: dict[Any, int] = {}
        self._make_legends()
        self._place()

    def _labels(self) -> Iterator[Any]:
        """Yield titles and the labels of axes."""
        if self.figure._suptitle is not None:  # type: ignore[attr-defined]  # what gives its text alone does not give it
            yield self.figure._suptitle  # type: ignore[attr-defined]
        for axes in self.figure.axes:
            yield from (axes.xaxis.label, axes.yaxis.label, axes.title, axes._left_title)  # type: ignore[attr-defined]

    def lay_out(self) -> None:
        """Break texts to what there is room for, and find the places of all."""
        for _ in range(2):  # lines that were broken make other room
            self._break_labels()
            self._make_legends()
            self._place()

    def _place(self) -> None:
        """Find the places of panels, as the figure will be drawn."""
        engine = self.figure.get_layout_engine()
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            if engine is not None:
                engine.execute(self.figure)
        canvas: Any = self.figure.canvas
        for axes in self.figure.axes:
            axes.get_tightbbox(canvas.get_renderer())  # puts titles and labels where panels are now
        self.collapsed = any("collapsed" in str(one.message) for one in said)

    def _break_labels(self) -> None:
        """Break titles and labels that are longer than what they stand at."""
        dpi, right = self.figure.dpi, self.figure.bbox.width
        if any(key.where == "beside" for key in self.keys):
            right = max((box_of(legend, self.figure)[0] for legend in self.figure.legends), default=right) - 0.01 * right
        suptitle = self.figure._suptitle  # type: ignore[attr-defined]
        if suptitle in self.whole:
            self._break(suptitle, 0.98 * self.figure.bbox.width / dpi)
        boxes = [axes.bbox for axes in self.figure.axes]
        for axes in self.figure.axes:
            box = axes.bbox
            beside = [other.x0 for other in boxes if other.x0 > box.x1 and other.y0 < box.y1 and other.y1 > box.y0]
            wide = min([right, *(x - 0.02 * right for x in beside)]) - box.x0
            title: Any = axes._left_title  # type: ignore[attr-defined]
            self._break(title, max(wide, 0.1 * right) / dpi)
            for text, pixels in ((axes.xaxis.label, box.width), (axes.yaxis.label, 1.15 * box.height), (axes.title, box.width)):
                self._break(text, max(pixels, 0.05 * right) / dpi, LINES_OF_LABEL)

    def _break(self, text: Any, inches: float, most: int = 0) -> None:
        """Break a text into lines of about this length; if there were more than `most`, it is smaller first."""
        whole, size = self.whole.get(text, ""), self.sizes.get(text, 0.0)
        if not whole:
            return
        shares = [share for share in (0.9, 0.8, 0.7) if most and share * size >= SMALLEST]
        for share in (1.0, *shares):
            lines = broken(whole, inches, share * size)
            if lines.count("\n") < max(most, whole.count("\n") + 1):
                break
        text.set_fontsize(share * size)
        text.set_text(lines)

    def _make_legends(self) -> None:
        """Make the legends anew, each where it belongs, in as many columns as fit; those of the figure are one."""
        for legend in [*(axes.get_legend() for axes in self.figure.axes), *self.figure.legends]:
            if legend is not None:
                legend.remove()
        width = self.figure.get_figwidth()
        for key in (key for key in self.keys if key.where == "in"):
            room = key.axes.bbox.width / self.figure.dpi - HANDLE * WIDTH * key.size / 72
            room = room if "bbox_to_anchor" not in key.look else 0.5 * width
            labels = [broken(label, room, key.size) for label in key.labels]
            look = key.look | {"fontsize": key.size, "title_fontsize": key.size, "title": key.title or None}
            key.axes.legend(key.handles, labels, **look)
        for where, place in (("below", "outside lower center"), ("beside", "outside right upper")):
            # Those of the figure itself come first.
            keys = sorted((key for key in self.keys if key.where == where), key=lambda key: key.axes is not None)
            if keys:
                self._make_one(keys, place, width if where == "below" else NARROW * width)

    def _make_one(self, keys: list[_Key], place: str, width: float) -> None:
        """Make one legend of the figure of several, an entry for each text."""
        entries = {label: handle for key in keys for label, handle in zip(key.labels, key.handles, strict=True)}
        size = min(key.size for key in keys)
        labels = [broken(label, width - HANDLE * WIDTH * size / 72, size) for label in entries]
        title = keys[0].title if len(keys) == 1 else ""
        for columns in range(min(len(labels), MOST_COLUMNS) if "lower" in place else 1, 0, -1):
            make: Any = self.figure.legend
            legend = make(
                list(entries.values()), labels, loc=place, ncols=columns, fontsize=size, title=title or None,
                title_fontsize=size, columnspacing=1.2, handletextpad=0.5, borderaxespad=0.2, labelspacing=0.35, borderpad=0.2,
            )  # fmt: skip
            left, _, right, _ = box_of(legend, self.figure)
            if right - left < 0.98 * self.figure.bbox.width or columns == 1:
                return
            legend.remove()

    def move_legends(self) -> bool:
        """Move legends that cover curves, or need more than their panel has, out of it. Returns whether there were any."""
        moved = [key for key in self.keys if key.where == "in" and self._is_in_the_way(key)]
        for key in moved:
            key.where = "below"
            if "bbox_to_anchor" in key.look:
                box = box_of(key.axes.get_legend(), self.figure)
                is_small = box[2] - box[0] < NARROW * self.figure.bbox.width and box[3] - box[1] < 0.8 * self.figure.bbox.height
                key.where = "beside" if is_small else "below"
        if moved and self.grow:
            self._make_legends()
            more = (
                sum(box_of(legend, self.figure) @ np.array([0, -1, 0, 1]) for legend in self.figure.legends) / self.figure.dpi
            )
            self.figure.set_figheight(self.figure.get_figheight() + more)
            self.grow = False
        return bool(moved)

    def shrink_legend(self) -> bool:
        """Make the texts of a high legend below the panels smaller. Returns whether they were made so."""
        below = [key for key in self.keys if key.where == "below" and key.size > LEAST_LEGEND * key.full]
        heights = [box_of(legend, self.figure) for legend in self.figure.legends]
        if not below or sum(box[3] - box[1] for box in heights) < HIGHEST_LEGEND * self.figure.bbox.height:
            return False
        for key in below:
            key.size *= STEP
        return min(key.size for key in below) > SMALLEST

    def _is_in_the_way(self, key: _Key) -> bool:
        """Whether a legend covers a curve, is too large for its panel, or leaves it."""
        panel = key.axes.bbox
        left, low, right, high = box_of(key.axes.get_legend(), self.figure)
        if "bbox_to_anchor" in key.look:
            return bool(high - low > 1.05 * panel.height or panel.width < 0.45 * self.figure.bbox.width)
        large = (right - left) * (high - low) > LARGEST_LEGEND * panel.width * panel.height
        if large or low < panel.y0 or right > panel.x1 + 1:
            return True
        return any(crosses(line, (left, low, right, high)) for line in key.axes.lines if line.get_visible())

    def thin_ticks(self) -> bool:
        """Make the ticks of an axis fewer where their texts touch. Returns whether there were any."""
        found = False
        for axes in self.figure.axes:
            for axis in (axes.xaxis, axes.yaxis):
                labels = ticks_of(axis)
                boxes = np.array([box_of(label, self.figure) for label in labels])
                sizes = [label.get_fontsize() for label in labels]
                few = len(boxes) <= 2 or self.thinned.get(axis, 0) == MOST_THINNED
                if not few and overlaps(boxes, sizes, self.figure.dpi, BESIDE if axis is axes.xaxis else BELOW):
                    found = halve(axis, len(labels)) or found
                    self.thinned[axis] = self.thinned.get(axis, 0) + 1
        return found

    def faults(self) -> bool:
        """Whether the panels have no room, or a text is cut off or lies over another one."""
        if self.collapsed or any(self._is_thin(axes) for axes in self.figure.axes):
            return True
        texts = list(texts_seen(self.figure))
        # The texts of a legend have their places only once it is drawn.
        legends = [*self.figure.legends, *(key.axes.get_legend() for key in self.keys if key.where == "in")]
        boxes = np.array([box_of(artist, self.figure) for artist in (*texts, *legends)]).reshape(-1, 4)
        edge = 0.01 * self.figure.dpi
        page = np.array([self.figure.bbox.width, self.figure.bbox.height]) + edge
        if (boxes[:, :2] < -edge).any() or (boxes[:, 2:] > page).any():
            return True
        sizes = [*(text.get_fontsize() for text in texts), *(SMALLEST for _ in legends)]
        return overlaps(boxes, sizes, self.figure.dpi)

    def _is_thin(self, axes: Any) -> bool:
        """Whether a panel has no room for two of its ticks."""
        labels = ticks_of(axes.yaxis)
        return bool(labels) and axes.bbox.height * 72 / self.figure.dpi < LEAST_PANEL * labels[0].get_fontsize()

    def shrink(self) -> bool:
        """Make all texts smaller; returns whether they can be."""
        texts: list[Any] = [text for text in self.figure.findobj(Text) if isinstance(text, Text) and text.get_text().strip()]
        # A label that is smaller than others for its length does not count.
        if min((self.sizes.get(text, text.get_fontsize()) for text in texts), default=0.0) * STEP < SMALLEST:
            return False
        scale_text(self.figure, STEP)
        for key in self.keys:
            key.size, key.full = STEP * key.size, STEP * key.full
        self.sizes = {text: STEP * size for text, size in self.sizes.items()}
        return True


def scale_text(figure: Figure, factor: float) -> None:
    """Make all text larger or smaller."""
    if factor == 1.0:
        return
    every: list[Any] = figure.findobj(Text)
    for text in every:
        text.set_fontsize(text.get_fontsize() * factor)
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            # Ticks that are made later take this size.
            ticks = axis.get_ticklabels()
            if ticks:
                axis.set_tick_params(labelsize=ticks[0].get_fontsize())
