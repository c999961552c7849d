"""The verdict and the floors in sentences that can be quoted.

Each says what it was observed on: steps, and the number of paths or a confidence level.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from nonconv.report.run import Run
from nonconv.statistics.floors import ROUNDING_VARIANCE
from nonconv.statistics.verdict import SLOWEST_FALL
from nonconv.system.words import count

ANSWERS = {
    "does_not_converge": "does not converge",
    "converges": "converges",
    "diverges": "diverges",
    "undefined": "undefined",
    "undecided": "undecided",
}
"""Each verdict key of verdict.json, for people."""
FLOORS = {
    "window": ("Window floor", "for every ξ", "steps {first} to {last}"),
    "cauchy": ("Cauchy floor", "for every ξ", "steps {first} to {last}, compared in pairs {lag} steps apart"),
    "twin": ("Twin floor", "for every ξ known after step {start}", "steps {first} to {last}"),
}
"""Per floor: its name, the ξ that it bounds, and what it is averaged over.

A twin floor holds for every ξ only as its branch goes to infinity (docs/theory.md).
"""


def verdict(run: Run) -> str:
    """Write the verdict: `does not converge, observed on steps 2500 to 20000: ...`."""
    v = run.verdict
    advice = f"; {v['decides']}" if v["decides"] else ""
    theory = f" In theory {v['theory']}." if v["theory"] else ""
    return (
        f"{ANSWERS[v['verdict']]}, observed on steps {v['observed'][0]} to {v['observed'][1]}: {v['reason']}{advice}.{theory}"
    )


def floors(run: Run) -> list[str]:
    """Write a sentence for each floor of the last span that is not exactly zero, and one on how their bounds hold together."""
    lowers = [row["lower"] for row in _floors(run).values()]
    bounded = any(lower is not None and lower > 0 for lower in lowers)
    together = [f"These lower bounds hold for all {run.floors} floors at once, at 95 %."] if bounded else []
    return [*each_floor(run), *together]


def each_floor(run: Run) -> list[str]:
    """Write a sentence for each floor of the last span that is not exactly zero."""
    return [_floor(name, row) for name, row in _floors(run).items()]


def _floors(run: Run) -> dict[str, dict[str, Any]]:
    """Return the floors of the last span that are not exactly zero, by name."""
    return {name: row for name in FLOORS if (row := run.verdict["floors"].get(name)) and row["value"]}


def _floor(name: str, row: dict[str, Any]) -> str:
    """Write the sentence about one floor."""
    places = {"start": row["step"] - row["lag"], "first": row["first"], "last": row["step"], "lag": row["lag"]}
    floor, which, where = (text.format(**places) for text in FLOORS[name])
    low, value = row["lower"], row["value"]
    if low is None:
        return f"{floor}: {value:.4g} (no interval), averaged over {where}."
    # A floor is a mean of squares, so a bound of 0 or less says nothing.
    if low <= 0:
        return f"{floor}: not distinguishable from 0 (estimate {value:.3g}), averaged over {where}."
    return f"{floor}: {which}, E|Θ − ξ|² was at least {low:.4g} (estimate {value:.4g}), averaged over {where}."


def settling(run: Run) -> list[str]:
    """Say that the noise of one step still changes relative to the rule's own scale, where it does on both doublings."""
    seen = run.verdict["states"].get("one_step", [])
    still = [at for at in seen if at["state"] in ("falls", "grows") and abs(at["slope"]) > SLOWEST_FALL]
    # Where noise vanishes at the limit its fall is what the verdict says.
    if len(still) < 2 or run.verdict["limit"]["noise"] in ("none", "vanishes") or _has_phases(run):
        return []
    late, _ = seen
    return [
        f"The noise of one step, relative to what the learning rate makes of it, still {late['state']} "
        f"(log-log slope {late['slope']:.3f}): something in the optimizer or the objective still settles."
    ]


def _has_phases(run: Run) -> bool:
    """Return whether the noise of one step depends on its place in a batch's block or in a pass, besides the rule's scale."""
    data = run.config["objective"].get("data", {})
    return (data.get("hold") or 1) > 1 or (data.get("order") or "with_replacement") != "with_replacement"


def medians(run: Run) -> list[str]:
    """Say what the typical path does where few paths carry the means, so that mean square and median may differ."""
    few = any(_few(at) for floor in run.verdict["states"].values() for at in floor)
    if run.verdict["verdict"] != "undecided" or not (few or "infinite" in run.verdict):
        return []
    told = [
        (label, of)
        for label, of in run.verdict["medians"].items()
        if of["course"] != "unclear" and label != "last" and of["first"] != of["last"]
    ]
    return [
        f"Median of |Θ − {label}|: {of['first']:.3g} at step {of['first_step']}, {of['last']:.3g} at step {of['last_step']}. "
        f"It {of['course']}, whatever the mean square does."
        for label, of in told
        if None not in (of["first"], of["last"])
    ]


def _few(at: dict[str, Any]) -> bool:
    """Return whether a floor shows nothing of the mean: it is 0, has no interval, or few paths carry it."""
    if at["state"] == "vanished":
        return True
    return at["state"] == "unclear" and (at["low"] is None or at["high"] < 0 or at["low"] > -SLOWEST_FALL)


