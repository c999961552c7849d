"""The compile boundary: plain definitions become functions of numba, and a kernel's text a module that is compiled once.

Its machine code is all that is kept (`object_files`); numba's own cache, which trusts what it reads, is not used.
"""

import importlib
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from types import FunctionType, ModuleType
from typing import Any, Literal

import numba
import numpy as np
from numba import types
from numba.core.codegen import get_host_cpu_features
from numba.core.registry import cpu_target
from numba.np.numpy_support import from_dtype

from nonconv.engine.kernel_files import KERNEL_HELPERS, TOGETHER_HELPERS, cache_folder, callees, kernel_name
from nonconv.engine.object_files import Code, Kinds, write_cached
from nonconv.engine.whole_kernels import compile_whole
from nonconv.numerics import elementary, normal, student_law


@contextmanager
def _hide_module(module: str) -> Iterator[None]:
    """Hide a module from imports within this context, unless it was imported before."""
    unknown = module not in sys.modules
    if unknown:
        sys.modules[module] = None  # type: ignore[assignment]  # Python's own mark of a module not to be found
    try:
        yield
    finally:
        if unknown:
            del sys.modules[module]


with _hide_module("scipy.linalg"):  # numba would load it, for a fifth of a second, to offer a BLAS that no kernel uses
    importlib.import_module("numba.np.arraymath")

# numba.config is filled in when numba is imported, so its attributes are unknown to a type checker.
HOST_FEATURES: str = get_host_cpu_features()  # type: ignore[no-untyped-call]
if numba.config.CPU_FEATURES is None and "+avx512f" in HOST_FEATURES:  # type: ignore[attr-defined]
    # LLVM uses half of an AVX-512 register by default; Philox and the divisions gain a seventh from all of it.
    numba.config.CPU_FEATURES = f"{HOST_FEATURES},-prefer-256-bit"  # type: ignore[attr-defined]

njit: Any = numba.njit
tuple_type: Any = types.BaseTuple.from_types
"""Typed as Any: numba declares no types for them, or lacks some of their options."""
KERNEL_OPTIONS = {"error_model": "numpy", "no_cfunc_wrapper": True}
"""Options of what kernels are made of: no entry for C, which takes time to compile."""
NO_OWNERS = KERNEL_OPTIONS | {"_nrt": False}
"""Options of what is called without numba: nothing is allocated, so that no owner counts references."""
ONLY_FROM_KERNELS = NO_OWNERS | {"no_cpython_wrapper": True}
"""Options of what Python never calls: it would crash. An entry for Python takes time to compile."""
INLINED_MODULES = {elementary.__name__, normal.__name__, student_law.__name__}
"""Modules of functions of one number: LLVM leaves larger ones as calls, and a loop with a call does not vectorise."""


@cache
def definition(function: FunctionType, inline: Literal["never", "always"] = "never", together: bool = False) -> Any:
    """Return a plain function as a kernel function, with the plain functions it calls.

    together: eight paths always move together, so that products of one path are left out.
    """
    chosen = KERNEL_HELPERS | TOGETHER_HELPERS if together else KERNEL_HELPERS
    function = chosen.get(function, function)
    if not isinstance(function, FunctionType):
        return function
    helpers = {name: definition(helper, together=together) for name, helper in callees(function).items()}
    # The same code with other globals: the names of helpers mean their kernel versions, and the original stays NumPy's.
    linked = FunctionType(
        function.__code__, {**function.__globals__, **helpers}, function.__name__, function.__defaults__, function.__closure__
    )
    # What allocates nothing is linked without numba. Of a plug-in's function this is not known.
    plain = function.__module__.startswith("nonconv.") and "empty" not in function.__code__.co_names
    options = ONLY_FROM_KERNELS if plain else KERNEL_OPTIONS | {"_nrt": True}  # said, since it would be the caller's
    return njit(inline=inline, forceinline=function.__module__ in INLINED_MODULES, **options)(linked)


def machine_code(name: str, text: str, definitions: Iterable[Callable[..., Any]], kinds: Kinds) -> Code:
    """Compile the function `name` of a kernel's text for arguments of these kinds."""
    result, content = compile_whole(getattr(_load(kernel_name(text, definitions), text), name), types_of(kinds))
    # What the code calls but does not define; names that begin with llvm. are instructions, not functions.
    needs = [f.name for f in result.library._final_module.functions if f.is_declaration and not f.name.startswith("llvm.")]
    return Code(result.fndesc.llvm_func_name, needs, content)


def _load(name: str, text: str) -> ModuleType:
    """Return the module of this name with this text.

    Its file is for people and for tracebacks: the text that is executed is the one given, whatever the file holds.
    """
    path = cache_folder() / f"{name}.py"
    with suppress(OSError):  # no writable cache: there is no file to look at then
        write_cached(path, text.encode())
    module = ModuleType(name)
    exec(compile(text, str(path), "exec", dont_inherit=True), module.__dict__)
    return module


def types_of(kinds: Kinds) -> tuple[Any, ...]:
    """Return numba's types of these kinds."""
    return tuple(tuple_type(types_of(kind)) if isinstance(kind, tuple) else _type(kind) for kind in kinds)


def _type(kind: str) -> Any:
    """Return numba's type of one kind."""
    name, _, dimensions = kind.partition(":")
    number = from_dtype(np.dtype(name))
    return types.Array(number, int(dimensions), "C") if dimensions else number


def offer_helpers() -> None:
    """Register with the linker the functions that numba has written for compiled code."""
    cpu_target.target_context.refresh()
