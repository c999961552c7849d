"""Networks in sentences: risk, gradient noise, degraded paths; and a table of the groups of coordinates."""

from typing import Any

from nonconv.report.run import Run
from nonconv.report.tables import interval, markdown_lines
from nonconv.report.verdict_text import ANSWERS

GROUPS = ("group", "coordinates", "verdict", "twin floor", "window floor", "window floor, lower bound")
"""The header of the table of groups."""
WORDS = ("group", "verdict")
"""The columns of words, which are aligned to the left."""
OF_PATHS = ("start", "path_mean", "last")
"""The xi that differ from path to path."""


def architecture(run: Run) -> str:
    """Describe the network: `mlp 4-16-1 relu (function data, 97 parameters)`; of a linear model the loss as well."""
    objective, layers = run.config["objective"], run.summary["network"]["layers"]
    activation = objective.get("activation", "") if layers and len(layers) > 2 else "linear" if layers else ""
    kind = objective["loss"] if objective["name"] == "linear_model" else activation
    words = [objective["name"], "-".join(map(str, layers or [])), kind]
    return f"{' '.join(filter(None, words))} ({objective['data']['name']} data, {run.summary['dim']} parameters)"


def findings(run: Run) -> list[str]:
    """List the findings, one sentence each.

    They are about risk, misclassified examples, gradient noise, degraded paths and exchangeable units.
    """
    n = run.summary["network"]
    # Only of a fully connected network it is known that its units are alike.
    alike = run.config["objective"]["name"] == "mlp" and (n["units"] is None or n["units"] > 1)
    exchanged = [_exchangeable_units(run)] if alike else []
    if not n["held_out"]:
        return ["Risk and gradient noise were not measured, since no examples are held out.", *exchanged]
    loss = n.get("training_loss")
    wrong = [f"Share of misclassified examples: {_risk_course(n['wrong'], 100.0, ' %')}."] if n["wrong"] else []
    return [
        f"Risk (mean loss of {n['held_out']} held-out examples): {risk_course(run)}.",
        *([f"Training loss (mean over {loss['rows']} rows): {_risk_course(loss)}."] if loss else []),
        *wrong,
        _noise(run),
        _degraded(run),
        *exchanged,
    ]


def risk_course(run: Run) -> str:
    """Write what the risk was in the course of a run with held-out examples."""
    return _risk_course(run.summary["network"]["risk"])


def _risk_course(of: dict[str, Any], factor: float = 1.0, unit: str = "") -> str:
    """Write `2.1 ± 0.2 at the start, 0.31 ± 0.02 at step 200, 0.27 ± 0.02 at step 400`."""
    late = (f"{_spread(row, factor, unit)} at step {row['step']}" for name in ("half", "end") if (row := of[name]))
    return ", ".join([f"{_spread(of['start'], factor, unit)} at the start", *late])


def _spread(row: dict[str, Any], factor: float = 1.0, unit: str = "") -> str:
    """Write a number with half its interval, scaled, and its unit."""
    scaled = {name: row[name] and factor * row[name] for name in ("value", "ci_low", "ci_high")}
    return interval(row | scaled, "value") + ("" if row["value"] is None else unit)


def _noise(run: Run) -> str:
    """Write the sentence about the noise of the gradient."""
    n, held_out = run.summary["network"]["noise"], run.summary["network"]["held_out"]
    what = f"Gradient noise scale tr Var(g) / |G|² (McCandlish et al. 2018) at step {n['step']}"
    if any(n[name] is None for name in ("scale", "noise", "gradient")):
        return f"{what}: not finite."
    # G is a mean over the held-out examples: where the scale is near their number, G itself is mostly sampling error.
    near = f" The true scale may be larger: only {held_out} held-out examples estimate G." if n["scale"] > held_out / 4 else ""
    ratio = f"{n['noise']:.3g} / {n['gradient']:.3g} = {n['scale']:.3g}"
    return f"{what}: {ratio} examples; the batch size is {int(run.batch_size[-1])}.{near}"


def _degraded(run: Run) -> str:
    """Write the sentence about paths whose risk rose, and about networks with idle units."""
    n, paths = run.summary["network"], run.summary["paths"]
    worse = f"Paths whose final risk is above their first, or not finite: {n['spoiled']['worse']} of {paths}."
    if n["idle_share"] is None:
        return worse
    units = "hidden units" if n["units"] is None else f"{n['units']} hidden units"
    return (
        f"{worse} Networks with idle units (active on no held-out example): {n['spoiled']['idle']}; "
        f"with an idle layer, hence constant: {n['spoiled']['dead']}. "
        f"Idle on average over all paths: {100 * n['idle_share']:.3g} % of the {units}."
    )


def _exchangeable_units(run: Run) -> str:
    """Write the sentence about hidden units that can be exchanged, since a mean over paths could mix them."""
    own = [label for label in run.errors if label in OF_PATHS]
    each = f" (ξ = {' and '.join(own)}: one per path)" if own else ""
    return (
        "Hidden units are exchangeable, so paths may end in different copies of one function. "
        f"Every statistic compares a path with itself{each}."
    )


def groups(run: Run) -> tuple[str, list[str], list[list[str]]]:
    """Return title, header and rows of the table of groups; no rows if no floors were measured."""
    rows = [_group(name, found) for name, found in run.verdict.get("groups", {}).items()]
    title = (
        "Verdict per group of coordinates (± half the width of a 95 % interval; "
        f"lower bounds hold at 95 % for all {run.floors} floors of a group at once)"
    )
    return title, list(GROUPS), rows


def _group(name: str, found: dict[str, Any]) -> list[str]:
    """Return the row of one group."""
    twin, window = (found["floors"].get(floor) for floor in ("twin", "window"))
    lower = window["lower"] if window else None
    least = "" if lower is None else f"{max(lower, 0.0):.3g}"
    return [name, str(found["coordinates"]), ANSWERS[found["verdict"]], _floor_text(twin), _floor_text(window), least]


def _floor_text(row: dict[str, Any] | None) -> str:
    """Write a floor with half its interval; empty if it was not measured."""
    return "" if row is None else interval(row | {"status": "not finite"}, "value")


def table(run: Run) -> str:
    """Write the table of groups as Markdown; empty if there are none."""
    title, header, rows = groups(run)
    return f"{title}:\n\n{markdown_lines(header, rows, WORDS).rstrip()}" if rows else ""


def file_list(run: Run) -> str:
    """List the files that a network adds to the folder, as a sentence of summary.md."""
    contents = {"risk.csv": "held-out examples", "noise.csv": "gradient noise", "group_floors.csv": "floors per group"}
    found = [f"`{name}` ({what})" for name, what in contents.items() if (run.folder / name).exists()]
    return f" Network: {', '.join(found)}." if found else ""
