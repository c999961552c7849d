"""Sweep in this process, and read what is there."""

import hashlib
import json
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from kit.experiments import BLOCK, CSV, SGD, written
from kit.runs import contents
from nonconv.cli import app
from nonconv.report.figures.drawing_process import Figures
from nonconv.store import folder as store
from nonconv.store.folder import LOCK, damaged
from nonconv.store.pack import CELLS_ARCHIVE, CELLS_FOLDER, IN_FOLDER, Pack, Parts, unbundled
from nonconv.sweeps.executors.threads import open_threads
from nonconv.sweeps.flow import Event
from nonconv.sweeps.loop import Outcome, run_sweep
from nonconv.sweeps.sweep import Survey, Sweep, read_sweep, survey

PATHS = 70
"""Two whole blocks and a rest."""
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


def drawn(folder: Path) -> Callable[[], Figures]:
    """A cheap stand-in for the figures, which also needs the table to be there."""
    return lambda: {"stub.png": (folder / "sweep.csv").read_bytes()[:100]}


def config_file(folder: Path, config: dict[str, Any]) -> Path:
    """A config, beside the data files it may name."""
    path = written(folder, config)
    (folder / "other.csv").write_text("x,y\n1,0\n-2,1\n6,-3\n2,5\n")
    return path


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def found(path: Path, *settings: str) -> tuple[Sweep, Survey]:
    sweep = read_sweep(path, settings)
    return sweep, survey(sweep)


def outcome(
    path: Path,
    folder: Path,
    *settings: str,
    workers: int = 2,
    kind: Any = open_threads,
    executor: Any = None,
    on_event: Callable[[Event], None] = lambda event: None,
    **options: Any,
) -> Outcome:
    """Run the sweep of a config file with threads, or whatever else."""
    sweep, surveyed = found(path, *settings)
    make = executor or partial(kind, sweep, workers)
    return run_sweep(sweep, surveyed, folder, make, progress=lambda: nullcontext(on_event), **({"draw": drawn} | options))


def run(path: Path, folder: Path, *settings: str, **options: Any) -> dict[str, bytes]:
    """Run to the end, and return the bytes."""
    outcome(path, folder, *settings, **options)
    assert not [name for name in contents(folder) if "unfinished" in name and not name.endswith(LOCK)]
    return contents(folder)


def whole_cells(folder: Path) -> list[str]:
    """The cells in a folder; none of them is half there."""
    names = sorted(path.name for path in (folder / CELLS_FOLDER).glob("*"))
    for name in names:
        manifest = store.read_manifest(folder / CELLS_FOLDER / name)
        assert manifest is not None
        assert damaged(folder / CELLS_FOLDER / name, manifest) == []
    packs = [*Parts(folder).packs, Pack(folder / CELLS_ARCHIVE)]
    for pack in packs:
        for name in pack.places:
            bundle = pack.read(name)
            assert bundle is not None
            if bundle == IN_FOLDER:
                continue
            files = unbundled(bundle.content)
            known = json.loads(files[store.MANIFEST])["files"]
            digests = {file: hashlib.sha256(content).hexdigest() for file, content in files.items()}
            assert {file: digest for file, digest in digests.items() if file != store.MANIFEST} == known
    return sorted({*names, *(name for pack in packs for name in pack.places)})


def interrupt_at(number: int, how: type[BaseException] = KeyboardInterrupt) -> Callable[[Event], None]:
    """Something to be told news, which presses Ctrl-C when it is told the given one."""
    left = [number]

    def on_event(event: Event) -> None:
        left[0] -= 1
        if not left[0]:
            raise how

    return on_event


def call(*arguments: object, code: int = 0) -> Result:
    """Call the command in this process; it must end with this exit code."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.stderr
    assert "Traceback" not in result.stderr
    return result
