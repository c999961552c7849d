"""Runs and sweeps that are started, interrupted, killed, damaged, extended and forced, in any order.

Whatever happened before, a command that ends leaves the bytes of an undisturbed run. Controls: programs with a planted
fault, in which hypothesis must find an order of events that leaves other bytes.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from kit import sweeping
from kit.experiments import BLOCK, NO_FLOORS, SGD, written
from kit.failures import Killed, failing_write
from kit.runs import SPOILT, contents, drawn, interrupt_after
from kit.sweeping import ALONE, BUNDLED, IN_PARTS, found, interrupt_at, whole_cells
from nonconv.engine import blocks
from nonconv.experiment.binding import read_cell
from nonconv.experiment.cell import Cell
from nonconv.faults.errors import Interrupted, UsageError
from nonconv.store import folder as store
from nonconv.store.folder import BEGUN, CHECKPOINT, LOCK, MANIFEST, Folder
from nonconv.study import loop as study
from nonconv.sweeps import cells, flow
from nonconv.sweeps.cells import Cells
from nonconv.sweeps.executors.threads import Threads
from nonconv.system.atomic import HALF_WRITTEN

pytestmark = pytest.mark.slow  # many commands in a row

SETTINGS = settings(
    max_examples=15,
    stateful_step_count=12,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],  # to shrink an order of events takes minutes, and twelve events can be read
    suppress_health_check=list(HealthCheck),
)
MARKS = {BEGUN, CHECKPOINT, LOCK}
"""A kill just after the manifest leaves them in a finished folder; a kill as --force begins leaves half of the first."""
SMALL = {"steps": 20, "record": {"points": 4, "paths": 40}}

workers = st.integers(1, 3)
lasting = st.sampled_from([IN_PARTS, IN_PARTS, ALONE, BUNDLED])


def results(folder: Path) -> dict[str, bytes]:
    """The files of a finished folder. Manifests are left out: nothing tells a changed one from one that was written so."""
    return {name: content for name, content in contents(folder).items() if is_result(Path(name).name)}


def is_result(name: str) -> bool:
    return name not in {MANIFEST, *MARKS} and not name.startswith(HALF_WRITTEN)


def half_written(folder: Path) -> list[str]:
    """What an unfinished command leaves, but the lock."""
    return [path.name for path in folder.rglob("*") if "unfinished" in path.name and path.name != LOCK]


class Disturbed(RuleBasedStateMachine):
    """A folder in which commands are begun that may not end. A subclass says which commands."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp())
        self.folder = self.place / "out"
        self.damaged = False

    def start(self, **options: Any) -> bool:
        """Start the command; whether it found everything there."""
        raise NotImplementedError

    def identity(self) -> str:
        raise NotImplementedError

    def expected(self) -> dict[str, bytes]:
        """What an undisturbed command writes."""
        raise NotImplementedError

    def owner(self) -> str | None:
        return Folder(self.folder, "")._read_owner()

    @rule(force=st.booleans(), workers=workers)
    def finish(self, force: bool, workers: int) -> None:
        try:
            reused = self.start(force=force, workers=workers)
        except UsageError:
            assert self.owner() != self.identity(), "it is refused although it is its own folder"
            reused = self.start(force=True, workers=workers)
        assert results(self.folder) == self.expected()
        assert reused or not half_written(self.folder)
        self.damaged = False

    @rule(number=st.integers(1, 12), after=st.booleans(), force=st.booleans(), workers=workers)
    def kill(self, number: int, after: bool, force: bool, workers: int) -> None:
        """At a write, half of which is done, or just after it."""
        with pytest.MonkeyPatch.context() as patched, suppress(Killed, UsageError):
            failing_write(patched, number, Killed(), after)
            self.start(force=force, workers=workers)

    @precondition(lambda self: self.folder.exists())
    @rule(number=st.integers(0, 1000), how=st.sampled_from(["gone", *SPOILT]))
    def damage(self, number: int, how: str) -> None:
        files = sorted(path for path in self.folder.rglob("*") if path.is_file() and path.name != LOCK)
        if not files:
            return
        path = files[number % len(files)]
        if how == "gone":
            path.unlink()
        else:
            path.write_bytes(SPOILT[how](path.read_bytes()))
        self.damaged = True

    def teardown(self) -> None:
        try:
            self.finish(force=False, workers=1)
        finally:
            shutil.rmtree(self.place)


# Runs

RUNS = {"plain": SGD | SMALL | {"paths": 100}, "no floors": NO_FLOORS | SMALL | {"paths": 100}}
"""The second has fewer files."""


@cache
def cell_named(name: str) -> Cell:
    with tempfile.TemporaryDirectory() as place:
        return read_cell(written(Path(place), RUNS[name]), [])


@cache
def undisturbed_run(name: str) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as place:
        study.run(cell_named(name), Path(place) / "out", 1, draw=drawn)
        return results(Path(place) / "out")


