"""Whether the look that a config asks of its figures is there: asked before anything is computed."""

from collections.abc import Mapping
from typing import Any

from nonconv.faults.errors import UsageError


def refuse_unknown_look(block: Mapping[str, Any]) -> None:
    """Raise UsageError if the `figures` of a config names a style or a font that there is not.

    Asked of matplotlib before anything is computed, and only where there is one.
    """
    if block.get("style") is None and block.get("font") is None:
        return
    from nonconv.report.figures.options import options_from
    from nonconv.report.figures.own_settings import without_user_settings

    with without_user_settings():
        from nonconv.report.figures.styles import check  # loads matplotlib
    try:
        check(options_from(block))
    except UsageError as error:
        raise UsageError(f"figures.{error}") from None
