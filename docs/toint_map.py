"""Where over (beta1, beta2) Toint's divergence survives a perturbed start: python docs/toint_map.py.

Writes docs/toint_map.csv and docs/images/toint_map.png. Each cell is configs/toint_perturbed.yaml with other betas and fewer
paths and steps, and once more with all paths started 1e-9 behind the first knot, for the growth of that deviation.
"""

import csv
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from nonconv.experiment.binding import read_cell
from nonconv.report.run import read_run
from nonconv.results.columns import read_columns
from nonconv.study import loop as study

HERE = Path(__file__).parent
CONFIG = HERE.parent / "configs" / "toint_perturbed.yaml"
BETAS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99, 0.999)
COLUMNS = ("beta1", "beta2", "escaped", "ci_low", "ci_high", "growth", "predicted_growth")
BEHIND = "start=-1e-9"


def measured(folder: Path, beta1: float, beta2: float, *settings: str) -> Path:
    """The finished folder of one cell, without figures."""
    cell = read_cell(CONFIG, [f"optimizer.beta1={beta1}", f"optimizer.beta2={beta2}", *settings])
    return study.run(cell, folder / cell.folder_name, workers=2, draw=lambda folder: dict).folder


def row(folder: Path, beta1: float, beta2: float) -> tuple[float, ...]:
    """COLUMNS of one cell."""
    share = read_run(measured(folder, beta1, beta2, "paths=500", "steps=2000")).summary["counterexample"]["escaped"]
    slopes = read_columns(measured(folder, beta1, beta2, "paths=1", "steps=2000", BEHIND) / "slopes.csv")
    growth = [float(slopes.numbers(name)[0]) for name in ("growth", "predicted_growth")]
    return beta1, beta2, share["value"], share["ci_low"], share["ci_high"], *growth


def draw(rows: np.ndarray[Any, Any]) -> Figure:
    """Three maps, beta1 to the right and beta2 upwards."""
    figure = Figure(figsize=(10.5, 3.3), layout="constrained")
    titles = ("share of paths that escape", "growth per step, measured", "growth per step, linearised")
    for axes, column, title in zip(figure.subplots(1, 3), (2, 5, 6), titles, strict=True):
        values = rows[:, column].reshape(len(BETAS), len(BETAS)).T
        top = 1.0 if column == 2 else float(np.nanmax(rows[:, 5:7]))
        image = axes.imshow(values, origin="lower", cmap="cividis", vmin=0.0 if column == 2 else 1.0, vmax=top)
        axes.set_title(title, loc="left", fontsize=10)
        for ticks, labels in ((axes.set_xticks, axes.set_xticklabels), (axes.set_yticks, axes.set_yticklabels)):
            ticks(range(len(BETAS)))
            labels([f"{beta:g}" for beta in BETAS], fontsize=7)
        axes.tick_params(axis="x", rotation=60)
        axes.set_xlabel("β₁")
        axes.set_ylabel("β₂")
        figure.colorbar(image, ax=axes, shrink=0.8)
    return figure


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows = [row(Path(folder), beta1, beta2) for beta1 in BETAS for beta2 in BETAS]
    with (HERE / "toint_map.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    draw(np.array(rows)).savefig(HERE / "images" / "toint_map.png", dpi=130)


if __name__ == "__main__":
    main()
