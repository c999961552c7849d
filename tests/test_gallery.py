"""The gallery: each config is valid, says its topic and what was seen, and has a source beside each number that it expects."""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest
import yaml

from kit.command import bad, call, good
from kit.thorough import a_few
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


@pytest.mark.slow
@pytest.mark.parametrize("name", a_few(["karimireddy_lattice", "koloskova_clipping", "lessard_cycle"], ["koloskova_clipping"]))
def test_a_wrong_number_is_refuted(tmp_path: Path, name: str) -> None:
    """Each one alone."""
    claim, out = FOLDER / f"{name}.yaml", tmp_path / "outputs"
    assert call("check", claim, "--out", out).exit_code == 0
    for k, wrong in enumerate(wrongs(read(claim).data["expect"])):
        changed = tmp_path / str(k) / f"{name}.yaml"
        changed.parent.mkdir()
        changed.write_text(yaml.safe_dump({"base": str(claim), "expect": wrong}), encoding="utf-8")
        assert call("check", changed, "--out", out).exit_code == 3, wrong


def wrongs(expect: Any) -> Iterator[Any]:
    """Yield what is expected with one thing wrong: an interval moved by half, a number by a tenth, or another verdict."""
    pairs = expect.items() if isinstance(expect, dict) else enumerate(expect)
    for key, value in pairs:
        for wrong in wrongs(value) if isinstance(value, dict | list) else _wrong(str(key), value):
            copy = deepcopy(expect)
            copy[key] = wrong
            yield copy
    ends = {key: end for key, end in pairs if key in ("above", "below")}
    if len(ends) == 2:
        yield from (expect | {key: factor * end for key, end in ends.items()} for factor in (0.5, 1.5))
    elif ends:
        yield expect | {key: end * (2 if key == "above" else 0.5) for key, end in ends.items()}


def _wrong(key: str, value: Any) -> list[Any]:
    """Return what a value alone may not be."""
    if key == "of":
        return [f"{factor} * ({value})" for factor in (0.9, 1.1)]
    return {"verdict": ["diverges"], "at_high": ["none"]}.get(key, [])


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
        assert entry.seen.replace(entry.finding, f"**{entry.finding}**", 1) in " ".join(page.split())
