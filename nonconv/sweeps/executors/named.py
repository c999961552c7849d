"""An executor that a user names: `MODULE:FACTORY` or `FILE.py:FACTORY`, or an object that a Python program gives.

What is named may be a class or function that returns a `concurrent.futures.Executor`, or such an object.
"""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module, invalidate_caches
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from nonconv.faults.blame import PLUGIN_ERRORS, in_one_line
from nonconv.faults.errors import UsageError
from nonconv.faults.problems import nearest

HOW = "a concurrent.futures.Executor is needed, or a function that returns one"
WORKERS = "max_workers"
"""The parameter of a factory that is given the number of workers."""


def is_name(kind: str) -> bool:
    """Whether an executor is named by module and factory."""
    module, colon, factory = kind.rpartition(":")
    return bool(module and colon and factory)


@contextmanager
def findable(kind: str) -> Iterator[None]:
    """Also look for modules in the folder of a name's file, or of a module's in this one, while the context is open.

    Processes that are spawned meanwhile look there too, for what they are sent by its module's name. Forks have it already.
    """
    module = kind.rpartition(":")[0]
    folder = str(Path(module).resolve().parent if module.endswith(".py") else Path.cwd())
    sys.path.append(folder)  # last: a file in this folder hides no library
    try:
        yield
    finally:
        if folder in sys.path:  # the last one: the program may have it as well, or a sweep in another thread
            del sys.path[len(sys.path) - 1 - sys.path[::-1].index(folder)]


def load(kind: str, option: str) -> Any:
    """Return what a name means. Raises UsageError. option: where it was given."""
    module_name, _, attributes = kind.rpartition(":")
    with findable(kind):
        module = _load_module(module_name, option)
    found: Any = module
    for name in attributes.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            near = nearest(name, [one for one in dir(found) if not one.startswith("_")])
            hint = f"\n  did you mean {near}?" if near else ""
            raise UsageError(f"{option} {kind}: {module_name} has no {attributes!r}{hint}") from None
    if not callable(found) and not has_submit(found):
        raise UsageError(f"{option} {kind}: {attributes} is {_article(found)}; {HOW}")
    return found


def has_submit(found: Any) -> bool:
    """Whether this is an executor, and not a class of them."""
    return not isinstance(found, type) and callable(getattr(found, "submit", None))


def maker(found: Any, kind: str, option: str, options: Mapping[str, Any], workers: int) -> Callable[[], Any]:
    """Return what makes an executor of a class or function. Raises UsageError for options that it does not take.

    A parameter `max_workers` is given the number of workers, unless the options have it.
    """
    if has_submit(found):
        if options:
            raise UsageError(f"{option} {kind} is an executor already, and takes no --executor-option")
        return lambda: found
    try:
        signature: inspect.Signature | None = inspect.signature(found)
    except (TypeError, ValueError):  # written in C
        signature = None
    arguments = dict(options)
    if signature and WORKERS in signature.parameters:
        arguments.setdefault(WORKERS, workers)
    try:
        if signature:
            signature.bind(**arguments)
    except TypeError as error:
        taken = ", ".join(signature.parameters) if signature else ""
        raise UsageError(f"{option} {kind}: {error}\n  it takes: {taken or 'no options'}") from None
    return lambda: _make(found, arguments, f"{option} {kind}")


def _make(factory: Callable[..., Any], arguments: Mapping[str, Any], told: str) -> Any:
    """Call a factory. Raises UsageError if that fails, or returns something else."""
    try:
        made = factory(**arguments)
    except PLUGIN_ERRORS as error:  # it is the user's code
        raise UsageError(f"{told}: no executor could be made ({in_one_line(error)})") from error
    if not has_submit(made):
        raise UsageError(f"{told} returned {_article(made)}, which has no submit; a concurrent.futures.Executor is needed")
    return made


def _article(found: Any) -> str:
    """Name the type of an object."""
    name = "None" if found is None else type(found).__name__
    return name if found is None else f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def _load_module(name: str, option: str) -> ModuleType:
    """Import a module, or execute a Python file. Raises UsageError."""
    if name.endswith(".py") and not Path(name).is_file():
        raise UsageError(f"{option}: there is no file {name}")
    try:
        return _load_file(Path(name)) if name.endswith(".py") else import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise UsageError(f"{option}: there is no module {name!r}, neither installed nor in this folder") from None
        raise UsageError(f"{option}: {name} cannot be imported ({in_one_line(error)})") from error
    except PLUGIN_ERRORS as error:  # it is the user's code
        raise UsageError(f"{option}: {name} cannot be imported ({in_one_line(error)})") from error


def _load_file(path: Path) -> ModuleType:
    """Import a Python file by its name, or by its path where the name means another module. Raises whatever it raises."""
    place = path.resolve()
    if _file_of(place.stem) == place:
        return import_module(place.stem)  # so that what it defines can be sent to workers, as an initializer of a pool
    name = str(place).replace(".", ":")  # what is pickled looks for the modules before its dots
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, place)
    assert spec
    assert spec.loader
    sys.modules[name] = module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _file_of(name: str) -> Path | None:
    """Return the file that is imported by a name, or was; None if there is none."""
    invalidate_caches()  # it may have just been written
    try:
        spec = None if "." in name else find_spec(name)
    except ValueError:  # a module that is there, but was not imported
        return None
    return Path(spec.origin).resolve() if spec and spec.origin else None
