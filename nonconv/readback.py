"""What is read back from disk: JSON that is checked before anything is made of it.

A file in an output folder may be empty, cut off, another's, or edited by hand. So its content is compared with a type that
says what readers rely on, a TypedDict, and whatever does not fit is named: which file, which key, what is there instead.
"""

import json
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints, is_typeddict

from nonconv.faults.errors import UsageError
from nonconv.system.reading import read_file

T = TypeVar("T")
NAMES = {dict: "a mapping", list: "a list", str: "a text", bool: "true or false", int: "a whole number", float: "a number"}
"""How the types of JSON are called."""
DEEPEST = 60
"""Levels of a document; what nonconv writes has fewer than ten."""
MOST_BYTES = 10**9
"""Size of a file; what nonconv writes is a thousandth of it."""
MOST_DIGITS = 300
"""Digits of a whole number, since a double holds none with more."""


class Misfit(ValueError):
    """Raised where a document does not have its type; says where and why."""


def parse(content: bytes) -> Any:
    """Read a JSON document. Raises Misfit for what is none: bad UTF-8, NaN, numbers beyond doubles, deep nesting."""
    try:
        found = json.loads(content.decode("utf-8"), parse_int=_whole, parse_float=_finite, parse_constant=_refuse)
    except UnicodeDecodeError:
        raise Misfit("is not UTF-8 text") from None
    except RecursionError:
        raise Misfit("is nested too deeply") from None
    except json.JSONDecodeError as error:
        what = "is empty" if not content.strip() else f"is not JSON (line {error.lineno}, column {error.colno})"
        raise Misfit(what) from None
    if _depth(found) > DEEPEST:
        raise Misfit("is nested too deeply")
    return found


def _whole(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise Misfit(f"has a number of {len(text)} digits")
    return int(text)


def _finite(text: str) -> float:
    if not math.isfinite(float(text)):
        raise Misfit(f"has {text[:40]}, which is beyond all numbers")
    return float(text)


def _refuse(text: str) -> float:
    raise Misfit(f"has {text}, which is not JSON")


def _depth(value: Any) -> int:
    """Count the levels of a document, without recursion."""
    level, depth = [value], 0
    while level:
        depth += 1
        holders = (one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list))
        level = [inner for held in holders for inner in held]
    return depth


def fitted(value: Any, kind: type[T]) -> T:
    """Return a value that has the type; raise Misfit with the key where it does not.

    kind: a TypedDict, or what it may hold: int, float (whole numbers too), str, bool, None, Any, unions, Literal, list, dict.
    Keys that a TypedDict does not have may be there too: a later version may add some.
    """
    _check(value, kind, "")
    return cast(T, value)


def _check(value: Any, kind: Any, at: str) -> None:
    """Raise Misfit unless a value has a type. at: its key, dotted."""
    origin = get_origin(kind)
    if kind is Any:
        return
    if origin in (Union, UnionType):
        _check_union(value, get_args(kind), at)
    elif origin is Literal:
        if not any(value == option and type(value) is type(option) for option in get_args(kind)):
            raise Misfit(f"{_at(at)}must be {' or '.join(map(str, get_args(kind)))}, not {_got(value)}")
    elif is_typeddict(kind):
        _check_keys(value, kind, at)
    elif origin is dict or kind is dict:
        _expect(value, dict, at)
        for key, one in value.items():
            _check(one, get_args(kind)[1] if origin else Any, f"{at}.{key}" if at else key)
    elif origin is list or kind is list:
        _expect(value, list, at)
        for k, one in enumerate(value):
            _check(one, get_args(kind)[0] if origin else Any, f"{at}[{k}]")
    else:
        _expect(value, kind, at)


def _check_union(value: Any, options: tuple[Any, ...], at: str) -> None:
    """Raise Misfit unless a value has one of several types: the misfit of the last, which is not None."""
    for option in options:
        if option is NoneType:
            if value is None:
                return
            continue
        try:
            _check(value, option, at)
        except Misfit as error:
            last = error
        else:
            return
    raise last


def _check_keys(value: Any, kind: Any, at: str) -> None:
    """Raise Misfit unless a value is a mapping with the keys of a TypedDict."""
    _expect(value, dict, at)
    missing = sorted(kind.__required_keys__ - value.keys())
    if missing:
        raise Misfit(f"{_at(at)}has no {missing[0]!r}")
    for key, one in _hints(kind).items():
        if key in value:
            _check(value[key], one, f"{at}.{key}" if at else key)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _expect(value: Any, kind: type, at: str) -> None:
    """Raise Misfit unless a value is of one of the types of JSON. True is no number."""
    fits = isinstance(value, kind) or (kind is float and isinstance(value, int))
    if not fits or (isinstance(value, bool) and kind is not bool):
        raise Misfit(f"{_at(at)}must be {NAMES[kind]}, not {_got(value)}")


def _at(key: str) -> str:
    return f"{key}: " if key else ""


def _got(value: Any) -> str:
    """Write what is there instead."""
    if isinstance(value, dict | list):
        return NAMES[type(value)]
    text = json.dumps(value)
    return text if len(text) < 40 else f"{text[:37]}..."


def load(path: Path, kind: type[T]) -> T:
    """Read a JSON file that has a type. Raises UsageError with file and reason."""
    return loaded(content_of(path), kind, path)


def loaded(content: bytes, kind: type[T], what: object) -> T:
    """Read JSON that has a type. what: the name of the file. Raises UsageError with file and reason."""
    try:
        return fitted(parse(content), kind)
    except Misfit as error:
        raise UsageError(f"{what} is damaged: {error}") from None


def is_readable(read: Callable[[Path], object], folder: Path) -> bool:
    """Whether a folder's reader accepts what is there: digests can be right, and the content wrong."""
    try:
        read(folder)
    except UsageError:
        return False
    return True


def content_of(path: Path) -> bytes:
    """Read a file of an output folder. Raises UsageError if it is missing, or no file."""
    try:
        return read_bytes(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None


def read_bytes(path: Path) -> bytes:
    """Read a file of an output folder. Raises OSError, also for what is no regular file, as a pipe."""
    return read_file(path, MOST_BYTES)


def read_object(path: Path) -> dict[str, Any] | None:
    """Read a JSON object; None if there is no such readable file."""
    try:
        found = parse(read_bytes(path))
    except (OSError, Misfit):
        return None
    return found if isinstance(found, dict) else None
