"""A run gives the same bytes whatever happens to it: workers, order, interrupts, kill -9 at any moment."""

import hashlib
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
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nonconv
from kit.experiments import ADAM, BLOCK, CSV, NO_FLOORS, PATHS, SGD, written
from kit.processes import wait_until
from kit.runs import SPOILT, contents, drawn, interrupt_after, run
from nonconv.engine import blocks
from nonconv.experiment import sources, table
from nonconv.experiment.binding import read_cell
from nonconv.experiment.cell import Cell
from nonconv.faults.errors import Interrupted, UsageError
from nonconv.report.figures.drawing_process import Figures, draw_here
from nonconv.store.folder import CHECKPOINT, MANIFEST, Folder
from nonconv.study import loop as study
from nonconv.system.atomic import HALF_WRITTEN

DIVERGING = SGD | {"learning_rate": 1.2, "steps": 2500, "start": {"name": "normal"}}
TOINT = SGD | {"objective": "toint", "optimizer": "adam", "start": {"name": "normal", "std": 0.01}, "xi": ["start", "last"]}
NO_TWINS = ADAM | {"floors": {"twin": False}}
CONFIGS = {
    "sgd": SGD,
    "adam": ADAM,
    "csv": CSV,
    "diverging": DIVERGING,
    "toint": TOINT,
    "no twins": NO_TWINS,
    "no floors": NO_FLOORS,
}


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "LARGEST_BLOCK", BLOCK)


