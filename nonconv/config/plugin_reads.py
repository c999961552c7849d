"""Refuse or hash what a plug-in reads: its results must be determined by its own text, and by what is named here.

Only the file itself is hashed and copied. So it imports installed libraries and no file next to it (`guarded`), and its
functions read values that cannot change (`refuse_reads`). Where the file can see more than its own text, such as the
environment, a file or a library, these values are part of the run's identity (`outside`): other values are another run.
"""

import builtins
import dis
import hashlib
import importlib.util
import site
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, GetSetDescriptorType, MemberDescriptorType, ModuleType
from typing import Any

from nonconv.components.definitions import Coupled
from nonconv.components.reads import Read, Unwritable, codes, freeze, held, line_of, named, reads, write
from nonconv.config.plugin_checks import Refused
from nonconv.faults.blame import RETURNED, Registered, place_of_line
from nonconv.faults.problems import Problem

OWN_TEXT = {
    *("__future__", "abc", "annotated_types", "bisect", "cmath", "collections", "dataclasses", "decimal", "enum", "fractions"),
    *("functools", "heapq", "itertools", "math", "nonconv", "numbers", "numpy", "operator", "re", "statistics", "string"),
    *("textwrap", "types", "typing", "typing_extensions"),
}
"""Libraries whose functions compute from their arguments alone: with no others, a file's values are those of its own text."""
SURROUNDINGS = {
    *("asyncio", "builtins", "code", "ctypes", "datetime", "fileinput", "gc", "getpass", "glob", "http", "importlib"),
    *("inspect", "io", "linecache", "locale", "mmap", "multiprocessing", "os", "pathlib", "platform", "posix", "pwd"),
    *("random", "resource", "runpy", "secrets", "select", "shelve", "shutil", "signal", "site", "socket", "sqlite3"),
    *("subprocess", "sys", "sysconfig", "tempfile", "threading", "time", "urllib", "uuid", "weakref", "_thread", "_io"),
}
"""Libraries whose functions tell of time, chance, files or this process, which no result may depend on."""
DYNAMIC = {"__import__", "breakpoint", "compile", "eval", "exec", "globals", "hash", "id", "input", "locals", "open", "vars"}
DYNAMIC |= {"setattr", "delattr"}
"""Functions of Python whose results, or effects, are not determined by their arguments."""
OF_NUMPY = {f"numpy.{name}" for name in ("fromfile", "fromregex", "genfromtxt", "load", "loadtxt", "memmap")}
OF_NUMPY |= {f"numpy.{name}" for name in ("save", "savetxt", "savez", "savez_compressed")}
"""Functions of NumPy that read or write files."""
OUTSIDE = ("numpy.random", "numpy.lib.npyio", "numpy.lib.format")
"""Modules of NumPy for chance and files. Seeded generators too: without a seed they draw from the system."""
PYTHONS = dict(vars(builtins))
"""Python's built-in names, before a plug-in could add to them."""
SLOTS = (GetSetDescriptorType, MemberDescriptorType)
"""What a class has for the fields of its objects."""
CHANGES = {"STORE_GLOBAL": "changes", "DELETE_GLOBAL": "deletes", "IMPORT_STAR": "imports all of"}


class RefusedImport(ImportError):
    """A plug-in imports what is no installed library; its text says what and why."""


def guarded(imported: set[str]) -> dict[str, Any]:
    """Return Python's built-in names for a plug-in, whose imports refuse everything but installed libraries.

    imported: the top-level names of what it imports are added to this.
    """

    def guarded_import(name: str, *place: Any, **options: Any) -> Any:
        level = options.get("level", place[3] if len(place) > 3 else 0)
        if level:
            raise RefusedImport("imports a module next to it; only this file is hashed and copied, so write its content here")
        root = name.partition(".")[0]
        refuse_neighbour(root)
        imported.add(root)
        return builtins.__import__(name, *place, **options)

    return PYTHONS | {"__import__": guarded_import}


