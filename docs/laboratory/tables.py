"""Count verdicts by process and family, and write them as Markdown."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from laboratory.catalogue import FAMILIES, PROCESSES
from laboratory.process import PLUGINS
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

    def cells(self) -> tuple[str, ...]:
        """Return the columns of NUMBERS; the interval is Clopper and Pearson's."""
        of_wrong = share(self.wrong, self.runs, 0.95)
        interval = f"{100 * of_wrong.ci_low:.1f} to {100 * of_wrong.ci_high:.1f} %"
        in_limit = f"{self.undecided_in_limit} of {self.in_limit}" if self.in_limit else ""
        right = self.runs - self.wrong - self.undecided
        return (
            str(self.runs),
            str(right),
            str(self.undecided),
            str(self.wrong),
            f"{100 * of_wrong.value:.1f} %",
            interval,
            in_limit,
        )


NUMBERS = ("runs", "right", "undecided", "wrong", "share", "95 % interval", "undecided in the limit regime")


def verdict_tables(found: list[Trial]) -> Iterator[str]:
    """Yield the lines of three tables: by family, by process, and what is wrong in most instances."""
    yield "### By family\n"
    yield from _table(("family", *NUMBERS), _family_rows(found))
    yield "\n### By process\n"
    yield from _table(("process", "truth", *NUMBERS), _process_rows(found))
    yield "\n### Processes that are wrong in most instances\n"
    yield from _worst(found)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * (len(head) - len(NUMBERS))}{' ---: |' * len(NUMBERS)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def _family_rows(found: list[Trial]) -> Iterator[tuple[str, ...]]:
    for family in FAMILIES:
        own = [trial for trial in found if PROCESSES[trial.process].family == family.name]
        if own:
            yield family.name, *Count(own).cells()
    yield "all", *Count(found).cells()


def _process_rows(found: list[Trial]) -> Iterator[tuple[str, ...]]:
    for number in sorted({trial.process for trial in found}):
        process = PROCESSES[number]
        own = [trial for trial in found if trial.process == number]
        yield f"{process.family}: {process.name}", " or ".join(process.allowed), *Count(own).cells()


def _worst(found: list[Trial]) -> Iterator[str]:
    listed = False
    for number in sorted({trial.process for trial in found}):
        own = [trial for trial in found if trial.process == number]
        wrong = [trial for trial in own if trial.wrong]
        if 2 * len(wrong) > len(own):
            process, listed = PROCESSES[number], True
            said = " or ".join(sorted({trial.answer for trial in wrong}))
            yield f"- {process.family}: {process.name}: {len(wrong)} of {len(own)} say `{said}`; {process.why}."
    if not listed:
        yield "None."


def reasons(found: Iterable[int]) -> Iterator[str]:
    """Yield a list entry for each process: its truth, and a sketch of the proof."""
    for number in found:
        process = PROCESSES[number]
        regime = ", in its limit regime" if process.in_limit else ""
        yield f"- {process.family}: {process.name}: {' or '.join(process.allowed)}{regime}. {process.why}."


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