@pytest.fixture
def cell(tmp_path: Path) -> Cell:
    return read_cell(written(tmp_path / "in", SGD), [])


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The first paths of the blocks simulated so far."""
    seen: list[int] = []
    simulate = blocks.simulate

    def counted(program: Any, engine: Any, first: int, *rest: Any) -> blocks.Block:
        seen.append(first)
        return simulate(program, engine, first, *rest)

    monkeypatch.setattr(study, "simulate", counted)
    return seen


# The same bytes


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGS)
def test_bytes_depend_on_neither_workers_nor_order_nor_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    cell = read_cell(written(tmp_path / "in", CONFIGS[name]), [])
    expected = run(cell, tmp_path / "1", workers=1)
    always = {"error.csv", "paths.npz", "verdict.json", "summary.json", "summary.md", "config.yaml", "figures/stub.png"}
    assert always <= set(expected)
    assert ("floors.csv" in expected) == (name != "no floors")
    assert ("outcomes.csv" in expected) == (name == "toint")
    bound = json.loads(expected["verdict.json"])["bound"]
    assert (bound or {}).get("violations") == (0 if "adam" in (name, CONFIGS[name]["optimizer"]) and name != "toint" else None)
    simulate = blocks.simulate

    def late(program: Any, engine: Any, first: int, *rest: Any) -> blocks.Block:
        block = simulate(program, engine, first, *rest)
        time.sleep(0.01 * random.Random(first).random())
        return block

    monkeypatch.setattr(study, "simulate", late)
    for workers in (2, 3):
        assert run(cell, tmp_path / str(workers), workers=workers) == expected
    assert run(cell, tmp_path / "1", workers=3, force=True) == expected


def test_floors_change_nothing_else(tmp_path: Path) -> None:
    """Errors and paths are the same bytes whatever else is measured."""
    floors, none = (
        run(read_cell(written(tmp_path / "in", config), []), tmp_path / str(k)) for k, config in enumerate((SGD, NO_FLOORS))
    )
    for name in ("error.csv", "theory.csv"):
        assert floors[name] == none[name]
    with np.load(io.BytesIO(floors["paths.npz"])) as ours, np.load(io.BytesIO(none["paths.npz"])) as theirs:
        for name in set(ours) - {"end_of", "end"}:
            assert np.array_equal(ours[name], theirs[name])
        few = len(NO_FLOORS["xi"])
        assert theirs["end_of"].tolist() == ours["end_of"][:few].tolist() == [f"mse: {xi}" for xi in NO_FLOORS["xi"]]
        assert np.array_equal(ours["end"][:few], theirs["end"])
        assert len(ours["end"]) > few
    assert set(floors) - set(none) == {"floors.csv", "floors_theory.csv"}


def test_every_path_is_simulated_once(cell: Cell, tmp_path: Path, simulated: list[int]) -> None:
    run(cell, tmp_path / "out", workers=3)
    assert sorted(simulated) == list(range(0, PATHS, BLOCK))
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert sum(summary["outcomes"].values()) == PATHS
    assert {row["n"] for row in summary["errors"]} == {PATHS}


def test_the_bytes_depend_on_the_seed(tmp_path: Path) -> None:
    first, second = (
        run(read_cell(written(tmp_path / "in", SGD | {"seed": seed}), []), tmp_path / str(seed)) for seed in (1, 2)
    )
    assert first["paths.npz"] != second["paths.npz"]
    assert first["error.csv"] != second["error.csv"]


def test_progress_counts_paths_up_to_all_of_them(cell: Cell, tmp_path: Path) -> None:
    told: list[int] = []
    run(cell, tmp_path / "out", progress=told.append)
    assert told == [*range(BLOCK, PATHS, BLOCK), PATHS]


# Interrupts


def interrupted(cell: Cell, folder: Path, **options: Any) -> str:
    """Run until the interrupt; what the user is told."""
    options = {"workers": 2, "draw": drawn, **options}
    threads = set(threading.enumerate())
    with pytest.raises(Interrupted) as stop:
        study.run(cell, folder, **options)
    wait_until(lambda: set(threading.enumerate()) <= threads)
    assert not (folder / MANIFEST).exists()
    return str(stop.value)


@pytest.mark.slow
@pytest.mark.parametrize("done", [BLOCK, 4 * BLOCK, 9 * BLOCK, PATHS])
@pytest.mark.parametrize("name", ["adam", "diverging", "toint"])
def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path, simulated: list[int], name: str, done: int) -> None:
    cell = read_cell(written(tmp_path / "in", CONFIGS[name]), [])
    expected = run(cell, tmp_path / "undisturbed")
    folder = tmp_path / "out"
    text = interrupted(cell, folder, progress=interrupt_after(done))
    assert text == f"Stopped. Saved in {folder}: {done} of {PATHS} paths."
    assert (folder / CHECKPOINT).exists()
    simulated.clear()
    assert run(cell, folder, workers=3) == expected
    assert sorted(simulated) == list(range(done, PATHS, BLOCK))


@pytest.mark.slow
def test_any_number_of_interrupts(cell: Cell, tmp_path: Path, simulated: list[int]) -> None:
    expected = run(cell, tmp_path / "undisturbed")
    folder = tmp_path / "out"
    for done in range(BLOCK, PATHS, BLOCK):
        assert f": {done} of" in interrupted(cell, folder, progress=interrupt_after(0), workers=1 + done % 3)
    simulated.clear()
    assert run(cell, folder) == expected
    assert simulated == [PATHS // BLOCK * BLOCK]


def test_an_interrupt_before_the_first_block_is_done(cell: Cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def at_once(*arguments: Any) -> blocks.Block:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(study, "simulate", at_once)
        assert ": 0 of" in interrupted(cell, tmp_path / "out")
    assert not (tmp_path / "out" / CHECKPOINT).exists()
    assert run(cell, tmp_path / "out") == run(cell, tmp_path / "undisturbed")


def test_an_interrupt_while_drawing_loses_no_path(cell: Cell, tmp_path: Path, simulated: list[int]) -> None:
    expected = run(cell, tmp_path / "undisturbed")

    def impatient(folder: Path) -> Callable[[], Figures]:
        def waiting() -> Figures:
            raise KeyboardInterrupt

        return waiting

    assert f": {PATHS} of {PATHS}" in interrupted(cell, tmp_path / "out", draw=impatient)
    simulated.clear()
    assert run(cell, tmp_path / "out") == expected
    assert simulated == []


def test_a_data_file_that_changes_after_it_was_read_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes read once are hashed, simulated and stored; the digest in the folder is that of the copy beside it."""
    path = written(tmp_path / "in", CSV)
    before = (tmp_path / "in" / "rows.csv").read_bytes()
    undisturbed = run(read_cell(path, []), tmp_path / "undisturbed")

    def rewritten(file: Path, content: bytes, *arguments: Any) -> Any:
        file.write_bytes(b"x,y\n9,9\n8,1\n")
        return table.read_table(file, content, *arguments)

    monkeypatch.setattr("nonconv.experiment.sources.read_table", rewritten)
    sources._read_table_once.cache_clear()
    cell = read_cell(path, [])
    assert path.with_name("rows.csv").read_bytes() != before
    assert cell.resolved["objective"]["data"]["sha256"] == hashlib.sha256(before).hexdigest()
    assert run(cell, tmp_path / "out") == undisturbed
    assert (tmp_path / "out" / "data" / "rows.csv").read_bytes() == before


