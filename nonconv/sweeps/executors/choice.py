"""Which executor a user has chosen, and what opens it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from nonconv.faults.errors import UsageError
from nonconv.faults.problems import nearest
from nonconv.sweeps import EXECUTORS
from nonconv.sweeps.executors import named
from nonconv.system.processors import default_workers

if TYPE_CHECKING:
    from nonconv.sweeps.executors.protocol import Executor, Tell
    from nonconv.sweeps.executors.remote import SweepPayload
    from nonconv.sweeps.sweep import Survey, Sweep


class Choice(NamedTuple):
    """What runs the tasks of a sweep.

    kind: one of EXECUTORS, `MODULE:FACTORY`, or an executor. workers: how many, 0 for as many as the kind likes.
    scheduler: the address of Dask's. options: what the executor is made with. seconds: how long a task should take.
    option: where the kind was given.
    """

    kind: Any
    workers: int = 0
    scheduler: str | None = None
    options: Mapping[str, Any] = {}
    seconds: float | None = None
    option: str = "--executor"

    @property
    def named(self) -> bool:
        """Whether it is none of nonconv's own executors."""
        return not isinstance(self.kind, str) or self.kind not in EXECUTORS


def read_options(texts: Sequence[str]) -> dict[str, Any]:
    """Read options given as `KEY=VALUE`, the value in YAML. Raises UsageError."""
    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.isidentifier():
            raise UsageError(f"--executor-option {text}: must have the form KEY=VALUE, as in max_workers=8")
        if key in found:
            raise UsageError(f"--executor-option {text}: {key} is given twice")
        try:
            found[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise UsageError(f"--executor-option {text}: the value is not YAML; quote it if it is a text") from None
    return found


def check(choice: Choice) -> None:
    """Raise UsageError for an executor that does not exist, or for options that it does not take."""
    if choice.seconds is not None and not (isfinite(choice.seconds) and choice.seconds > 0):
        raise UsageError(f"--task-seconds: must be a positive number, got {choice.seconds}")
    if choice.named:
        _maker(choice)
    elif choice.kind == "submitit":
        from nonconv.sweeps.executors.submitit import check_options

        check_options(choice.options)
    elif choice.options:
        raise UsageError(f"--executor-option: {choice.kind} takes none; submitit and MODULE:FACTORY do")


def opener(
    choice: Choice, sweep: "Sweep", survey: "Survey", folder: Path, tell: "Tell"
) -> Callable[[], AbstractContextManager["Executor"]]:
    """Return the function that starts the workers. Nothing starts before it is called. tell: what is waited for."""
    start = _starter(choice, sweep, survey, folder, tell)
    return start if choice.seconds is None else partial(_lasting, start, choice.seconds)


@contextmanager
def _lasting(start: Callable[[], AbstractContextManager["Executor"]], seconds: float) -> Iterator["Executor"]:
    """Open an executor whose tasks should take so long."""
    with start() as executor:
        executor.seconds = seconds
        yield executor


def _starter(
    choice: Choice, sweep: "Sweep", survey: "Survey", folder: Path, tell: "Tell"
) -> Callable[[], AbstractContextManager["Executor"]]:
    """Return the function that starts the workers, whose tasks take as long as the executor likes."""
    workers = choice.workers or default_workers()
    if choice.kind == "processes":
        from nonconv.sweeps.executors.processes import open_processes

        return partial(open_processes, sweep, workers)
    if choice.kind == "threads":
        from nonconv.sweeps.executors.threads import open_threads

        return partial(open_threads, sweep, workers)
    payload = _pack(sweep, survey)
    if choice.named:
        from nonconv.sweeps.executors.futures import open_futures

        told = f"{choice.option} {choice.kind}" if isinstance(choice.kind, str) else "the executor"
        make, owned = _maker(choice)
        start = partial(open_futures, payload, make, owned, workers, told, tell)
        return partial(_finding, start, choice.kind) if isinstance(choice.kind, str) else start
    if choice.kind == "submitit":
        from nonconv.sweeps.executors.submitit import open_jobs

        return partial(open_jobs, payload, choice.options, choice.workers, folder, tell)
    from nonconv.sweeps.executors.dask import open_cluster

    return partial(open_cluster, payload, choice.scheduler, workers, tell)


@contextmanager
def _finding(start: Callable[[], AbstractContextManager["Executor"]], kind: str) -> Iterator["Executor"]:
    """Open an executor whose workers import what the user's module defines, whenever they are started."""
    with named.findable(kind), start() as executor:
        yield executor


def _pack(sweep: "Sweep", survey: "Survey") -> "SweepPayload":
    """Pack a sweep. Other machines may not see this disk: the files that cells read travel with it."""
    from nonconv.sweeps.executors.remote import pack_sweep

    return pack_sweep(sweep, {name: file.content for name, file in survey.files.items()})


def _maker(choice: Choice) -> tuple[Callable[[], Any], bool]:
    """Return what makes the executor that a user names or gives, and whether it is ours to end. Raises UsageError."""
    kind, option = choice.kind, choice.option
    if isinstance(kind, str) and not named.is_name(kind):
        near = nearest(kind, EXECUTORS)
        hint = f"\n  did you mean {near}?" if near else ""
        allowed = f"{', '.join(EXECUTORS)}, or MODULE:FACTORY"
        raise UsageError(f"{option}: unknown executor {kind!r}\n  allowed: {allowed}{hint}")
    found = named.load(kind, option) if isinstance(kind, str) else kind
    if not isinstance(kind, str) and not named.has_submit(kind):
        raise UsageError(f"{option}: {kind!r} is no executor; {named.HOW}")
    make = named.maker(found, str(kind), option, choice.options, choice.workers or default_workers())
    return make, not named.has_submit(found)
