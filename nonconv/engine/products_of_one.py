"""Products as machine code for one path: each lane of a vector belongs to an example, or to a column of weights.

Where what eight paths need does not fit into the cache, that of one does, and a weight that is loaded serves all examples.
"""

from collections.abc import Iterator
from typing import Any

from llvmlite import ir
from numba import types

from nonconv.engine.tiles import EXAMPLES_OF_ONE
from nonconv.engine.vectors import (
    DOUBLE_BYTES,
    INT,
    ONE,
    VECTOR,
    VECTORS,
    add_up,
    blocks,
    call_of,
    cgutils,
    double_at,
    everywhere,
    intrinsic,
    load,
    load_everywhere,
    offset,
    store,
)

HIGH, WIDE = 8, 2
"""Rows and vectors of the sums that are held at once: what there are registers for."""
LOW, WIDER = 4, 4
"""The same of sums over examples, which are short: rows of what they are added to are read and written in longer pieces."""
PANEL = 64
"""Columns that are turned at once."""
PANEL_ROW = INT(PANEL * DOUBLE_BYTES)


@intrinsic  # type: ignore[untyped-decorator]  # see vectors
def spread(
    typing: Any, size: Any, c: Any, at_c: Any, start: Any, at_start: Any, a: Any, at_a: Any, b: Any, at_b: Any
) -> tuple[Any, Any]:
    """Emit c[m, n] = start[m] + sum over k of a[m, k] b[k, n].

    size: rows, columns, terms. at_c, ...: of each array where its first element lies and how far apart its rows are, in
    doubles; of a also how far apart its columns are. Columns of b and c lie side by side.
    """
    return types.void(size, c, at_c, start, at_start, a, at_a, b, at_b), call_of("nonconv_spread", _spread)


@intrinsic  # type: ignore[untyped-decorator]  # see vectors
def outer(typing: Any, size: Any, c: Any, at_c: Any, a: Any, at_a: Any, b: Any, at_b: Any) -> tuple[Any, Any]:
    """Emit c[m, n] += sum over k of a[m, k] b[n, k], k at most EXAMPLES_OF_ONE; columns of a, b and c lie side by side."""
    return types.void(size, c, at_c, a, at_a, b, at_b), call_of("nonconv_outer", _outer)


def _spread(builder: Any, *numbers: Any) -> None:
    """Emit `spread`."""
    c, c_row, start, start_row, a, a_row, a_term, b, b_row, rows, columns, terms = numbers
    for row, high in blocks(builder, rows, HIGH):
        starts = [load_everywhere(builder, offset(builder, start, (row, start_row), (INT(m), start_row))) for m in range(high)]
        first_a = [offset(builder, a, (row, a_row), (INT(m), a_row)) for m in range(high)]
        for column, wide, mask in _columns(builder, columns, WIDE):
            first_c = [offset(builder, c, (row, c_row), (INT(m), c_row), (column, ONE)) for m in range(high)]
            sums = [one for one in starts for _ in range(wide)]
            from_b = offset(builder, b, (column, ONE)), b_row
            _grow(builder, sums, first_c, (first_a, a_term), from_b, terms, wide, mask)


def _outer(builder: Any, *numbers: Any) -> None:
    """Emit `outer`. Before its columns are used, b is turned: examples by columns."""
    c, c_row, a, a_row, b, b_row, rows, columns, terms = numbers
    turned = builder.ptrtoint(builder.alloca(VECTORS, EXAMPLES_OF_ONE * PANEL // VECTOR), INT)
    with cgutils.for_range_slice(builder, INT(0), columns, INT(PANEL), INT) as (first, _):
        left = builder.sub(columns, first)
        here = builder.select(builder.icmp_signed("<", left, INT(PANEL)), left, INT(PANEL))
        _turn(builder, (offset(builder, b, (first, b_row)), b_row), here, terms, turned)
        for row, high in blocks(builder, rows, LOW):
            first_a = [offset(builder, a, (row, a_row), (INT(m), a_row)) for m in range(high)]
            for column, wide, mask in _columns(builder, here, WIDER):
                at = (first, ONE), (column, ONE)
                first_c = [offset(builder, c, (row, c_row), (INT(m), c_row), *at) for m in range(high)]
                sums = [load(builder, _next(builder, place, w), mask) for place in first_c for w in range(wide)]
                from_b = offset(builder, turned, (column, ONE)), PANEL_ROW
                _grow(builder, sums, first_c, (first_a, ONE), from_b, terms, wide, mask)


def _turn(builder: Any, b: Any, columns: Any, terms: Any, turned: Any) -> None:
    """Emit a copy of b[n, k] to turned[k, n], whose rows have PANEL columns. b: its address and how far apart its rows are."""
    place, b_row = b
    with cgutils.for_range_slice(builder, INT(0), columns, INT(1), INT) as (n, _):
        of_b, of_turned = offset(builder, place, (n, b_row)), offset(builder, turned, (n, ONE))
        with cgutils.for_range_slice(builder, INT(0), terms, INT(1), INT) as (k, _):
            value = builder.load(double_at(builder, offset(builder, of_b, (k, ONE))))
            builder.store(value, double_at(builder, offset(builder, of_turned, (k, PANEL_ROW))))


def _columns(builder: Any, columns: Any, most: int) -> Iterator[tuple[Any, int, Any]]:
    """Yield blocks of columns: where each starts, how many vectors it has, and for the last one which lanes it has."""
    done = INT(0)
    for wide in (most, 1):
        size = INT(wide * VECTOR)
        end = builder.sub(columns, builder.urem(columns, size))
        with cgutils.for_range_slice(builder, done, end, size, INT) as (at, _):
            yield at, wide, None
        done = end
    with builder.if_then(builder.icmp_signed("<", done, columns)):
        lanes = ir.Constant(ir.VectorType(INT, VECTOR), list(range(VECTOR)))
        yield done, 1, builder.icmp_signed("<", lanes, everywhere(builder, builder.sub(columns, done)))


def _grow(builder: Any, sums: Any, c: Any, a: Any, b: Any, terms: Any, wide: int, mask: Any) -> None:
    """Emit the sums of one block and store them. c: addresses of its rows. a, b: addresses, and from one term to the next."""
    (first_a, a_term), (first_b, b_term) = a, b

    def term(k: Any) -> list[Any]:
        """Emit the products number k of all sums."""
        here = offset(builder, first_b, (k, b_term))
        row = [load(builder, _next(builder, here, w), mask) for w in range(wide)]
        column = [load_everywhere(builder, offset(builder, place, (k, a_term))) for place in first_a]
        return [builder.fmul(factor, other) for factor in column for other in row]

    places = [_next(builder, place, w) for place in c for w in range(wide)]
    for place, value in zip(places, add_up(builder, sums, terms, term), strict=True):
        store(builder, value, place, mask)


def _next(builder: Any, place: Any, vectors: int) -> Any:
    """Emit the address so many vectors after a place."""
    return builder.add(place, INT(vectors * VECTOR * DOUBLE_BYTES))
