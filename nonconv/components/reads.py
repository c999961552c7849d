"""What functions read besides their arguments: values in their modules, defaults and closures; and these values as text.

A kernel holds such values as constants, and a plug-in's functions compute with them. So both are named by them, and a value
that cannot be written down, or can change later, has no place there (`Unwritable`).
"""

import builtins
import dis
import types
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import partial, singledispatch
from re import Pattern
from types import CodeType, FunctionType, MappingProxyType, ModuleType
from typing import Any, NamedTuple

import numpy as np

GLOBAL_READS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}
ATTRIBUTE_READS = {"LOAD_ATTR", "LOAD_METHOD"}
"""Names of instructions that read a name of the module, and an attribute."""
CHANGEABLE = {list: "a tuple", dict: "types.MappingProxyType({...})", set: "a frozenset", bytearray: "bytes"}
"""Types whose values can change while they are read, and what to write instead."""
PLAIN = (str, bytes, int, type(None), type(...), range, slice, Fraction, Decimal, Pattern, np.dtype)
WRITTEN_AS_THEY_ARE = (*PLAIN, types.GenericAlias, types.UnionType)
"""Types of values whose `repr` says all of them."""

NAMED = (
    *(FunctionType, types.BuiltinFunctionType, types.MethodType, types.MethodDescriptorType, types.WrapperDescriptorType),
    *(type, ModuleType, np.ufunc),
)
"""Types of functions, classes and modules."""


class Unwritable(Exception):
    """A value cannot be written down, or can change; its text says why, after the name of the value."""


class Read(NamedTuple):
    """A value that a function reads: its name there (of a module's attribute with dots), line and value."""

    name: str
    line: int
    value: Any


def reads(function: FunctionType) -> Iterator[Read]:
    """Yield what a function reads besides its arguments; a name that does not exist, here or yet, is left out."""
    first = function.__code__.co_firstlineno
    for code in codes(function.__code__):
        yield from _global_reads(function, code)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield Read(name, first, cell.cell_contents)
        except ValueError:  # empty: the name gets its value later
            continue
    arguments = function.__code__.co_varnames[: function.__code__.co_argcount]
    defaults = function.__defaults__ or ()
    yield from (Read(name, first, value) for name, value in zip(arguments[::-1], defaults[::-1], strict=False))
    yield from (Read(name, first, value) for name, value in (function.__kwdefaults__ or {}).items())
    yield from (Read(f"{function.__name__}.{name}", first, value) for name, value in vars(function).items())


def codes(code: CodeType) -> Iterator[CodeType]:
    """Yield the code of a function and of all functions and classes within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes(constant)


def _global_reads(function: FunctionType, code: CodeType) -> Iterator[Read]:
    """Yield what a code reads of the function's module and of Python itself, attributes of modules resolved."""
    steps = list(dis.get_instructions(code))
    for k, step in enumerate(steps):
        if step.opname not in GLOBAL_READS:
            continue
        name, missing = str(step.argval), object()
        value = function.__globals__.get(name, vars(builtins).get(name, missing))
        for following in steps[k + 1 :]:
            if not (isinstance(value, ModuleType) and following.opname in ATTRIBUTE_READS):
                break
            name, value = f"{name}.{following.argval}", getattr(value, following.argval, missing)
        if value is not missing:
            yield Read(name, line_of(step, code), value)


def line_of(step: dis.Instruction, code: CodeType) -> int:
    """Return the line of an instruction, or the first of its code."""
    return (step.positions and step.positions.lineno) or code.co_firstlineno


@singledispatch
def write(value: Any) -> str:
    """Write a value as text: equal texts are equal values. Raises Unwritable."""
    kind = type(value)
    if kind.__module__ == "typing":
        return repr(value)
    if is_dataclass(kind) and kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]  # every dataclass has them
        return f"{kind.__qualname__}({', '.join(write(getattr(value, field.name)) for field in fields(kind))})"
    for changeable, instead in CHANGEABLE.items():
        if isinstance(value, changeable):
            raise Unwritable(f"is a {changeable.__name__}, which can change; write {instead}")
    raise Unwritable(f"is an object of {kind.__name__}, which may change; write numbers, text, tuples or arrays")


for _type in WRITTEN_AS_THEY_ARE:
    write.register(_type, repr)


@write.register
def _(value: float) -> str:
    return float(value).hex()


@write.register
def _(value: complex) -> str:
    return f"{value.real.hex()} {value.imag.hex()}j"


@write.register
def _(value: Enum) -> str:
    return f"{type(value).__qualname__}.{value.name}={write(value.value)}"


@write.register
def _(value: tuple) -> str:  # type: ignore[type-arg]  # a dispatch needs the bare class
    return f"{type(value).__qualname__}({', '.join(map(write, value))})"


@write.register
def _(value: frozenset) -> str:  # type: ignore[type-arg]  # as above
    return f"frozenset({', '.join(sorted(map(write, value)))})"


@write.register
def _(value: MappingProxyType) -> str:  # type: ignore[type-arg]  # as above
    return f"mapping({', '.join(sorted(f'{write(key)}: {write(held)}' for key, held in value.items()))})"


@write.register(np.generic)
@write.register(np.ndarray)
def _(value: Any) -> str:
    if type(value) is not np.ndarray and isinstance(value, np.ndarray):
        raise Unwritable(f"is an object of {type(value).__name__}, which may change; write an array of numbers")
    if value.dtype.hasobject:
        raise Unwritable("is an array of objects, which may change; write an array of numbers")
    return f"{value.dtype.str}{value.shape}{value.tobytes().hex()}"


def freeze(value: Any) -> None:
    """Make arrays read-only, wherever `write` finds them: what is read from them is then what was written down."""
    parts: Iterable[Any] = ()
    if isinstance(value, tuple):
        parts = value
    elif isinstance(value, MappingProxyType):
        parts = value.values()
    elif isinstance(value, Enum):
        parts = (value.value,)
    elif is_dataclass(value) and not isinstance(value, type):
        parts = [getattr(value, field.name) for field in fields(value)]
    for part in parts:
        freeze(part)
    while isinstance(value, np.ndarray):
        value.setflags(write=False)
        value = value.base


def held(value: Any) -> Iterator[Any]:
    """Yield the functions, classes and further values that a wrapper is made of; of anything else nothing."""
    if isinstance(value, partial):
        yield from (value.func, *value.args, *value.keywords.values())
    elif isinstance(value, staticmethod | classmethod):
        yield value.__func__
    elif isinstance(value, property):
        yield from filter(None, (value.fget, value.fset))
    elif isinstance(value, np.vectorize):
        yield value.pyfunc
    elif isinstance(getattr(value, "py_func", None), FunctionType):  # made by numba.njit
        yield value.py_func
    elif hasattr(value, "cache_parameters") and isinstance(getattr(value, "__wrapped__", None), FunctionType):  # lru_cache
        yield value.__wrapped__


def named(value: Any) -> bool:
    """Whether a value is a function, class or module: something that has a name, and not data."""
    # The last two are how NumPy dispatches functions, and how it compiles some.
    return isinstance(value, NAMED) or hasattr(value, "_implementation") or type(value).__name__ == "cython_function_or_method"


def written_values(function: FunctionType) -> Iterator[str]:
    """Yield the data that a function reads, each with its name, as text; what cannot be written down is left out.

    For a kernel: what its compiler takes as a constant can be written down.
    """
    for read in reads(function):
        if not named(read.value):
            try:
                yield f"{read.name}={write(read.value)}"
            except Unwritable:
                continue
