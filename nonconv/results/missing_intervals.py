"""Which means have no interval, in sentences of summary.json: what was seen, why an interval would mislead, what to type."""

from collections import Counter
from collections.abc import Iterator

from nonconv.experiment.cell import Cell
from nonconv.statistics.decision import IT_IS_INFINITE
from nonconv.statistics.floors import last_floors, rows
from nonconv.statistics.intervals import Reasons, floor_intervals, sample_intervals
from nonconv.statistics.measured_block import MSE_PREFIX
from nonconv.statistics.networks import TRAINING_LOSS
from nonconv.statistics.tally import Tally
from nonconv.system.words import count


def sentences(cell: Cell, tally: Tally, errors: Reasons) -> list[str]:
    """Return a sentence per reason, with the means that it concerns. errors: why errors have none, (xi, R)."""
    found: dict[str, list[str]] = {}
    for name, reason in _last_of_each(cell, tally, errors):
        if reason:
            found.setdefault(reason, []).append(name)
    return [
        f"no {'value' if reason.startswith(IT_IS_INFINITE) else 'interval'} for {_listed(names)}: {reason}"
        for reason, names in found.items()
    ]


def _last_of_each(cell: Cell, tally: Tally, errors: Reasons) -> Iterator[tuple[str, str]]:
    """Yield the name of each kind of mean and why it has no interval, that of the latest row where rows differ."""
    for k, xi in enumerate(cell.xi):
        missing = [str(reason) for reason in errors[k] if reason]
        steps = f" at {len(missing)} of {errors.shape[1]} recorded steps" if len(missing) < errors.shape[1] else ""
        yield f"E|Θ − {xi.label}|²{steps}", missing[-1] if missing else ""
    floors = floor_intervals(cell, tally).reasons
    missing = [str(reason) for reason in floors if reason]
    if missing:
        most, _ = Counter(missing).most_common(1)[0]
        yield f"{len(missing)} of {count(len(rows(cell.program.plan)), 'floor')}", most
    if tally.risks is not None:
        risks = [str(reason) for reason in sample_intervals(cell, tally.risks).reasons[0] if reason]
        yield f"the risk at {count(len(risks), 'step')}", risks[-1] if risks else ""


def _listed(names: list[str]) -> str:
    """Join names with commas, and the last with `and`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def of_ends(cell: Cell, tally: Tally, errors: Reasons) -> dict[str, str]:
    """Return why means of what paths end with have no interval, by the names of `measured_block.end_names`."""
    floors = floor_intervals(cell, tally).reasons
    found = {f"{MSE_PREFIX}{xi.label}": str(errors[k, -1]) for k, xi in enumerate(cell.xi)}
    found |= {name: str(floors[row]) for name, row in last_floors(cell.program.plan).items()}
    if tally.risks is not None:
        found["risk"] = str(sample_intervals(cell, tally.risks).reasons[0, -1])
    if tally.training_losses is not None:
        found[TRAINING_LOSS] = str(sample_intervals(cell, tally.training_losses).reasons[0, -1])
    return {name: reason for name, reason in found.items() if reason}
