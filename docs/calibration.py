"""How often are verdicts wrong? python docs/calibration.py > docs/calibration.md

Draws instances of the processes of known truth in docs/laboratory, simulates them and judges them by nonconv's verdict.
All of it takes two minutes on one core, and as long again where kernels must be compiled first. With --only it is seconds:

    python docs/calibration.py --list                                        # what there is, and why it is true
    python docs/calibration.py --only "periodic schedules" --details         # each wrong or undecided run with its config
    python docs/calibration.py --only "networks: linear adam" --instances 50
"""

import argparse
import sys
from collections.abc import Callable, Iterator

from laboratory.catalogue import PROCESSES
from laboratory.process import BASE
from laboratory.tables import catalogue_table, detail, verdict_tables
from laboratory.trials import Trial, tasks, trials

INSTANCES = 10
"""Instances of each process."""
INTRODUCTION = """\
A process is a set of configs with random parameters whose truth is known:
whether a random variable ξ exists with E|Θₙ − ξ|² → 0.
So an iterate that tends to 0 almost surely while E|Θₙ|² → ∞ does not converge.
Each instance draws parameters and a seed, is simulated, and gets nonconv's verdict.
*Wrong* is a verdict that is a false statement; `undecided` never is.
*In the limit regime* are runs whose schedule, batch and state have settled long before the end:
they should be decided.
`python docs/calibration.py --help` says how to try some of them, and how to see their configs.
"""


def selected(only: list[str]) -> list[int]:
    """Return the indices of the processes whose `family: name` starts with one of these texts; all by default.

    Raises SystemExit where none does.
    """
    names = [f"{process.family}: {process.name}" for process in PROCESSES]
    for text in only:
        if not any(name.startswith(text) for name in names):
            raise SystemExit(f"no process starts with {text!r}; --list prints all")
    return [k for k, name in enumerate(names) if not only or any(name.startswith(text) for text in only)]


def document(found: list[Trial], seed: int, instances: int) -> Iterator[str]:
    """Yield the lines of docs/calibration.md."""
    yield "# Calibration\n\nWritten by `python docs/calibration.py > docs/calibration.md`.\n"
    yield f"## Verdicts\n\n{INTRODUCTION}"
    processes, families = len({trial.process for trial in found}), len({PROCESSES[trial.process].family for trial in found})
    yield f"{processes} processes in {families} families, {instances} instances of each, seed {seed}.\n"
    yield from verdict_tables(found)


def write(line: str) -> None:
    """Print a line at once, as runs take long."""
    print(line, flush=True)


def main(scale: Callable[[int], int], options: argparse.Namespace) -> None:
    """Write the document to stdout, and details to stderr. scale: of the number of instances."""
    instances = scale(options.instances)
    wanted = tasks(selected(options.only), instances, options.seed, paths=options.paths, steps=options.steps)
    found = []
    for trial in trials(wanted, options.workers):
        found.append(trial)
        if options.details and (trial.wrong or trial.answer == "undecided"):
            print(detail(trial), file=sys.stderr, flush=True)
    for line in document(found, options.seed, instances):
        write(line)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("divisor", nargs="?", type=int, default=1, help="divides the number of instances, for a quick look")
    found.add_argument("--list", action="store_true", help="print the processes with their truths, and run nothing")
    found.add_argument(
        "--only", action="append", default=[], metavar="FAMILY", help="a family, or `family: process`; repeatable"
    )
    found.add_argument("--details", action="store_true", help="print wrong and undecided runs with their configs, to stderr")
    found.add_argument("--seed", type=int, default=1, help="of the parameters; another seed draws other instances")
    found.add_argument("--instances", type=int, default=INSTANCES, help="per process")
    found.add_argument("--paths", type=int, default=BASE["paths"], help="per run, where the process does not say")
    found.add_argument("--steps", type=int, default=BASE["steps"], help="per run; schedules scale with them")
    found.add_argument("--workers", type=int, default=1, help="processes that simulate")
    return found


if __name__ == "__main__":
    chosen = parser().parse_args()
    if chosen.list:
        for text in catalogue_table(selected(chosen.only)):
            write(text)
    else:
        main(lambda number: max(number // chosen.divisor, 1), chosen)
