"""The JUnit report is what the schema of Ant's JUnit task takes, and says what a person typed without trusting it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from authguard.policy.testing.report import PolicyTestReport, as_junit, run_tests

if TYPE_CHECKING:
    from pathlib import Path

AT = "2026-01-31T23:59:59"

NUMBER = re.compile(r"[0-9]+")
DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?")
TOKEN = re.compile(r"\S+( \S+)*")
STRING = re.compile(r".*", re.DOTALL)
MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}")

#: element -> its attributes, all of them required, and the form of their values
ATTRIBUTES = {
    "testsuites": {},
    "testsuite": {
        "id": NUMBER,
        "package": TOKEN,
        "name": TOKEN,
        "timestamp": MOMENT,
        "hostname": TOKEN,
        "tests": NUMBER,
        "failures": NUMBER,
        "errors": NUMBER,
        "time": DECIMAL,
    },
    "properties": {},
    "property": {"name": TOKEN, "value": STRING},
    "testcase": {"name": TOKEN, "classname": TOKEN, "time": DECIMAL},
    "failure": {"type": TOKEN, "message": STRING},
    "error": {"type": TOKEN, "message": STRING},
    "system-out": {},
    "system-err": {},
}
#: element -> the sequence of its children
CHILDREN = {
    "testsuites": r"(testsuite )*",
    "testsuite": r"properties (testcase )*system-out system-err ",
    "properties": r"(property )*",
    "testcase": r"(failure |error )?",
}

POLICY = """\
authguard: 1
name: mine
extends: standard
issuers: [{issuer: 'https://idp.example', audience: us, algorithms: [ES256], keys: discovery}]
accounts: none
operations:
  - {name: chat, match: {path: /chat}, risk: routine, effect: read, scopes: [chat]}
otherwise: {risk: sensitive, effect: write}
fallbacks:
  prove_identity: {kind: handoff, queue: identity}
  prove_otherwise: {kind: handoff, queue: identity}
"""
SCENARIOS = """\
- name: '</testcase><failure type="x"/> & "quoted" ]]>'
  given: {account: normal}
  ask: {operation: chat}
  then: {outcome: deny}
- {name: passes, given: {account: normal}, ask: {operation: [chat, otherwise]}, then: {outcome: [allow]}}
- {name: chats, given: {account: normal}, ask: {operation: chat}, then: {outcome: allow}}
- {name: "two\\n lines   and 👻", given: {account: normal}, ask: {operation: chat}, then: {outcome: allow}}
"""


@pytest.fixture
def report(tmp_path: Path) -> PolicyTestReport:
    (tmp_path / "policy.yaml").write_text(POLICY, encoding="utf-8")
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "one.yaml").write_text(SCENARIOS, encoding="utf-8")
    return run_tests(str(tmp_path / "policy.yaml"))


def hold_against_the_schema(element: ET.Element) -> None:
    allowed = ATTRIBUTES[element.tag]
    assert element.attrib.keys() == allowed.keys()
    for name, form in allowed.items():
        assert form.fullmatch(element.attrib[name]), (element.tag, name, element.attrib[name])
    assert re.fullmatch(CHILDREN.get(element.tag, ""), "".join(f"{child.tag} " for child in element)), element.tag
    for child in element:
        hold_against_the_schema(child)


def test_the_report_has_the_elements_attributes_and_order_of_the_schema(report: PolicyTestReport) -> None:
    root = ET.fromstring(as_junit([report, run_tests("standard")], AT))  # noqa: S314 - written a line before
    assert root.tag == "testsuites"
    hold_against_the_schema(root)
    mine, standard = root
    assert (mine.get("tests"), mine.get("failures"), mine.get("errors")) == ("4", "1", "1")
    assert (standard.get("id"), standard.get("failures"), standard.get("errors")) == ("1", "0", "0")
    assert len(standard.findall("testcase")) == int(standard.get("tests", ""))
    shares = {one.get("name"): one.get("value") for one in standard.iter("property")}
    assert shares == {"coverage.transitions": "100.00", "coverage.rules": "100.00"}


def test_what_was_typed_stays_text(report: PolicyTestReport) -> None:
    written = as_junit([report], AT)
    root = ET.fromstring(written)  # noqa: S314 - written a line before
    (failure,) = root.iter("failure")
    assert root[0].findall("testcase")[0].get("name") == '</testcase><failure type="x"/> & "quoted" ]]>'
    assert "the outcome is `allow`, not `deny`" in (failure.text or "")
    (error,) = root.iter("error")
    assert error.get("type") == "wrong-type"
    assert "no scenario covers rule" in (root[0].findtext("system-out") or "")


def test_a_name_is_one_line_of_words(report: PolicyTestReport) -> None:
    names = [one.get("name") for one in ET.fromstring(as_junit([report], AT)).iter("testcase")]  # noqa: S314 - ours
    assert "two lines and 👻" in names
