"""nonconv list, explain, schema: the keys of a config, and the components that it can name.

All three also read plug-ins, whose components then appear among nonconv's own.
"""

import inspect
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nonconv.cli import completion
from nonconv.cli.common import AsJson, Plugins, Verbose, reported, write_stdout
from nonconv.cli.tables import print_prose, print_sentence, print_table
from nonconv.faults.errors import UsageError
from nonconv.system.words import count

if TYPE_CHECKING:
    from nonconv.components.definitions import Component
    from nonconv.components.parameters import Parameter
    from nonconv.config.catalogue import Catalogue
    from nonconv.contract.findings import Finding
    from nonconv.faults.blame import Plugin

Kind = Annotated[
    str | None,
    typer.Argument(
        metavar="[KIND]",
        help="objective, optimizer, learning_rate, batch_size, decay, data, dataset, start, drift, iterate, quantity; "
        "key; or gallery.",
        autocompletion=completion.kinds,
    ),
]
Text = Annotated[
    str,
    typer.Argument(
        metavar="[TEXT]", help="Only what has this text, such as 1904.09237 or sign.", autocompletion=completion.of_kind
    ),
]
Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="A component, such as adam or learning_rate.power; a key, such as domain; or a plug-in file.",
        autocompletion=completion.explained,
    ),
]
KEY = "key"
"""What keys of a config are listed as, beside the kinds of components."""
GALLERY = "gallery"
"""What the configs of published claims are listed as."""
Test = Annotated[bool, typer.Option("--test", help="Check the component's contract. Exit code 2 if a check fails.")]


@reported
def list_components(
    kind: Kind = None, text: Text = "", plugins: Plugins = [], as_json: AsJson = False, verbose: Verbose = False
) -> None:
    """List the components and keys of configs, or the gallery of claims."""
    from nonconv.config.keys import config_keys

    if kind == GALLERY:
        _list_gallery(text, as_json)
        return
    catalogue = _catalogue(plugins)
    kinds = {} if kind == KEY else _kinds(catalogue, kind)
    chosen = {name: {key: c for key, c in own.items() if _has(text, key, c.summary, c.paper)} for name, own in kinds.items()}
    chosen = {name: own for name, own in chosen.items() if own or not text}
    keys = [key for key in config_keys() if _has(text, key.name, key.meaning)] if kind in (KEY, None) else []
    if text and not (chosen or keys):
        raise UsageError(f"nothing listed has the text {text!r}")
    if as_json:
        _write_json([(kind, component) for kind, components in chosen.items() for component in components.values()], keys)
        return
    for name, components in chosen.items():
        lines = [[component.name, component.summary, component.paper] for component in components.values()]
        print_table(_title(catalogue, name), ["name", "what it is", "source"], lines)
    if keys:
        print_table(f"keys of a config ({KEY})", ["name", "default", "what it is"], [[*_told(p)] for p in keys])


def _has(text: str, *told: str) -> bool:
    """Return whether a text is in one of these, whatever the case of its letters."""
    return any(text.casefold() in one.casefold() for one in told)


def _list_gallery(text: str, as_json: bool) -> None:
    """List the configs of published claims."""
    from nonconv.config.gallery import entries, find_folder

    folder = find_folder()
    if folder is None:
        raise UsageError("there is no folder configs/gallery here; it is in nonconv's repository")
    found = [entry for entry in entries(folder) if _has(text, entry.name, entry.topic, entry.claim, entry.seen)]
    if not found:
        raise UsageError(f"no claim of the gallery has the text {text!r}; `nonconv list gallery` shows all")
    if as_json:
        rows = [entry._asdict() | {"path": str(entry.path)} for entry in found]
        write_stdout((json.dumps({"schema_version": 1, "claims": rows}, indent=2, ensure_ascii=False) + "\n").encode())
        return
    for topic in dict.fromkeys(entry.topic for entry in found):
        own = [[entry.name, entry.claim, entry.finding.lower()] for entry in found if entry.topic == topic]
        print_table(topic or "other claims", ["name", "claim", "nonconv finds"], own)
    print_sentence(f"{count(len(found), 'config')} in {folder}.")


