"""A sweep gives the same bytes whatever happens to it, computes nothing twice, and lets one bad cell spoil no other."""

import csv
import errno
import io
import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from test_study import BLOCK, CSV, SGD, SPOILT, contents, kill_after, linux, wait_until, written
from typer.testing import CliRunner, Result

import nonconv
from nonconv import store, study
from nonconv.cli import app
from nonconv.engine import blocks
from nonconv.errors import ConfigError, Interrupted, UsageError
from nonconv.experiment import Cell, read_cell
from nonconv.report import painter
from nonconv.report.sweep_files import read_ends
from nonconv.store import BEGUN, CHECKPOINT, LOCK, MANIFEST, OURS, damaged
from nonconv.sweeps import executors, loop, tasks
from nonconv.sweeps.cells import FOLDER, TALLY
from nonconv.sweeps.loop import News, Outcome, run_sweep
from nonconv.sweeps.sweep import Survey, Sweep, read_sweep, survey

PATHS = 70
"""Two whole blocks and a rest."""
STARTS = list(range(0, PATHS, BLOCK))
RATES = [0.05, 0.1, 0.2]
ADAM = {"name": "adam", "beta1": 0.5}
GRID: dict[str, Any] = SGD | {"paths": PATHS, "sweep": {"learning_rate": RATES, "optimizer": ["sgd", ADAM]}}
SMALL = GRID | {"sweep": {"learning_rate": [0.05, 0.1]}}
ENOUGH = {"min": BLOCK, "max": 10 * BLOCK, "target": 0.15}
TOINT = SGD | {
    "paths": PATHS,
    "objective": "toint",
    "optimizer": "adam",
    "start": {"name": "normal", "std": 0.01},
    "xi": ["start", "last"],
    "sweep": {"optimizer.beta2": [0.9, 0.99]},
}
FAILING = TOINT | {
    "objective": {"name": "toint", "knots": "uniform"},
    "sweep": {"objective.spacing": [1e-9, 0.01, 1e-8]},
}
CONFIGS = {
    "names and numbers": GRID,
    "paths by need": GRID | {"paths": ENOUGH},
    "toint": TOINT,
    "seeds": GRID | {"sweep": {"seed": [1, 2, 3]}},
    "steps": GRID | {"sweep": {"steps": [20, 60, 400]}},
    "files": CSV | {"paths": PATHS, "sweep": {"objective.data.file": ["rows.csv", "other.csv"], "seed": [0, 1]}},
    "a failing cell": FAILING,
}
ALONE, IN_PARTS, BUNDLED = 2e-5, 1e-12, 100.0
"""Seconds that a task should last, with which every cell is a task, every block is one, and all cells are one."""


def config_file(folder: Path, config: dict[str, Any]) -> Path:
    """A config, beside the data files it may name."""
    path = written(folder, config)
    (folder / "other.csv").write_text("x,y\n1,0\n-2,1\n6,-3\n2,5\n")
    return path


def drawn(folder: Path) -> dict[str, bytes]:
    """A cheap stand-in for the figures, which also needs the table to be there."""
    return {"stub.png": (folder / "sweep.csv").read_bytes()[:100]}


def found(path: Path, *settings: str) -> tuple[Sweep, Survey]:
    sweep = read_sweep(path, settings)
    return sweep, survey(sweep)


def outcome(path: Path, folder: Path, *settings: str, workers: int = 2, executor: Any = None, **options: Any) -> Outcome:
    """Run the sweep of a config file with threads, or whatever else."""
    sweep, surveyed = found(path, *settings)
    make = executor or partial(executors.threads, sweep, workers)
    return run_sweep(sweep, surveyed, folder, make, **({"draw": drawn} | options))


