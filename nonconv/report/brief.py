"""What is read first of a run: the verdict, the numbers behind it, warnings.

Each fact is a label and a short text. summary.md and `-v` have the rest: tables by step, exponents, assumptions.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from nonconv.report import network_text, orbit_text, quantities_text, verdict_text
from nonconv.report.run import Run
from nonconv.report.summary import experiment, outcomes
from nonconv.report.tables import interval
from nonconv.report.verdict_text import ANSWERS

MOST_XI = 3
"""How many ξ are told."""
AT = {"minimizer": "at the minimizer", "start": "from the start", "path_mean": "at the path mean"}
"""The label of the error from a ξ whose name is not the user's."""

Fact = tuple[str, str]


class Brief(NamedTuple):
    """What is read first of a result.

    headings: each the key of a verdict and what has it. facts: pairs (label, text), the most important first.
    """

    headings: list[Fact]
    facts: list[Fact]
    warnings: list[str]


def brief(run: Run) -> Brief:
    """Say what a run found."""
    first, last = run.verdict["observed"]
    about = f"steps {first} to {last}, {run.counted_paths}{run.seeded}"
    facts = [
        *_why(run),
        *_limit(run),
        *_errors(run),
        *_bound(run),
        *_outcomes(run),
        *_orbit(run),
        *_averages(run),
        *_risk(run),
        *(("quantity", sentence.removesuffix(".")) for sentence in quantities_text.findings(run)),
        ("experiment", experiment(run)),
    ]
    return Brief([(run.verdict["verdict"], about)], facts, [f"Warning: {text}." for text in run.summary["warnings"]])


def _why(run: Run) -> Iterator[Fact]:
    """Say what the verdict rests on: the floor that bounds the error for every ξ, or the reason."""
    v = run.verdict
    floor = _least(run) if v["verdict"] == "does_not_converge" else None
    yield floor or ("why", _reason(v))
    if v["decides"]:
        yield "to decide", v["decides"]
    if v["theory"]:
        yield "in theory", v["theory"]


def _least(run: Run) -> Fact | None:
    """Return the largest lower bound of the error that holds for every ξ; None if there is none above 0."""
    lowers = {name: row["lower"] or 0.0 for name, row in run.verdict["floors"].items()}
    # A twin floor bounds fewer ξ than the others.
    name = max(("window", "cauchy"), key=lambda name: lowers.get(name, 0.0))
    name = name if lowers.get(name, 0.0) > 0 else "twin"
    if lowers.get(name, 0.0) <= 0:
        return None
    row = run.verdict["floors"][name]
    known = f"known at step {row['step'] - row['lag']}: " if name == "twin" else ""
    over = f"averaged over steps {row['first']} to {row['step']}"
    return "for every ξ", f"{known}E|Θ − ξ|² {over} is at least {_rounded_down(row['lower'])} (95 %, all floors at once)"


def _rounded_down(bound: float) -> str:
    """Write a lower bound > 0 to three digits, so that the number is one as well."""
    unit = 10.0 ** (math.floor(math.log10(bound)) - 2)
    return f"{math.floor(bound / unit * (1 + 1e-12)) * unit:.3g}"


def _reason(verdict: dict[str, Any]) -> str:
    """Return why a verdict is given; of floors that all fall their slopes in short."""
    known, floors = verdict["limit"]["reasons"], [at for name, (_, at) in _states(verdict) if name != "one_step"]
    if verdict["verdict"] != "converges" or not (known and floors) or any(at["state"] != "falls" for at in floors):
        return str(verdict["reason"])
    slopes = sorted(at["slope"] for at in floors)
    between = f"{slopes[0]:.2f}" if len(slopes) == 1 else f"{slopes[0]:.2f} to {slopes[-1]:.2f}"
    return f"{' and '.join(known)}, and all floors fall (log-log slope {between})"


def _states(verdict: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return what each floor did over the last doubling and over the last two."""
    return [(name, found) for name, found in verdict["states"].items() if len(found) == 2]


def _limit(run: Run) -> Iterator[Fact]:
    """Say what a converging run seems to converge to."""
    found = verdict_text.find_limits(run)
    if found.nearest:
        or_else = [f"{label}{verdict_text.point(run, label)}" for label in (found.nearest, *found.rivals)]
        yield "limit", " or ".join(or_else)
    for label in () if found.nearest else found.standing:
        yield "limit", f"not {label}{verdict_text.point(run, label)}: that error stays up"


def _errors(run: Run) -> Iterator[Fact]:
    """Say what the error from each of the first few ξ is at the end; not from the last iterate, from which it is 0."""
    rows = [row for row in run.summary["errors"] if row["step"] == run.summary["steps"] and row["xi"] != "last"]
    for row in rows[:MOST_XI]:
        exact = "" if row["theory"] is None else f" (exact: {row['theory']:.4g})"
        yield AT.get(row["xi"], f"at ξ = {row['xi']}"), f"{_error(row)}{exact}"


def _error(row: dict[str, Any]) -> str:
    """Write the error at a step: `E|Θ − ξ|² = 0.0210 ± 0.0009 at step 20000`."""
    return f"E|Θ − ξ|²{':' if row['mse'] is None else ' ='} {interval(row)} at step {row['step']}"


def _bound(run: Run) -> Iterator[Fact]:
    """Say whether paths kept the a priori bound."""
    found = run.verdict["bound"]
    if found:
        kept, every = found["paths"] - found["violations"], found["violations"] == 0
        by = "every path" if every else f"{kept} of {run.counted_paths}"
        yield "a priori bound", f"[{found['low']:.4g}, {found['high']:.4g}], held by {by}"


def _outcomes(run: Run) -> Iterator[Fact]:
    """Say how paths ended, where not all of them are finite or a domain has ends."""
    if run.summary["outcomes"]["finite"] != run.summary["paths"] or run.summary.get("domain"):
        yield "paths", outcomes(run).removesuffix(".")


def _orbit(run: Run) -> Iterator[Fact]:
    """Say whether a counterexample's path stayed on its knots."""
    if "counterexample" in run.summary:
        yield "on the knots", orbit_text.slopes_met(run).removesuffix(".")


def _averages(run: Run) -> Iterator[Fact]:
    """Say of each iterate besides the last what its verdict is, and its error from the first ξ at the end."""
    for other in run.others:
        rows = [row for row in other.summary["errors"] if row["step"] == run.summary["steps"] and row["xi"] != "last"]
        error = f"; {AT.get(rows[0]['xi'], rows[0]['xi'])} {_error(rows[0])}" if rows else ""
        yield other.iterate, f"{ANSWERS[other.verdict['verdict']]}{error}"


def _risk(run: Run) -> Iterator[Fact]:
    """Say what the loss of a network on held-out examples was in the course of the run."""
    if run.summary.get("network", {}).get("held_out"):
        yield "held-out loss", network_text.risk_course(run)
