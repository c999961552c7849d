"""The cells of a sweep as a table for people and programs."""

import json
import math
from typing import Any

from nonconv.report.sweep_result import SweepResult, is_number
from nonconv.report.tables import as_parquet, interval, latex_lines, markdown_lines
from nonconv.results.sweep_files import FAILED
from nonconv.statistics.decision import INFINITE_SQUARES
from nonconv.statistics.measured_block import MSE_PREFIX
from nonconv.store.cell_files import CellFiles

TEXTS = ("cell", "status", "verdict", "reason")
"""Columns that are text even where they look like numbers: an id may have digits alone."""


def table(result: SweepResult, kind: str) -> bytes:
    """Write the table of a sweep in one of tables.FORMATS: a few columns as md and latex, all columns otherwise.

    Raises UsageError for parquet without pyarrow.
    """
    if kind in ("md", "latex"):
        return (markdown_lines if kind == "md" else latex_lines)(*short_rows(result)).encode()
    if kind == "csv":
        return (result.folder / "sweep.csv").read_bytes()
    columns = {name: _convert(name, texts) for name, texts in result.columns.texts.items()}
    if kind == "parquet":
        return as_parquet(columns)
    return _document(result.about["schema_version"], columns)


def _document(version: int, columns: dict[str, list[Any]]) -> bytes:
    """Write columns as JSON, a row at a time: a hundred thousand of them at once would need gigabytes."""
    rows: list[bytes] = []
    for values in zip(*columns.values(), strict=True):
        row = {name: _as_json(value) for name, value in zip(columns, values, strict=True)}
        rows.append(json.dumps(row, indent=1).replace("\n", "\n  ").encode())
    start, end = json.dumps({"schema_version": version, "rows": [None]}, indent=1).encode().split(b"null")
    return b"".join([start, b",\n  ".join(rows), end, b"\n"])


def _convert(name: str, texts: list[str]) -> list[Any]:
    """Return a column as integers, floats or texts, the first type that fits all; None where it is empty."""
    if name in TEXTS:
        return list(texts)
    for kind in (int, float):
        try:
            return [kind(text) if text else None for text in texts]
        except ValueError:
            continue
    return list(texts)


def _as_json(value: Any) -> Any:
    """Return a value for JSON, which has null for what is not finite."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def short_rows(result: SweepResult) -> tuple[list[str], list[list[str]]]:
    """Return header and rows: the swept keys, per xi the final error ± half its interval, losses of networks, the verdict."""
    keys, measured = result.about["keys"], [f"mse_{label}" for label in result.xi] + result.losses
    measured += result.quantities
    verdicts = ["verdict", *(f"verdict on {iterate}" for iterate in result.iterates)]
    header = [*keys, *map(result.title, (*result.xi, *result.losses)), *result.quantities, *verdicts]
    return header, [_row(result, k, keys, measured) for k in range(result.cells)]


def _row(result: SweepResult, k: int, keys: list[str], measured: list[str]) -> list[str]:
    """Return the row of cell k."""
    column = result.columns
    status = column["status"][k]
    names = ["verdict", *(f"verdict {iterate}" for iterate in result.iterates)]
    errors = ["" if status == FAILED else _mean(result, k, name) for name in measured]
    return [*(column[key][k] for key in keys), *errors, *(column[name][k] or status for name in names)]


def why_no_interval(result: SweepResult) -> str:
    """Say why errors in the table have no interval, in a sentence; empty where all have one.

    Reads the files of those cells, so it is not for a sweep with very many.
    """
    columns = result.columns
    shown = [(k, label) for label in result.xi for k in range(result.cells) if result.done[k]]
    bare = [(k, label) for k, label in shown if is_number(columns[f"mse_{label}"][k]) and not columns[f"mse_{label}_low"][k]]
    if not bare:
        return ""
    if all(columns["paths"][k] == "1" for k, _ in bare):
        return "One path gives no interval."
    files, reasons = CellFiles(result.folder), dict[str, None]()
    for k in dict.fromkeys(k for k, _ in bare):
        content = files.read(columns["cell"][k], ("summary.json",)) or {}
        told = json.loads(content.get("summary.json", b"{}")).get("without_interval", {})
        reasons |= dict.fromkeys(str(why) for name, why in told.items() if name.startswith(MSE_PREFIX))
    return f"Some numbers have no interval, since {'; or since '.join(reasons)}." if reasons else ""


def _mean(result: SweepResult, k: int, name: str) -> str:
    """Write a column with its interval: `0.0342 ± 0.0011`, or `overflow`, `nan` or `infinite`."""
    column = result.columns
    text = column[name][k]
    if not text and name.startswith("mse_") and column["reason"][k].startswith(INFINITE_SQUARES):
        return "infinite"
    if text in ("", "inf", "nan"):
        return {"inf": "overflow"}.get(text, text)
    ends = {f"ci_{end}": column[f"{name}_{end}"][k] for end in ("low", "high")}
    return interval({"mse": float(text)} | {name: float(end) if end else None for name, end in ends.items()})


def change_rows(result: SweepResult) -> tuple[str, list[str], list[list[str]]]:
    """Return title, header and rows of what each key changes in a one-at-a-time design; no rows for another.

    A row has the key that differs from the base, its value, and per xi the final error's difference from that of the base,
    path by path.
    """
    base = result.base
    if base is None or result.columns["cell"][base] != result.about.get("baseline"):
        return "", [], []
    names = [result.title(name) for name in (*result.xi, *result.losses)]
    header = ["changed", "from", "to", *(f"{name}, difference" for name in names), "verdict"]
    cells = [k for k in range(result.cells) if k != base]
    title = "What each change does to the final E|Θ − ξ|² (difference from the base, path by path, ± half its 95 % interval)"
    return title, header, [_change_row(result, base, k) for k in cells]


def _change_row(result: SweepResult, base: int, k: int) -> list[str]:
    """Return the row of cell k."""
    key, column = result.change(k), result.columns
    answer = column["verdict"][k] or column["status"][k]
    differences = [_mean(result, k, f"difference_{name}") for name in (*result.xi, *result.losses)]
    return [key, column[key][base], column[key][k], *differences, answer]
