"""The products of `objectives.dense` as machine code: sums held in vector registers, a block of them at a time.

Written for LLVM, since numba's loops over 8 lanes spend most of their time on entering and leaving. Each sum is made in
the order of its definition, by a multiplication and an addition (never fused): the bits are those of NumPy.
"""

# A block of sums stays in registers while it grows, over eight examples of a batch at once: weights are loaded once for
# eight examples.

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils as _cgutils
from numba.extending import intrinsic as _intrinsic
from numba.np.arrayobj import make_array as _make_array

from nonconv.engine.compiler import HOST_FEATURES, ONLY_FROM_KERNELS, njit
from nonconv.engine.coupled import LANES
from nonconv.engine.kernel_files import KERNEL_HELPERS
from nonconv.objectives import dense

VECTOR, ROWS, COLUMNS = (8, 4, 4) if "+avx512f" in HOST_FEATURES else (4, 4, 2)
"""Doubles of a vector, and how many rows and columns of sums are held at once: what there are registers for."""

intrinsic: Any = _intrinsic
cgutils: Any = _cgutils
make_array: Any = _make_array
"""Typed as Any: numba declares no types for them, or too narrow ones."""
INT, VECTORS = ir.IntType(64), ir.VectorType(ir.DoubleType(), VECTOR)
DOUBLE_BYTES = 8
PRODUCT_FUNCTION = "nonconv_product"
ZERO, ONE = np.zeros((1, LANES)), np.ones((1, LANES))


