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
    from nonconv.api.results import Result
    from nonconv.api.running import run
    from nonconv.api.sweep_results import SweepResult, load
    from nonconv.faults.errors import ConfigError, NonconvError, PluginError, UsageError

__all__ = [
    "ConfigError",
    "NonconvError",
    "PluginError",
    "Result",
    "SweepResult",
    "UsageError",
    "load",
    "run",
]

_HOMES = {
    "nonconv.api.results": ("Result",),
    "nonconv.api.running": ("run",),
    "nonconv.api.sweep_results": ("SweepResult", "load"),
    "nonconv.faults.errors": ("ConfigError", "NonconvError", "PluginError", "UsageError"),
}
"""The public names, by the module that each is imported from."""


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    home = next((module for module, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module 'nonconv' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted([*globals(), *__all__])
