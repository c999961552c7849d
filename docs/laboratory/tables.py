"""Count verdicts by process and family, and write them as Markdown."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from laboratory.catalogue import FAMILIES, PROCESSES
from laboratory.process import PLUGINS, Process
from laboratory.trials import Trial
from nonconv.statistics.shares import share


class Count:
    """How often verdicts were wrong, right and undecided."""

    def __init__(self, found: Iterable[Trial]) -> None:
        """Count trials, of one process or of several."""
        trials = list(found)
        of_limit = [trial for trial in trials if PROCESSES[trial.process].in_limit]
        self.runs = len(trials)
        self.wrong = sum(trial.wrong for trial in trials)
        self.undecided = sum(trial.answer == "undecided" for trial in trials)
        self.in_limit = len(of_limit)
        self.undecided_in_limit = sum(trial.answer == "undecided" for trial in of_limit)

    @property
    def right(self) -> int:
        """Return how many verdicts were true statements other than undecided."""
        return self.runs - self.wrong - self.undecided


def verdict_tables(found: list[Trial]) -> Iterator[str]:
    """Yield the lines of three tables: by family, what is wrong in most instances, and by process."""
    yield "### By family\n"
    yield from _table(FAMILY_HEAD, 1, _family_rows(found))
    yield "\n### Processes that are wrong in most instances\n"
    worst = list(_worst_rows(found))
    yield from _table(("process", "truth", "said", "wrong"), 3, worst) if worst else ["None."]
    yield "\n### By process\n"
    yield from _table(("process", "truth", "limit regime", "right", "undecided", "wrong", "why"), 3, _process_rows(found), 1)


FAMILY_HEAD = ("family", "runs", "right", "undecided", "wrong", "share", "95 % interval", "undecided in the limit regime")


def _table(head: tuple[str, ...], texts: int, rows: Iterable[tuple[str, ...]], last: int = 0) -> Iterator[str]:
    """Yield a table: first `texts` columns of text, then numbers, then `last` columns of text."""
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * texts}{' ---: |' * (len(head) - texts - last)}{' --- |' * last}"
    # Bars would end a cell.
    yield from (f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in rows)


def _family_rows(found: list[Trial]) -> Iterator[tuple[str, ...]]:
    for family in FAMILIES:
        own = [trial for trial in found if PROCESSES[trial.process].family == family.name]
        if own:
            yield family.name, *_family_numbers(Count(own))
    yield "all", *_family_numbers(Count(found))


def _family_numbers(count: Count) -> tuple[str, ...]:
    """Return a row of FAMILY_HEAD but for the name; the interval is Clopper and Pearson's."""
    wrong = share(count.wrong, count.runs, 0.95)
    counts = (str(count.runs), str(count.right), str(count.undecided), str(count.wrong))
    interval = f"{100 * wrong.ci_low:.1f} to {100 * wrong.ci_high:.1f} %"
    in_limit = f"{count.undecided_in_limit} of {count.in_limit}" if count.in_limit else ""
    return (*counts, f"{100 * wrong.value:.1f} %", interval, in_limit)


def _by_process(found: list[Trial]) -> Iterator[tuple[Process, list[Trial]]]:
    for number in sorted({trial.process for trial in found}):
        yield PROCESSES[number], [trial for trial in found if trial.process == number]


def _process_rows(found: list[Trial]) -> Iterator[tuple[str, ...]]:
    for process, own in _by_process(found):
        count = Count(own)
        yield *_stated(process), str(count.right), str(count.undecided), str(count.wrong), process.why


def _worst_rows(found: list[Trial]) -> Iterator[tuple[str, ...]]:
    for process, own in _by_process(found):
        wrong = [trial for trial in own if trial.wrong]
        if 2 * len(wrong) > len(own):
            said = " or ".join(sorted({trial.answer for trial in wrong}))
            yield *_stated(process)[:2], said, f"{len(wrong)} of {len(own)}"


def _stated(process: Process) -> tuple[str, str, str]:
    return f"{process.family}: {process.name}", " or ".join(process.allowed), "yes" if process.in_limit else ""


def catalogue_table(numbers: Iterable[int]) -> Iterator[str]:
    """Yield the lines of a table of processes, given by index, that nothing was run of."""
    rows = ((*_stated(PROCESSES[number]), PROCESSES[number].why) for number in numbers)
    yield from _table(("process", "truth", "limit regime", "why"), 4, rows)


def detail(trial: Trial) -> str:
    """Return a line for a trial that was not right: what it said and why, and the config that repeats it, as YAML."""
    process = PROCESSES[trial.process]
    kind = "WRONG" if trial.wrong else "undecided in the limit regime" if process.in_limit else "undecided"
    config = yaml.safe_dump(_portable(trial.config), default_flow_style=True, width=10**6, sort_keys=False).strip()
    truth = " or ".join(process.allowed)
    return (
        f"{kind} | {process.family}: {process.name} #{trial.number} | {trial.answer}, truth {truth} | {trial.reason} | {config}"
    )


def _portable(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config that can be run from the root of the repository: its plug-ins are relative to that."""
    if "plugins" not in config:
        return config
    root = PLUGINS.parents[2]
    return {**config, "plugins": [str(Path(name).relative_to(root)) for name in config["plugins"]]}
