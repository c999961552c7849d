"""The page of a run: its verdict with the numbers behind it, curves, findings, tables, config, provenance."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nonconv.page.run_figures import ERROR, figures
from nonconv.readback import content_of
from nonconv.report import network_text, quantities_text, verdict_text
from nonconv.report.brief import brief
from nonconv.report.figures.catalogue import figure_names, read_undrawn
from nonconv.report.logged_text import is_logged
from nonconv.report.run import LAST, Run
from nonconv.report.summary import findings, setting
from nonconv.report.tables import QUANTITY_HEADER, interval, iterate_rows, quantity_rows, short_rows
from nonconv.system.words import count

CONFIG = "config.yaml"
PICTURES = {
    "state": "State of the optimizer",
    "orbit": "Orbit and first path",
    "fates": "What became of the paths",
    "groups": "Floors per group of coordinates",
    "law": "Law of the iterate",
}
"""Figures of the folder that no chart replaces, and their titles."""


@dataclass(frozen=True)
class Table:
    """A table on a page. words: the columns of words, which are aligned to the left."""

    caption: str
    header: list[str]
    rows: list[list[str]]
    words: tuple[int, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """A verdict with the numbers behind it, in plain words. of: the iterate or run that it is on; empty if there is one."""

    key: str
    answer: str
    of: str
    numbers: list[tuple[str, str]]


@dataclass(frozen=True)
class Picture:
    """An image in a page. source: a data URL."""

    title: str
    about: str
    source: str


def content(run: Run, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the template of a run's page is filled with."""
    return {
        "claim": run.summary["claim"],
        "setting": setting(run),
        "verdicts": verdicts(run),
        "figures": figures(run),
        "pictures": pictures(run),
        "findings": findings(run),
        "warnings": brief(run).warnings,
        "tables": tables(run),
        "config": content_of(run.folder / CONFIG).decode("utf-8", "replace"),
        "command": "" if is_logged(run) else f"nonconv run {CONFIG}",
        "provenance": provenance(run, manifest),
        "sections": [
            ("curves", "Curves"),
            *([("pictures", "More figures")] if pictures(run) else []),
            ("findings", "Findings"),
            ("tables", "Tables"),
            ("config", "Config"),
            ("provenance", "Provenance"),
        ],
    }


# The verdict


def verdicts(run: Run) -> list[Verdict]:
    """Return the verdict on each iterate."""
    every = [run, *run.others]
    return [verdict(seen, seen.iterate if len(every) > 1 else "") for seen in every]


def verdict(run: Run, of: str) -> Verdict:
    """Return the verdict on an iterate or a run, with the numbers behind it. of: how it is called, where there are several."""
    told = brief(run)
    key, about = told.headings[0]
    # Other iterates have verdicts of their own, and the experiment stands above.
    others = {"experiment", *(other.iterate for other in run.others)}
    if run.iterate != LAST:
        others |= {"a priori bound", "paths", "quantity", "held-out loss", "on the knots"}
    facts = [(capitalised(label), text) for label, text in told.facts if label not in others]
    return Verdict(key, capitalised(verdict_text.ANSWERS[key]), of, [*facts, ("Observed on", about)])


def capitalised(text: str) -> str:
    """Return a text with its first letter large."""
    return text[:1].upper() + text[1:]


# Figures of the folder


def pictures(run: Run) -> list[Picture]:
    """Return the figures of the folder that no chart replaces."""
    there, undrawn = figure_names(run.folder), read_undrawn(run.folder)
    found = []
    for name, title in PICTURES.items():
        path = run.folder / "figures" / f"{name}.png"
        if name in there and name not in undrawn and path.is_file():
            found.append(Picture(title, f"{title}: the figure {name}.png of the folder", data_url(path)))
    return found


def data_url(path: Path) -> str:
    """Return a PNG as a URL that holds it."""
    return f"data:image/png;base64,{base64.b64encode(content_of(path)).decode('ascii')}"


# Tables


def tables(run: Run) -> list[Table]:
    """Return the tables of a run: errors, those of other iterates, quantities, groups of a network's coordinates."""
    header, rows = short_rows(run)
    others, more = iterate_rows(run)
    title, groups_header, groups = network_text.groups(run) if "network" in run.summary else ("", [], [])
    quantities = quantity_rows(run) if quantities_text.asked(run) else []
    every = [
        Table(f"{ERROR} ± half the width of its 95 % interval, by ξ", header, rows),
        Table("The same of the other iterates", others, more, (0,)),
        Table("Quantities at the end", QUANTITY_HEADER, quantities, (0,)),
        Table(title, groups_header, groups, (0, 2)),
        floors_table(run),
    ]
    return [table for table in every if table.rows]


FLOORS = {"twin": "twin floor", "window": "window floor", "cauchy": "Cauchy floor"}


def floors_table(run: Run) -> Table:
    """Return the table of the floors of the last span, of every iterate."""
    every = [run, *run.others]
    rows = []
    for seen in every:
        for name, title in FLOORS.items():
            row = seen.verdict["floors"].get(name)
            if row:
                lower = "" if row["lower"] is None else f"{max(row['lower'], 0.0):.4g}"
                own = [title, f"{row['first']} to {row['step']}", interval(row | {"status": "not finite"}, "value"), lower]
                rows.append([*([seen.iterate] if len(every) > 1 else []), *own])
    header = [*(["iterate"] if len(every) > 1 else []), "floor", "steps", "value", "lower bound"]
    told = f"Lower bounds for every ξ at the end; the last column holds at 95 % for all {count(run.floors, 'floor')} at once"
    return Table(told, header, rows, (0, 1) if len(every) > 1 else (0,))


# Where it comes from


def provenance(run: Run, manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what is known of where a run comes from."""
    seed = "" if is_logged(run) else str(run.summary["seed"])
    sizes = f"{'Runs' if is_logged(run) else 'Paths'}, steps"
    return facts(manifest, [("Seed", seed), (sizes, f"{run.counted_paths}, {run.counted_steps}")])


def facts(manifest: Mapping[str, Any], more: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return what is known of where results come from, as the folder stores it. more: what is of their kind alone."""
    versions, machine = manifest["versions"], manifest.get("machine", {})
    git, files = manifest.get("git") or {}, manifest["files"]
    commit = f"{git['commit']}{' with changes' if git.get('changed') else ''}" if git.get("commit") else ""
    digests = [f"{name} {files[name]}" for name in ("error.csv", "sweep.csv", CONFIG) if name in files]
    found = [
        ("nonconv", versions.get("nonconv", "")),
        ("Identity", manifest["identity"]),
        *more,
        ("Libraries", ", ".join(f"{name} {number}" for name, number in versions.items() if name != "nonconv")),
        ("Platform", ", ".join(str(value) for value in machine.values() if value)),
        ("Git commit", commit),
        ("SHA-256", "; ".join(digests)),
        ("Check it", "nonconv verify FOLDER"),
    ]
    return [(name, text) for name, text in found if text]


def table_of_facts(title: str, header: list[str], rows: list[list[str]], words: tuple[int, ...] = (0,)) -> Table | None:
    """Return a table; None if it has no rows."""
    return Table(title, header, rows, words) if rows else None