class Run(Disturbed):
    """Runs of two configs in one folder."""

    def __init__(self) -> None:
        super().__init__()
        self.name = "plain"

    def identity(self) -> str:
        return cell_named(self.name).identity

    def expected(self) -> dict[str, bytes]:
        return undisturbed_run(self.name)

    def start(self, **options: Any) -> bool:
        return study.run(cell_named(self.name), self.folder, draw=drawn, **options).reused

    @rule(name=st.sampled_from(list(RUNS)))
    def choose(self, name: str) -> None:
        self.name = name

    @rule(done=st.integers(1, 100), force=st.booleans(), workers=workers)
    def interrupt(self, done: int, force: bool, workers: int) -> None:
        with suppress(Interrupted, UsageError):
            self.start(force=force, workers=workers, progress=interrupt_after(done))
            assert self.damaged or results(self.folder) == self.expected()


# Sweeps

PATHS, RATES = (40, 70, 100), (0.05, 0.1, 0.2)
"""Each number of paths is some blocks and a rest."""


class Extent:
    """How many paths each cell of a sweep has, and how many cells."""

    def __init__(self) -> None:
        self.paths, self.rates = 0, 1

    def settings(self) -> tuple[str, str]:
        return f"paths={PATHS[self.paths]}", f"sweep.learning_rate={list(RATES[: self.rates])}"


@cache
def undisturbed_sweep(*settings: str) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as place:
        path = written(Path(place) / "in", sweeping.SMALL | SMALL)
        sweeping.outcome(path, Path(place) / "out", *settings, workers=1)
        return results(Path(place) / "out")


class Sweep(Disturbed):
    """A sweep that is extended."""

    def __init__(self) -> None:
        super().__init__()
        self.path = written(self.place / "in", sweeping.SMALL | SMALL)
        self.extent = Extent()

    def identity(self) -> str:
        return found(self.path, *self.extent.settings())[1].identity

    def expected(self) -> dict[str, bytes]:
        return undisturbed_sweep(*self.extent.settings())

    def start(self, **options: Any) -> bool:
        done = sweeping.outcome(self.path, self.folder, *self.extent.settings(), **options)
        assert not done.failures
        return done.computed == 0

    @precondition(lambda self: self.extent.paths + 1 < len(PATHS))
    @rule()
    def more_paths(self) -> None:
        self.extent.paths += 1

    @precondition(lambda self: self.extent.rates < len(RATES))
    @rule()
    def more_cells(self) -> None:
        self.extent.rates += 1

    @rule(number=st.integers(1, 6), seconds=lasting, force=st.booleans(), workers=workers, killed=st.booleans())
    def interrupt(self, number: int, seconds: float, force: bool, workers: int, killed: bool) -> None:
        """At a block or a cell."""
        with pytest.MonkeyPatch.context() as patched, suppress(Interrupted, Killed, UsageError):
            patched.setattr(Threads, "seconds", seconds)
            self.start(force=force, workers=workers, on_event=interrupt_at(number, Killed if killed else KeyboardInterrupt))
        if not self.damaged:
            whole_cells(self.folder)


@pytest.fixture(autouse=True)
def _small(reference: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # a kill of the process loses nothing that was written
    monkeypatch.setattr(blocks, "LARGEST_BLOCK", BLOCK)
    monkeypatch.setattr(study, "CHECKPOINT_SECONDS", -1.0)
    monkeypatch.setattr(flow, "CHECKPOINT_SECONDS", -1.0)
    monkeypatch.setattr(Threads, "seconds", IN_PARTS)


@pytest.mark.parametrize(("machine", "few"), [(Run, 0), (Sweep, cells.FEW_CELLS), (Sweep, 0)], ids=["run", "sweep", "packed"])
def test_any_order_of_events_leaves_the_bytes_of_an_undisturbed_command(
    machine: type[Disturbed], few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """few: a sweep of more cells is packed."""
    monkeypatch.setattr(cells, "FEW_CELLS", few)
    undisturbed_sweep.cache_clear()
    run_state_machine_as_test(machine, settings=SETTINGS)
    undisturbed_sweep.cache_clear()


def trust_files(patched: pytest.MonkeyPatch) -> None:
    """Nothing looks for damage."""
    for module in (store, cells):
        patched.setattr(module, "damaged", lambda folder, manifest: [])


def overlook_more_paths(patched: pytest.MonkeyPatch) -> None:
    """A cell that is there is taken for finished."""
    patched.setattr(Cells, "is_finished", lambda cells, name, *_: cells.path(name).exists())


def forget_to_tidy(patched: pytest.MonkeyPatch) -> None:
    """What is whole of an unfinished sweep stays."""
    patched.setattr(Cells, "remove_unfinished", lambda cells, lost: None)


def leave_old_files(patched: pytest.MonkeyPatch) -> None:
    """Results of another config stay."""
    patched.setattr(Folder, "discard", lambda folder, name: None)


def leave_half_written(patched: pytest.MonkeyPatch) -> None:
    patched.setattr(store, "_list_half_written", lambda folder: [])


@pytest.mark.parametrize(
    ("machine", "fault"),
    [
        (Run, trust_files),
        (Run, leave_old_files),
        (Run, leave_half_written),
        (Sweep, trust_files),
        (Sweep, overlook_more_paths),
        (Sweep, forget_to_tidy),
    ],
)
def test_a_planted_fault_is_found(
    machine: type[Disturbed], fault: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fault(monkeypatch)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=settings(SETTINGS, max_examples=100))
