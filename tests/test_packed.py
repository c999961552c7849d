"""Small cells of a large sweep share one archive: the same bytes whatever happens, nothing lost, nothing read in vain."""

import os
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from kit.command import good
from kit.experiments import BLOCK, CSV, written
from kit.failures import Killed, failing_write
from kit.sweeping import GRID, PATHS, found, interrupt_at, outcome, run, whole_cells
from nonconv.checks.verification import verify_sweep
from nonconv.cli import app
from nonconv.engine import blocks
from nonconv.faults.errors import Interrupted, UsageError
from nonconv.store.folder import MANIFEST
from nonconv.store.pack import CELLS_ARCHIVE, CELLS_FOLDER, Pack, opened_run, unbundled
from nonconv.sweeps import cells as cells_on_disk
from nonconv.sweeps import flow
from nonconv.sweeps import loop as sweeps
from nonconv.sweeps.executors.threads import Threads
from nonconv.sweeps.sweep import Sweep, find_identity

pytestmark = pytest.mark.usefixtures("reference")


@pytest.fixture(autouse=True)
def _packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "LARGEST_BLOCK", BLOCK)
    monkeypatch.setattr(cells_on_disk, "FEW_CELLS", 1)
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return written(tmp_path / "in", GRID | {"steps": 12, "record": {"points": 3}})


def apart(config: Path, folder: Path, *settings: str) -> dict[str, bytes]:
    """The same sweep with a folder per cell."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cells_on_disk, "FEW_CELLS", 10**6)
        return run(config, folder, *settings)


def test_a_packed_cell_has_the_files_of_a_cell_with_a_folder(config: Path, tmp_path: Path) -> None:
    one, other = apart(config, tmp_path / "apart"), run(config, tmp_path / "packed")
    assert not (tmp_path / "packed" / CELLS_FOLDER).exists()
    assert one["sweep.csv"] == other["sweep.csv"]
    pack = Pack(tmp_path / "packed" / CELLS_ARCHIVE)
    assert list(pack.places) == list(found(config)[1].ids)
    for name in pack.places:
        bundle = pack.read(name)
        assert bundle is not None
        folder = tmp_path / "apart" / CELLS_FOLDER / name
        assert unbundled(bundle.content) == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_any_tool_for_zip_archives_opens_it(config: Path, tmp_path: Path) -> None:
    run(config, tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "out" / CELLS_ARCHIVE) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path / "one")
    with zipfile.ZipFile(next((tmp_path / "one").iterdir())) as cell:
        assert cell.testzip() is None
        assert {"error.csv", MANIFEST} <= set(cell.namelist())


@pytest.mark.parametrize(("workers", "seconds"), [(1, 1e-12), (3, 2e-5), (2, 100.0)])
def test_the_bytes_depend_on_nothing_but_the_cells(
    seconds: float, workers: int, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither on workers, tasks, interruptions, nor on what was there before."""
    expected = run(config, tmp_path / "undisturbed")
    monkeypatch.setattr(Threads, "seconds", seconds)
    monkeypatch.setattr(flow, "MOST_CELLS_PER_TASK", workers)
    folder = tmp_path / "out"
    for how in (KeyboardInterrupt, Killed):
        with suppress(Interrupted, Killed):
            outcome(config, folder, workers=workers, on_event=interrupt_at(3, how))
        whole_cells(folder)
    assert run(config, folder, workers=workers) == expected
    extended = run(config, tmp_path / "new", "sweep.learning_rate=[0.01, 0.05, 0.1, 0.2]")
    assert run(config, folder, "sweep.learning_rate=[0.01, 0.05, 0.1, 0.2]") == extended
    more = run(config, tmp_path / "more", "sweep.learning_rate=[0.01, 0.05, 0.1, 0.2]", f"paths={PATHS + 30}")
    assert run(config, folder, "sweep.learning_rate=[0.01, 0.05, 0.1, 0.2]", f"paths={PATHS + 30}") == more
    apart(config, tmp_path / "few", "sweep.learning_rate=[0.05]")
    assert run(config, tmp_path / "few") == expected, "folders of a smaller sweep are packed"


