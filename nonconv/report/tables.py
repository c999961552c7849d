"""error.csv, quantities.csv and law.csv for people and programs: a few rows as Markdown or LaTeX, all in other formats."""

import io
import json
import math
from typing import Any

from nonconv.faults.errors import UsageError
from nonconv.faults.problems import nearest
from nonconv.report.markup import latex_text, markdown_cell
from nonconv.report.run import LAST, Run, of_iterate
from nonconv.results.columns import Columns, read_columns
from nonconv.results.csv_text import INFINITE, as_csv
from nonconv.system.words import count

FORMATS = ("csv", "md", "latex", "json", "parquet")
TABLES = {"error": "error.csv", "quantities": "quantities.csv", "law": "law.csv"}
"""The data files of a run that tables are made of, by what they are about."""


def table(run: Run, kind: str, of: str = "error", iterate: str = "") -> bytes:
    """Write a table of a run in one of FORMATS. of: which one, of TABLES. iterate: the one that it is of; empty for all.

    Raises UsageError for parquet without pyarrow, and for a table or an iterate that the run does not have.
    """
    path = run.folder / TABLES[of]
    if not path.exists():
        raise UsageError(f"{run.folder} has no {TABLES[of]}: its config asks for no {of}")
    known = [LAST, *run.iterates]
    if iterate and iterate not in known:
        near = f"\n  did you mean {close}?" if (close := nearest(iterate, known)) else ""
        raise UsageError(f"--iterate: the run has no iterate {iterate!r}\n  allowed: {', '.join(known)}{near}")
    if kind == "csv" and not iterate:
        return path.read_bytes()
    rows = read_columns(path)
    rows = of_iterate(rows, iterate) if iterate else rows
    if kind == "csv":
        return as_csv(tuple(rows.texts), zip(*rows.texts.values(), strict=True))
    if kind == "json":
        document = {"schema_version": run.summary["schema_version"], "rows": _typed_rows(rows)}
        return (json.dumps(document, indent=1) + "\n").encode()
    if kind == "parquet":
        return _parquet(rows)
    write = markdown_lines if kind == "md" else latex_lines
    if of == "law":
        return write([*rows.texts], [list(row) for row in zip(*rows.texts.values(), strict=True)]).encode()
    seen = run.seen_by(iterate or LAST)
    errors = [] if of == "quantities" else [markdown(seen) if kind == "md" else latex(seen)]
    others = [] if of == "quantities" or iterate else _of_iterates(run, kind)
    rows_of_quantities = [_quantity_row(row) for row in run.summary.get("quantities", ()) if iterate in ("", row["iterate"])]
    asked = [write(QUANTITY_HEADER, rows_of_quantities)] if rows_of_quantities else []
    return "\n".join([*errors, *others, *asked]).encode()


def _of_iterates(run: Run, kind: str) -> list[str]:
    """Write the short table of the iterates besides the last, if there are any."""
    header, rows = iterate_rows(run)
    return [markdown_lines(header, rows, ("iterate",)) if kind == "md" else latex_lines(header, rows)] if rows else []


QUANTITY_HEADER = ["quantity", "step", "value", "95 % interval", "paths"]


def quantity_rows(run: Run) -> list[list[str]]:
    """Return a row of texts per quantity that the config asks for, in the order of QUANTITY_HEADER: what the run ends with."""
    return [_quantity_row(row) for row in run.summary.get("quantities", ())]


def _quantity_row(row: dict[str, Any]) -> list[str]:
    """Return the row of one quantity."""
    known = {"overflow": "inf", "nan": "nan"}.get(row["status"], "unknown")
    low, high = (row[name] for name in ("ci_low", "ci_high"))
    ends = "" if low is None and high is None else f"{_end(low)} to {_end(high)}"
    value = known if row["value"] is None else f"{row['value']:.5g}"
    name = row["quantity"] if row["iterate"] == LAST else f"{row['quantity']} ({row['iterate']})"
    return [name, str(row["step"]), value, ends, str(row["n"])]


def _end(end: float | None) -> str:
    """Write an end of an interval, which may be open."""
    return "…" if end is None else f"{end:.5g}"


def short_rows(run: Run) -> tuple[list[str], list[list[str]]]:
    """Return header and rows at the steps of the summary.

    A row has the step, and per xi the mean ± half its interval and the exact value.
    """
    labels = list(run.errors)
    by_step: dict[int, dict[str, str]] = {}
    for row in run.summary["errors"]:
        by_step.setdefault(row["step"], {})[row["xi"]] = interval(row)
        if row["theory"] is not None:
            by_step[row["step"]][f"{row['xi']}, exact"] = f"{row['theory']:.4g}"
    columns = [name for label in labels for name in (label, f"{label}, exact") if any(name in r for r in by_step.values())]
    return ["step", *columns], [[str(step), *(row.get(c, "") for c in columns)] for step, row in sorted(by_step.items())]


