"""The JUnit report that CI systems read: one test case a run."""

from __future__ import annotations

import re
from typing import Sequence
from xml.etree import ElementTree

from sim.abc import UNKNOWN
from sim.report.text import failure_lines
from sim.verdict import RunResult

# XML 1.0, section 2.2: what is not one of these characters cannot be written, not even escaped.
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(results: Sequence[RunResult]) -> str:
    suites = ElementTree.Element("testsuites", name="spinbed")
    suite = ElementTree.SubElement(suites, "testsuite", name="spinbed")
    cases = [_case(suite, result) for result in results]
    totals = {
        "tests": str(len(cases)),
        "failures": str(sum(case.find("failure") is not None for case in cases)),
        "errors": str(sum(case.find("error") is not None for case in cases)),
        "skipped": str(sum(case.find("skipped") is not None for case in cases)),
        "time": _seconds(sum(result.duration_ns for result in results)),
    }
    suite.attrib.update(totals)
    suites.attrib.update({key: value for key, value in totals.items() if key != "skipped"})
    ElementTree.indent(suites)
    body = ElementTree.tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _case(suite: ElementTree.Element, result: RunResult) -> ElementTree.Element:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=_safe(result.path),
        name=_safe(result.name),
        time=_seconds(result.duration_ns),
    )
    if result.skipped is not None and result.as_expected is None:
        ElementTree.SubElement(case, "skipped", message=_safe(result.skipped))
    elif not result.as_expected:
        # To CI a run of which nothing is known is an error of the bed, not of the system.
        kind = "error" if result.verdict == UNKNOWN else "failure"
        lines = failure_lines(result)
        node = ElementTree.SubElement(
            case, kind, message=_safe(lines[0]), type=result.verdict or "skipped"
        )
        node.text = _safe("\n".join(lines))
    told = [f"seed {result.seed}, world {result.world}"]
    if result.journal is not None:
        told.append(f"journal {result.journal}")
    ElementTree.SubElement(case, "system-out").text = _safe("\n".join(told))
    return case


def _safe(text: str) -> str:
    return NOT_XML.sub(lambda match: f"\\x{ord(match.group()):02x}", text)


def _seconds(duration_ns: int) -> str:
    return f"{duration_ns / 1e9:.3f}"
