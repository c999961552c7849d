"""Toint's counterexample in sentences, and the first path beside its orbit."""

from typing import Any

from nonconv.report.run import Run
from nonconv.report.tables import markdown_lines
from nonconv.results.columns import read_columns
from nonconv.system.words import count

COLUMNS = (("theta", "θₙ"), ("f", "f(θₙ)"), ("slope", "f'(θₙ)"))
HEADER = (
    ("step", "step"),
    ("orbit", "orbit xₙ"),
    ("off_line", "xₙ/(n x₁) − 1"),
    ("lipschitz", "Lipschitz"),
    *((f"{name}_{knots}", f"{letter}, {knots} knots") for knots in ("exact", "uniform") for name, letter in COLUMNS),
)

FILES = " Counterexample: `orbit.csv` (the first path), `slopes.csv`, `outcomes.csv` (every path), `objective.csv` (curves)."


def findings(run: Run) -> list[str]:
    """List the findings, one sentence each.

    They are about the knots, the slopes that the steps met, and the paths that escaped or were caught.
    """
    c = run.summary["counterexample"]
    spacing, pace = c["spacing"], c["orbit"]["per_step"]
    equal = spacing["max"] - spacing["min"] <= 1e-6 * spacing["max"]
    apart = f"{spacing['max']:.6g}" if equal else f"{spacing['min']:.4g} to {spacing['max']:.4g}"
    constant = "a Lipschitz constant beyond the range of doubles"
    if c["lipschitz"] is not None:
        constant = f"the Lipschitz constant {c['lipschitz']:.6g}"
    return [
        f"Knots: {c['knots']}, {c['why']}.",
        f"Distance between knots: {apart}, so f' has {constant}.",
        *_companion(c),
        slopes_met(run),
        _escaped(run, c["escaped"]),
        *([f"Speed per step of the escaped paths: {_spread(c['speed'])}; of the orbit: {pace:.6g}."] if c["speed"] else []),
        *([f"The other paths were caught, at step {_spread(c['caught_step'])}."] if c["caught_step"] else []),
    ]


def _companion(c: dict[str, Any]) -> list[str]:
    """Say where uniform knots, which the run is shown beside, are further apart than usual."""
    if "companion" not in c:
        return []
    apart = f"{c['companion']['spacing']:.4g}"
    return [f"The uniform knots that it is shown beside are {apart} apart: a first step apart, they would be too many."]


def slopes_met(run: Run) -> str:
    """Write the sentence about the slopes: exact at all steps, or until the first other one."""
    scale, slopes = (run.summary["counterexample"][name] for name in ("scale", "slopes"))
    paths = "the recorded path" if slopes["paths"] == 1 else f"{slopes['paths']} recorded paths"
    if slopes["exact"] == slopes["steps"]:
        return f"The slope was exactly {-scale:g} at all {count(slopes['steps'], 'step')} of {paths}."
    return (
        f"The slope was exactly {-scale:g} at {slopes['exact']} of {count(slopes['steps'], 'step')} of {paths}; "
        f"the first other slope was met at step {slopes['first_other']}."
    )


def _escaped(run: Run, share: dict[str, Any]) -> str:
    """Write the sentence about the share of escaped paths."""
    interval = "" if share["ci_low"] is None else f" (95 % interval {share['ci_low']:.3g} to {share['ci_high']:.3g})"
    return f"Share of paths that escaped within {count(run.summary['steps'], 'step')}: {share['value']:.3g}{interval}."


def table(run: Run) -> str:
    """Write the first path at the steps that the summary shows, on exact and on uniform knots, as Markdown."""
    shown = {row["step"] for row in run.summary["errors"]}
    rows = [row for row in read_columns(run.folder / "orbit.csv").records() if int(row["step"]) in shown]
    text = [[row["step"], *(f"{float(row[name]):.6g}" for name, _ in HEADER[1:])] for row in rows]
    return "The first path:\n\n" + markdown_lines([name for _, name in HEADER], text).rstrip()


def _spread(of: dict[str, float | None]) -> str:
    """`33` if all are alike, otherwise `33 in the median (1 to 2452)`."""
    low, middle, high = ("∞" if of[name] is None else f"{of[name]:.6g}" for name in ("min", "median", "max"))
    return middle if low == high else f"{middle} in the median ({low} to {high})"