def run(path: Path, folder: Path, *settings: str, **options: Any) -> dict[str, bytes]:
    """Run to the end, and return the bytes."""
    outcome(path, folder, *settings, **options)
    assert not [name for name in contents(folder) if "unfinished" in name and not name.endswith(LOCK)]
    return contents(folder)


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "sweep.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def whole_cells(folder: Path) -> list[str]:
    """The cells in a folder; none of them is half there."""
    names = sorted(path.name for path in (folder / FOLDER).glob("*"))
    for name in names:
        manifest = store.read_manifest(folder / FOLDER / name)
        assert manifest is not None
        assert damaged(folder / FOLDER / name, manifest) == []
    return names


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "LARGEST_BLOCK", BLOCK)


@pytest.fixture
def lasting(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets how long a task of threads should last."""
    return lambda seconds: monkeypatch.setattr(executors.Threads, "seconds", seconds)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return config_file(tmp_path / "in", GRID)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return config_file(tmp_path / "small", SMALL)


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, int]]:
    """The learning rates and first paths of the blocks simulated so far."""
    seen: list[tuple[float, int]] = []
    simulate = blocks.simulate

    def counted(program: Any, engine: Any, first: int, *rest: Any) -> blocks.Block:
        seen.append((float(program.learning_rate(np.ones(1))[0]), first))
        return simulate(program, engine, first, *rest)

    monkeypatch.setattr(study, "simulate", counted)
    return seen


# The same bytes


@pytest.mark.parametrize("name", CONFIGS)
def test_bytes_depend_neither_on_threads_nor_on_how_work_is_cut(
    tmp_path: Path, lasting: Callable[[float], None], name: str
) -> None:
    path = config_file(tmp_path / "in", CONFIGS[name])
    expected = run(path, tmp_path / "1", workers=1)
    assert {"sweep.csv", "sweep.json", "summary.md", "config.yaml", "figures/stub.png"} <= set(expected)
    for workers, seconds in ((2, ALONE), (3, IN_PARTS), (1, IN_PARTS), (2, BUNDLED)):
        lasting(seconds)
        assert run(path, tmp_path / f"{workers} {seconds}", workers=workers) == expected
    assert run(path, tmp_path / "1", force=True) == expected


def test_the_ways_to_cut_work_are_what_they_are_called(config: Path) -> None:
    """Otherwise the tests here would test one of them many times."""
    sweep, surveyed = found(config)
    flow = loop._Flow(sweep, surveyed, loop.Cells(Path("nowhere")), False, False, lambda news: None)
    assert [len(task.orders) for task in flow.tasks(BUNDLED)] == [6]
    assert [type(task) for task in flow.tasks(ALONE)] == [tasks.Whole] * 6
    parts = [task for task in flow.tasks(IN_PARTS) if isinstance(task, tasks.Part)]
    assert [(part.order.name, part.first, part.last) for part in parts] == [
        (name, first, min(first + BLOCK, PATHS)) for name in surveyed.ids for first in STARTS
    ]


@pytest.mark.parametrize("name", CONFIGS)
def test_a_cell_is_what_a_run_of_its_config_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    run(config_file(tmp_path / "in", CONFIGS[name]), tmp_path / "out")
    shutil.rmtree(tmp_path / "in")
    monkeypatch.chdir(tmp_path)
    for cell in whole_cells(tmp_path / "out"):
        there = contents(tmp_path / "out" / FOLDER / cell)
        read = read_cell(Path("out") / FOLDER / cell / "config.yaml", [])
        study.run(read, tmp_path / cell, 2, draw=lambda folder: {})
        alone = contents(tmp_path / cell)
        assert set(there) - {TALLY} == set(alone) - {"summary.md"}
        assert {name for name in alone if there.get(name) != alone[name]} == {"summary.md", "summary.json"}
        assert json.loads(there["summary.json"]) | {"name": "config"} == json.loads(alone["summary.json"])


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
        names = [path.name for path in (tmp_path / "out" / FOLDER / row["cell"] / "data").iterdir()]
        assert names == [row["objective.data.file"]]


def test_seeds_do_not_correlate_and_one_seed_does(tmp_path: Path) -> None:
    """Common random numbers: |correlation| of independent runs is below 4.5 standard deviations, of one seed near 1."""
    for key, values in (("seed", [1, 2]), ("learning_rate", [0.05, 0.055])):
        path = config_file(tmp_path / key, GRID | {"paths": 1000, "sweep": {key: values}})
        out = tmp_path / f"{key} out"
        run(path, out)
        first, second = (read_ends(out / FOLDER / row["cell"]).numbers[0] for row in table(out))
        assert (abs(np.corrcoef(first, second)[0, 1]) < 4.5 / np.sqrt(1000)) == (key == "seed")
        said = (out / "summary.md").read_text()
        assert ("; cells of one seed have the same random numbers." in said) == (key == "seed")
        assert ("; all cells have the same random numbers." in said) == (key != "seed")


@pytest.mark.filterwarnings("ignore")  # the library's own
def test_a_cluster_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of bundled cells and cells in parts, with data files and without a result for one cell."""
    pytest.importorskip("distributed")
    monkeypatch.undo()  # workers are other processes, whose blocks have the usual size
    monkeypatch.chdir(tmp_path)
    path = config_file(Path("in"), CSV | {"paths": 600, "sweep": {"steps": [20, 40, 4000], "batch_size": [1, 2]}})
    expected = run(path, Path("threads"))
    sweep, surveyed = found(path)
    parcel = executors.Parcel(sweep, {name: file.read_bytes() for name, file in surveyed.files.items()})
    monkeypatch.setattr(executors.Cluster, "seconds", 3 * min(tasks.seconds(sweep.cell(point)) for point in sweep.points()))
    seen: set[type] = set()
    submit = executors.Cluster.submit

    def noted(cluster: executors.Cluster, task: tasks.Task) -> "Future[Any]":
        seen.add(type(task))
        return submit(cluster, task)

    monkeypatch.setattr(executors.Cluster, "submit", noted)
    make = partial(executors.cluster, parcel, None, 2)
    assert run_sweep(sweep, surveyed, Path("dask"), make, draw=drawn).computed == 6
    assert seen == {tasks.Whole, tasks.Part}
    assert contents(Path("dask")) == expected


def test_a_worker_needs_no_file_but_what_it_is_sent(tmp_path: Path) -> None:
    path = config_file(tmp_path / "in", CONFIGS["files"])
    sweep, surveyed = found(path)
    parcel = executors.Parcel(sweep, {name: file.read_bytes() for name, file in surveyed.files.items()})
    run(path, tmp_path / "out")
    shutil.rmtree(tmp_path / "in")
    orders = tuple(tasks.Order(name, point, None) for name, point in zip(surveyed.ids, sweep.points(), strict=True))
    for name, done in zip(surveyed.ids, executors.work_far_away(parcel, tasks.Whole(orders)), strict=True):
        assert done.files == files_of(tmp_path / "out" / FOLDER / name)


def test_an_experiment_on_a_cluster_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Client:
        def __init__(self, answer: Any) -> None:
            self.answer = answer

        def run(self, function: Callable[[], str]) -> dict[str, str]:
            if isinstance(self.answer, Exception):
                raise self.answer
            return {"one": function(), "other": self.answer}

        def nthreads(self) -> dict[str, int]:
            return {"one": 2, "other": 3}

        def scatter(self, parcel: Any, **options: Any) -> Any:
            return parcel

    parcel, ours = executors.Parcel(None, {}), nonconv.__version__  # type: ignore[arg-type]  # nothing looks at the sweep
    made = executors._equipped(parcel, Client(ours))
    assert (made.parcel, made.waiting) == (parcel, 5 * executors.AHEAD)
    for answer, said in (("0.0.0", f"0.0.0, {ours}"), (ImportError("no nonconv"), "none (no nonconv)")):
        with pytest.raises(UsageError) as refusal:
            executors._equipped(parcel, Client(answer))
        assert str(refusal.value) == f"the scheduler and all workers need nonconv {ours}; they have {said}"


# Interrupts


def interrupt_at(number: int) -> Callable[[News], None]:
    """Something to be told news, which presses Ctrl-C when it is told the given one."""
    left = [number]

    def tell(news: News) -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    return tell


def kept_paths(folder: Path) -> int:
    """How many paths of an unfinished cell are saved."""
    saved = [path for path in (folder / "unfinished.cells").glob("*.checkpoint")] if folder.exists() else []
    assert len(saved) <= 1
    return int(np.load(io.BytesIO(saved[0].read_bytes()[store.MARK_BYTES :]))["paths"]) if saved else 0


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
    news: list[News] = []
    run(small, tmp_path / "counted", tell=news.append)
    for number in range(1, len(news) + 1):
        folder = tmp_path / str(number)
        with pytest.raises(Interrupted) as stop:
            outcome(small, folder, tell=interrupt_at(number))
        done, kept = len(whole_cells(folder)), kept_paths(folder)
        assert str(stop.value) == f"stopped; {done} of 2 cells are saved in {folder}"
        assert (folder / BEGUN).exists()
        assert not (folder / MANIFEST).exists()
        simulated.clear()
        assert run(small, folder, workers=3) == expected
        left = every[done * len(STARTS) + kept // BLOCK :]
        assert sorted(simulated) == left
    assert seconds == ALONE or len(news) == 2 * (len(STARTS) + 1)


def test_any_number_of_interrupts(tmp_path: Path, config: Path, lasting: Callable[[float], None]) -> None:
    lasting(IN_PARTS)
    expected = run(config, tmp_path / "undisturbed")
    stops = 0
    rng = random.Random(1)
    while True:
        try:
            outcome(config, tmp_path / "out", workers=rng.randint(1, 3), tell=interrupt_at(rng.randint(1, 9)))
        except Interrupted:
            stops += 1
            continue
        break
    assert stops > 2
    assert contents(tmp_path / "out") == expected


def test_an_interrupt_while_it_is_drawn(tmp_path: Path, small: Path, simulated: list[tuple[float, int]]) -> None:
    def impatient(folder: Path) -> dict[str, bytes]:
        raise KeyboardInterrupt

    expected = run(small, tmp_path / "undisturbed")
    with pytest.raises(Interrupted, match="2 of 2 cells"):
        outcome(small, tmp_path / "out", draw=impatient)
    simulated.clear()
    assert run(small, tmp_path / "out") == expected
    assert simulated == []


def begun_in_parts(path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sweep interrupted when two blocks of its first cell are whole: its checkpoint."""
    monkeypatch.setattr(executors.Threads, "seconds", IN_PARTS)
    with pytest.raises(Interrupted):
        outcome(path, folder, tell=interrupt_at(2))
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
@pytest.mark.parametrize("damage", ["missing", "changed", TALLY])
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
    cell = tmp_path / "out" / FOLDER / found(small)[1].ids[1]
    file = cell / (TALLY if damage == TALLY else "error.csv")
    content = file.read_bytes()
    file.unlink()
    if damage != "missing":
        file.write_bytes(content[:-1])
    simulated.clear()
    assert run(small, tmp_path / "out", f"paths={paths}") == expected
    starts = STARTS if damage == TALLY else STARTS[2:]
    assert sorted(simulated) == [(0.1, first) for first in starts if first < paths]


@pytest.mark.parametrize("left", ["half", "whole", "old"])
def test_what_a_kill_leaves_beside_the_cells_is_no_cell(tmp_path: Path, small: Path, left: str) -> None:
    expected = run(small, tmp_path / "undisturbed")
    folder = tmp_path / "out"
    with pytest.raises(Interrupted):
        outcome(small, folder, tell=interrupt_at(1), workers=1)
    name = found(small)[1].ids[1]
    place = folder / "unfinished.cells" / (f"{name}.old" if left == "old" else name)
    shutil.copytree(tmp_path / "undisturbed" / FOLDER / name, place)
    (place / "foreign").write_text("x")
    if left == "half":
        (place / MANIFEST).unlink()
    assert run(small, folder) == expected


def test_only_what_is_missing_is_computed(tmp_path: Path, config: Path, simulated: list[tuple[float, int]]) -> None:
    expected = run(config, tmp_path / "out")
    for k, name in enumerate(found(config)[1].ids):
        if k % 2:
            shutil.rmtree(tmp_path / "out" / FOLDER / name)
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
import os, signal, sys, time
from contextlib import nullcontext
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
from nonconv import study
from nonconv.engine import blocks
from nonconv.report import painter
from nonconv.sweeps import executors, loop

blocks.LARGEST_BLOCK = {BLOCK}
loop.CHECKPOINT_SECONDS = float(os.environ["CHECKPOINT_SECONDS"])
executors.Threads.seconds = float(os.environ["LASTING"])
hold, log = int(os.environ["HOLD"]), Path(os.environ["LOG"])
simulate, add, begun = study.simulate, loop._Growing.add, []

def noted(what):
    with log.open("a") as file:
        file.write(what + "\\n")

def slowly(program, engine, first, paths, stop):
    begun.append(first)
    late = len(begun) > hold
    noted(f"simulated {{first}}")
    time.sleep(0.02)
    while late and not stop[0]:
        time.sleep(0.01)
    return simulate(program, engine, first, paths, stop)

def added(growing, block):
    add(growing, block)
    noted("merged")

study.simulate, loop._Growing.add = slowly, added
painter.painter = lambda: nullcontext(lambda folder: {{"stub.png": (folder / "sweep.csv").read_bytes()[:100]}})
from nonconv.cli import main
main()
"""
"""The command line with small, slow blocks; all but the first HOLD last until the sweep is stopped."""


class Driver:
    """Starts the command line on one config and folder."""

    def __init__(self, place: Path) -> None:
        self.config = config_file(place / "in", GRID)
        self.folder, self.log = place / "out", place / "log"
        self.arguments = ["sweep", str(self.config), "--out", str(self.folder), "--workers", "2"]
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
        self.started.append(subprocess.Popen(command, env=os.environ | environment, stdout=pipe, stderr=pipe, text=True))
        return self.started[-1]

    def count(self, what: str) -> int:
        return sum(line.startswith(what) for line in self.log.read_text().splitlines()) if self.log.exists() else 0


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Driver]:
    driver = Driver(tmp_path)
    yield driver
    for process in driver.started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("number", "extra"), [(signal.SIGINT, []), (signal.SIGTERM, ["--force"])])
def test_a_signal_saves_and_names_the_command_that_continues(
    driver: Driver, tmp_path: Path, number: signal.Signals, extra: list[str]
) -> None:
    process = driver.start([*driver.arguments, *extra], hold=8, checkpoint_seconds=1e9)
    wait_until(lambda: driver.count("merged") == 8)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    told = re.fullmatch(r"stopped; 2 of 6 cells are saved in (.+); this continues it:\n  (.+)\n", err)
    assert told, err
    assert told[1] == str(driver.folder)
    assert shlex.split(told[2]) == ["nonconv", *driver.arguments]
    assert kept_paths(driver.folder) == 2 * BLOCK
    process = driver.start(shlex.split(told[2])[1:])
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.startswith("6 cells over learning_rate (3 values) and optimizer (2 values)")
    assert err.splitlines()[-1] == "2 of 6 cells were there before; --force computes all again"
    assert driver.count("simulated") == 6 * len(STARTS) - 8
    assert contents(driver.folder) == run(driver.config, tmp_path / "undisturbed")


def test_kills_at_random_moments_change_nothing(driver: Driver, tmp_path: Path) -> None:
    rng = random.Random(2407)
    kills = 0
    for _ in range(10):
        process = driver.start(driver.arguments, seconds=rng.choice([IN_PARTS, ALONE]))
        kill_after(process, driver.folder, rng.randrange(8), 0.03 * rng.random())
        kills += process.returncode == -signal.SIGKILL
    process = driver.start(driver.arguments)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert kills > 5
    assert {name: content for name, content in contents(driver.folder).items() if "unfinished" not in name} == run(
        driver.config, tmp_path / "undisturbed"
    )
