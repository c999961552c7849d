"""The figure of several runs becomes a file: for `compare -o` and for `plot RUN RUN`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nonconv.cli.common import say
from nonconv.faults.errors import UsageError
from nonconv.system.atomic import write_whole

if TYPE_CHECKING:
    from nonconv.report.overlay import Overlay

LEGIBLE = 10
"""More curves than this are hard to tell apart."""


def write_overlay(overlay: "Overlay", out: Path, kind: str, tables: Mapping[str, bytes] = {}) -> Iterator[Path]:
    """Write tables and the figure of several runs to a folder; yield the path of each. Raises UsageError."""
    from nonconv.report.figures.catalogue import UNDRAWN
    from nonconv.report.figures.own_settings import without_user_settings
    from nonconv.report.markup import printable

    if len(overlay.members) > LEGIBLE:
        say(f"{len(overlay.members)} runs in one figure are hard to tell apart; up to {LEGIBLE} are drawn well.")
    with without_user_settings():
        from nonconv.report.figures.drawing import draw_overlay  # loads matplotlib
    for name, content in {**tables, **draw_overlay(overlay, kind)}.items():
        if name.endswith(f".{UNDRAWN}"):
            raise UsageError(f"{name.removesuffix(UNDRAWN)}{kind}: {printable(content.decode(errors='replace'))}")
        target = out / name
        try:
            write_whole(target, content)
        except OSError as error:
            raise UsageError(f"{target} cannot be written: {error.strerror}") from None
        yield target
