"""Flags are built from the document, and each setter has one kind."""

from __future__ import annotations

import pytest

from authguard.core.flags import Flag, FlagSetter
from authguard.policy.loading.loader import load_draft
from tests.support.harness import POLICY

FLAGS = """
flags:
  second:
    by: [subject, payee]
    expires: never
    set_by: [{operation: [refund, chat], event: started}, {app: report}, {role: Fraud Desk}]
    cleared_by: [{role: Fraud Desk}, {role: lead}, {role: lead}]
  first: {by: session, expires: 1h, set_by: [{operation: chat, event: committed}]}
"""


def test_flags_have_what_the_file_says() -> None:
    found = load_draft("x.yaml", text=(POLICY + FLAGS).encode())
    assert found.problems == ()
    assert found.draft is not None
    flags = {flag.name: flag for flag in found.draft.flags}
    second, first = flags["second"], flags["first"]
    setters = (
        FlagSetter(operations=("refund", "chat"), event="started"),
        FlagSetter(app=True),
        FlagSetter(role="Fraud Desk"),
    )
    assert second == Flag(name="second", by="subject+payee", set_by=setters, cleared_by=("Fraud Desk", "lead"))
    assert (first.name, first.by, first.expires, first.cleared_by) == ("first", "session", 3_600.0, ())


@pytest.mark.parametrize(
    "setter",
    [
        "{}",
        "{operation: chat}",
        "{event: started}",
        "{app: report, role: x}",
        "{operation: chat, event: started, role: x}",
    ],
)
def test_a_setter_of_no_or_several_kinds_is_refused(setter: str) -> None:
    text = f"{POLICY}\nflags:\n  a: {{by: subject, expires: 1h, set_by: [{setter}]}}\n"
    (problem,) = load_draft("x.yaml", text=text.encode()).problems
    assert problem.code == "key-not-for-kind"
