"""What the functions of the interface take, and what they refuse.

Nothing heavy is imported here: the command line starts with it.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from nonconv.faults.errors import UsageError
from nonconv.system.processors import default_workers

Config: TypeAlias = str | os.PathLike[str] | Mapping[str, Any]
"""The name of a config file, or a config as a mapping of its keys."""
Place: TypeAlias = str | os.PathLike[str]
"""The name of a folder."""
OUTPUTS = Path("outputs")
"""Where results are, in the working directory, unless a folder is chosen."""


def checked_workers(workers: int) -> int:
    """Return how many workers are meant. Raises UsageError for a number that is none."""
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 0:
        raise UsageError(f"workers: must be a whole number >= 0, got {workers!r}")
    return workers or default_workers()


def checked_place(what: str, place: Any) -> Path:
    """Return a folder that is named. Raises UsageError for what is no name. what: the argument."""
    if not isinstance(place, str | os.PathLike) or not os.fspath(place):
        raise UsageError(f"{what}: {place!r} is not the name of a folder")
    return Path(os.fsdecode(place))


def checked_name(name: str) -> str:
    """Return a name that can begin that of a folder. Raises UsageError for another."""
    if not isinstance(name, str) or Path(name).name != name or "\0" in name:
        raise UsageError(f"name: {name!r} cannot be the name of a folder")
    return name
