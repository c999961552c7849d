"""What a person reads of networks: their risk, the noise of their gradient, spoiled paths, and each group of coordinates."""

from typing import Any

from nonconv.report.run import Run
from nonconv.report.tables import interval, markdown_lines
from nonconv.report.verdict_text import ANSWERS

GROUPS = ("group", "coordinates", "verdict", "twin floor", "window floor", "window floor at least")
WORDS = ("group", "verdict")
OF_PATHS = ("start", "path_mean", "last")
"""Those xi that each path has one of its own."""


def architecture(run: Run) -> str:
    """`mlp 4-16-1 relu (function data, 97 parameters)`."""
    objective, layers = run.config["objective"], run.summary["network"]["layers"]
    activation = objective.get("activation", "") if layers and len(layers) > 2 else "linear" if layers else ""
    words = [objective["name"], "-".join(map(str, layers or [])), activation]
    return f"{' '.join(filter(None, words))} ({objective['data']['name']} data, {run.summary['dim']} parameters)"


def findings(run: Run) -> list[str]:
    """What was seen, a sentence each."""
    n = run.summary["network"]
    exchanged = [_exchanged(run)] if n["units"] is None or n["units"] > 1 else []
    if not n["held_out"]:
        return ["No examples were held out, so neither a risk nor the gradient's noise was measured.", *exchanged]
    wrong = [f"Share of them taken for another class: {_course(n['wrong'], 100.0, ' %')}."] if n["wrong"] else []
    return [
        f"Risk, the mean loss of {n['held_out']} held-out examples: {_course(n['risk'])}.",
        *wrong,
        _noise(run),
        _spoiled(run),
        *exchanged,
    ]


def _course(of: dict[str, Any], factor: float = 1.0, unit: str = "") -> str:
    """`2.1 ± 0.2 at the start; observed 0.31 ± 0.02 at step 200 and 0.27 ± 0.02 at step 400`."""
    late = " and ".join(f"{_spread(row, factor, unit)} at step {row['step']}" for name in ("half", "end") if (row := of[name]))
    return f"{_spread(of['start'], factor, unit)} at the start; observed {late}"


def _spread(row: dict[str, Any], factor: float = 1.0, unit: str = "") -> str:
    scaled = {name: row[name] and factor * row[name] for name in ("value", "ci_low", "ci_high")}
    return interval(row | scaled, "value") + ("" if row["value"] is None else unit)


def _noise(run: Run) -> str:
    """A scale near the number of examples that G is of may be larger: then G is mostly these examples' own chance."""
    n, held_out = run.summary["network"]["noise"], run.summary["network"]["held_out"]
    what = "Noise scale, tr Var of one example's gradient by |G|² of the mean gradient G (McCandlish et al. 2018)"
    if n["scale"] is None:
        return f"{what}: not finite at step {n['step']}."
    near = f", of which G is known to {held_out} only" if n["scale"] > held_out / 4 else ""
    ratio = f"{n['noise']:.3g} / {n['gradient']:.3g} = {n['scale']:.3g}"
    return f"{what}: {ratio} examples{near}, observed at step {n['step']}; the batch size there was {int(run.batch_size[-1])}."


def _spoiled(run: Run) -> str:
    n, paths = run.summary["network"], run.summary["paths"]
    worse = f"Paths whose risk ended above that at their start, or not finite: {n['spoiled']['worse']} of {paths}"
    if n["idle_share"] is None:
        return f"{worse}."
    units = "hidden units" if n["units"] is None else f"{n['units']} hidden units"
    return (
        f"{worse}; dead networks, constant because all units of a layer are idle: {n['spoiled']['dead']}; "
        f"networks with idle units, which react to no held-out example: {n['spoiled']['idle']}; "
        f"of the {units} {100 * n['idle_share']:.3g} % are idle, on average over all paths."
    )


def _exchanged(run: Run) -> str:
    own = [label for label in run.errors if label in OF_PATHS]
    each = f" (ξ = {' and '.join(own)}: of each path)" if own else ""
    return (
        "Hidden units can be exchanged for each other, so paths may end in different copies of one function: "
        f"every statistic compares a path with itself{each}."
    )


def groups(run: Run) -> tuple[str, list[str], list[list[str]]]:
    """Title, header and rows of the table of groups; no rows where no floors were measured."""
    rows = [_group(name, found) for name, found in run.verdict.get("groups", {}).items()]
    title = (
        "Each group of coordinates, judged on its own "
        f"(± half the width of a 95 % interval; at least: at 95 % for all {run.floors} floors of the group at once)"
    )
    return title, list(GROUPS), rows


def _group(name: str, found: dict[str, Any]) -> list[str]:
    twin, window = (found["floors"].get(floor) for floor in ("twin", "window"))
    lower = window["lower"] if window else None
    least = "" if lower is None else f"{max(lower, 0.0):.3g}"
    return [name, str(found["coordinates"]), ANSWERS[found["verdict"]], _floor(twin), _floor(window), least]


def _floor(row: dict[str, Any] | None) -> str:
    return "" if row is None else interval(row | {"status": "not finite"}, "value")


def table(run: Run) -> str:
    """The groups as Markdown; empty where there are none."""
    title, header, rows = groups(run)
    return f"{title}:\n\n{markdown_lines(header, rows, WORDS).rstrip()}" if rows else ""


def file_list(run: Run) -> str:
    """What the network adds to the folder."""
    told = {"risk.csv": "held-out examples", "noise.csv": "the gradient's noise", "group_floors.csv": "floors of each group"}
    found = [f"`{name}` ({what})" for name, what in told.items() if (run.folder / name).exists()]
    return f" Of the network: {', '.join(found)}." if found else ""
