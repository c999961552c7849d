"""Figures in a user's style: settings of matplotlib while they are made, and changes once they are.

Figures name sizes and colours of their own, for a page of one size. So a style changes them afterwards, in proportion: twice
the font size makes every text twice as large.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import matplotlib as mpl
from matplotlib.collections import Collection
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter

from nonconv.report.figures.axes import STYLE
from nonconv.report.figures.fitting import fit, scale_text
from nonconv.report.figures.options import COLUMN, OWN_STYLES, PAGE, PLAIN, WIDE, FigureOptions, Words
from nonconv.report.figures.styles import settings_of, size_of_text

PALETTE = ("#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7")
"""Our colours of lines, which those of a style's `axes.prop_cycle` replace."""
MAIN_TITLE = "main title"
"""The label of the text that is a figure's title."""
INK = "#003a5c"
"""A dark blue that is not seen on a dark background."""
GREY_TOLERANCE = 0.02
SMALLEST_TEXT = 0.65
"""Text is never smaller than this share of its size."""
LONG_NAME = 20
"""Characters of a tick that leave no room beside them in a column."""


def restyle(figure: Figure, options: FigureOptions) -> None:
    """Give a figure the title, the words, the size and the style of the options. Called within `in_style`."""
    if options == PLAIN:
        return
    found = settings_of(options)
    _set_title(figure, options.title)
    words = Words(options.labels, options.used)
    if options.labels:
        replace_texts(figure, words)
    of_style = _pair(found.get("figure.figsize")) or (_paper(figure) if options.style == "paper" else None)
    size = options.size or of_style
    factor = size_of_text(found)
    if size:
        # On a smaller page text is smaller, unless the style says how large it is.
        small = min(1.0, max(SMALLEST_TEXT, math.sqrt(size[0] / figure.get_figwidth())))
        factor = factor if "font.size" in found else small
        if of_style and isinstance(options.style, str) and options.style in OWN_STYLES:
            # Our own styles are for a page of their own, in proportion to which their text is large.
            factor = max(min(1.0, size[0] / of_style[0]) * factor, min(factor, small))
        figure.set_size_inches(*size)
    dpi = found.get("savefig.dpi", found.get("figure.dpi"))
    if isinstance(dpi, int | float) and math.isfinite(dpi):
        figure.set_dpi(min(max(float(dpi), 20.0), 1200.0))
    scale_text(figure, factor)
    _scale_lines(figure, float(found.get("lines.linewidth", STYLE["lines.linewidth"])) / float(STYLE["lines.linewidth"]))
    _recolour(figure, found)
    fit(figure, grow=options.style == "paper" and not options.size)


def _paper(figure: Figure) -> tuple[float, float]:
    """Return the size of a figure in a paper: as wide as a column or a page, in nearly its own proportions."""
    width, height = figure.get_size_inches()
    names = max((len(str(text)) for formatter in _fixed(figure) for text in formatter.seq), default=0)
    wanted = PAGE if width > WIDE or names > LONG_NAME else COLUMN
    return wanted, max(1.9, 1.05 * float(height) * wanted / float(width))


def _pair(value: Any) -> tuple[float, float] | None:
    """Return a setting of two numbers, which may be written as text."""
    parts = value.split(",") if isinstance(value, str) else list(value) if value is not None else []
    return (float(parts[0]), float(parts[1])) if len(parts) == 2 else None


def mark_title(text: Text) -> None:
    """Say that a text is a figure's title, which `title` replaces."""
    text.set_label(MAIN_TITLE)


def _set_title(figure: Figure, title: str | None) -> None:
    """Write the title in the place of a figure's own; above it, where it has none."""
    if title is None:
        return
    marked = _main_titles(figure)
    for text in marked:
        text.set_text(title)
    if not marked and (title or figure.get_suptitle()):
        mark_title(figure.suptitle(title, x=0.02, ha="left", size=10))


