"""Cases that show of more of what ships what others show of some: `make test-all` runs them too."""

from collections.abc import Callable, Container, Iterable
from typing import Any

import pytest


def a_few(cases: Iterable[Any], few: Container[str], name: Callable[[Any], str] = str) -> list[Any]:
    """All cases; those whose name is not among a few are left to `make test-all`."""
    return [case if name(case) in few else pytest.param(case, marks=pytest.mark.thorough) for case in cases]
