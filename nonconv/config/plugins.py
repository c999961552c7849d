"""Plug-ins: a user's Python files that register components, loaded by content, and who is to blame when one fails.

A file is executed once per content, under a module name made of both, so that a kernel finds its definitions by
import in any process. The registries hold the components of one config's plug-ins at a time: another config cannot use
them without naming them, and an edited file or another one with the same names takes their place.
"""

import hashlib
import linecache
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from inspect import cleandoc
from pathlib import Path
from types import FunctionType, ModuleType, NoneType, TracebackType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from nonconv.components import Component, Coupled, Initialisation, NameTaken, OneOf
from nonconv.config.document import Document, KeyPath, dotted
from nonconv.config.problems import Place, Problem
from nonconv.config.spec import KINDS, common_parameters, component_model, registries_changed, typed
from nonconv.errors import ConfigError, NonconvError, PluginError
from nonconv.parameters import allowed, bare, without_none

UNDERSTOOD = "float, int, bool, str, Literal, a tuple of one of these, or one of these | such a tuple"
RETURNED = {
    "update": "a direction and a state",
    "gradient": "a number",
    "sample": "a number, or of examples nothing",
    "add_gradient": "nothing",
    "loss": "a number, or of a network nothing",
    "penalty": "a number",
}
"""What runs in a kernel, and what it gives back. The kernel imports it, and TUPLES, by name from the module it is from."""
TUPLES = {"update": ("state", "per_step")}
IN_COMPILERS_TEXT = re.compile(r'File "([^"]+)", line (\d+)|(?:at|from) (\S.*?\.py) \((\d+)\)')
NO_NEWS = re.compile(r"Failed in \w+ mode pipeline.*")
OWN_NAMES = re.compile(r" for '\$.*")


@dataclass(frozen=True, eq=False)
class Plugin:
    """A loaded file: its path as it was given, its content and digest, and what it registered, by kind."""

    path: Path
    content: bytes
    digest: str
    module: ModuleType
    components: tuple[tuple[str, Component], ...]


class Wanted(NamedTuple):
    """A file to load, the digest it should have ("" is any), and where a config names it."""

    path: Path
    digest: str = ""
    place: Place = Place("", 0, 0, "")
    key: str = ""