def refuse_neighbour(root: str) -> None:
    """Raise RefusedImport for a module that is none of Python's, of nonconv or of an installed library."""
    if root in sys.builtin_module_names or root == "nonconv":
        return
    try:
        spec = importlib.util.find_spec(root)  # None if there is none, which Python itself reports
    except (ImportError, ValueError):  # a module that something put into sys.modules has no spec
        raise RefusedImport(f"imports {root}, which is no installed library") from None
    origins = [] if spec is None else [spec.origin] if spec.has_location else list(spec.submodule_search_locations or ())
    for origin in origins:
        if origin and not _is_installed(Path(origin)):
            why = "which is no installed library; only this file is hashed and copied, so write what it needs here"
            raise RefusedImport(f"imports {root} from {Path(origin).parent}, {why}")


def _is_installed(origin: Path) -> bool:
    """Whether a file is in one of the folders of Python's library or of installed libraries."""
    return any(origin.is_relative_to(folder) for folder in _library_folders())


@cache
def _library_folders() -> tuple[Path, ...]:
    """Return the folders of Python's library and of installed libraries."""
    paths = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    paths += [*site.getsitepackages(), *([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])]
    return tuple(Path(path) for path in paths if path)


Found = tuple[FunctionType, bool]
"""A function that a component reaches, and whether it is part of a kernel."""


def refuse_reads(file: str, components: Sequence[Registered]) -> list[str]:
    """Return as texts the values that the components' functions read. Raises Refused where a result could not be repeated.

    Arrays among them are made read-only.
    """
    waiting = list(_functions(file, components))
    seen: set[Found] = set()
    problems: list[Problem] = []
    texts: set[str] = set()
    while waiting:
        function, compiled = waiting.pop()
        if (function, compiled) in seen or not _is_own(file, function):
            continue
        seen.add((function, compiled))
        problems += _changes(file, function)
        for read in reads(function):
            try:
                values = list(_values(file, read, compiled))
            except Unwritable as refused:
                problems.append(
                    Problem(f"{function.__name__} reads {read.name}, which {refused}", place_of_line(file, read.line))
                )
                continue
            for value in values:
                if isinstance(value, FunctionType):
                    waiting.append((value, compiled))
                elif not named(value):
                    freeze(value)
                    texts.add(f"{function.__qualname__} {read.name} {write(value)}")
    if problems:
        raise Refused(*dict.fromkeys(sorted(problems, key=lambda problem: problem.place.line)))
    return sorted(texts)


def _is_own(file: str, value: Any) -> bool:
    """Whether a function or class is defined in a file."""
    if isinstance(value, FunctionType):
        return value.__code__.co_filename == file
    return isinstance(value, type) and getattr(sys.modules.get(value.__module__), "__file__", None) == file


def _functions(file: str, components: Sequence[Registered]) -> Iterator[Found]:
    """Yield the functions of components, and which of them are part of a kernel."""
    for _, component, _ in components:
        for role, value in vars(component).items():
            compiled = role in RETURNED and (role != "loss" or isinstance(component, Coupled))
            for part in (value, *held(value), *(_members(file, value) if isinstance(value, type) else ())):
                if isinstance(part, FunctionType):
                    yield part, compiled


def _members(file: str, cls: type) -> Iterator[Any]:
    """Yield what a class of the file holds: its functions, also those of properties, and its values."""
    if issubclass(cls, Enum):
        yield from cls
    for name, value in vars(cls).items():
        for part in list(held(value)) or [value]:
            generated = name.startswith("_") or name in getattr(cls, "_fields", ()) or issubclass(cls, Enum)
            if _is_own(file, part) if isinstance(part, FunctionType) else not (generated or isinstance(part, SLOTS)):
                yield part