@pytest.mark.parametrize("number", range(1, 10))
@pytest.mark.parametrize("failure", [Killed(), OSError(28, "No space left on device")])
def test_no_finished_cell_is_lost(number: int, failure: BaseException, config: Path, tmp_path: Path) -> None:
    """After a kill or a full disk at any write, none that was counted is computed again."""
    expected, folder = run(config, tmp_path / "undisturbed"), tmp_path / "out"
    with pytest.MonkeyPatch.context() as patched, suppress(Killed, UsageError):
        patched.setattr(flow, "MOST_CELLS_PER_TASK", 2)
        failing_write(patched, number, failure, after=True)
        outcome(config, folder)
    saved = len(whole_cells(folder))
    done = outcome(config, folder)
    assert (done.reused, done.computed) == (saved, 6 - saved)
    assert run(config, folder) == expected


@pytest.mark.parametrize("fewer", [False, True])
def test_a_cell_that_failed_leaves_the_archive(
    fewer: bool, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also the last one, and also where so few cells are left that new ones would have folders."""
    run(config, tmp_path / "out")
    monkeypatch.setattr(cells_on_disk, "FEW_CELLS", 10**6 if fewer else 1)
    ids = found(config)[1].ids
    for left in range(len(ids) - 1, -1, -1):
        cells = cells_on_disk.Cells(tmp_path / "out", len(ids))
        cells.remove(ids[left])
        assert (cells.pack(ids) is not None) == (left > 0)
        kept = Pack(tmp_path / "out" / CELLS_ARCHIVE).places if left else {}
        assert list(kept) == list(ids[:left])
    assert not (tmp_path / "out" / CELLS_ARCHIVE).exists()


def test_large_cells_keep_folders_of_their_own(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells_on_disk, "LARGEST_PACKED", 1000)
    assert run(config, tmp_path / "out") == apart(config, tmp_path / "apart")


MORE = f"paths={PATHS + 30}"


@pytest.mark.parametrize("why", ["too few cells", "too large"])
def test_what_archives_have_of_a_cell_does_not_count_once_it_has_a_folder(
    why: str, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left by a sweep that was interrupted; then the same cells with more paths, which are not packed."""
    expected, folder = apart(config, tmp_path / "new", MORE), tmp_path / "out"
    with suppress(Interrupted):
        outcome(config, folder, on_event=interrupt_at(4))
    monkeypatch.setattr(cells_on_disk, *{"too few cells": ("FEW_CELLS", 10**6), "too large": ("LARGEST_PACKED", 1000)}[why])
    with suppress(Interrupted):
        outcome(config, folder, MORE, on_event=interrupt_at(3))
    for name in whole_cells(folder)[:2]:
        with opened_run(folder / CELLS_FOLDER / name) as cell:
            rows = (cell / "error.csv").read_bytes()
            assert (rows == expected[f"{CELLS_FOLDER}/{name}/error.csv"]) == (folder / CELLS_FOLDER / name).is_dir()
    assert run(config, folder, MORE) == expected


# A finished sweep


def finished(config: Path, folder: Path, *settings: str) -> bool:
    """Whether the sweep is recognised by its first cell alone."""
    grid, made = sweeps_read(config, *settings), []
    cell = Sweep.cell

    def counted(sweep: Sweep, point: Any) -> Any:
        made.append(point)
        return cell(sweep, point)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Sweep, "cell", counted)
        result = sweeps.find_finished(grid, folder, find_identity(grid))
    assert len(made) == 1
    return result is not None


def turned_around(config: Path) -> Path:
    """The same grid with its keys in another order."""
    document = yaml.safe_load(config.read_text())
    document["sweep"] = dict(reversed(document["sweep"].items()))
    return written(config.parent / "turned", document)


@pytest.mark.parametrize("packed", [True, False])
def test_the_order_of_swept_keys_is_that_of_the_rows(packed: bool, config: Path, tmp_path: Path) -> None:
    """Also in a folder that has all cells; none is computed again."""
    sweep_it = run if packed else apart
    expected = sweep_it(turned_around(config), tmp_path / "new")
    sweep_it(config, tmp_path / "out")
    assert sweep_it(turned_around(config), tmp_path / "out") == expected
    assert outcome(turned_around(config), tmp_path / "out").computed == 0


def sweeps_read(config: Path, *settings: str) -> Sweep:
    return found(config, *settings)[0]


def test_a_finished_sweep_is_recognised_at_once(config: Path, tmp_path: Path) -> None:
    run(config, tmp_path / "out")
    assert finished(config, tmp_path / "out")
    assert not finished(config, tmp_path / "out", "claim=other words")
    assert not finished(config, tmp_path / "out", "sweep.learning_rate=[0.05, 0.1]")
    assert not finished(config, tmp_path / "out", f"paths={PATHS + 1}")
    turned = turned_around(config)
    assert not finished(turned, tmp_path / "out"), "rows of the table have the order of the keys"
    apart(config, tmp_path / "apart")
    assert not finished(config, tmp_path / "apart"), "cells in folders are looked at one by one"


