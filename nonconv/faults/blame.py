"""Find the plug-in at fault when code fails: its line that raised, or that a compiler refuses.

The engine, the config and the workers of a sweep call a plug-in's functions in many places. Each wraps its calls in
`blaming`, so that a user sees `rules.py:12:5: cannot be run: ZeroDivisionError` instead of a traceback through nonconv.
"""

import re
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, NamedTuple, TypeVar

from nonconv.components.definitions import Component
from nonconv.faults.errors import NonconvError, PluginError
from nonconv.faults.problems import Place, Problem

RETURNED = {
    "update": "a direction and a state",
    "gradient": "a number",
    "sample": "a number, or of examples nothing",
    "add_gradient": "nothing",
    "loss": "a number, or of a network nothing",
    "penalty": "a number",
}
"""The functions of a definition that run in a kernel, and what each must return, in words."""
PLUGIN_ERRORS = (Exception, SystemExit)
"""What a user's code may raise: an exit must end neither a command nor the other cells of a sweep."""
LINE_IN_COMPILER_TEXT = re.compile(r'File "([^"]+)", line (\d+)|(?:at|from) (\S.*?\.py) \((\d+)\)')
"""A file and a line in the two forms in which numba and Python write them."""
COLOURS = re.compile("\x1b\\[[0-9;]*m")
"""numba colours its messages where the library colorama happens to be installed."""
PIPELINE_LINE = re.compile(r"Failed in \w+ mode pipeline.*")
"""A line that numba puts before its message; it says nothing about the cause."""
INTERNAL_NAMES = re.compile(r" for '\$.*")
"""Names of numba's own variables, as in `for '$12load_global.4'`."""


class Registered(NamedTuple):
    """A component that a plug-in registers, its kind, and the line of the file that does it."""

    kind: str
    component: Component
    line: int


@dataclass(frozen=True)
class Plugin:
    """A plug-in: an executed file with what it registers.

    path: as it was given. digest: SHA-256 of the content. values: a digest of what it reads of its surroundings; empty where
    its own text determines all it reads. registered: its components in the order of the file. Two are equal if path and
    digests are, since a file is executed once per content.
    """

    path: Path
    digest: str
    values: str
    content: bytes = field(compare=False)
    module: ModuleType = field(compare=False)
    registered: tuple[Registered, ...] = field(compare=False)

    @property
    def pin(self) -> str:
        """What pins it in a resolved config: its digest, and that of its values after a hyphen if there is one."""
        return f"{self.digest}-{self.values}" if self.values else self.digest


VALUES = "__values__"
"""The name in a plug-in's module of `Plugin.values`, for what sees only its functions."""
source_lines: dict[str, list[str]] = {}
"""The lines of every file executed so far, by the name that tracebacks give it."""


def in_one_line(error: BaseException) -> str:
    """Write an exception in one line: `ValueError: the text`, or its type alone."""
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


# Blame


@contextmanager
def blaming(plugins: Callable[[], Sequence[Plugin]] = tuple, **compiled: Callable[..., Any]) -> Iterator[None]:
    """Raise PluginError for what a plug-in's code raises, or what a compiler says of it.

    plugins: returns those that may be at fault where no line of one is known; called only when something failed.
    compiled: the functions in a kernel, by their role (a key of RETURNED).
    Errors of nonconv itself (NonconvError), and those raised by its code, pass unchanged.
    """
    try:
        yield
    except NonconvError:
        raise
    except PLUGIN_ERRORS as error:
        problem = blame(error)
        if problem is None and isinstance(error, Exception):  # an exit that no plug-in asked for is the calling program's
            problem = _blame_compiled(error, compiled) or _suspect_plugins(error, plugins())
        if problem is None:
            raise
        raise PluginError([str(problem)]) from error


F = TypeVar("F", bound=Callable[..., Any])


def blaming_plugins(function: F) -> F:
    """Decorate a function whose first argument has plug-ins, a cell or a ready one: apply `blaming` with these."""

    @wraps(function)
    def wrapper(owner: Any, *arguments: Any, **options: Any) -> Any:
        with blaming(lambda: owner.plugins):
            return function(owner, *arguments, **options)

    return wrapper  # type: ignore[return-value]  # wraps keeps the signature, which mypy cannot see


