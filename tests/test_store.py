"""The output folder: reused when whole, refused when somebody else's, whole or unfinished after any failure of a write."""

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

import nonconv
from kit.experiments import ADAM, CSV, PATHS, SGD, written
from kit.failures import Killed, failing_write
from kit.runs import contents, drawn, run
from nonconv.engine import blocks
from nonconv.experiment.binding import read_cell
from nonconv.experiment.cell import Cell
from nonconv.faults.errors import Interrupted, UsageError
from nonconv.store import folder as result_folder
from nonconv.store import formats, surroundings
from nonconv.store.folder import BEGUN, CHECKPOINT, LOCK, MANIFEST
from nonconv.study import loop as study
from nonconv.system.atomic import HALF_WRITTEN
from nonconv.system.streams import INVISIBLE


@pytest.fixture(autouse=True)
def _two_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "LARGEST_BLOCK", 256)


@pytest.fixture
def cell(tmp_path: Path) -> Cell:
    return read_cell(written(tmp_path / "in", SGD), [])


@pytest.fixture
def other(tmp_path: Path) -> Cell:
    """Another config, whose results have other files."""
    return read_cell(written(tmp_path / "other", CSV), [])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out"


@contextmanager
def nothing_simulated(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Simulating is an error here."""
    with monkeypatch.context() as patched:
        patched.setattr(study, "simulate", lambda *arguments: pytest.fail("something was simulated"))
        yield


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything in a folder; None for a folder in it."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def manifest(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
    return content


def interrupt(cell: Cell, folder: Path, after: int = 0) -> None:
    """Leave an unfinished folder."""

    def progress(done: int) -> None:
        if done >= after:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        study.run(cell, folder, 1, progress=progress, draw=drawn)


# Finished


def test_a_finished_folder_is_reused(cell: Cell, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(cell, folder)
    before = tree(folder)
    with nothing_simulated(monkeypatch):
        assert study.run(cell, folder, 2, draw=lambda path: pytest.fail("drawn")) == (folder, True, 0.0, False)
    assert tree(folder) == before


# Other words


def reworded(tmp_path: Path) -> Cell:
    """The same experiment as `other`, by another claim, another name, and another name of its data file."""
    path = written(tmp_path / "words", CSV | {"claim": "other words"}).rename(tmp_path / "words" / "again.yaml")
    path.write_text(path.read_text().replace("rows.csv", "moved.csv"))
    (path.parent / "rows.csv").rename(path.parent / "moved.csv")
    return read_cell(path, [])


def test_other_words_are_written_and_nothing_is_simulated(
    other: Cell, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a run with these words would have it, down to the bytes, whatever was told of the time of simulation."""
    run(other, folder)
    told, cell = manifest(folder), reworded(tmp_path)
    assert cell.identity == other.identity
    with nothing_simulated(monkeypatch):
        assert study.run(cell, folder, 2, draw=drawn) == (folder, True, 0.0, True)
        assert study.run(cell, folder, 2, draw=drawn).reworded is False
    run(cell, tmp_path / "anew")
    assert contents(folder) == contents(tmp_path / "anew")
    assert sorted(path.name for path in (folder / "data").iterdir()) == ["moved.csv"]
    now = manifest(folder)
    assert (now["name"], now["claim"], now["times"]) == ("again", "other words", told["times"])
    assert now["files"] == manifest(tmp_path / "anew")["files"]


def test_expect_is_no_reason_to_write_again(cell: Cell, folder: Path, tmp_path: Path) -> None:
    run(cell, folder)
    expecting = read_cell(written(tmp_path / "more", SGD | {"expect": {"verdict": "converges"}}), [])
    assert study.run(expecting, folder, 1, draw=drawn) == (folder, True, 0.0, False)


@pytest.mark.parametrize("landed", [1, 2, 3, 4, 5, 6])
def test_a_kill_while_words_are_written_costs_no_numbers(
    landed: int, other: Cell, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(other, folder)
    cell = reworded(tmp_path)
    with monkeypatch.context() as patched, suppress(Killed):
        failing_write(patched, landed, Killed(), after=True)
        study.run(cell, folder, 1, draw=drawn)
    with nothing_simulated(monkeypatch):
        assert study.run(cell, folder, 1, draw=drawn).reused
    run(cell, tmp_path / "anew")
    assert contents(folder) == contents(tmp_path / "anew")


def test_numbers_that_are_damaged_while_words_are_written_are_computed_again(
    other: Cell, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(other, folder)
    cell = reworded(tmp_path)
    with monkeypatch.context() as patched, suppress(Killed):
        failing_write(patched, 3, Killed(), after=True)
        study.run(cell, folder, 1, draw=drawn)
    (folder / "error.csv").write_text("step,mse\n1,0\n")
    assert not study.run(cell, folder, 1, draw=drawn).reused


FILES = (
    "config.yaml",
    "error.csv",
    "quantities.csv",
    "theory.csv",
    "paths.npz",
    "quantities.csv",
    "verdict.json",
    "floors.csv",
    "floors_theory.csv",
    "predictions.json",
    "summary.json",
    "summary.md",
    "figures/stub.png",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_a_damaged_folder_is_computed_again(cell: Cell, folder: Path, name: str, damage: str) -> None:
    expected = run(cell, folder)
    assert set(expected) == set(FILES)
    (folder / name).unlink()
    if damage == "changed":
        (folder / name).write_bytes(expected[name] + b" ")
    assert run(cell, folder) == expected


def test_a_folder_of_another_version_is_computed_again(cell: Cell, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(nonconv, "__version__", "0.0.0")
        patched.setattr(surroundings, "versions", surroundings.versions.__wrapped__)  # those of this process are looked up once
        run(cell, folder)
    assert manifest(folder)["versions"]["nonconv"] == "0.0.0"
    run(cell, folder)
    assert manifest(folder)["versions"]["nonconv"] == nonconv.__version__


# Refused


def finished_other(folder: Path, other: Cell) -> None:
    run(other, folder)


def unfinished_other(folder: Path, other: Cell) -> None:
    interrupt(other, folder)


def foreign_files(folder: Path, other: Cell) -> None:
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    (folder / "error.csv").write_text("mine\n")


def foreign_manifest(folder: Path, other: Cell) -> None:
    folder.mkdir()
    (folder / MANIFEST).write_text('{"name": "a web extension", "files": []}')


def a_file(folder: Path, other: Cell) -> None:
    folder.write_text("a file")


ANOTHER = "{} belongs to another config; choose another --out, or --force to overwrite it"
FOREIGN = "{} holds files that nonconv did not write; choose another --out, or --force to write there anyway"
REFUSALS: list[tuple[Callable[[Path, Cell], None], str]] = [
    (finished_other, ANOTHER),
    (unfinished_other, ANOTHER),
    (foreign_files, FOREIGN),
    (foreign_manifest, FOREIGN),
    (a_file, "{} is a file; choose another --out"),
]


@pytest.mark.parametrize(("make", "text"), REFUSALS, ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_not_ours_is_refused_before_anything_is_computed(
    cell: Cell, other: Cell, folder: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path, Cell], None], text: str
) -> None:
    make(folder, other)
    before = tree(folder.parent)
    with nothing_simulated(monkeypatch), pytest.raises(UsageError) as refusal:
        study.run(cell, folder, 1, draw=drawn)
    assert str(refusal.value) == text.format(folder)
    assert tree(folder.parent) == before


@pytest.mark.parametrize("force", [False, True])
def test_a_place_that_cannot_be_written(cell: Cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, force: bool) -> None:
    (tmp_path / "file").write_text("a file")
    place = tmp_path / "file" / "below"
    with nothing_simulated(monkeypatch), pytest.raises(UsageError) as refusal:
        study.run(cell, place, 1, force, draw=drawn)
    assert str(refusal.value) == f"{place} cannot be written: Not a directory"


@pytest.mark.processes
@pytest.mark.parametrize("force", [False, True])
def test_a_folder_in_use_by_another_process(cell: Cell, folder: Path, monkeypatch: pytest.MonkeyPatch, force: bool) -> None:
    interrupt(cell, folder, after=PATHS // 2)
    code = f"from filelock import FileLock\nwith FileLock({str(folder / LOCK)!r}):\n    print('held', flush=True)\n    input()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        before = tree(folder)
        with nothing_simulated(monkeypatch), pytest.raises(UsageError) as refusal:
            study.run(cell, folder, 1, force, draw=drawn)
        assert str(refusal.value) == f"{folder} is in use by another nonconv; wait for it, or choose another --out"
        assert tree(folder) == before
        holder.communicate("\n")
    run(cell, folder)


def test_a_folder_that_another_process_fills_meanwhile_is_refused(
    cell: Cell, other: Cell, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the first look at it, and before it is locked."""
    usual = result_folder._locked

    @contextmanager
    def late(path: Path) -> Iterator[None]:
        monkeypatch.setattr(result_folder, "_locked", usual)
        run(other, folder)
        with usual(path):
            yield

    monkeypatch.setattr(result_folder, "_locked", late)
    with pytest.raises(UsageError) as refusal:
        study.run(cell, folder, 1, draw=drawn)
    assert str(refusal.value) == ANOTHER.format(folder)
    assert manifest(folder)["identity"] == other.identity


def test_an_empty_folder_is_fine(cell: Cell, folder: Path) -> None:
    folder.mkdir()
    run(cell, folder)


# Forced


def test_force_overwrites_another_config_and_leaves_nothing_of_it_that_could_be_read(
    tmp_path: Path, folder: Path, cell: Cell, other: Cell
) -> None:
    run(cell, folder)
    optional = {"theory.csv", "floors.csv", "floors_theory.csv", "predictions.json"}
    assert optional <= set(contents(folder))
    assert run(other, folder, force=True) == run(other, tmp_path / "undisturbed")
    assert manifest(folder)["identity"] == other.identity


def test_force_leaves_foreign_files_alone(cell: Cell, folder: Path) -> None:
    foreign_files(folder, cell)
    files = run(cell, folder, force=True)
    assert files.pop("thesis.tex") == b"years of work"
    assert files["error.csv"].startswith(b"step,")
    assert set(files) == set(FILES)


def test_force_does_not_replace_a_file_by_a_folder(cell: Cell, folder: Path) -> None:
    a_file(folder, cell)
    with pytest.raises(UsageError, match="is a file; choose another --out"):
        study.run(cell, folder, 1, force=True, draw=drawn)
    assert folder.read_text() == "a file"


# Writes that fail


def writes_of(action: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files written, in order."""
    names: list[str] = []
    replace = Path.replace

    def noted(path: Path, target: Path) -> Path:
        names.append(target.name)
        return replace(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", noted)
        action()
    return names


WRITES = [
    BEGUN,
    CHECKPOINT,
    "config.yaml",
    "error.csv",
    "quantities.csv",
    "paths.npz",
    "theory.csv",
    "verdict.json",
    "floors.csv",
    "floors_theory.csv",
    "predictions.json",
    "summary.json",
    "summary.md",
    "stub.png",
    MANIFEST,
]


@pytest.fixture
def _checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """One checkpoint a run of two blocks."""
    monkeypatch.setattr(study, "CHECKPOINT_SECONDS", -1.0)


@pytest.mark.usefixtures("_checkpoints")
def test_the_manifest_is_written_last(cell: Cell, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert writes_of(lambda: run(cell, folder), monkeypatch) == WRITES
    there: list[bool] = []
    replace = Path.replace

    def noted(path: Path, target: Path) -> Path:
        there.append((folder / MANIFEST).exists())
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", noted)
    run(cell, folder, force=True)
    assert there == [True] + [False] * (len(WRITES) - 1), "an old manifest goes as soon as the folder is marked unfinished"


@pytest.mark.slow
@pytest.mark.usefixtures("_checkpoints")
@pytest.mark.parametrize("number", range(1, len(WRITES) + 1))
def test_a_full_disk_is_told_and_leaves_nothing_half(
    cell: Cell, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    with monkeypatch.context() as patched:
        failing_write(patched, number, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        with pytest.raises(UsageError) as refusal:
            study.run(cell, folder, 2, draw=drawn)
    assert str(refusal.value) == f"{folder} cannot be written: No space left on device"
    assert not (folder / MANIFEST).exists()
    assert list(folder.rglob(f"{HALF_WRITTEN}*")) == []
    assert folder.exists() is (number > 1), "an empty folder is of no use"
    assert run(cell, folder) == run(cell, tmp_path / "undisturbed")


def test_what_a_killed_command_left_in_a_finished_folder_goes(cell: Cell, folder: Path) -> None:
    """But not while another command is at work there; with --force it begins like this."""
    expected = run(cell, folder)
    (folder / "figures").mkdir(exist_ok=True)
    left = [folder / name for name in (LOCK, BEGUN, CHECKPOINT, f"{HALF_WRITTEN}a", f"figures/{HALF_WRITTEN}b")]
    for path in left:
        path.write_text("{}")
    with FileLock(folder / LOCK):
        assert study.run(cell, folder, 1, draw=drawn).reused
        assert all(path.exists() for path in left)
    assert study.run(cell, folder, 1, draw=drawn).reused
    assert contents(folder) == expected


@pytest.mark.slow
@pytest.mark.usefixtures("_checkpoints")
@pytest.mark.parametrize("number", range(1, len(WRITES) + 1))
@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_any_write_changes_nothing(
    cell: Cell, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, number: int, after: bool
) -> None:
    expected = run(cell, tmp_path / "undisturbed")
    with monkeypatch.context() as patched:
        failing_write(patched, number, Killed(), after)
        with pytest.raises(Killed):
            study.run(cell, folder, 2, draw=drawn)
    sealed = after and number == len(WRITES)
    assert (folder / MANIFEST).exists() is sealed
    assert study.run(cell, folder, 2, draw=drawn).reused is sealed
    left = {BEGUN, CHECKPOINT, LOCK} if sealed else set()
    assert {name: content for name, content in contents(folder).items() if name not in left} == expected


@pytest.mark.slow
@pytest.mark.usefixtures("_checkpoints")
@pytest.mark.parametrize("number", range(1, len(WRITES) + 1))
@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_any_write_never_mixes_two_configs(
    cell: Cell, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, number: int, after: bool
) -> None:
    before = read_cell(written(tmp_path / "before", SGD | {"seed": 2}), [])
    interrupt(before, folder, after=1)
    with monkeypatch.context() as patched:
        failing_write(patched, number, Killed(), after)
        with pytest.raises(Killed):
            study.run(cell, folder, 2, force=True, draw=drawn)
    try:
        study.run(cell, folder, 2, draw=drawn)
    except UsageError as refusal:
        assert str(refusal) == ANOTHER.format(folder)  # noqa: PT017
        assert (number, after) == (1, False)
        return
    assert {name: contents(folder)[name] for name in FILES} == run(cell, tmp_path / "undisturbed")


# The manifest


def test_the_manifest_tells_what_the_result_came_from(tmp_path: Path, folder: Path) -> None:
    config = SGD | {"claim": "Größer: SGD → 0", "seed": 2407}
    cell = read_cell(written(tmp_path / "in", config), [])
    files = run(cell, folder, workers=3)
    told = manifest(folder)
    assert (told["identity"], told["name"], told["claim"]) == (cell.identity, "experiment", config["claim"])
    assert told["config"] == cell.resolved == yaml.safe_load(files["config.yaml"])
    assert told["config"]["seed"] == 2407
    assert told["schema_version"] == 1
    assert told["workers"] == 3
    assert {"nonconv", "python", "numpy", "numba", "scipy", "matplotlib"} <= told["versions"].keys()
    assert all(told["machine"].values())
    assert told["times"]["started"] <= told["times"]["simulated"] <= told["times"]["finished"]
    assert told["files"] == {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}


def git(*arguments: str) -> str:
    command = ["git", "-c", "user.name=n", "-c", "user.email=e", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_state_of_the_working_directorys_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "checkout").mkdir()
    monkeypatch.chdir(tmp_path / "checkout")
    assert surroundings.git_state() is None
    Path("file").write_text("a")
    git("init")
    git("add", "file")
    git("commit", "-m", "first")
    assert surroundings.git_state() == {"commit": git("rev-parse", "HEAD"), "changed": False}
    Path("untracked").write_text("b")
    assert surroundings.git_state() == {"commit": git("rev-parse", "HEAD"), "changed": False}
    Path("file").write_text("b")
    assert surroundings.git_state() == {"commit": git("rev-parse", "HEAD"), "changed": True}
    monkeypatch.setenv("PATH", "")
    assert surroundings.git_state() is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_json_has_no_number_that_is_none(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        formats.as_json({"mse": [value]})


# config.yaml


@pytest.mark.slow
@pytest.mark.parametrize("config", [SGD | {"claim": "a: 'b' # é"}, ADAM, CSV], ids=["sgd", "adam", "csv"])
def test_the_config_in_a_folder_gives_the_folder_again_wherever_it_lies(tmp_path: Path, config: dict[str, Any]) -> None:
    original = written(tmp_path / "in", config).rename(tmp_path / "in" / "config.yaml")
    first = read_cell(original, [])
    expected = run(first, tmp_path / "out")
    shutil.rmtree(original.parent)
    (tmp_path / "elsewhere").mkdir()
    moved = shutil.move(tmp_path / "out", tmp_path / "elsewhere" / "moved")
    again = read_cell(Path(moved) / "config.yaml", [])
    assert again.identity == first.identity
    assert run(again, tmp_path / "again") == expected
    assert run(again, Path(moved), force=True) == expected


def test_only_the_name_comes_from_elsewhere(cell: Cell, tmp_path: Path) -> None:
    expected = run(cell, tmp_path / "out")
    again = run(read_cell(tmp_path / "out" / "config.yaml", []), tmp_path / "again")
    assert {name for name in expected if again[name] != expected[name]} <= {"summary.json", "summary.md"}
    for name, before, after in (
        ("summary.json", b'"name": "experiment"', b'"name": "config"'),
        ("summary.md", b"# experiment\n", b"# config\n"),
    ):
        assert again[name].replace(after, before) == expected[name]


def test_data_named_like_a_result(tmp_path: Path) -> None:
    path = written(
        tmp_path / "in", CSV | {"objective": CSV["objective"] | {"data": CSV["objective"]["data"] | {"file": "error.csv"}}}
    )
    path.with_name("rows.csv").rename(path.with_name("error.csv"))
    cell = read_cell(path, [])
    run(cell, tmp_path / "out")
    assert read_cell(tmp_path / "out" / "config.yaml", []).identity == cell.identity


# What files are made of


trees = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=25,
)


@pytest.mark.slow
@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.dictionaries(st.text(max_size=6), trees, max_size=6))
def test_json_is_what_was_written(content: dict[str, Any]) -> None:
    """Read back it is the same, and no entry of the outermost level shares a line with another."""
    written = formats.as_json(content)
    assert json.loads(written) == content
    lines = written.decode().split("\n")
    assert lines[-1] == ""
    assert sum(line.startswith('  "') for line in lines) == len(content)


@pytest.mark.slow
@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.dictionaries(st.text("abc_", min_size=1, max_size=6), trees, max_size=6))
def test_yaml_by_entries_is_yaml_as_a_whole(content: dict[str, Any]) -> None:
    """Also when an entry was written before; a mapping of nothing but numbers and words is spread over lines."""
    again = {name: content[name] for name in reversed(content)}
    for one in (content, again):
        assert yaml.safe_load(formats.as_yaml(one)) == (one or None)
    if any(isinstance(value, dict | list) for value in content.values()):
        whole = yaml.dump(
            content, Dumper=formats.DUMPER, sort_keys=False, default_flow_style=None, allow_unicode=True, width=100
        )
        assert formats.as_yaml(content).decode() == whole or INVISIBLE.search(whole)
        assert not INVISIBLE.search(formats.as_yaml(content).decode())


def test_one_is_not_true() -> None:
    """Values that are equal and look different are written as they look, whatever was written before."""
    assert [formats.as_yaml({"a": value}) for value in (1, True, 1.0, 1)] == [b"a: 1\n", b"a: true\n", b"a: 1.0\n", b"a: 1\n"]


def test_packed_arrays_come_back() -> None:
    rng = np.random.default_rng(1)
    arrays = {
        "scalar": np.array(3),
        "flags": rng.random((3, 2)) > 0.5,
        "empty": np.empty((0, 4)),
        "numbers": rng.random((2, 3, 4)),
        "more": rng.random(5),
        "counts": rng.integers(-9, 9, (4, 2)),
    }
    found = formats.unpacked(formats.packed(arrays))
    assert found is not None
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()


def test_arrays_that_were_not_packed_are_none() -> None:
    assert formats.unpacked(formats.as_npz({"paths": np.array(3)})) is None
