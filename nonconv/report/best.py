"""The best cells of a sweep over some of its keys, for people: best.csv as a table."""

from typing import Any

import numpy as np

from nonconv.report.markup import markdown_text
from nonconv.report.overlay import quantity_name
from nonconv.report.sweep_result import SweepResult
from nonconv.report.tables import interval, markdown_lines
from nonconv.results.best import BEST_TABLE, MEASURED
from nonconv.results.columns import Columns, read_columns
from nonconv.system.words import count

NOTE = "Chosen on one half of the paths and measured on the other: luck in the choice is not in the numbers."


def read_best(result: SweepResult) -> Columns | None:
    """Read best.csv; None if the sweep was not asked for it. Raises UsageError for a damaged file."""
    return read_columns(result.folder / BEST_TABLE) if "best" in result.about else None


def best_title(result: SweepResult) -> str:
    """Say what the table of the best cells has: `Least E|Θ − minimizer|² at the end over learning_rate.value`."""
    about = result.about["best"]
    name = quantity_name(*result.whose(about["by"]))
    return f"Least {name} at the end over {', '.join(about['over'])}"


def best_rows(result: SweepResult) -> tuple[list[str], list[list[str]]]:
    """Return header and rows: other keys, the chosen values, the mean on the second half ± half its interval, and the first's.

    No rows where the sweep was not asked for it.
    """
    rows = read_best(result)
    if rows is None:
        return [], []
    keys = keys_of(rows)
    header = [*keys, "on the other half", "on the half that chose", "of"]
    return header, [_row(row, [result.brief(key, row[key]) if row[key] else "" for key in keys]) for row in rows.records()]


def best_notes(result: SweepResult) -> list[str]:
    """Say what a reader should know of the choice: how it was made, and where the best value is the last one that was tried."""
    rows = read_best(result)
    if rows is None:
        return []
    notes = [NOTE]
    if set(rows["cells"]) == {"1"} and result.cells > 1:
        notes.append("Each combination of the other keys has one cell; keys that change together must be named as well.")
    for key in (key for key in result.about["best"]["over"] if key in result.numeric):
        ends = [k for k, text in enumerate(rows[key]) if text and _is_end(result, rows, k, key)]
        if ends and set(rows["cells"]) != {"1"}:
            which = "" if len(ends) == rows.rows else f" in {count(len(ends), 'row')}"
            notes.append(f"The best {key} is the largest or smallest that was tried{which}: a better one may lie beyond.")
    return notes


def _is_end(result: SweepResult, rows: Columns, k: int, key: str) -> bool:
    """Whether the best value of a combination is the largest or smallest of the values that it has, of at least three."""
    others = [name for name in keys_of(rows) if name not in result.about["best"]["over"]]
    there = result.known(key)
    for name in others:
        there &= result.texts(name) == rows[name][k]
    values = np.unique(result.numbers(key)[there])
    return len(values) > 2 and float(rows[key][k]) in (values[0], values[-1])


def keys_of(rows: Columns) -> list[str]:
    """Return the swept keys of best.csv."""
    return [name for name in rows.texts if name not in ("cell", *MEASURED)]


def _row(row: dict[str, str], shown_keys: list[str]) -> list[str]:
    """Return the row of one combination. shown_keys: the values of its keys, as people read them."""
    of = f"{row['cells']}" + (f", {row['unusable']} not finite" if row["unusable"] != "0" else "")
    if row["reason"]:
        return [*shown_keys, row["reason"], "", of]
    ends = {f"ci_{end}": float(row[f"ci_{end}"]) if row[f"ci_{end}"] else None for end in ("low", "high")}
    of += f", {row['ties']} as good" if row["ties"] != "0" else ""
    if row["value"] in ("", "inf", "nan"):
        shown = {"": "nan"}.get(row["value"], row["value"])
    else:
        shown = interval({"mse": float(row["value"]), **ends, "status": "", "n": 0, "n_finite": 0})
    return [*shown_keys, shown, f"{float(row['first_half']):.4g}", of]


def best_markdown(result: SweepResult) -> str:
    """Write the table for summary.md; empty where the sweep was not asked for it."""
    header, rows = best_rows(result)
    if not rows:
        return ""
    return f"{markdown_text(best_title(result))}:\n\n{markdown_lines(header, rows)}\n{' '.join(best_notes(result))}"


def best_as_dict(result: SweepResult) -> list[dict[str, Any]]:
    """Return the best cells as JSON has them: numbers, and null where there is none."""
    rows = read_best(result)
    if rows is None:
        return []
    return [{name: _typed(name, text) for name, text in row.items()} for row in rows.records()]


def _typed(name: str, text: str) -> Any:
    if name not in MEASURED or name == "reason":
        return text
    if name in ("cells", "unusable", "ties", "paths"):
        return int(text) if text else None
    return float(text) if text not in ("", "nan", "inf") else None