@reported
def explain(name: Name, plugins: Plugins = [], test: Test = False, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Explain a component, or a key of a config.

    Of a component: rule, parameters and source. Of a plug-in file, every component in it.
    --test checks what the engines and the theory rely on.
    """
    from nonconv.config.keys import keys_called

    of_file = name.endswith(".py")
    catalogue = _catalogue([*plugins, Path(name)] if of_file else plugins)
    keys = [] if of_file or test else keys_called(name.removeprefix(f"{KEY}."))
    found = _components_of(catalogue.plugins[-1]) if of_file else _find_component(catalogue, name, has_key=bool(keys))
    if test:
        _test(catalogue, found, as_json)
    elif as_json:
        _write_json(found, keys)
    else:
        for kind, component in found:
            _explain(kind, component)
        for key in keys:
            _explain_key(key)


def _write_json(components: "Iterable[tuple[str, Component]]", keys: "list[Parameter]") -> None:
    """Write components and keys as the document of --json."""
    rows = [_describe(kind, component) for kind, component in components]
    document = {"schema_version": 1, "components": rows} | ({"keys": [_parameter(key) for key in keys]} if keys else {})
    write_stdout((json.dumps(document, indent=2) + "\n").encode())


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
    print_prose(inspect.cleandoc(component.parameters.__doc__ or ""))
    print()
    print_sentence(f"Source: {component.paper}")
    print()
    rows = [[p["name"], p["default"], p["allowed"], p["meaning"]] for p in _parameters(kind, component)]
    if rows:
        print_table("", ["parameter", "default", "allowed", "meaning"], rows)


def _explain_key(key: "Parameter") -> None:
    """Print what a key means, what is allowed, and where its components are listed."""
    name, default, meaning = _told(key)
    print(f"{name} ({KEY})\n")
    print_sentence(f"{meaning[0].upper()}{meaning[1:]}.")
    print_sentence(f"Allowed: {key.allowed}.")
    if default:
        print_sentence("It is required." if key.required else f"Default: {default}.")
    if key.kind:
        print_sentence(f"`nonconv list {key.kind}` shows what there is.")
    print()


def _told(key: "Parameter") -> tuple[str, str, str]:
    """Return name, default and meaning of a key; what it means to leave it out stands in the meaning where that is no value."""
    default = "required" if key.required else "" if key.default in (None, "", ()) else _yaml_text(key.default)
    return key.name, default, key.meaning


@reported
def schema(plugins: Plugins = [], verbose: Verbose = False) -> None:
    """Print the JSON Schema of a config, for editors."""
    from nonconv.config.schema import json_schema

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
        known = [*catalogue, KEY, GALLERY]
        near = nearest(kind, known)
        hint = f"\n  did you mean {near}?" if near else ""
        raise UsageError(f"unknown kind {kind!r}\n  allowed: {', '.join(known)}{hint}")
    return {kind: catalogue.listed(kind)}


def _find_component(catalogue: "Catalogue", name: str, has_key: bool = False) -> "list[tuple[str, Component]]":
    """Find the components of a name, `adam` or `learning_rate.power`: a name may occur in several kinds.

    has_key: there is a key of that name, so none need be found. Raises UsageError with the nearest name if there is none.
    """
    if name.endswith((".yaml", ".yml")):
        raise UsageError(f"{name} is a config; `nonconv show` prints it, and `nonconv explain` takes a component or a plug-in")
    kind, _, bare = name.rpartition(".")
    kinds = {} if kind in _places() else _kinds(catalogue, kind or None)
    found = [(kind, components[bare]) for kind, components in kinds.items() if bare in components]
    if not found and not has_key:
        raise _no_such_name(catalogue, name, [known for components in kinds.values() for known in components])
    return found


def _places() -> set[str]:
    """Return the places of keys that are not kinds of components: `record` of `record.state`."""
    from nonconv.config.catalogue import BUILT_IN
    from nonconv.config.keys import config_keys

    return {key.name.rpartition(".")[0] for key in config_keys()} - {"", *BUILT_IN}


def _no_such_name(catalogue: "Catalogue", name: str, components: list[str]) -> UsageError:
    """Return the error for a name that neither a component has nor a key."""
    from nonconv.config.keys import config_keys
    from nonconv.faults.problems import nearest

    if name in catalogue:
        return UsageError(f"{name!r} is a kind of component; `nonconv list {name}` shows what there is")
    # `learning_rate.powr` is compared without its kind, which the user may have right; `record.stat` as a whole.
    keys = [known for key in config_keys() for known in (key.name, key.name.rpartition(".")[2])]
    near = nearest(name.rpartition(".")[2], components) if "." in name else None
    near = near or nearest(name, [*components, *keys])
    hint = f"\n  did you mean {near}?" if near else ""
    return UsageError(f"there is no component or key {name!r}; `nonconv list` shows them all{hint}")


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

    return [_parameter(p) for p in parameters_in_config(kind, component)]


def _parameter(p: "Parameter") -> dict[str, str]:
    """Describe a parameter or a key in texts."""
    default = "required" if p.required else _yaml_text(p.default)
    return {"name": p.name, "default": default, "allowed": p.allowed, "meaning": p.meaning}


def _yaml_text(value: Any) -> str:
    """Write a default as YAML does."""
    return str(value).lower() if isinstance(value, bool) else str(list(value) if isinstance(value, tuple) else value)