class _Refused(Exception):
    """A file is no plug-in; holds what is wrong with it."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__()
        self.problems = problems


_known: dict[str, Plugin] = {}
"""Every plug-in executed so far by the name of its module."""
_registered: list[Plugin] = []
"""The plug-ins whose components the registries hold."""
_sources: dict[str, list[str]] = {}
"""The lines of every file executed so far, as of the last time, by the name that tracebacks give it."""


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
    before = list(_registered)
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
            _registered.append(_loaded(one))
        except _Refused as refused:
            problems += refused.problems
    if problems or before != _registered:
        registries_changed()
    return tuple(_registered), problems


def in_use(plugins: Sequence[Plugin]) -> bool:
    """Whether the registries hold the components of just these."""
    return list(plugins) == _registered


def _withdraw_all() -> None:
    for plugin in _registered:
        _withdraw(plugin.components)
    _registered.clear()


def _withdraw(components: Sequence[tuple[str, Component]]) -> None:
    for kind, component in components:
        KINDS[kind].withdraw(component.name)


def _loaded(wanted: Wanted) -> Plugin:
    """The plug-in, its components registered. Raises _Refused."""
    content = _read(wanted)
    digest = hashlib.sha256(content).hexdigest()
    if wanted.digest not in ("", digest):
        key = wanted.key.removesuffix(".file") + ".sha256"
        raise _Refused(Problem(f"{wanted.path} has changed; its digest now is {digest}", wanted.place, key))
    name = f"nonconv_plugin_{re.sub(r'[^0-9A-Za-z_]', '_', wanted.path.stem)}_{digest[:16]}"
    known = _known.get(name)
    if known and not any(component.name in KINDS[kind] for kind, component in known.components):
        for kind, component in known.components:
            KINDS[kind].register(component)
        return known if known.path == wanted.path else replace(known, path=wanted.path)
    _known[name] = _executed(wanted.path, content, digest, name)
    return _known[name]


def _read(wanted: Wanted) -> bytes:
    def refused(message: str) -> _Refused:
        return _Refused(Problem(message, wanted.place, wanted.key))

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
    """Execute a file. Raises _Refused, with nothing of it left registered."""
    file, text = str(path), content.decode("utf-8-sig")
    _sources[file] = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    # Without a time stamp linecache holds on to it: a file edited meanwhile must not pass for what was executed.
    linecache.cache[file] = (len(text), None, [f"{line}\n" for line in _sources[file]], file)
    module, earlier = ModuleType(name), sys.modules.get(name)
    module.__file__ = file
    sys.modules[name] = module
    before = {(kind, component) for kind, registry in KINDS.items() for component in registry}
    try:
        exec(_compiled(path, text), module.__dict__)
        new = _since(before)
        _refuse_what_cannot_be_used(path, new)
    except BaseException as error:
        _withdraw(_since(before))
        del sys.modules[name]
        if earlier:
            sys.modules[name] = earlier
        raise (error if isinstance(error, _Refused | KeyboardInterrupt) else _Refused(_while_executed(path, error))) from None
    return Plugin(path, content, digest, module, new)


def _since(before: set[tuple[str, str]]) -> tuple[tuple[str, Component], ...]:
    """The components that were not registered before."""
    return tuple((kind, c) for kind, registry in KINDS.items() for c in registry.values() if (kind, c.name) not in before)


def _compiled(path: Path, text: str) -> Any:
    try:
        return compile(text, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        line, column = error.lineno or 0, max(1, error.offset or 1)
        lines = _sources[str(path)]
        shown = lines[line - 1] if 0 < line <= len(lines) else ""
        last = error.end_offset if error.end_lineno == error.lineno else None
        width = max(1, (last or 0) - column)
        raise _Refused(Problem(f"not Python: {error.msg}", Place(str(path), line, column, shown, width))) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise _Refused(Problem(f"not Python: {error or 'nested too deeply'}", Place(str(path), 0, 0, ""))) from None


def _while_executed(path: Path, error: BaseException) -> Problem:
    place = _last_place(error.__traceback__, {str(path)}) or Place(str(path), 0, 0, "")
    if not isinstance(error, NameTaken):
        return Problem(f"cannot be executed: {_said(error)}", place)
    owner = next((p for p in _registered if any(k == error.kind and c.name == error.name for k, c in p.components)), None)
    whose = f"{owner.path} has registered it" if owner else "it is nonconv's own, or registered twice in this file"
    return Problem(f"the {KINDS[error.kind].noun} {error.name!r} is there already; {whose}", place)


def _said(error: BaseException) -> str:
    """An exception in one line."""
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


# What cannot be used


def _refuse_what_cannot_be_used(path: Path, components: Sequence[tuple[str, Component]]) -> None:
    if not components:
        example = "from nonconv.optimizers import OPTIMIZERS; OPTIMIZERS.register(Optimizer(...))"
        raise _Refused(Problem("registers no component", Place(str(path), 0, 0, ""), allowed=f"for example {example}"))
    problems: list[Problem] = []
    for kind, component in components:
        found = [*_of_texts(kind, component), *_of_parameters(kind, component), *_of_definitions(component)]
        problems += [Problem(message, _place_of(path, subject), what) for subject, what, message in found]
    if problems:
        raise _Refused(*dict.fromkeys(problems))
    registries_changed()
    for kind, component in components:
        component_model(kind, component.name)


Finding = tuple[Any, str, str]
"""The class or function it is about (or a class and the name of a parameter), what that is called, what is wrong."""


def _of_texts(kind: str, component: Component) -> Iterator[Finding]:
    cls, name = component.parameters, f"{KINDS[kind].noun} {component.name}"
    if not (isinstance(component.name, str) and component.name.isidentifier()):
        yield cls, name, "the name must be a word of letters, digits and underscores"
    if not (isinstance(cls, type) and issubclass(cls, tuple) and hasattr(cls, "_fields")):
        yield cls, name, "parameters must be a class derived from NamedTuple"
    elif not cleandoc(cls.__doc__ or "").strip() or (cls.__doc__ or "").startswith(f"{cls.__name__}("):
        yield cls, name, f"{cls.__name__} needs a docstring; its first line says what the {KINDS[kind].noun} is"


def _of_parameters(kind: str, component: Component) -> Iterator[Finding]:
    cls = component.parameters
    try:
        hints = get_type_hints(cls, include_extras=True)
    except Exception as error:  # whatever stands there is evaluated
        yield cls, cls.__name__, f"its annotations cannot be read: {_said(error)}"
        return
    common = {parameter.name for parameter in common_parameters(kind)}
    for name, annotation in hints.items():
        subject, what = (cls, name), f"parameter {name}"
        if not _understood(annotation):
            yield subject, what, f"the annotation {_shown(annotation)} is not understood; write {UNDERSTOOD}"
        elif kind == "objective" and not _as_expected(component, name, annotation):
            like = "mlp" if isinstance(component, Coupled) else "quadratic"
            yield subject, what, f"of an objective must be annotated as in nonconv/objectives/{like}.py"
        if name in common:
            yield subject, what, f"every {KINDS[kind].noun} has one of this name already"
        elif name == "name" or hasattr(BaseModel, name):
            yield subject, what, "this name is used by nonconv; take another"
    if isinstance(component, Coupled) and "data" not in hints:
        yield cls, cls.__name__, "needs the parameter data, annotated as in nonconv/objectives/mlp.py"
    if isinstance(component, Initialisation) and not _law_and_gain(hints):
        yield cls, cls.__name__, "needs the parameters law and gain, annotated as in nonconv/data/initial.py"


def _law_and_gain(hints: Mapping[str, Any]) -> bool:
    law, gain = (bare(hints.get(name))[0] for name in ("law", "gain"))
    return set(get_args(law)) == {"normal", "uniform"} and gain is float


def _understood(annotation: Any) -> bool:
    try:
        allowed(annotation)
        typed(annotation)
    except Exception:  # of whatever kind: it depends on what somebody wrote there
        return False
    core = without_none(bare(annotation)[0])
    if get_origin(core) not in (Union, UnionType):
        return True
    first, *others = (get_origin(bare(option)[0]) or bare(option)[0] for option in get_args(core) if option is not NoneType)
    return len(others) == 1 and (first in (Literal, str)) != (others[0] is tuple)  # else nothing tells which one is meant


def _as_expected(objective: Component, name: str, annotation: Any) -> bool:
    """Whether an objective's parameter is what its name means to the rest of nonconv."""
    core, metadata = bare(annotation)
    if name == "data":
        kind = "examples" if isinstance(objective, Coupled) else "data"
        return any(isinstance(item, OneOf) and item.kind == kind for item in metadata)
    if name == "dim":
        return core is int
    return name != "scale" or core is float or bare(next(iter(get_args(core)), None))[0] is float


