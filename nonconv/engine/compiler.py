"""The compile boundary: plain definitions become functions of numba, and a kernel's text a module that is compiled once.

The text is written to a file named by a hash of it and of the sources of all definitions compiled into it, and imported
from there: numba's disk cache then hits in the next process and can never be stale.
"""

import dis
import hashlib
import importlib.util
import inspect
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Literal

import numba
import numpy as np
import platformdirs
from numba.core.codegen import get_host_cpu_features

import nonconv
from nonconv import arithmetic, elementary


@contextmanager
def _hidden(module: str) -> Iterator[None]:
    """No import finds this module, unless it was imported before."""
    unknown = module not in sys.modules
    if unknown:
        sys.modules[module] = None  # type: ignore[assignment]  # Python's own mark of a module not to be found
    try:
        yield
    finally:
        if unknown:
            del sys.modules[module]


with _hidden("scipy.linalg"):  # numba would load it, for a fifth of a second, to offer a BLAS that no kernel uses
    importlib.import_module("numba.np.arraymath")

# numba.config is filled in when numba is imported, so its attributes are unknown to a type checker.
FEATURES: str = get_host_cpu_features()  # type: ignore[no-untyped-call]
if numba.config.CPU_FEATURES is None and "+avx512f" in FEATURES:  # type: ignore[attr-defined]
    # LLVM uses half of an AVX-512 register unless told otherwise; Philox and the divisions gain a seventh from all of it.
    numba.config.CPU_FEATURES = f"{FEATURES},-prefer-256-bit"  # type: ignore[attr-defined]

njit: Any = numba.njit
"""Its declared type does not know all of its options."""
INSIDE = {"error_model": "numpy", "no_cfunc_wrapper": True}
"""Options of what kernels are made of: no entry for C, which takes time to compile."""


def _select(condition: Any, yes: Any, no: Any) -> Any:
    return yes if condition else no


MEANING: dict[Any, Any] = {arithmetic.select: _select, arithmetic.each: range}
"""What a NumPy helper of definitions means in a kernel: a plain function, or what numba knows."""


@cache
def definition(function: FunctionType, inline: Literal["never", "always"] = "never") -> Any:
    """A plain function as a kernel function, with the plain functions it calls."""
    function = MEANING.get(function, function)
    if not isinstance(function, FunctionType):
        return function
    helpers = {name: definition(helper) for name, helper in called_by(function).items()}
    linked = FunctionType(
        function.__code__, {**function.__globals__, **helpers}, function.__name__, function.__defaults__, function.__closure__
    )
    # LLVM leaves larger ones of these as calls, and a loop with a call does not vectorise.
    return njit(inline=inline, forceinline=function.__module__ == elementary.__name__, **INSIDE)(linked)


def called_by(function: Callable[..., Any]) -> dict[str, FunctionType]:
    """The plain functions that a plain function names."""
    names = (line.argval for line in dis.get_instructions(function) if line.opname == "LOAD_GLOBAL")
    named = {name: function.__globals__.get(name) for name in names}
    return {name: value for name, value in named.items() if isinstance(value, FunctionType)}


def cache_folder() -> Path:
    """Where kernels are kept: $NONCONV_CACHE_DIR, or the user's cache folder."""
    return Path(os.environ.get("NONCONV_CACHE_DIR") or platformdirs.user_cache_path("nonconv")) / "kernels"


def load(text: str, *functions: Callable[..., Any]) -> ModuleType:
    """The module with this text, into which these functions are compiled."""
    name = f"kernel_{_identity(text, functions)}"
    try:
        return _import(name, _write_once(cache_folder() / f"{name}.py", text))
    except OSError:
        # No writable cache: compile for this process alone.
        return _import(name, _write_once(Path(tempfile.mkdtemp(prefix="nonconv-")) / f"{name}.py", text))


def _identity(text: str, functions: Iterable[Callable[..., Any]]) -> str:
    """A hash of all that the machine code depends on: its text, the modules of every function in it, versions."""
    waiting, modules = list(functions), {sys.modules[__name__]}
    while waiting:
        function = waiting.pop()
        meaning = MEANING.get(function, function)
        modules.update(module for known in (function, meaning) if (module := inspect.getmodule(known)) and known is not range)
        waiting += called_by(function).values()
    sources = sorted(inspect.getsource(module) for module in modules)
    versions = (nonconv.__version__, numba.__version__, np.__version__, sys.version)
    return hashlib.blake2b("\0".join([text, *sources, *versions]).encode(), digest_size=12).hexdigest()


def _write_once(path: Path, text: str) -> Path:
    """The file with this text; one that exists is left alone, since its time stamp is part of numba's cache key."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".tmp", delete=False) as file:
            file.write(text)
        Path(file.name).replace(path)
    return path


def _import(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
