"""What products are emitted with: vectors of doubles at addresses, in the instructions of LLVM.

Addresses and the strides between them are whole numbers, in bytes.
"""

from collections.abc import Callable, Iterator
from typing import Any

from llvmlite import ir
from numba.core import cgutils as _cgutils
from numba.extending import intrinsic as _intrinsic
from numba.np.arrayobj import make_array as _make_array

from nonconv.engine.compiler import HOST_FEATURES

VECTOR = 8 if "+avx512f" in HOST_FEATURES else 4
"""Doubles of a vector."""
DOUBLE_BYTES = 8

intrinsic: Any = _intrinsic
cgutils: Any = _cgutils
make_array: Any = _make_array
"""Typed as Any: numba declares no types for them, or too narrow ones."""
INT, SHORT, DOUBLE = ir.IntType(64), ir.IntType(32), ir.DoubleType()
VECTORS, MASKS = ir.VectorType(DOUBLE, VECTOR), ir.VectorType(ir.IntType(1), VECTOR)
ONE = INT(DOUBLE_BYTES)
"""From one double to the next."""


def call_of(name: str, body: Callable[..., None]) -> Callable[..., Any]:
    """Return what numba needs to emit a call of the function that `body` emits: of arrays with places in them, and sizes.

    The arguments are sizes, then arrays, each followed by where its first element lies and how far apart others are, in
    doubles. The function takes addresses and strides first, then sizes.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        """Emit the call."""
        sizes, *rest = arguments
        numbers = []
        for kind, array, places in zip(signature.args[1::2], rest[::2], rest[1::2], strict=True):
            data = builder.ptrtoint(make_array(kind)(context, builder, array).data, INT)
            first, *strides = (builder.mul(place, ONE) for place in cgutils.unpack_tuple(builder, places))
            numbers += [builder.add(data, first), *strides]
        numbers += cgutils.unpack_tuple(builder, sizes)
        builder.call(_function(builder.module, name, body, len(numbers)), numbers)
        return context.get_dummy_value()

    return generate


def _function(module: Any, name: str, body: Callable[..., None], numbers: int) -> Any:
    """Return the function of this name in a module of LLVM; it is emitted once per module, and compiled once per kernel."""
    if name in module.globals:
        return module.globals[name]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [INT] * numbers), name)
    # Of the same function from several modules that are linked one is kept.
    function.linkage = "linkonce_odr"
    # Inlined, it would be compiled once per call.
    function.attributes.add("noinline")
    builder = ir.IRBuilder(function.append_basic_block())
    body(builder, *function.args)
    builder.ret_void()
    return function


def blocks(builder: Any, number: Any, size: int) -> Iterator[tuple[Any, int]]:
    """Yield blocks of this size, then the remainder one by one: where each starts and how large it is."""
    whole = builder.sub(number, builder.urem(number, INT(size)))
    for first, last, step in ((INT(0), whole, size), (whole, number, 1)):
        with cgutils.for_range_slice(builder, first, last, INT(step), INT) as (at, _):
            yield at, step


def add_up(builder: Any, sums: list[Any], terms: Any, term: Callable[[Any], list[Any]]) -> list[Any]:
    """Emit sums of `terms` vectors each, at least one, that stay in registers while they grow; return them.

    sums: what they start from. term: emits the vectors that are added with number k.
    """
    before, body, after = builder.block, builder.append_basic_block(), builder.append_basic_block()
    builder.branch(body)
    builder.position_at_end(body)
    k = builder.phi(INT)
    # A phi per sum carries it from one term to the next without a store.
    running = [builder.phi(VECTORS) for _ in sums]
    # A multiplication and an addition, never fused: NumPy rounds twice.
    grown = [builder.fadd(one, added) for one, added in zip(running, term(k), strict=True)]
    following = builder.add(k, INT(1))
    for phi, first, then in zip([k, *running], [INT(0), *sums], [following, *grown], strict=True):
        phi.add_incoming(first, before)
        phi.add_incoming(then, body)
    builder.cbranch(builder.icmp_signed("<", following, terms), body, after)
    builder.position_at_end(after)
    return grown


def offset(builder: Any, base: Any, *steps: tuple[Any, Any]) -> Any:
    """Emit base + sum of number * stride."""
    for number, stride in steps:
        base = builder.add(base, builder.mul(number, stride))
    return base


def double_at(builder: Any, place: Any) -> Any:
    """Emit an address as a pointer to a double."""
    return builder.inttoptr(place, DOUBLE.as_pointer())


def load(builder: Any, place: Any, mask: Any = None) -> Any:
    """Emit the load of a vector, which may begin at any double; 0 on lanes outside the mask."""
    pointer = builder.inttoptr(place, VECTORS.as_pointer())
    if mask is None:
        return builder.load(pointer, align=DOUBLE_BYTES)
    kind, zero = ir.FunctionType(VECTORS, [pointer.type, SHORT, MASKS, VECTORS]), ir.Constant(VECTORS, [0.0] * VECTOR)
    return builder.call(_llvm(builder, "masked.load", kind), [pointer, SHORT(DOUBLE_BYTES), mask, zero])


def store(builder: Any, value: Any, place: Any, mask: Any = None) -> None:
    """Emit the store of a vector; lanes outside the mask are left as they are."""
    pointer = builder.inttoptr(place, VECTORS.as_pointer())
    if mask is None:
        builder.store(value, pointer, align=DOUBLE_BYTES)
        return
    kind = ir.FunctionType(ir.VoidType(), [VECTORS, pointer.type, SHORT, MASKS])
    builder.call(_llvm(builder, "masked.store", kind), [value, pointer, SHORT(DOUBLE_BYTES), mask])


def _llvm(builder: Any, name: str, kind: Any) -> Any:
    """Return an instruction of LLVM that is called like a function, for vectors; declared once per module."""
    name = f"llvm.{name}.v{VECTOR}f64.p0"
    return builder.module.globals.get(name) or ir.Function(builder.module, kind, name)


def everywhere(builder: Any, value: Any) -> Any:
    """Emit a vector that has this value on all lanes."""
    kind = ir.VectorType(value.type, VECTOR)
    nothing, first = ir.Constant(kind, ir.Undefined), ir.Constant(ir.VectorType(SHORT, VECTOR), [0] * VECTOR)
    return builder.shuffle_vector(builder.insert_element(nothing, value, SHORT(0)), nothing, first)


def load_everywhere(builder: Any, place: Any) -> Any:
    """Emit the double at an address on all lanes of a vector."""
    return everywhere(builder, builder.load(double_at(builder, place)))
