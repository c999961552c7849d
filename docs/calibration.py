"""How often intervals cover and verdicts err: python docs/calibration.py > docs/calibration.md. Some minutes.

Paths are independent, so path numbers 200 r, ..., 200 r + 199 are the r-th repetition of an experiment with 200 paths.
"""

import math
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from nonconv.engine.blocks import simulate
from nonconv.engine.fused import Fused
from nonconv.engine.plan import PHASE_MASK, Span, Steps, turns
from nonconv.experiment.binding import read_cell
from nonconv.experiment.cell import Cell
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.moments import Moments, estimate
from nonconv.results.verdict_files import verdict_of
from nonconv.statistics.floors import rows
from nonconv.statistics.tally import Tally, measure
from nonconv.study.ready import make_ready
from nonconv.theory.recursion import predicted_errors

PATHS, STEPS = 200, 4096
RATE, CURVATURE = 0.05, 2.0
SKEWED = {"name": "two_point", "low": -1.0, "high": 1.0, "p_high": 0.25}
CONSTANT = {"name": "discrete", "values": [1.0], "probabilities": [1.0]}
SGD: dict[str, Any] = {
    "steps": STEPS,
    "paths": PATHS,
    "objective": {"name": "quadratic", "data": SKEWED},
    "optimizer": "sgd",
    "learning_rate": RATE,
    "xi": ["minimizer"],
    "record": {"points": 20, "paths": 0},
}
FLOORS = {"twin": "twin_mean", "window": "window", "cauchy": "cauchy_mean"}
DOES_NOT, DOES, DIVERGES = "does_not_converge", "converges", "diverges"


class Process(NamedTuple):
    """A process with its truth. allowed: verdicts that are not wrong, besides undecided."""

    name: str
    changes: dict[str, Any]
    allowed: tuple[str, ...]


def power(value: float, exponent: float) -> dict[str, Any]:
    return {"name": "power", "value": value, "exponent": exponent}


FALLING = {"name": "piecewise", "values": [0.1, 0.01], "until": [2500]}
GROWING = {"name": "piecewise", "values": [1, 16], "until": [2500]}

PROCESSES = (
    Process("SGD, constant rate", {}, (DOES_NOT,)),
    Process("SGD, rate 0.5/n", {"learning_rate": power(0.5, 1.0), "start": 0.5}, (DOES,)),
    Process("SGD, rate 0.2 n^-0.5", {"learning_rate": power(0.2, 0.5)}, (DOES,)),
    Process("SGD, rate 0.2 n^-0.2 (slow)", {"learning_rate": power(0.2, 0.2)}, (DOES,)),
    Process("SGD, constant rate, batch size n^0.5", {"batch_size": power(1, 0.5), "steps": 1024}, (DOES,)),
    Process("SGD, rate falls from 0.1 to 0.01 in the run", {"learning_rate": FALLING}, (DOES_NOT,)),
    Process("SGD, batch size grows from 1 to 16 in the run", {"batch_size": GROWING}, (DOES_NOT,)),
    Process("AR(1), coefficient 0.99", {"learning_rate": 0.005}, (DOES_NOT,)),
    Process("AR(1), coefficient 0.9995 (relaxes in half the run)", {"learning_rate": 0.00025}, (DOES_NOT,)),
    Process("random walk", {"learning_rate": 1e-9}, (DOES_NOT, DIVERGES)),
    Process("SGD from far away, on its way all the time", {"learning_rate": 1e-5, "start": 1000.0}, (DOES_NOT,)),
    Process("SGD, rate 0.0005 n^-0.4, not relaxed", {"learning_rate": power(0.0005, 0.4)}, (DOES,)),
    Process("SGD without noise", {"objective": {"name": "quadratic", "data": CONSTANT}, "start": 3.0}, (DOES,)),
    Process("Adam, constant rate", {"optimizer": "adam"}, (DOES_NOT,)),
    Process("Adam, rate 0.05 n^-0.5", {"optimizer": "adam", "learning_rate": power(0.05, 0.5)}, (DOES,)),
    Process("SGD, rate too large (unstable)", {"learning_rate": 1.05, "start": 1.0}, (DIVERGES,)),
)


def cell_of(changes: dict[str, Any]) -> Cell:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "calibration.yaml"
        path.write_text(yaml.safe_dump(SGD | changes))
        return make_ready(read_cell(path, [])).cell


def repetitions(cell: Cell, number: int) -> Iterator[Tally]:
    """The tallies of independent repetitions."""
    engine, stop = Fused(cell.program), np.zeros(1, dtype=np.uint8)
    for r in range(number):
        yield measure(cell, simulate(cell.program, engine, r * cell.paths, cell.paths, stop))


def floor_truth(cell: Cell) -> Array:
    """Expectation of each floor of stationary SGD (docs/theory.md)."""
    g = CURVATURE * RATE
    rho, v = 1.0 - g, g * float(cell.law.variance[0]) / (2.0 - g)
    spans = cell.program.plan.spans
    found = []
    for row in rows(cell.program.plan):
        span, lag = spans[row.span], row.lag
        if row.floor == "twin":
            found.append(v * (1.0 - rho ** (2.0 * lag)))
        elif row.floor == "twin_mean":
            # A mean over paths of one step of each stratum is the mean over all steps of these strata.
            late = np.arange(row.first, row.step + 1) - span.first
            found.append(v * float(np.mean(1.0 - rho ** (2.0 * late))))
        elif row.floor == "window":
            steps, weight = looks_of_each_phase(span)
            # The sum of rho^|a - b| over the pairs a < b of steps of a window, from step to step.
            before = pairs = np.zeros(steps.shape[1])
            for gap in np.diff(steps, axis=0):
                before = (before + 1.0) * rho**gap
                pairs = pairs + before
            found.append(v * (1.0 - float((len(steps) + 2.0 * pairs) @ weight) / len(steps) ** 2))
        else:
            found.append(v * (1.0 - rho**lag) / 2.0)
    return np.array(found)


