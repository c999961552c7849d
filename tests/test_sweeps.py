"""A sweep gives the same bytes whatever happens to it, computes nothing twice, and lets one bad cell spoil no other."""

import csv
import errno
import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nonconv
from kit.command import compiled_before
from kit.experiments import BLOCK, NO_FLOORS, SGD
from kit.processes import wait_until
from kit.runs import SPOILT, contents
from kit.sweeping import (
    ALONE,
    BUNDLED,
    CONFIGS,
    ENOUGH,
    FAILING,
    GRID,
    IN_PARTS,
    PATHS,
    RATES,
    SMALL,
    call,
    config_file,
    drawn,
    files_of,
    found,
    interrupt_at,
    outcome,
    run,
    whole_cells,
)
from nonconv.engine import blocks
from nonconv.engine.whole import MOST_FOLLOWED
from nonconv.experiment.binding import read_cell
from nonconv.experiment.cell import Cell
from nonconv.faults.errors import ConfigError, Interrupted, UsageError
from nonconv.report.figures import drawing_process
from nonconv.report.figures.drawing_process import Figures
from nonconv.results.sweep_files import read_ends
from nonconv.statistics.measured_block import MSE_PREFIX
from nonconv.store import folder as store
from nonconv.store import formats
from nonconv.store.folder import BEGUN, MANIFEST, Folder
from nonconv.store.pack import CELLS_FOLDER
from nonconv.study import loop as study
from nonconv.study.ready import Ready
from nonconv.sweeps import EXECUTORS, flow, tasks
from nonconv.sweeps import cells as cells_on_disk
from nonconv.sweeps.cells import TALLY_FILE, Cells
from nonconv.sweeps.executors import dask
from nonconv.sweeps.executors.processes import Processes
from nonconv.sweeps.executors.threads import Threads
from nonconv.sweeps.flow import Event, Flow
from nonconv.sweeps.loop import run_sweep
from nonconv.sweeps.sweep import Sweep
from nonconv.system.atomic import write_whole

pytestmark = pytest.mark.slow  # whole sweeps

STARTS = list(range(0, PATHS, BLOCK))


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "sweep.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "LARGEST_BLOCK", BLOCK)


