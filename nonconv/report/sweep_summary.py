"""summary.md of a sweep: the claim, what was measured, the verdicts, the range of errors, the figures."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from nonconv.report.best import best_markdown
from nonconv.report.figures_text import images
from nonconv.report.markup import markdown_text
from nonconv.report.sweep_result import ENDS, SweepResult, read_sweep_result
from nonconv.report.sweep_table import change_rows
from nonconv.report.tables import markdown_lines
from nonconv.results.sweep_files import FAILED
from nonconv.store.pack import CELLS_ARCHIVE
from nonconv.system.words import count

MOST_FAILURES = 10
LOST = {"inf": "overflow", "nan": "not a number"}
"""What sweep.csv has where there is no number, and what it means."""


def markdown(folder: Path, figures: Iterable[str]) -> str:
    """Write summary.md of a sweep.

    figures: the names of the figure files, of which the PNGs are shown.
    """
    result = read_sweep_result(folder)
    about = result.about
    title, header, rows = change_rows(result)
    parts = [
        f"# {markdown_text(about['name'])}",
        f"**Claim.** {markdown_text(about['claim'])}" if about["claim"] else "",
        f"**Measured.** {markdown_text(setting(result))}",
        "\n".join(f"- {markdown_text(sentence)}" for sentence in findings(result)),
        f"{title}:\n\n{markdown_lines(header, rows, ('changed',)).rstrip()}" if rows else "",
        best_markdown(result),
        *images(folder, [name.removesuffix(".png") for name in figures if name.endswith(".png")]),
        "Files: `sweep.csv` (one row per cell), "
        + ("`cells.zip`" if (folder / CELLS_ARCHIVE).exists() else "`cells/`")
        + " (the result of each cell, for `nonconv table`, `plot`, `verify` and `compare`, which take it as FOLDER#CELL), "
        "`config.yaml` (reproduces this folder).",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def setting(result: SweepResult) -> str:
    """Describe a sweep: `400 cells over optimizer.beta1 (20 values) and optimizer.beta2 (20 values), 1000 paths of ...`."""
    about = result.about
    size = [count(about[f"{one}s"], one) if about[f"{one}s"] else f"varying numbers of {one}s" for one in ("path", "step")]
    alike = f"{'cells of one seed' if 'seed' in about['keys'] else 'all cells'} have the same random numbers"
    return f"{count(about['cells'], 'cell')} over {swept_keys(result)}, {size[0]} of {size[1]} each; {alike}."


def swept_keys(result: SweepResult) -> str:
    """List the swept keys: `optimizer.beta1 (20 values) and optimizer.beta2 (20 values)`."""
    return _join([f"{key} ({count(len(set(result.columns[key]) - {''}), 'value')})" for key in result.about["keys"]])


def findings(result: SweepResult) -> list[str]:
    """List the findings, one sentence each: the verdicts, the range of each error, the failures."""
    others = [_verdicts(result, f"verdict {iterate}", f"Verdicts on {iterate}") for iterate in result.iterates]
    return [_verdicts(result), *others, *_errors(result), *_failures(result)]


def _verdicts(result: SweepResult, column: str = "verdict", title: str = "Verdicts") -> str:
    """Write how many cells have each verdict."""
    found = [verdict for verdict in result.columns[column] if verdict]
    if not result.judged and set(found) == {"undecided"}:
        return "No floors were measured, so no cell has a verdict."
    counts = {verdict: found.count(verdict) for verdict in dict.fromkeys(sorted(found))}
    parts = ", ".join(f"{verdict} in {count(number, 'cell')}" for verdict, number in counts.items())
    return f"{title}: {parts or 'none'}."


def _errors(result: SweepResult) -> list[str]:
    """Write the smallest and largest final error per ξ and loss of a network, and in which cells."""
    named = [(_error_name(result, label), f"mse_{label}") for label in result.xi]
    named += [(f"Final {ENDS[loss]}", loss) for loss in result.losses]
    named += [(f"Final {name}", name) for name in result.quantities]
    return [f"{name}: {told}." for name, column in named if (told := extremes(result.columns[column], partial(_cell, result)))]


def _error_name(result: SweepResult, label: str) -> str:
    """Name a final error: `Final E|Θ − minimizer|²`, with its iterate before it."""
    xi, iterate = result.whose(label)
    return f"{iterate}: final E|Θ − {xi}|²" if iterate else f"Final E|Θ − {xi}|²"


def extremes(texts: list[str], cell: Callable[[int], str]) -> str:
    """Write from where to where a column reaches, and in how many cells it is no number; empty if no cell has it.

    cell: writes what distinguishes a cell, given by its row.
    """
    pairs = [(float(text), k) for k, text in enumerate(texts) if text and text not in LOST]
    lost = [f"{what} in {count(texts.count(text), 'cell')}" for text, what in LOST.items() if text in texts]
    if not pairs:
        return " and ".join(lost)
    (low, at_low), (high, at_high) = min(pairs), max(pairs)
    between = f"from {low:.4g} ({cell(at_low)}) to {high:.4g} ({cell(at_high)})"
    if low == high:
        between = f"{low:.4g} in {count(len(pairs), 'cell')}"
    return "; ".join([between, *lost])


def _cell(result: SweepResult, row: int) -> str:
    """Write the swept values of a cell."""
    return ", ".join(f"{key}={result.columns[key][row]}" for key in result.about["keys"] if result.columns[key][row])


def _failures(result: SweepResult) -> list[str]:
    """Write why cells failed, for the first MOST_FAILURES of them."""
    failed = [k for k, status in enumerate(result.columns["status"]) if status == FAILED]
    more = [f"{len(failed) - MOST_FAILURES} more cells failed; sweep.csv gives their reasons."]
    shown = [f"Failed: {_cell(result, k)}: {result.columns['reason'][k]}." for k in failed[:MOST_FAILURES]]
    return shown + (more if len(failed) > MOST_FAILURES else [])


def _join(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