def blame(error: BaseException) -> Problem | None:
    """Return the problem of an exception raised in a plug-in's code, at its innermost line there."""
    place = last_place(error.__traceback__, set(source_lines))
    return Problem(f"cannot be run: {in_one_line(error)}", place) if place else None


def last_place(trace: TracebackType | None, files: set[str]) -> Place | None:
    """Find the innermost line of a traceback in one of these files; None if there is none."""
    ours = [frame for frame in traceback.extract_tb(trace) if frame.filename in files]
    if not ours:
        return None
    frame, source = ours[-1], source_lines[ours[-1].filename]
    line = frame.lineno or 0
    text = source[line - 1] if 0 < line <= len(source) else ""
    # Python counts columns of a traceback in bytes of UTF-8; carets are under characters.
    first, last = (len(text.encode()[: column or 0].decode(errors="ignore")) for column in (frame.colno, frame.end_colno))
    one_line = frame.end_lineno == frame.lineno and last > first
    return Place(frame.filename, line, first + 1, text, last - first if one_line else max(1, len(text.rstrip()) - first))


def place_of_line(file: str, line: int) -> Place:
    """Return the place of a whole line of an executed file."""
    text = source_lines[file][line - 1] if 0 < line <= len(source_lines[file]) else ""
    indent = len(text) - len(text.lstrip())
    return Place(file, line, indent + 1, text, max(1, len(text.strip())))


def _blame_compiled(error: Exception, compiled: Mapping[str, Callable[..., Any]]) -> Problem | None:
    """Return the problem of a plug-in's function that does not compile.

    Its place is the line that the compiler names, or else the function.
    """
    foreign = {role: function for role, function in compiled.items() if is_foreign(function)}
    if not foreign:
        return None
    told = COLOURS.sub("", str(error))
    message = f"cannot be compiled: {_decisive_sentence(told) or type(error).__name__}"
    files = {Path(file).resolve(): file for file in source_lines}
    for match in LINE_IN_COMPILER_TEXT.finditer(told):
        file = files.get(Path(match[1] or match[3]).resolve())
        if file:
            return Problem(message, place_of_line(file, int(match[2] or match[4])))
    # No line is known: take the function whose call the compiler quotes, or the first.
    role = next((role for role in foreign if f"{role}(" in told), next(iter(foreign)))
    return Problem(f"{message}; {role} must return {RETURNED[role]}", place_of_function(foreign[role]))


def _suspect_plugins(error: Exception, plugins: Sequence[Plugin]) -> Problem | None:
    """Return a problem without a line, if there are plug-ins: one of them is the likely cause.

    A function that returns the wrong thing fails elsewhere, in nonconv's own lines. OSError is left alone: a full disk is
    nobody's fault.
    """
    if not plugins or isinstance(error, OSError):
        return None
    test = " and ".join(f"nonconv explain {plugin.path} --test" for plugin in plugins)
    hint = f"{test} says what a plug-in does wrong; if it finds nothing, please report this"
    return Problem(f"{in_one_line(error)}\n  {hint}", Place(", ".join(str(plugin.path) for plugin in plugins), 0, 0, ""))


def refusal(function: Callable[..., Any], message: str) -> Exception:
    """Return what to raise where a definition returned something wrong.

    PluginError with the function's line if it is a plug-in's; ValueError, a defect of nonconv, otherwise.
    """
    if not is_foreign(function):
        return ValueError(message)
    return PluginError([str(Problem(message, place_of_function(function)))])


def place_text(function: Callable[..., Any]) -> str:
    """Write `file:line` of a plug-in's function."""
    place = place_of_function(function)
    return f"{place.source}:{place.line}"


def place_of_function(function: Any) -> Place:
    """Return the place of a function's first line in an executed file."""
    return place_of_line(function.__code__.co_filename, function.__code__.co_firstlineno)


def is_foreign(function: Any) -> bool:
    """Whether a function is from a plug-in, not from nonconv."""
    code = getattr(function, "__code__", None)
    return code is not None and code.co_filename in source_lines


def _decisive_sentence(text: str) -> str:
    """Extract the decisive sentence from a compiler's page of text."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not PIPELINE_LINE.match(line)]
    sentence = INTERNAL_NAMES.sub("", lines[0]) if lines else ""
    example = next((line for line in lines[1:3] if line.startswith(">>>")), "")
    return f"{sentence.removesuffix(':')}:{example.removeprefix('>>>')}" if example else sentence
