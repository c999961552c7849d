"""How results are written: JSON, YAML and NPZ, each quick for thousands of small files.

A sweep writes eight files or more per cell. Beside 10 ms of kernel, the Python of a short cell takes about 6, half of
it for files. So JSON is indented by hand, equal YAML entries are written once, and a tally's fifty arrays are joined to
two. The bytes of a file depend on its content alone.
"""

import io
import json
import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from nonconv.store.zip_files import ARRAYS, ZipWriter
from nonconv.system.streams import INVISIBLE, visible

DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""libyaml's writer where it is installed: four times as fast, and the same text."""
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def _make_encode() -> Callable[[Any], str]:
    """Return `_ENCODER.encode`, without what that makes anew for every value: half of the time of a small one."""
    make = getattr(json.encoder, "c_make_encoder", None)  # written in C, and not everywhere
    if make is None:
        return _ENCODER.encode
    # No markers: nothing that is written here holds itself.
    text: Any = getattr(json.encoder, "encode_basestring", None)
    write = make(None, _ENCODER.default, text, None, ": ", ", ", False, False, False)
    return lambda value: "".join(write(value, 0))


ENCODE = _make_encode()


def as_json(content: Any) -> bytes:
    """Write JSON for people: a line per entry, and per entry of an entry that holds others.

    Raises ValueError for nan and inf, which JSON does not have.
    """
    text = _json_lines(content, "", 2) + "\n"
    return (text if text.isascii() else visible(text)).encode()  # only texts have such characters, where they may be escaped


def _json_lines(value: Any, margin: str, depth: int) -> str:
    """Write a value, `depth` levels of it over several lines.

    The library's own indentation is written in Python and ten times as slow as its encoder in C, which is used here line by
    line.
    """
    held = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if not depth or not (any(isinstance(one, dict | list) for one in held) or (depth == 2 and held)):
        return ENCODE(value)
    inner = f"{margin}  "
    lines = [_json_lines(one, inner, depth - 1) for one in held]
    if isinstance(value, dict):
        lines = [f"{ENCODE(str(name))}: {line}" for name, line in zip(value, lines, strict=True)]
    opened, closed = "{}" if isinstance(value, dict) else "[]"
    return f"{opened}\n{inner}" + f",\n{inner}".join(lines) + f"\n{margin}{closed}"


def as_yaml(content: dict[str, Any]) -> bytes:
    """Write YAML in the order given, short mappings on one line, as people write configs."""
    return "".join(_yaml_entry(name, ByRepr(value)) for name, value in content.items()).encode()


class ByRepr:
    """A value that is compared by its repr, so that a cache can hold lists and mappings."""

    def __init__(self, value: Any) -> None:
        self.value, self.looks = value, repr(value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByRepr) and self.looks == other.looks

    def __hash__(self) -> int:
        return hash(self.looks)


@lru_cache(maxsize=256)
def _yaml_entry(name: str, same: ByRepr) -> str:
    """Write an entry of a config. Cached: most entries are the same in all cells of a sweep."""
    # None lets PyYAML write innermost mappings on one line; a single value has no such form.
    flow = None if isinstance(same.value, dict | list) else False
    options: dict[str, Any] = {"Dumper": DUMPER, "sort_keys": False, "default_flow_style": flow, "width": 100}
    text: str = yaml.dump({name: same.value}, allow_unicode=True, **options)
    if INVISIBLE.search(text):
        text = yaml.dump({name: same.value}, allow_unicode=False, **options)  # quotes such texts, and escapes them there
    return text


def as_npz(arrays: Mapping[str, Any]) -> bytes:
    """Write named arrays as an uncompressed NPZ file; the same bytes whenever it is made."""
    parts: list[bytes] = []
    archive = ZipWriter(parts.append, ARRAYS)
    try:
        for name, value in arrays.items():
            archive.add(f"{name}.npy", *_npy(np.asanyarray(value)))
    except ValueError:  # more than such an archive holds
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        return buffer.getvalue()
    archive.close()
    return b"".join(parts)


def _npy(array: NDArray[Any]) -> tuple[bytes, ...]:
    """Return the content of an NPY file in parts, as `numpy.save` writes it."""
    if array.flags.c_contiguous and not array.dtype.hasobject:
        return _npy_header(array.dtype, array.shape), array.tobytes()
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return (buffer.getvalue(),)


@lru_cache(maxsize=256)
def _npy_header(kind: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """Return how a file of an array begins. Cached: those of all cells of a sweep are alike."""
    buffer = io.BytesIO()
    about = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, about)
    return buffer.getvalue()


def packed(arrays: Mapping[str, Any]) -> bytes:
    """Write many small arrays as a file of a few large ones, which is ten times as fast.

    Arrays of one type are joined end to end; `layout` holds names, types and shapes in order.
    """
    by_kind: dict[str, list[NDArray[Any]]] = {}
    for array in arrays.values():
        by_kind.setdefault(_type_name(array), []).append(array.ravel())
    layout = [(name, _type_name(array), array.shape) for name, array in arrays.items()]
    joined = {kind: np.concatenate(parts) for kind, parts in by_kind.items()}
    return as_npz({"layout": np.array(ENCODE(layout)), **joined})


def _type_name(array: NDArray[Any]) -> str:
    """Name the type of an array, as f8."""
    return f"{array.dtype.kind}{array.dtype.itemsize}"


def unpacked(content: bytes) -> dict[str, NDArray[Any]] | None:
    """Read a file of `packed`; None for a file that it did not write."""
    try:
        with np.load(io.BytesIO(content)) as file:
            joined, at, found = dict(file), dict.fromkeys(file, 0), {}
        for name, kind, shape in json.loads(str(joined["layout"])):
            first, at[kind] = at[kind], at[kind] + math.prod(shape)
            found[name] = joined[kind][first : at[kind]].reshape(shape)
    except Exception:  # whatever NumPy, zipfile and zlib raise on damaged content
        return None
    return found
