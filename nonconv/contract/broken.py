"""Why a component does not keep its contract, as the checks of `contract` and `contract_networks` say it."""

from collections.abc import Callable
from typing import Any

from nonconv.faults.blame import is_foreign, place_text


class Broken(Exception):
    """The reason why a check fails, and the function that is at fault."""

    def __init__(self, reason: str, function: Callable[..., Any] | None = None) -> None:
        at = f"{place_text(function)}: " if function is not None and is_foreign(function) else ""
        super().__init__(at + reason)


Check = Callable[[Any, Any], None]
"""Takes a component and parameters of it. Raises Broken."""