@njit(**ONLY_FROM_KERNELS)  # type: ignore[untyped-decorator]  # see compiler.njit
def affine(theta: Any, at: Any, x: Any, z: Any, n: Any) -> None:
    """Write a layer's inputs to its activation, as objectives.dense.affine, bit for bit."""
    lanes, inputs, outputs = theta.shape[1], len(x), len(z)
    bias = (at + outputs * inputs) * lanes
    product(
        (outputs, n // lanes, inputs, lanes),
        z, (0, z.shape[1], lanes), theta, (bias, lanes, 0),
        theta, (at * lanes, inputs * lanes, lanes), x, (0, x.shape[1], lanes),
    )  # fmt: skip


@njit(**ONLY_FROM_KERNELS)  # type: ignore[untyped-decorator]  # see compiler.njit
def add_outer(gradient: Any, at: Any, delta: Any, x: Any, n: Any) -> None:
    """Add to a layer's gradient, as objectives.dense.add_outer, bit for bit."""
    lanes, inputs, outputs = gradient.shape[1], len(x), len(delta)
    weights, biases = (at * lanes, inputs * lanes, lanes), ((at + outputs * inputs) * lanes, lanes, 0)
    deltas = (0, delta.shape[1], lanes)
    product(
        (outputs, inputs, n // lanes, lanes), gradient, weights, gradient, weights, delta, deltas, x, (0, lanes, x.shape[1])
    )
    # The biases' gradient is a product with a column of ones: multiplying by 1 is exact.
    product((outputs, 1, n // lanes, lanes), gradient, biases, gradient, biases, delta, deltas, ONE, (0, 0, 0))


@njit(**ONLY_FROM_KERNELS)  # type: ignore[untyped-decorator]  # see compiler.njit
def linear(theta: Any, at: Any, x: Any, z: Any, n: Any) -> None:
    """Write a layer's inputs to its activation, as objectives.dense.linear, bit for bit."""
    lanes, inputs, outputs = theta.shape[1], len(x), len(z)
    product(
        (outputs, n // lanes, inputs, lanes),
        z, (0, z.shape[1], lanes), ZERO, (0, 0, 0),
        theta, (at * lanes, inputs * lanes, lanes), x, (0, x.shape[1], lanes),
    )  # fmt: skip


@njit(**ONLY_FROM_KERNELS)  # type: ignore[untyped-decorator]  # see compiler.njit
def add_weights(gradient: Any, at: Any, delta: Any, x: Any, n: Any) -> None:
    """Add to a layer's gradient, as objectives.dense.add_weights, bit for bit."""
    lanes, inputs, outputs = gradient.shape[1], len(x), len(delta)
    weights = (at * lanes, inputs * lanes, lanes)
    product(
        (outputs, inputs, n // lanes, lanes),
        gradient, weights, gradient, weights,
        delta, (0, delta.shape[1], lanes), x, (0, lanes, x.shape[1]),
    )  # fmt: skip


@njit(**ONLY_FROM_KERNELS)  # type: ignore[untyped-decorator]  # see compiler.njit
def pull_back(theta: Any, at: Any, delta: Any, back: Any, n: Any) -> None:
    """Write the derivative by a layer's inputs, as objectives.dense.pull_back, bit for bit."""
    lanes, inputs, outputs = theta.shape[1], len(back), len(delta)
    product(
        (inputs, n // lanes, outputs, lanes),
        back, (0, back.shape[1], lanes), ZERO, (0, 0, 0),
        theta, (at * lanes, lanes, inputs * lanes), delta, (0, delta.shape[1], lanes),
    )  # fmt: skip


KERNEL_HELPERS.update(
    {
        dense.affine: affine,
        dense.add_outer: add_outer,
        dense.linear: linear,
        dense.add_weights: add_weights,
        dense.pull_back: pull_back,
    }
)


@intrinsic  # type: ignore[untyped-decorator]  # see above
def product(
    typing: Any, size: Any, c: Any, at_c: Any, start: Any, at_start: Any, a: Any, at_a: Any, b: Any, at_b: Any
) -> tuple[Any, Any]:
    """Emit c[m, n] = start[m, n] + sum over k of a[m, k] b[k, n], on all lanes.

    size: rows, columns, terms, lanes. at_c, ...: of each array where its first element lies and how far apart its rows and
    columns are, in doubles.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        """Emit a call of the product's function with addresses and strides in bytes."""
        sizes, *rest = arguments
        numbers = []
        for kind, array, places in zip(signature.args[1::2], rest[::2], rest[1::2], strict=True):
            data = builder.ptrtoint(make_array(kind)(context, builder, array).data, INT)
            first, *strides = (builder.mul(place, INT(DOUBLE_BYTES)) for place in cgutils.unpack_tuple(builder, places))
            numbers += [builder.add(data, first), *strides]
        builder.call(_function(builder.module), [*numbers, *cgutils.unpack_tuple(builder, sizes)])
        return context.get_dummy_value()

    return types.void(size, c, at_c, start, at_start, a, at_a, b, at_b), generate


def _function(module: Any) -> Any:
    """Return the product as a function in a module of LLVM; it is emitted once per module, and compiled once."""
    if PRODUCT_FUNCTION in module.globals:
        return module.globals[PRODUCT_FUNCTION]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [INT] * 16), PRODUCT_FUNCTION)
    function.linkage = "internal"
    # Inlined, it would be compiled once per call.
    function.attributes.add("noinline")
    *places, rows, columns, terms, lanes = function.args
    builder = ir.IRBuilder(function.append_basic_block())
    with cgutils.for_range_slice(builder, INT(0), lanes, INT(VECTOR), INT) as (lane, _):
        shift = builder.mul(lane, INT(DOUBLE_BYTES))
        here = [builder.add(place, shift) if k % 3 == 0 else place for k, place in enumerate(places)]
        for row, high in _blocks(builder, rows, ROWS):
            for column, wide in _blocks(builder, columns, COLUMNS):
                _block(builder, here, (row, column), (high, wide), terms)
    builder.ret_void()
    return function


def _blocks(builder: Any, number: Any, size: int) -> Any:
    """Yield blocks of this size, then the remainder one by one: where each starts and how large it is."""
    whole = builder.sub(number, builder.urem(number, INT(size)))
    for first, last, step in ((INT(0), whole, size), (whole, number, 1)):
        with cgutils.for_range_slice(builder, first, last, INT(step), INT) as (at, _):
            yield at, step


def _block(builder: Any, places: list[Any], at: tuple[Any, Any], size: tuple[int, int], terms: Any) -> None:
    """Emit the sums of one block, which stay in registers while they grow.

    at: its first row and column. size: its rows and columns. terms: how many products each sum has, at least one.
    """
    c, start, a, b = (tuple(places[k : k + 3]) for k in (0, 3, 6, 9))
    of_c = _pointers(builder, c, at, size)
    sums = [builder.load(pointer, align=DOUBLE_BYTES) for pointer in _pointers(builder, start, at, size)]
    first_a = [_offset(builder, a[0], (at[0], a[1]), (INT(m), a[1])) for m in range(size[0])]
    first_b = [_offset(builder, b[0], (at[1], b[2]), (INT(n), b[2])) for n in range(size[1])]
    before, body, after = builder.block, builder.append_basic_block(), builder.append_basic_block()
    builder.branch(body)
    builder.position_at_end(body)
    k = builder.phi(INT)
    # A phi per sum carries it from one term to the next without a store.
    running = [builder.phi(VECTORS) for _ in sums]
    column = [_load(builder, _offset(builder, place, (k, b[1]))) for place in first_b]
    grown = []
    for m, place in enumerate(first_a):
        factor = _load(builder, _offset(builder, place, (k, a[2])))
        # A multiplication and an addition, never fused: NumPy rounds twice.
        grown += [builder.fadd(running[m * size[1] + n], builder.fmul(factor, column[n])) for n in range(size[1])]
    following = builder.add(k, INT(1))
    for phi, first, then in zip([k, *running], [INT(0), *sums], [following, *grown], strict=True):
        phi.add_incoming(first, before)
        phi.add_incoming(then, body)
    builder.cbranch(builder.icmp_signed("<", following, terms), body, after)
    builder.position_at_end(after)
    for pointer, value in zip(of_c, grown, strict=True):
        builder.store(value, pointer, align=DOUBLE_BYTES)


def _pointers(builder: Any, place: tuple[Any, Any, Any], at: tuple[Any, Any], size: tuple[int, int]) -> list[Any]:
    """Return pointers to the elements of a block, row after row."""
    base = _offset(builder, place[0], (at[0], place[1]), (at[1], place[2]))
    every = ((m, n) for m in range(size[0]) for n in range(size[1]))
    return [_pointer(builder, _offset(builder, base, (INT(m), place[1]), (INT(n), place[2]))) for m, n in every]


def _offset(builder: Any, base: Any, *steps: tuple[Any, Any]) -> Any:
    """Emit base + sum of number * stride, an address in bytes."""
    for number, stride in steps:
        base = builder.add(base, builder.mul(number, stride))
    return base


def _pointer(builder: Any, address: Any) -> Any:
    """Emit an address as a pointer to a vector."""
    return builder.inttoptr(address, VECTORS.as_pointer())


def _load(builder: Any, address: Any) -> Any:
    """Emit the load of a vector; aligned to a double only, since a row may begin anywhere."""
    return builder.load(_pointer(builder, address), align=DOUBLE_BYTES)
