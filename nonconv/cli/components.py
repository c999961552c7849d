"""nonconv list, explain, schema: what a config can be made of."""

import inspect
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nonconv.cli.common import AsJson, Plugins, Verbose, print_table, reported, write_stdout
from nonconv.errors import UsageError

if TYPE_CHECKING:
    from nonconv.components import Component
    from nonconv.config.catalogue import Catalogue
    from nonconv.faults.blame import Plugin

Kind = Annotated[
    str | None,
    typer.Argument(metavar="[KIND]", help="objective, optimizer, learning_rate, batch_size, data, dataset or start."),
]
Name = Annotated[
    str, typer.Argument(metavar="NAME", help="A component, as adam or learning_rate.power; or a plug-in, as my_rule.py.")
]
Test = Annotated[bool, typer.Option("--test", help="Check that a plug-in keeps its contract; exit 2 if it does not.")]


@reported
def list_components(kind: Kind = None, plugins: Plugins = [], as_json: AsJson = False, verbose: Verbose = False) -> None:
    """List objectives, optimizers, learning rates, batch sizes, data, datasets and starts, one line each with its paper."""
    catalogue = _catalogue(plugins)
    chosen = _kinds(catalogue, kind)
    if as_json:
        rows = [_described(kind, component) for kind, components in chosen.items() for component in components.values()]
        write_stdout((json.dumps({"schema_version": 1, "components": rows}, indent=2) + "\n").encode())
        return
    for name, components in chosen.items():
        lines = [[component.name, component.summary, component.paper] for component in components.values()]
        print_table(_title(catalogue, name), ["name", "what it is", "source"], lines)


@reported
def explain(name: Name, plugins: Plugins = [], test: Test = False, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Explain one component: its rule, parameters, ranges, source, and where implementations differ.

    Of a plug-in's file, every component in it; --test checks what the engines take for granted of them.
    """
    of_file = name.endswith(".py")
    catalogue = _catalogue([*plugins, Path(name)] if of_file else plugins)
    found = _of_file(catalogue.plugins[-1]) if of_file else _find(catalogue, name)
    if test:
        _test(catalogue, found, as_json)
    elif as_json:
        rows = [_described(kind, component) for kind, component in found]
        write_stdout((json.dumps({"schema_version": 1, "components": rows}, indent=2) + "\n").encode())
    else:
        for kind, component in found:
            _explain(kind, component)


def _catalogue(files: list[Path]) -> "Catalogue":
    from nonconv.config.plugins import load_files

    return load_files(files)


def _of_file(plugin: "Plugin") -> "list[tuple[str, Component]]":
    """What it registers; a distribution that is both data and start once."""
    found: list[tuple[str, Component]] = []
    for kind, component, _ in plugin.registered:
        if not any(component is known for _, known in found):
            found.append((kind, component))
    return found


def _test(catalogue: "Catalogue", chosen: "list[tuple[str, Component]]", as_json: bool) -> None:
    """Print what the contract's checks of these components found. Exits with 2 unless all of them pass."""
    from nonconv.contract.findings import contract_of

    names = [(kind, component.name) for kind, component in chosen]
    everything = (finding for plugin in catalogue.plugins for finding in contract_of(plugin, catalogue))
    found = [finding for finding in everything if (finding.kind, finding.component) in names]
    if not found:
        raise UsageError("--test is for plug-ins, as in: nonconv explain my_rule.py --test")
    failed = sum(bool(finding.reasons) for finding in found)
    if as_json:
        rows = [finding._asdict() | {"passed": not finding.reasons} for finding in found]
        write_stdout((json.dumps({"schema_version": 1, "passed": not failed, "checks": rows}, indent=2) + "\n").encode())
    else:
        lines = [
            [f.check, f"{f.component} ({f.kind})", "failed" if f.reasons else "passed", "\n".join(f.reasons)] for f in found
        ]
        print_table("", ["check", "component", "result", "what is wrong"], lines)
        print(f"{len(found) - failed} of {len(found)} checks passed.")
    if failed:
        raise typer.Exit(UsageError.exit_code)


def _explain(kind: str, component: "Component") -> None:
    print(f"{component.name} ({kind})\n")
    print(inspect.cleandoc(component.parameters.__doc__ or ""))
    print(f"\nSource: {component.paper}\n")
    rows = [[p["name"], p["default"], p["allowed"], p["meaning"]] for p in _parameters(kind, component)]
    if rows:
        print_table("", ["parameter", "default", "allowed", "meaning"], rows)


@reported
def schema(plugins: Plugins = [], verbose: Verbose = False) -> None:
    """Print the JSON Schema of a config, for editors."""
    from nonconv.config.spec import json_schema

    write_stdout((json.dumps(json_schema(_catalogue(plugins)), indent=2) + "\n").encode())


def _title(catalogue: "Catalogue", kind: str) -> str:
    return f"{catalogue[kind].title}{', besides data distributions' if kind == 'start' else ''} ({kind})"


def _kinds(catalogue: "Catalogue", kind: str | None) -> "dict[str, dict[str, Component]]":
    from nonconv.faults.problems import nearest

    if kind is None:
        return {name: catalogue.listed(name) for name in catalogue}
    if kind not in catalogue:
        near = nearest(kind, catalogue)
        hint = f"\n  did you mean {near}?" if near else ""
        raise UsageError(f"unknown kind {kind!r}\n  allowed: {', '.join(catalogue)}{hint}")
    return {kind: catalogue.listed(kind)}


def _find(catalogue: "Catalogue", name: str) -> "list[tuple[str, Component]]":
    from nonconv.faults.problems import nearest

    kind, _, bare = name.rpartition(".")
    kinds = _kinds(catalogue, kind or None)
    found = [(kind, components[bare]) for kind, components in kinds.items() if bare in components]
    if not found:
        near = nearest(bare, [known for components in kinds.values() for known in components])
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
            "default": "required" if p.required else _shown(p.default),
            "allowed": p.allowed,
            "meaning": p.meaning,
        }
        for p in [*parameters_of(component.parameters), *common_parameters(kind)]
    ]


def _shown(value: Any) -> str:
    """A default as YAML writes it."""
    return str(value).lower() if isinstance(value, bool) else str(list(value) if isinstance(value, tuple) else value)
