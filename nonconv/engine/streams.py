"""Stores past the processor's caches, for what is written once and is larger than they are."""

from typing import Any

from llvmlite import ir
from numba import types

from nonconv.engine.vectors import DOUBLE_BYTES, INT, ONE, SHORT, VECTOR, VECTORS, call_of, cgutils, intrinsic, load, offset


@intrinsic  # type: ignore[untyped-decorator]  # see vectors
def stream(typing: Any, size: Any, source: Any, at_source: Any, target: Any, at_target: Any) -> tuple[Any, Any]:
    """Emit a copy of rows of doubles, whole vectors of them; rows of the target begin where a line of the cache does.

    size: how many rows, and how long they are. at_source, at_target: where the first row begins and how far apart rows are,
    in doubles.
    """
    return types.void(size, source, at_source, target, at_target), call_of("nonconv_stream", _stream)


def _stream(builder: Any, *numbers: Any) -> None:
    """Emit `stream`."""
    source, from_row, target, to_row, rows, columns = numbers
    past_caches = builder.module.add_metadata([ir.Constant(SHORT, 1)])
    with (
        cgutils.for_range_slice(builder, INT(0), rows, INT(1), INT) as (row, _),
        cgutils.for_range_slice(builder, INT(0), columns, INT(VECTOR), INT) as (column, _),
    ):
        value = load(builder, offset(builder, source, (row, from_row), (column, ONE)))
        place = builder.inttoptr(offset(builder, target, (row, to_row), (column, ONE)), VECTORS.as_pointer())
        builder.store(value, place, align=VECTOR * DOUBLE_BYTES).set_metadata("nontemporal", past_caches)
