"""The page of a folder of claims: the matrix of claims and verdicts, with a picture of each and what its checks found."""

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nonconv.checks.expectations import Row
from nonconv.page.claims import Claim, read_claims
from nonconv.page.palette import VERDICTS
from nonconv.readback import read_bytes
from nonconv.report.verdict_text import ANSWERS
from nonconv.system.words import count

PICTURES = ("error", "heatmap_verdict", "heatmap_mse", "lines_mse*", "dots_mse*")
"""Figures that show a claim: of those that are there the last, unless its config names another."""
WIDTH, HEIGHT, COLOURS = 360, 300, 48
"""Of a small picture: at most so many pixels, and colours, so that a hundred of them stay below two megabytes."""
MARKS = {"met": "✓", "refuted": "✕", "undecided": "?", "none": "–", "problem": "!"}


@dataclass(frozen=True)
class Line:
    """A claim as the page shows it.

    counts: by verdict, how it is marked: a dot for a run, a number of cells for a sweep. checks: expected, found, status.
    """

    number: int
    name: str
    text: str
    papers: list[tuple[str, str]]
    topic: str
    finding: str
    counts: list[str]
    verdicts: str
    met: str
    status: str
    mark: str
    checks: list[tuple[str, str, str]]
    problem: str
    picture: str
    commands: list[str]


def content(folders: Iterable[Path]) -> dict[str, Any]:
    """Return what the template of the page is filled with. Raises UsageError."""
    claims = read_claims(folders)
    lines = [_line(k, claim) for k, claim in enumerate(claims, 1)]
    statuses = [line.status for line in lines]
    told = {
        "met": "All expectations met",
        "refuted": "Some refuted",
        "undecided": "Some undecided",
        "problem": "Not checked",
        "none": "Nothing expected",
    }
    return {
        "lines": lines,
        "answers": [(k, ANSWERS.get(key, key)) for k, key in enumerate(VERDICTS) if any(line.counts[k] for line in lines)],
        "topics": list(dict.fromkeys(line.topic for line in lines if line.topic)),
        "statuses": {status: text for status, text in told.items() if status in statuses},
        "counts": [(text, statuses.count(status)) for status, text in told.items() if status in statuses],
        "setting": f"{count(len(lines), 'claim')}, {count(sum(len(line.checks) for line in lines), 'expectation')}",
        "figures": [],
        "sections": [("matrix", "Claims and verdicts"), ("claims", "Each claim")],
    }


def _line(number: int, claim: Claim) -> Line:
    """Return a claim as the page shows it."""
    entry, met = claim.entry, sum(row.status == "met" for row in claim.rows)
    total = claim.verdicts.total()
    return Line(
        number,
        claim.name,
        claim.text,
        claim.papers,
        entry.topic if entry else "",
        entry.finding if entry else "",
        [_mark(claim.verdicts[verdict], total) for verdict in VERDICTS],
        ", ".join(
            f"{ANSWERS.get(key, key)}{f' ({number} cells)' if total > 1 else ''}" for key, number in claim.verdicts.items()
        ),
        f"{met} of {len(claim.rows)}" if claim.rows else "none",
        claim.status,
        MARKS[claim.status],
        [(_words(row, row.expected), _words(row, row.found), row.status) for row in claim.rows],
        claim.problem,
        _thumbnail(claim),
        [f"nonconv report {path.name}" for path in claim.folders.values()],
    )


def _mark(number: int, total: int) -> str:
    """Mark a verdict: a dot for that of a run, the number of cells for a sweep."""
    return "" if not number else "●" if total == 1 else str(number)


def _words(row: Row, text: str) -> str:
    """Write what an expectation says; a verdict as people read it."""
    if row.facts.kind != "verdict":
        return text
    for key, answer in ANSWERS.items():
        text = text.replace(key, answer)
    return text


def _thumbnail(claim: Claim) -> str:
    """Return a small picture of a claim as a data URL; empty if there is none that can be read."""
    names = [claim.entry.picture] if claim.entry and claim.entry.picture else PICTURES
    folders = [claim.folders[kind] for kind in ("run", "sweep") if kind in claim.folders]
    there = [path for name in names for folder in folders for path in sorted((folder / "figures").glob(f"{name}.png"))[:1]]
    for path in reversed(there):
        try:
            return f"data:image/png;base64,{base64.b64encode(_small(read_bytes(path))).decode('ascii')}"
        except (OSError, ValueError, SyntaxError):  # what Pillow raises for what is no picture
            continue
    return ""


def _small(content: bytes) -> bytes:
    """Return a PNG of at most WIDTH x HEIGHT pixels. The same bytes for the same picture: without times and names."""
    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        shown = image.convert("RGB")
        shown.thumbnail((WIDTH, HEIGHT))
        buffer = io.BytesIO()
        shown.quantize(COLOURS).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
