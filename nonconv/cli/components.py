"""nonconv list, explain, schema: the components that a config can name.

All three also read plug-ins, whose components then appear among nonconv's own.
"""

import inspect
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nonconv.cli.common import AsJson, Plugins, Verbose, reported, write_stdout
from nonconv.cli.tables import print_table
from nonconv.faults.errors import UsageError
from nonconv.system.words import count

if TYPE_CHECKING:
    from nonconv.components.definitions import Component
    from nonconv.config.catalogue import Catalogue
    from nonconv.contract.findings import Finding
    from nonconv.faults.blame import Plugin

Kind = Annotated[
    str | None,
    typer.Argument(metavar="[KIND]", help="objective, optimizer, learning_rate, batch_size, data, dataset, start or quantity."),
]
Name = Annotated[
    str, typer.Argument(metavar="NAME", help="A component, such as adam or learning_rate.power; or a plug-in file.")
]
Test = Annotated[bool, typer.Option("--test", help="Check the component's contract. Exit code 2 if a check fails.")]


@reported
def list_components(kind: Kind = None, plugins: Plugins = [], as_json: AsJson = False, verbose: Verbose = False) -> None:
    """List the components that a config can use."""
    catalogue = _catalogue(plugins)
    chosen = _kinds(catalogue, kind)
    if as_json:
        rows = [_describe(kind, component) for kind, components in chosen.items() for component in components.values()]
        write_stdout((json.dumps({"schema_version": 1, "components": rows}, indent=2) + "\n").encode())
        return
    for name, components in chosen.items():
        lines = [[component.name, component.summary, component.paper] for component in components.values()]
        print_table(_title(catalogue, name), ["name", "what it is", "source"], lines)


