"""The settings of matplotlib that a user's style and font ask for, checked, and in force while figures are made."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import matplotlib as mpl
from matplotlib import font_manager

from nonconv.faults.errors import UsageError
from nonconv.faults.problems import nearest
from nonconv.report.figures.axes import STYLE
from nonconv.report.figures.options import OWN_STYLES, PLAIN, FigureOptions

OWN_KEYS = ("font.size", "lines.linewidth", "figure.figsize", "figure.dpi", "savefig.dpi")
"""Settings of a style that are applied to a figure that is made."""
ALLOWED = "paper, slide, a file FILE.mplstyle, or a style of matplotlib, as ggplot"
NEVER = (
    "text.usetex",
    "text.parse_math",
    "svg.hashsalt",
    "savefig.format",
    "figure.constrained_layout.use",
    "figure.autolayout",
)
"""Settings of a style that are left out: no text of ours is TeX, and layout and bytes are our own matter."""

OF_PROGRAMS = {
    "backend",
    "backend_fallback",
    "date.epoch",
    "docstring.hardcopy",
    "figure.max_open_warning",
    "figure.raise_window",
    "interactive",
    "savefig.directory",
    "timezone",
    "tk.window_focus",
    "toolbar",
    "webagg.address",
    "webagg.open_in_browser",
    "webagg.port",
    "webagg.port_retries",
}
"""Settings that are no style: matplotlib leaves them out as well, under a name that is not for others."""


def settings_of(options: FigureOptions) -> dict[str, Any]:
    """Return matplotlib's settings of the style, checked. Raises UsageError, with the nearest name of what is unknown."""
    style = options.style
    if style is None:
        return {}
    from matplotlib import style as styles  # reads all of matplotlib's style files

    if isinstance(style, str):
        if style in OWN_STYLES:
            return dict(OWN_STYLES[style])
        known = [*OWN_STYLES, *styles.available]
        if style not in styles.library:
            near = nearest(style, known)
            hint = f"\n  did you mean {near}?" if near else ""
            raise UsageError(f"style: unknown style {style!r}\n  allowed: {ALLOWED}{hint}")
        return {key: value for key, value in styles.library[style].items() if key not in NEVER}
    found, probe = dict[str, Any](), cast(Any, mpl.RcParams())
    for key, value in style.items():
        if key not in mpl.rcParams:
            near = nearest(key, mpl.rcParams)
            raise UsageError(f"style: matplotlib has no setting {key!r}" + (f"\n  did you mean {near}?" if near else ""))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                probe[key] = value
        except (ValueError, TypeError) as error:
            what = str(error).partition("\n")[0].removeprefix(f"Key {key}: ")
            raise UsageError(f"style: {key}: {what}") from None
        if key not in NEVER and key not in OF_PROGRAMS:
            found[key] = probe[key]
    return found


def check(options: FigureOptions) -> None:
    """Raise UsageError if a style or a font is unknown."""
    settings_of(options)
    if options.font is not None:
        names = font_manager.get_font_names()
        generic = ("serif", "sans-serif", "monospace", "cursive", "fantasy")
        if options.font not in (*names, *generic):
            near = nearest(options.font, names)
            hint = f"\n  did you mean {near}?" if near else ""
            raise UsageError(f"font: matplotlib finds no font {options.font!r}{hint}")


@contextmanager
def in_style(options: FigureOptions) -> Iterator[None]:
    """Make and write figures within this context, in which matplotlib has the settings of the options. Raises UsageError."""
    if options == PLAIN:
        yield
        return
    found = settings_of(options)
    scale = size_of_text(found)
    kept = {key: value for key, value in found.items() if key not in OWN_KEYS}
    for key, value in kept.items():
        # What is given in points is meant; all text is scaled afterwards.
        if key.endswith("size") and isinstance(value, int | float) and ("title" in key or "label" in key or "legend" in key):
            kept[key] = value / scale
    if options.font is not None:
        # Our own font has the symbols that others lack.
        kept["font.family"] = [options.font, "DejaVu Sans"]
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cast(Any, mpl.rcParams).update(kept)
        yield


def size_of_text(found: Mapping[str, Any]) -> float:
    """Return by how much a style's text is larger than ours."""
    size = found.get("font.size")
    return float(size) / float(STYLE["font.size"]) if size else 1.0
