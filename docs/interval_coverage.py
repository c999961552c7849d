"""How often intervals cover, over laws, optimizers and numbers of paths: python docs/interval_coverage.py > docs/coverage.md.

About twelve minutes; `python docs/interval_coverage.py 10` makes a tenth of the repetitions. Paths are independent, so
consecutive paths are repetitions of one experiment. An interval that is withheld is not counted as a miss: the tables say
how many are printed, and what share of these covers the truth. SGD's truth is exact; that of other rules is the mean over
all paths.
"""

import math
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from nonconv.engine.blocks import Block, simulate
from nonconv.engine.fused import Fused
from nonconv.engine.plan import PHASE_MASK, Span, Steps, turns
from nonconv.experiment.binding import read_cell
from nonconv.experiment.cell import Cell
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.moments import Estimate, estimate
from nonconv.results.verdict_files import verdict_of
from nonconv.statistics.floors import LAST_SPAN_NAMES, rows
from nonconv.statistics.intervals import error_intervals, floor_intervals, sample_intervals
from nonconv.statistics.measured_block import MeasuredBlock
from nonconv.statistics.paired import paired
from nonconv.statistics.quantiles import quantile
from nonconv.statistics.shares import share
from nonconv.statistics.tally import Tally, measure
from nonconv.study.ready import make_ready
from nonconv.theory.recursion import predicted_errors

STEPS, RATE, CURVATURE = 512, 0.05, 2.0
ROUNDING = 1e-5
"""How far, relative to it, the truth may be from an interval.

After its first step Adam is as far from its start on each path, but for eps: such an interval has no width to speak of.
"""
LEAST, MOST = 93.5, 96.5
"""What is asked of a share of covered truths, in per cent; more is allowed of an interval conservative by construction."""


def two_point(p_high: float) -> dict[str, Any]:
    return {"name": "two_point", "low": -1.0, "high": 1.0, "p_high": p_high}


LAWS: dict[str, dict[str, Any]] = {
    "normal": {"name": "normal"},
    "rademacher": {"name": "rademacher"},
    "uniform": {"name": "uniform"},
    "two_point, p = 0.5": two_point(0.5),
    "two_point, p = 0.25": two_point(0.25),
    "two_point, p = 0.1": two_point(0.1),
    "two_point, p = 0.01": two_point(0.01),
    "two_point, p = 1e-3": two_point(1e-3),
    "two_point, p = 1e-5": two_point(1e-5),
    "discrete, outliers of 30 with p = 1e-3": {"name": "discrete", "values": [-1, 1, 30], "probabilities": [0.5, 0.499, 0.001]},
    "log_uniform from 0.01 to 100": {"name": "log_uniform", "low": 0.01, "high": 100.0},
    "Laplace": {"name": "laplace", "scale": math.sqrt(0.5)},
    "power law, index 2.5": {"name": "pareto", "exponent": 2.5, "symmetric": True},
    "power law, index 5": {"name": "pareto", "exponent": 5.0, "symmetric": True},
    "Pareto, index 2.1": {"name": "pareto", "exponent": 2.1},
    "Pareto, index 5": {"name": "pareto", "exponent": 5.0},
}
CLEAN = ("normal", "rademacher", "uniform", "two_point, p = 0.5", "two_point, p = 0.25", "two_point, p = 0.1")
"""Laws of which no interval may be withheld, from 30 paths on."""
RULES = ("sgd", "momentum", "adam")
PATHS = (30, 50, 100, 200, 400, 1000)


