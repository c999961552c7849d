"""Sweeps of very many cells: what grows with them, counted; and the hand-made formats beside the libraries' own."""

import io
import json
import os
import threading
import tracemalloc
import zipfile
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kit.experiments import SGD, written
from kit.sweeping import GRID, drawn, found, interrupt_at, outcome, run
from nonconv.api.sweeping import surveyed
from nonconv.experiment import binding
from nonconv.faults.errors import Interrupted
from nonconv.page import sweep_part
from nonconv.report import sweep_table
from nonconv.report.sweep_result import read_sweep_result
from nonconv.results import columns
from nonconv.results.columns import PackedTexts, columns_of
from nonconv.store import zip_files
from nonconv.store.formats import ENCODE, as_npz
from nonconv.store.pack import UNFINISHED_FOLDER, Pack, bundled, write_bundles
from nonconv.store.zip_files import ZipWriter, entries, read_table
from nonconv.sweeps import cells as cells_on_disk
from nonconv.sweeps import flow, saved_survey, sweep, table, tasks
from nonconv.sweeps.cells import Cells
from nonconv.sweeps.loop import run_sweep
from nonconv.sweeps.sweep import Survey, survey

pytestmark = pytest.mark.usefixtures("reference")

FILES = [("a.txt", b"abc" * 100), ("ü/b.npz", b""), ("c", bytes(range(256)) * 10)]


# Formats


def by_library(files: list[tuple[str, bytes]], compress: bool, comment: bytes) -> bytes:
    """The archive that Python's own writer makes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files:
            entry = zipfile.ZipInfo(name)
            entry.create_system, entry.external_attr, entry.comment = 3, 0o644 << 16, comment
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED, 1)
    return buffer.getvalue()


def by_hand(files: list[tuple[str, bytes]], compress: bool, comment: bytes) -> bytes:
    """The same by our own."""
    parts: list[bytes] = []
    archive = ZipWriter(parts.append)
    for name, content in files:
        archive.add(name, content, compress=compress, comment=comment)
    archive.close()
    return b"".join(parts)


@pytest.mark.parametrize("comment", [b"", b"whose it is"])
@pytest.mark.parametrize("compress", [False, True])
def test_archives_have_the_bytes_of_the_library(compress: bool, comment: bytes) -> None:
    content = by_hand(FILES, compress, comment)
    assert content == by_library(FILES, compress, comment)
    listed = [(entry.name, entry.comment) for _, entry in entries(read_table(io.BytesIO(content)))]
    assert listed == [(name, comment) for name, _ in FILES]


@pytest.mark.parametrize("number", [0, 3, 20])
def test_archives_beyond_the_limits_of_zip(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With limits that a small archive exceeds: of its size, and of the number of its entries."""
    for module, name, limit in (
        (zipfile, "ZIP64_LIMIT", 3000),
        (zip_files, "LIMIT", 3000),
        (zipfile, "ZIP_FILECOUNT_LIMIT", 5),
        (zip_files, "MOST_ENTRIES", 5),
    ):
        monkeypatch.setattr(module, name, limit)
    files = [(f"{k}.zip", bytes([k]) * 400) for k in range(number)]
    content = by_hand(files, False, b"c")
    assert content == by_library(files, False, b"c")
    for (_, entry), (name, expected) in zip(entries(read_table(io.BytesIO(content))), files, strict=True):
        assert (entry.name, content[entry.content_at : entry.content_at + entry.size]) == (name, expected)


def test_arrays_have_the_bytes_of_the_library() -> None:
    arrays = {
        "numbers": np.linspace(0.0, 1.0, 7),
        "whole": np.arange(6).reshape(2, 3),
        "turned": np.arange(6.0).reshape(2, 3).T,
        "every other": np.arange(9.0)[::2],
        "texts": np.array(["a", "übel"]),
        "one": np.array(3),
        "none": np.empty((0, 4)),
        "whether": np.array([True, False]),
        "list": [1, 2],
    }
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    assert as_npz(arrays) == buffer.getvalue()


def test_json_has_the_text_of_the_library() -> None:
    every: list[Any] = [{"a": [1, 2.5, None, True], "b": {"c": 'ü\n"'}}, "x", 1e-300, -0.0, 10**20, [], {}, {1: 2}]
    for value in every:
        assert ENCODE(value) == json.dumps(value, ensure_ascii=False, allow_nan=False)
    for wrong in (np.nan, [np.inf]):
        with pytest.raises(ValueError, match="Out of range"):
            ENCODE(wrong)


