"""Kernels on disk: each text and its machine code in a file that is named by all they depend on, so none can be stale."""

# Why machine code is kept apart from numba's own cache: importing numba takes 0.4 s and loading a function from its cache
# 0.15 s more, while llvmlite links an object file in 0.01 s (`machine`). And numba trusts what it reads: a damaged file of its
# cache crashes the process.

import dis
import hashlib
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import platformdirs
from filelock import FileLock, Timeout

import nonconv
from nonconv.components.reads import written_values
from nonconv.faults.blame import VALUES
from nonconv.numerics import arithmetic

COMPILE_TIME_MODULES = (
    "nonconv.engine.compiler",
    "nonconv.engine.draws",
    "nonconv.engine.vectors",
    "nonconv.engine.whole_kernels",
)
"""Modules that are part of every kernel, or determine how it is compiled. A kernel that is only loaded imports neither."""
IMPORTED = re.compile(r"^(?:from|import) (nonconv(?:\.\w+)+)", re.MULTILINE)
"""A module of nonconv that a kernel's text imports."""
LOCK_TIMEOUT_SECONDS = 120.0
"""How long to wait for another process that is compiling the same kernel: it may be suspended, so the wait must end."""


def _select(condition: Any, yes: Any, no: Any) -> Any:
    """Return `yes` or `no`: `arithmetic.select` on scalars."""
    return yes if condition else no


# np.where on scalars allocates arrays inside numba: 250 ns instead of 1. `each` must be the builtin range: a function that
# returns one keeps the loop from being vectorised.
KERNEL_HELPERS: dict[Any, Any] = {arithmetic.select: _select, arithmetic.each: range}
"""What replaces a NumPy helper of definitions in a kernel: a plain function, or one that the compiler knows."""

TOGETHER_HELPERS: dict[Any, Any] = {}
"""What replaces it instead in kernels in which eight paths always move together: they take a third less time to compile."""


def callees(function: Callable[..., Any]) -> dict[str, FunctionType]:
    """Return the plain Python functions that a function names among its globals, by name."""
    # Read off the bytecode, which has every global name, used or not in this run.
    names = (line.argval for line in dis.get_instructions(function) if line.opname == "LOAD_GLOBAL")
    named = {name: function.__globals__.get(name) for name in names}
    return {name: value for name, value in named.items() if isinstance(value, FunctionType)}


def cache_folder() -> Path:
    """Return the folder of kernels: in $NONCONV_CACHE_DIR, or in the user's cache folder."""
    return Path(os.environ.get("NONCONV_CACHE_DIR") or platformdirs.user_cache_path("nonconv")) / "kernels"


def kernel_name(text: str, functions: Iterable[Callable[..., Any]]) -> str:
    """Return a name with a hash of all that the machine code depends on.

    That is: its text, the modules that it imports, those of its functions, the values that these read, and versions.
    """
    waiting, modules = list(functions), {__name__, *COMPILE_TIME_MODULES, *IMPORTED.findall(text)}
    seen: set[Callable[..., Any]] = set()
    values: set[str] = set()
    while waiting:
        function = waiting.pop()
        if function in seen:
            continue
        seen.add(function)
        meaning = KERNEL_HELPERS.get(function, function)
        modules.update(known.__module__ for known in (function, meaning) if known is not range)
        waiting += callees(function).values()
        if isinstance(function, FunctionType):
            values.update(f"{function.__module__} {function.__qualname__} {value}" for value in written_values(function))
    versions = (nonconv.__version__, version("numba"), version("llvmlite"), np.__version__, sys.version)
    return f"kernel_{digest(text, *sorted(map(source, modules)), *sorted(values), *versions)}"


def source(module: str) -> str:
    """Return the text of a module, imported or not; of a plug-in also the digest of what it reads of its surroundings."""
    if module in sys.modules:
        return inspect.getsource(sys.modules[module]) + getattr(sys.modules[module], VALUES, "")
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).read_text(encoding="utf-8")


def digest(*texts: str) -> str:
    """Return a short name for long texts."""
    # Joined by a character that no text has, so that moving text from one to the next changes the name.
    return hashlib.blake2b("\0".join(texts).encode(), digest_size=12).hexdigest()


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Hold a lock on what is kept under this name: other processes wait, and then find what was made meanwhile.

    The wait ends after LOCK_TIMEOUT_SECONDS, and there is none without a writable cache: then each process makes its own.
    """
    with ExitStack() as held:
        with suppress(OSError, NotImplementedError):  # on a disk that is read-only, or has no locks
            cache_folder().mkdir(parents=True, exist_ok=True)
            held.enter_context(FileLock(cache_folder() / f"{name}.lock", timeout=LOCK_TIMEOUT_SECONDS))
        yield


@contextmanager
def alone_or_not_at_all(name: str) -> Iterator[bool]:
    """Hold a lock on this name, unless another process holds it; tell whether it is held. Raises OSError without a cache."""
    lock = FileLock(cache_folder() / f"{name}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
