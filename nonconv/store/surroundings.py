"""What surrounded a computation: versions, processor, and the state of the repository.

Numbers may differ in the last bits between processors and library versions. `nonconv verify` names what has changed.
"""

import platform
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import nonconv


def surroundings() -> dict[str, Any]:
    """Return what a manifest says of where its folder was made. Asking git takes some milliseconds."""
    machine = {"system": "-".join((platform.system(), platform.release(), platform.machine())), "cpu": cpu_name()}
    return {"versions": versions(), "machine": machine, "git": git_state()}


@cache
def versions() -> dict[str, str]:
    """Return the versions of nonconv, Python, and the libraries that decide numbers and figures."""
    names = ("numpy", "numba", "scipy", "sympy", "matplotlib")
    return {"nonconv": nonconv.__version__, "python": sys.version.split()[0]} | {n: metadata.version(n) for n in names}


@cache
def cpu_name() -> str:
    """Return the processor's model, as far as the system names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, None) or platform.processor()


def git_state() -> dict[str, Any] | None:
    """Return the commit of the working directory and whether it has uncommitted changes; None without git or a checkout."""
    try:
        commit = _git("rev-parse", "HEAD")
        return {"commit": commit, "changed": bool(_git("status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    """Return what a git command prints. Raises OSError without git, SubprocessError if it fails."""
    # A run must not hang because a repository is on a slow disk.
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, timeout=5)
    return done.stdout.strip()
