"""Plug-ins: a user's Python files, executed once per content, and the catalogue of a config that names them.

A file is executed under a module name made of its file name and the digest of its content. A kernel finds its
definitions by import under this name, in any process; a changed file gets another name, so no kernel is stale. What the
file registers is collected while it is executed and belongs to the plug-in: nothing is added to nonconv's own
registries, so configs with different plug-ins do not meet.
"""

import hashlib
import linecache
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Any, NamedTuple

from nonconv.components.definitions import Component
from nonconv.components.registry import NameTaken, collecting
from nonconv.config.catalogue import BUILT_IN, Catalogue
from nonconv.config.document import Document, KeyPath, dotted
from nonconv.config.plugin_checks import Refused, refuse_unusable
from nonconv.config.plugin_reads import RefusedImport, guarded, outside, refuse_reads
from nonconv.faults.blame import VALUES, Plugin, Registered, in_one_line, last_place, place_of_line, source_lines
from nonconv.faults.errors import ConfigError
from nonconv.faults.problems import Place, Problem
from nonconv.system.reading import MOST_CONFIG_BYTES, read_file


class Wanted(NamedTuple):
    """A file to load, the `Plugin.pin` that it should have ("" is any), and where a config names it."""

    path: Path
    pin: str = ""
    place: Place = Place("", 0, 0, "")
    key: str = ""


_known: dict[str, Plugin] = {}
"""Every plug-in executed so far, by the name of its module and the digest of what it reads of its surroundings."""
_executing = RLock()
"""Two threads that read one config must not execute its plug-in twice: kernels find one module by its name."""


def load_named(document: Document) -> tuple[Catalogue, list[Problem]]:
    """Load the plug-ins that a config names; return its catalogue, and their problems.

    An entry that is not text is skipped: the model of the config reports it.
    """
    named = document.data.get("plugins") if isinstance(document.data, dict) else None
    several = isinstance(named, list)
    wanted: list[Wanted] = []
    for k, entry in enumerate(named if isinstance(named, list) else [named]):
        path: KeyPath = ("plugins", k) if several else ("plugins",)
        file, pin = (entry.get("file"), entry.get("sha256", "")) if isinstance(entry, dict) else (entry, "")
        if isinstance(file, str) and file and isinstance(pin, str):
            path = (*path, "file") if isinstance(entry, dict) else path
            wanted.append(Wanted(document.locate(file), pin, document.place(path), dotted(path)))
    return _load(wanted)


def load_files(paths: Sequence[Path]) -> Catalogue:
    """Load these files; return the catalogue of nonconv's components and theirs. Raises ConfigError."""
    catalogue, problems = _load([Wanted(path) for path in paths])
    if problems:
        raise ConfigError([str(problem) for problem in problems])
    return catalogue


def _load(wanted: Sequence[Wanted]) -> tuple[Catalogue, list[Problem]]:
    """Load files; return the catalogue of those without problems, and the problems of the others."""
    plugins: list[Plugin] = []
    problems: list[Problem] = []
    seen: dict[str, Path] = {}
    for one in wanted:
        # Both are copied to the output folder, under their file names.
        if one.path.name in seen:
            what = f"{seen[one.path.name]} has the same name; in the output folder both would be plugins/{one.path.name}"
            problems.append(Problem(what, one.place, one.key))
            continue
        seen[one.path.name] = one.path
        try:
            plugin = _load_one(one)
        except Refused as refused:
            problems += refused.problems
            continue
        taken = list(_find_name_conflicts(plugin, plugins))
        problems += taken
        plugins += [] if taken else [plugin]
    return Catalogue(tuple(plugins)), problems


def _find_name_conflicts(plugin: Plugin, earlier: Sequence[Plugin]) -> Iterator[Problem]:
    """Yield a problem for each name that an earlier plug-in of the same config registers too."""
    owners = {(one.kind, one.component.name): other for other in earlier for one in other.registered}
    for kind, component, line in plugin.registered:
        if (kind, component.name) in owners:
            owner = owners[kind, component.name].path
            what = f"the {BUILT_IN[kind].noun} {component.name!r} is already registered by {owner}"
            yield Problem(what, place_of_line(str(plugin.module.__file__), line))


