"""Where vanishing rates begin to restore convergence: python docs/rate_threshold.py > docs/rate_threshold.md.

SGD and Adam with the rate 0.2 n^-rho (Adam: 0.02 n^-rho), rho from 0 to 1: the log-log slope of E|theta - minimizer|^2
over the last doubling, for SGD beside its exact value, and the verdict.
"""

import tempfile
from pathlib import Path

import numpy as np

from nonconv.experiment.binding import read_cell
from nonconv.experiment.cell import Cell
from nonconv.report.run import Run, read_run
from nonconv.study import loop as study
from nonconv.theory.recursion import predicted_errors

CONFIG = Path(__file__).parent.parent / "configs" / "sgd_decay.yaml"
SETTINGS = ("paths=2000", "steps=16384", "xi=minimizer", "record={points: 16384, spacing: linear, paths: 0}", "expect=null")
RATES = {"sgd": 0.2, "adam": 0.02}


def measured(optimizer: str, rho: float) -> tuple[Cell, Run]:
    rate = f"learning_rate={{name: power, value: {RATES[optimizer]}, exponent: {rho}}}"
    with tempfile.TemporaryDirectory() as folder:
        cell = read_cell(CONFIG, [*SETTINGS, rate, f"optimizer={optimizer}", "objective.data=rademacher", "start=0"])
        return cell, read_run(study.run(cell, Path(folder) / "run", workers=2, draw=lambda found: dict).folder)


def exact(cell: Cell) -> float:
    """The log-log slope of SGD's expected error, averaged over the steps that the measured one is averaged over."""
    error = dict(zip(cell.program.record.tolist(), predicted_errors(cell)["minimizer"].tolist(), strict=True))
    spans = cell.program.plan.spans[-2:]
    before, last = (np.mean([error[step] for step in range(span.first_of(0), span.last + 1)]) for span in spans)
    return float(np.log2(last / before))


def main() -> None:
    print("# The threshold: rates n^-rho\n\nWritten by `python docs/rate_threshold.py > docs/rate_threshold.md`.")
    print(
        "2000 paths, 16384 steps, Rademacher data, started at the minimizer.\n"
        "Log-log slopes of E&#124;Θ − minimizer&#124;² over the last doubling, with 95 % intervals.\n"
    )
    print("| rho | SGD | exact | verdict | Adam | verdict |\n| ---: | ---: | ---: | --- | ---: | --- |")
    for rho in (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
        cell, sgd = measured("sgd", rho)
        _, adam = measured("adam", rho)
        shown = [run.verdict["slopes"]["error: minimizer"] for run in (sgd, adam)]
        text = [f"{s['value']:.3f} ({s['ci_low']:.3f} to {s['ci_high']:.3f})" for s in shown]
        print(
            f"| {rho} | {text[0]} | {exact(cell):.3f} | {sgd.verdict['verdict']} | {text[1]} | {adam.verdict['verdict']} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
