"""Claims in finished folders: what each expects, by its own config, and whether what was found is that.

A folder that `nonconv check --out` has written holds an output folder for each run and each sweep. A claim is what one config
says: its run, its sweep, or both. Nothing is computed again; results are only held against `expect`.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nonconv.checks.expectations import Result, Row, evaluate, find_unanswerable, read_result
from nonconv.checks.sweep_expectations import SweptCell, evaluate_sweep
from nonconv.config.expect import OF_RUN, OF_SWEEP
from nonconv.config.files import read
from nonconv.config.gallery import Entry, entries, find_folder
from nonconv.experiment.binding import make_cell
from nonconv.faults.errors import ConfigError, NonconvError, UsageError
from nonconv.readback import load
from nonconv.report.sweep_result import is_sweep, read_sweep_result
from nonconv.results.stored import Verdict
from nonconv.results.sweep_files import FAILED, Ends, read_ends
from nonconv.store.folder import MANIFEST, read_manifest, undamaged
from nonconv.sweeps.cells import Cells
from nonconv.sweeps.sweep import Survey, Sweep, as_sweep, label, survey

ARXIV = re.compile(r"arXiv:([0-9]{4}\.[0-9]{4,5}|[a-z-]+/[0-9]{7})")
PUBLISHED = re.compile(r"\(([^()]*? (?:19|20)[0-9]{2})[^()]*\)")
CONFIG = "config.yaml"


@dataclass
class Claim:
    """A claim with what was found of it.

    folders: its run and its sweep, by what they are. verdicts: of the run, or of the cells of the sweep: how many have each.
    rows: of its expectations. problem: why it could not be checked; empty if it was. entry: of the gallery, if it is there.
    """

    name: str
    text: str
    folders: dict[str, Path]
    verdicts: Counter[str]
    rows: list[Row]
    problem: str = ""
    entry: Entry | None = None

    @property
    def papers(self) -> list[tuple[str, str]]:
        """The papers of the claim with their addresses; an address is empty where only names and a year are known."""
        numbers = ARXIV.findall(self.text)
        if numbers:
            return [(f"arXiv:{number}", f"https://arxiv.org/abs/{number}") for number in numbers]
        return [(found, "") for found in PUBLISHED.findall(self.text)]

    @property
    def status(self) -> str:
        """The worst status of its expectations; none if nothing is expected, problem if it could not be checked."""
        if self.problem:
            return "problem"
        found = {row.status for row in self.rows}
        return next((status for status in ("refuted", "undecided", "met") if status in found), "none")


def read_claims(folders: Iterable[Path]) -> list[Claim]:
    """Read the claims of output folders, and of folders of these: those of the gallery by topic, others by name.

    Raises UsageError if none of them is finished.
    """
    claims: dict[tuple[str, str], Claim] = {}
    for path in dict.fromkeys(one for folder in folders for one in _finished_in(folder)):
        manifest = read_manifest(path)
        if manifest is None:
            continue
        name, text = str(manifest.get("name") or path.name), str(manifest.get("claim") or "")
        claim = claims.setdefault((name, text), Claim(name, text, {}, Counter(), []))
        _add(claim, path)
    if not claims:
        raise UsageError("there is no finished output folder")
    known = _gallery()
    for claim in claims.values():
        claim.entry = known.get((claim.name, claim.text))
    order = {key: k for k, key in enumerate(known)}
    return [claims[key] for key in sorted(claims, key=lambda key: (order.get(key, len(order)), key))]


def _finished_in(folder: Path) -> list[Path]:
    """Return a folder if it is an output folder, else those in it."""
    if (folder / MANIFEST).exists():
        return [folder]
    return sorted(one.parent for one in folder.glob(f"*/{MANIFEST}"))


def _gallery() -> dict[tuple[str, str], Entry]:
    """Return the configs of the gallery by name and claim, in its order; {} where there is no gallery."""
    folder = find_folder()
    try:
        return {(entry.name, entry.claim): entry for entry in entries(folder)} if folder else {}
    except (NonconvError, OSError):
        return {}


def _add(claim: Claim, path: Path) -> None:
    """Add what a folder says to its claim."""
    try:
        undamaged(path)
        if is_sweep(path):
            result = read_sweep_result(path)
            statuses = zip(result.columns["verdict"], result.columns["status"], strict=True)
            # A sweep says more than the run of the same config.
            claim.verdicts = Counter(verdict or status for verdict, status in statuses)
            claim.folders["sweep"] = path
            claim.rows += _rows_of_sweep(path, dict(_failures(path)))
        else:
            if "sweep" not in claim.folders:
                claim.verdicts = Counter([load(path / "verdict.json", Verdict)["verdict"]])
            claim.folders["run"] = path
            claim.rows += _rows_of_run(path)
    except (NonconvError, OSError) as error:
        claim.problem = str(error).partition("\n")[0].replace(str(path), path.name)


def _failures(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the cells of a sweep that failed, and why."""
    columns = read_sweep_result(path).columns
    for cell, status, reason in zip(columns["cell"], columns["status"], columns["reason"], strict=True):
        if status == FAILED:
            yield cell, reason


def _rows_of_run(path: Path) -> list[Row]:
    """Test what the config of a run's folder expects of it. Raises ConfigError."""
    document = read(path / CONFIG)
    # What it expects of a sweep stands in the config too, but the sweep itself does not.
    document.data["expect"] = {key: value for key, value in document.data.get("expect", {}).items() if key not in OF_SWEEP}
    if not document.data["expect"]:
        return []
    cell = make_cell(document)
    expect = {key: value for key, value in cell.expect.items() if key in OF_RUN}
    result = read_result(path, cell.deterministic)
    problems = find_unanswerable(expect, result, CONFIG)
    if problems:
        raise ConfigError([str(problem) for problem in problems])
    return evaluate(expect, result)


def _rows_of_sweep(path: Path, failures: Mapping[str, str]) -> list[Row]:
    """Test what the config of a sweep's folder expects of its cells."""
    sweep = as_sweep(read(path / CONFIG))
    expect = {key: value for key, value in (sweep.expectations() or {}).items() if key in OF_SWEEP}
    return evaluate_sweep(expect, swept_cells(sweep, survey(sweep), path, failures)) if expect else []


def swept_cells(sweep: Sweep, surveyed: Survey, folder: Path, failures: Mapping[str, str]) -> list[SweptCell]:
    """Return the cells of a finished sweep, each to be read when it is looked at. failures: why cells failed, by their ids."""
    cells = Cells(folder)

    def opened(name: str, exact: Callable[[], bool]) -> Callable[[], Any]:
        @contextmanager
        def result() -> Iterator[Result]:
            with cells.opened(name) as place:
                yield read_result(place, exact())

        return result

    def swept(name: str, point: Any) -> SweptCell:
        def exact() -> bool:
            return sweep.get_cell(name, point).deterministic

        def ends() -> Ends:
            with cells.opened(name) as place:
                return read_ends(place)

        return SweptCell(
            name=name,
            at=label(point),
            settings={setting.key: setting.value for setting in point},
            names=sweep.full_config(point),
            failure=failures.get(name, ""),
            opened=opened(name, exact),
            ends=ends,
            exact=exact,
        )

    return [swept(name, point) for name, point in zip(surveyed.ids, sweep.points(), strict=True)]