def looks_of_each_phase(span: Span) -> tuple[Steps, Array]:
    """All choices of one step per stratum that a phase can make, (strata, choices), and their probabilities."""
    # A step changes with the place in its stratum at multiples of 1 / covered, of which gcd(covered, strata) are the same.
    count = span.covered // math.gcd(span.covered, span.strata)
    places = np.array([-(-k * 2**32 // count) for k in range(count)], dtype=np.uint64)
    begin = np.unique(np.append((places[:, None] - turns(span.strata)).ravel() & PHASE_MASK, np.uint64(0)))
    return span.looks(begin), np.diff(np.append(begin, np.uint64(2**32)).astype(float)) / 2**32


def coverage(number: int) -> Iterator[tuple[str, int, int, float]]:
    """What, at which step, at which lag, and the share of repetitions whose 95 % interval covers the truth."""
    cell = cell_of({"xi": ["minimizer", "start"]})
    hits: list[Array] = []
    predicted = predicted_errors(cell)
    errors = np.array([predicted[xi.label] for xi in cell.xi])
    truth = floor_truth(cell)
    exponents = {name: _exponent(cell, truth, floor) for name, floor in FLOORS.items()}
    slopes: list[dict[str, bool]] = []
    for tally in repetitions(cell, number):
        hits.append(np.concatenate([_covered(tally.errors, errors).ravel(), _covered(tally.floors, truth)]))
        found = verdict_of(cell, tally).slopes
        slopes.append({name: s.ci_low <= exponents.get(name, 0.0) <= s.ci_high for name, s in found.items()})
    share = np.mean(hits, axis=0)
    late = [r for r, step in enumerate(cell.program.record) if step >= STEPS // 4]
    for k, xi in enumerate(cell.xi):
        for r in late:
            yield f"E&#124;Θ − {xi.label}&#124;²", int(cell.program.record[r]), 0, float(share[k * errors.shape[1] + r])
    for row, covered in zip(rows(cell.program.plan), share[errors.size :], strict=True):
        yield row.floor, row.step, row.lag, float(covered)
    for name in slopes[0]:
        yield f"log-log slope of {name}", STEPS, 0, float(np.mean([found[name] for found in slopes]))


def _exponent(cell: Cell, truth: Array, floor: str) -> float:
    """Not quite 0: the steps of a longer window lie further apart."""
    of_spans = [value for row, value in zip(rows(cell.program.plan), truth, strict=True) if row.floor == floor]
    before, last = of_spans[-2:]
    return float(np.log2(last / before))


def _covered(moments: Moments, truth: Array) -> Array:
    found = estimate(moments)
    return (found.low <= truth) & (truth <= found.high)


def verdicts(process: Process, number: int) -> Counter[str]:
    cell = cell_of(process.changes)
    return Counter(verdict_of(cell, tally).answer for tally in repetitions(cell, number))


def toint_verdicts(number: int) -> Counter[str]:
    """Toint's example for random learning rates and betas."""
    rng = np.random.default_rng(2308)
    found: Counter[str] = Counter()
    for _ in range(number):
        adam = {"name": "adam", "beta1": rng.random(), "beta2": rng.random(), "eps": 0.0}
        changes = {"objective": "toint", "optimizer": adam, "learning_rate": float(rng.uniform(0.01, 1.0)), "paths": 1}
        cell = cell_of(changes | {"xi": "start", "steps": 1024})
        found[verdict_of(cell, next(repetitions(cell, 1))).answer] += 1
    return found


def write(line: str) -> None:
    print(line, flush=True)


def write_verdicts(name: str, found: Counter[str], allowed: tuple[str, ...]) -> None:
    number = sum(found.values())
    wrong = number - found["undecided"] - sum(found[answer] for answer in allowed)
    answers = (DOES_NOT, DOES, DIVERGES, "undecided")
    write(f"| {name} | {' or '.join(allowed)} | {' | '.join(str(found[a]) for a in answers)} | {100 * wrong / number:.1f} % |")


def main(scale: Callable[[int], int]) -> None:
    write("# Calibration\n\nWritten by `python docs/calibration.py > docs/calibration.md`.\n")
    write(f"## Verdicts\n\n{scale(200)} repetitions of {PATHS} paths and {STEPS} steps (growing batches: 1024; Toint: one path")
    write("of 1024 steps, random betas and rates).\n")
    write("| process | truth | does_not_converge | converges | diverges | undecided | wrong |")
    write("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for process in PROCESSES:
        write_verdicts(process.name, verdicts(process, scale(200)), process.allowed)
    write_verdicts("Toint's example, exact knots", toint_verdicts(scale(200)), (DIVERGES,))
    write(f"\n## Coverage of 95 % intervals\n\n{scale(4000)} repetitions of {PATHS} paths of SGD at a constant rate (g = 0.1)")
    write("on skewed data.\n")
    write("| what | step | lag | covered |\n| --- | ---: | ---: | ---: |")
    for what, step, lag, covered in coverage(scale(4000)):
        write(f"| {what} | {step} | {lag or ''} | {100 * covered:.1f} % |")


if __name__ == "__main__":
    divisor = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    main(lambda number: max(number // divisor, 1))
