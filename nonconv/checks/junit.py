"""JUnit XML for continuous integration: one test suite per config, one test case per expectation.

GitHub, GitLab and Jenkins show such a file as a list of tests.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

from nonconv.checks.expectations import Row
from nonconv.streams import visible

FORBIDDEN_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Checked(NamedTuple):
    """The expectations of one config, tested against its result."""

    config: str
    name: str
    claim: str
    folder: Path
    rows: list[Row]


def junit(checked: Sequence[Checked]) -> bytes:
    """Return the XML document. A refuted expectation is a failure; an undecided one counts as skipped."""
    root = ET.Element("testsuites", {"name": "nonconv check"} | _counts([row for one in checked for row in one.rows]))
    root.extend(_suite(one) for one in checked)
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _suite(one: Checked) -> ET.Element:
    """Return the test suite of a config, with its claim and folder as properties."""
    suite = ET.Element("testsuite", {"name": _xml(one.config)} | _counts(one.rows))
    properties = ET.SubElement(suite, "properties")
    for name, value in (("claim", one.claim), ("folder", str(one.folder))):
        ET.SubElement(properties, "property", name=name, value=_xml(value))
    suite.extend(_case(one.config, row) for row in one.rows)
    return suite


def _case(config: str, row: Row) -> ET.Element:
    """Return the test case of an expectation."""
    case = ET.Element("testcase", classname=_xml(config), name=_xml(f"{row.key}: {row.expected}"))
    if row.status == "met":
        ET.SubElement(case, "system-out").text = _xml(row.found)
    else:
        # A skipped test does not fail a build; `nonconv check` itself exits with 4.
        tag = "failure" if row.status == "refuted" else "skipped"
        ET.SubElement(case, tag, message=_xml(f"{row.status}: {row.found}"))
    return case


def _counts(rows: Sequence[Row]) -> dict[str, str]:
    """Return the attributes that say how many tests failed and were skipped."""
    statuses = [row.status for row in rows]
    found = {"tests": len(rows), "failures": statuses.count("refuted"), "errors": 0, "skipped": statuses.count("undecided")}
    return {name: str(number) for name, number in found.items()}


def _xml(text: str) -> str:
    """Escape what cannot be seen, and replace what else XML 1.0 forbids by a question mark."""
    return FORBIDDEN_IN_XML.sub("?", visible(text))