def _values(file: str, read: Read, compiled: bool) -> Iterator[Any]:
    """Yield the functions and data that a read value is made of. Raises Unwritable."""
    waiting, seen = [read.value], list[Any]()
    while waiting:
        value = waiting.pop()
        if any(value is other for other in seen):
            continue
        seen.append(value)
        parts = list(held(value))
        if parts:
            waiting += parts
        elif isinstance(value, type) and _is_own(file, value):
            waiting += _members(file, value)
        elif named(value):
            _refuse_outside(file, read, value, compiled)
            yield value
        elif type(value).__module__.partition(".")[0] == "nonconv" and not isinstance(value, tuple):
            continue  # a registry, a type of an annotation
        else:
            write(value)
            yield value


def _refuse_outside(file: str, read: Read, value: Any, compiled: bool) -> None:
    """Raise Unwritable for a function, class or module that tells of the surroundings, or that is a neighbour's."""
    if _is_own(file, value):
        return
    owner = getattr(value, "__self__", None)
    if owner is not None and not isinstance(owner, ModuleType | type):
        raise Unwritable(f"is a method of an object of {type(owner).__name__}, which may change")
    module = value.__name__ if isinstance(value, ModuleType) else str(getattr(value, "__module__", None) or "")
    if isinstance(value, BuiltinFunctionType | type) and module == "builtins":
        if compiled and value is print:
            raise Unwritable("compiled code cannot use; nothing can be printed there")
        if value.__name__ in DYNAMIC:
            raise Unwritable("does not depend on its arguments alone; no result may depend on it")
        return
    root = module.partition(".")[0]
    # By its own name: what the file calls it does not matter.
    of_numpy = module.startswith(OUTSIDE) or f"{module}.{getattr(value, '__name__', '')}" in OF_NUMPY
    if root in SURROUNDINGS or of_numpy:
        raise Unwritable("tells of time, chance, files or this process; no result may depend on it")
    if root:
        try:
            refuse_neighbour(root)
        except RefusedImport as refused:
            raise Unwritable(f"is from {root}; the file {refused}") from None


def _changes(file: str, function: FunctionType) -> Iterator[Problem]:
    """Yield a problem for each line of a function that changes what functions read."""
    for code in codes(function.__code__):
        before = ""
        for step in dis.get_instructions(code):
            verb = CHANGES.get(step.opname, "")
            if step.opname == "STORE_DEREF" and step.argval in function.__code__.co_freevars:
                verb = "changes"
            if step.opname == "STORE_ATTR" and before:
                verb = f"changes {before}."
            if step.opname == "IMPORT_NAME":
                # What is read of it would not be seen.
                what = f"{function.__name__} imports {step.argval}; import it at the top of the file"
                yield Problem(what, place_of_line(file, line_of(step, code)))
            if verb:
                what = f"{function.__name__} {verb}{'' if verb.endswith('.') else ' '}{step.argval}"
                yield Problem(f"{what}; what functions read must not change", place_of_line(file, line_of(step, code)))
            before = str(step.argval) if step.opname == "LOAD_GLOBAL" else ""


def outside(code: CodeType, imported: set[str], values: Sequence[str]) -> str:
    """Return a digest of the values that a file's functions read, if it can see more than its own text; else nothing.

    imported: top-level names of the modules that it has imported. Versions of installed libraries are part of the digest.
    """
    every = list(codes(code))
    steps = (step for part in every for step in dis.get_instructions(part))
    imported = imported | {str(step.argval).partition(".")[0] for step in steps if step.opname == "IMPORT_NAME"}
    words, others = {name for part in every for name in part.co_names}, imported - OWN_TEXT
    if not (others or words & (DYNAMIC | {name.split(".")[1] for name in (*OF_NUMPY, *OUTSIDE)})):
        return ""
    known: Mapping[str, list[str]] = packages_distributions() if others - sys.stdlib_module_names else {}
    versions = [f"{name} {version(name)}" for root in sorted(others) for name in sorted(set(known.get(root, ())))]
    return hashlib.sha256("\0".join([*versions, *values]).encode()).hexdigest()[:16] if versions or values else ""