def _load_one(wanted: Wanted) -> Plugin:
    """Return the plug-in of a file, executed if its content is new. Raises Refused."""
    content = _read(wanted)
    digest = hashlib.sha256(content).hexdigest()
    key = wanted.key.removesuffix(".file") + ".sha256"
    content_pin, _, values_pin = wanted.pin.partition("-")
    # A config in an output folder has the digest of what it ran: other code must not pass for it.
    if content_pin not in ("", digest):
        raise Refused(Problem(f"{wanted.path} has changed; its digest is now {digest}", wanted.place, key))
    name = f"nonconv_plugin_{re.sub(r'[^0-9A-Za-z_]', '_', wanted.path.stem)}_{digest[:16]}"
    with _executing:
        known = _execute_once(wanted.path, content, digest, name)
    if values_pin not in ("", known.values):
        what = "reads other values of its surroundings (environment, files, libraries) than those that it ran with"
        raise Refused(Problem(f"{wanted.path} {what}", wanted.place, key))
    # The same content under another path: not executed again, but errors must name the path that was given.
    return known if known.path == wanted.path else replace(known, path=wanted.path)


def _execute_once(path: Path, content: bytes, digest: str, name: str) -> Plugin:
    """Return the plug-in of a content, executed if that is new, or if what it reads of its surroundings has changed."""
    variants = [known for key, known in _known.items() if key.partition(":")[0] == name]
    if variants and not variants[0].values:
        return variants[0]
    # Another module for other values, since kernels find one module by its name.
    made = _execute(path, content, digest, f"{name}_{len(variants)}" if variants else name)
    same = next((known for known in variants if known.values == made.values), None)
    if same:
        del sys.modules[made.module.__name__]
        return same
    _known[f"{name}:{made.values}"] = made
    return made


def _read(wanted: Wanted) -> bytes:
    """Read the content of a Python file. Raises Refused."""

    def refused(message: str) -> Refused:
        return Refused(Problem(message, wanted.place, wanted.key))

    path = wanted.path
    if path.suffix != ".py":
        raise refused(f"{path} is not a Python file; its name must end in .py")
    try:
        content = read_file(path, MOST_CONFIG_BYTES)
    except FileNotFoundError:
        raise refused(f"there is no file {path}") from None
    except OSError as error:
        raise refused(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise refused("a file name cannot contain a null character") from None
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise refused(f"{path} is not UTF-8 text") from None
    return content


def _execute(path: Path, content: bytes, digest: str, name: str) -> Plugin:
    """Execute a file and collect what it registers. Raises Refused, after which the module is gone again."""
    file, text = str(path), content.decode("utf-8-sig")
    source_lines[file] = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    # Without a time stamp linecache holds on to it: a file edited meanwhile must not pass for what was executed.
    linecache.cache[file] = (len(text), None, [f"{line}\n" for line in source_lines[file]], file)
    module = ModuleType(name)
    module.__file__ = file
    imported: set[str] = set()
    module.__dict__["__builtins__"] = guarded(imported)
    # Registered before it is executed, as Python's own import does: its classes look their module up.
    sys.modules[name] = module
    collector = _Collector(file)
    try:
        with collecting(collector.add):
            code = _compile(path, text)
            exec(code, module.__dict__)
        refuse_unusable(path, collector.found)
        values = outside(code, imported, refuse_reads(file, collector.found))
    except BaseException as error:
        del sys.modules[name]
        raise (error if isinstance(error, Refused | KeyboardInterrupt) else Refused(_describe_failure(path, error))) from None
    setattr(module, VALUES, values)
    return Plugin(path, digest, values, content, module, tuple(collector.found))


class _Collector:
    """Collects what a file registers while it is executed.

    found: the components, each with its kind and the line that registers it.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[Registered] = []

    def add(self, kind: str, component: Component) -> None:
        """Add a component. Raises NameTaken if the file has registered one of this name already."""
        if any(one.kind == kind and one.component.name == component.name for one in self.found):
            raise NameTaken(f"the {BUILT_IN[kind].noun} {component.name!r} is already registered by this file")
        self.found.append(Registered(kind, component, self._line()))

    def _line(self) -> int:
        """Return the line of the file that is being executed: the innermost frame of the stack that is in it."""
        frame = sys._getframe()
        while frame.f_code.co_filename != self.file and frame.f_back:
            frame = frame.f_back
        return frame.f_lineno


def _compile(path: Path, text: str) -> Any:
    """Compile the text of a file. Raises Refused with the place of a syntax error."""
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


def _describe_failure(path: Path, error: BaseException) -> Problem:
    """Return the problem of a file that raised while it was executed."""
    place = last_place(error.__traceback__, {str(path)}) or Place(str(path), 0, 0, "")
    return Problem(
        str(error) if isinstance(error, NameTaken | RefusedImport) else f"cannot be executed: {in_one_line(error)}", place
    )
