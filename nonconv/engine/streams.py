"""Stores past the processor's caches, for what is written once and is larger than they are."""

from typing import Any

from llvmlite import ir
from numba import types

from nonconv.engine.tiles import LANES
from nonconv.engine.vectors import DOUBLE_BYTES, INT, SHORT, VECTOR, VECTORS, call_of, cgutils, intrinsic, load, offset


@intrinsic  # type: ignore[untyped-decorator]  # see vectors
def stream(typing: Any, size: Any, source: Any, at_source: Any, target: Any, at_target: Any) -> tuple[Any, Any]:
    """Emit a copy of so many rows of LANES doubles; rows of the target begin where a line of the cache does.

    size: how many rows, in a tuple. at_source, at_target: where the first row begins and how far apart rows are, in doubles.
    """
    return types.void(size, source, at_source, target, at_target), call_of("nonconv_stream", _stream)


def _stream(builder: Any, *numbers: Any) -> None:
    """Emit `stream`."""
    source, from_row, target, to_row, rows = numbers
    past_caches = builder.module.add_metadata([ir.Constant(SHORT, 1)])
    with cgutils.for_range_slice(builder, INT(0), rows, INT(1), INT) as (row, _):
        for first in range(0, LANES, VECTOR):
            here = INT(first * DOUBLE_BYTES)
            value = load(builder, builder.add(offset(builder, source, (row, from_row)), here))
            place = builder.add(offset(builder, target, (row, to_row)), here)
            stored = builder.store(value, builder.inttoptr(place, VECTORS.as_pointer()), align=VECTOR * DOUBLE_BYTES)
            stored.set_metadata("nontemporal", past_caches)
