"""The page of a sweep: its verdicts, a map whose cells can be chosen, curves of all and of one, a table."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from nonconv.page import charts, sweep_charts, sweep_curves
from nonconv.page.curves import Table
from nonconv.page.figure import Choice, Figure, axis, packed
from nonconv.page.run_figures import ERROR
from nonconv.page.run_page import CONFIG, Verdict, capitalised, facts, table_of_facts
from nonconv.page.sweep_part import part
from nonconv.readback import content_of
from nonconv.report.labels import symbol
from nonconv.report.sweep_brief import sweep_brief
from nonconv.report.sweep_result import Quantity, SweepResult, quantities
from nonconv.report.sweep_summary import findings, setting
from nonconv.report.sweep_table import change_rows, short_rows
from nonconv.report.verdict_text import ANSWERS
from nonconv.results.sweep_files import FAILED
from nonconv.statistics.decision import INFINITE_SQUARES
from nonconv.system.words import count

MOST_COLOURS = 24
"""Quantities that a map can show."""
MOST_NAMES = 2_000
"""Cells in a list; of more those alone that have curves."""
SEED = "seed"
SIGNS = {"inf": "∞", "nan": "?"}
"""What a cell shows in place of a colour, where its number is infinite or not a number."""


def content(result: SweepResult, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the template of a sweep's page is filled with."""
    shown, left_out = part(result)
    cells = sweep_curves.of_sweep(shown)
    table, keys = cells_table(shown), swept_keys(shown)
    over = map_figure(shown, table, left_out)
    header, texts = short_rows(shown)
    rows = [[ANSWERS.get(text, text) for text in row] for row in texts]
    return {
        "claim": result.about.get("claim", ""),
        "setting": setting(result),
        "verdicts": verdicts(result),
        "facts": [(capitalised(label), text) for label, text in sweep_brief(result).facts if label != "swept"],
        "map": over,
        "figures": [over, *curve_figures(shown, cells, table)],
        "keys": keys,
        "chosen": default_axes(shown, keys),
        "findings": findings(result),
        "changes": table_of_facts(*change_rows(result)),
        "config": content_of(result.folder / CONFIG).decode("utf-8", "replace"),
        "command": f"nonconv sweep {CONFIG}",
        "provenance": facts(manifest, [("Cells", count(result.cells, "cell"))]),
        "more": {"sweep": {"keys": keys, "cells": packed(table), "header": header, "rows": rows}},
        "sections": [
            ("map-section", "Map"),
            ("curves", "Curves"),
            ("table", "Table"),
            ("findings", "Findings"),
            ("config", "Config"),
            ("provenance", "Provenance"),
        ],
    }


def verdicts(result: SweepResult) -> list[Verdict]:
    """Return how many cells have each verdict, and how many failed."""
    headings = sweep_brief(result).headings
    return [Verdict(key, capitalised(ANSWERS.get(key, key)), "", [("Cells", about)]) for key, about in headings]


def swept_keys(result: SweepResult) -> list[dict[str, Any]]:
    """Return the keys that can be axes: those that differ between cells, those that lead others first.

    name: of the column in the table of cells. label: how axes call it. values: in order, as they are shown.
    """
    several = [key for key in result.about["keys"] if len(result.values(key)) > 1] or result.about["keys"]
    ordered = [*(key for key in result.swept if key in several), *(key for key in several if key not in result.swept)]
    return [
        {
            "name": f"k{k}",
            "key": key,
            "label": symbol(key),
            "values": [result.brief(key, value) for value in result.values(key)],
        }
        for k, key in enumerate(ordered)
    ]


def default_axes(result: SweepResult, keys: list[dict[str, Any]]) -> dict[str, str]:
    """Return the names of the keys along the axes at first: two that vary independently, numbers before names and seeds."""
    order = sorted(keys, key=lambda key: (key["key"] == SEED, key["key"] not in result.numeric))
    pairs = ((a, b) for k, a in enumerate(order) for b in order[k + 1 :] if result.cross(a["key"], b["key"]))
    x, y = next(pairs, (order[0], None))
    return {"x": x["name"], "y": y["name"] if y else ""}


def shown_quantities(result: SweepResult) -> dict[str, Quantity]:
    """Return the quantities that colours can show, by the name of their column in the table of cells; the verdict first."""
    every = sorted(
        (of for of in quantities(result) if of.shows(result) or of.name == "verdict"), key=lambda of: of.kind != "verdict"
    )
    return {f"c{k}": of for k, of in enumerate(every[:MOST_COLOURS])}


def cells_table(result: SweepResult) -> Table:
    """Return the cells as columns: id, text, status, verdict, reason, swept keys, quantities with what stands for no number."""
    keys, columns = swept_keys(result), result.columns
    brief = {key["name"]: _briefly(result, key["key"]) for key in keys}
    texts = [", ".join(f"{key['label']} = {brief[key['name']][k]}" for key in keys) for k in range(result.cells)]
    verdicts = [verdict or status for verdict, status in zip(columns["verdict"], columns["status"], strict=True)]
    table: Table = {
        "cell": list(columns["cell"]),
        "text": texts,
        "status": list(columns["status"]),
        "verdict": [verdict.replace("_", " ") for verdict in verdicts],
        "reason": list(columns["reason"]),
        **brief,
    }
    for name, of in shown_quantities(result).items():
        table |= _verdict_columns(result, name, of) if of.kind == "verdict" else _number_columns(result, name, of)
    return table


