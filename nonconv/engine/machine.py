"""Machine code that is loaded from disk and called by ctypes.

Its compiler is not imported, which would take half a second; `compiler` is, where something must be compiled.
"""

import ast
import ctypes
import linecache
import pickle
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import llvmlite.binding as llvm
import numpy as np

from nonconv.engine.compiling import compiling
from nonconv.engine.kernel_files import alone, cache_folder, digest, kernel_name
from nonconv.engine.object_files import Code, Kinds, read_code, write_code

RUNTIME = "_nrt_python"
"""The extension module of numba that allocates arrays for compiled code."""
RETURNED_NONE = (0, -2)
"""Status codes of numba's calling convention for a function that returned None."""

_loading = threading.RLock()
"""Held while code is compiled or linked: the first thread does it, the others find the result."""
_linked: list[Any] = []
"""The linkers of all functions: machine code is freed with its linker."""


class Failure(ctypes.Structure):
    """numba's record of an exception: class, arguments and place, pickled. Its further fields are not needed."""

    _fields_ = (("pickled", ctypes.c_void_p), ("size", ctypes.c_int32))


class Function:
    """A function of a kernel's text that returns nothing; loaded from disk, or compiled, for each new types of arguments.

    It runs without the interpreter lock. Arrays must be C-contiguous.
    """

    def __init__(self, name: str, text: str, *definitions: Callable[..., Any]) -> None:
        """Name the function and its text.

        definitions: the functions compiled into it, whose sources are part of its name on disk.
        """
        self.name, self.text, self.definitions = name, text, definitions
        self.kernel = kernel_name(text, definitions)
        self._addresses: dict[Kinds, int] = {}
        self._entries: dict[Kinds, Callable[..., int]] = {}

    def __call__(self, *arguments: Any) -> None:
        """Call the function; it writes its results into its arguments.

        Raises what a definition raises, at its line, and ValueError for a strided array, which it would misread.
        """
        numbers = list(flat(arguments))
        kinds = kinds_of(arguments)
        entry = self._entries.get(kinds) or self._entry(kinds, numbers)
        result, failure = ctypes.c_void_p(), ctypes.POINTER(Failure)()
        if entry(ctypes.byref(result), ctypes.byref(failure), *numbers) not in RETURNED_NONE:
            _raise(failure.contents)

    def address(self, *kinds: Any) -> int:
        """Return the address of the code for arguments of these kinds, linked when they are first met.

        It is valid as long as this process lives.
        """
        with _loading:  # whichever thread asks first
            if kinds not in self._addresses:
                self._addresses[kinds] = _link(self._code(kinds))
            return self._addresses[kinds]

    def _entry(self, kinds: Kinds, numbers: list[int | float]) -> Callable[..., int]:
        """Return the entry for arguments of these kinds, linked when they are first met."""
        with _loading:
            if kinds not in self._entries:
                types = (ctypes.c_double if isinstance(number, float) else ctypes.c_int64 for number in numbers)
                prototype = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, *types)
                self._entries[kinds] = prototype(self.address(*kinds))
            return self._entries[kinds]

    def file(self, kinds: Kinds) -> Path:
        """Return the file that keeps the code for arguments of these kinds."""
        # A cache folder may be shared by machines: code for one processor can crash on another.
        processor = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
        return cache_folder() / f"{self.kernel}.{self.name}.{digest(repr(kinds), *processor)}.o"

    def compile(self, kinds: Kinds) -> None:
        """Put the code for arguments of these kinds on disk, unless it is there."""
        self._code(kinds)

    def is_compiled(self, kinds: Kinds) -> bool:
        """Return whether the code for arguments of these kinds is linked, or on disk."""
        return kinds in self._addresses or self.file(kinds).is_file()

    def _code(self, kinds: Kinds) -> Code:
        """Read the code from disk, or compile it while other processes wait."""
        path = self.file(kinds)
        code = read_code(path)
        if code is None:
            with compiling(), alone(path.stem):
                # Read again: another process may have compiled it while this one waited.
                code = read_code(path) or self._compile(kinds, path)
        return code

    def _compile(self, kinds: Kinds, path: Path) -> Code:
        """Compile the code and try to keep it on disk."""
        from nonconv.engine.compiler import machine_code  # half a second

        code = machine_code(self.name, self.text, self.definitions, kinds)
        with suppress(OSError):  # no writable cache: it is compiled for this process alone
            write_code(path, code)
        return code


