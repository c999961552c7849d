"""The verdict and the floors in sentences that can be quoted."""

from typing import Any

from nonconv.engine.plan import WINDOW_STEPS
from nonconv.report.run import Run
from nonconv.statistics.verdict import SLOWEST_FALL

ANSWERS = {
    "does_not_converge": "does not converge",
    "converges": "converges",
    "diverges": "diverges",
    "undecided": "undecided",
}
HOLDS = {
    "window": "Whatever random variable ξ is, E|Θ − ξ|² averaged over {count} equidistant steps from {first} to {last}",
    "cauchy": "Whatever random variable ξ is, E|Θ − ξ|² averaged over pairs of steps {lag} apart up to {last}",
    "twin": "Whatever ξ is, known after {start} steps, E|Θ − ξ|² averaged over the last half of steps {first} to {last}",
}
"""What each floor bounds. A twin speaks of every xi only as its branch goes to infinity (docs/theory.md)."""


def verdict(run: Run) -> str:
    """`does not converge, observed on steps 2500 to 20000: ...`."""
    v = run.verdict
    return f"{ANSWERS[v['verdict']]}, observed on steps {v['observed'][0]} to {v['observed'][1]}: {v['reason']}."


def floors(run: Run) -> list[str]:
    """A sentence for each floor of the last span that is not exactly zero."""
    return [_floor(run, HOLDS[name], row) for name in HOLDS if (row := run.verdict["floors"].get(name)) and row["value"]]


def _floor(run: Run, holds: str, row: dict[str, Any]) -> str:
    start, last = row["step"] - row["lag"], row["step"]
    what = holds.format(start=start, first=start + 1, last=last, lag=row["lag"], count=min(WINDOW_STEPS, row["lag"]))
    low = row["lower"]
    if low is None:
        return f"{what} was {row['value']:.4g}."
    if low <= 0:
        return f"{what} could not be told from 0 (estimate {row['value']:.3g})."
    return f"{what} was at least {low:.3g} (estimate {row['value']:.4g}; at 95 % for all {run.floors} floors at once)."


def limits(run: Run) -> list[str]:
    """Where a converging run seems to go: each fixed xi whose error falls, and each whose error does not."""
    slopes = {label: run.verdict["slopes"].get(f"error: {label}") for label in run.summary["xi_points"]}
    if run.verdict["verdict"] != "converges":
        return []
    first, last = run.verdict["observed"]
    told = []
    for label, slope in slopes.items():
        if not slope or slope["ci_low"] <= -SLOWEST_FALL <= slope["ci_high"]:
            continue
        verb, how = ("is", "falls") if slope["ci_high"] < -SLOWEST_FALL else ("is not", "stands")
        what = f"{label}{_point(run, label)}: E|Θ − {label}|² {how}, exponent {slope['value']:.3f}."
        told.append(f"The limit, observed on steps {first} to {last}, {verb} {what}")
    return told


def _point(run: Run, label: str) -> str:
    point = run.summary["xi_points"][label]
    return f" = {point[0]:.6g}" if len(point) == 1 else ""


def bound(run: Run) -> str:
    """Whether paths kept the a priori bound; empty where there is none."""
    found: dict[str, Any] | None = run.verdict["bound"]
    if found is None:
        return ""
    kept, interval = found["paths"] - found["violations"], f"[{found['low']:.4g}, {found['high']:.4g}]"
    numbers = ", as long as they were numbers" if run.summary["outcomes"]["nan"] else ""
    return f"The a priori bound, {interval} or the start, held at every step of {kept} of {found['paths']} paths{numbers}."