def iterate_rows(run: Run) -> tuple[list[str], list[list[str]]]:
    """Return header and rows at the steps of the summary of all iterates besides the last; no rows without any.

    A row has the iterate, then what `short_rows` has; a column that not all of them have is empty for the others.
    """
    tables = [(other.iterate, *short_rows(other)) for other in run.others]
    header = list(dict.fromkeys(["iterate", *(column for _, columns, _ in tables for column in columns)]))
    rows = [dict(zip(columns, row, strict=True)) | {"iterate": name} for name, columns, own in tables for row in own]
    return [*header], [[row.get(column, "") for column in header] for row in rows]


def interval(row: dict[str, Any], of: str = "mse") -> str:
    """Write a mean and half the width of its 95 % interval, both to two digits of the latter: `0.0342 ± 0.0011`.

    row: the value under `of` with ci_low and ci_high, and perhaps the median of the distance, which a random run's error has
    in any case. The value is None where it is not finite; then status, n and n_finite
    give `overflow (3 of 200 paths)`, or the median `infinite (median distance 0.53)`. Of an interval with one open end the
    other is given: `0.034 (at most 0.051)`.
    """
    value = row[of]
    if value is None and row["status"] == INFINITE:
        return f"infinite{_median_text(row)}"
    if value is None:
        return f"{row['status']} ({row['n'] - row['n_finite']} of {count(row['n'], 'path')})"
    if row["ci_high"] is None and row.get("median"):
        # Where the mean has no interval though paths differ, the median has one.
        return f"{value:.4g} (no interval{_median_text(row, '; ', '')})"
    low, high = row["ci_low"], row["ci_high"]
    if (low is None) != (high is None):  # of a quantile of few paths
        return f"{value:.4g} (at {f'most {high:.4g}' if low is None else f'least {low:.4g}'})"
    # Without an interval, where nothing is random, the number is given alone.
    return _with_half_width(value, 0.0 if high is None else (high - low) / 2)


def _with_half_width(value: float, half: float) -> str:
    """Write a number with half the width of its interval; alone if that is 0."""
    if half == 0.0:
        return f"{value:.4g}"
    # Two digits of the half width: more would be noise.
    digits = 1 - math.floor(math.log10(half))
    if -1 <= digits <= 5 and abs(value) < 1e6:
        return f"{value:.{max(digits, 0)}f} ± {half:.{max(digits, 0)}f}"
    leading = math.floor(math.log10(abs(value))) if value else 0
    return f"{value:.{min(max(leading + digits, 1), 12)}e} ± {half:.1e}"


def _median_text(row: dict[str, Any], before: str = " (", after: str = ")") -> str:
    """Write the median distance of a row, if it has one: ` (median distance 0.53)`."""
    median = (row.get("median") or {}).get("value")
    return "" if median is None else f"{before}median distance {median:.3g}{after}"


def markdown(run: Run) -> str:
    """Write the short table of a run as a GitHub table."""
    return markdown_lines(*short_rows(run))


def markdown_lines(header: list[str], rows: list[list[str]], words: tuple[str, ...] = ()) -> str:
    """Write a GitHub table; columns align to the right, except those named in `words`."""
    lines = [header, ["---" if name in words else "---:" for name in header], *rows]
    return "\n".join(f"| {' | '.join(map(markdown_cell, cells))} |" for cells in lines) + "\n"


def latex(run: Run) -> str:
    """Write the short table of a run as a LaTeX tabular."""
    header, rows = short_rows(run)
    return latex_lines([_heading(name) for name in header], rows)


def latex_lines(header: list[str], rows: list[list[str]]) -> str:
    """Write a LaTeX tabular with booktabs rules; special characters are escaped."""
    body = [" & ".join(map(latex_text, row)) + r" \\" for row in [header, *rows]]
    lines = [
        r"% needs \usepackage{booktabs}",
        rf"\begin{{tabular}}{{{'r' * len(header)}}}",
        r"\toprule",
        body[0],
        r"\midrule",
        *body[1:],
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _heading(name: str) -> str:
    return name if name == "step" else f"ξ = {name}"


def _typed_rows(columns: Columns) -> list[dict[str, Any]]:
    """Return the rows of a data file as numbers."""
    return [{name: _convert(name, text) for name, text in row.items()} for row in columns.records()]


def _number(name: str, text: str) -> str | int | float:
    """Read a cell as a number, where it is one. An end of an interval is empty where there is none."""
    if name in ("xi", "iterate", "quantity"):
        return text
    return int(text) if name in ("step", "batch_size", "coordinate", "n", "n_finite") else float(text or "nan")


def _convert(name: str, text: str) -> str | int | float | None:
    """Read a cell for JSON, which has null for what is not finite."""
    value = _number(name, text)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _parquet(columns: Columns) -> bytes:
    """Write a data file as Parquet."""
    return as_parquet({name: [_number(name, text) for text in texts] for name, texts in columns.texts.items()})


def as_parquet(columns: dict[str, list[Any]]) -> bytes:
    """Write named columns as a Parquet file. Raises UsageError if pyarrow is not installed."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise UsageError("parquet needs pyarrow: pip install 'nonconv[parquet]'") from None
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()
