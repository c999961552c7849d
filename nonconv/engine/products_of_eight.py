"""Products as machine code for eight paths at once: each lane of a vector belongs to a path.

Written for LLVM, since numba's loops over 8 lanes spend most of their time on entering and leaving.
"""

# A block of sums stays in registers while it grows, over eight examples of a batch at once: weights are loaded once for
# eight examples.

from typing import Any

from numba import types

from nonconv.engine.vectors import INT, ONE, VECTOR, add_up, blocks, call_of, cgutils, intrinsic, load, offset, store

ROWS, COLUMNS = (4, 4) if VECTOR == 8 else (4, 2)
"""How many rows and columns of sums are held at once: what there are registers for."""


@intrinsic  # type: ignore[untyped-decorator]  # see vectors
def product(
    typing: Any, size: Any, c: Any, at_c: Any, start: Any, at_start: Any, a: Any, at_a: Any, b: Any, at_b: Any
) -> tuple[Any, Any]:
    """Emit c[m, n] = start[m, n] + sum over k of a[m, k] b[k, n], on all lanes.

    size: rows, columns, terms, lanes. at_c, ...: of each array where its first element lies and how far apart its rows and
    columns are, in doubles.
    """
    return types.void(size, c, at_c, start, at_start, a, at_a, b, at_b), call_of("nonconv_product", _product)


def _product(builder: Any, *numbers: Any) -> None:
    """Emit `product`."""
    *places, rows, columns, terms, lanes = numbers
    with cgutils.for_range_slice(builder, INT(0), lanes, INT(VECTOR), INT) as (lane, _):
        here = [offset(builder, place, (lane, ONE)) if k % 3 == 0 else place for k, place in enumerate(places)]
        for row, high in blocks(builder, rows, ROWS):
            for column, wide in blocks(builder, columns, COLUMNS):
                _block(builder, here, (row, column), (high, wide), terms)


def _block(builder: Any, places: list[Any], at: tuple[Any, Any], size: tuple[int, int], terms: Any) -> None:
    """Emit the sums of one block. at: its first row and column. size: its rows and columns. terms: of each sum."""
    c, start, a, b = (tuple(places[k : k + 3]) for k in (0, 3, 6, 9))
    first_a = [offset(builder, a[0], (at[0], a[1]), (INT(m), a[1])) for m in range(size[0])]
    first_b = [offset(builder, b[0], (at[1], b[2]), (INT(n), b[2])) for n in range(size[1])]

    def term(k: Any) -> list[Any]:
        """Emit the products number k of all sums."""
        row = [load(builder, offset(builder, place, (k, b[1]))) for place in first_b]
        column = [load(builder, offset(builder, place, (k, a[2]))) for place in first_a]
        return [builder.fmul(factor, other) for factor in column for other in row]

    starts = [load(builder, place) for place in _elements(builder, start, at, size)]
    sums = add_up(builder, starts, terms, term)
    for place, value in zip(_elements(builder, c, at, size), sums, strict=True):
        store(builder, value, place)


def _elements(builder: Any, place: tuple[Any, Any, Any], at: tuple[Any, Any], size: tuple[int, int]) -> list[Any]:
    """Emit the addresses of the elements of a block, row after row."""
    base = offset(builder, place[0], (at[0], place[1]), (at[1], place[2]))
    return [offset(builder, base, (INT(m), place[1]), (INT(n), place[2])) for m in range(size[0]) for n in range(size[1])]
