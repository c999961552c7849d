"""Compiled functions joined by their addresses, so that each is compiled once whatever it works with.

An objective, a dataset, an optimizer and the loop around them are compiled apart. What a function needs of its
definition, its constants, it finds at an address too: `write` puts a tuple there, `held` reads it.
"""

# Why not one kernel: each pair of data set and optimizer would compile the network again, which takes some 20 s. The loops
# call a piece once for eight examples of eight paths.

from typing import Any

import numba
import numpy as np
from numba import types
from numba.core import cgutils as _cgutils
from numba.extending import intrinsic as _intrinsic
from numba.np.arrayobj import make_array as _make_array
from numpy.typing import NDArray

intrinsic: Any = _intrinsic
typeof: Any = numba.typeof
make_array: Any = _make_array
cgutils: Any = _cgutils
"""Typed as Any: numba declares no types for them, or too narrow ones."""
CONSTANTS_BYTES = 4096
"""Bytes that a definition's constants may take, their arrays not counted."""


@intrinsic  # type: ignore[untyped-decorator]  # see above
def call(typing: Any, address: Any, arguments: Any) -> tuple[Any, Any]:
    """Call the compiled function at an address, which returns nothing, with a tuple of arguments."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        """Emit the call; numba's calling convention also passes where a result and an error would go."""
        kinds = tuple(signature.args[1].types)
        kind = context.call_conv.get_function_type(types.none, kinds)
        function = builder.inttoptr(values[0], kind.as_pointer())
        given = cgutils.unpack_tuple(builder, values[1])
        context.call_conv.call_function(builder, function, types.none, kinds, given)
        return context.get_dummy_value()

    return types.void(address, arguments), generate


@intrinsic  # type: ignore[untyped-decorator]  # see above
def held(typing: Any, address: Any, kind: Any) -> tuple[Any, Any]:
    """Return the tuple of this type at an address; its arrays belong to the object that wrote it there."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        """Emit a load of the whole tuple."""
        pointer = builder.inttoptr(values[0], context.get_value_type(signature.return_type).as_pointer())
        return builder.load(pointer)

    return kind.instance_type(address, kind), generate


@intrinsic  # type: ignore[untyped-decorator]  # see above
def write(typing: Any, address: Any, value: Any) -> tuple[Any, Any]:
    """Write a tuple to an address; its arrays stay their owner's."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        """Emit the store. Raises ValueError for a tuple of more than CONSTANTS_BYTES."""
        kinds, kind = signature.args[1], context.get_value_type(signature.args[1])
        if context.get_abi_sizeof(kind) > CONSTANTS_BYTES:
            raise ValueError("these constants are more than there is room for")
        parts = zip(kinds, cgutils.unpack_tuple(builder, values[1]), strict=True)
        value = context.make_tuple(builder, kinds, [_drop_owner(context, builder, *part) for part in parts])
        builder.store(value, builder.inttoptr(values[0], kind.as_pointer()))
        return context.get_dummy_value()

    return types.void(address, value), generate


def _drop_owner(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """Return the value; of an array a copy of its record without owner.

    The owner's reference count ends with the call that hands the array over.
    """
    if not isinstance(kind, types.Array):
        return value
    array = make_array(kind)(context, builder, value)
    array.meminfo = array.parent = cgutils.get_null_value(array.meminfo.type)
    return array._getvalue()


class Held:
    """A tuple of numbers and arrays at an address, where `held` finds it as long as this object lives; and its type."""

    def __init__(self, constants: Any, hold: Any) -> None:
        """Write the constants to memory of this object. hold: the compiled `write`."""
        self.constants = tuple(constants)
        self.kind = typeof(self.constants)
        # Memory of NumPy's, since it stays where it is.
        self._room: NDArray[np.uint8] = np.zeros(CONSTANTS_BYTES, dtype=np.uint8)
        self.address = self._room.ctypes.data
        if self.constants:
            hold(self.address, self.constants)


def address_of(function: Any, *kinds: Any) -> int:
    """Return the address of a numba function's code for arguments of these types, compiled or loaded from disk."""
    function.compile(kinds)
    compiled = function.overloads[kinds]
    return int(compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name))
