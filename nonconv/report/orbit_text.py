"""What a person reads of Toint's counterexample: sentences, and the first path beside its orbit."""

from nonconv.report.run import Run
from nonconv.report.tables import markdown_lines
from nonconv.results.columns import read_columns

COLUMNS = (("theta", "θₙ"), ("f", "f(θₙ)"), ("slope", "f'(θₙ)"))
HEADER = (
    ("step", "step"),
    ("orbit", "orbit xₙ"),
    ("off_line", "xₙ/(n x₁) − 1"),
    ("lipschitz", "6/min s"),
    *((f"{name}_{knots}", f"{letter}, {knots} knots") for knots in ("exact", "uniform") for name, letter in COLUMNS),
)

FILES = (
    " Of the counterexample: `orbit.csv` (the first path), `slopes.csv`, `outcomes.csv` (each path), `objective.csv` (curves)."
)


def findings(run: Run) -> list[str]:
    """What was seen, a sentence each."""
    c = run.summary["counterexample"]
    slopes, spacing, whole = c["slopes"], c["spacing"], c["escaped"]
    equal = spacing["max"] - spacing["min"] <= 1e-6 * spacing["max"]
    apart = f"{spacing['max']:.6g}" if equal else f"{spacing['min']:.4g} to {spacing['max']:.4g}"
    recorded = "the recorded path" if slopes["paths"] == 1 else f"{slopes['paths']} recorded paths"
    steps = f"{slopes['steps']} steps of {recorded}"
    met = (
        f"The slope was exactly {-c['scale']:g} at each of {steps}."
        if slopes["exact"] == slopes["steps"]
        else f"The slope was exactly {-c['scale']:g} at {slopes['exact']} of {steps}; "
        f"the first other one was met by step {slopes['first_other']}."
    )
    interval = "" if whole["ci_low"] is None else f" (95 % interval {whole['ci_low']:.3g} to {whole['ci_high']:.3g})"
    return [
        f"Knots: {c['knots']}; {c['why']}. They are {apart} apart, so the Lipschitz constant of f' is {c['lipschitz']:.6g}.",
        met,
        f"Share of paths that escaped, observed on {run.summary['steps']} steps: {whole['value']:.3g}{interval}"
        + (f", at {_spread(c['speed'])} a step; the orbit makes {c['orbit']['per_step']:.6g}" if c["speed"] else "")
        + (f"; the others were caught at step {_spread(c['caught_step'])}" if c["caught_step"] else "")
        + ".",
    ]


def table(run: Run) -> str:
    """The first path of a counterexample at the steps the summary shows."""
    shown = {row["step"] for row in run.summary["errors"]}
    rows = [row for row in read_columns(run.folder / "orbit.csv").records() if int(row["step"]) in shown]
    text = [[row["step"], *(f"{float(row[name]):.6g}" for name, _ in HEADER[1:])] for row in rows]
    return "The first path:\n\n" + markdown_lines([name for _, name in HEADER], text).rstrip()


def _spread(of: dict[str, float]) -> str:
    if of["min"] == of["max"]:
        return f"{of['median']:.6g}"
    return f"{of['median']:.6g} ({of['min']:.6g} to {of['max']:.6g})"
