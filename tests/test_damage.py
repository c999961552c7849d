"""Whatever is in the files of an output folder: commands name the file and the reason, and results are computed again."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

import numpy as np
import pytest
from typer.testing import CliRunner

from kit.experiments import BLOCK, SGD, written
from kit.runs import drawn, run
from kit.sweeping import SMALL, outcome
from kit.sweeping import run as run_sweep
from nonconv.cli import app
from nonconv.engine import blocks
from nonconv.experiment.binding import read_cell
from nonconv.faults.errors import UsageError
from nonconv.readback import Misfit, fitted, load, parse
from nonconv.results.stored import PATHS_ARRAYS, read_arrays
from nonconv.store.folder import MANIFEST, MARK_BYTES, read_manifest, read_sealed, sealed
from nonconv.store.pack import CELLS_FOLDER
from nonconv.study import loop as study

pytestmark = pytest.mark.usefixtures("reference")
SHORT = {"steps": 12, "paths": 40, "record": {"points": 3}}
NESTED = b"[" * 5000 + b"]" * 5000


# Types


class Inner(TypedDict):
    at: list[int]
    kind: Literal["a", "b"]


class Outer(TypedDict):
    name: str
    value: float | None
    inner: dict[str, Inner]
    more: NotRequired[bool]


GOOD: dict[str, Any] = {"name": "x", "value": 1, "inner": {"k": {"at": [1, 2], "kind": "a"}}, "later": [1]}


@pytest.mark.parametrize("change", [{}, {"value": None}, {"value": 0.5}, {"more": True}, {"inner": {}}])
def test_what_fits(change: dict[str, Any]) -> None:
    assert fitted(GOOD | change, Outer) == GOOD | change


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "must be a mapping, not a list"),
        (None, "must be a mapping, not null"),
        ({"name": "x"}, "has no 'inner'"),
        (GOOD | {"name": 3}, "name: must be a text, not 3"),
        (GOOD | {"value": True}, "value: must be a number, not true"),
        (GOOD | {"value": "1"}, 'value: must be a number, not "1"'),
        (GOOD | {"more": 1}, "more: must be true or false, not 1"),
        (GOOD | {"inner": {"k": {"at": [1, 2.5], "kind": "a"}}}, "inner.k.at[1]: must be a whole number, not 2.5"),
        (GOOD | {"inner": {"k": {"at": {}, "kind": "a"}}}, "inner.k.at: must be a list, not a mapping"),
        (GOOD | {"inner": {"k": {"at": [], "kind": "c"}}}, 'inner.k.kind: must be a or b, not "c"'),
    ],
)
def test_what_does_not_fit_is_named(value: Any, message: str) -> None:
    with pytest.raises(Misfit) as error:
        fitted(value, Outer)
    assert str(error.value) == message


JSON = {
    b"": "is empty",
    b"{": "is not JSON (line 1, column 2)",
    b"\xff{}": "is not UTF-8 text",
    NESTED: "is nested too deeply",
    b"[" * 100 + b"]" * 100: "is nested too deeply",
    b'{"a": NaN}': "has NaN, which is not JSON",
    b'{"a": 1e999}': "has 1e999, which is beyond all numbers",
    b'{"a": ' + b"9" * 5000 + b"}": "has a number of 5000 digits",
}


@pytest.mark.parametrize("content", JSON)
def test_what_is_no_json_is_named(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(Misfit) as error:
        parse(content)
    assert str(error.value) == JSON[content]
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(UsageError, match=r"a\.json is damaged: "):
        load(tmp_path / "a.json", Outer)


# Commands


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(blocks, "LARGEST_BLOCK", BLOCK)
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return written(tmp_path / "in", SGD | SHORT)


def call(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(map(str, arguments)))
    return result.exit_code, result.output


def changed(path: Path, key: str, value: Any) -> None:
    """Change a key of a JSON file, or remove it."""
    content = json.loads(path.read_bytes())
    content |= {key: value}
    path.write_text(json.dumps(content if value != "gone" else {k: v for k, v in content.items() if k != key}))


def holding(content: bytes, path: Path) -> None:
    """Give a file another content."""
    path.write_bytes(content)


MANIFESTS: dict[str, Callable[[Path], None]] = {
    "config: must be a mapping, not a list": lambda path: changed(path, "config", [1]),
    "files: must be a mapping, not a list": lambda path: changed(path, "files", []),
    "files.error.csv: must be a text, not 3": lambda path: changed(path, "files", {"error.csv": 3}),
    "files: '../in/rows.csv' is not a file of this folder": lambda path: changed(path, "files", {"../in/rows.csv": "x"}),
    "files: '/etc/passwd' is not a file of this folder": lambda path: changed(path, "files", {"/etc/passwd": "x"}),
    "versions: must be a mapping, not null": lambda path: changed(path, "versions", None),
    "has no 'versions'": lambda path: changed(path, "versions", "gone"),
    "identity: must be a text, not 1": lambda path: changed(path, "identity", 1),
    "name: '../x' is not the name of a config": lambda path: changed(path, "name", "../x"),
    "is nested too deeply": partial(holding, NESTED),
    "is not UTF-8 text": partial(holding, b"\xff" * 9),
    "is empty": partial(holding, b""),
}


@pytest.mark.parametrize("why", MANIFESTS)
def test_a_damaged_manifest_is_named_and_the_run_is_computed_again(why: str, config: Path, tmp_path: Path) -> None:
    cell, folder = read_cell(config, []), tmp_path / "out"
    expected = run(cell, folder)
    shutil.copytree(folder, tmp_path / "good")
    MANIFESTS[why](folder / MANIFEST)
    said = f"out/{MANIFEST} is damaged: {why}; the command that wrote it computes it again\n"
    for command in (
        ("table", "out"),
        ("plot", "out"),
        ("verify", "out"),
        ("compare", "out", "good"),
        ("compare", "good", "out"),
    ):
        assert call(*command) == (2, said)
    assert run(cell, folder) == expected


SEALED: dict[str, tuple[str, bytes]] = {
    "summary.json is damaged: must be a mapping, not 3": ("summary.json", b"3"),
    "verdict.json is damaged: has no 'floors'": ("verdict.json", b"{}"),
    "verdict.json is damaged: is nested too deeply": ("verdict.json", NESTED),
    "paths.npz is damaged: it is no NPZ file": ("paths.npz", b"PK"),
    "error.csv is damaged: it has no rows": ("error.csv", b"xi,step\n"),
    "error.csv is not UTF-8 text": ("error.csv", b"\xff\n"),
    "config.yaml is damaged: must be a mapping, not 7": ("config.yaml", b"7"),
}


@pytest.mark.parametrize("why", SEALED)
def test_content_of_another_type_is_named_even_if_its_digest_is_right(why: str, config: Path, tmp_path: Path) -> None:
    cell, folder = read_cell(config, []), tmp_path / "out"
    expected = run(cell, folder)
    name, content = SEALED[why]
    (folder / name).write_bytes(content)
    known = json.loads((folder / MANIFEST).read_bytes())
    changed(folder / MANIFEST, "files", known["files"] | {name: hashlib.sha256(content).hexdigest()})
    assert call("table", "out") == (2, f"out/{why}\n")
    assert call("plot", "out") == (2, f"out/{why}\n")
    assert run(cell, folder) == expected


@pytest.mark.parametrize("name", ["error.csv", "summary.md", "floors.csv", MANIFEST])
@pytest.mark.parametrize("what", ["folder", "link", "loop", "pipe"])
def test_what_is_no_file_is_replaced(name: str, what: str, config: Path, tmp_path: Path) -> None:
    cell, folder = read_cell(config, []), tmp_path / "out"
    expected = run(cell, folder)
    path = folder / name
    path.unlink()
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(name if what == "loop" else config)
    before = config.read_bytes()
    assert call("table", "out")[0] == 2
    assert run(cell, folder) == expected
    assert config.read_bytes() == before


def test_a_pipe_is_no_checkpoint(tmp_path: Path) -> None:
    """Reading it would wait for ever; runs and the cells of sweeps read theirs here."""
    os.mkfifo(tmp_path / "checkpoint")
    assert read_sealed(tmp_path / "checkpoint", "identity") is None


def test_a_checkpoint_with_other_content_is_none(tmp_path: Path) -> None:
    """A whole one, under the digest of another."""
    path, good = tmp_path / "checkpoint", sealed("identity", {"paths": np.array(1)})
    path.write_bytes(good)
    assert read_sealed(path, "identity") is not None
    path.write_bytes(good[:MARK_BYTES] + sealed("identity", {"paths": np.array(2)})[MARK_BYTES:])
    assert read_sealed(path, "identity") is None


def test_other_words_in_a_manifest_are_written_right(config: Path, tmp_path: Path) -> None:
    cell, folder = read_cell(config, []), tmp_path / "out"
    run(cell, folder)
    before = (folder / MANIFEST).read_bytes()
    for key, value in (("name", "other"), ("config", {"claim": "other"})):
        changed(folder / MANIFEST, key, value)
        assert study.run(cell, folder, 1, draw=drawn).reworded
        assert (folder / MANIFEST).read_bytes() == before


@pytest.mark.parametrize("key", ["identity", "lineage", "config", "name", "versions", "files", "schema_version"])
@pytest.mark.parametrize("value", ["gone", "other", {"a": "b"}])
def test_a_cell_whose_manifest_was_altered_is_computed_again(key: str, value: Any, tmp_path: Path) -> None:
    """Whatever was changed: nothing in it is without use."""
    path, folder = written(tmp_path / "in", SMALL | SHORT), tmp_path / "out"
    expected = run_sweep(path, folder)
    cell = sorted((folder / CELLS_FOLDER).iterdir())[0]
    before = (cell / MANIFEST).read_bytes()
    changed(cell / MANIFEST, key, value)
    if (cell / MANIFEST).read_bytes() == json.dumps(json.loads(before)).encode():
        return  # it had no such key
    for command in (("table", cell), ("verify", "out")):
        assert call(*command)[0] in (0, 2, 3)
    assert outcome(path, folder).computed == 1
    assert run_sweep(path, folder) == expected


def test_a_cell_that_cannot_be_read_though_its_digests_are_right(tmp_path: Path) -> None:
    path, folder = written(tmp_path / "in", SMALL | SHORT), tmp_path / "out"
    expected = run_sweep(path, folder)
    (folder / "sweep.csv").unlink()
    cell = sorted((folder / CELLS_FOLDER).iterdir())[0]
    (cell / "verdict.json").write_text("[]")
    text = (cell / MANIFEST).read_text()
    known = json.loads(text)["files"]["verdict.json"]
    (cell / MANIFEST).write_text(text.replace(known, hashlib.sha256(b"[]").hexdigest()))
    with pytest.raises(UsageError, match=r"verdict\.json is damaged: must be a mapping, not a list; the same command again"):
        outcome(path, folder)
    assert run_sweep(path, folder) == expected


def test_arrays(tmp_path: Path, config: Path) -> None:
    run(read_cell(config, []), tmp_path / "out")
    good = (tmp_path / "out" / "paths.npz").read_bytes()
    assert read_arrays(good, PATHS_ARRAYS, "x")["theta"].ndim == 3
    for content in (b"", good[:-100], b"\x93NUMPY" + good, json.dumps({}).encode()):
        with pytest.raises(UsageError, match="x is damaged: it is no NPZ file"):
            read_arrays(content, PATHS_ARRAYS, "x")
    with pytest.raises(UsageError, match="x is damaged: it has no array 'other'"):
        read_arrays(good, {"other": ("f", 1)}, "x")
    with pytest.raises(UsageError, match="x is damaged: theta has type float64 and 3 axes"):
        read_arrays(good, {"theta": ("f", 2)}, "x")


def test_a_manifest_is_none_where_it_is_none(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) is None
