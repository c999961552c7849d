"""Judge a log: measure it, and bring its output folder to the finished state that a run's folder has."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nonconv.config.expect import label
from nonconv.experiment.cell import Xi
from nonconv.experiment.identity import folder_name
from nonconv.faults.errors import Interrupted, UsageError
from nonconv.faults.problems import nearest
from nonconv.logged.arrays import read_npz
from nonconv.logged.declared import Declared
from nonconv.logged.files import data_files
from nonconv.logged.measure import measure
from nonconv.logged.tables import read_csv, read_parquet, suffix_of
from nonconv.logged.trajectories import Logged
from nonconv.readback import is_readable
from nonconv.report.figures.catalogue import RUN_FIGURE_FILES
from nonconv.report.figures.drawing_process import Draw
from nonconv.report.run import read_run
from nonconv.report.summary import markdown
from nonconv.results.run_files import OPTIONAL_FILES
from nonconv.store.folder import Folder, tidy
from nonconv.store.formats import as_yaml
from nonconv.store.surroundings import surroundings
from nonconv.system.reading import MOST_DATA_BYTES, read_file
from nonconv.system.streams import visible

READERS: dict[str, Callable[[str, bytes, Sequence[str]], Logged]] = {
    ".csv": read_csv,
    ".tsv": read_csv,
    ".txt": read_csv,
    ".parquet": read_parquet,
    ".npz": read_npz,
    ".npy": read_npz,
}
"""What reads a log, by what its file's name ends with."""
NAMED = ("minimizer", "start", "path_mean", "last")
"""Candidates for the limit that have names."""


def read_log(path: Path, columns: Sequence[str] = ()) -> Logged:
    """Read a log from a file. columns: of a table those that are coordinates. Raises UsageError with file, line and column."""
    reader = READERS.get(suffix_of(path.name))
    if reader is None:
        raise UsageError(f"{path}: the name of a log ends with .npz, .csv or .parquet")
    try:
        content = read_file(path, MOST_DATA_BYTES)
    except FileNotFoundError:
        there = [str(other) for other in sorted(path.parent.glob("*")) if suffix_of(other.name) in READERS]
        near = f"\n  did you mean {close}?" if (close := nearest(str(path), there)) else ""
        raise UsageError(f"{path}: there is no such file{near}") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return reader(str(path), content, columns)


def candidates(wanted: Sequence[Any] | None, minimizer: Any, dim: int) -> tuple[Xi, ...]:
    """Return the candidates for the limit: names, numbers, or lists of one number per coordinate. Raises UsageError.

    Without any: the minimizer if it is declared, path_mean and last.
    """
    point = None if minimizer is None else _point("minimizer", minimizer, dim)
    if wanted is None:
        wanted = [*([] if point is None else ["minimizer"]), "path_mean", "last"]
    found: dict[str, Xi] = {}
    for one in wanted:
        if isinstance(one, str):
            if one not in NAMED:
                near = f"\n  did you mean {close}?" if (close := nearest(one, NAMED)) else ""
                raise UsageError(
                    f"xi: {one!r} is not known\n  allowed: {', '.join(NAMED)}, a number, or one per coordinate{near}"
                )
            if one == "minimizer" and point is None:
                raise UsageError("xi: the minimizer is not declared\n  hint: minimizer: a number, or one per coordinate")
            xi = Xi(one, point if one == "minimizer" else None)
        else:
            own = _point("xi", one, dim)
            numbers = np.asarray(one, dtype=np.float64)
            xi = Xi(label(numbers.tolist()), own)
        if xi.label in found:
            raise UsageError(f"xi: {xi.label} is given twice")
        found[xi.label] = xi
    if not found:
        raise UsageError("xi: there is no candidate for the limit")
    return tuple(found.values())


def _point(what: str, value: Any, dim: int) -> Any:
    """Return a point (dim,). Raises UsageError."""
    try:
        point = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise UsageError(f"{what}: {value!r} is not a point\n  allowed: {_allowed(dim)}") from None
    if point.ndim > 1 or (point.ndim == 1 and point.shape != (dim,)) or not np.isfinite(point).all():
        raise UsageError(f"{what}: {value!r} is not a point\n  allowed: {_allowed(dim)}, all finite")
    return np.full(dim, float(point)) if point.ndim == 0 else point


def _allowed(dim: int) -> str:
    """Say what a point may be."""
    return "a number" if dim == 1 else f"a number, or {dim} numbers, one per coordinate"


class Question(NamedTuple):
    """What is judged: a log, candidates for its limit, what is declared, and the name that the result has."""

    logged: Logged
    xi: tuple[Xi, ...]
    declared: Declared
    name: str

    @property
    def config(self) -> dict[str, Any]:
        """What stands for the config of a run: what decides the result, and names where readers expect components."""
        points = {one.label: one.point.tolist() for one in self.xi if one.point is not None}
        named, digest = {"name": "logged"}, self.logged.digest()
        return {
            # Runs with one seed see the same data: so do two judgements of one log, and no others.
            "seed": f"log {digest[:16]}",
            "paths": self.logged.runs,
            "steps": self.logged.last,
            **dict.fromkeys(("objective", "optimizer", "learning_rate", "batch_size"), named),
            "xi": [one.label for one in self.xi],
            "points": points,
            "declared": self.declared.as_dict(),
            "log": digest,
        }

    @property
    def identity(self) -> str:
        """The hash of what decides the result."""
        return hashlib.sha256(json.dumps(self.config, sort_keys=True).encode()).hexdigest()

    @property
    def folder_name(self) -> str:
        """The usual name of its output folder."""
        return folder_name(self.name, self.identity)


def is_judged(asked: Question, folder: Path) -> bool:
    """Whether the folder has the finished result."""
    store = Folder(folder, asked.identity)
    finished = store.is_finished() and store.manifest().get("name") == asked.name and is_readable(read_run, folder)
    if finished:
        tidy(folder)
    return finished


def judge_log(asked: Question, folder: Path, draw: Draw, force: bool) -> None:
    """Measure a log and write its folder. Raises UsageError, or Interrupted."""
    store, config = Folder(folder, asked.identity), asked.config
    with store.opened(force):
        try:
            for name in (*RUN_FIGURE_FILES, *OPTIONAL_FILES):
                store.discard(name)
            store.write("config.yaml", as_yaml(config))
            found = measure(asked.logged, asked.xi, asked.declared)
            for name, content in data_files(found, asked.identity, asked.name).items():
                store.write(name, content)
            figures = draw(folder)
            store.write("summary.md", visible(markdown(read_run(folder))).encode())
            for name, content in figures().items():
                store.write(f"figures/{name}", content)
        except KeyboardInterrupt:
            raise Interrupted("Stopped.") from None
        store.seal(config, name=asked.name, claim="", logged=True, **surroundings())
