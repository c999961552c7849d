"""nonconv: does this optimizer converge? Seeded sweeps over thousands of paths, with intervals and pictures.

    import nonconv
    result = nonconv.run("configs/adam_const.yaml", paths=1000)
    result.verdict, result.error["mse"], result.frame("error")

Each name is imported when it is first used, so that `import nonconv` takes no time. docs/python.md describes them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from nonconv.api.checking import validate
    from nonconv.api.comparing import compare
    from nonconv.api.judging import judge
    from nonconv.api.listing import batch_sizes, iterates, learning_rates
    from nonconv.api.results import Result
    from nonconv.api.running import run
    from nonconv.api.sweep_results import SweepResult, load
    from nonconv.api.sweeping import sweep
    from nonconv.components.registry import Registry
    from nonconv.faults.errors import ConfigError, NonconvError, PluginError, UsageError

    def optimizers() -> Registry:
        """Return the optimizers by name."""

    def objectives() -> Registry:
        """Return the objectives by name."""

    def data() -> Registry:
        """Return the laws of data by name."""

    def datasets() -> Registry:
        """Return what networks learn from, by name."""

    def quantities() -> Registry:
        """Return the quantities by name."""


_HOMES = {
    "nonconv.api.checking": ("validate",),
    "nonconv.api.comparing": ("compare",),
    "nonconv.api.judging": ("judge",),
    "nonconv.api.listing": ("batch_sizes", "iterates", "learning_rates"),
    "nonconv.api.results": ("Result",),
    "nonconv.api.running": ("run",),
    "nonconv.api.sweep_results": ("SweepResult", "load"),
    "nonconv.api.sweeping": ("sweep",),
    "nonconv.faults.errors": ("ConfigError", "NonconvError", "PluginError", "UsageError"),
}
"""The public names, by the module that each is imported from."""
_ROOMS = ("data", "datasets", "objectives", "optimizers", "quantities")
"""Packages that can be called: components.registry.Room."""

__all__ = [
    "ConfigError",
    "NonconvError",
    "PluginError",
    "Result",
    "SweepResult",
    "UsageError",
    "batch_sizes",
    "compare",
    "data",
    "datasets",
    "iterates",
    "judge",
    "learning_rates",
    "load",
    "objectives",
    "optimizers",
    "quantities",
    "run",
    "sweep",
    "validate",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name in _ROOMS:
        return import_module(f"nonconv.{name}")
    home = next((module for module, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module 'nonconv' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted({*globals(), *__all__})
