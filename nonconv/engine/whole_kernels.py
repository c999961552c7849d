"""Machine code for a kernel as a whole, instead of one for each function that it calls.

numba optimizes every function and makes machine code of it, so that Python may call it, and then does the same again for
the kernel into which it is linked. Here functions are only typed and written down, and the kernel is optimized and made
machine code of once: a network takes less than half as long.
"""

import gc
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from numba.core.codegen import CPUCodeLibrary
from numba.core.compiler_lock import global_compiler_lock
from numba.core.postproc import PostProcessor, VariableLifetime
from numba.core.registry import cpu_target
from numba.core.transforms import canonicalize_cfg


def compile_whole(kernel: Any, signature: Any) -> tuple[Any, bytes]:
    """Compile a function of numba for these types; return numba's result, and the object file of it and all it calls."""
    # Held, so that nothing else is compiled meanwhile.
    with global_compiler_lock, _without_collection():
        with _written_down():
            kernel.compile(signature)
            result = kernel.overloads[signature]
            result.library.finalize()
        _keep_apart(result.library._final_module, kernel.py_func.__globals__.get("APART", ()))
        _hide_all_but(result.fndesc.llvm_func_name, result.library._final_module)
        # Without numba's first pass, which looks for pairs of reference counts: kernels own nothing.
        passes, builder = result.library.codegen._module_pass_manager()
        passes.run(result.library._final_module, builder)
        return result, bytes(result.library.codegen._tm.emit_object(result.library._final_module))


def _keep_apart(module: Any, names: tuple[str, ...]) -> None:
    """Keep functions of these names from being compiled into each place that calls them."""
    for function in module.functions:
        # As C++ mangles names: after its length, and before what numba adds.
        if not function.is_declaration and any(f"{len(name)}{name}B" in function.name for name in names):
            function.add_function_attribute("noinline")


def _hide_all_but(name: str, module: Any) -> None:
    """Hide what was linked into a kernel from other kernels, whose functions may have the same names."""
    for function in module.functions:
        if not function.is_declaration and function.name != name:
            function.linkage = "internal"


@contextmanager
def _without_collection() -> Iterator[None]:
    """Within this context no garbage is collected: it would take a tenth of the time, and finds none."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def _written_down() -> Iterator[None]:
    """Within this context functions are linked into those that call them, but neither optimized nor made machine code of."""

    def finalize(library: Any) -> None:
        """Let others link the library."""
        library._finalize_dynamic_globals()
        library._finalized = True

    def prepare(library: Any, module: Any) -> None:
        """Tell the module how memory is laid out."""
        module.data_layout = library._codegen._data_layout

    process = PostProcessor.run
    blocks_of: Any = canonicalize_cfg
    lifetime: Any = VariableLifetime

    def postpone(processor: Any, emit_dels: bool = False, extend_lifetimes: bool = False) -> None:
        """Leave to the last of some ten times that numba does it to find where each variable lives: the others use it not."""
        if emit_dels or processor.func_ir.is_generator:
            process(processor, emit_dels, extend_lifetimes)
            return
        processor.func_ir.blocks = blocks_of(processor.func_ir.blocks)
        processor.func_ir.variable_lifetime = lifetime(processor.func_ir.blocks)  # found when it is asked for
        processor.func_ir.generator_info = None

    replaced: tuple[tuple[Any, str, Any], ...] = (
        (CPUCodeLibrary, "_optimize_functions", prepare),
        (CPUCodeLibrary, "_optimize_final_module", lambda library: None),
        (CPUCodeLibrary, "_finalize_final_module", finalize),
        (PostProcessor, "run", postpone),
        # What Python would call: numba tells functions apart by it. Called by mistake, it raises KeyError.
        (type(cpu_target.target_context), "get_executable", lambda context, library, description, environment: {}.__getitem__),
    )
    with ExitStack() as restoring:
        for owner, name, function in replaced:
            restoring.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, function)
        yield
