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

from nonconv.config.gallery import Entry, entries

ROOT = Path(__file__).parent.parent
FOLDER = Path("configs", "gallery")
OUT = Path("outputs", "gallery")
IMAGES = Path("docs", "images", "gallery")
COLUMNS = 98
FOUND = ("Holds", "Does not hold", "Undecided")
"""What a config's comment begins with: what nonconv finds of the claim."""
INTRODUCTION = """\
# Gallery

Published claims on convergence and its absence, each a config with its numbers.
Written by `make gallery`, which runs and checks them all.
`nonconv list gallery 1904.09237` finds a claim by its paper,
`nonconv check configs/gallery/NAME.yaml` checks it.

Each number that a config expects has its source beside it:
the paper, a closed form, an enumeration.
"Does not hold" means that the claim as published is refuted by a case of its own assumptions.
"""


class Result(NamedTuple):
    """What was found of a claim.

    verdicts: of its run, or of the cells of its sweep with their numbers. met, of: how many expectations, and of how many.
    picture: the name of a file, if there is one.
    """

    entry: Entry
    verdicts: str
    met: int
    of: int
    picture: str


def page(results: list[Result]) -> str:
    """The whole page."""
    rows = [
        f"| [{r.entry.name}](#{r.entry.name}) | {papers(r.entry.claim)} | {found(r.entry)} | {r.verdicts} | {r.met} of {r.of} |"
        for r in results
    ]
    head = ["| claim | paper | nonconv finds | verdict | checks met |", "|---|---|---|---|---|"]
    return "\n".join([INTRODUCTION, *head, *rows, *map(section, results)]) + "\n"


def section(result: Result) -> str:
    """The section of one claim: what is claimed, what was seen, a picture, the command."""
    entry = result.entry
    picture = [f"![{entry.name}](images/gallery/{result.picture})"] if result.picture else []
    told = [wrapped(entry.claim), wrapped(f"**{found(entry)}.** {seen(entry)}"), *picture, f"    nonconv check {entry.path}"]
    return "\n\n".join([f"\n## {entry.name}", *told])


def found(entry: Entry) -> str:
    """What nonconv finds of a claim, one of FOUND. Raises ValueError."""
    known = next((word for word in FOUND if entry.about.startswith(word)), "")
    if not known:
        raise ValueError(f"{entry.path}: the comment at the top must begin with one of {', '.join(FOUND)}")
    return known


def seen(entry: Entry) -> str:
    """What the comment says after that."""
    return entry.about.removeprefix(found(entry)).lstrip(".,: ")


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
    statuses = [one["status"] for part in parts for one in part["expectations"]]
    folder, subject = ROOT / parts[-1]["folder"], parts[-1]["subject"]
    shown = picture(entry, folder, subject)
    return Result(entry, verdicts(folder, subject), statuses.count("met"), len(statuses), shown)


def verdicts(folder: Path, subject: str) -> str:
    """The verdict of a run, or those of a sweep's cells with their numbers."""
    if subject == "run":
        return words(json.loads((folder / "verdict.json").read_text(encoding="utf-8"))["verdict"])
    table = subprocess.run(
        [sys.executable, "-m", "nonconv", "table", str(folder), "--format", "json"], stdout=subprocess.PIPE, check=True
    )
    counted = Counter(words(row["verdict"]) for row in json.loads(table.stdout)["rows"])
    return ", ".join(f"{verdict} ({number})" for verdict, number in counted.most_common())


def words(verdict: str) -> str:
    return verdict.replace("_", " ")


def picture(entry: Entry, folder: Path, subject: str) -> str:
    """Copy the picture of a claim and return its name: of a run the errors, of a sweep a map or a line plot of them."""
    kinds = ["error.png"] if subject == "run" else ["heatmap_mse*.png", "lines_mse*.png", "dots_mse*.png"]
    there = [path for kind in kinds for path in sorted((folder / "figures").glob(kind))]
    if not there:
        return ""
    (ROOT / IMAGES).mkdir(parents=True, exist_ok=True)
    shutil.copy(there[0], ROOT / IMAGES / f"{entry.name}.png")
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
