"""Plug-ins: a user's Python files that register components, loaded by content, and who is to blame when one fails.

A file is executed once per content, under a module name made of both, so that a kernel finds its definitions by
import in any process. The registries hold the components of one config's plug-ins at a time: another config cannot use
them without naming them, and an edited file or another one with the same names takes their place.
"""

import hashlib
import linecache
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from nonconv.components import Component, NameTaken
from nonconv.config.document import Document, KeyPath, dotted
from nonconv.config.plugin_checks import Refused, refuse_unusable
from nonconv.config.spec import KINDS, registries_changed
from nonconv.errors import ConfigError
from nonconv.faults.blame import Plugin, in_one_line, last_place, registered, source_lines
from nonconv.faults.problems import Place, Problem


class Wanted(NamedTuple):
    """A file to load, the digest it should have ("" is any), and where a config names it."""

    path: Path
    digest: str = ""
    place: Place = Place("", 0, 0, "")
    key: str = ""


_known: dict[str, Plugin] = {}
"""Every plug-in executed so far by the name of its module."""


def load_named(document: Document) -> tuple[tuple[Plugin, ...], list[Problem]]:
    """Register what a config's plug-ins define, and nothing that others do. What is no text is left to the models."""
    named = document.data.get("plugins") if isinstance(document.data, dict) else None
    several = isinstance(named, list)
    wanted: list[Wanted] = []
    for k, entry in enumerate(named if isinstance(named, list) else [named]):
        path: KeyPath = ("plugins", k) if several else ("plugins",)
        file, digest = (entry.get("file"), entry.get("sha256", "")) if isinstance(entry, dict) else (entry, "")
        if isinstance(file, str) and file and isinstance(digest, str):
            path = (*path, "file") if isinstance(entry, dict) else path
            wanted.append(Wanted(document.locate(file), digest, document.place(path), dotted(path)))
    return use(wanted)


def load_files(paths: Sequence[Path]) -> tuple[Plugin, ...]:
    """Register what these files define. Raises ConfigError."""
    plugins, problems = use([Wanted(path) for path in paths])
    if problems:
        raise ConfigError([str(problem) for problem in problems])
    return plugins


def use(wanted: Sequence[Wanted]) -> tuple[tuple[Plugin, ...], list[Problem]]:
    """Make these the plug-ins whose components are registered; those without problems, and the problems."""
    before = list(registered)
    _withdraw_all()
    problems: list[Problem] = []
    seen: dict[str, Path] = {}
    for one in wanted:
        if one.path.name in seen:
            what = f"{seen[one.path.name]} has the same name; in the output folder both are plugins/{one.path.name}"
            problems.append(Problem(what, one.place, one.key))
            continue
        seen[one.path.name] = one.path
        try:
            registered.append(_loaded(one))
        except Refused as refused:
            problems += refused.problems
    if problems or before != registered:
        registries_changed()
    return tuple(registered), problems


def in_use(plugins: Sequence[Plugin]) -> bool:
    """Whether the registries hold the components of just these."""
    return list(plugins) == registered


def _withdraw_all() -> None:
    for plugin in registered:
        _withdraw(plugin.components)
    registered.clear()


def _withdraw(components: Sequence[tuple[str, Component]]) -> None:
    for kind, component in components:
        KINDS[kind].withdraw(component.name)


def _loaded(wanted: Wanted) -> Plugin:
    """The plug-in, its components registered. Raises Refused."""
    content = _read(wanted)
    digest = hashlib.sha256(content).hexdigest()
    if wanted.digest not in ("", digest):
        key = wanted.key.removesuffix(".file") + ".sha256"
        raise Refused(Problem(f"{wanted.path} has changed; its digest now is {digest}", wanted.place, key))
    name = f"nonconv_plugin_{re.sub(r'[^0-9A-Za-z_]', '_', wanted.path.stem)}_{digest[:16]}"
    known = _known.get(name)
    if known and not any(component.name in KINDS[kind] for kind, component in known.components):
        for kind, component in known.components:
            KINDS[kind].register(component)
        return known if known.path == wanted.path else replace(known, path=wanted.path)
    _known[name] = _executed(wanted.path, content, digest, name)
    return _known[name]


def _read(wanted: Wanted) -> bytes:
    def refused(message: str) -> Refused:
        return Refused(Problem(message, wanted.place, wanted.key))

    path = wanted.path
    if path.suffix != ".py":
        raise refused(f"{path} is no Python file; its name must end in .py")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise refused(f"there is no file {path}") from None
    except OSError as error:
        raise refused(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise refused("no file has a null character in its name") from None
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise refused(f"{path} is not UTF-8 text") from None
    return content


def _executed(path: Path, content: bytes, digest: str, name: str) -> Plugin:
    """Execute a file. Raises Refused, with nothing of it left registered."""
    file, text = str(path), content.decode("utf-8-sig")
    source_lines[file] = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    # Without a time stamp linecache holds on to it: a file edited meanwhile must not pass for what was executed.
    linecache.cache[file] = (len(text), None, [f"{line}\n" for line in source_lines[file]], file)
    module, earlier = ModuleType(name), sys.modules.get(name)
    module.__file__ = file
    sys.modules[name] = module
    before = {(kind, component) for kind, registry in KINDS.items() for component in registry}
    try:
        exec(_compiled(path, text), module.__dict__)
        new = _since(before)
        refuse_unusable(path, new)
    except BaseException as error:
        _withdraw(_since(before))
        del sys.modules[name]
        if earlier:
            sys.modules[name] = earlier
        raise (error if isinstance(error, Refused | KeyboardInterrupt) else Refused(_while_executed(path, error))) from None
    return Plugin(path, content, digest, module, new)


def _since(before: set[tuple[str, str]]) -> tuple[tuple[str, Component], ...]:
    """The components that were not registered before."""
    return tuple((kind, c) for kind, registry in KINDS.items() for c in registry.values() if (kind, c.name) not in before)


def _compiled(path: Path, text: str) -> Any:
    try:
        return compile(text, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        line, column = error.lineno or 0, max(1, error.offset or 1)
        lines = source_lines[str(path)]
        shown = lines[line - 1] if 0 < line <= len(lines) else ""
        last = error.end_offset if error.end_lineno == error.lineno else None
        width = max(1, (last or 0) - column)
        raise Refused(Problem(f"not Python: {error.msg}", Place(str(path), line, column, shown, width))) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise Refused(Problem(f"not Python: {error or 'nested too deeply'}", Place(str(path), 0, 0, ""))) from None


def _while_executed(path: Path, error: BaseException) -> Problem:
    place = last_place(error.__traceback__, {str(path)}) or Place(str(path), 0, 0, "")
    if not isinstance(error, NameTaken):
        return Problem(f"cannot be executed: {in_one_line(error)}", place)
    owner = next((p for p in registered if any(k == error.kind and c.name == error.name for k, c in p.components)), None)
    whose = f"{owner.path} has registered it" if owner else "it is nonconv's own, or registered twice in this file"
    return Problem(f"the {KINDS[error.kind].noun} {error.name!r} is there already; {whose}", place)
