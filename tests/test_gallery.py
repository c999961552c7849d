"""The gallery: each config is valid, says its topic and what was seen, and has a source beside each number that it expects."""

import json
import re
from pathlib import Path
from runpy import run_path

import pytest

from kit.command import bad, good
from nonconv.config.files import read
from nonconv.config.gallery import FINDINGS, TOPICS, Entry, entries
from nonconv.experiment.binding import make_cell
from nonconv.sweeps.sweep import as_sweep, survey

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "configs" / "gallery"
PAGE = run_path(str(ROOT / "docs" / "gallery.py"))
ENTRIES = entries(FOLDER)
CLAIMS = [pytest.param(entry, id=entry.name) for entry in ENTRIES]


@pytest.mark.parametrize("entry", CLAIMS)
def test_a_claim_is_complete(entry: Entry) -> None:
    """Claim with its paper, what nonconv finds, and an expectation."""
    document = read(entry.path)
    cell = make_cell(document)
    assert cell.expect
    if "sweep" in document.data:
        sweep = as_sweep(document)
        survey(sweep, lambda *_: None)
    assert PAGE["papers"](entry.claim)
    assert entry.topic in TOPICS
    assert entry.finding in FINDINGS
    assert entry.seen.endswith(".")


@pytest.mark.parametrize("entry", CLAIMS)
def test_each_expected_number_has_a_source_beside_it(entry: Entry) -> None:
    """In its line, or in a comment above it that no other key comes between."""
    text = entry.path.read_text(encoding="utf-8").partition("\nexpect:\n")[2]
    told = above = False
    for line in text.splitlines():
        if re.match(r"  [a-z]", line):  # a key of expect: what was said before is about another one
            told = above
        told |= "#" in line
        above = line.lstrip().startswith("#")
        assert told or not re.search(r"(above|below|of): -?[0-9]", line), line


def test_a_claim_is_found_by_its_paper(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """From any folder, with its config."""
    monkeypatch.chdir(tmp_path)
    shown = good("list", "gallery", "1904.09237")
    assert "reddi_cyclic" in shown
    assert "zhang_shuffling" not in shown
    names = [claim["name"] for claim in json.loads(good("list", "gallery", "1904.09237", "--json"))["claims"]]
    assert names == ["reddi_cyclic", "reddi_stochastic"]
    assert bad("list", "gallery", "9999.99999") == (
        "no claim of the gallery has the text '9999.99999'; `nonconv list gallery` shows all\n"
    )
    assert "sign_descent" in good("list", "optimizer", "sign")
    assert bad("list", "optimizer", "zzz") == "nothing listed has the text 'zzz'\n"


def test_the_page_has_every_claim() -> None:
    """docs/gallery.md: make gallery."""
    page = ROOT.joinpath("docs", "gallery.md").read_text(encoding="utf-8")
    for entry in ENTRIES:
        assert f"| [{entry.name}](#{entry.name}) |" in page
        assert PAGE["wrapped"](entry.claim) in page
        assert entry.seen in " ".join(page.split())
