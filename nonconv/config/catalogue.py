"""What a config can name: nonconv's own components and those of its plug-ins.

A `Catalogue` is a value that each config has for itself. A plug-in changes no global registry, so one process can read
configs with different plug-ins, as `nonconv check a.yaml b.yaml` does:

    >>> BUILT_IN["optimizer"]["adam"].summary
    >>> load_files([Path("lion.py")])["optimizer"]["lion"]

The kinds are objective, optimizer, learning_rate, batch_size, decay, data, dataset, start, drift, iterate and quantity.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nonconv.components.definitions import Component, Initialisation
from nonconv.components.registry import Registry
from nonconv.data import DATA, STARTS
from nonconv.datasets import DATASETS
from nonconv.faults.blame import Plugin
from nonconv.objectives import OBJECTIVES
from nonconv.optimizers import OPTIMIZERS
from nonconv.quantities import QUANTITIES
from nonconv.schedules import BATCH_SIZES, DECAYS, DRIFTS, ITERATES, LEARNING_RATES

REGISTRIES = (OBJECTIVES, OPTIMIZERS, LEARNING_RATES, BATCH_SIZES, DECAYS, DATA, DATASETS, STARTS, DRIFTS, ITERATES, QUANTITIES)


@dataclass(frozen=True)
class Catalogue(Mapping[str, Registry]):
    """The components by kind and name: nonconv's own, and those that these plug-ins register.

    A mapping of the kind to its Registry. Equal plug-ins make equal catalogues, so models made for one serve the other.
    """

    plugins: tuple[Plugin, ...] = ()
    only: frozenset[str] | None = None
    """The names that it is cut down to, see `named`."""

    @cached_property
    def _registries(self) -> dict[str, Registry]:
        every = {registry.kind: self._extended(registry) for registry in REGISTRIES}
        return every if self.only is None else {kind: registry.cut(self.only) for kind, registry in every.items()}

    def named(self, names: Iterable[str]) -> "Catalogue":
        """Return a catalogue of the components with these names alone; of a kind that has none of them, of its first one."""
        return Catalogue(self.plugins, frozenset(name for name in names if any(name in known for known in self.values())))

    def _extended(self, registry: Registry) -> Registry:
        theirs = [one.component for plugin in self.plugins for one in plugin.registered if one.kind == registry.kind]
        return registry.extended(theirs) if theirs else registry

    def names(self, kind: str) -> str:
        """List the names of a kind's components as text; those for networks alone come last."""
        laws = [name for name, component in self[kind].items() if isinstance(component, Initialisation)]
        more = f"; for a network also {', '.join(laws)}" if laws else ""
        return ", ".join(name for name in self[kind] if name not in laws) + more

    def listed(self, kind: str) -> dict[str, Component]:
        """Return the components of a kind by name, as `nonconv list` shows them.

        Of starts these are only those that are not data distributions: every distribution can be a start.
        """
        known = self["data"] if kind == "start" else {}
        return {name: component for name, component in self[kind].items() if component is not known.get(name)}

    def __reduce__(self) -> tuple[type["Catalogue"], tuple[Any, ...]]:
        # A sweep travels to other machines without plug-ins; the registries are made there, since they hold functions.
        return Catalogue, (self.plugins, self.only)

    def __getitem__(self, kind: str) -> Registry:
        return self._registries[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(self._registries)

    def __len__(self) -> int:
        return len(self._registries)


BUILT_IN = Catalogue()
"""What a config without plug-ins can name."""