class Lab:
    """A process, its paths simulated once and cut into repetitions."""

    def __init__(self, changes: dict[str, Any], paths: int, repetitions: int) -> None:
        self.cell = cell_of({"paths": paths} | changes)
        self.paths, self.number = paths, repetitions

    @cached_property
    def block(self) -> Block:
        """All paths, as one block."""
        return simulate(self.cell.program, Fused(self.cell.program), 0, self.paths * self.number, np.zeros(1, dtype=np.uint8))

    def repetitions(self) -> Iterator[Tally]:
        """The tallies of independent repetitions."""
        for r in range(self.number):
            yield measure(self.cell, part(self.block, r * self.paths, (r + 1) * self.paths))

    @cached_property
    def whole(self) -> MeasuredBlock:
        return MeasuredBlock(self.cell, self.block, None)

    @cached_property
    def errors(self) -> Array:
        """The truth of E|theta_n - xi|^2, (xi, R)."""
        exact = predicted_errors(self.cell)
        means = self.whole.errors.mean(axis=2)
        return np.array([exact.get(xi.label, means[k]) for k, xi in enumerate(self.cell.xi)])

    @cached_property
    def floors(self) -> Array:
        """The truth of the floors, (rows,)."""
        known = self.cell.program.optimizer.component.name == "sgd" and self.cell.law is not None
        return floor_truth(self.cell) if known else self.whole.floors.mean(axis=1)


def part(block: Block, first: int, last: int) -> Block:
    """Paths first, ..., last - 1 of a block."""
    own = slice(first, last)
    return replace(
        block,
        start=block.start[:, own],
        theta=block.theta[:, :, own],
        average=None if block.average is None else block.average[:, own],
        failed=(),
        seen=block.seen[:, :, own],
        twins=tuple(twin[:, :, own] for twin in block.twins),
        sampled=tuple(sampled[:, :, own] for sampled in block.sampled),
        sampled_twins=tuple(sampled[:, :, own] for sampled in block.sampled_twins),
        lowest=block.lowest[:, own],
        highest=block.highest[:, own],
        examined=None if block.examined is None else type(block.examined)(*(field[..., own] for field in block.examined)),
    )


def cell_of(changes: dict[str, Any]) -> Cell:
    """SGD at a constant rate from the mean of the data on, so that floors are stationary, with these changes."""
    config: dict[str, Any] = {
        "steps": STEPS,
        "paths": 200,
        "objective": {"name": "quadratic", "data": LAWS["two_point, p = 0.25"]},
        "optimizer": "sgd",
        "learning_rate": RATE,
        "xi": ["minimizer", "start"],
        "record": {"points": 8, "paths": 0},
    } | changes
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "coverage.yaml"
        path.write_text(yaml.safe_dump(config))
        found = make_ready(read_cell(path, [])).cell
        if "start" in changes or found.law is None:
            return found
        path.write_text(yaml.safe_dump(config | {"start": float(found.law.mean[0])}))
        return make_ready(read_cell(path, [])).cell