@pytest.fixture
def lasting(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets how long a task on this machine should last."""

    def set_all(seconds: float) -> None:
        for kind in (Threads, Processes):
            monkeypatch.setattr(kind, "seconds", seconds)

    return set_all


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return config_file(tmp_path / "in", GRID)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return config_file(tmp_path / "small", SMALL)


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, int]]:
    """The learning rates and first paths of the blocks simulated so far, by no thread of a sweep that has ended."""
    seen: list[tuple[float, int]] = []
    simulate, simulate_together, close = blocks.simulate, blocks.simulate_together, Threads.close

    def note(program: Any, first: int) -> None:
        seen.append((float(program.learning_rate(np.ones(1))[0]), first))

    def counted(program: Any, engine: Any, first: int, *rest: Any) -> blocks.Block:
        note(program, first)
        return simulate(program, engine, first, *rest)

    def counted_together(programs: Any, make: Any, first: int, *rest: Any) -> list[blocks.Block]:
        for program in programs:
            note(program, first)
        return simulate_together(programs, make, first, *rest)

    def ended(threads: Threads) -> None:
        """A thread of a stopped sweep may be about to begin a block, which is stopped at once but was counted."""
        close(threads)
        threads.pool.shutdown(wait=True)

    monkeypatch.setattr(study, "simulate", counted)
    monkeypatch.setattr(study, "simulate_together", counted_together)
    monkeypatch.setattr(Threads, "close", ended)
    return seen


def test_medians_stand_in_for_means_that_do_not_exist(tmp_path: Path) -> None:
    """In all cells, if one needs them; other sweeps have no such columns."""
    heavy = {"objective": {"name": "quadratic", "data": {"name": "student_t", "df": 1.5}}, "iterates": ["last", "polyak"]}
    path = config_file(tmp_path / "in", SGD | heavy | {"sweep": {"objective.data.df": [1.5, 9]}})
    run(path, tmp_path / "out")
    rows = table(tmp_path / "out")
    assert [row["mse_minimizer"] == row["mse_minimizer polyak"] == "" for row in rows] == [True, False]
    for row in rows:
        ends = read_ends(tmp_path / "out" / CELLS_FOLDER / row["cell"])
        median = np.median(np.sqrt(ends.numbers[ends.of.index(f"{MSE_PREFIX}minimizer")]))
        assert float(row["median_minimizer"]) == pytest.approx(median, rel=0.05)
        assert 0 < float(row["median_minimizer polyak"]) < float(row["median_minimizer"])
    run(config_file(tmp_path / "light", SMALL), tmp_path / "light out")
    assert not any(name.startswith("median") for name in table(tmp_path / "light out")[0])


# The same bytes


def test_the_ways_to_cut_work_are_what_they_are_called(config: Path) -> None:
    """Otherwise the tests here would test one of them many times."""
    sweep, surveyed = found(config)
    cells = Flow(sweep, surveyed, Cells(Path("nowhere")), False, False, lambda event: None)
    assert [len(task.jobs) for task in cells.tasks(BUNDLED)] == [6]
    assert [type(task) for task in cells.tasks(ALONE)] == [tasks.CellsTask] * 6
    parts = [task for task in cells.tasks(IN_PARTS) if isinstance(task, tasks.BlocksTask)]
    assert [(part.job.name, part.first, part.last) for part in parts] == [
        (name, first, min(first + BLOCK, PATHS)) for name in surveyed.ids for first in STARTS
    ]


def test_cells_of_a_bundle_share_random_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: Path) -> None:
    """As many as can be moved together; not those that have begun, or may end early."""
    sizes: list[int] = []

    def counted(programs: Any, *rest: Any) -> list[blocks.Block]:
        sizes.append(len(programs))
        return blocks.simulate_together(programs, *rest)

    monkeypatch.setattr(study, "simulate_together", counted)
    grid = ("sweep.seed=[1, 2]", "sweep.optimizer=[adam, sgd]", "sweep.learning_rate=[0.1, 0.05, 0.02]")
    run(config, tmp_path / "out", *grid, workers=1)
    assert sizes == [3] * 4 * len(STARTS), "seeds and optimizers have random numbers and kernels of their own"
    sizes.clear()
    run(config, tmp_path / "out", *grid, f"paths={2 * PATHS}", workers=1)
    run(config, tmp_path / "adaptive", *grid, f"paths={{min: {BLOCK}, max: {PATHS}, target: 0.1, of: mse}}", workers=1)
    assert sizes == []


@pytest.mark.parametrize("name", CONFIGS)
def test_a_cell_is_what_a_run_of_its_config_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    run(config_file(tmp_path / "in", CONFIGS[name]), tmp_path / "out")
    shutil.rmtree(tmp_path / "in")
    monkeypatch.chdir(tmp_path)
    for cell in whole_cells(tmp_path / "out"):
        there = contents(tmp_path / "out" / CELLS_FOLDER / cell)
        read = read_cell(Path("out") / CELLS_FOLDER / cell / "config.yaml", [])
        study.run(read, tmp_path / cell, 2, draw=lambda folder: dict)
        alone = contents(tmp_path / cell)
        assert set(there) - {TALLY_FILE} == set(alone) - {"summary.md"}
        assert {name for name in alone if there.get(name) != alone[name]} == {"summary.md"}


def test_a_sweep_is_reproduced_by_the_config_in_its_folder_wherever_it_lies(tmp_path: Path) -> None:
    path = config_file(tmp_path / "in", CONFIGS["files"]).rename(tmp_path / "in" / "config.yaml")
    expected = run(path, tmp_path / "out")
    assert {"data/rows.csv", "data/other.csv"} <= set(expected)
    shutil.rmtree(tmp_path / "in")
    moved = Path(shutil.move(tmp_path / "out", tmp_path / "moved"))
    assert run(moved / "config.yaml", tmp_path / "again") == expected


def test_cells_of_one_file_have_that_file_alone(tmp_path: Path) -> None:
    run(config_file(tmp_path / "in", CONFIGS["files"]), tmp_path / "out")
    rows = table(tmp_path / "out")
    assert len({row["mse_minimizer"] for row in rows}) == 4
    for row in rows:
        names = [path.name for path in (tmp_path / "out" / CELLS_FOLDER / row["cell"] / "data").iterdir()]
        assert row["objective.data.file"] in [f"data/{name}" for name in names]
        assert len(names) == 1


def test_seeds_do_not_correlate_and_one_seed_does(tmp_path: Path) -> None:
    """Common random numbers: |correlation| of independent runs is below 4.5 standard deviations, of one seed near 1."""
    for key, values in (("seed", [1, 2]), ("learning_rate", [0.05, 0.055])):
        path = config_file(tmp_path / key, GRID | {"paths": 1000, "sweep": {key: values}})
        out = tmp_path / f"{key} out"
        run(path, out)
        first, second = (read_ends(out / CELLS_FOLDER / row["cell"]).numbers[0] for row in table(out))
        assert (abs(np.corrcoef(first, second)[0, 1]) < 4.5 / np.sqrt(1000)) == (key == "seed")
        said = (out / "summary.md").read_text()
        assert ("; cells of one seed have the same random numbers." in said) == (key == "seed")
        assert ("; all cells have the same random numbers." in said) == (key != "seed")


@pytest.mark.parametrize("what", ["sweep", "cell"])
@pytest.mark.parametrize("moment", [(Cells, "publish"), (Folder, "seal")], ids=["between cells", "at the end"])
def test_a_sweep_that_ends_well_has_all_its_cells(
    tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch, moment: tuple[Any, str], what: str
) -> None:
    folder, function = tmp_path / "out", getattr(*moment)

    def striking(*arguments: Any, **options: Any) -> Any:
        for place in (folder / CELLS_FOLDER).glob("*"):
            shutil.rmtree(folder if what == "sweep" else place)
            break
        return function(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(*moment, striking)
        with pytest.raises(UsageError, match="removed"):
            run(small, folder)
    assert folder.exists() == (what == "cell")
    assert run(small, folder) == run(small, tmp_path / "undisturbed")


# Interrupts


def kept_paths(folder: Path) -> int:
    """How many paths of an unfinished cell are saved."""
    saved = list((folder / "unfinished.cells").glob("*.checkpoint"))
    assert len(saved) <= 1
    kept = formats.unpacked(saved[0].read_bytes()[store.MARK_BYTES :]) if saved else None
    return int(kept["paths"]) if kept else 0


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [IN_PARTS, ALONE])
def test_an_interrupt_at_any_moment_loses_no_whole_block(
    tmp_path: Path,
    small: Path,
    simulated: list[tuple[float, int]],
    lasting: Callable[[float], None],
    seconds: float,
) -> None:
    lasting(seconds)
    expected = run(small, tmp_path / "undisturbed")
    every = sorted(simulated)
    events: list[Event] = []
    run(small, tmp_path / "counted", on_event=events.append)
    for number in range(1, len(events) + 1):
        folder = tmp_path / str(number)
        with pytest.raises(Interrupted) as stop:
            outcome(small, folder, on_event=interrupt_at(number))
        done, kept = len(whole_cells(folder)), kept_paths(folder)
        assert str(stop.value) == f"Stopped. Saved in {folder}: {done} of 2 cells."
        assert (folder / BEGUN).exists()
        assert not (folder / MANIFEST).exists()
        simulated.clear()
        assert run(small, folder, workers=3) == expected
        left = every[done * len(STARTS) + kept // BLOCK :]
        assert sorted(simulated) == left
    assert seconds == ALONE or len(events) == 2 * (len(STARTS) + 1)


def test_any_number_of_interrupts(tmp_path: Path, config: Path, lasting: Callable[[float], None]) -> None:
    lasting(IN_PARTS)
    expected = run(config, tmp_path / "undisturbed")
    for k in range(7):
        with pytest.raises(Interrupted):
            outcome(config, tmp_path / "out", workers=1 + k % 3, on_event=interrupt_at(2 + k))
    assert 0 < len(whole_cells(tmp_path / "out")) < 6
    assert run(config, tmp_path / "out") == expected


def test_an_interrupt_while_it_is_drawn(tmp_path: Path, small: Path, simulated: list[tuple[float, int]]) -> None:
    def impatient(folder: Path) -> Callable[[], Figures]:
        def waiting() -> Figures:
            raise KeyboardInterrupt

        return waiting

    expected = run(small, tmp_path / "undisturbed")
    with pytest.raises(Interrupted, match="2 of 2 cells"):
        outcome(small, tmp_path / "out", draw=impatient)
    simulated.clear()
    assert run(small, tmp_path / "out") == expected
    assert simulated == []


def begun_in_parts(path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sweep interrupted when two blocks of its first cell are whole: its checkpoint."""
    monkeypatch.setattr(Threads, "seconds", IN_PARTS)
    with pytest.raises(Interrupted):
        outcome(path, folder, on_event=interrupt_at(2))
    assert kept_paths(folder) == 2 * BLOCK
    return next((folder / "unfinished.cells").glob("*.checkpoint"))


@pytest.mark.parametrize("seconds", [IN_PARTS, BUNDLED])
def test_a_checkpoint_is_used_however_work_is_cut(
    tmp_path: Path,
    small: Path,
    monkeypatch: pytest.MonkeyPatch,
    simulated: list[tuple[float, int]],
    lasting: Callable[[float], None],
    seconds: float,
) -> None:
    begun_in_parts(small, tmp_path / "out", monkeypatch)
    simulated.clear()
    lasting(seconds)
    files = run(small, tmp_path / "out")
    assert sorted(simulated) == [(0.05, STARTS[-1]), *((0.1, first) for first in STARTS)]
    assert files == run(small, tmp_path / "undisturbed")


@pytest.mark.parametrize("how", SPOILT)
def test_a_spoilt_checkpoint_is_ignored(
    tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch, simulated: list[tuple[float, int]], how: str
) -> None:
    checkpoint = begun_in_parts(small, tmp_path / "out", monkeypatch)
    checkpoint.write_bytes(SPOILT[how](checkpoint.read_bytes()))
    simulated.clear()
    files = run(small, tmp_path / "out")
    assert (0.05, 0) in simulated
    assert files == run(small, tmp_path / "undisturbed")


def test_a_checkpoint_of_other_versions_paths_or_cells_is_ignored(
    tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch, simulated: list[tuple[float, int]]
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(nonconv, "__version__", "0.0.0")
        begun_in_parts(small, tmp_path / "version", monkeypatch)
    begun_in_parts(small, tmp_path / "paths", monkeypatch)
    checkpoint = begun_in_parts(small, tmp_path / "cell", monkeypatch)
    checkpoint.rename(checkpoint.with_name(f"{found(small)[1].ids[1]}.checkpoint"))
    for name, setting in (("version", "seed=1"), ("paths", "paths=80"), ("cell", "seed=1")):
        simulated.clear()
        run(small, tmp_path / name, setting)
        assert sorted(simulated)[:2] == [(0.05, 0), (0.05, BLOCK)]
        assert (0.1, 0) in simulated


@pytest.mark.parametrize("seconds", [IN_PARTS, BUNDLED])
@pytest.mark.parametrize("paths", [2 * BLOCK, PATHS])
@pytest.mark.parametrize("damage", ["missing", "changed", TALLY_FILE])
def test_a_damaged_cell_is_made_again(
    tmp_path: Path,
    small: Path,
    simulated: list[tuple[float, int]],
    lasting: Callable[[float], None],
    seconds: float,
    paths: int,
    damage: str,
) -> None:
    """From what whole blocks gave, if that is whole itself, even if it is everything."""
    lasting(seconds)
    expected = run(small, tmp_path / "out", f"paths={paths}")
    cell = tmp_path / "out" / CELLS_FOLDER / found(small)[1].ids[1]
    file = cell / (TALLY_FILE if damage == TALLY_FILE else "error.csv")
    content = file.read_bytes()
    file.unlink()
    if damage != "missing":
        file.write_bytes(content[:-1])
    simulated.clear()
    assert run(small, tmp_path / "out", f"paths={paths}") == expected
    starts = STARTS if damage == TALLY_FILE else STARTS[2:]
    assert sorted(simulated) == [(0.1, first) for first in starts if first < paths]


@pytest.mark.parametrize("left", ["half", "whole", "old"])
def test_what_a_kill_leaves_beside_the_cells_is_no_cell(tmp_path: Path, small: Path, left: str) -> None:
    expected = run(small, tmp_path / "undisturbed")
    folder = tmp_path / "out"
    with pytest.raises(Interrupted):
        outcome(small, folder, on_event=interrupt_at(1), workers=1)
    name = found(small)[1].ids[1]
    place = folder / "unfinished.cells" / (f"{name}.old" if left == "old" else name)
    shutil.copytree(tmp_path / "undisturbed" / CELLS_FOLDER / name, place)
    (place / "foreign").write_text("x")
    if left == "half":
        (place / MANIFEST).unlink()
    assert run(small, folder) == expected


def test_only_what_is_missing_is_computed(tmp_path: Path, config: Path, simulated: list[tuple[float, int]]) -> None:
    expected = run(config, tmp_path / "out")
    for k, name in enumerate(found(config)[1].ids):
        if k % 2:
            shutil.rmtree(tmp_path / "out" / CELLS_FOLDER / name)
    simulated.clear()
    done = outcome(config, tmp_path / "out")
    assert (done.computed, done.reused) == (3, 3)
    assert sorted(simulated) == [(rate, first) for rate in RATES for first in STARTS]
    assert contents(tmp_path / "out") == expected


def test_a_finished_sweep_is_reused_and_not_drawn_again(
    tmp_path: Path, config: Path, simulated: list[tuple[float, int]]
) -> None:
    run(config, tmp_path / "out")
    before = files_of(tmp_path / "out")
    simulated.clear()
    done = outcome(config, tmp_path / "out", draw=lambda folder: pytest.fail("drawn"))
    assert (done.computed, done.reused, simulated) == (0, 6, [])
    assert files_of(tmp_path / "out") == before
    done = outcome(config, tmp_path / "out", force=True)
    assert (done.computed, done.reused, len(simulated)) == (6, 0, 18)


@pytest.mark.parametrize("name", ["sweep.csv", "summary.md", "figures/stub.png", "config.yaml"])
def test_a_damaged_table_is_made_again_from_the_cells(
    tmp_path: Path, small: Path, simulated: list[tuple[float, int]], name: str
) -> None:
    expected = run(small, tmp_path / "out")
    (tmp_path / "out" / name).write_bytes(b"")
    simulated.clear()
    assert run(small, tmp_path / "out") == expected
    assert simulated == []


@pytest.mark.parametrize("change", [{"baseline": {"learning_rate": 0.1}}, {"curves": "learning_rate = 0.1"}])
def test_what_is_shown_of_the_cells_changes_with_the_config(
    tmp_path: Path, small: Path, simulated: list[tuple[float, int]], change: dict[str, Any]
) -> None:
    before = run(small, tmp_path / "out")
    simulated.clear()
    other = config_file(tmp_path / "other", SMALL | {"sweep": SMALL["sweep"] | change})
    after = run(other, tmp_path / "out")
    assert simulated == []
    assert after["sweep.json"] != before["sweep.json"]
    assert after == run(other, tmp_path / "undisturbed")


DRIVER = f"""
import itertools, os, signal, sys, threading, time
from contextlib import nullcontext
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
from nonconv.study import loop as study
from nonconv.system.atomic import write_whole
from nonconv.engine import blocks
from nonconv.engine.whole import MOST_FOLLOWED
from nonconv.study.ready import Ready
from nonconv.report.figures import drawing_process
from nonconv.sweeps import flow, tasks
from nonconv.sweeps.executors.processes import Processes, run_in_fork
from nonconv.sweeps.executors.threads import Threads

blocks.LARGEST_BLOCK = {BLOCK}
flow.CHECKPOINT_SECONDS = float(os.environ["CHECKPOINT_SECONDS"])
Threads.seconds = Processes.seconds = float(os.environ["LASTING"])
hold, log = int(os.environ["HOLD"]), Path(os.environ["LOG"])
simulate, add, own, numbers = study.simulate, tasks.PartialCell.add, threading.local(), itertools.count()

def noted(what):
    with log.open("a") as file:
        file.write(what + "\\n")

def slowly(program, engine, first, paths, stop):
    noted(f"simulated {{first}}")
    time.sleep(0.02)
    while own.late and not stop[0]:
        time.sleep(0.01)
    return simulate(program, engine, first, paths, stop)

def submit_to_thread(threads, task):
    return threads.pool.submit(numbered, next(numbers) >= hold, tasks.run_task, threads.sweep, task, threads.stop)

def submit_to_fork(processes, task):
    return processes.pool.submit(numbered, next(numbers) >= hold, run_in_fork, task)

def numbered(late, work, *arguments):
    own.late = late
    return work(*arguments)

def added(growing, block):
    add(growing, block)
    noted("merged")

study.simulate, tasks.PartialCell.add = slowly, added
Threads.submit, Processes.submit = submit_to_thread, submit_to_fork
stub = lambda folder: lambda: {{"stub.png": (folder / "sweep.csv").read_bytes()[:100]}}
drawing_process.figure_process = lambda: nullcontext(stub)
from nonconv.cli import main
main()
"""
"""The command line with small, slow blocks; all but the first HOLD last until the sweep is stopped."""


class Driver:
    """Starts the command line on one config and folder."""

    def __init__(self, place: Path, kind: str) -> None:
        self.config = config_file(place / "in", GRID)
        self.folder, self.log = place / "out", place / "log"
        self.arguments = ["sweep", str(self.config), "--out", str(self.folder), "--workers", "2", "--executor", kind]
        self.started: list[subprocess.Popen[str]] = []

    def start(
        self, arguments: list[str], hold: int = 10**9, checkpoint_seconds: float = -1.0, seconds: float = IN_PARTS
    ) -> "subprocess.Popen[str]":
        self.log.unlink(missing_ok=True)
        environment = {
            "PYTHONPATH": str(Path(nonconv.__file__).parents[1]),
            "HOLD": str(hold),
            "CHECKPOINT_SECONDS": str(checkpoint_seconds),
            "LASTING": str(seconds),
            "LOG": str(self.log),
        }
        command, pipe = [sys.executable, "-c", DRIVER, *arguments], subprocess.PIPE
        pipes: Any = {"stdout": pipe, "stderr": pipe, "text": True}
        self.started.append(subprocess.Popen(command, env=os.environ | environment, start_new_session=True, **pipes))
        return self.started[-1]

    def count(self, what: str) -> int:
        return sum(line.startswith(what) for line in self.log.read_text().splitlines()) if self.log.exists() else 0


@pytest.fixture(params=EXECUTORS[:1])
def driver(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Driver]:
    driver = Driver(tmp_path, request.param)
    yield driver
    for process in driver.started:
        process.kill()
        process.communicate()


@pytest.mark.processes
@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "send", "extra"),
    [(signal.SIGINT, os.kill, []), (signal.SIGTERM, os.kill, ["--force"]), (signal.SIGINT, os.killpg, [])],
    ids=["SIGINT", "SIGTERM", "from the keyboard"],
)
def test_a_signal_saves_and_names_the_command_that_continues(
    driver: Driver, tmp_path: Path, number: signal.Signals, send: Callable[[int, int], None], extra: list[str]
) -> None:
    process = driver.start([*driver.arguments, *extra], hold=8, checkpoint_seconds=1e9)
    wait_until(lambda: driver.count("merged") == 8)
    send(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    told = re.fullmatch(r"Stopped\. Saved in (.+): 2 of 6 cells\. To continue, run:\n  (.+)\n", compiled_before(err))
    assert told, err
    assert told[1] == str(driver.folder)
    assert shlex.split(told[2]) == ["nonconv", *driver.arguments]
    assert kept_paths(driver.folder) == 2 * BLOCK
    process = driver.start(shlex.split(told[2])[1:])
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "  swept             learning_rate (3 values) and optimizer (2 values)" in out
    assert err.splitlines()[-1] == "Reused 2 of 6 cells; --force computes them again."
    assert driver.count("simulated") == 6 * len(STARTS) - 8
    assert contents(driver.folder) == run(driver.config, tmp_path / "undisturbed")


@pytest.mark.processes
@pytest.mark.slow
def test_workers_end_with_a_killed_command(driver: Driver) -> None:
    process = driver.start(driver.arguments, hold=0)
    wait_until(lambda: driver.count("simulated") > 0)
    process.kill()
    process.communicate(timeout=10)  # until nobody holds the pipes


@pytest.mark.processes
@pytest.mark.slow
def test_kills_at_random_moments_change_nothing(driver: Driver, tmp_path: Path) -> None:
    rng = random.Random(2407)
    kills = 0
    for _ in range(10):
        process = driver.start(driver.arguments, seconds=rng.choice([IN_PARTS, ALONE]))
        lines = rng.randrange(12)
        wait_until(lambda: driver.count("") >= lines or process.poll() is not None)  # noqa: B023  # it is called at once
        time.sleep(0.03 * rng.random())
        process.kill()
        process.communicate(timeout=60)
        kills += process.returncode == -signal.SIGKILL
    process = driver.start(driver.arguments)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert kills > 5
    assert {name: content for name, content in contents(driver.folder).items() if "unfinished" not in name} == run(
        driver.config, tmp_path / "undisturbed"
    )


# Full disks, and folders of others


def failing_write(monkeypatch: pytest.MonkeyPatch, number: int) -> list[int]:
    """The disk is full when so many files are written, the last of them in part; how many could still be."""
    left = [number]
    write_bytes, fsync = Path.write_bytes, os.fsync

    def count() -> bool:
        left[0] -= 1
        return left[0] == 0

    def full() -> OSError:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write(path: Path, content: bytes) -> int:
        if count():
            write_bytes(path, content[: len(content) // 2])
            raise full()
        return write_bytes(path, content)

    def sync(file: int) -> None:
        if count():
            raise full()
        fsync(file)

    def keep(path: Path, content: bytes) -> None:
        if count():
            raise full()
        write_whole(path, content)

    monkeypatch.setattr(Path, "write_bytes", write)
    monkeypatch.setattr(cells_on_disk, "write_whole", keep)
    monkeypatch.setattr(os, "fsync", sync)
    return left


@pytest.mark.slow
def test_a_full_disk_is_told_and_damages_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lasting: Callable[[float], None]
) -> None:
    """At every write, those of checkpoints among them."""
    small = config_file(tmp_path / "in", SMALL | {"floors": NO_FLOORS["floors"]})
    lasting(IN_PARTS)
    monkeypatch.setattr(flow, "CHECKPOINT_SECONDS", -1.0)
    expected = run(small, tmp_path / "undisturbed")
    with monkeypatch.context() as patched:
        left = failing_write(patched, 10**6)
        run(small, tmp_path / "counted")
    writes = 10**6 - left[0]
    checkpoints = 2 * (len(STARTS) - 1)
    assert writes == len(expected) + 2 + checkpoints, "of all files, of the manifest, of the mark of what is unfinished"
    for number in range(1, writes + 1):
        folder = tmp_path / str(number)
        with monkeypatch.context() as patched:
            failing_write(patched, number)
            with pytest.raises(UsageError) as refusal:
                outcome(small, folder, workers=1)
        assert (str(refusal.value), refusal.value.exit_code) == (f"{folder} cannot be written: No space left on device", 2)
        assert not (folder / MANIFEST).exists()
        whole_cells(folder)
        assert run(small, folder) == expected


def test_two_sweeps_at_once_in_one_folder(tmp_path: Path, small: Path) -> None:
    """The second is refused, forced or not, and the first is not disturbed by it."""
    folder = tmp_path / "out"
    refusals: list[str] = []

    def meddle(event: Event) -> None:
        before = files_of(folder)
        for force in (False, True):
            with pytest.raises(UsageError) as refusal:
                outcome(small, folder, force=force)
            refusals.append(str(refusal.value))
        assert files_of(folder) == before

    assert run(small, folder, on_event=meddle) == run(small, tmp_path / "undisturbed")
    assert len(refusals) == 4
    assert set(refusals) == {f"{folder} is in use by another nonconv; wait for it, or choose another --out"}


ANOTHER = "{} belongs to another config; choose another --out, or --force to overwrite it"
FOREIGN = "{} holds files that nonconv did not write; choose another --out, or --force to write there anyway"


@pytest.mark.parametrize(("what", "text"), [("sweep", ANOTHER), ("unfinished", ANOTHER), ("run", ANOTHER), ("files", FOREIGN)])
def test_what_is_not_ours_is_refused_and_can_be_forced(tmp_path: Path, small: Path, what: str, text: str) -> None:
    folder = tmp_path / "out"
    if what == "sweep":
        run(small, folder, "seed=2")
    elif what == "unfinished":
        with pytest.raises(Interrupted):
            outcome(small, folder, "seed=2", on_event=interrupt_at(1))
    elif what == "run":
        study.run(read_cell(small, []), folder, 1, draw=lambda folder: dict)
    else:
        (folder / CELLS_FOLDER).mkdir(parents=True)
        (folder / "thesis.tex").write_text("years of work")
    before = files_of(folder)
    with pytest.raises(UsageError) as refusal:
        outcome(small, folder, draw=lambda folder: pytest.fail("drawn"))
    assert str(refusal.value) == text.format(folder)
    assert files_of(folder) == before
    expected = run(small, tmp_path / "undisturbed")
    outcome(small, folder, force=True)
    assert {name: content for name, content in contents(folder).items() if name in expected} == expected
    assert (folder / "thesis.tex").exists() == (what == "files")


# Cells that fail


@contextmanager
def breaking(monkeypatch: pytest.MonkeyPatch, rate: float, first: int = 0) -> Iterator[None]:
    """The cells of a learning rate break at the block that begins with this path."""
    measured, measured_together = study.measured, study.measured_together

    def check(cell: Cell, start: int) -> None:
        if start == first and cell.resolved["learning_rate"]["value"] == rate:
            raise ZeroDivisionError("by\nzero")

    def broken(ready: Ready, start: int, stop: Any) -> Any:
        check(ready.cell, start)
        return measured(ready, start, stop)

    def broken_together(cells: Sequence[Ready], start: int, stop: Any) -> Any:
        for ready in cells:
            check(ready.cell, start)
        return measured_together(cells, start, stop)

    with monkeypatch.context() as patched:
        patched.setattr(tasks, "measured", broken)
        patched.setattr(tasks, "measured_together", broken_together)
        yield


@pytest.mark.parametrize("seconds", [IN_PARTS, ALONE, BUNDLED])
@pytest.mark.parametrize("first", STARTS)
def test_a_failing_cell_spoils_no_other_and_is_tried_again(
    tmp_path: Path,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    simulated: list[tuple[float, int]],
    lasting: Callable[[float], None],
    seconds: float,
    first: int,
) -> None:
    lasting(seconds)
    folder, ids = tmp_path / "out", found(config)[1].ids
    events: list[Event] = []
    with breaking(monkeypatch, 0.1, first):
        done = outcome(config, folder, on_event=events.append)
    reason = "ZeroDivisionError: by zero"
    assert (done.computed, done.reused, done.failures) == (4, 0, {ids[2]: reason, ids[3]: reason})
    assert [one.status for one in events if one.cell == ids[2]] == ["failed"]
    assert whole_cells(folder) == sorted(set(ids) - {ids[2], ids[3]})
    rows = table(folder)
    assert [row["cell"] for row in rows] == list(ids)
    assert [row["status"] for row in rows] == ["done", "done", "failed", "failed", "done", "done"]
    filled = {name for name, value in rows[2].items() if value}
    assert filled == {"cell", "learning_rate", "optimizer", "status", "reason"}
    assert (rows[2]["learning_rate"], rows[2]["optimizer"], rows[2]["reason"]) == ("0.1", "sgd", reason)
    assert f"- Failed: learning_rate=0.1, optimizer=sgd: {reason}.\n" in (folder / "summary.md").read_text()
    simulated.clear()
    assert run(config, folder) == run(config, tmp_path / "undisturbed")
    assert sorted(simulated)[: 2 * len(STARTS)] == sorted([(0.05, first) for first in STARTS] * 2)
    assert len(simulated) == (2 + 6) * len(STARTS), "two cells here, six undisturbed"


def test_what_was_there_of_a_cell_that_fails_is_gone(tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer paths of it, that is: sweep.csv says that there is no result."""
    run(small, tmp_path / "out")
    first, second = found(small)[1].ids
    with breaking(monkeypatch, 0.1, STARTS[-1]):
        outcome(small, tmp_path / "out", "paths=150")
    assert whole_cells(tmp_path / "out") == [first]
    assert run(small, tmp_path / "out", "paths=150") == run(small, tmp_path / "undisturbed", "paths=150")
    assert whole_cells(tmp_path / "out") == sorted([first, second])


class Deadly(Threads):
    """Gives up on tasks with the learning rate 0.1, from a given path on, as Dask does where workers keep dying."""

    first = 0

    def submit(self, task: Any) -> "Future[Any]":
        rates = {setting.value for job in task.jobs for setting in job.point if setting.key == "learning_rate"}
        if 0.1 not in rates or (isinstance(task, tasks.BlocksTask) and task.last <= self.first):
            return super().submit(task)
        future: Future[Any] = Future()
        future.set_exception(RuntimeError("its workers died"))
        return future


def deadly(first: int = 0) -> Callable[[Sweep, int], Any]:
    def opened(sweep: Sweep, workers: int) -> Any:
        threads = Deadly(sweep, workers)
        threads.first = first
        return closing(threads)

    return opened


def test_a_cell_that_kills_its_workers_spoils_no_other_of_its_task(
    tmp_path: Path, config: Path, lasting: Callable[[float], None]
) -> None:
    lasting(BUNDLED)
    ids = found(config)[1].ids
    done = outcome(config, tmp_path / "out", kind=deadly())
    reason = "RuntimeError: its workers died"
    assert (done.computed, done.failures) == (4, {ids[2]: reason, ids[3]: reason})
    assert run(config, tmp_path / "out") == run(config, tmp_path / "undisturbed")


def test_what_there_is_of_a_cell_whose_workers_died_is_continued(
    tmp_path: Path, small: Path, simulated: list[tuple[float, int]], lasting: Callable[[float], None]
) -> None:
    """Blocks that were computed, and a result of fewer paths."""
    lasting(IN_PARTS)
    folder = tmp_path / "out"
    for paths, dies_at, computed in ((PATHS, STARTS[1], BLOCK), (150, 0, 2 * BLOCK)):
        outcome(small, folder, f"paths={paths}", kind=deadly(dies_at))
        assert [row["status"] for row in table(folder)] == ["done", "failed"]
        simulated.clear()
        files = run(small, folder, f"paths={paths}")
        assert sorted(simulated) == [(0.1, first) for first in range(computed, paths, BLOCK)]
        assert files == run(small, tmp_path / f"{paths} paths", f"paths={paths}")


def test_nothing_but_failures(tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with breaking(monkeypatch, 0.05), pytest.raises(UsageError) as stop:
        outcome(small, tmp_path / "fast", workers=1, fail_fast=True)
    name = found(small)[1].ids[0]
    assert str(stop.value) == f"cell {name} failed (learning_rate=0.05): ZeroDivisionError: by zero"
    assert not (tmp_path / "fast" / MANIFEST).exists()
    assert run(small, tmp_path / "fast") == run(small, tmp_path / "undisturbed")
    with breaking(monkeypatch, 0.05):
        outcome(small, tmp_path / "out", draw=drawing_process.draw_here)
        assert [row["difference_minimizer"] for row in table(tmp_path / "out")] == ["", ""], "there is no baseline"
        outcome(small, tmp_path / "all", 'sweep={"seed": [1, 2]}', draw=drawing_process.draw_here)
    assert [row["status"] for row in table(tmp_path / "all")] == ["failed", "failed"]
    assert "Verdicts: none." in (tmp_path / "all" / "summary.md").read_text()


# More cells, more paths


@pytest.mark.parametrize("seconds", [IN_PARTS, BUNDLED])
def test_another_extent_of_the_grid_computes_what_is_new(
    tmp_path: Path,
    small: Path,
    simulated: list[tuple[float, int]],
    lasting: Callable[[float], None],
    seconds: float,
) -> None:
    lasting(seconds)
    folder = tmp_path / "out"
    run(small, folder)
    simulated.clear()
    more = 'sweep={"learning_rate": [0.2, 0.1, 0.05, 0.01]}'
    done = outcome(small, folder, more)
    assert (done.computed, done.reused) == (2, 2)
    assert sorted(simulated) == [(rate, first) for rate in (0.01, 0.2) for first in STARTS]
    assert contents(folder) == run(small, tmp_path / "undisturbed", more)
    simulated.clear()
    before = contents(folder)
    less = run(small, folder)
    assert simulated == []
    fresh = run(small, tmp_path / "fresh")
    assert {name: less[name] for name in fresh} == fresh
    stay = {name for name in before if name.startswith(CELLS_FOLDER)}
    assert set(less) == set(fresh) | stay, "cells that were computed stay"


@pytest.mark.parametrize("seconds", [IN_PARTS, BUNDLED])
def test_more_paths_go_on_from_whole_blocks_and_fewer_begin_anew_if_forced(
    tmp_path: Path,
    small: Path,
    simulated: list[tuple[float, int]],
    lasting: Callable[[float], None],
    seconds: float,
) -> None:
    lasting(seconds)
    folder = tmp_path / "out"
    run(small, folder)
    before = PATHS
    for paths, first, to in ((150, 2 * BLOCK, 150), (40, 0, 40), (20, 0, 20), (BLOCK, 0, BLOCK), (2 * BLOCK, BLOCK, 2 * BLOCK)):
        simulated.clear()
        if paths < before:
            kept = contents(folder)
            with pytest.raises(
                UsageError, match=rf"cell \w+ already has {before} paths, more than the config asks for; choose"
            ):
                run(small, folder, f"paths={paths}")
            assert contents(folder) == kept
            assert not simulated
        files = run(small, folder, f"paths={paths}", force=paths < before)
        before = paths
        assert sorted(simulated) == [(rate, start) for rate in (0.05, 0.1) for start in range(first, to, BLOCK)]
        assert files == run(small, tmp_path / f"{paths} paths", f"paths={paths}")


def test_a_cell_without_noise_follows_as_many_paths_as_if_it_had_begun_with_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block that holds fewer than are followed is no beginning of a run of more paths."""
    monkeypatch.setattr(blocks, "LARGEST_BLOCK", 8)
    still = {
        "objective": {"name": "quadratic", "data": {"name": "discrete", "values": [1], "probabilities": [1]}},
        "start": "normal",
    }
    path = config_file(tmp_path / "in", SGD | still | {"steps": 64, "sweep": {"learning_rate": [0.05, 0.1]}})
    for paths in (8, 24, 64):
        files = run(path, tmp_path / "out", f"paths={paths}")
        assert files == run(path, tmp_path / f"{paths} paths", f"paths={paths}")
        assert any(name.endswith(TALLY_FILE) for name in files) == (paths >= MOST_FOLLOWED)


# Paths by need


def by_need(**rule: Any) -> str:
    return f"paths={json.dumps(ENOUGH | rule)}"


@pytest.mark.parametrize("of", ["mse", "twin"])
def test_there_are_as_many_paths_as_the_target_needs(tmp_path: Path, small: Path, of: str) -> None:
    counts = []
    for target in (0.5, 0.15, 0.001):
        run(small, tmp_path / str(target), by_need(target=target, of=of))
        for row in table(tmp_path / str(target)):
            paths = int(row["paths"])
            assert paths % BLOCK == 0
            assert BLOCK <= paths <= 10 * BLOCK
            column = "mse_minimizer" if of == "mse" else of
            assert float(row[f"{column}_se"]) <= target * float(row[column]) or paths == 10 * BLOCK
            counts.append(paths)
    assert counts[:2] == [BLOCK, BLOCK]
    assert counts[4:] == [10 * BLOCK, 10 * BLOCK]
    assert BLOCK < max(counts[2:4]) < 10 * BLOCK


@pytest.mark.parametrize("seconds", [IN_PARTS, BUNDLED])
def test_paths_by_need_are_the_same_after_any_interrupt(
    tmp_path: Path, small: Path, lasting: Callable[[float], None], seconds: float
) -> None:
    lasting(seconds)
    expected = run(small, tmp_path / "undisturbed", by_need())
    events: list[Event] = []
    run(small, tmp_path / "counted", by_need(), on_event=events.append)
    for number in range(1, len(events) + 1):
        with pytest.raises(Interrupted):
            outcome(small, tmp_path / str(number), by_need(), on_event=interrupt_at(number))
        assert run(small, tmp_path / str(number), by_need()) == expected


@pytest.mark.parametrize("seconds", [IN_PARTS, BUNDLED])
@pytest.mark.parametrize("before", [BLOCK, 2 * BLOCK, 10 * BLOCK])
def test_paths_by_need_do_not_depend_on_what_was_there(
    tmp_path: Path,
    small: Path,
    simulated: list[tuple[float, int]],
    lasting: Callable[[float], None],
    seconds: float,
    before: int,
) -> None:
    """Paths up to the least number are used; with more one cannot tell when to stop."""
    lasting(seconds)
    for rule in (by_need(target=0.5), by_need()):
        expected = run(small, tmp_path / f"undisturbed {rule}"[:40], rule)
        run(small, tmp_path / f"out {rule}"[:40], f"paths={before}")
        simulated.clear()
        assert run(small, tmp_path / f"out {rule}"[:40], rule) == expected
        assert ((0.05, 0) in simulated) == (before > BLOCK)
        shutil.rmtree(tmp_path / f"undisturbed {rule}"[:40])
        shutil.rmtree(tmp_path / f"out {rule}"[:40])


@pytest.mark.parametrize("settings", [["xi=[last]"], ["learning_rate=2000000", "steps=200"]])
def test_of_what_is_zero_or_not_finite_the_least_number_of_paths_is_enough(
    tmp_path: Path, small: Path, settings: list[str]
) -> None:
    grid = 'sweep={"seed": [1, 2]}'
    run(small, tmp_path / "out", by_need(target=1e-9), grid, *settings)
    assert [row["paths"] for row in table(tmp_path / "out")] == [str(BLOCK)] * 2
    run(small, tmp_path / "control", by_need(target=1e-9), grid)
    assert [row["paths"] for row in table(tmp_path / "control")] == [str(10 * BLOCK)] * 2


def test_a_floor_that_is_not_measured_tells_nothing_of_paths(small: Path) -> None:
    for floor in ("twin", "window", "cauchy"):
        setting = by_need(of=floor)
        with pytest.raises(ConfigError) as refusal:
            found(small, setting, f"floors.{floor}=false")
        assert str(refusal.value) == (
            f"--set {setting}: paths.of: the {floor} floor is not measured\n  allowed: floors: {{{floor}: true}}\n"
            "  in all 2 cells"
        )
        found(small, setting)


# Memory


class Slowly:
    """An executor that computes a task when its result is asked for, and counts those that wait."""

    def __init__(self, sweep: Sweep, seconds: float, waiting: int) -> None:
        self.sweep, self.seconds, self.cells, self.waiting = sweep, seconds, 0, waiting
        self.handed_out = self.taken = self.most = 0

    def submit(self, task: tasks.Task) -> "Future[Any]":
        self.handed_out += 1
        self.most = max(self.most, self.handed_out - self.taken)
        slow = self

        class Lazy(Future[Any]):
            def result(self, timeout: float | None = None) -> Any:  # noqa: ARG002  # as the base class has it
                slow.taken += 1
                return tasks.run_task(slow.sweep, task, np.zeros(1, dtype=np.uint8))

        return Lazy()


@pytest.mark.parametrize("waiting", [1, 2, 5])
@pytest.mark.parametrize("seconds", [IN_PARTS, ALONE])
def test_so_many_tasks_wait_at_most_and_cells_are_made_when_they_are_due(
    tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, waiting: int
) -> None:
    sweep, surveyed = found(config)
    executor = Slowly(sweep, seconds, waiting)
    ahead: list[int] = []

    def counted(usual: Any, self: Sweep, name: str, point: Any) -> Cell:
        ahead.append(surveyed.ids.index(name) - len(whole_cells(tmp_path / "out")))
        cell: Cell = usual(self, name, point)
        return cell

    for way in ("get_cell", "take_cell"):  # what this process needs of a cell, and its worker
        usual = getattr(Sweep, way)
        monkeypatch.setattr(Sweep, way, lambda *given, usual=usual: counted(usual, *given))
    run_sweep(sweep, surveyed, tmp_path / "out", lambda: nullcontext(executor), draw=drawn)
    assert executor.most == waiting
    assert executor.handed_out == executor.taken == (6 * len(STARTS) if seconds == IN_PARTS else 6)
    assert max(ahead) <= waiting
    assert contents(tmp_path / "out") == run(config, tmp_path / "undisturbed")


# The command line


@pytest.fixture
def _stubbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is drawn, and signals stay as they were."""
    monkeypatch.setattr(drawing_process, "figure_process", lambda: nullcontext(drawn))
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("_stubbed")
def test_a_sweep_tells_what_it_did(small: Path, tmp_path: Path) -> None:
    first = call("sweep", small, "-o", "out", "--set", "claim=SGD stays away.")
    assert first.stderr == "Claim: SGD stays away.\n"
    lines = first.stdout.splitlines()
    assert lines[0] == f"UNDECIDED           all 2 cells, {PATHS} paths of 60 steps each"
    assert "  swept             learning_rate (2 values)" in lines
    assert lines[-1] == "out/    summary.md, sweep.csv, figures/stub.png"
    setting = f"2 cells over learning_rate (2 values), {PATHS} paths of 60 steps each; all cells have the same random numbers."
    assert setting in call("sweep", small, "-o", "out", "--set", "claim=SGD stays away.", "-v").stdout
    again = call("sweep", small, "-o", "out", "--set", "claim=SGD stays away.")
    assert again.stdout == first.stdout
    assert again.stderr.splitlines()[-1] == "Reused all 2 cells; --force computes them again."
    quiet = call("sweep", small, "-o", "out", "--set", "claim=SGD stays away.", "-q")
    assert (quiet.stdout, quiet.stderr) == (first.stdout, "")
    extended = call("sweep", small, "-o", "out", "--set", "claim=SGD stays away.", "--grid", "learning_rate=0.1,0.05,0.2")
    assert extended.stderr.splitlines()[-1] == "Reused 2 of 3 cells; --force computes them again."
    found_json = call("sweep", small, "-o", "json", "--json")
    assert found_json.stderr == ""
    document = json.loads(found_json.stdout)
    wanted = {"schema_version": 1, "folder": "json", "computed": 2, "reused": 0, "failures": {}, "cells": 2, "paths": PATHS}
    assert wanted.items() <= document.items()


@pytest.mark.usefixtures("_stubbed")
def test_a_dry_run_counts_and_writes_nothing(small: Path, tmp_path: Path) -> None:
    def told(*arguments: object) -> dict[str, Any]:
        before = files_of(tmp_path)
        document: dict[str, Any] = json.loads(call("sweep", small, "--dry-run", "--json", *arguments).stdout)
        assert files_of(tmp_path) == before
        return {name: document[name] for name in ("cells", "done", "path_steps", "path_steps_left")}

    one = PATHS * 60
    assert told("-o", "out") == {"cells": 2, "done": 0, "path_steps": 2 * one, "path_steps_left": 2 * one}
    assert not (tmp_path / "out").exists()
    call("sweep", small, "-o", "out", "-q")
    assert told("-o", "out") == {"cells": 2, "done": 2, "path_steps": 2 * one, "path_steps_left": 0}
    more = told("-o", "out", "--grid", "learning_rate=0.2,0.1,0.4")
    assert more == {"cells": 3, "done": 1, "path_steps": 3 * one, "path_steps_left": 2 * one}
    raised = told("-o", "out", "--set", f"paths={PATHS + 10}")
    left = 2 * (PATHS + 10 - 2 * BLOCK) * 60
    assert raised == {"cells": 2, "done": 0, "path_steps": 2 * (one + 600), "path_steps_left": left}
    said = call("sweep", small, "--dry-run", "-o", "out", "--workers", "3", "--grid", "learning_rate=0.1,0.2").stdout
    assert said.splitlines()[0] == "experiment: 2 cells, 8.4e+03 path-steps in total"
    assert said.splitlines()[1] == "out: 1 of 2 cells finished, 1 to compute"
    assert re.fullmatch(r"about \d+ s with 3 workers here, from a short trial of learning_rate=0\.2", said.splitlines()[2])


@pytest.mark.slow
@pytest.mark.usefixtures("_stubbed")
def test_failing_cells_have_an_exit_code_of_their_own(tmp_path: Path) -> None:
    path = config_file(tmp_path / "in", FAILING)
    assert json.loads(call("sweep", path, "-o", "out", "--dry-run", "--json").stdout)["done"] == 0
    for reused in (0, 1):
        document = json.loads(call("sweep", path, "-o", "out", "--json", code=5).stdout)
        assert (document["computed"], document["reused"], document["failed"]) == (1 - reused, reused, 2)
        assert all("knots, more than 2e+07; take a larger spacing" in reason for reason in document["failures"].values())
    shown = call("sweep", path, "-o", "out", "-q", code=5).stdout
    assert shown.splitlines()[:2] == [
        f"DIVERGES          1 of 3 cells, {PATHS} paths of 60 steps each",
        "FAILED            2 of 3 cells",
    ]
    assert "\n  failed          spacing=1e-09: objective toint: needs" in shown
    assert json.loads(call("sweep", path, "-o", "out", "--dry-run", "--json").stdout)["done"] == 1
    fast = call("sweep", path, "-o", "fast", "--fail-fast", "-q", code=2)
    assert fast.stdout == ""
    assert re.match(r"cell [0-9a-f]{16} failed \(objective\.spacing=1e-09\): objective toint: needs", fast.stderr)
    call("verify", "out")
    assert "| 1e-09 |  | " in call("table", "out").stdout


@pytest.mark.usefixtures("_stubbed")
def test_wrong_options(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(dask, "SCHEDULER_SECONDS", 0.2)
    before = sorted(path.name for path in Path().iterdir())
    for options, said in (
        (
            ["--executor", "dsk"],
            f"unknown executor 'dsk'\n  allowed: {', '.join(EXECUTORS)}, or MODULE:FACTORY\n  did you mean dask?",
        ),
        (["--scheduler", "tcp://x"], "--scheduler needs --executor dask"),
        (["--scheduler", ""], "--scheduler needs --executor dask"),
        (
            ["--executor", "dask", "--scheduler", "tcp://x:1", "--workers", "8"],
            "--workers 8: a cluster that runs already has its own workers; leave it out with --scheduler",
        ),
        (["--executor", "dask", "--scheduler", ""], "--scheduler: the address is empty\n  allowed: tcp://HOST:PORT"),
        (["--set", "sweep={}"], "must be a mapping of keys to their values"),
        (["--grid", "learning_rate"], "--grid learning_rate: must have the form key=values"),
        (["--grid", "learning_rate=-1"], "got -1"),
    ):
        result = call("sweep", small, *options, code=2)
        assert said in result.stderr
        assert result.stdout == ""
    assert sorted(path.name for path in Path().iterdir()) == before
    monkeypatch.setitem(sys.modules, "distributed", None)
    result = call("sweep", small, "-o", "out", "-q", "--executor", "dask", code=2)
    assert result.stderr == "--executor dask needs Dask: pip install 'nonconv[dask]'\n"


@pytest.mark.slow
@pytest.mark.usefixtures("_stubbed")
def test_table_plot_and_verify_take_a_sweep_and_a_cell(small: Path, tmp_path: Path) -> None:
    call("sweep", small, "-o", "out", "-q")
    first, second = found(small)[1].ids
    cell = f"out/cells/{second}"
    assert call("table", "out", "--format", "csv").stdout.encode() == (tmp_path / "out" / "sweep.csv").read_bytes()
    rows = json.loads(call("table", "out", "--format", "json").stdout)["rows"]
    assert [(row["cell"], row["learning_rate"], row["paths"]) for row in rows] == [(first, 0.05, PATHS), (second, 0.1, PATHS)]
    assert call("table", "out").stdout.splitlines()[0] == "| learning_rate | minimizer | path_mean | verdict |"
    assert call("table", cell).stdout.splitlines()[0] == "| step | minimizer | minimizer, exact | path_mean | last |"
    assert {f"{second}-{name}.svg" for name in ("error", "paths", "floors")} == {
        Path(line).name for line in call("plot", cell, "--format", "svg", "-o", "drawn").stdout.splitlines()
    }
    assert (
        "sweep-drawn/experiment-lines_mse_minimizer.svg" in call("plot", "out", "--format", "svg", "-o", "sweep-drawn").stdout
    )
    good = call("verify", "out").stdout.splitlines()
    assert good[0] == "out: the files of 2 cells are unchanged"
    assert good[1:] == [f"out/cells/{name}: 40 recorded paths recomputed: bitwise equal" for name in (first, second)]
    call("verify", cell)
    (tmp_path / cell / "error.csv").write_text("mine")
    assert call("verify", "out", code=3).stdout == f"out: files are missing or have changed: cells/{second}/error.csv\n"
    assert call("verify", cell, code=3).stdout == f"{cell}: files are missing or have changed: error.csv\n"
    call("sweep", small, "-o", "out", "-q")
    shutil.rmtree(tmp_path / cell)
    assert call("verify", "out", code=3).stdout == f"out: files are missing or have changed: cells/{second}/{MANIFEST}\n"
