"""Compiled functions joined by their addresses, so that each is compiled once whatever it works with.

An objective, a dataset, an optimizer and the loop around them are compiled apart. What a function needs of its
definition, its constants, it finds at an address too (`coupled.Held`), where `held` reads them.
"""

# Why not one kernel: each pair of data set and optimizer would compile the network again, which takes some 20 s. The loops
# call a piece once for eight examples of eight paths.

from typing import Any

from numba import types
from numba.core import cgutils as _cgutils
from numba.extending import intrinsic as _intrinsic

from nonconv.engine.compiler import ONLY_FROM_KERNELS, njit, types_of
from nonconv.engine.kernel_files import KERNEL_HELPERS
from nonconv.engine.object_files import Kinds
from nonconv.objectives import activations

intrinsic: Any = _intrinsic
cgutils: Any = _cgutils
"""Typed as Any: numba declares no types for them, or too narrow ones."""


def kind_of(kinds: Kinds) -> Any:
    """Return the type of a tuple of these kinds."""
    return types_of((kinds,))[0]


@intrinsic  # type: ignore[untyped-decorator]  # see above
def call(typing: Any, address: Any, arguments: Any) -> tuple[Any, Any]:
    """Call the compiled function at an address, which returns nothing, with a tuple of arguments."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        """Emit the call; numba's calling convention also passes where a result and an error would go."""
        kinds = tuple(signature.args[1].types)
        kind = context.call_conv.get_function_type(types.none, kinds)
        function = builder.inttoptr(values[0], kind.as_pointer())
        given = cgutils.unpack_tuple(builder, values[1])
        status, _ = context.call_conv.call_function(builder, function, types.none, kinds, given)
        # What a definition raises must end the loops, not be overlooked.
        with cgutils.if_unlikely(builder, status.is_error):
            context.call_conv.return_status_propagate(builder, status)
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


@njit(**ONLY_FROM_KERNELS)  # type: ignore[untyped-decorator]  # see compiler.njit
def activate(activation: Any, n: Any, z: Any, slope: Any) -> None:
    """Apply the activation whose compiled function is at an address, as objectives.activations.activate."""
    call(activation, (n, z, slope))


KERNEL_HELPERS[activations.activate] = activate
