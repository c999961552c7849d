"""The verdict and the floors in sentences that can be quoted.

Each says what it was observed on: steps, and the number of paths or a confidence level.
"""

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
"""Each verdict key of verdict.json, for people."""
FLOORS = {
    "window": ("Window floor", "for every ξ", "{count} evenly spaced steps from {first} to {last}"),
    "cauchy": ("Cauchy floor", "for every ξ", "pairs of steps {lag} apart up to {last}"),
    "twin": ("Twin floor", "for every ξ known after step {start}", "the last half of steps {first} to {last}"),
}
"""Per floor: its name, the ξ that it bounds, and what it is averaged over.

A twin floor holds for every ξ only as its branch goes to infinity (docs/theory.md).
"""


def verdict(run: Run) -> str:
    """Write the verdict: `does not converge, observed on steps 2500 to 20000: ...`."""
    v = run.verdict
    return f"{ANSWERS[v['verdict']]}, observed on steps {v['observed'][0]} to {v['observed'][1]}: {v['reason']}."


def floors(run: Run) -> list[str]:
    """Write a sentence for each floor of the last span that is not exactly zero, and one on how their bounds hold together."""
    rows = {name: row for name in FLOORS if (row := run.verdict["floors"].get(name)) and row["value"]}
    bounded = any(row["lower"] is not None and row["lower"] > 0 for row in rows.values())
    together = [f"These lower bounds hold for all {run.floors} floors at once, at 95 %."] if bounded else []
    return [*(_floor(name, row) for name, row in rows.items()), *together]


def _floor(name: str, row: dict[str, Any]) -> str:
    """Write the sentence about one floor."""
    start, last, lag = row["step"] - row["lag"], row["step"], row["lag"]
    places = {"start": start, "first": start + 1, "last": last, "lag": lag, "count": min(WINDOW_STEPS, lag)}
    floor, which, where = (text.format(**places) for text in FLOORS[name])
    low, value = row["lower"], row["value"]
    if low is None:
        return f"{floor}: {value:.4g} (no interval), averaged over {where}."
    # A floor is a mean of squares, so a bound of 0 or less says nothing.
    if low <= 0:
        return f"{floor}: not distinguishable from 0 (estimate {value:.3g}), averaged over {where}."
    return f"{floor}: {which}, E|Θ − ξ|² was at least {low:.3g} (estimate {value:.4g}), averaged over {where}."


def limits(run: Run) -> list[str]:
    """Say what a converging run seems to converge to.

    One sentence for each fixed ξ whose error decreases, and each whose error stays up.
    """
    slopes = {label: run.verdict["slopes"].get(f"error: {label}") for label in run.summary["xi_points"]}
    if run.verdict["verdict"] != "converges":
        return []
    first, last = run.verdict["observed"]
    found = []
    for label, slope in slopes.items():
        if not slope or slope["ci_low"] <= -SLOWEST_FALL <= slope["ci_high"]:
            continue
        verb, trend = ("is", "decreases") if slope["ci_high"] < -SLOWEST_FALL else ("is not", "stays up")
        why = f"E|Θ − {label}|² {trend} (log-log slope {slope['value']:.3f})"
        found.append(f"The limit, observed on steps {first} to {last}, {verb} {label}{_point(run, label)}: {why}.")
    return found


def _point(run: Run, label: str) -> str:
    """Write the point of a ξ on the line; empty in more dimensions."""
    point = run.summary["xi_points"][label]
    return f" = {point[0]:.6g}" if len(point) == 1 else ""


def bound(run: Run) -> str:
    """Write how many paths kept the a priori bound; empty where none is known."""
    found: dict[str, Any] | None = run.verdict["bound"]
    if found is None:
        return ""
    kept, interval = found["paths"] - found["violations"], f"[{found['low']:.4g}, {found['high']:.4g}]"
    outcomes = run.summary["outcomes"]
    ended = [what for name, what in (("nan", "0/0"), ("overflow", "infinite")) if outcomes[name]]
    finite = f", until they became {' or '.join(ended)}" if ended else ""
    return f"A priori bound {interval}, extended to the start: kept at every step by {kept} of {found['paths']} paths{finite}."