VANISH: dict[str, Callable[[Path], object]] = {
    "removed": shutil.rmtree,
    "renamed": lambda folder: folder.rename(folder.with_name("elsewhere")),
    "replaced": lambda folder: shutil.copytree(
        folder.rename(folder.with_name("elsewhere")), folder, ignore=lambda *all: all[1]
    ),
    "one file": lambda folder: next(folder.glob("*.csv"), folder / MANIFEST).unlink(missing_ok=True),
    "figures": lambda folder: shutil.rmtree(folder / "figures"),
}
MOMENTS = {
    "while simulating": (study, "simulate_cell"),
    "while publishing": (study, "markdown"),
    "before the manifest": (Folder, "seal"),
    "after the manifest": (Folder, "refuse_vanished"),
}


def strike(monkeypatch: pytest.MonkeyPatch, moment: tuple[Any, str], folder: Path, how: str, after: str = "") -> None:
    """Let the folder vanish once, before a function is called; `after`: not before there is this file."""
    function = getattr(*moment)
    done: list[str] = []

    def striking(*arguments: Any, **options: Any) -> Any:
        if not done and (not after or (folder / after).exists()):
            done.append(how)
            VANISH[how](folder)
        return function(*arguments, **options)

    monkeypatch.setattr(*moment, striking)


@pytest.mark.parametrize("how", VANISH)
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_folder_that_vanishes_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, how: str) -> None:
    """A run that ends well has all its files; nothing is written to what has taken the folder's place."""
    if moment in ("while simulating", "while publishing") and how in ("one file", "figures"):
        pytest.skip("not written yet")
    cell, folder = read_cell(written(tmp_path / "in", NO_FLOORS), []), tmp_path / "out"
    strike(monkeypatch, MOMENTS[moment], folder, how, MANIFEST if moment == "after the manifest" else "")
    with pytest.raises(UsageError, match=r"removed|replaced"):
        run(cell, folder)
    assert folder.exists() == (how in ("replaced", "one file", "figures"))
    if how == "replaced":
        assert list(folder.iterdir()) == []
    monkeypatch.undo()
    assert MANIFEST in {path.name for path in study.run(cell, folder, 1, draw=drawn).folder.iterdir()}


def test_force_begins_anew(cell: Cell, tmp_path: Path, simulated: list[int]) -> None:
    interrupted(cell, tmp_path / "out", progress=interrupt_after(4 * BLOCK))
    simulated.clear()
    run(cell, tmp_path / "out", force=True)
    assert sorted(simulated) == list(range(0, PATHS, BLOCK))


