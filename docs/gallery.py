"""Writes docs/gallery.md from the gallery's configs and what `nonconv check` finds: python docs/gallery.py (`make gallery`).

Exit code 3 or 4 if an expectation is refuted or undecided, as of `nonconv check`; the page is written all the same.
"""

import json
import re
import shutil
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from nonconv.config.gallery import TOPICS, Entry, entries

ROOT = Path(__file__).parent.parent
FOLDER = Path("configs", "gallery")
OUT = Path("outputs", "gallery")
IMAGES = Path("docs", "images", "gallery")
COLUMNS = 98
VERDICTS = ("converges", "does_not_converge", "diverges", "undefined", "undecided")
"""The columns of the table of all claims."""
PICTURES = ("error", "heatmap_verdict", "heatmap_mse", "lines_mse*", "dots_mse*")
"""Of the figures that are there the last of these is shown, unless a config names another: a sweep's rather than its run's."""
INTRODUCTION = """\
# Gallery

Published claims on convergence and its absence, each a config with its numbers.
`nonconv list gallery 1904.09237` finds a claim by its paper;
`nonconv check configs/gallery/NAME.yaml` checks it.
`make gallery` runs and checks all of them, and writes this page.

Each number that a config expects has its source beside it in the config:
the paper, a closed form, an enumeration. Below each claim are these numbers and what was found.
"Does not hold" means that the claim as published is refuted by a case of its own assumptions,
"undecided" that a finite run cannot settle it.

In the table a verdict stands for one run, and a number for so many cells of a sweep.
What a verdict says of a rule is not what nonconv finds of the claim:
many claims are that a rule does *not* converge.

Open questions of the two papers behind nonconv have pages of their own: [answers](answers/README.md).
"""


class Result(NamedTuple):
    """What was found of a claim.

    verdicts: of its run, or of the cells of its sweep: how many have each. rows: of its expectations, as `nonconv check --json`
    has them. picture: the name of a file, if there is one.
    """

    entry: Entry
    verdicts: Counter[str]
    rows: list[dict[str, Any]]
    picture: str


def page(results: list[Result]) -> str:
    """The whole page."""
    head = [f"| claim | paper | nonconv finds | {' | '.join(map(words, VERDICTS))} | checks |", "|---" * 9 + "|"]
    table, sections = [], []
    for topic in TOPICS:
        of_topic = [result for result in results if result.entry.topic == topic]
        table += [f"| **{topic}** |{' |' * 8}", *map(line, of_topic)] if of_topic else []
        sections += [f"\n## {topic}", *map(section, of_topic)] if of_topic else []
    return "\n".join([INTRODUCTION, *head, *table, *sections]) + "\n"


def line(result: Result) -> str:
    """The line of one claim in the table."""
    entry = result.entry
    total = result.verdicts.total()
    numbers = [str(result.verdicts[v] or "") if total > 1 else "●" * result.verdicts[v] for v in VERDICTS]
    met = sum(row["status"] == "met" for row in result.rows)
    cells = [
        f"[{entry.name}](#{entry.name})",
        papers(entry.claim),
        entry.finding.lower(),
        *numbers,
        f"{met} of {len(result.rows)}",
    ]
    return f"| {' | '.join(cells)} |"


def section(result: Result) -> str:
    """The section of one claim: what is claimed, what was seen, a picture, each check, the command."""
    entry = result.entry
    picture = [f"![{entry.name}](images/gallery/{result.picture})"] if result.picture else []
    checks = "\n".join(["| expected | found | |", "|---|---|---|", *map(checked, result.rows)])
    told = [
        wrapped(entry.claim),
        wrapped(entry.seen.replace(entry.finding, f"**{entry.finding}**", 1)),
        *picture,
        checks,
        f"    nonconv check {entry.path}",
    ]
    return "\n\n".join([f"\n### {entry.name}", *told])


def checked(row: dict[str, Any]) -> str:
    """One check: what was expected, what was found, and whether that is it."""
    # Of a verdict's reasons the folder tells.
    found = words(row["found"].split(":")[0]) if row["kind"] == "verdict" else row["found"]
    return f"| {' | '.join(text.replace('|', '&#124;') for text in (row['expected'], found, row['status']))} |"


def papers(claim: str) -> str:
    """Links to the papers of a claim, or their years."""
    numbers = re.findall(r"arXiv:([0-9]{4}\.[0-9]{4,5}|[a-z-]+/[0-9]{7})", claim)
    links = [f"[{number}](https://arxiv.org/abs/{number})" for number in numbers]
    years = re.findall(r"\(([^()]*? (?:19|20)[0-9]{2})[^()]*\)", claim)
    return ", ".join(links) or "; ".join(years)


def wrapped(text: str) -> str:
    """A paragraph in short lines."""
    return textwrap.fill(text, COLUMNS, break_long_words=False, break_on_hyphens=False)


def check(files: list[Path]) -> tuple[dict[str, Any], int]:
    """What `nonconv check` finds, and its exit code."""
    command = [sys.executable, "-m", "nonconv", "check", *map(str, files), "--out", str(OUT), "--json"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=False)
    if done.returncode not in (0, 3, 4):
        raise SystemExit(done.returncode)
    return json.loads(done.stdout), done.returncode


def result(entry: Entry, parts: list[dict[str, Any]]) -> Result:
    """What was found of one claim, by its run and its sweep."""
    rows = [row for part in parts for row in part["expectations"]]
    folders = [ROOT / part["folder"] for part in parts]
    return Result(entry, verdicts(folders[-1], parts[-1]["subject"]), rows, picture(entry, folders))


def verdicts(folder: Path, subject: str) -> Counter[str]:
    """The verdict of a run, or those of a sweep's cells."""
    if subject == "run":
        return Counter([json.loads((folder / "verdict.json").read_text(encoding="utf-8"))["verdict"]])
    table = subprocess.run(
        [sys.executable, "-m", "nonconv", "table", str(folder), "--format", "json"], stdout=subprocess.PIPE, check=True
    )
    return Counter(row["verdict"] for row in json.loads(table.stdout)["rows"])


def words(verdict: str) -> str:
    return verdict.replace("_", " ")


def picture(entry: Entry, folders: list[Path]) -> str:
    """Copy the picture of a claim and return its name. Raises ValueError if the one that its config names is not there."""
    names = [entry.picture] if entry.picture else PICTURES
    there = [path for name in names for folder in folders for path in sorted((folder / "figures").glob(f"{name}.png"))[:1]]
    if entry.picture and not there:
        raise ValueError(f"{entry.path}: there is no figure {entry.picture}")
    if not there:
        return ""
    (ROOT / IMAGES).mkdir(parents=True, exist_ok=True)
    shutil.copy(there[-1], ROOT / IMAGES / f"{entry.name}.png")
    return f"{entry.name}.png"


def main() -> None:
    every = entries(FOLDER)
    document, code = check([entry.path for entry in every])
    parts: dict[str, list[dict[str, Any]]] = {}
    for part in document["configs"]:
        parts.setdefault(part["config"], []).append(part)
    text = page([result(entry, parts[str(entry.path)]) for entry in every])
    (ROOT / "docs" / "gallery.md").write_text(text, encoding="utf-8")
    raise SystemExit(code)


if __name__ == "__main__":
    main()