@pytest.mark.parametrize("text", ["plain", "two\nlines, and a comma", f"what separates{columns.SEPARATOR}texts"])
def test_a_long_table_is_read_as_a_short_one(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [f'{k},"{text if k == 8 else ""}",{k * k}\n' for k in range(11)]
    content = "".join(["a,b,c\n", *rows]).encode()
    short = columns_of(content, Path("table.csv"))
    monkeypatch.setattr(columns, "LONG", 3)
    long = columns_of(content, Path("table.csv"))
    assert isinstance(long.texts, PackedTexts) == (columns.SEPARATOR not in text)
    assert dict(long.texts) == dict(short.texts)
    assert long.rows == 11
    assert dict(long.select([k % 2 == 0 for k in range(11)]).texts) == dict(short.select([k % 2 == 0 for k in range(11)]).texts)


# What grows with the cells


class Stand:
    """An executor that computes one cell and gives its result for every other: of a sweep only its own cost is left."""

    seconds, waiting, cells = 100.0, 4, 64

    def __init__(self, grid: Any) -> None:
        self.grid = grid
        self.known: tasks.Done | None = None

    def submit(self, task: tasks.Task) -> "Future[Any]":
        assert isinstance(task, tasks.CellsTask)
        assert task.packs
        if self.known is None:
            found = tasks.run_task(self.grid, task._replace(jobs=task.jobs[:1]), np.zeros(1, dtype=np.uint8))
            assert isinstance(found, list)
            assert isinstance(found[0], tasks.Done)
            self.known = found[0]
        future: Future[Any] = Future()
        future.set_result([self.known] * len(task.jobs))
        return future


def tiny(folder: Path, cells: int) -> tuple[Any, Survey]:
    """A sweep of so many tiny cells."""
    rates = {"linspace": [0.001, 0.1, cells]}
    grid = SGD | {"paths": 2, "steps": 8, "record": {"points": 2}, "xi": ["start"], "sweep": {"learning_rate": rates}}
    return found(written(folder, grid))


def measured(folder: Path, cells: int) -> tuple[float, int]:
    """The peak of memory in bytes while a sweep runs, its survey included; and how many files and folders it left."""
    for thread in threading.enumerate():
        if thread.name.startswith("ThreadPoolExecutor"):  # of a sweep of another test that was stopped
            thread.join(timeout=10)
    tracemalloc.start()
    try:
        grid, surveyed = tiny(folder / "in", cells)
        run_sweep(grid, surveyed, folder / "out", lambda: nullcontext(Stand(grid)), draw=drawn)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return peak, sum(1 for _ in (folder / "out").rglob("*"))


def test_memory_and_files_hardly_grow_with_the_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    monkeypatch.setattr(table, "MOST_IN_MEMORY", 10_000)
    monkeypatch.setattr(columns, "LONG", 100)
    monkeypatch.setattr(cells_on_disk, "FEW_CELLS", 1)
    monkeypatch.setattr(sweep, "MOST_CACHED_CELLS", 8)
    measured(tmp_path / "warm", 20)
    (few, files), (many, more) = measured(tmp_path / "few", 100), measured(tmp_path / "many", 700)
    assert files == more, "no file of a cell's own"
    assert (many - few) / 600 < 1500, "bytes per cell"


def test_each_cell_is_made_once_to_survey_it_and_once_to_compute_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "MOST_CACHED_CELLS", 0)
    monkeypatch.setattr(cells_on_disk, "FEW_CELLS", 1)
    path, made = written(tmp_path / "in", GRID), [0]
    usual = binding._bind

    def counted(config: Any) -> Any:
        made[0] += 1
        return usual(config)

    monkeypatch.setattr(binding, "_bind", counted)
    with pytest.raises(Interrupted):
        outcome(path, tmp_path / "out", on_event=interrupt_at(4))
    assert made[0] <= 2 * 6
    made[0] = 0
    run(path, tmp_path / "out")
    assert made[0] < 2 * 6, "finished ones, which are packed, are not made again"


