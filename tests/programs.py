"""Programs for tests, each part of a `Configured` by a name of its own, so that a test changes one of them."""

from typing import Any

from nonconv.components import Configured
from nonconv.engine.program import Program


def program_of(**parts: Any) -> Program:
    """A Program whose objective, data and optimizer are given as NAME, NAME_parameters and NAME_constants."""
    for role in ("objective", "data", "optimizer"):
        constants = parts.pop(f"{role}_constants", ())
        parts[role] = Configured(parts[role], parts.pop(f"{role}_parameters", None), constants)
    return Program(**parts)
