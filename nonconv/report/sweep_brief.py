"""What is read first of a sweep: how many cells have which verdict, where errors are least and largest, failures.

The table has a row per cell, with the columns that fit a line; sweep.csv has all of them.
"""

from collections.abc import Iterator
from functools import partial

from nonconv.report.brief import AT, Brief, Fact
from nonconv.report.sweep_result import ENDS, SweepResult
from nonconv.report.sweep_summary import extremes, swept_keys
from nonconv.report.sweep_table import short_rows
from nonconv.report.verdict_text import ANSWERS
from nonconv.results.sweep_files import FAILED
from nonconv.system.words import count

MOST_ERRORS, MOST_FAILURES = 3, 3
"""How many errors and failures are told."""


def sweep_brief(result: SweepResult) -> Brief:
    """Say what a sweep found."""
    sizes = [count(result.about[f"{one}s"], one) for one in ("path", "step") if result.about[f"{one}s"]]
    headings = [(name, _share(number, result.cells)) for name, number in _verdicts(result)]
    if headings and sizes:
        name, share = headings[0]
        headings[0] = (name, f"{share}, {' of '.join(sizes)} each")
    facts = [*_averages(result), *_errors(result), *_failures(result), ("swept", swept_keys(result))]
    return Brief(headings, facts, [])


def _share(number: int, cells: int) -> str:
    """Write how many of all cells there are."""
    if number == cells:
        return f"all {count(cells, 'cell')}" if cells > 1 else count(cells, "cell")
    return f"{number} of {count(cells, 'cell')}"


def _verdicts(result: SweepResult, column: str = "verdict") -> list[tuple[str, int]]:
    """Count the cells of each verdict in the order of ANSWERS, then those that failed.

    Where no floors were measured, no cell has a verdict: they are `done`.
    """
    names = (*ANSWERS,) if result.judged else (*(name for name in ANSWERS if name != "undecided"),)
    found = [(name, int(result.verdict(name, column).sum())) for name in names]
    rest = [("failed", int(result.failed.sum())), ("done", int(result.done.sum()) - sum(number for _, number in found))]
    return [(name, number) for name, number in (*found, *rest) if number]


def _averages(result: SweepResult) -> Iterator[Fact]:
    """Count the verdicts on each iterate besides the last."""
    for iterate in result.iterates:
        counts = _verdicts(result, f"verdict {iterate}")
        told = [f"{ANSWERS[name]} in {_share(number, result.cells)}" for name, number in counts if name in ANSWERS]
        yield iterate, ", ".join(told) or "no verdicts"


def _errors(result: SweepResult) -> Iterator[Fact]:
    """Say from where to where the final errors reach, then what else the config asks for."""
    own = [label for label in result.xi if not result.whose(label)[1]][:MOST_ERRORS]
    named = [(AT.get(label, f"at ξ = {label}"), "E|Θ − ξ|² ", f"mse_{label}") for label in own]
    named += [(ENDS[loss], "", loss) for loss in result.losses]
    named += [("quantity", f"{name} ", name) for name in result.quantities]
    for label, what, column in named:
        if told := extremes(result.columns[column], partial(_cell, result)):
            yield label, f"{what}{'= ' if told[0] in '-0123456789' else ''}{told}"


def _failures(result: SweepResult) -> Iterator[Fact]:
    """Say why cells failed, for the first few of them."""
    failed = [k for k, status in enumerate(result.columns["status"]) if status == FAILED]
    for k in failed[:MOST_FAILURES]:
        yield "failed", f"{_cell(result, k)}: {result.columns['reason'][k]}"
    if len(failed) > MOST_FAILURES:
        yield "failed", f"{len(failed) - MOST_FAILURES} more cells; sweep.csv gives their reasons"


def fitting_table(result: SweepResult, width: int) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of as many columns as fit a line: the keys, the verdict, then the errors in their order.

    Keys have their short names where these differ. Empty if not even the keys and the verdict fit.
    """
    header, rows = short_rows(result)
    keys = len(result.about["keys"])
    header[:keys] = short_keys(header[:keys])
    verdict = header.index("verdict")
    for row, status in zip(rows, result.columns["status"], strict=True):
        row[verdict] = FAILED if status == FAILED else ANSWERS.get(row[verdict], row[verdict])
    widths = [max(len(text) for text in column) for column in zip(header, *rows, strict=True)]
    kept = [*range(keys), verdict]
    for k in range(keys, verdict):
        if _line_width([widths[j] for j in (*kept, k)]) <= width:
            kept.append(k)
    if _line_width([widths[k] for k in kept]) > width:
        return [], []
    kept.sort()
    return [header[k] for k in kept], [[row[k] for k in kept] for row in rows]


def _line_width(widths: list[int]) -> int:
    """Return the width of a line of a table, with what is between columns and around them."""
    return sum(widths) + 3 * (len(widths) - 1) + 2


def short_keys(keys: list[str]) -> list[str]:
    """Return keys in short, each as long as it must be to differ from the others: `beta1`, `learning_rate` for its value."""
    told = [key.removesuffix(".value").removesuffix(".name") for key in keys]
    told = told if len(set(told)) == len(keys) else keys
    return [_short_key(key, [other for other in told if other != key]) for key in told]


def _short_key(key: str, others: list[str]) -> str:
    """Return the shortest end of a dotted key that none of the others ends with."""
    parts = key.split(".")
    ends = (".".join(parts[-k:]) for k in range(1, len(parts)))
    return next((end for end in ends if not any(f".{other}".endswith(f".{end}") for other in others)), key)


def _cell(result: SweepResult, k: int) -> str:
    """Write what distinguishes a cell, in short: `beta1=0.9, beta2=0.9997`."""
    keys = result.about["keys"]
    values = ((name, key, result.columns[key][k]) for name, key in zip(short_keys(keys), keys, strict=True))
    return ", ".join(f"{name}={result.brief(key, value)}" for name, key, value in values if value)