def looks_of_each_phase(span: Span) -> tuple[Steps, Array]:
    """Return all choices of one step per stratum that a phase can make, (strata, choices), and their probabilities."""
    # A step changes with the place in its stratum at multiples of 1 / covered, of which gcd(covered, strata) are the same.
    count = span.covered // math.gcd(span.covered, span.strata)
    places = np.array([-(-k * 2**32 // count) for k in range(count)], dtype=np.uint64)
    begin = np.unique(np.append((places[:, None] - turns(span.strata)).ravel() & PHASE_MASK, np.uint64(0)))
    return span.looks(begin), np.diff(np.append(begin, np.uint64(2**32)).astype(float)) / 2**32


def floor_truth(cell: Cell) -> Array:
    """Expectation of each floor of stationary SGD (docs/theory.md)."""
    assert cell.law is not None
    g = CURVATURE * float(cell.learning_rate.constant or 0.0)
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


class Count(NamedTuple):
    """How many intervals there could be, how many are printed, and how many of these cover."""

    possible: int = 0
    printed: int = 0
    covered: int = 0

    def __add__(self, other: "Count") -> "Count":  # type: ignore[override]  # counts add up, they are not joined
        return Count(*(a + b for a, b in zip(self, other, strict=True)))

    @property
    def share(self) -> float:
        """How many per cent of the printed ones cover."""
        return 100.0 * self.covered / self.printed if self.printed else np.nan

    def text(self) -> str:
        """`95.1 %`, with the share that is printed where not all are."""
        withheld = 100.0 * (self.possible - self.printed) / max(self.possible, 1)
        if not self.printed:
            return "withheld"
        return f"{self.share:.1f} %" + (f" ({withheld:.0f} % withheld)" if withheld >= 0.5 else "")


def count(found: Estimate, truth: Array) -> Count:
    """Count the intervals of estimates."""
    printed = ~np.isnan(found.se)
    rounding = ROUNDING * np.abs(truth)
    covered = printed & (found.low <= truth + rounding) & (truth - rounding <= found.high)
    return Count(printed.size, int(printed.sum()), int(covered.sum()))


class Row(NamedTuple):
    """What was counted of a process. lower: repetitions in which all printed lower bounds hold at once."""

    errors: Count = Count()
    floors: Count = Count()
    lower: Count = Count()
    plain: Count = Count()


def intervals_of(lab: Lab) -> Row:
    """Count errors, floors and lower bounds of a process, and plain t intervals of its errors for comparison."""
    found = Row()
    for tally in lab.repetitions():
        errors, floors = error_intervals(lab.cell, tally), floor_intervals(lab.cell, tally)
        printed = ~np.isnan(floors.lower)
        holds = bool(np.all(floors.lower[printed] <= lab.floors[printed] * (1.0 + ROUNDING)))
        m = tally.errors
        plain = estimate(m._replace(m3=np.zeros_like(m.m3)))
        counted = Row(
            count(errors.estimate, lab.errors),
            count(floors.estimate, lab.floors),
            Count(1, int(printed.any()), int(printed.any() and holds)),
            count(plain, lab.errors),
        )
        found = Row(*(a + b for a, b in zip(found, counted, strict=True)))
    return found


def quantiles_of(lab: Lab) -> dict[str, Count]:
    """Count intervals of the quantiles of |theta_T - minimizer|, by level."""
    found = {}
    distances = np.sqrt(lab.whole.errors[0, -1])
    for level in (0.5, 0.9, 0.99):
        truth = quantile(np.sort(distances), level).value
        every = [quantile(np.sort(own), level) for own in distances.reshape(lab.number, lab.paths)]
        # An end that stays open is on the safe side; the interval counts as printed unless both are.
        printed = [q for q in every if np.isfinite(q.low) or np.isfinite(q.high)]
        found[f"q{100 * level:g}"] = Count(len(every), len(printed), sum(q.low <= truth <= q.high for q in printed))
    return found


def slopes_of(lab: Lab) -> dict[str, Count]:
    """Count intervals of the log-log slopes of floors, whose truth is nearly 0."""
    truth, every = lab.floors, rows(lab.cell.program.plan)
    found: dict[str, Count] = {}
    for tally in lab.repetitions():
        for name, slope in verdict_of(lab.cell, tally).slopes.items():
            before, last = (
                [value for row, value in zip(every, truth, strict=True) if LAST_SPAN_NAMES.get(row.floor) == name][-2:]
                if not name.startswith("error")
                else (1.0, 1.0)
            )
            exponent = float(np.log2(last / before))
            found[name] = found.get(name, Count()) + Count(1, 1, int(slope.ci_low <= exponent <= slope.ci_high))
    return found


def differences_of(lab: Lab, other: Lab) -> Count:
    """Count intervals of paired differences of the error at the last step: two rates on the same data."""
    found = Count()
    truth = lab.errors[0, -1] - other.errors[0, -1]
    for a, b in zip(*(each.whole.errors[0, -1].reshape(each.number, -1) for each in (lab, other)), strict=True):
        known = paired(a, b)
        found += Count(1, 1, int(known.ci_low <= truth <= known.ci_high))
    return found


def shares_of(paths: int, number: int, chance: float) -> Count:
    """Count intervals of the share of paths with an outcome of this probability."""
    drawn = np.random.default_rng(7).binomial(paths, chance, number)
    every = [share(int(k), paths) for k in drawn]
    return Count(number, number, sum(s.ci_low <= chance <= s.ci_high for s in every))


NETWORK: dict[str, Any] = {
    "objective": {"name": "mlp", "hidden": [4], "data": {"name": "function", "inputs": 1, "noise": 0.1, "held_out": 32}},
    "optimizer": "adam",
    "learning_rate": 0.01,
    "steps": 64,
    "xi": ["start"],
    "start": {"name": "he"},
    "record": {"points": 4, "paths": 0},
}


def risks_of(lab: Lab) -> Count:
    """Count intervals of a network's risk; the truth is the mean over all paths."""
    assert lab.block.examined is not None
    truth = np.array([lab.block.examined.risk, lab.block.examined.wrong]).mean(axis=2)
    found = Count()
    for tally in lab.repetitions():
        assert tally.risks is not None
        known = sample_intervals(lab.cell, tally.risks).estimate
        found += count(Estimate(*(field[0] for field in known)), truth[0])
    return found


def lab_of(law: str, rule: str, paths: int, repetitions: int, **changes: Any) -> Lab:
    """The process of a law and a rule."""
    more = {"beta": 0.9} if rule == "momentum" else {}
    rate = RATE / 10 if rule == "momentum" else RATE
    own = {
        "objective": {"name": "quadratic", "data": LAWS[law]},
        "optimizer": {"name": rule, **more},
        "learning_rate": rate,
    }
    return Lab(own | changes, paths, repetitions)


def write(line: str) -> None:
    print(line, flush=True)


def write_intervals(number: int) -> None:
    write("## Mean squares and floors\n")
    write(f"{STEPS} steps at a constant rate (SGD and Adam {RATE}, momentum {RATE / 10}), errors at 8 steps against two ξ,")
    write("all floors of the last three spans. `lower`: all lower bounds of a run hold at once.\n")
    write("| data | rule | paths | mean squares | plain t | floors | lower |\n| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for law in LAWS:
        for rule in RULES:
            for paths in PATHS:
                found = intervals_of(lab_of(law, rule, paths, max(number * 40 // (40 + paths // 4), 20)))
                write(f"| {law} | {rule} | {paths} | {' | '.join(part.text() for part in reordered(found))} |")


def reordered(row: Row) -> tuple[Count, ...]:
    return row.errors, row.plain, row.floors, row.lower


def write_others(number: int) -> None:
    write("\n## Other intervals\n")
    write("Quantiles and shares are conservative by construction: their intervals end at numbers of paths.\n")
    write("| what | data | paths | covered |\n| --- | --- | ---: | ---: |")
    for law in ("normal", "two_point, p = 0.1", "two_point, p = 1e-5", "Pareto, index 2.1"):
        for paths in (30, 200, 1000):
            for name, found in quantiles_of(lab_of(law, "sgd", paths, number)).items():
                write(f"| {name} of the distance | {law} | {paths} | {found.text()} |")
    for paths in (200, 1000):
        for name, found in slopes_of(lab_of("two_point, p = 0.25", "sgd", paths, max(number // 2, 20))).items():
            write(f"| log-log slope of {name} | two_point, p = 0.25 | {paths} | {found.text()} |")
    for law in ("normal", "two_point, p = 0.25"):
        for paths in (30, 200, 1000):
            two = (lab_of(law, "sgd", paths, number, learning_rate=rate) for rate in (RATE, 2 * RATE))
            write(f"| paired difference of two rates | {law} | {paths} | {differences_of(*two).text()} |")
    for chance in (0.5, 0.02):
        for paths in (30, 200):
            write(f"| share of paths | probability {chance:g} | {paths} | {shares_of(paths, number, chance).text()} |")
    for paths in (30, 200):
        found = risks_of(Lab(NETWORK, paths, max(number // 2, 20)))
        write(f"| risk of a network | y = f(x) with noise | {paths} | {found.text()} |")


def main(divisor: int) -> None:
    write("# Coverage of intervals\n\nWritten by `python docs/interval_coverage.py > docs/coverage.md`.\n")
    write("Each interval is to cover the truth in 95 % of runs. A share is of the intervals that are printed;")
    write("where nonconv withholds some, the table says how many.")
    write("[theory.md](theory.md#where-there-is-no-interval) says when, and why.\n")
    write_intervals(max(400 // divisor, 20))
    write_others(max(1000 // divisor, 20))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