def _shown(annotation: Any) -> str:
    core = bare(annotation)[0]
    return core.__name__ if isinstance(core, type) else str(core)


def _of_definitions(component: Component) -> Iterator[Finding]:
    """A kernel imports what it is made of by name, each from the module of the function that runs in it."""
    if getattr(component, "on_orbit", None):
        yield component.on_orbit, "on_orbit", "is for toint, which nonconv's reports know"  # type: ignore[attr-defined]  # just read
    for role in RETURNED:
        function = getattr(component, role, None)
        if function is None or (role == "loss" and not isinstance(component, Coupled)):
            continue
        if not isinstance(function, FunctionType) or _imported(function, function.__name__) is not function:
            yield function, role, "must be a function that stands under its own name at the top level of the file"
            continue
        for field in TUPLES.get(role, ("constants",)):
            cls = getattr(component, field)
            if not hasattr(cls, "_fields") or _imported(function, cls.__name__) is not cls:
                yield cls, field, f"must be a NamedTuple at the top level of the file that {role} is in, under its own name"


def _imported(function: FunctionType, name: str) -> Any:
    return getattr(sys.modules.get(function.__module__), name, None)


def _place_of(path: Path, subject: Any) -> Place:
    """Where the file defines a class, a parameter in one, or a function; the whole file if it does not."""
    if is_foreign(subject):
        return _place_of_function(subject)
    lines = _sources[str(path)]
    cls, parameter = subject if isinstance(subject, tuple) else (subject, "")
    name = getattr(cls, "__name__", "")
    found = _line_of(lines, rf"(?:class|def) ({re.escape(name)})\b", 0)
    if found and parameter:
        found = _line_of(lines, rf"\s+({re.escape(parameter)})\s*:", found[0]) or found
    if not found:
        return Place(str(path), 0, 0, "")
    number, match = found
    return Place(str(path), number, match.start(1) + 1, match.string, len(match[1]))