class Part(NamedTuple):
    """A function for arguments of certain kinds."""

    function: Function
    kinds: Kinds

    def address(self) -> int:
        """Return the address of the code (Function.address)."""
        return self.function.address(*self.kinds)


def _raise(failure: Failure) -> NoReturn:
    """Raise an exception where compiled code did, so that its traceback shows the line."""
    assert failure.pickled is not None
    kind, arguments, place = pickle.loads(ctypes.string_at(failure.pickled, failure.size))
    error = kind(*(arguments or ()))
    if place is None:  # raised by what numba puts in, as where shapes do not fit
        raise error
    function, file, line = place
    # A traceback reads the line's text from the file: code of that place is enough for it to appear.
    tree, text = ast.parse("raise error"), linecache.getline(file, line).rstrip()
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt | ast.expr):
            node.lineno = node.end_lineno = line
            node.col_offset, node.end_col_offset = len(text) - len(text.lstrip()), len(text)
    exec(compile(tree, file, "exec"), {"error": error, "__name__": function})
    raise AssertionError


def kinds_of(arguments: tuple[Any, ...]) -> Kinds:
    """Return the kinds of arguments, nested as tuples are."""
    return tuple(kinds_of(a) if isinstance(a, tuple) else _kind(a) for a in arguments)


def _kind(argument: Any) -> str:
    """Return the kind of a number or an array (object_files.Kinds)."""
    if isinstance(argument, np.ndarray):
        return f"{argument.dtype.str}:{argument.ndim}"
    return "<f8" if isinstance(argument, float) else "<u8" if isinstance(argument, np.uint64) else "<i8"


def flat(arguments: tuple[Any, ...]) -> Iterator[int | float]:
    """Yield arguments as numba passes them, tuples flat.

    An array is its owner (none), size, item size, address, shape and strides. Raises ValueError for a strided one.
    """
    for a in arguments:
        if isinstance(a, tuple):
            yield from flat(a)
        elif isinstance(a, np.ndarray):
            if not a.flags.c_contiguous:
                raise ValueError("an array for a kernel must be contiguous")
            yield from (0, 0, a.size, a.itemsize, a.ctypes.data, *a.shape, *a.strides)
        else:
            yield a if isinstance(a, float) else int(a)


def _link(code: Code) -> int:
    """Link the code and return the address of its function, valid as long as this process lives."""
    if not _is_complete(code) and not (_offer_runtime() and _is_complete(code)):
        from nonconv.engine.compiler import offer_helpers  # half a second

        offer_helpers()
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple().create_target_machine(jit=True)
    linker = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target)
    linker.add_object_file(llvm.ObjectFileRef.from_data(code.content))
    linker.finalize_object()
    _linked.append(linker)
    return int(linker.get_function_address(code.symbol))


def _is_complete(code: Code) -> bool:
    """Return whether the linker knows all that the code needs."""
    return all(llvm.address_of_symbol(name) or hasattr(ctypes.pythonapi, name) for name in code.needs)


def _offer_runtime() -> bool:
    """Register with the linker what arrays are allocated with: one file of numba, which it is not imported for."""
    package = find_spec("numba")
    folders = [str(Path(folder) / "core" / "runtime") for folder in package.submodule_search_locations or ()] if package else []
    found = PathFinder.find_spec(RUNTIME, folders)
    if found is None or found.loader is None:
        return False
    with suppress(ImportError, AttributeError):  # another version of numba may have it elsewhere
        runtime = module_from_spec(found)
        found.loader.exec_module(runtime)
        for name, address in runtime.c_helpers.items():
            llvm.add_symbol(name if name.startswith("_") else f"NRT_{name}", address)
        return True
    return False
