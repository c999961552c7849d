"""summary.md of a run: what a person reads first.

Claim, setting, verdict, findings, table, figures. The terminal prints the same sentences. No sentence claims anything
beyond the steps that were observed, and every measured number has its interval.
"""

from typing import Any

from nonconv.report import logged_text, network_text, orbit_text, quantities_text, verdict_text
from nonconv.report.figures.catalogue import figure_names
from nonconv.report.figures_text import images
from nonconv.report.logged_text import is_logged
from nonconv.report.markup import markdown_text
from nonconv.report.run import Run
from nonconv.report.tables import interval, iterate_rows, markdown_lines
from nonconv.report.tables import markdown as markdown_table
from nonconv.results.csv_text import INFINITE
from nonconv.system.words import count

LONGEST_FORMULA = 60
"""Characters of a formula, and of its constants, in a sentence."""
MOST_MINIMA = 4
"""Coordinates whose minima are told."""


def markdown(run: Run) -> str:
    """Write summary.md of a run: the claim, the setting, the verdict, the findings, the table of errors, the figures."""
    s = run.summary
    parts = [
        f"# {markdown_text(s['name'])}",
        f"**Claim.** {markdown_text(s['claim'])}" if s["claim"] else "",
        f"**Measured.** {markdown_text(setting(run))}",
        f"**Verdict.** {markdown_text(verdict_text.verdict(run))}",
        *(f"**{markdown_text(title)}.** {markdown_text(said)}" for title, said in verdicts_on_iterates(run)),
        "\n".join(f"- {markdown_text(sentence)}" for sentence in findings(run)),
        "E|Θₙ − ξ|² ± half the width of its 95 % interval:",
        markdown_table(run).rstrip(),
        _iterates_table(run),
        orbit_text.table(run) if "counterexample" in s else "",
        network_text.table(run) if "network" in s else "",
        quantities_text.table(run),
        *images(run.folder, figure_names(run.folder)),
        "Files: `error.csv` (all recorded steps), `floors.csv`, `verdict.json`, `paths.npz` (paths and quantiles), "
        + ("`config.yaml` (what was declared)." if is_logged(run) else "`config.yaml` (reproduces this folder).")
        + (orbit_text.FILES if "counterexample" in s else "")
        + (network_text.file_list(run) if "network" in s else "")
        + quantities_text.file_list(run),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def setting(run: Run) -> str:
    """Describe a run: `4096 paths of 20000 steps: adam on quadratic (two_point data, dim 1), learning rate 0.05, ...`."""
    return f"{run.counted_paths} of {run.counted_steps}: {experiment(run)}{run.seeded}."


def experiment(run: Run) -> str:
    """Describe what is run: `adam on quadratic (two_point data, dim 1), learning rate 0.05, batch size 1`."""
    if is_logged(run):
        return logged_text.experiment(run)
    c = run.config
    rate, batch = schedule(c["learning_rate"]), schedule(c["batch_size"])
    return f"{c['optimizer']['name']} on {_objective(run)}, learning rate {rate}, batch size {batch}"


def _objective(run: Run) -> str:
    """Describe the objective: `quadratic (two_point data, dim 1)`, or a network's architecture."""
    if "network" in run.summary:
        return network_text.architecture(run)
    objective = run.config["objective"]
    written = objective["name"] in ("formula", "joint_formula")
    name = f"the loss {_formula(objective['loss'], objective)}" if written else objective["name"]
    return f"{name} ({_data(objective)}dim {run.summary['dim']})"


def _data(objective: dict[str, Any]) -> str:
    """Name the data, if the objective has some."""
    return f"{objective['data']['name']} data, " if "data" in objective else ""


def _formula(text: str, config: dict[str, Any]) -> str:
    """Write a formula in short, with its constants: `a/n (a = 0.1)`."""
    constants = ", ".join(f"{name} = {value}" for name, value in config["constants"].items())
    return " ".join(text.split() if len(text) <= LONGEST_FORMULA else [f"{text[: LONGEST_FORMULA - 3]}..."]) + (
        f" ({constants})" if 0 < len(constants) <= LONGEST_FORMULA else ""
    )


def schedule(config: dict[str, Any]) -> str:
    """Describe a schedule: `0.05`, `0.05 after 100 steps of warm-up`, `power (value 0.2, exponent 0.75)` or a formula."""
    warmup = f" after {config['warmup']} steps of warm-up" if config.get("warmup") else ""
    if config["name"] == "constant":
        return f"{config['value']:g}{warmup}"
    if config["name"] == "formula":
        return f"{_formula(config['value'], config)}{warmup}"
    parameters = ", ".join(f"{key} {value}" for key, value in config.items() if key != "name" and value not in (0, None))
    return f"{config['name']} ({parameters})"


def findings(run: Run) -> list[str]:
    """One sentence per finding; none claims anything beyond the observed steps."""
    return [
        *(orbit_text.findings(run) if "counterexample" in run.summary else _changes(run)),
        *verdict_text.limits(run),
        *verdict_text.settling(run),
        *verdict_text.medians(run),
        *minima(run),
        *_elsewhere(run),
        *_predictions(run),
        *verdict_text.floors(run),
        *filter(None, [verdict_text.bound(run)]),
        *(network_text.findings(run) if "network" in run.summary else []),
        *quantities_text.findings(run),
        *_stability(run),
        *(f"{other.iterate}: {sentence}" for other in run.others for sentence in _of_iterate(other)),
        f"Outcomes: {outcomes(run)}",
        *([] if is_logged(run) else [_theorem(run)]),
        *(f"Warning: {warning}." for warning in run.summary["warnings"]),
    ]


def _of_iterate(run: Run) -> list[str]:
    """One sentence per finding about an iterate besides the last. run: as that one sees it."""
    return [*_changes(run), *verdict_text.limits(run), *verdict_text.medians(run), *verdict_text.each_floor(run)]


def verdicts_on_iterates(run: Run) -> list[tuple[str, str]]:
    """Write the verdict on each iterate besides the last, after a title: `Verdict on polyak`."""
    return [(f"Verdict on {other.iterate}", verdict_text.verdict(other)) for other in run.others]


def _iterates_table(run: Run) -> str:
    """Write the table of the errors of iterates besides the last; empty without any."""
    header, rows = iterate_rows(run)
    return "The same of the other iterates:\n\n" + markdown_lines(header, rows, ("iterate",)).rstrip() if rows else ""


def _changes(run: Run) -> list[str]:
    errors = run.summary["errors"]
    late = sorted({row["step"] for row in errors})[-2:]
    return [_change(label, [row for row in errors if row["xi"] == label and row["step"] in late]) for label in run.errors]


def _change(label: str, rows: list[dict[str, Any]]) -> str:
    first, last = rows[0], rows[-1]
    what = f"E|Θ − {label}|²"
    if label != "last" and last["status"] == INFINITE:
        return _infinite(label, first, last)
    if last["mse"] is None:
        return f"{what} is not finite at step {last['step']}: {interval(last)}."
    # This error is 0 at the end by definition, so its end says nothing.
    if label == "last":
        return f"{what}: {interval(first)} at step {first['step']} (0 at the last step by definition)."
    if first is last or first["mse"] is None:
        return f"{what}: {interval(last)} at step {last['step']}."
    ratio = f" (factor {last['mse'] / first['mse']:.3g})" if first["mse"] and last["mse"] else ""
    return f"{what}: {interval(first)} at step {first['step']}, {interval(last)} at step {last['step']}{ratio}."


def minima(run: Run) -> list[str]:
    """Say where the mean loss is least: for all coordinates at once where they are alike, else for the first few."""
    listed = run.summary.get("minima", [])
    said = [_minima_of(entry["points"]) for entry in listed]
    loss = "the mean loss of the data without their drift" if _drifts(run) else "the mean loss"
    if len(listed) < 2:
        return [f"Theory: {loss} {what}." for what in said]
    names = [f"coordinate {entry['coordinate']}" + _and_others(entry["alike"]) for entry in listed]
    found = [f"{what} in {name}" for what, name in zip(said, names, strict=True)][:MOST_MINIMA]
    more = "; summary.json lists the others" if len(listed) > MOST_MINIMA else ""
    return [f"Theory: {loss} {'; it '.join(found)}{more}."]


def _drifts(run: Run) -> bool:
    """Return whether the data drift: their law is then another one at each step."""
    return bool((run.config["objective"].get("data") or {}).get("drift"))


def _elsewhere(run: Run) -> list[str]:
    """Say what may lead iterates away from the minimizer; nothing where nothing does."""
    found = run.summary.get("leads_elsewhere", [])
    causes = f"{', '.join(found[:-1])} and {found[-1]}" if len(found) > 1 else "".join(found)
    return [f"Theory: minimizer is that of the mean loss alone; {causes} may lead iterates elsewhere."] if found else []


def _and_others(alike: int) -> str:
    """Write how many coordinates are like one: ` and 3 others`, or nothing."""
    return "" if alike == 1 else f" and {alike - 1} {'other' if alike == 2 else 'others'}"


def _minima_of(points: list[dict[str, float]]) -> str:
    """Describe the minima of a coordinate: `has minima at -1.05 (the lowest) and 0.946`."""
    if not points:
        return "has no minimum that is known"
    best = sum(point["above"] == 0 for point in points)
    lowest = " (the lowest)" if 0 < best < len(points) else ""
    texts = [f"{_place(point)}{lowest if point['above'] == 0 else ''}" for point in points]
    listed = f"{', '.join(texts[:-1])} and {texts[-1]}" if len(texts) > 1 else texts[0]
    equal = ", which are equally low" if best == len(points) > 1 else ""
    return f"{'has minima' if len(points) > 1 else 'is least'} at {listed}{equal}"


def _place(point: dict[str, float]) -> str:
    """Write a minimum, or the interval of them."""
    low, high = point["low"], point["high"]
    return f"{low:.6g}" if low == high else f"every point from {low:.6g} to {high:.6g}"


def _infinite(label: str, first: dict[str, Any], last: dict[str, Any]) -> str:
    """Say that a mean square is infinite, and what the median of the distance is at two steps."""
    told = [f"{_quantile(row['median'])} at step {row['step']}" for row in (first, last) if row.get("median")]
    return f"E|Θ − {label}|² is infinite. Median of |Θ − {label}|: {', '.join(dict.fromkeys(told))}."


def _quantile(of: dict[str, Any]) -> str:
    """Write a quantile with its interval: `0.53 (0.51 to 0.56)`."""
    value, low, high = (of[name] for name in ("value", "ci_low", "ci_high"))
    interval = "" if None in (low, high) else f" ({low:.3g} to {high:.3g})"
    return f"{'not finite' if value is None else f'{value:.3g}'}{interval}"


def _predictions(run: Run) -> list[str]:
    """One sentence per predicted number, never compared with the measured one."""
    return [
        f"Theory: {found['of']} = {found['value']:.5g}" + (f" ± {1.96 * found['se']:.1g}." if found["se"] else ".")
        for found in run.predictions.values()
    ]


def _stability(run: Run) -> list[str]:
    """Say where the effective rate is, measured by the curvature; of the coordinate where it is largest."""
    state = run.summary.get("state", {"stability": None})
    values = [value for value in state["stability"] or () if value is not None]
    if not values:
        return []
    edge = "" if state["edge"] is None else f"; the edge of stability is {state['edge']:.4g}"
    where = "" if len(state["stability"]) == 1 else ", in the coordinate where it is largest"
    what = f"the median over {count(len(run.paths['theta']), 'kept path')}{where}"
    return [f"Stability: effective rate × curvature is {max(values):.4g} at the last step ({what}){edge}."]


def outcomes(run: Run) -> str:
    """Say how the paths ended, and which failed first: `197 finite, 3 overflow; the first to become infinite ...`."""
    ended, failure = run.summary["outcomes"], run.summary["first_failure"]
    # A run that is undefined says why in its verdict.
    causes = {} if run.verdict["verdict"] == "undefined" else run.verdict.get("causes", {})
    why = {"undefined": f" ({', '.join(causes)})" if causes else ""}
    counts = ", ".join(f"{count} {name}{why.get(name, '')}" for name, count in ended.items() if count)
    first = (
        f"; the first to become infinite or undefined was path {failure['replicate']} at step {failure['step']}"
        if failure
        else ""
    )
    return f"{counts}{first}.{_at_ends(run)}"


def _at_ends(run: Run) -> str:
    """Say how many paths end at either end of the domain; nothing without one."""
    ends = run.summary.get("domain")
    if not ends:
        return ""
    where = "At" if run.summary["dim"] == 1 else "With a coordinate at"
    return f" {where} the low end of the domain: {count(ends['at_low'], 'path')}; at its high end: {ends['at_high']}."


def _theorem(run: Run) -> str:
    """Write the sentence about whether the theorem's assumptions hold, and which do not."""
    name = "1.1" if "theorem_1_1" in run.summary else "1.2"
    found = run.summary[f"theorem_{name.replace('.', '_')}"]
    theorem = f"Theorem {name} of arXiv:2407.08100 (as reconstructed)"
    if found["applies"]:
        return f"{theorem} applies: all assumptions hold." + (" It speaks of the last iterate." if run.others else "")
    return f"{theorem} does not apply: {'; '.join(found['departures'])}."