def _line_of(lines: Sequence[str], pattern: str, after: int) -> tuple[int, re.Match[str]] | None:
    """The first line after that one that begins so."""
    matches = ((number, re.match(pattern, text)) for number, text in enumerate(lines[after:], after + 1))
    return next(((number, match) for number, match in matches if match), None)


# Who is to blame


@contextmanager
def blaming(**compiled: Callable[..., Any]) -> Iterator[None]:
    """Raise PluginError for what a plug-in's code raises, or what a compiler says of these, by their role in a kernel."""
    try:
        yield
    except NonconvError:
        raise
    except Exception as error:  # a plug-in's code may raise anything
        problem = blame(error) or _of_compiler(error, compiled) or _perhaps(error)
        if problem is None:
            raise
        raise PluginError([str(problem)]) from error


def blame(error: BaseException) -> Problem | None:
    """What to tell of an exception that was raised in a plug-in's code, with the innermost line of it."""
    place = _last_place(error.__traceback__, set(_sources))
    return Problem(f"cannot be run: {_said(error)}", place) if place else None


def _last_place(trace: TracebackType | None, files: set[str]) -> Place | None:
    ours = [frame for frame in traceback.extract_tb(trace) if frame.filename in files]
    if not ours:
        return None
    frame, source = ours[-1], _sources[ours[-1].filename]
    line = frame.lineno or 0
    text = source[line - 1] if 0 < line <= len(source) else ""
    first, last = (len(text.encode()[: column or 0].decode(errors="ignore")) for column in (frame.colno, frame.end_colno))
    one_line = frame.end_lineno == frame.lineno and last > first
    return Place(frame.filename, line, first + 1, text, last - first if one_line else max(1, len(text.rstrip()) - first))


def _of_compiler(error: Exception, compiled: Mapping[str, Callable[..., Any]]) -> Problem | None:
    """What a compiler says of functions, if they are a plug-in's: at the line it names, or else at one of them."""
    foreign = {role: function for role, function in compiled.items() if is_foreign(function)}
    if not foreign:
        return None
    message = f"cannot be compiled: {_gist(str(error)) or type(error).__name__}"
    files = {Path(file).resolve(): file for file in _sources}
    for match in IN_COMPILERS_TEXT.finditer(str(error)):
        file = files.get(Path(match[1] or match[3]).resolve())
        if file:
            return Problem(message, _whole_line(file, int(match[2] or match[4])))
    role = next((role for role in foreign if f"{role}(" in str(error)), next(iter(foreign)))
    return Problem(f"{message}; {role} must return {RETURNED[role]}", _place_of_function(foreign[role]))


def _perhaps(error: Exception) -> Problem | None:
    """What cannot be laid to a line; a plug-in is the likely cause where there is one."""
    if not _registered or isinstance(error, OSError):
        return None
    test = " and ".join(f"nonconv explain {plugin.path} --test" for plugin in _registered)
    hint = f"{test} says what a plug-in does wrong; if it finds nothing, please report this"
    return Problem(f"{_said(error)}\n  {hint}", Place(", ".join(str(plugin.path) for plugin in _registered), 0, 0, ""))


def refusal(function: Callable[..., Any], message: str) -> Exception:
    """What to raise where a definition gave what it must not: PluginError, which names its line, if it is a plug-in's."""
    if not is_foreign(function):
        return ValueError(message)
    return PluginError([str(Problem(message, _place_of_function(function)))])


def place_text(function: Callable[..., Any]) -> str:
    """`file:line` of a plug-in's function."""
    place = _place_of_function(function)
    return f"{place.source}:{place.line}"


def _place_of_function(function: Any) -> Place:
    return _whole_line(function.__code__.co_filename, function.__code__.co_firstlineno)


def _whole_line(file: str, line: int) -> Place:
    text = _sources[file][line - 1] if 0 < line <= len(_sources[file]) else ""
    indent = len(text) - len(text.lstrip())
    return Place(file, line, indent + 1, text, max(1, len(text.strip())))


def is_foreign(function: Any) -> bool:
    """Whether a function is from a plug-in."""
    code = getattr(function, "__code__", None)
    return code is not None and code.co_filename in _sources


def _gist(text: str) -> str:
    """The sentence that a compiler's page of text is about."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not NO_NEWS.match(line)]
    said = OWN_NAMES.sub("", lines[0]) if lines else ""
    example = next((line for line in lines[1:3] if line.startswith(">>>")), "")
    return f"{said.removesuffix(':')}:{example.removeprefix('>>>')}" if example else said
