"""The keys of a config, wherever they stand: what `nonconv list key` shows and `nonconv explain domain` explains."""

from collections.abc import Iterator
from dataclasses import replace

from nonconv.components.parameters import Parameter, Part, parameters_of
from nonconv.config.catalogue import BUILT_IN
from nonconv.config.expect import Expect
from nonconv.config.spec import Enough, Experiment, Floors, Record, common_parameters

PARTS: dict[str, type[Part]] = {"paths": Enough, "floors": Floors, "record": Record, "expect": Expect}
"""The mappings at the top level of a config."""
PLACES = {"data": "objective.data", "dataset": "objective.data"}
"""Where a component stands that is not a top-level key of its kind's name."""


def config_keys() -> list[Parameter]:
    """List the keys of a config by their whole name, as `objective.data.hold`; those of single components are left out."""
    found: dict[str, Parameter] = {}
    for key in _every_key():
        found.setdefault(key.name, key)  # data distributions and datasets share their keys
    return list(found.values())


def _every_key() -> Iterator[Parameter]:
    """Yield each key: of the top level, of its mappings, and what every component of a kind takes."""
    for key in parameters_of(Experiment):
        yield key
        if key.name in PARTS:
            yield from _within(key.name, parameters_of(PARTS[key.name]))
        for kind in BUILT_IN:
            if key.name == PLACES.get(kind, kind).partition(".")[0]:
                yield from _within(PLACES.get(kind, kind), common_parameters(kind))


def _within(place: str, keys: list[Parameter]) -> list[Parameter]:
    """Name keys by their place too."""
    return [replace(key, name=f"{place}.{key.name}") for key in keys]


def keys_called(name: str) -> list[Parameter]:
    """Return the keys of this name, whole or its end: `hold`, `data.hold` and `objective.data.hold` are one."""
    return [key for key in config_keys() if key.name == name or key.name.endswith(f".{name}")]
