"""Registries: the components of one kind by name, and how a plug-in adds its own."""

import sys
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType
from typing import Any, TypeVar

from nonconv.components.definitions import (
    Component,
    Coupled,
    Dataset,
    Decay,
    Distribution,
    Initialisation,
    Iterate,
    Objective,
    Optimizer,
    Schedule,
)
from nonconv.components.quantity import Quantity

MADE_OF: dict[str, type[Component] | tuple[type[Component], ...]] = {
    "optimizer": Optimizer,
    "objective": (Objective, Coupled),
    "learning_rate": Schedule,
    "batch_size": Schedule,
    "decay": Decay,
    "data": Distribution,
    "start": (Distribution, Initialisation),
    "dataset": Dataset,
    "drift": Schedule,
    "iterate": Iterate,
    "quantity": Quantity,
}
"""The classes that components of a kind may have, by kind; `register` refuses others."""
C = TypeVar("C", bound=Component)
_collect: ContextVar[Callable[[str, Component], None] | None] = ContextVar("_collect", default=None)
"""Where `register` puts a component: set while a plug-in's file is executed, and nowhere else.

A context variable instead of a global, so that files read in two threads do not mix.
"""


class NameTaken(ValueError):
    """A plug-in registers a name that its kind has already."""


@contextmanager
def collecting(collect: Callable[[str, Component], None]) -> Iterator[None]:
    """Call `collect` with the kind and component of every `register` within this context."""
    # reset, not set to None: contexts may be nested.
    token = _collect.set(collect)
    try:
        yield
    finally:
        _collect.reset(token)


class Registry(Mapping[str, Component]):
    """The components of one kind by name; none is ever added or removed.

    title: the kind in plural, for people. common: parameters that every component of the kind takes in addition.
    """

    def __init__(self, kind: str, title: str, *components: Component, common: type[Any] | None = None) -> None:
        """Keep `components` by name, in this order."""
        self.kind, self.title, self.common = kind, title, common
        self._components = {component.name: component for component in components}

    def register(self, component: C) -> C:
        """Offer a plug-in's component to the configs that name its file; return it.

        Raises RuntimeError outside of a plug-in, ValueError where the component is of another kind, and NameTaken.
        """
        collect = _collect.get()
        if collect is None:
            raise RuntimeError("register works only in a plug-in: a file that a config names under plugins")
        wanted = MADE_OF[self.kind]
        if not isinstance(component, wanted):
            what = type(component).__name__
            classes = " or ".join(cls.__name__ for cls in (wanted if isinstance(wanted, tuple) else (wanted,)))
            raise ValueError(f"{self.title} are of the class {classes}, not {what}")  # noqa: TRY004  # one error for both
        if component.name in self:
            name = f"the {self.noun} {component.name!r}"
            raise NameTaken(f"{name} is now built in; rename yours, or delete it and use the built-in")
        collect(self.kind, component)
        return component

    def extended(self, components: Iterable[Component]) -> "Registry":
        """Return another registry that has these components too; this one stays as it is."""
        return Registry(self.kind, self.title, *self._components.values(), *components, common=self.common)

    def cut(self, names: Container[str]) -> "Registry":
        """Return another registry that has the components of these names alone, or the first one where it has none of them."""
        kept = [component for name, component in self._components.items() if name in names]
        return Registry(self.kind, self.title, *(kept or list(self._components.values())[:1]), common=self.common)

    @property
    def noun(self) -> str:
        """The singular of `title`, for sentences about one component."""
        return "quantity" if self.kind == "quantity" else self.title.removesuffix("s")

    def __getitem__(self, name: str) -> Component:
        """Return the component of this name. Raises KeyError."""
        return self._components[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, built-in ones first."""
        return iter(self._components)

    def __len__(self) -> int:
        """Return how many components there are."""
        return len(self._components)

    def __repr__(self) -> str:
        """Tell the components, one a line."""
        return "\n".join(f"{name}: {component.summary}" for name, component in self.items())


class Room(ModuleType):
    """A package of components. Called, it returns its registry: in Python `nonconv.optimizers()` is what there is.

    A function of that name could not be: Python puts a package's name over it once anything imports the package.
    """

    registry: Registry

    def __call__(self) -> Registry:
        """Return the components of this room by name."""
        return self.registry


def open_room(module: str, registry: Registry) -> Registry:
    """Make a package return this registry when it is called; return the registry. module: the package's name."""
    room: Any = sys.modules[module]
    room.__class__, room.registry = Room, registry
    return registry
