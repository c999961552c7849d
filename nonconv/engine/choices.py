"""A choice between two numbers that takes no branch."""

from typing import Any

from numba import types
from numba.extending import intrinsic as _intrinsic

intrinsic: Any = _intrinsic
"""Typed as Any: numba declares no types for it."""


@intrinsic  # type: ignore[untyped-decorator]  # see above
def choose(typing: Any, condition: Any, yes: Any, no: Any) -> tuple[Any, Any]:
    """Return yes where the condition holds, no elsewhere.

    Where `no` is what an array holds already, LLVM makes of `array[i] = yes if condition else no` a store under a mask,
    which takes some processors longer than all the rest of a step.
    """
    kinds = types.boolean, types.float64, types.float64
    return types.float64(*kinds), lambda context, builder, signature, values: builder.select(*values)