@reported
def explain(name: Name, plugins: Plugins = [], test: Test = False, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Explain a component: rule, parameters, source.

    Of a plug-in file, explain every component in it. --test checks what the engines and the theory rely on.
    """
    of_file = name.endswith(".py")
    catalogue = _catalogue([*plugins, Path(name)] if of_file else plugins)
    found = _components_of(catalogue.plugins[-1]) if of_file else _find_component(catalogue, name)
    if test:
        _test(catalogue, found, as_json)
    elif as_json:
        rows = [_describe(kind, component) for kind, component in found]
        write_stdout((json.dumps({"schema_version": 1, "components": rows}, indent=2) + "\n").encode())
    else:
        for kind, component in found:
            _explain(kind, component)


def _catalogue(files: list[Path]) -> "Catalogue":
    """Load plug-ins and return all components. Raises ConfigError for a file that is not a plug-in."""

    from nonconv.config.plugins import load_files

    return load_files(files)


def _components_of(plugin: "Plugin") -> "list[tuple[str, Component]]":
    """List the components that a plug-in registers, each with its kind."""
    return _unique((kind, component) for kind, component, _ in plugin.registered)


def _unique(components: "Iterable[tuple[str, Component]]") -> "list[tuple[str, Component]]":
    """Keep each component by the first kind it is registered as.

    A distribution can be both data and start, and is then registered twice.
    """
    found: list[tuple[str, Component]] = []
    for kind, component in components:
        if not any(component is known for _, known in found):
            found.append((kind, component))
    return found


def _test(catalogue: "Catalogue", chosen: "list[tuple[str, Component]]", as_json: bool) -> None:
    """Check these components and print every result. Exits with code 2 if a check fails."""
    found = _run_checks(catalogue, chosen)
    results = Counter(finding.result for finding in found)
    if as_json:
        rows = [finding._asdict() | {"passed": finding.result == "passed"} for finding in found]
        document = {"schema_version": 1, "passed": not results["failed"], "checks": rows}
        write_stdout((json.dumps(document, indent=2) + "\n").encode())
    else:
        lines = [[f.check, f"{f.component} ({f.kind})", f.result, "\n".join(f.reasons) or f.skipped] for f in found]
        print_table("", ["check", "component", "result", "reason"], lines)
        skipped = f" {results['skipped']} skipped." if results["skipped"] else ""
        print(f"{results['passed']} of {count(len(found) - results['skipped'], 'check')} passed.{skipped}")
    if results["failed"]:
        raise typer.Exit(UsageError.exit_code)


def _run_checks(catalogue: "Catalogue", chosen: "list[tuple[str, Component]]") -> "list[Finding]":
    """Check these components; those of plug-ins with the parameters that their files offer for it."""
    from nonconv.contract.findings import contract_of, findings

    of_plugins = [finding for plugin in catalogue.plugins for finding in contract_of(plugin, catalogue)]
    theirs = [component for plugin in catalogue.plugins for _, component, _ in plugin.registered]
    found: list[Finding] = []
    for kind, component in _unique(chosen):
        # Compared by identity: a plug-in may give a component a name that nonconv uses for another kind.
        if any(component is known for known in theirs):
            found += [f for f in of_plugins if (f.kind, f.component) == (kind, component.name)]
        else:
            found += findings(kind, component, catalogue=catalogue)
    return found


def _explain(kind: str, component: "Component") -> None:
    """Print a component's docstring, its source and a table of its parameters."""
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
    """Return the heading of a kind in the list."""
    return f"{catalogue[kind].title}{', besides data distributions' if kind == 'start' else ''} ({kind})"


def _kinds(catalogue: "Catalogue", kind: str | None) -> "dict[str, dict[str, Component]]":
    """Return the components by kind and name: of one kind, or of all. Raises UsageError."""

    from nonconv.faults.problems import nearest

    if kind is None:
        return {name: catalogue.listed(name) for name in catalogue}
    if kind not in catalogue:
        near = nearest(kind, catalogue)
        hint = f"\n  did you mean {near}?" if near else ""
        raise UsageError(f"unknown kind {kind!r}\n  allowed: {', '.join(catalogue)}{hint}")
    return {kind: catalogue.listed(kind)}


def _find_component(catalogue: "Catalogue", name: str) -> "list[tuple[str, Component]]":
    """Find the components of a name, `adam` or `learning_rate.power`: a name may occur in several kinds.

    Raises UsageError with the nearest name if there is none.
    """

    from nonconv.faults.problems import nearest

    if name.endswith((".yaml", ".yml")):
        raise UsageError(f"{name} is a config; `nonconv show` prints it, and `nonconv explain` takes a component or a plug-in")
    kind, _, bare = name.rpartition(".")
    kinds = _kinds(catalogue, kind or None)
    found = [(kind, components[bare]) for kind, components in kinds.items() if bare in components]
    if not found:
        # `learning_rate.powr` is compared without its kind, which the user may have right.
        near = nearest(bare, [known for components in kinds.values() for known in components])
        hint = f"\n  did you mean {near}?" if near else ""
        raise UsageError(f"there is no component {name!r}; `nonconv list` shows them all{hint}")
    return found


def _describe(kind: str, component: "Component") -> dict[str, Any]:
    """Return what --json says of a component."""
    return {
        "kind": kind,
        "name": component.name,
        "summary": component.summary,
        "source": component.paper,
        "parameters": _parameters(kind, component),
    }


def _parameters(kind: str, component: "Component") -> list[dict[str, str]]:
    """List the parameters of a component, its own and those that its kind adds, as texts."""

    from nonconv.config.spec import parameters_in_config

    return [
        {
            "name": p.name,
            "default": "required" if p.required else _yaml_text(p.default),
            "allowed": p.allowed,
            "meaning": p.meaning,
        }
        for p in parameters_in_config(kind, component)
    ]


def _yaml_text(value: Any) -> str:
    """Write a default as YAML does."""
    return str(value).lower() if isinstance(value, bool) else str(list(value) if isinstance(value, tuple) else value)