def _main_titles(figure: Figure) -> list[Any]:
    """List the texts that are the figure's title."""
    return [text for text in figure.findobj(Text) if text.get_label() == MAIN_TITLE]


def texts_of(figure: Figure) -> list[Text]:
    """List the texts of a figure that are no tick labels made while it is drawn."""
    return [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text().strip()]


def _fixed(figure: Figure) -> Iterator[FixedFormatter]:
    """Yield what writes the ticks that have names."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            formatter = axis.get_major_formatter()
            if isinstance(formatter, FixedFormatter):
                yield formatter


def words_of(figure: Figure) -> list[str]:
    """List all texts that a figure draws, those of ticks with names too."""
    ticks = itertools.chain.from_iterable(formatter.seq for formatter in _fixed(figure))
    return [*(text.get_text() for text in texts_of(figure)), *map(str, ticks)]


def replace_texts(figure: Figure, words: Words) -> None:
    """Write all texts of a figure in the user's words."""
    for text in texts_of(figure):
        text.set_text(words.replaced(text.get_text()))
    for formatter in _fixed(figure):
        formatter.seq = [words.replaced(str(text)) for text in formatter.seq]


def _scale_lines(figure: Figure, factor: float) -> None:
    """Make all lines, their marks and their dashes, thicker or thinner."""
    if factor == 1.0:
        return
    for line in _lines(figure):
        line.set_linewidth(line.get_linewidth() * factor)
        line.set_markersize(line.get_markersize() * factor)
        line.set_markeredgewidth(line.get_markeredgewidth() * factor)


def _lines(figure: Figure) -> list[Line2D]:
    """List the lines that show data, with those of legends: no ticks and no grids."""
    own = [line for axes in figure.axes for line in axes.lines]
    legends = [legend for legend in figure.findobj(Legend) if isinstance(legend, Legend)]
    return [*own, *(line for legend in legends for line in legend.findobj(Line2D) if isinstance(line, Line2D))]


def _recolour(figure: Figure, found: Mapping[str, Any]) -> None:
    """Draw lines and bands in the colours of a style; on a dark background, greys the other way round."""
    if not {"axes.prop_cycle", "axes.facecolor", "figure.facecolor"} & found.keys():
        return
    cycle = found.get("axes.prop_cycle")
    colours = [to_hex(one) for one in cycle.by_key().get("color", [])] if cycle is not None else []
    dark = sum(to_rgba(mpl.rcParams["axes.facecolor"])[:3]) < 1.5

    def own(colour: Any) -> Any:
        """Return the colour in the style."""
        red, green, blue, alpha = to_rgba(colour)
        name = to_hex((red, green, blue))
        if colours and name in PALETTE:
            return (*to_rgba(colours[PALETTE.index(name) % len(colours)])[:3], alpha)
        if dark and name == INK:
            return (*to_rgba(mpl.rcParams["text.color"])[:3], alpha)
        if dark and max(red, green, blue) - min(red, green, blue) < GREY_TOLERANCE:
            return (1 - red, 1 - green, 1 - blue, alpha)
        return colour

    for line in _lines(figure):
        _put_colours(line, ("color", "markerfacecolor", "markeredgecolor"), own)
    for legend in (legend for legend in figure.findobj(Legend) if isinstance(legend, Legend)):
        for patch in legend.get_patches():
            _put_colours(patch, ("facecolor", "edgecolor"), own)
    for axes in figure.axes:
        for collection in axes.collections:
            if collection.get_array() is None:
                _put_colours(collection, ("facecolor", "edgecolor"), own)


def _put_colours(artist: Any, names: tuple[str, ...], own: Callable[[Any], Any]) -> None:
    """Give an artist other colours: one each, or of a collection a list."""
    for name in names:
        colour = getattr(artist, f"get_{name}")()
        if isinstance(colour, str) and colour in ("none", "None", "auto"):
            continue
        several = isinstance(artist, Collection)
        getattr(artist, f"set_{name}")([own(tuple(one)) for one in colour] if several else own(colour))
