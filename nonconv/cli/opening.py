"""--open: show a result in the browser, as an interactive page or, where its libraries are missing, as a figure.

Without a display nothing is started, since a browser of the terminal would take the screen: the file is named instead.
"""

import os
import sys
from pathlib import Path

from nonconv.faults.errors import NonconvError
from nonconv.system.atomic import write_whole
from nonconv.terminal.lines import say

DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
"""What is set where a browser can be opened on Linux; the last by users who have one of their own."""


def open_result(folder: Path) -> None:
    """Write the page of a finished run or sweep beside its folder, and open it; the first figure where there can be none."""
    from nonconv.page.make import make_page, require_libraries

    folder = folder.absolute()
    target = folder.with_name(f"{folder.name}.html")
    try:
        require_libraries()
        write_whole(target, make_page([folder]))
    except (NonconvError, OSError) as error:
        why = f"{target} cannot be written: {error.strerror}" if isinstance(error, OSError) else str(error)
        figure = _first_figure(folder)
        say(f"No page: {why}")
        if figure is None:
            return
        target = figure
    open_file(target)


def _first_figure(folder: Path) -> Path | None:
    """Return the figure that is named first; None if none was drawn."""
    from nonconv.report.figures.catalogue import figure_names

    found = (folder / "figures" / f"{name}.png" for name in figure_names(folder))
    return next((path for path in found if path.is_file()), None)


def open_file(path: Path) -> None:
    """Open a file in the browser; where that is not possible, say where it is."""
    import webbrowser

    path = path.absolute()
    if not _has_display():
        say(f"There is no display; open this file in a browser:\n  {path}")
        return
    try:
        opened = webbrowser.open(path.as_uri())
    except (webbrowser.Error, OSError):
        opened = False
    say(f"Opened {path}" if opened else f"No browser could be started; open this file in one:\n  {path}")


def _has_display() -> bool:
    """Whether a browser has where to appear."""
    return sys.platform in ("win32", "darwin") or any(map(os.environ.get, DISPLAYS))
