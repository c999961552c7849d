"""JUnit XML for continuous integration: one test suite per config, one test case per expectation.

GitHub, GitLab and Jenkins show such a file as a list of tests.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

from nonconv.checks.expectations import Row
from nonconv.system.streams import visible

FORBIDDEN_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Checked(NamedTuple):
    """The expectations of one config about its run or about its sweep, tested against the result.

    subject: run or sweep. seconds: how long the result took; 0 where it was there already. lines: the line of each
    expectation in the config, 0 where it is not known.
    """

    config: str
    name: str
    claim: str
    folder: Path
    rows: list[Row]
    subject: str = "run"
    seconds: float = 0.0
    lines: tuple[int, ...] = ()


def junit(checked: Sequence[Checked]) -> bytes:
    """Return the XML document. A refuted expectation is a failure; an undecided one counts as skipped."""
    every, seconds = [row for one in checked for row in one.rows], sum(one.seconds for one in checked)
    root = ET.Element("testsuites", {"name": "nonconv check"} | _counts(every) | _time(seconds))
    root.extend(_suite(one) for one in checked)
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _suite(one: Checked) -> ET.Element:
    """Return the test suite of a config, with its claim and folder as properties."""
    name = one.config if one.subject == "run" else f"{one.config} ({one.subject})"
    suite = ET.Element("testsuite", {"name": _xml(name)} | _counts(one.rows) | _time(one.seconds))
    properties = ET.SubElement(suite, "properties")
    for name, value in (("claim", one.claim), ("folder", str(one.folder))):
        ET.SubElement(properties, "property", name=name, value=_xml(value))
    # The first case has the time of the result that all rest on, so that the cases' times add up to the suite's.
    times = [one.seconds, *[0.0] * len(one.rows)]
    lines = one.lines or (0,) * len(one.rows)
    suite.extend(_case(one.config, *about) for about in zip(one.rows, times, lines, strict=False))
    return suite


def _case(config: str, row: Row, seconds: float, line: int) -> ET.Element:
    """Return the test case of an expectation, with the time it took and its place in the config."""
    place = {"file": _xml(config)} | ({"line": str(line)} if line else {})
    about = {"classname": _xml(config), "name": _xml(f"{row.key}: {row.expected}")}
    case = ET.Element("testcase", about | place | _time(seconds))
    if row.status == "met":
        ET.SubElement(case, "system-out").text = _xml(row.found)
    else:
        # A skipped test does not fail a build; `nonconv check` itself exits with 4.
        tag = "failure" if row.status == "refuted" else "skipped"
        ET.SubElement(case, tag, message=_xml(f"{row.status}: {row.found}"))
    return case


def _time(seconds: float) -> dict[str, str]:
    """Return the attribute of a duration."""
    return {"time": f"{seconds:.3f}"}


def _counts(rows: Sequence[Row]) -> dict[str, str]:
    """Return the attributes that say how many tests failed and were skipped."""
    statuses = [row.status for row in rows]
    found = {"tests": len(rows), "failures": statuses.count("refuted"), "errors": 0, "skipped": statuses.count("undecided")}
    return {name: str(number) for name, number in found.items()}


def _xml(text: str) -> str:
    """Escape what cannot be seen, and replace what else XML 1.0 forbids by a question mark."""
    return FORBIDDEN_IN_XML.sub("?", visible(text))
