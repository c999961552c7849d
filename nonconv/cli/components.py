"""nonconv list, explain, schema: what a config can be made of."""

import inspect
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nonconv.cli.common import AsJson, Verbose, print_table, reported, write_stdout
from nonconv.errors import UsageError

if TYPE_CHECKING:
    from nonconv.components import Component, Registry

Kind = Annotated[str | None, typer.Argument(metavar="[KIND]", help="objective, optimizer, learning_rate, batch_size or data.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="A component, as adam or learning_rate.power.")]


@reported
def list_components(kind: Kind = None, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """List objectives, optimizers, learning rates, batch sizes and data, a line each with its paper."""
    chosen = _registries(kind)
    if as_json:
        rows = [_described(kind, component) for kind, registry in chosen.items() for component in registry.values()]
        write_stdout((json.dumps({"schema_version": 1, "components": rows}, indent=2) + "\n").encode())
        return
    for registry in chosen.values():
        lines = [[name, component.summary, component.paper] for name, component in registry.items()]
        print_table(f"{registry.title} ({registry.kind})", ["name", "what it is", "source"], lines)


@reported
def explain(name: Name, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Explain one component: its rule, parameters, ranges, source, and where implementations differ."""
    found = _find(name)
    if as_json:
        rows = [_described(kind, component) for kind, component in found]
        write_stdout((json.dumps({"schema_version": 1, "components": rows}, indent=2) + "\n").encode())
        return
    for kind, component in found:
        _explain(kind, component)


def _explain(kind: str, component: "Component") -> None:
    print(f"{component.name} ({kind})\n")
    print(inspect.cleandoc(component.parameters.__doc__ or ""))
    print(f"\nSource: {component.paper}\n")
    rows = [[p["name"], p["default"], p["allowed"], p["meaning"]] for p in _parameters(kind, component)]
    if rows:
        print_table("", ["parameter", "default", "allowed", "meaning"], rows)


@reported
def schema(verbose: Verbose = False) -> None:
    """Print the JSON Schema of a config, for editors."""
    from nonconv.config.spec import json_schema

    write_stdout((json.dumps(json_schema(), indent=2) + "\n").encode())


def _registries(kind: str | None) -> "dict[str, Registry]":
    from nonconv.config.problems import nearest
    from nonconv.config.spec import KINDS

    listed = {name: registry for name, registry in KINDS.items() if name != "start"}
    if kind is None:
        return listed
    if kind not in listed:
        near = nearest(kind, listed)
        raise UsageError(
            f"unknown kind {kind!r}\n  allowed: {', '.join(listed)}" + (f"\n  did you mean {near}?" if near else "")
        )
    return {kind: listed[kind]}


def _find(name: str) -> "list[tuple[str, Component]]":
    from nonconv.config.problems import nearest

    kind, _, bare = name.rpartition(".")
    registries = _registries(kind or None)
    found = [(kind, registry[bare]) for kind, registry in registries.items() if bare in registry]
    if not found:
        near = nearest(bare, [known for registry in registries.values() for known in registry])
        hint = f"\n  did you mean {near}?" if near else ""
        raise UsageError(f"there is no component {name!r}; `nonconv list` shows them all{hint}")
    return found


def _described(kind: str, component: "Component") -> dict[str, Any]:
    return {
        "kind": kind,
        "name": component.name,
        "summary": component.summary,
        "source": component.paper,
        "parameters": _parameters(kind, component),
    }


def _parameters(kind: str, component: "Component") -> list[dict[str, str]]:
    from nonconv.config.spec import common_parameters
    from nonconv.parameters import parameters_of

    return [
        {
            "name": p.name,
            "default": "required" if p.required else str(p.default).lower() if isinstance(p.default, bool) else str(p.default),
            "allowed": p.allowed,
            "meaning": p.meaning,
        }
        for p in [*parameters_of(component.parameters), *common_parameters(kind)]
    ]