def test_a_sweep_over_changed_data_is_not_recognised(tmp_path: Path) -> None:
    path = written(tmp_path / "in", CSV | {"steps": 12, "paths": 40, "sweep": {"learning_rate": [0.1, 0.2]}})
    run(path, tmp_path / "out")
    assert finished(path, tmp_path / "out")
    rows = path.parent / "rows.csv"
    rows.write_text(rows.read_text().replace("1", "2"))
    assert not finished(path, tmp_path / "out")
    rows.unlink()
    with pytest.raises(Exception, match=r"there is no file .*rows\.csv"):
        finished(path, tmp_path / "out")


@pytest.mark.parametrize("at", [0.0, 0.3, 0.6, 0.999])
def test_damage_of_the_archive_is_found_and_mended(at: float, config: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    expected = run(config, folder)
    archive = folder / CELLS_ARCHIVE
    raw = bytearray(archive.read_bytes())
    raw[int(at * len(raw))] ^= 1
    archive.write_bytes(raw)
    assert not finished(config, folder)
    assert verify_sweep(folder, 1).text == f"{folder}: files are missing or have changed: cells.zip"
    assert run(config, folder) == expected


def test_other_words_compute_no_cell(config: Path, tmp_path: Path) -> None:
    before = run(config, tmp_path / "out")
    done = outcome(config, tmp_path / "out", "claim=Other words.")
    assert (done.computed, done.reused) == (0, 6)
    after = run(config, tmp_path / "out", "claim=Other words.")
    assert after[CELLS_ARCHIVE] == before[CELLS_ARCHIVE]
    assert b"Other words." in after["summary.md"]


# A packed cell is named SWEEP#CELL


def call(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == code, result.output
    return result.output


@pytest.mark.parametrize("how", ["{}#{}", "{}/cells/{}"])
@pytest.mark.parametrize("packed", [True, False])
def test_commands_take_a_cell(how: str, packed: bool, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (run if packed else apart)(config, tmp_path / "out")
    first, second = found(config)[1].ids[:2]
    cell, other = how.format("out", first), how.format("out", second)
    assert call("table", cell).startswith("| step | minimizer |")
    assert f"drawn/{first}-error.svg" in call("plot", cell, "--format", "svg", "-o", "drawn")
    assert call("verify", cell) == f"{cell}: 4 recorded paths recomputed: bitwise equal\n"
    assert "E|Θ − minimizer|²" in call("compare", cell, other)


def test_a_wrong_cell_is_named_with_the_nearest(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(config, tmp_path / "out")
    name = found(config)[1].ids[0]
    said = call("table", f"out#{name[:-1]}", code=2)
    assert said == (
        f"out has no cell {name[:-1]!r}; the column `cell` of its sweep.csv names them\n  did you mean out#{name}?\n"
    )
    assert call("plot", "nothing#x", code=2) == "there is no folder nothing\n"
    assert (
        call("verify", "in#x", code=2)
        == "in has no cells; a cell is named SWEEP#CELL, where SWEEP is the output folder of a sweep\n"
    )
    assert "out is a sweep, not a run; out#CELL is a cell" in call("compare", "out", f"out#{name}", code=2)


def test_a_folder_with_a_hash_sign_in_its_name_is_a_folder(config: Path, tmp_path: Path) -> None:
    run(config, tmp_path / "a#b")
    with opened_run(tmp_path / "a#b") as folder:
        assert folder == tmp_path / "a#b"
    with opened_run(Path(f"{tmp_path / 'a#b'}#{found(config)[1].ids[0]}")) as folder:
        assert (folder / "error.csv").is_file()


def test_expectations_of_packed_cells_read_all_their_files(tmp_path: Path) -> None:
    """quantities.csv too, of each iterate, which is read when an expectation asks for it."""
    asked = {
        "paths": 20,
        "floors": {"twin": False},
        "quantities": ["mean"],
        "iterates": ["last", "polyak"],
        "steps": 12,
        "record": {"points": 3},
    }
    wanted = [{"name": "mean", "above": -1e6}, {"name": "mean", "iterate": "polyak", "above": -1e6}]
    expect = {"all": {"quantity": wanted}}
    config = written(tmp_path / "in", GRID | asked | {"expect": expect})
    shown = good("check", config, "--out", tmp_path / "out")
    assert list((tmp_path / "out").glob(f"*/{CELLS_ARCHIVE}"))
    assert "2 met" in shown
