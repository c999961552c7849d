"""The quantities that a config asks for, in sentences and in tables."""

from typing import Any

from nonconv.report.markup import markdown_text
from nonconv.report.run import LAST, Run
from nonconv.report.tables import QUANTITY_HEADER, interval, markdown_lines, quantity_rows
from nonconv.results.csv_text import INFINITE

MEDIAN, SHARE, CENSORED = "first_passage_median", "first_passage_share", "first_passage_censored"
"""The names of the rows of a first passage, up to the colon."""
WORDS = ("quantity",)


def asked(run: Run) -> list[dict[str, Any]]:
    """Return what a run ends with of each quantity that its config asks for; empty for one that asks for none."""
    return list(run.summary.get("quantities", ()))


def findings(run: Run) -> list[str]:
    """Write a sentence per quantity."""
    found = [text for row in asked(run) if (text := _sentence(row, asked(run)))]
    laws = _law_steps(run)
    steps = f" at step{'s' if len(laws) > 1 else ''} {', '.join(map(str, laws))}"
    return [*found, *([f"The law of Θₙ{steps} is in law.csv and figures/law.png."] if laws else [])]


def _law_steps(run: Run) -> list[int]:
    """Return the steps at which laws were written."""
    wanted = [entry for entry in run.config.get("quantities", ()) if entry["name"] == "law"]
    return sorted({step for entry in wanted for step in entry.get("steps") or [int(run.step[-1])]})


def _sentence(row: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """Write the sentence of one row; a first passage has one for all its rows."""
    kind, _, about = row["quantity"].partition(": ")
    if kind in (SHARE, CENSORED):
        return ""
    if kind == MEDIAN:
        return _passage(row, about, next(one for one in rows if one["quantity"] == f"{CENSORED}: {about}"))
    if kind == "rate":
        return _rate(row)
    if row["kind"] == "bound":
        return f"Bound of {about}: {row['note']}." if kind == "violations" else ""
    why = f"; {row['reason']}" if row["reason"] else ""
    return f"{name_of(row)}: {value_text(row)} at step {row['step']}{why}."


def _passage(row: dict[str, Any], about: str, censored: dict[str, Any]) -> str:
    """Write `First passage (minimizer 0.1): median step 12 (11 to 13); censored 3 % ...`."""
    what, _, level = about.rpartition(" ")
    of = "F(Θ) − F*" if what == "excess_risk" else f"|Θ − {what}|"
    middle = f"half of the paths by step {row['value']:.0f}{_between(row)}" if row["value"] is not None else row["reason"]
    late = f"; {censored['note']}" if censored["note"] else ""
    return f"First step with {of} ≤ {level}: {middle}{late}."


def _between(row: dict[str, Any]) -> str:
    """Write the interval of a step, which may be open."""
    low, high = row["ci_low"], row["ci_high"]
    if low is None or (low == high == row["value"]):
        return ""
    return f" ({low:.0f} to {high:.0f})" if high is not None else f" ({low:.0f} or later)"


def _rate(row: dict[str, Any]) -> str:
    """Write the sentence of a rate."""
    note = f"; {row['note']}" if row["note"] else ""
    of = "" if row["iterate"] == LAST else f" of {row['iterate']}"
    if row["value"] is None:
        why = row["reason"].partition(": ")[2] if row["status"] == INFINITE else row["reason"]
        what = "none, since that is infinite" if row["status"] == INFINITE else "unknown"
        return f"Rate of E|Θ − {row['xi']}|²{of} per step: {what}, {why}."
    ends = f" ({row['ci_low']:.6g} to {row['ci_high']:.6g})" if row["ci_low"] is not None else ""
    why = f"; no interval: {row['reason']}" if row["reason"] else ""
    what = f"E|Θ − {row['xi']}|²{of} changes by the factor {row['value']:.6g}{ends} per step"
    return f"Rate: {what} up to step {row['step']}{note}{why}."


def name_of(row: dict[str, Any]) -> str:
    """Name a quantity for people: `E F(Θₙ) − F* (excess_risk)`."""
    of = "" if row["iterate"] == LAST else f", {row['iterate']}"
    return f"{row['title'].replace('ξ', row['xi'] or 'ξ')} ({row['quantity'].partition(': ')[0]}{of})"


def value_text(row: dict[str, Any]) -> str:
    """Write a value with half the width of its interval."""
    return "unknown" if row["status"] == "unknown" else interval(row, "value")


def table(run: Run) -> str:
    """Write the table of quantities for summary.md; empty for a run that asks for none."""
    rows = [[markdown_text(row[0]), *row[1:]] for row in quantity_rows(run)]
    return f"Quantities at the end:\n\n{markdown_lines(QUANTITY_HEADER, rows, WORDS).rstrip()}" if rows else ""


def file_list(run: Run) -> str:
    """Name the data files of quantities."""
    laws = " `law.csv` (laws of Θₙ)." if _law_steps(run) else ""
    return f" `quantities.csv` (quantities at all their steps).{laws}" if asked(run) or laws else ""
