"""What the bytes of a result depend on besides its config: nonconv's own files, and the versions of Python and libraries.

Most of these compute. Python and matplotlib count because the manifest of a cell, which a worker writes, names their versions.
The command and the workers of a cluster compare it: a version number stays the same while a file is edited.
"""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

import nonconv
from nonconv.store.surroundings import versions

SUFFIXES = (".py", ".csv", ".txt")
OURS = "the files of nonconv"


@cache
def code() -> dict[str, str]:
    """Return a digest of nonconv's own files, and the versions of Python and the libraries, where this runs."""
    root = Path(nonconv.__file__).parent
    digest = hashlib.sha256()
    # Sources and data, not what an editor leaves beside them.
    for file in sorted(path for path in root.rglob("[!.]*") if path.suffix in SUFFIXES and path.is_file()):
        digest.update(f"{file.relative_to(root).as_posix()}\0{file.stat().st_size}\0".encode() + file.read_bytes())
    return {OURS: digest.hexdigest(), **versions(), "llvmlite": version("llvmlite")}


def differences(here: dict[str, str], there: dict[str, str]) -> str:
    """Say in words what differs there; empty if nothing does."""
    return ", ".join(
        name if name == OURS else f"{name} {there.get(name)} instead of {known}"
        for name, known in here.items()
        if there.get(name) != known
    )