def _briefly(result: SweepResult, key: str) -> list[str]:
    """Return the values of a key as they are shown; of a cell without the key: none."""
    known = {value: result.brief(key, value) for value in result.values(key)}
    return [known.get(value, "none") for value in result.columns[key]]


def _verdict_columns(result: SweepResult, name: str, of: Quantity) -> Table:
    """Return the columns of a verdict: the answer, and a sign for cells that failed."""
    failed = [status == FAILED for status in result.columns["status"]]
    answers = [
        FAILED if lost else answer or "undecided" for lost, answer in zip(failed, result.columns[of.column], strict=True)
    ]
    return {name: [answer.replace("_", " ") for answer in answers], f"{name}_sign": ["✕" if lost else "" for lost in failed]}


def _number_columns(result: SweepResult, name: str, of: Quantity) -> Table:
    """Return the columns of a number: value, interval as text, and a sign where it is no number."""
    texts, failed = result.columns[of.column], result.columns["status"]
    numbers = result.numbers(of.column).tolist()
    rows = zip(texts, failed, result.columns["reason"], strict=True)
    signs = ["✕" if status == FAILED else _sign(of, text, reason) for text, status, reason in rows]
    ends = [result.texts(f"{of.column}_{end}").tolist() for end in ("low", "high")]
    return {
        name: [number if math.isfinite(number) else None for number in numbers],
        f"{name}_sign": signs,
        f"{name}_interval": [f"{float(a):.6g} to {float(b):.6g}" if a and b else "none" for a, b in zip(*ends, strict=True)],
    }


def _sign(of: Quantity, text: str, reason: str) -> str:
    """Return what a cell shows where it has no number; empty where it has one."""
    if not text and of.name.startswith("mse") and reason.startswith(INFINITE_SQUARES):
        return SIGNS["inf"]
    return SIGNS.get(text, "" if text else "–")


def map_figure(result: SweepResult, table: Table, left_out: str = "") -> Figure:
    """Return the map of the cells, with a variant for each quantity that colours can show. left_out: what it does not show."""
    shown = shown_quantities(result)
    # Where no cell is decided, verdicts are all alike.
    first = next((name for name, of in shown.items() if of.shows(result)), next(iter(shown)))
    variants = {}
    for name, of in shown.items():
        tooltips = {"text": "cell", "verdict": "verdict", "shown": _title(of)}
        tooltips |= {} if of.kind == "verdict" else {"interval": "95 % interval"}
        answers = {text.replace(" ", "_") for text in table[name]} if of.kind == "verdict" else set()
        values = np.array([]) if of.kind == "verdict" else result.numbers(of.column)
        kind = "slope" if of.kind == "difference" else of.kind
        variants[name] = sweep_charts.map_chart(kind, values[np.isfinite(values)], _title(of), tooltips, [*answers])
    return Figure(
        "map",
        "Map of the cells",
        "A cell for each experiment. Choose one with the mouse, in the list below, or in the table: its curves are drawn. "
        f"✕ marks a cell that failed, ∞ and ? a number that is infinite or none. {left_out}".rstrip(),
        variants,
        {"cells": {"cell": []}},
        lists=[Choice("colour", "Colour", {name: _title(of) for name, of in shown.items()}, first)],
    )


def _title(of: Quantity) -> str:
    """Name a quantity in one line."""
    return " ".join(of.label.split())


def curve_figures(result: SweepResult, cells: sweep_curves.Cells, table: Table) -> list[Figure]:
    """Return the chart of the chosen cell and that of the curves of all cells; none if no cell has curves."""
    points = cells.curves.points
    if not cells.named:
        return []
    steps = sorted(set(points["step"]))
    xi, iterates = list(dict.fromkeys(points["what"])), list(dict.fromkeys(points["iterate"]))
    answers = {verdict.replace(" ", "_") for verdict in table["verdict"]}
    axes = [axis("y", "Error axis", charts.SCALES), axis("x", "Step axis", charts.SCALES)]
    own = [
        Choice("xi", "ξ", {one: one for one in xi}, xi[0]),
        Choice("iterate", "Iterate", {one: one for one in iterates}, iterates[0]),
    ]
    names = dict(zip(table["cell"], table["text"], strict=True))
    if len(names) > MOST_NAMES:
        names = {cell: names[cell] for cell in cells.named}
    first = cells.named[0]
    chosen = Choice("cell", "Cell", names, first)
    overview = Figure(
        "cells",
        "Curves of all cells",
        f"{ERROR} of each cell, coloured by its verdict; the chosen cell's is thick. Choose a cell by its curve.",
        sweep_charts.overview_chart(steps, [*answers], xi[0], iterates[0]),
        {"points": points},
        axes=axes,
        lists=[choice for choice in own if len(choice.options) > 1],
        notes=[cells.note] if cells.note else [],
    )
    single = Figure(
        "cell",
        "The chosen cell",
        f"{ERROR} of one cell for each ξ, with 95 % bands. Thick levels are lower bounds that hold for every ξ.",
        charts.line_chart(cells.curves, ERROR, steps[-1], cell=first),
        {"points": points, "segments": cells.curves.segments},
        cells.curves.groups,
        axes,
        [chosen],
        steps,
    )
    return [single, overview]
