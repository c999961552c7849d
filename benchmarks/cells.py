"""What a sweep of very many tiny cells costs: python cells.py [CELLS ...], by default 1000, 10000 and 100000.

Of each sweep: the time from the shell to the heat maps, the memory of its largest process, and how long questions about its
folder take. The processor's time is given too: it hardly changes where other programs are at work.
"""

import ctypes
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from measure import BYTES
from report import COLUMNS, Table, show
from rich.console import Console

CONFIG = """\
seed: 2407
paths: 10
steps: 100
objective: {name: quadratic, data: {name: two_point, low: -1.0, high: 1.0, p_high: 0.25}}
optimizer: adam
learning_rate: 0.02
"""
SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER of Linux."""
CELLS = (1_000, 10_000, 100_000)


class Cost(NamedTuple):
    """Seconds from start to end, seconds of all processors, and MB at the peak of the largest process."""

    seconds: float
    processor: float
    megabytes: float


def cost(command: Sequence[str]) -> Cost:
    """Run a command to its end, its output thrown away; count all processes that it starts."""
    before, start = os.times(), time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    with suppress(ChildProcessError):
        while True:  # workers that the command ended, and did not wait for
            os.wait()
    after = os.times()
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} failed with exit code {child.returncode}")
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(seconds, used, usage.ru_maxrss * BYTES / 1e6)


def measured(cells: int, place: Path) -> list[tuple[str, ...]]:
    """Sweep so many cells, and ask for what a folder is asked for."""
    nonconv, config, folder = [sys.executable, "-m", "nonconv"], place / "tiny.yaml", place / f"cells-{cells}"
    config.write_text(CONFIG)
    across = round(cells**0.5)
    grids = ("--grid", f"optimizer.beta1=0:0.95:{across}", "--grid", f"optimizer.beta2=0.5:0.999:{-(-cells // across)}")
    sweep = [*nonconv, "sweep", str(config), *grids, "--out", str(folder), "--quiet", "--workers", "2"]
    asked = {
        "sweep": sweep,
        "the same again": sweep,
        "--dry-run": [*sweep, "--dry-run"],
        "table": [*nonconv, "table", str(folder)],
        "plot": [*nonconv, "plot", str(folder), "--out", str(place / "figures")],
        "report": [*nonconv, "report", str(folder), "--out", str(place / "page.html")],
    }
    found: list[tuple[str, ...]] = []
    for name, command in asked.items():
        taken = cost(command)
        each = f"{1e3 * taken.seconds / cells:.2f}" if command is sweep and name == "sweep" else ""
        found.append((str(cells), name, f"{taken.seconds:.1f}", f"{taken.processor:.1f}", each, f"{taken.megabytes:.0f}"))
        print("  ".join(found[-1]), file=sys.stderr, flush=True)
    return found


def adopt() -> None:
    """Become the parent of processes whose own has ended, so that their time is counted."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)


def main() -> None:
    adopt()
    with tempfile.TemporaryDirectory(prefix="nonconv-") as place:
        rows = [row for cells in map(int, sys.argv[1:] or CELLS) for row in measured(cells, Path(place))]
    header = ("cells", "command", "seconds", "of processors", "ms per cell", "MB")
    show(Table("Sweeps of 10 paths × 100 steps, two workers", header, tuple(rows)), Console(width=COLUMNS))


if __name__ == "__main__":
    main()