def test_an_unfinished_sweep_opens_each_archive_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each task there is one; a cell is looked for in that which has it."""
    monkeypatch.setattr(cells_on_disk, "FEW_CELLS", 1)
    monkeypatch.setattr(flow, "MOST_CELLS_PER_TASK", 1)
    path = written(tmp_path / "in", GRID)
    with pytest.raises(Interrupted):
        outcome(path, tmp_path / "out", on_event=interrupt_at(5))
    grid, surveyed = found(path)
    opened, read = [0], [0]
    init, place = Pack.__init__, Pack.place

    def counted(what: list[int], usual: Callable[..., Any]) -> Any:
        def wrapped(*given: Any) -> Any:
            what[0] += 1
            return usual(*given)

        return wrapped

    monkeypatch.setattr(Pack, "__init__", counted(opened, init))
    monkeypatch.setattr(Pack, "place", counted(read, place))
    cells = Cells(tmp_path / "out", len(surveyed.ids))
    finished = [cells.is_finished(name, surveyed.each.identity(k), lambda: None) for k, name in enumerate(surveyed.ids)]  # type: ignore[arg-type,return-value]
    assert sum(finished) >= 4
    assert opened[0] <= sum(finished) + 1
    assert read[0] <= len(surveyed.ids) + sum(finished)
    assert survey(grid) == surveyed


def test_the_survey_of_a_large_sweep_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is kept while the sweep is unfinished, and serves that very grid alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(saved_survey, "LARGE", 2)
    path, folder = written(tmp_path / "in", GRID), tmp_path / "out"
    expected = run(path, tmp_path / "undisturbed")
    with pytest.raises(Interrupted):
        outcome(path, folder, on_event=interrupt_at(4))
    grid, whole = found(path)
    monkeypatch.setattr(sweep, "survey", None)  # surveyed again, this would fail
    plan = surveyed(grid, folder)
    assert plan.survey == whole
    for name in ("ids", "keys", "xi", "each", "config", "quantities"):
        assert type(getattr(plan.survey, name)) is type(getattr(whole, name)), name
    monkeypatch.undo()
    for changed in ("sweep.learning_rate=[0.05, 0.1]", "paths=71", "record.points=3"):
        assert saved_survey.load(folder, found(path, changed)[0]) is None
    changed_look = written(tmp_path / "look", GRID | {"figures": {"title": "Another one"}})
    assert saved_survey.load(folder, found(changed_look)[0]) is None
    turned = written(tmp_path / "turned", GRID | {"sweep": dict(reversed(GRID["sweep"].items()))})
    assert saved_survey.load(folder, found(turned)[0]) is None, "its cells have another order"
    (folder / UNFINISHED_FOLDER / saved_survey.SAVED).write_bytes(b"damaged")
    assert saved_survey.load(folder, grid) is None
    assert run(path, folder) == expected


def test_lines_beyond_memory_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = run(written(tmp_path / "in", GRID), tmp_path / "one")
    monkeypatch.setattr(table, "MOST_IN_MEMORY", 300)
    assert run(written(tmp_path / "in", GRID), tmp_path / "other") == expected


def test_a_page_of_very_many_cells_shows_a_part_of_the_grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rates, seeds = [0.01 * k for k in range(1, 7)], [1, 2, 3, 4]
    run(
        written(tmp_path / "in", SGD | {"paths": 2, "steps": 8, "sweep": {"learning_rate": rates, "seed": seeds}}),
        tmp_path / "out",
    )
    result = read_sweep_result(tmp_path / "out")
    assert sweep_part.part(result) == (result, "")
    monkeypatch.setattr(sweep_part, "MOST_CELLS", 8)
    shown, told = sweep_part.part(result)
    assert shown.cells == 6
    assert {key: len(shown.values(key)) for key in shown.swept} == {"learning_rate": 3, "seed": 2}
    assert told == (
        "The page shows 6 of 24 cells: 3 of 6 values of learning_rate and 2 of 4 values of seed. All are in sweep.csv."
    )
    monkeypatch.setattr(sweep_part, "MOST_CELLS", 1)
    assert sweep_part.part(result)[0].cells == 1


def test_a_table_as_json_is_what_the_library_writes(tmp_path: Path) -> None:
    run(written(tmp_path / "in", GRID | {"claim": "ü\nb"}), tmp_path / "out")
    written_by_rows = sweep_table.table(read_sweep_result(tmp_path / "out"), "json")
    assert written_by_rows == (json.dumps(json.loads(written_by_rows), indent=1) + "\n").encode()
    assert len(json.loads(written_by_rows)["rows"]) == 6


def test_a_damaged_table_of_contents_is_an_empty_archive(tmp_path: Path) -> None:
    path = tmp_path / "cells.zip"
    with path.open("wb") as file:
        write_bundles(file, [(f"{k:016x}", bundled("x", {"a": bytes([k])})) for k in range(4)])
    whole = path.read_bytes()
    assert list(Pack(path).places) == [f"{k:016x}" for k in range(4)]
    for cut in range(0, len(whole), 7):
        path.write_bytes(whole[:cut])
        assert Pack(path).places == {}
    for at in range(len(whole) - 400, len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        pack = Pack(path)
        for name in pack.places:
            pack.read(name)  # raises nothing, whatever it finds