class Limits(NamedTuple):
    """What a converging run tells of the fixed ξ, by label.

    nearest: the limit as far as is seen; None if no error falls or is 0. rivals: those that may be the limit as well.
    standing: those that are not. reached: those from which the error is 0 up to rounding.
    """

    nearest: str | None
    rivals: list[str]
    standing: list[str]
    reached: list[str]


def find_limits(run: Run) -> Limits:
    """Find which of the fixed ξ a converging run seems to converge to; of another run nothing is told."""
    if run.verdict["verdict"] != "converges":
        return Limits(None, [], [], [])
    reached = [label for label in _fixed(run) if _is_reached(run, label)]
    falling = [*reached, *(label for label in _fixed(run) if _slope(run, label)["ci_high"] < -SLOWEST_FALL)]
    standing = [label for label in _fixed(run) if _slope(run, label)["ci_low"] > -SLOWEST_FALL and _is_away(run, label)]
    nearest = min(falling, key=lambda label: _last_error(run, label).high, default=None)
    # A point whose error stays up was passed on the way, however near it is.
    others = [label for label in _fixed(run) if label != nearest and label not in standing]
    rivals = [label for label in others if nearest and not _is_apart(run, nearest, label)]
    return Limits(nearest, rivals, standing, reached)


def limits(run: Run) -> list[str]:
    """Say what a converging run seems to converge to: which of the fixed ξ is the limit, and which are not.

    At most one can be: nothing is said of those that are too close together for the error that is left.
    """
    nearest, rivals, standing, reached = find_limits(run)
    found = [_limit(run, label, "is not", "stays up") for label in standing]
    if nearest and not rivals:
        return [_limit(run, nearest, "is", "is 0 up to rounding" if nearest in reached else "decreases"), *found]
    if nearest:
        any_of = " or ".join(f"{label}{point(run, label)}" for label in (nearest, *rivals))
        return [f"The limit may be {any_of}: the error that is left does not tell them apart.", *found]
    return found


class _Error(NamedTuple):
    """E|Θ − ξ|² at the last step with its interval."""

    low: float
    high: float


def _fixed(run: Run) -> list[str]:
    """Return the labels of the fixed ξ whose slope is known."""
    return [label for label in run.summary["xi_points"] if f"error: {label}" in run.verdict["slopes"]]


def _slope(run: Run, label: str) -> dict[str, float]:
    """Return the log-log slope of the error from a ξ, as verdict.json has it."""
    slope: dict[str, float] = run.verdict["slopes"][f"error: {label}"]
    return slope


def _last_error(run: Run, label: str) -> _Error:
    """Return the interval of the error from a ξ at the last step; the error itself where there is none."""
    errors = run.errors[label]
    ends = (float(errors.ci_low[-1]), float(errors.ci_high[-1]))
    return _Error(*(float(errors.mse[-1]) if math.isnan(end) else end for end in ends))


def _is_away(run: Run, label: str) -> bool:
    """Return whether the error from a ξ is more than the rounding error of the iterates."""
    size = float(np.square(run.summary["xi_points"][label]).sum())
    return _last_error(run, label).low > ROUNDING_VARIANCE * size


def _is_reached(run: Run, label: str) -> bool:
    """Return whether the error from a ξ is the square of a rounding error, whichever coordinate it is in."""
    smallest = float(np.square(run.summary["xi_points"][label]).min())
    return _last_error(run, label).high <= ROUNDING_VARIANCE * smallest


def _is_apart(run: Run, a: str, b: str) -> bool:
    """Return whether two ξ are further apart than twice the root of the error from the first, so that only one is the limit."""
    points = [np.array(run.summary["xi_points"][label]) for label in (a, b)]
    return float(np.square(points[0] - points[1]).sum()) > 4.0 * _last_error(run, a).high


def _limit(run: Run, label: str, verb: str, trend: str) -> str:
    """Write the sentence about one ξ: whether it is the limit, and what its error does."""
    first, last = run.verdict["observed"]
    why = f"E|Θ − {label}|² {trend} (log-log slope {_slope(run, label)['value']:.3f})"
    return f"The limit, observed on steps {first} to {last}, {verb} {label}{point(run, label)}: {why}."


def point(run: Run, label: str) -> str:
    """Write the point of a ξ on the line; empty in more dimensions, and where the label is the point."""
    point = run.summary["xi_points"][label]
    return f" = {point[0]:.6g}" if len(point) == 1 and label not in (f"{point[0]:.17g}", f"{point[0]:g}") else ""


def bound(run: Run) -> str:
    """Write how many paths kept the a priori bound; empty where none is known."""
    found: dict[str, Any] | None = run.verdict["bound"]
    if found is None:
        return ""
    kept, interval = found["paths"] - found["violations"], f"[{found['low']:.4g}, {found['high']:.4g}]"
    outcomes = run.summary["outcomes"]
    ended = [what for name, what in (("undefined", "undefined"), ("overflow", "infinite")) if outcomes[name]]
    finite = f", until they became {' or '.join(ended)}" if ended else ""
    by = f"{kept} of {count(found['paths'], 'path')}"
    return f"A priori bound {interval}, extended to the start: kept at every step by {by}{finite}."