def test_checkpoints_are_kept_on_the_way(cell: Cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "CHECKPOINT_SECONDS", -1.0)
    saved: list[bool] = []
    run(cell, tmp_path / "out", progress=lambda done: saved.append((tmp_path / "out" / CHECKPOINT).exists()))
    assert saved == [False] + [True] * (PATHS // BLOCK)


# Checkpoints that are none


@pytest.mark.slow
@pytest.mark.parametrize("how", SPOILT)
def test_a_spoilt_checkpoint_is_ignored(cell: Cell, tmp_path: Path, simulated: list[int], how: str) -> None:
    interrupted(cell, tmp_path / "out", progress=interrupt_after(5 * BLOCK))
    checkpoint = tmp_path / "out" / CHECKPOINT
    checkpoint.write_bytes(SPOILT[how](checkpoint.read_bytes()))
    simulated.clear()
    assert run(cell, tmp_path / "out") == run(cell, tmp_path / "undisturbed")
    assert sorted(simulated[: len(simulated) // 2]) == list(range(0, PATHS, BLOCK))


def test_a_checkpoint_of_another_version_is_ignored(
    cell: Cell, tmp_path: Path, simulated: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(nonconv, "__version__", "0.0.0")
        interrupted(cell, tmp_path / "out", progress=interrupt_after(5 * BLOCK))
    simulated.clear()
    run(cell, tmp_path / "out")
    assert sorted(simulated) == list(range(0, PATHS, BLOCK))


def test_a_checkpoint_of_another_config_is_ignored(cell: Cell, tmp_path: Path, simulated: list[int]) -> None:
    other = read_cell(written(tmp_path / "in", SGD | {"seed": 2}), [])
    interrupted(other, tmp_path / "other", progress=interrupt_after(5 * BLOCK))
    interrupted(cell, tmp_path / "out", progress=interrupt_after(BLOCK))
    (tmp_path / "other" / CHECKPOINT).replace(tmp_path / "out" / CHECKPOINT)
    simulated.clear()
    run(cell, tmp_path / "out")
    assert sorted(simulated) == list(range(0, PATHS, BLOCK))


# Real processes

DRIVER = f"""
import os, sys, time
from contextlib import nullcontext
from pathlib import Path
from nonconv.study import loop as study
from nonconv.engine import blocks
from nonconv.report.figures import drawing_process

blocks.LARGEST_BLOCK = {BLOCK}
study.CHECKPOINT_SECONDS = float(os.environ["CHECKPOINT_SECONDS"])
hold, simulated = int(os.environ["HOLD"]), Path(os.environ["SIMULATED"])
simulate = study.simulate

def slowly(program, engine, first, paths, stop):
    with simulated.open("a") as file:
        file.write(f"{{first}}\\n")
    time.sleep(0.03)
    while first >= hold and not stop[0]:
        time.sleep(0.01)
    return simulate(program, engine, first, paths, stop)

study.simulate = slowly
if os.environ["FIGURES"] == "stub":
    stub = lambda folder: lambda: {{"stub.png": (folder / "error.csv").read_bytes()[:100]}}
    drawing_process.figure_process = lambda: nullcontext(stub)
from nonconv.cli import main
main()
"""
"""The command line with small, slow blocks; those from path HOLD on last until the run is stopped."""

linux = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks processes up in /proc")


SIXTEEN_BLOCKS = SGD | {"paths": 16 * BLOCK}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the driver's runs should come to, figures included; drawn by this process."""
    place = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(blocks, "LARGEST_BLOCK", BLOCK)
        return run(read_cell(written(place / "in", SIXTEEN_BLOCKS), []), place / "out", draw=draw_here)


class Driver:
    """Starts the command line on one config and folder, and knows all processes that come of it."""

    def __init__(self, tmp_path: Path) -> None:
        self.config = written(tmp_path / "in", SIXTEEN_BLOCKS)
        self.folder, self.log, self.mark = tmp_path / "out", tmp_path / "simulated", f"NONCONV_TEST={tmp_path}"
        self.arguments = ["run", str(self.config), "--out", str(self.folder), "--workers", "2"]

    def start(
        self,
        arguments: list[str],
        hold: int = 10**9,
        checkpoint_seconds: float = 0.0,
        ignored: str = "",
        figures: str = "real",
    ) -> "subprocess.Popen[str]":
        # Whoever runs the tests may ignore SIGINT, as a shell's background job does; children inherit that.
        head = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        head += f"signal.signal(signal.{ignored}, signal.SIG_IGN)\n" if ignored else ""
        name, _, value = self.mark.partition("=")
        environment = {
            name: value,
            "PYTHONPATH": str(Path(nonconv.__file__).parents[1]),
            "HOLD": str(hold),
            "CHECKPOINT_SECONDS": str(checkpoint_seconds),
            "SIMULATED": str(self.log),
            "FIGURES": figures,
        }
        command = [sys.executable, "-c", head + DRIVER, *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=os.environ | environment, stdout=pipe, stderr=pipe, text=True)

    def simulated(self) -> list[int]:
        """The first paths of the blocks begun."""
        return sorted(int(line) for line in self.log.read_text().splitlines()) if self.log.exists() else []

    def processes(self) -> list[str]:
        """What runs of all that was started, by this or by its children."""
        running = (_read(path) for path in Path("/proc").glob("[0-9]*/environ"))
        return [environment for environment in running if self.mark in environment]


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Driver]:
    """Nothing is left running, whatever a test does."""
    driver = Driver(tmp_path)
    yield driver
    for path in Path("/proc").glob("[0-9]*/environ"):
        if driver.mark in _read(path):
            os.kill(int(path.parent.name), signal.SIGKILL)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return ""


@pytest.mark.processes
@pytest.mark.slow
@linux
@pytest.mark.parametrize(
    ("number", "ignored", "extra"),
    # A shell that starts a job in the background makes it ignore SIGINT.
    [(signal.SIGINT, "", []), (signal.SIGTERM, "SIGINT", ["--force"])],
)
def test_a_signal_saves_and_names_the_command_that_continues(
    driver: Driver, undisturbed: dict[str, bytes], number: signal.Signals, ignored: str, extra: list[str]
) -> None:
    process = driver.start([*driver.arguments, *extra], hold=8 * BLOCK, checkpoint_seconds=1e9, ignored=ignored)
    wait_until(lambda: 8 * BLOCK in driver.simulated())
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    told = re.fullmatch(r"Stopped\. Saved in (.+): (\d+) of 512 paths\. To continue, run:\n  (.+)\n", err)
    assert told, err
    assert told[1] == str(driver.folder)
    assert shlex.split(told[3]) == ["nonconv", *driver.arguments]
    assert driver.processes() == []
    driver.log.unlink()
    process = driver.start(shlex.split(told[3])[1:])
    assert process.communicate(timeout=60)[0]
    assert process.returncode == 0
    assert driver.simulated() == list(range(int(told[2]), 16 * BLOCK, BLOCK))
    assert int(told[2]) > 0
    assert contents(driver.folder) == undisturbed


@pytest.mark.processes
@pytest.mark.slow
@linux
def test_no_process_outlives_a_killed_run(driver: Driver) -> None:
    process = driver.start(driver.arguments, hold=0)
    wait_until(lambda: len(driver.simulated()) > 0)
    assert len(driver.processes()) == 2, "the run itself and the figure process"
    process.kill()
    process.communicate(timeout=60)
    wait_until(lambda: not driver.processes())


def state(folder: Path) -> list[tuple[str, int]]:
    """What lies in a folder that is being written to."""
    found = []
    for path in folder.rglob("*"):
        try:
            found.append((path.name, path.stat().st_mtime_ns))
        except OSError:
            continue
    return sorted(found)


def kill_after(process: "subprocess.Popen[str]", folder: Path, changes: int, seconds: float) -> None:
    """Kill -9 a moment after so many changes to the folder, if the process lives so long."""
    before = state(folder)
    while changes and process.poll() is None:
        now = state(folder)
        changes -= now != before
        before = now
        time.sleep(0.003)
    time.sleep(seconds)
    process.kill()
    process.communicate(timeout=60)


@pytest.mark.processes
@pytest.mark.slow
@linux
def test_kills_at_random_moments_change_nothing(tmp_path: Path, driver: Driver) -> None:
    rng = random.Random(2407)
    for _ in range(6):
        kill_after(driver.start(driver.arguments, figures="stub"), driver.folder, rng.randrange(12), 0.03 * rng.random())
    process = driver.start(driver.arguments, figures="stub")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "  experiment        sgd on quadratic" in out
    expected = run(read_cell(driver.config, []), tmp_path / "undisturbed")
    # A kill after the manifest, before the marks of an unfinished run were removed, leaves these marks for ever.
    assert {name: content for name, content in contents(driver.folder).items() if "unfinished" not in name} == expected
    assert [path.name for path in driver.folder.rglob(f"{HALF_WRITTEN}*") if not path.name.endswith("lock")] == []
    wait_until(lambda: not driver.processes())
