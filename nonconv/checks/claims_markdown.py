"""The results of `nonconv check` as Markdown, for a pull request or the summary of a job.

GitHub shows what is written to the file $GITHUB_STEP_SUMMARY on the page of the job.
"""

from collections.abc import Sequence

from nonconv.checks.expectations import STATUSES, combine
from nonconv.checks.junit import Checked
from nonconv.report.markup import markdown_cell, markdown_text
from nonconv.system.words import count

MARKS = {"met": "✅ met", "refuted": "❌ refuted", "undecided": "❔ undecided"}


def markdown(checked: Sequence[Checked], notes: Sequence[str] = ()) -> str:
    """Return the document: a sentence, a table of configs, then the expectations that are not met, and all of them folded.

    notes: what else a reader must know, as configs that were not chosen.
    """
    every = [row for one in checked for row in one.rows]
    counts = ", ".join(f"{number} {status}" for status in STATUSES if (number := sum(r.status == status for r in every)))
    status = combine(row.status for row in every)
    parts = [
        "## nonconv check",
        f"**{MARKS[status]}**: {count(len(every), 'expectation')}: {counts or 'none'}.",
        *(markdown_text(note) for note in notes),
        _table(["status", "config", "claim", "expectations", "seconds"], [_about(one) for one in checked]),
    ]
    wrong = [_expectation(one, k) for one in checked for k, row in enumerate(one.rows) if row.status != "met"]
    if wrong:
        parts += ["### Not met", _table(["status", "config", "expected", "found"], wrong)]
    lines = [_expectation(one, k) for one in checked for k in range(len(one.rows))]
    folded = _table(["status", "config", "expected", "found"], lines)
    parts.append(f"<details><summary>All expectations</summary>\n\n{folded}\n\n</details>")
    return "\n\n".join(parts) + "\n"


def _about(one: Checked) -> list[str]:
    """Return the row of a config."""
    met = sum(row.status == "met" for row in one.rows)
    status = MARKS[combine(row.status for row in one.rows)]
    return [status, _name(one), markdown_cell(one.claim), f"{met} of {len(one.rows)} met", f"{one.seconds:.1f}"]


def _name(one: Checked) -> str:
    return markdown_cell(one.config if one.subject == "run" else f"{one.config} ({one.subject})")


def _expectation(one: Checked, k: int) -> list[str]:
    """Return the row of an expectation."""
    row = one.rows[k]
    return [MARKS[row.status], _name(one), markdown_cell(row.expected), markdown_cell(row.found)]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in GitHub's Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows))
